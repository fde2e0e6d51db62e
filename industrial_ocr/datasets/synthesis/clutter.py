"""Hard negatives for the detector: draws ``CLUTTER_KINDS`` on free places of a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.chance import log_uniform, pick_weighted
from industrial_ocr.datasets.synthesis.clutter_kinds import CLUTTER_KINDS
from industrial_ocr.datasets.synthesis.color import gray_rgb, random_color
from industrial_ocr.results.types import ImageArray


def draw_clutter(rng: Generator, image: ImageArray, occupied: ImageArray) -> None:
    """Draws up to eight items on free places of a picture (H, W, 3) uint8 RGB, in place.

    ``occupied`` (H, W) uint8 is not zero where there is text. No such pixel is changed: an item
    that needs more free space is made smaller, moved or left out.
    """
    for _ in range(rng.integers(0, 9)):
        kind = pick_weighted(rng, [(kind, kind.share) for kind in CLUTTER_KINDS])
        size = log_uniform(rng, *kind.size)
        place = _free_place(rng, occupied, size, rng.uniform(*kind.aspect))
        if place is not None:
            spot = image[place]
            canvas = np.full(spot.shape[:2], 128, np.uint8)
            kind.draw(rng, canvas)
            _lay(rng, spot, _turned_and_blurred(rng, canvas))


def _free_place(
    rng: Generator, occupied: ImageArray, size: float, aspect: float
) -> tuple[slice, slice] | None:
    """Rows and columns of a free rectangle, ``size`` its shorter side, or None."""
    upright = rng.random() < 0.5
    for _ in range(6):
        short, long = int(size), int(size * aspect)
        height, width = (long, short) if upright else (short, long)
        height, width = min(height, occupied.shape[0]), min(width, occupied.shape[1])
        if min(height, width) < 6:
            return None
        y = int(rng.integers(0, occupied.shape[0] - height + 1))
        x = int(rng.integers(0, occupied.shape[1] - width + 1))
        place = slice(y, y + height), slice(x, x + width)
        if not occupied[place].any():
            return place
        size *= 0.8
    return None


def _turned_and_blurred(rng: Generator, canvas: ImageArray) -> ImageArray:
    """The canvas, sometimes turned by a few degrees (rarely by any angle), sometimes blurred."""
    height, width = canvas.shape
    if rng.random() < 0.6:
        degrees = rng.normal(0, 5) if rng.random() < 0.85 else rng.uniform(0, 360)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        turned = cv2.warpAffine(canvas, matrix, (width, height), borderValue=128)
        canvas = np.asarray(turned, np.uint8)
    if rng.random() < 0.6:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.4)), np.uint8)
    return canvas


def _lay(rng: Generator, spot: ImageArray, canvas: ImageArray) -> None:
    """Mixes a light and a dark color into ``spot``, in place, by the values of the canvas."""
    ground = spot[:: max(1, len(spot) // 8), :: max(1, spot.shape[1] // 8)]
    level = ground.astype(np.float32).reshape(-1, 3).mean(0)
    if rng.random() < 0.35:
        light = np.array(random_color(rng, (0.2, 1), (0.3, 1)))
        dark = light * rng.uniform(0.05, 0.5)
    else:
        light = level + rng.uniform(0.15, 1) * (255 - level)
        dark = level * rng.uniform(0, 0.8)
    if rng.random() < 0.25:
        light, dark = dark, light
    strength = rng.uniform(0.15, 0.6) if rng.random() < 0.3 else rng.uniform(0.5, 1)
    tones = np.arange(256, dtype=np.float32)[:, None]
    weight = np.clip(np.abs(tones - 128) / 110, 0, 1) * strength
    target = np.where(tones > 128, light, dark)
    keep = np.round(255 * (1 - weight[:, 0])).astype(np.uint8)
    add = np.clip(target * weight, 0, 255).astype(np.uint8)
    kept = cv2.multiply(spot, gray_rgb(cv2.LUT(canvas, keep)), scale=1 / 255)
    spot[:] = cv2.add(kept, cv2.merge([cv2.LUT(canvas, add[:, i]) for i in range(3)]))
