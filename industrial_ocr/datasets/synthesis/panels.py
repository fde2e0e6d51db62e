"""Composed surfaces of the shop floor: labels, plates, screens, boards, chips on a table, signs.

Every function takes (rng, height, width) and returns (height, width, 3) uint8 RGB.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from industrial_ocr.datasets.synthesis import materials
from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.color import (
    jitter,
    mix,
    multiply,
    palette,
    random_color,
    shade,
    tint,
)
from industrial_ocr.datasets.synthesis.noise import noise
from industrial_ocr.results.types import FloatArray, ImageArray


def rotated_box(center: ArrayLike, size: tuple[float, float], angle: float) -> FloatArray:
    """(4, 2) corners, clockwise from top-left, of a (width, height) box turned by ``angle``."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    half = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * size
    return np.asarray(half @ turn + center, np.float32)


def paste(image: ImageArray, other: ImageArray, quad: FloatArray) -> None:
    """Copies ``other`` (same size as ``image``) into ``quad``, in place."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.round(quad).astype(np.int32), 255)
    cv2.copyTo(other, mask, image)


def outline(image: ImageArray, quad: FloatArray, color: list[float], thickness: int = 1) -> None:
    """Draws the border of ``quad``, in place."""
    points = np.round(quad).astype(np.int32)
    cv2.polylines(image, [points], True, color, thickness, cv2.LINE_AA)


def dot(image: ImageArray, center: ArrayLike, radius: int, color: list[float]) -> None:
    """Draws a filled disc, in place."""
    place = np.asarray(center).astype(int).tolist()
    cv2.circle(image, place, radius, color, -1, cv2.LINE_AA)


def label(rng: Generator, height: int, width: int) -> ImageArray:
    """A printed sticker, with or without a border or a colored band, on some material."""
    image = materials.any_material(rng, height, width)
    colors = palette("f0f0ec f6f4e6 f2cc28 dcdce0 c82828")
    base = jitter(rng, pick(rng, colors), 15)
    if rng.random() < 0.15:
        base = random_color(rng, (0.2, 0.9), (0.2, 0.9))
    paper = tint(noise(rng, "pink", height, width, 2), shade(base, rng.uniform(4, 20)))
    center = (width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6))
    size = (width * rng.uniform(0.5, 1.0), height * rng.uniform(0.3, 1.0))
    angle = rng.normal(0, 0.12)
    quad = rotated_box(center, size, angle)
    if rng.random() < 0.6:
        paste(image, tint(noise(rng, "pink", height, width), shade((50, 48, 46), 20)), quad + 2)
    paste(image, paper, quad)
    if rng.random() < 0.5:
        inset = rng.uniform(4, 14)
        inner = rotated_box(center, (size[0] - inset, size[1] - inset), angle)
        outline(image, inner, [c * 0.15 for c in base], int(rng.integers(1, 4)))
    if rng.random() < 0.3:
        a, b, c, d = quad
        band = np.stack([a, b, b * 0.8 + c * 0.2, a * 0.8 + d * 0.2])
        cv2.fillConvexPoly(image, band.astype(np.int32), random_color(rng, (0.3, 1), (0.1, 0.9)))
    return image


def plate(rng: Generator, height: int, width: int) -> ImageArray:
    """A license-plate or name-plate face filling most of the picture: gradient, rim, bolts."""
    image = materials.paint(rng, height, width)
    colors = palette("eeeeea f0f0ee f0c832 becee2 1e3c82")
    top = jitter(rng, pick(rng, colors), 20)
    bottom = jitter(rng, top, 45) if rng.random() < 0.6 else random_color(rng, (0, 0.5), (0.6, 1))
    ramp = np.linspace(0, 255, 32).astype(np.uint8)[:, None]
    smooth = np.asarray(cv2.resize(ramp, (width, height)), np.uint8)
    face = mix(smooth, noise(rng, "pink", height, width), 0.9, rng.uniform(0, 0.3))
    size = (width * rng.uniform(0.75, 1.02), height * rng.uniform(0.4, 0.95))
    quad = rotated_box((width / 2, height / 2), size, rng.normal(0, 0.05))
    paste(image, tint(face, [top, bottom]), quad)
    rim = [c * 0.3 for c in top] if rng.random() < 0.6 else [230.0, 230.0, 230.0]
    outline(image, quad, rim, int(rng.integers(1, 6)))
    for across in (0.12, 0.88):
        if rng.random() < 0.5:
            spot = quad[0] * (1 - across) + quad[1] * across + (quad[3] - quad[0]) * 0.07
            dot(image, spot, max(2, int(height * rng.uniform(0.01, 0.025))), [90, 88, 84])
    return image


def screen(rng: Generator, height: int, width: int) -> ImageArray:
    """An LCD, LED or monitor panel: dark or greenish, with a pixel grid and a bezel."""
    colors = palette("101216 96a478 1e46a0 08140a d2dce1")
    base = jitter(rng, pick(rng, colors), 12)
    image = tint(noise(rng, "brown", height, width, 3), shade(base, rng.uniform(5, 30)))
    if rng.random() < 0.6:
        pitch = int(rng.integers(2, 6))
        lines = image[::pitch]
        lines[:] = cv2.addWeighted(lines, rng.uniform(0.7, 0.95), lines, 0, 0)
        image[:, ::pitch] -= image[:, ::pitch] // int(rng.integers(6, 20))
    if rng.random() < 0.6:
        bezel = int(min(height, width) * rng.uniform(0.02, 0.12))
        tone = random_color(rng, (0, 0.3), (0.05, 0.8))
        cv2.rectangle(image, (0, 0), (width - 1, height - 1), tone, 2 * bezel)
    return image


def circuit_board(rng: Generator, height: int, width: int) -> ImageArray:
    """Solder mask with traces bent by 45 degrees, vias, rows of pads and some dark parts."""
    colors = palette("14542e 0e3c22 142c6e 18181a 82181c 246e46")
    mask = jitter(rng, pick(rng, colors), 14)
    gray = noise(rng, "pink", height, width, 2)
    light = int(rng.integers(14, 50))
    pitch = int(rng.integers(5, 14))
    lines = []
    for _ in range(rng.integers(2, 7)):
        start, step = rng.integers(0, (width, height)), rng.integers(0, 8)
        eighths = (step + rng.integers(-1, 2, 3)) % 8 * (np.pi / 4)
        directions = np.rint(np.sqrt(2) * np.stack([np.cos(eighths), np.sin(eighths)], 1))
        path = np.cumsum([start, *(directions * rng.integers(15, 120, (3, 1)))], 0)
        shift = np.array([pitch, pitch // 2]) if step % 4 == 0 else np.array([pitch, -pitch // 2])
        lines += [(path + shift * k).astype(np.int32) for k in range(rng.integers(1, 9))]
    copper = np.zeros((height, width), np.uint8)
    cv2.polylines(copper, lines, False, light, max(1, pitch // 3))
    image = tint(np.asarray(cv2.add(mix(gray, gray, 0.12, 0), copper), np.uint8), shade(mask, 60))
    metal = jitter(rng, (196, 190, 176) if rng.random() < 0.6 else (200, 170, 90), 25)
    for x, y in rng.integers(0, (width, height), (int(rng.integers(4, 24)), 2)):
        radius = int(rng.integers(2, 6))
        dot(image, (x, y), radius, metal)
        cv2.circle(image, (int(x), int(y)), radius // 2, (20, 20, 20), -1)
    for _ in range(rng.integers(1, 5)):
        _pads(rng, image, metal)
    return image


def _pads(rng: Generator, image: ImageArray, metal: list[float]) -> None:
    """Two facing rows of pads with, mostly, a dark body between them, in place."""
    height, width = image.shape[:2]
    pitch, count = int(rng.integers(6, 20)), int(rng.integers(2, 12))
    long, deep = max(3, int(pitch * 0.55)), int(rng.integers(15, 90))
    x0, y0 = int(rng.integers(-20, width)), int(rng.integers(-20, height))
    upright = rng.random() < 0.5

    def fill(a: int, b: int, wide: int, tall: int, color: list[float]) -> None:
        x, y, w, h = (b, a, tall, wide) if upright else (a, b, wide, tall)
        cv2.rectangle(image, (x0 + x, y0 + y), (x0 + x + w, y0 + y + h), color, -1)

    for k in range(count):
        fill(k * pitch, 0, long, pitch, metal)
        fill(k * pitch, deep + pitch, long, pitch, metal)
    if rng.random() < 0.7:
        fill(-pitch // 2, pitch // 2, count * pitch + pitch // 2, deep + pitch, [34, 34, 36])


def render_part(
    rng: Generator, height: int, width: int, zoom: float = 1.0
) -> tuple[ImageArray, FloatArray]:
    """A part lying on a table: a small dark one on white, or the reverse.

    With a ``zoom`` above 1, the camera is nearer: the part is larger and partly outside.

    Returns:
        The picture, and the (4, 2) corners of the face of the part, for a marking.
    """
    dark_part = rng.random() < 0.75
    part_level, table_level = rng.uniform(14, 80), rng.uniform(185, 275)
    if not dark_part:
        part_level, table_level = rng.uniform(150, 250), rng.uniform(5, 70)
    even = [table_level] * 3
    if rng.random() >= 0.6:
        even = jitter(rng, even, 25)
    table = noise(rng, "pink", height, width, 2)
    image = tint(table, shade(even, rng.uniform(0, 14)))
    long = width * zoom * rng.uniform(0.25, 0.85)
    size = (long, min(long * rng.uniform(0.22, 0.9), 0.8 * height * zoom))
    angle = rng.normal(0, 0.1) if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi)
    away = (1 - 1 / zoom) * rng.uniform(-0.5, 0.5, 2) * size
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    center = rng.uniform(0.35, 0.65, 2) * (width, height) + away @ turn
    quad = rotated_box(center, size, angle)
    if rng.random() < 0.6:
        shadow = tint(table, shade([c * 0.6 for c in even], 5))
        paste(image, shadow, quad + rng.uniform(-6, 6, 2).astype(np.float32))
    if rng.random() < 0.7:
        _leads(rng, image, quad, even, zoom)
    make = materials.epoxy if dark_part and rng.random() < 0.8 else materials.cast_metal
    face = make(rng, height, width)
    if not dark_part:
        tone = jitter(rng, [part_level] * 3, 20)
        face = tint(noise(rng, "pink", height, width), shade(tone, rng.uniform(5, 30)))
    paste(image, face, quad)
    rim = [float(np.clip(part_level + rng.uniform(-40, 60), 0, 255))] * 3
    outline(image, quad, rim)
    if rng.random() < 0.5:
        _pin_one(rng, image, quad, rim)
    return image, quad


def _leads(
    rng: Generator, image: ImageArray, quad: FloatArray, table: list[float], zoom: float
) -> None:
    """Pins along two sides of a chip, in place: shiny or nearly as bright as the table."""
    along, across = quad[1] - quad[0], quad[3] - quad[0]
    count = int(rng.integers(4, 15))
    fill = rng.uniform(0.25, 0.7) / count
    reach = across / max(1.0, float(np.linalg.norm(across))) * float(rng.uniform(3, 22) * zoom)
    bright = float(np.clip(table[0] + rng.uniform(-110, 40), 40, 255))
    for k in range(count):
        first = along * ((k + 0.5) / count - fill / 2)
        for base, out in ((quad[0], -reach), (quad[3], reach)):
            near, far = base + first, base + first + along * fill
            pin = np.stack([near, far, far + out, near + out]).astype(np.int32)
            cv2.fillConvexPoly(image, pin, [bright] * 3)
            cv2.polylines(image, [pin], True, [bright * 0.5] * 3)


def _pin_one(rng: Generator, image: ImageArray, quad: FloatArray, tone: list[float]) -> None:
    """The notch or the dot that marks pin 1, in place."""
    tall = float(np.linalg.norm(quad[3] - quad[0]))
    middle = (quad[0] + quad[3]) / 2
    if rng.random() < 0.5:
        middle = middle + (quad[1] - quad[0]) * 0.06 + (quad[3] - quad[0]) * 0.3
    color = tone if rng.random() < 0.5 else [c * 0.5 for c in tone]
    dot(image, middle, max(2, int(tall * 0.08)), color)


def part_on_table(rng: Generator, height: int, width: int) -> ImageArray:
    """``render_part`` without the place of the part."""
    return render_part(rng, height, width)[0]


def wall_with_sign(rng: Generator, height: int, width: int) -> ImageArray:
    """A plain board of one material in front of another, like a door sign."""
    image = materials.any_material(rng, height, width)
    board = pick(rng, (materials.paint, materials.brushed_metal, materials.gradient))
    size = (width * rng.uniform(0.5, 1.1), height * rng.uniform(0.2, 0.8))
    place = (width * rng.uniform(0.4, 0.6), height * rng.uniform(0.3, 0.7))
    quad = rotated_box(place, size, rng.normal(0, 0.06))
    soft = np.zeros((max(2, height // 8), max(2, width // 8)), np.uint8) + 128
    cv2.fillConvexPoly(soft, (quad / 8 + 0.8).astype(np.int32), int(rng.integers(50, 120)))
    multiply(image, soft)
    paste(image, board(rng, height, width), quad)
    if rng.random() < 0.5:
        outline(image, quad, random_color(rng, (0, 0.6), (0.05, 1)), int(rng.integers(1, 6)))
    return image
