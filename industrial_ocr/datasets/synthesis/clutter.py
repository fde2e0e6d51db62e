"""Things that look like text and are not: hard negatives for the detector.

Every kind draws on a gray canvas where 128 is transparent, more is the item's light color and
less its dark color; the canvas is then turned a little, blurred and laid on a free place of the
picture. No kind draws, alone and at letter size, what could be read: single rings, bars and dots
are left to long rows of them.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.clutter_kinds import KINDS
from industrial_ocr.datasets.synthesis.color import gray_rgb, random_color
from industrial_ocr.results.types import ImageArray

MAX_ITEMS = 8
_SHARES = np.cumsum([kind.share for kind in KINDS]) / sum(kind.share for kind in KINDS)
_TRIES = 6


def draw_clutter(rng: Generator, image: ImageArray, occupied: ImageArray) -> None:
    """Draws up to ``MAX_ITEMS`` items on free places of a picture, in place.

    Args:
        rng: decides everything.
        image: (H, W, 3) uint8 RGB.
        occupied: (H, W) uint8, non-zero where text stands: no pixel of it is changed, and an item
            whose whole place is not free is made smaller, moved or left out.

    Raises:
        ValueError: the two shapes do not belong together.
    """
    if image.shape[:2] != occupied.shape:
        raise ValueError(f"image {image.shape} and occupied {occupied.shape} differ in size")
    for _ in range(rng.integers(0, MAX_ITEMS + 1)):
        kind = KINDS[int(np.searchsorted(_SHARES, rng.random(), side="right"))]
        size = float(np.exp(rng.uniform(np.log(kind.smallest), np.log(kind.largest))))
        place = _free_place(rng, occupied, size, rng.uniform(*kind.aspect))
        if place is None:
            continue
        y, x, height, width = place
        canvas = np.full((height, width), 128, np.uint8)
        kind.draw(rng, canvas)
        _lay(rng, image[y : y + height, x : x + width], _finish(rng, canvas))


def _free_place(
    rng: Generator, occupied: ImageArray, size: float, aspect: float
) -> tuple[int, int, int, int] | None:
    """(y, x, height, width) of a free rectangle, ``size`` its shorter side, or None."""
    upright = rng.random() < 0.5
    for _ in range(_TRIES):
        short, long = int(size), int(size * aspect)
        height, width = (long, short) if upright else (short, long)
        height, width = min(height, occupied.shape[0]), min(width, occupied.shape[1])
        if min(height, width) < 6:
            return None
        y = int(rng.integers(0, occupied.shape[0] - height + 1))
        x = int(rng.integers(0, occupied.shape[1] - width + 1))
        if not cv2.countNonZero(occupied[y : y + height, x : x + width]):
            return y, x, height, width
        size *= 0.8
    return None


def _finish(rng: Generator, canvas: ImageArray) -> ImageArray:
    """Turns the canvas by a few degrees (seldom by any angle) and blurs it."""
    height, width = canvas.shape
    if rng.random() < 0.6:
        degrees = rng.normal(0, 5) if rng.random() < 0.85 else rng.uniform(0, 360)
        center = (width / 2, height / 2)
        matrix = cv2.getRotationMatrix2D(center, degrees, 1.0)
        canvas = np.asarray(
            cv2.warpAffine(canvas, matrix, (width, height), borderValue=128), np.uint8
        )
    if rng.random() < 0.6:
        sigma = rng.uniform(0.4, 1.4)
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), sigma), np.uint8)
    return canvas


def _lay(rng: Generator, spot: ImageArray, canvas: ImageArray) -> None:
    """Mixes light and dark colors into ``spot`` as the canvas says, in place."""
    local = np.asarray(spot[:: max(1, len(spot) // 8), :: max(1, spot.shape[1] // 8)], np.float32)
    ground = local.reshape(-1, 3).mean(0)
    if rng.random() < 0.35:
        light = np.array(random_color(rng, (0.2, 1), (0.3, 1)))
        dark = light * rng.uniform(0.05, 0.5)
    else:
        light = ground + rng.uniform(0.15, 1) * (255 - ground)
        dark = ground * rng.uniform(0, 0.8)
    if rng.random() < 0.25:
        light, dark = dark, light
    strength = float(rng.uniform(0.15, 0.6) if rng.random() < 0.3 else rng.uniform(0.5, 1))
    tones: Any = np.arange(256, dtype=np.float32)[:, None]
    weight = np.clip(np.abs(tones - 128) / 110, 0, 1) * strength
    target = np.where(tones > 128, light, dark)
    keep = np.round(255 * (1 - weight[:, 0])).astype(np.uint8)
    add = np.clip(target * weight, 0, 255).astype(np.uint8)
    kept = cv2.multiply(spot, gray_rgb(cv2.LUT(canvas, keep)), scale=1 / 255)
    spot[:] = cv2.add(kept, cv2.merge([cv2.LUT(canvas, add[:, i]) for i in range(3)]))
