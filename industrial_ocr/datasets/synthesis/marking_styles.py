"""Puts text on a surface: printed, engraved, by laser or inkjet, or as raised letters.

To add a marking style, write a function ``(rng, view, alpha)`` like those below, which changes
``view`` in place, and add it with its share to ``MARKING_STYLES`` at the end of this file:
``view`` is the (H, W, 3) uint8 RGB part of the picture under the text, ``alpha`` (H, W) float32
says how much of each pixel the text covers, from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.chance import pick_weighted
from industrial_ocr.datasets.synthesis.glyphs import Mask
from industrial_ocr.datasets.synthesis.noise import noise_patch
from industrial_ocr.results.types import FloatArray, ImageArray

MarkingStyle = Callable[[Generator, ImageArray, FloatArray], None]
_LUMA = np.array([0.299, 0.587, 0.114])


def _ink(rng: Generator, view: ImageArray) -> FloatArray:
    """A color (3,) float32 that differs in brightness from the ground.

    On a rough ground the contrast is never faint, since unreadable text is of no use for training.
    """
    ground = view[:: max(1, view.shape[0] // 16), :: max(1, view.shape[1] // 16)].reshape(-1, 3)
    brightness = ground.astype(np.float32) @ _LUMA.astype(np.float32)
    level, roughness = float(brightness.mean()), float(brightness.std())
    kind = rng.random()
    if kind < 0.2:
        step = rng.uniform(12, 35)
    elif kind < 0.45:
        step = rng.uniform(35, 90)
    else:
        step = rng.uniform(80, 255)
    step = max(step, 1.3 * roughness + 4)
    lighter = 0.5 if 60 < level < 195 else 0.92 if level <= 60 else 0.08
    sign = 1 if rng.random() < lighter else -1
    if not -30 < level + sign * step < 285:
        sign = -sign
    target = float(np.clip(level + sign * step, 0, 255))
    if rng.random() < 0.6:
        tint = rng.normal(0, 6, 3)
    else:
        tint = rng.uniform(-90, 90, 3)
        tint -= tint @ _LUMA
    return np.clip(target + tint, 0, 255).astype(np.float32)


def _lay(view: ImageArray, alpha: FloatArray, color: FloatArray) -> None:
    """view = view + alpha (color - view), in place."""
    ground = view.astype(np.float32)
    ground += alpha[..., None] * (color - ground)
    view[...] = np.clip(ground, 0, 255).astype(np.uint8)


def _print(rng: Generator, view: ImageArray, alpha: FloatArray, color: FloatArray) -> None:
    """Lays ink on the ground, sometimes thinly or with soft edges."""
    if rng.random() < 0.25:
        alpha = alpha * rng.uniform(0.55, 0.95)
    if rng.random() < 0.2:
        alpha = np.asarray(cv2.GaussianBlur(alpha, (3, 3), 0), np.float32)
    _lay(view, alpha, color)


def _moved(alpha: FloatArray, dx: float, dy: float) -> FloatArray:
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return np.asarray(cv2.warpAffine(alpha, matrix, alpha.shape[::-1]), np.float32)


def plain_ink(rng: Generator, view: ImageArray, alpha: FloatArray) -> None:
    """Paint, print or laser of one color."""
    _print(rng, view, alpha, _ink(rng, view))


def relief(rng: Generator, view: ImageArray, alpha: FloatArray) -> None:
    """Engraved or embossed: light on one flank, shadow on the other, a little fill."""
    shift, angle = rng.uniform(0.6, 2.2), rng.uniform(0, 2 * np.pi)
    dx, dy = shift * np.cos(angle), shift * np.sin(angle)
    flank = (_moved(alpha, dx, dy) - _moved(alpha, -dx, -dy)) * rng.uniform(30, 110)
    fill = alpha * rng.uniform(-30, 30) * (rng.random() < 0.6)
    light = (flank + fill)[..., None]
    view[...] = np.clip(view.astype(np.float32) + light, 0, 255).astype(np.uint8)


def outlined(rng: Generator, view: ImageArray, alpha: FloatArray) -> None:
    """Letters with a rim of another color, or only the rim."""
    color = _ink(rng, view)
    size = 2 * int(rng.integers(1, 3)) + 1
    wide = np.asarray(cv2.dilate(alpha, np.ones((size, size), np.uint8)), np.float32)
    if rng.random() < 0.5:
        rim = np.clip(510 - 2 * color, 0, 255) if rng.random() < 0.5 else 255 - color
        _lay(view, wide, rim)
    else:
        alpha = wide - alpha
    _print(rng, view, alpha, color)


def laser_haze(rng: Generator, view: ImageArray, alpha: FloatArray) -> None:
    """Uneven strokes with a halo, like those of a laser on plastic and coated metal."""
    color = _ink(rng, view)
    halo = np.asarray(cv2.GaussianBlur(alpha, (0, 0), rng.uniform(1.5, 5)), np.float32)
    _lay(view, halo * rng.uniform(0.15, 0.5), color)
    alpha = alpha * np.clip(0.75 + 0.35 * noise_patch(rng, *alpha.shape), 0.15, 1)
    _print(rng, view, alpha, color)


def inkjet(rng: Generator, view: ImageArray, alpha: FloatArray) -> None:
    """Strokes with satellite drops around them."""
    color = _ink(rng, view)
    ys, xs = np.nonzero(alpha > 0.5)
    splashed = alpha.copy()
    if len(ys):
        for at in rng.integers(0, len(ys), int(rng.integers(3, 25))):
            x, y = xs[at] + rng.normal(0, 5), ys[at] + rng.normal(0, 5)
            radius = int(rng.integers(0, 2))
            cv2.circle(splashed, (int(x), int(y)), radius, rng.uniform(0.4, 1), -1)
    _print(rng, view, splashed, color)


def with_shadow(rng: Generator, view: ImageArray, alpha: FloatArray) -> None:
    """Letters over a second impression of themselves, moved by a few pixels."""
    color = _ink(rng, view)
    shadow = _moved(alpha, *(int(v) for v in rng.integers(-4, 5, 2)))
    _lay(view, shadow * rng.uniform(0.2, 0.9), rng.uniform(0, 255, 3).astype(np.float32))
    _print(rng, view, alpha, color)


def raised(rng: Generator, view: ImageArray, alpha: FloatArray) -> None:
    """Letters that stand out from a wall: their flanks, and often their shadow on it."""
    color = _ink(rng, view)
    rows = np.flatnonzero(alpha.max(1) > 0.3)
    tall = float(np.ptp(rows)) + 1 if len(rows) else 1.0
    angle = rng.uniform(0, 2 * np.pi)
    toward = np.array([np.cos(angle), np.sin(angle)])
    if rng.random() < 0.5:
        away = _moved(alpha, *(toward * tall * rng.uniform(0.08, 0.3)))
        shadow = np.asarray(cv2.GaussianBlur(away, (0, 0), 0.3 + tall * 0.04 * rng.random()))
        _lay(view, shadow * rng.uniform(0.3, 0.85), np.full(3, rng.uniform(0, 60), np.float32))
    depth = min(tall * rng.uniform(0.03, 0.16), 14.0)
    flank = alpha
    for step in np.arange(1.0, depth + 1):
        flank = np.maximum(flank, _moved(alpha, *(toward * min(step, depth))))
    side = color * rng.uniform(0.2, 0.8) if rng.random() < 0.7 else rng.uniform(0, 255, 3)
    _lay(view, flank, side.astype(np.float32))
    if rng.random() < 0.3:
        rim = np.clip(alpha - _moved(alpha, *toward), 0, 1)
        _lay(view, rim * 0.8, np.clip(color + 90, 0, 255))
    _print(rng, view, alpha, color)


MARKING_STYLES: tuple[tuple[MarkingStyle, float], ...] = (
    (relief, 0.10),
    (outlined, 0.06),
    (laser_haze, 0.10),
    (inkjet, 0.06),
    (with_shadow, 0.06),
    (raised, 0.08),
    (plain_ink, 0.54),
)
"""Every marking style with its share of the texts."""


def mark(rng: Generator, view: ImageArray, mask: Mask) -> None:
    """Puts a text onto a surface, in place, in one of the ``MARKING_STYLES``.

    ``view`` (H, W, 3) uint8 RGB is the part of the picture under ``mask`` (H, W) uint8, which is
    coverage at the picture's scale.
    """
    alpha = mask.astype(np.float32) / np.float32(255)
    if alpha.any():
        pick_weighted(rng, MARKING_STYLES)(rng, view, alpha)


def worn(rng: Generator, mask: Mask) -> Mask:
    """Thicker, thinner, broken or fading strokes; often the mask (H, W) uint8 as it is.

    The mask comes at the glyphs' own scale, before it is shrunk.
    """
    kind = rng.random()
    if kind < 0.16:
        size = int(rng.integers(2, 5))
        mask = cv2.dilate(mask, np.ones((size, size), np.uint8)).astype(np.uint8)
    elif kind < 0.24:
        thin = cv2.erode(mask, np.ones((2, 2), np.uint8)).astype(np.uint8)
        mask = thin if thin.sum() > 0.5 * mask.sum() else mask
    if rng.random() < 0.16:
        noise = noise_patch(rng, *mask.shape)
        floor = rng.uniform(-1.6, -0.5)
        keep = np.clip((noise - floor) * rng.uniform(2, 6), rng.uniform(0, 0.5), 1)
        mask = (mask * keep).astype(np.uint8)
    if rng.random() < 0.04:
        height, width = mask.shape
        at = int(rng.integers(0, height))
        end = (width, at + int(rng.integers(-9, 10)))
        cv2.line(mask, (0, at), end, 0, int(rng.integers(1, 4)))
    return mask
