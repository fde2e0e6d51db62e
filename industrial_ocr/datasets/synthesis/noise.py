"""Noise, cut at random places from tiles that are made once per process.

``noise_patch`` returns plain noise as numbers. ``noise`` returns structured uint8 noise for
materials (streaks, blobs, folds), mirrored, turned and stretched.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.results.types import FloatArray, ImageArray

_SIDE = 512
"""Side of a tile in pixels; tiles are repeated 2 x 2, so that most patches are simple slices."""


@lru_cache(maxsize=1)
def _smoothness_bank() -> FloatArray:
    """(6, 1024, 1024) float32, zero mean, unit variance, from white to very smooth."""
    rng = np.random.default_rng(7)
    fy, fx = np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None]
    frequency = np.maximum(np.hypot(fx, fy), 1 / _SIDE)
    layers = []
    for power in (0.0, 0.6, 1.0, 1.4, 1.8, 2.2):
        white = np.fft.rfft2(rng.normal(size=(_SIDE, _SIDE)))
        layer = np.fft.irfft2(white / frequency**power, s=(_SIDE, _SIDE))
        layers.append((layer - layer.mean()) / layer.std())
    return np.tile(np.stack(layers).astype(np.float32), (1, 2, 2))


def noise_patch(rng: Generator, height: int, width: int, kind: int | None = None) -> FloatArray:
    """(height, width) float32 noise, about zero mean and unit variance.

    ``kind`` is its spectrum, 0 (white) to 5 (very smooth); None takes any but white.
    """
    layer = _smoothness_bank()[int(rng.integers(1, 6)) if kind is None else kind]
    y, x = rng.integers(_SIDE), rng.integers(_SIDE)
    patch: FloatArray = layer[y : y + height, x : x + width]
    if patch.shape == (height, width):
        return patch
    rows, cols = np.arange(y, y + height) % _SIDE, np.arange(x, x + width) % _SIDE
    return np.asarray(layer[rows[:, None], cols[None]])


def sensor_noise(rng: Generator, shape: tuple[int, ...], sigma: float) -> FloatArray:
    """White noise of a standard deviation in gray levels, (H, W) or (H, W, C)."""
    count = int(np.prod(shape[2:]))
    planes = [noise_patch(rng, shape[0], shape[1], 0) for _ in range(count)]
    return (np.asarray(cv2.merge(planes)) * np.float32(sigma)).reshape(shape)


def _band(rng: Generator, beta: float, low: float, high: float) -> Any:
    """Periodic noise with amplitude f^-beta between ``low`` and ``high`` cycles a tile; std 1."""
    frequency = np.fft.fftfreq(_SIDE)[:, None] ** 2 + np.fft.rfftfreq(_SIDE)[None, :] ** 2
    frequency = np.sqrt(frequency) * _SIDE
    gain = np.where((frequency >= low) & (frequency <= high), np.maximum(frequency, 1) ** -beta, 0)
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((_SIDE, _SIDE))) * gain)
    return (field - field.mean()) / field.std()


def _as_tile(field: Any, spread: float = 42.0) -> ImageArray:
    """uint8 with mean 128, repeated 2 x 2."""
    tile = np.clip((field - field.mean()) / field.std() * spread + 128, 0, 255).astype(np.uint8)
    return np.tile(tile, (2, 2))


@lru_cache(maxsize=1)
def noise_bank() -> dict[str, ImageArray]:
    """The tiles by name, each (1024, 1024) uint8 with mean 128 and a standard deviation near 42."""
    rng = np.random.default_rng(20240229)
    height = _band(rng, 1.3, 4, 200)
    crumple = np.abs(_band(rng, 1.4, 3, 90)) + 0.6 * np.abs(_band(rng, 1.2, 6, 120))
    leaves = np.maximum.reduce([_band(rng, 0.6, 8, 90) for _ in range(3)])
    return {
        "white": _as_tile(rng.standard_normal((_SIDE, _SIDE))),
        "pink": _as_tile(_band(rng, 1.0, 1, 256)),
        "brown": _as_tile(_band(rng, 1.9, 1, 256)),
        "grain": _as_tile(_band(rng, 0.0, 40, 120)),
        "blobs": _as_tile(_band(rng, 0.3, 6, 28)),
        "relief": _as_tile(height - np.roll(height, (1, 1), (0, 1))),
        "crumple": _as_tile(crumple - np.roll(crumple, (2, 1), (0, 1))),
        "ridged": _as_tile(-np.abs(_band(rng, 1.5, 2, 100))),
        "speckle": _as_tile(np.maximum(_band(rng, 0.0, 30, 180) - 1.8, 0), 60.0),
        "leaves": _as_tile(leaves),
    }


def noise(
    rng: Generator,
    name: str,
    height: int,
    width: int,
    scale: float = 1.0,
    stretch: float = 1.0,
    angle: float | None = None,
) -> ImageArray:
    """A random place of one tile, as (height, width) uint8 with mean near 128.

    Args:
        rng: source of chance for the place, the mirroring and, without ``angle``, the rotation.
        name: a key of ``noise_bank``.
        height: rows.
        width: columns.
        scale: output pixels per tile pixel.
        stretch: further output pixels per tile pixel along ``angle``: streaks.
        angle: direction of the streaks in radians, 0 along the rows.
    """
    tile = noise_bank()[name]
    if angle is None:
        # Rarely turned by any angle, since a warp takes ten times as long as a crop.
        turn, free = rng.random(), 0.15
        angle = turn / free * np.pi if turn < free else np.pi / 2 * (turn > 0.6)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    flip = -1.0 if rng.random() < 0.5 else 1.0
    if abs(sin * cos) < 0.01:
        x, y = (scale, scale * stretch) if abs(sin) > 0.5 else (scale * stretch, scale)
        rows, columns = int(np.ceil(height / y)) + 1, int(np.ceil(width / x)) + 1
        if rows <= len(tile) and columns <= len(tile):
            top, left = rng.integers(0, (len(tile) - rows + 1, len(tile) - columns + 1))
            crop = tile[top : top + rows, left : left + columns]
            if x == y == 1.0:
                crop = crop[:height, :width]
                return np.ascontiguousarray(crop if flip > 0 else crop[::-1])
            return np.asarray(cv2.resize(crop, (width, height)), np.uint8)
    along, across = 1 / (scale * stretch), flip / scale
    matrix = np.array([[cos * along, sin * along, 0], [-sin * across, cos * across, 0]])
    place = rng.uniform(_SIDE / 2, _SIDE * 1.5, 2)
    matrix[:, 2] = place - matrix[:, :2] @ (width / 2, height / 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(tile, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)
    return np.asarray(warped, np.uint8)
