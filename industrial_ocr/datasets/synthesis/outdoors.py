"""Outdoor surfaces: streets with vehicles, and containers in a yard.

Every function takes (rng, height, width) and returns (height, width, 3) uint8 RGB.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis import materials
from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.color import gray_rgb, jitter, random_color, shade, tint
from industrial_ocr.datasets.synthesis.noise import noise
from industrial_ocr.datasets.synthesis.panels import outline
from industrial_ocr.results.types import ImageArray


def street(rng: Generator, height: int, width: int) -> ImageArray:
    """An outdoor picture: sky, far buildings and trees, ground, vehicles, posts."""
    horizon = int(height * rng.uniform(0.1, 0.6))
    sky = jitter(rng, (150, 180, 215) if rng.random() < 0.6 else (225, 228, 230), 25)
    image = np.empty((height, width, 3), np.uint8)
    clouds = noise(rng, "brown", horizon + 1, width, 3, 2, 0.0)
    image[: horizon + 1] = tint(clouds, [sky, sky, [c + 35 for c in sky]])
    ground = (materials.concrete, materials.concrete, materials.bricks, materials.foliage)
    image[horizon:] = pick(rng, ground)(rng, height - horizon, width)
    for _ in range(rng.integers(3, 9)):
        limits = (max(24, width // 2), max(24, height // 3))
        wide, tall = (int(v) for v in rng.integers((14, 12), limits))
        y, x = max(0, int(horizon - tall * rng.uniform(0.3, 1))), int(rng.integers(0, width - 4))
        _far_object(rng, image[y : y + tall, x : x + wide])
    for _ in range(rng.integers(0, 3)):
        _vehicle(rng, image, horizon)
    for x in rng.integers(0, width, int(rng.integers(0, 4))):
        tone, foot = [rng.uniform(40, 230)] * 3, int(rng.integers(horizon, height))
        cv2.line(image, (int(x), 0), (int(x), foot), tone, int(rng.integers(1, 6)))
    if rng.random() < 0.4:
        size = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        image = np.asarray(cv2.blur(image, size), np.uint8)
    return image


def _far_object(rng: Generator, spot: ImageArray) -> None:
    """A wall, a stack of containers or a tree, some with rows of windows, in place."""
    kinds = (materials.foliage, materials.bricks, materials.corrugated, materials.concrete)
    kind = pick(rng, kinds)
    face = kind(rng, *spot.shape[:2])
    if kind is materials.foliage:
        crown = np.zeros(spot.shape[:2], np.uint8)
        for _ in range(7):
            center = rng.uniform(0.25, 0.75, 2) * crown.shape[::-1]
            radius = int(min(crown.shape) * rng.uniform(0.12, 0.28))
            cv2.circle(crown, (int(center[0]), int(center[1])), radius, 255, -1)
        face = np.where(crown[..., None] > 0, face, spot)
    elif rng.random() < 0.4:
        pitch = int(rng.integers(8, 26))
        pane = [rng.uniform(20, 110)] * 3
        for y in range(pitch // 2, face.shape[0] - pitch, pitch):
            for x in range(pitch // 2, face.shape[1] - pitch, pitch):
                cv2.rectangle(face, (x, y), (x + pitch // 2, y + pitch // 2), pane, -1)
    spot[:] = face


def _vehicle(rng: Generator, image: ImageArray, horizon: int) -> None:
    """A car from behind: body, window, tyres, two lamps, bumper and its shadow, in place."""
    height, width = image.shape[:2]
    wide = int(width * rng.uniform(0.15, 0.6)) + 8
    tall = int(wide * rng.uniform(0.6, 0.85))
    x0, y0 = int(rng.integers(-wide // 3, width)), int(rng.integers(horizon - tall // 2, height))

    def fill(points: list[tuple[float, float]], color: list[float]) -> None:
        polygon = np.array(points) * (wide, tall) + (x0, y0)
        cv2.fillPoly(image, [polygon.astype(np.int32)], color, cv2.LINE_AA)

    def box(x: float, y: float, w: float, h: float, color: list[float]) -> None:
        fill([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], color)

    body = random_color(rng, (0, 0.25) if rng.random() < 0.7 else (0.4, 0.9), (0.08, 0.95))
    dark = [c * 0.55 for c in body]
    fill([(-0.04, 0.98), (1.04, 0.98), (1.12, 1.08), (-0.12, 1.08)], [28.0, 28.0, 30.0])
    box(0.05, 0.8, 0.16, 0.24, [18.0, 18.0, 18.0])
    box(0.79, 0.8, 0.16, 0.24, [18.0, 18.0, 18.0])
    fill([(0.2, 0), (0.8, 0), (0.97, 0.4), (1, 0.9), (0, 0.9), (0.03, 0.4)], body)
    fill([(0.24, 0.05), (0.76, 0.05), (0.88, 0.36), (0.12, 0.36)], [40.0, 46.0, 52.0])
    box(0.0, 0.68, 1.0, 0.05, dark)
    box(0.0, 0.73, 1.0, 0.14, [c * 0.85 for c in body])
    lamp = [200.0, 24.0, 20.0] if rng.random() < 0.6 else [244.0, 240.0, 220.0]
    box(0.03, 0.44, 0.15, 0.16, lamp)
    box(0.82, 0.44, 0.15, 0.16, lamp)
    spot = image[max(0, y0) : y0 + tall, max(0, x0) : x0 + wide]
    sheen = noise(rng, "brown", spot.shape[0], spot.shape[1], 2, 4, 0.0)
    spot[:] = cv2.multiply(spot, gray_rgb(sheen), scale=1 / 128)


def container_view(rng: Generator, height: int, width: int) -> ImageArray:
    """A container's side or end in perspective before a yard: posts, frame, rods, stripes."""
    image = street(rng, height, width)
    side = materials.corrugated(rng, height, width)
    if rng.random() < 0.5:
        _doors(rng, side)
    _rails(rng, side)
    corner = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    move = rng.uniform(0, 0.22, (4, 2)) * (width, height) * [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    quad = (corner + move * rng.choice([1, 1, 0, -0.3], (4, 2))).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corner, quad)
    cv2.warpPerspective(side, matrix, (width, height), dst=image, borderMode=cv2.BORDER_TRANSPARENT)
    frame = [float(c) * rng.uniform(0.4, 0.9) for c in side[height // 2, width // 2]]
    outline(image, quad, frame, int(rng.integers(2, 12)))
    return image


def _rails(rng: Generator, side: ImageArray) -> None:
    """The top and bottom rail of a container, in place: flat bands with a shadow below."""
    height, width = side.shape[:2]
    tone = side[::8, ::8].reshape(-1, 3).mean(0) * rng.uniform(0.8, 1.3)
    band = max(2, int(height * rng.uniform(0.015, 0.06)))
    face = tint(noise(rng, "pink", band, width), shade(tone.tolist(), 15))
    side[:band], side[-band:] = face, face
    side[band : band + max(1, band // 4)] //= 2


def _doors(rng: Generator, side: ImageArray) -> None:
    """Flat door leaves with lock rods, their brackets and a dark seam, in place."""
    height, width = side.shape[:2]
    flat = side[::8, ::8].reshape(-1, 3).mean(0).tolist()
    worn = tint(noise(rng, "pink", height, width, 2), shade(flat, rng.uniform(8, 28)))
    np.copyto(side, worn)
    seam = int(width * rng.uniform(0.35, 0.65))
    cv2.line(side, (seam, 0), (seam, height), (15, 15, 18), int(rng.integers(2, 6)))
    thick = int(rng.integers(3, max(4, width // 50) + 1))
    for share in (0.16, 0.4, 0.6, 0.84):
        x = int(width * (share + rng.uniform(-0.03, 0.03)))
        tone = [rng.uniform(120, 235)] * 3
        cv2.line(side, (x + thick, 0), (x + thick, height), (25, 25, 28), 2)
        cv2.line(side, (x, 0), (x, height), tone, thick)
        for y in rng.integers(0, height, 4):
            cv2.rectangle(side, (x - thick, int(y)), (x + thick, int(y) + 2 * thick), tone, -1)
