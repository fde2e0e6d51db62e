"""Surfaces for text: whole pictures of industrial surfaces, and patches of them.

A surface is a material (``materials``) or a composed scene (``panels``, ``outdoors``) with light
and wear on it: gradients, glare, shadows, rust, stains, scratches, dust. A new one is a function
``(rng, height, width)`` that is added to ``SURFACES``, or a new material to ``MATERIALS``.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis import materials, outdoors, panels
from industrial_ocr.datasets.synthesis.chance import pick, pick_weighted
from industrial_ocr.datasets.synthesis.color import blend, gray_rgb, multiply, tint
from industrial_ocr.datasets.synthesis.materials import SurfaceRecipe
from industrial_ocr.datasets.synthesis.noise import noise
from industrial_ocr.results.types import ImageArray

SURFACES: tuple[tuple[SurfaceRecipe, float], ...] = (
    *materials.MATERIALS,
    (panels.label, 6),
    (panels.plate, 5),
    (panels.screen, 3),
    (panels.circuit_board, 5),
    (panels.part_on_table, 9),
    (outdoors.street, 4),
    (outdoors.container_view, 8),
    (panels.wall_with_sign, 4),
)
"""All kinds of surface, with their relative frequencies."""


def render_surface(rng: Generator, height: int, width: int) -> ImageArray:
    """One surface with light and wear, (height, width, 3) uint8 RGB, at least 16 x 16 pixels."""
    recipe = pick_weighted(rng, SURFACES)
    image = recipe(rng, height, width)
    has_light = recipe in (panels.part_on_table, panels.screen)
    chances = (
        (_rust, 0.14),
        (_stains, 0.2),
        (_scratches, 0.22),
        (_dust, 0.12),
        (_light_gradient, 0.55),
        (_soft_shadow, 0.15),
        (_hard_shadow, 0.12),
        (_glare, 0.14),
    )
    for change, chance in chances:
        if rng.random() < (0.35 * chance if has_light else chance):
            change(rng, image)
    return image


@lru_cache(maxsize=1)
def _pool() -> list[ImageArray]:
    """Surfaces to cut patches from, drawn once per process."""
    rng = np.random.default_rng(11)
    return [render_surface(rng, 384, 384) for _ in range(64)]


def surface_patch(rng: Generator, height: int, width: int) -> ImageArray:
    """A random place of a surface, mirrored, zoomed by 0.6 to 2, brightness moved.

    It is much faster than a new surface.

    Returns:
        (height, width, 3) uint8 RGB, a copy.
    """
    surface = pick(rng, _pool())
    side = len(surface)
    zoom = max(rng.uniform(0.6, 2.0), height / side, width / side)
    tall, wide = max(1, int(height / zoom)), max(1, int(width / zoom))
    y, x = rng.integers(0, (side - tall + 1, side - wide + 1))
    crop = surface[y : y + tall, x : x + wide]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    if rng.random() < 0.5:
        crop = crop[::-1]
    resized = cv2.resize(np.ascontiguousarray(crop), (width, height))
    gain, offset = rng.uniform(0.75, 1.25), rng.uniform(0, 25)
    return np.asarray(cv2.convertScaleAbs(resized, alpha=gain, beta=offset), np.uint8)


def _threshold_table(start: float, width: float, top: float) -> ImageArray:
    """A table of 256 values, rising from 0 at ``start`` to ``top`` at ``start + width``."""
    ramp = (np.arange(256) - start) / width * top
    return np.asarray(np.clip(ramp, 0, top), np.uint8)


def _rust(rng: Generator, image: ImageArray) -> None:
    height, width = image.shape[:2]
    runs = 3.0 if rng.random() < 0.5 else 1.0
    where = noise(rng, "pink", height, width, rng.uniform(1, 3), runs, np.pi / 2)
    table = _threshold_table(rng.uniform(150, 210), rng.uniform(8, 40), rng.uniform(120, 250))
    color = tint(noise(rng, "grain", height, width), [(60, 28, 14), (110, 56, 26), (160, 98, 54)])
    blend(image, color, np.asarray(cv2.LUT(where, table), np.uint8))


def _stains(rng: Generator, image: ImageArray) -> None:
    height, width = image.shape[:2]
    where = noise(rng, "brown", height // 2 + 1, width // 2 + 1, rng.uniform(0.5, 2), 2)
    low, high = sorted(rng.uniform(70, 165, 2))
    table = np.interp(np.arange(256), [90, 120, 150, 190], [128, 128, low, high]).astype(np.uint8)
    multiply(image, cv2.LUT(where, table))


def _scratches(rng: Generator, image: ImageArray) -> None:
    height, width = image.shape[:2]
    light = rng.random() < 0.65
    tone = rng.uniform(25, 110)
    layer = np.zeros((height, width), np.uint8)
    main = rng.uniform(0, np.pi)
    for _ in range(rng.integers(2, 16)):
        start = rng.random(2) * (width, height)
        angle = main + rng.normal(0, 0.3)
        end = start + np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.1, 1.0) * width
        bend = (start + end) / 2 + rng.normal(0, 0.02 * width, 2)
        line = np.array([start, bend, end]).astype(np.int32)
        cv2.polylines(layer, [line], False, tone * rng.uniform(0.3, 1), 1, cv2.LINE_AA)
    (cv2.add if light else cv2.subtract)(image, gray_rgb(layer), dst=image)


def _dust(rng: Generator, image: ImageArray) -> None:
    height, width = image.shape[:2]
    specks = noise(rng, "speckle", height, width, rng.uniform(0.7, 1.6))
    table = _threshold_table(rng.uniform(150, 190), 60, rng.uniform(30, 160))
    layer = cv2.LUT(specks, table)
    (cv2.add if rng.random() < 0.7 else cv2.subtract)(image, gray_rgb(layer), dst=image)


def _light_gradient(rng: Generator, image: ImageArray) -> None:
    strength = rng.uniform(10, 80)
    grid = rng.uniform(-1, 1, (2, 2)) if rng.random() < 0.6 else rng.uniform(-1, 1, (3, 3))
    factor = np.clip(128 + strength * grid, 10, 255).astype(np.uint8)
    multiply(image, cv2.resize(factor, (24, 24), interpolation=cv2.INTER_CUBIC))


def _polygon(rng: Generator, height: int, width: int, inside: int) -> ImageArray:
    """A map of 128 (no change) with ``inside`` in a random polygon."""
    factor = np.full((height, width), 128, np.uint8)
    count = int(rng.integers(3, 7))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    reach = rng.uniform(0.3, 1.3, (count, 1)) * max(height, width)
    points = rng.random(2) * (width, height) + reach * np.stack([np.cos(angles), np.sin(angles)], 1)
    cv2.fillPoly(factor, [points.astype(np.int32)], inside)
    return factor


def _soft_shadow(rng: Generator, image: ImageArray) -> None:
    small = _polygon(rng, 32, 32, int(rng.integers(45, 105)))
    radius = int(rng.integers(1, 7)) * 2 + 1
    multiply(image, cv2.GaussianBlur(small, (radius, radius), 0))


def _hard_shadow(rng: Generator, image: ImageArray) -> None:
    height, width = image.shape[:2]
    multiply(image, cv2.blur(_polygon(rng, height, width, int(rng.integers(45, 110))), (3, 3)))


def _glare(rng: Generator, image: ImageArray) -> None:
    """One to three bright spots or a bright stripe, added."""
    height, width = image.shape[:2]
    small = np.zeros((48, 48), np.uint8)
    for _ in range(rng.integers(1, 4)):
        axes = tuple(int(v) for v in rng.integers(1, (30, 8)))
        center = tuple(int(v) for v in rng.integers(0, 48, 2))
        power = rng.uniform(40, 250)
        cv2.ellipse(small, center, axes, rng.uniform(0, 180), 0, 360, power, -1)
    radius = int(rng.integers(2, 8)) * 2 + 1
    soft = cv2.GaussianBlur(small, (radius, radius), 0)
    layer = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.add(image, gray_rgb(layer), dst=image)
