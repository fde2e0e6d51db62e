"""Augmented views of a sample.

The window is as imprecise as a detector's, strokes grow thicker and thinner, the shape is sheared
and bent a little, other characters come close, and camera and polarity change as in rendered data.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.chance import log_uniform
from industrial_ocr.datasets.synthesis.crops import detector_window
from industrial_ocr.datasets.synthesis.noise import noise_patch
from industrial_ocr.results.geometry import bounds, edge_lengths, glyph_window, warp_quad
from industrial_ocr.results.types import FloatArray, ImageArray
from industrial_ocr.training.retraining.samples import GlyphSample


def plain_crop(sample: GlyphSample, size: int) -> ImageArray:
    """The sample as the reader would cut it, (size, size) uint8."""
    return warp_quad(sample.image, glyph_window(sample.quad), size, size)


class Augmenter:
    """Draws augmented views of samples.

    Views stay readable: unreadable ones would teach the classifier to read every unreadable known
    symbol as a new one.

    Args:
        size: side of the crops in pixels.
        neighbors: (N, size, size) uint8 crops whose characters may be beside a sample.
    """

    def __init__(self, size: int, neighbors: ImageArray) -> None:
        self._size, self._neighbors = size, neighbors
        self._camera = Camera(0.4)

    def draw(self, rng: Generator, sample: GlyphSample) -> ImageArray:
        """One view of a sample, (size, size) uint8."""
        fine = 2 * self._size  # so that strokes change by half pixels
        window = _sheared(rng, detector_window(rng, sample.quad))
        crop = warp_quad(sample.image, window, fine, fine)
        if _touches_border(sample) and rng.random() < 0.4:
            crop = self._beside(rng, crop, sample, window)
        crop = _restroked(rng, crop)
        if rng.random() < 0.3:
            crop = _bent(rng, crop)
        crop = self._shrunk(rng, crop, sample, window)
        if rng.random() < 0.25:
            crop = _grained(rng, crop)
        if rng.random() < 0.3:
            crop = _contrast(rng, crop)
        if rng.random() < 0.5:
            crop = 255 - crop
        shot = self._camera.shoot(rng, np.repeat(crop[..., None], 3, axis=2), self._size * 0.7)
        return np.ascontiguousarray(shot[..., 1])

    def _shrunk(
        self, rng: Generator, crop: ImageArray, sample: GlyphSample, window: FloatArray
    ) -> ImageArray:
        """The crop at its final size, often shrunk first as if the character were farther away."""
        height = edge_lengths(sample.quad)[1] / max(edge_lengths(window)[1], 1e-3) * self._size
        least = min(1.0, 20 / max(height, 1.0))
        if rng.random() < 0.35 and least < 1:
            side = max(6, round(self._size * log_uniform(rng, least, 1)))
            crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8)
        mode = cv2.INTER_AREA if len(crop) > self._size else cv2.INTER_LINEAR
        return cv2.resize(crop, (self._size, self._size), interpolation=mode).astype(np.uint8)

    def _beside(
        self, rng: Generator, crop: ImageArray, sample: GlyphSample, window: FloatArray
    ) -> ImageArray:
        """The crop with another character at one side or both, in the sample's gray levels."""
        width, height = edge_lengths(sample.quad)
        share = width / max(edge_lengths(window)[0], 1e-3)
        gap = int((1 - share) / 2 * len(crop) * float(rng.uniform(0.3, 1.0)))
        if gap < 3 or not len(self._neighbors):
            return crop
        result = crop.copy()
        for side in ("left", "right"):
            if rng.random() < 0.25:
                continue
            other = self._neighbors[int(rng.integers(len(self._neighbors)))]
            other = cv2.resize(other, crop.shape, interpolation=cv2.INTER_LINEAR)
            part = other[:, len(other) // 2 : len(other) // 2 + gap]
            plain = part.astype(np.float32) - np.median(other)
            ground = np.median(crop[[0, -1]])
            ink = np.abs(crop.astype(np.float32) - ground).max() / max(np.abs(plain).max(), 1)
            sign = 1.0 if float(crop.mean()) >= ground else -1.0
            lit = np.sign(plain.sum()) or 1.0
            drawn = np.clip(ground + plain * ink * sign * lit, 0, 255).astype(np.uint8)
            if side == "right":
                result[:, -gap:] = drawn
            else:
                result[:, :gap] = drawn[:, ::-1]
        return result


def _touches_border(sample: GlyphSample) -> bool:
    """Whether the picture shows nothing beside the character."""
    x0, _, x1, _ = bounds(sample.quad)
    return bool(sample.image.shape[1] < 1.25 * (x1 - x0))


def _sheared(rng: Generator, window: FloatArray) -> FloatArray:
    """A window with its corners moved a little: slant, perspective, another width."""
    side = max(edge_lengths(window))
    moved = window + rng.normal(0, 0.02, (4, 2)) * side
    axis = window[1] - window[0]
    slant = float(rng.normal(0, 0.09))
    moved[:2] += axis * slant
    moved[2:] -= axis * slant
    stretch = axis * float(rng.normal(0, 0.05))
    moved[[0, 3]] -= stretch
    moved[[1, 2]] += stretch
    return moved.astype(np.float32)


def _restroked(rng: Generator, crop: ImageArray) -> ImageArray:
    """The crop with its dark or its bright strokes thicker; the polarity of the ink is unknown."""
    kind = rng.random()
    if kind > 0.4:
        return crop
    size = int(rng.integers(2, 5))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    change = cv2.dilate if kind < 0.2 else cv2.erode
    changed = np.asarray(change(crop, kernel), np.uint8)
    return changed if changed.std() > 0.6 * crop.std() else crop


def _bent(rng: Generator, crop: ImageArray) -> ImageArray:
    """The crop with an elastic deformation of a few hundredths of its side."""
    side = len(crop)
    coarse = rng.normal(0, 0.025 * side, (2, 4, 4)).astype(np.float32)
    shift = [cv2.resize(c, (side, side), interpolation=cv2.INTER_CUBIC) for c in coarse]
    x, y = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
    bent = cv2.remap(
        crop, x + shift[0], y + shift[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(bent, np.uint8)


def _grained(rng: Generator, crop: ImageArray) -> ImageArray:
    """The crop on a rougher surface or under uneven light."""
    strength = float(rng.uniform(0.05, 0.3)) * max(float(crop.std()), 4.0)
    return np.clip(crop + noise_patch(rng, *crop.shape) * strength, 0, 255).astype(np.uint8)


def _contrast(rng: Generator, crop: ImageArray) -> ImageArray:
    """The crop with less contrast, but a standard deviation of 9 gray levels if it had that."""
    deviation = max(float(crop.std()), 1e-3)
    factor = max(log_uniform(rng, 0.2, 1), min(1.0, 9 / deviation))
    mean = float(crop.mean())
    return np.clip((crop - mean) * factor + mean, 0, 255).astype(np.uint8)
