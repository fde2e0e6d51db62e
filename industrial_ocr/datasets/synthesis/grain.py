"""A small bank of tileable noise, made once, from which patches of any size are cut."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from industrial_ocr.results.types import FloatArray

SIZE = 512


@lru_cache(maxsize=1)
def _bank() -> FloatArray:
    """(6, 2 SIZE, 2 SIZE) float32, zero mean, unit variance, from white to very smooth.

    Each layer is tiled twice, so that patches up to SIZE are plain slices wherever they begin.
    """
    rng = np.random.default_rng(7)
    fy, fx = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]
    frequency = np.maximum(np.hypot(fx, fy), 1 / SIZE)
    layers = []
    for power in (0.0, 0.6, 1.0, 1.4, 1.8, 2.2):
        white = np.fft.rfft2(rng.normal(size=(SIZE, SIZE)))
        layer = np.fft.irfft2(white / frequency**power, s=(SIZE, SIZE))
        layers.append((layer - layer.mean()) / layer.std())
    return np.tile(np.stack(layers).astype(np.float32), (1, 2, 2))


def noise_patch(
    rng: np.random.Generator, height: int, width: int, kind: int | None = None
) -> FloatArray:
    """(height, width) float32 noise, about zero mean and unit variance.

    Args:
        rng: chooses place and, if ``kind`` is None, the spectrum (never white).
        height: rows, any number.
        width: columns, any number.
        kind: 0 white to 5 very smooth.
    """
    layer = _bank()[int(rng.integers(1, 6)) if kind is None else kind]
    y, x = int(rng.integers(SIZE)), int(rng.integers(SIZE))
    if y + height <= 2 * SIZE and x + width <= 2 * SIZE:
        return np.asarray(layer[y : y + height, x : x + width], np.float32)
    rows = np.arange(y, y + height) % SIZE
    cols = np.arange(x, x + width) % SIZE
    return np.asarray(layer[rows[:, None], cols[None]], np.float32)


def sensor_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> FloatArray:
    """White noise of a standard deviation in gray levels, (H, W) or (H, W, C)."""
    planes = [
        noise_patch(rng, shape[0], shape[1], 0) for _ in range(shape[2] if len(shape) > 2 else 1)
    ]
    stacked = cv2.merge(planes) if len(planes) > 1 else planes[0]
    return (np.asarray(stacked) * np.float32(sigma)).reshape(shape)
