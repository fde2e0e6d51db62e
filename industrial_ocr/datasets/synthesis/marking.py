"""How a mask becomes a mark: print, low contrast, engraving, relief, laser haze, inkjet, wear."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.glyphs import Mask
from industrial_ocr.datasets.synthesis.noise import noise_patch
from industrial_ocr.results.types import ImageArray


def worn(rng: Generator, mask: Mask, stroke: bool = True) -> Mask:
    """Thicker, thinner, broken or fading strokes; often the mask as it is.

    Args:
        rng: source of chance.
        mask: (H, W) uint8 at the glyph's own scale, before it is shrunk.
        stroke: whether thinning is allowed (no for masks of thin strokes).
    """
    kind = rng.random()
    if kind < 0.16:
        size = int(rng.integers(2, 5))
        mask = cv2.dilate(mask, np.ones((size, size), np.uint8)).astype(np.uint8)
    elif kind < 0.24 and stroke:
        thin = cv2.erode(mask, np.ones((2, 2), np.uint8)).astype(np.uint8)
        mask = thin if thin.sum() > 0.5 * mask.sum() else mask
    if rng.random() < 0.16:
        noise = noise_patch(rng, *mask.shape)
        floor = rng.uniform(-1.6, -0.5)
        keep = np.clip((noise - floor) * rng.uniform(2, 6), rng.uniform(0, 0.5), 1)
        mask = (mask * keep).astype(np.uint8)
    if rng.random() < 0.04:
        at = int(rng.integers(0, mask.shape[0]))
        cv2.line(
            mask,
            (0, at),
            (mask.shape[1], at + int(rng.integers(-9, 10))),
            0,
            int(rng.integers(1, 4)),
        )
    return mask


def _ink(rng: Generator, ground: np.ndarray) -> np.ndarray:
    """A color (3,) float32 that differs in brightness from the ground, (N, 3) sampled colors.

    The fainter the contrast, the plainer the ground: what nobody can read teaches nothing.
    """
    brightness = ground.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    level, roughness = float(brightness.mean()), float(brightness.std())
    kind = rng.random()
    if kind < 0.2:
        step = rng.uniform(12, 35)
    elif kind < 0.45:
        step = rng.uniform(35, 90)
    else:
        step = rng.uniform(80, 255)
    step = max(step, 1.3 * roughness + 4)
    up = rng.random() < (0.5 if 60 < level < 195 else 0.92 if level <= 60 else 0.08)
    target = level + step if up else level - step
    if not -30 < target < 285:
        target = level - step if up else level + step
    target = float(np.clip(target, 0, 255))
    if rng.random() < 0.6:
        tint = rng.normal(0, 6, 3)
    else:
        tint = rng.uniform(-90, 90, 3)
        tint -= tint @ np.array([0.299, 0.587, 0.114])
    return np.clip(target + tint, 0, 255).astype(np.float32)


def _blend(view: ImageArray, alpha: np.ndarray, color: np.ndarray) -> None:
    """view = view + alpha (color - view), alpha (H, W) float32 0..1, in place."""
    ground = view.astype(np.float32)
    ground += alpha[..., None] * (color - ground)
    np.clip(ground, 0, 255, out=ground)
    view[...] = ground.astype(np.uint8)


def _relief(rng: Generator, view: ImageArray, alpha: np.ndarray) -> None:
    """Engraved or embossed: light on one flank, shadow on the other, a little fill."""
    shift = rng.uniform(0.6, 2.2)
    angle = rng.uniform(0, 2 * np.pi)
    dx, dy = shift * np.cos(angle), shift * np.sin(angle)
    height, width = alpha.shape
    one = cv2.warpAffine(alpha, np.array([[1, 0, dx], [0, 1, dy]], np.float32), (width, height))
    two = cv2.warpAffine(alpha, np.array([[1, 0, -dx], [0, 1, -dy]], np.float32), (width, height))
    flank = (one - two) * rng.uniform(30, 110)
    fill = alpha * rng.uniform(-30, 30) * (rng.random() < 0.6)
    shade = (flank + fill)[..., None]
    view[...] = np.clip(view.astype(np.float32) + shade, 0, 255).astype(np.uint8)


def _splash(rng: Generator, alpha: np.ndarray) -> np.ndarray:
    """Satellite drops around inkjet strokes."""
    ys, xs = np.nonzero(alpha > 0.5)
    out = alpha.copy()
    if len(ys):
        for at in rng.integers(0, len(ys), int(rng.integers(3, 25))):
            x, y = xs[at] + rng.normal(0, 5), ys[at] + rng.normal(0, 5)
            cv2.circle(out, (int(x), int(y)), int(rng.integers(0, 2)), rng.uniform(0.4, 1), -1)
    return out


def _moved(alpha: np.ndarray, dx: float, dy: float) -> np.ndarray:
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(alpha, matrix, alpha.shape[::-1])


def _extrude(rng: Generator, view: ImageArray, alpha: np.ndarray, color: np.ndarray) -> None:
    """The flanks of letters that stand out from a wall, and often their shadow on it."""
    rows = np.flatnonzero(alpha.max(1) > 0.3)
    tall = float(np.ptp(rows)) + 1 if len(rows) else 1.0
    angle = rng.uniform(0, 2 * np.pi)
    toward = np.array([np.cos(angle), np.sin(angle)])
    if rng.random() < 0.5:
        away = toward * tall * rng.uniform(0.08, 0.3)
        shadow = cv2.GaussianBlur(_moved(alpha, *away), (0, 0), 0.3 + tall * 0.04 * rng.random())
        _blend(view, shadow * rng.uniform(0.3, 0.85), np.full(3, rng.uniform(0, 60), "f4"))
    depth = min(tall * rng.uniform(0.03, 0.16), 14.0)
    flank = alpha
    for step in np.arange(1.0, depth + 1):
        flank = np.maximum(flank, _moved(alpha, *(toward * min(step, depth))))
    shade = color * rng.uniform(0.2, 0.8) if rng.random() < 0.7 else rng.uniform(0, 255, 3)
    _blend(view, flank, shade.astype(np.float32))
    if rng.random() < 0.3:
        rim = np.clip(alpha - _moved(alpha, *toward), 0, 1)
        _blend(view, rim * 0.8, np.clip(color + 90, 0, 255))


def mark(rng: Generator, view: ImageArray, mask: Mask) -> None:
    """Puts a mask onto a surface, in place, by a random kind of marking.

    Args:
        rng: source of chance.
        view: (H, W, 3) uint8 RGB, the part of the picture under the mask.
        mask: (H, W) uint8 coverage at the picture's scale.
    """
    alpha = mask.astype(np.float32) / 255
    if not alpha.any():
        return
    kind = rng.random()
    if kind < 0.1:
        _relief(rng, view, alpha)
        return
    ground = view[:: max(1, view.shape[0] // 16), :: max(1, view.shape[1] // 16)]
    color = _ink(rng, ground.reshape(-1, 3))
    if kind < 0.16:
        size = 2 * int(rng.integers(1, 3)) + 1
        wide = cv2.dilate(alpha, np.ones((size, size), np.uint8))
        if rng.random() < 0.5:
            _blend(
                view,
                wide,
                np.clip(510 - 2 * color, 0, 255) if rng.random() < 0.5 else 255 - color,
            )
        else:
            alpha = wide - alpha
    elif kind < 0.26:
        halo = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(1.5, 5))
        _blend(view, halo * rng.uniform(0.15, 0.5), color)
        alpha = alpha * np.clip(0.75 + 0.35 * noise_patch(rng, *alpha.shape), 0.15, 1)
    elif kind < 0.32:
        alpha = np.asarray(_splash(rng, alpha), np.float32)
    elif kind < 0.38:
        shadow = _moved(alpha, *(int(v) for v in rng.integers(-4, 5, 2)))
        _blend(view, shadow * rng.uniform(0.2, 0.9), rng.uniform(0, 255, 3).astype(np.float32))
    elif kind < 0.46:
        _extrude(rng, view, alpha, color)
    if rng.random() < 0.25:
        alpha = alpha * rng.uniform(0.55, 0.95)
    if rng.random() < 0.2:
        alpha = np.asarray(cv2.GaussianBlur(alpha, (3, 3), 0))
    _blend(view, alpha, color)
