"""Tileable noise and the few cheap image operations every surface is made of.

Noise is built once per process from a fixed seed, as uint8 tiles; a caller gets a random place,
mirrored, turned and stretched, of one. Color comes last, through a 256-entry ramp, so that nearly
all work is done on one uint8 channel.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from industrial_ocr.results.types import ImageArray

TILE = 512
_BANK_SEED = 20240229
_FREE_TURN = 0.15
"""Share of the unstretched noise that is turned by any angle: a warp costs ten times a crop."""
Color = Sequence[float]


def _spectral(rng: np.random.Generator, beta: float, low: float, high: float) -> Any:
    """Periodic noise with amplitude f^-beta between ``low`` and ``high`` cycles a tile; std 1."""
    frequency = np.fft.fftfreq(TILE)[:, None] ** 2 + np.fft.rfftfreq(TILE)[None, :] ** 2
    frequency = np.sqrt(frequency) * TILE
    gain = np.where((frequency >= low) & (frequency <= high), np.maximum(frequency, 1) ** -beta, 0)
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((TILE, TILE))) * gain)
    return (field - field.mean()) / field.std()


def _as_tile(field: Any, spread: float = 42.0) -> ImageArray:
    """uint8, mean 128, repeated 2 x 2 so that most places lie inside."""
    tile = np.clip((field - field.mean()) / field.std() * spread + 128, 0, 255).astype(np.uint8)
    return np.tile(tile, (2, 2))


@functools.lru_cache(maxsize=1)
def noise_bank() -> dict[str, ImageArray]:
    """The tiles by name, each (1024, 1024) uint8 with mean 128 and a standard deviation near 42."""
    rng = np.random.default_rng(_BANK_SEED)
    height = _spectral(rng, 1.3, 4, 200)
    crumple = np.abs(_spectral(rng, 1.4, 3, 90)) + 0.6 * np.abs(_spectral(rng, 1.2, 6, 120))
    leaves = np.maximum.reduce([_spectral(rng, 0.6, 8, 90) for _ in range(3)])
    return {
        "white": _as_tile(rng.standard_normal((TILE, TILE))),
        "pink": _as_tile(_spectral(rng, 1.0, 1, 256)),
        "brown": _as_tile(_spectral(rng, 1.9, 1, 256)),
        "grain": _as_tile(_spectral(rng, 0.0, 40, 120)),
        "blobs": _as_tile(_spectral(rng, 0.3, 6, 28)),
        "relief": _as_tile(height - np.roll(height, (1, 1), (0, 1))),
        "crumple": _as_tile(crumple - np.roll(crumple, (2, 1), (0, 1))),
        "ridged": _as_tile(-np.abs(_spectral(rng, 1.5, 2, 100))),
        "speckle": _as_tile(np.maximum(_spectral(rng, 0.0, 30, 180) - 1.8, 0), 60.0),
        "leaves": _as_tile(leaves),
    }


def noise(
    rng: np.random.Generator,
    name: str,
    height: int,
    width: int,
    scale: float = 1.0,
    stretch: float = 1.0,
    angle: float | None = None,
) -> ImageArray:
    """A random place of one tile, as (height, width) uint8 with mean near 128.

    Args:
        rng: where the place, the mirror and, without ``angle``, the turn come from.
        name: a key of ``noise_bank``.
        height: rows.
        width: columns.
        scale: output pixels per tile pixel.
        stretch: further output pixels per tile pixel along ``angle``: streaks.
        angle: direction of the streaks in radians, 0 along the rows.
    """
    tile = noise_bank()[name]
    if angle is None:
        turn = rng.random()
        angle = turn / _FREE_TURN * np.pi if turn < _FREE_TURN else np.pi / 2 * (turn > 0.6)
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
    matrix[:, 2] = rng.uniform(TILE / 2, TILE * 1.5, 2) - matrix[:, :2] @ (width / 2, height / 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(tile, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)
    return np.asarray(warped, np.uint8)


def mix(first: ImageArray, second: ImageArray, gain: float, other: float) -> ImageArray:
    """``128 + gain * (first - 128) + other * (second - 128)``, saturated."""
    offset = 128 * (1 - gain - other)
    return np.asarray(cv2.addWeighted(first, gain, second, other, offset), np.uint8)


def tint(gray: ImageArray, stops: Sequence[Color]) -> ImageArray:
    """(H, W, 3) RGB: ``gray`` through a ramp of colors spread evenly over 0..255."""
    colors = np.clip(np.asarray(stops, np.float64), -255, 511)
    at = np.linspace(0, 255, len(colors))
    levels = np.arange(256)
    ramps = (
        np.clip(np.interp(levels, at, colors[:, i]), 0, 255).astype(np.uint8) for i in range(3)
    )
    return np.asarray(cv2.merge([cv2.LUT(gray, ramp) for ramp in ramps]), np.uint8)


def gray_rgb(gray: Any) -> ImageArray:
    """(H, W) repeated into (H, W, 3)."""
    return np.asarray(cv2.merge([gray, gray, gray]), np.uint8)


def shade(color: Color, amount: float) -> list[list[float]]:
    """A three-stop ramp: ``color`` darkened, itself, lightened by ``amount`` (0..255 levels)."""
    return [[c - amount for c in color], list(color), [c + amount for c in color]]


def _muted(rng: np.random.Generator, low: float, high: float) -> float:
    """Between the two, more often low: strong colors are rare on real surfaces."""
    return float(low + (high - low) * rng.random() ** 1.7)


def random_color(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> list[float]:
    """One RGB color of any hue; ``saturation`` and ``value`` are ranges within 0..1."""
    hue, sat, val = rng.uniform(0, 6), _muted(rng, *saturation), rng.uniform(*value)
    offsets = (np.array([5.0, 3.0, 1.0]) + hue) % 6
    channel = val - val * sat * np.clip(np.minimum(offsets, 4 - offsets), 0, 1)
    return [float(c) for c in channel * 255]


def jitter(rng: np.random.Generator, color: Color, amount: float) -> list[float]:
    """``color`` moved in brightness and a little in hue."""
    level = rng.uniform(-amount, amount)
    moved = np.asarray(color) + level + rng.uniform(-0.3, 0.3, 3) * amount
    return [float(c) for c in np.clip(moved, 0, 255)]


def multiply(image: ImageArray, factor: Any) -> None:
    """``image *= factor / 128`` in place.

    Args:
        image: (H, W, 3) uint8.
        factor: (h, w) uint8 of any size, 128 leaves a pixel alone.
    """
    height, width = image.shape[:2]
    if factor.shape != (height, width):
        factor = cv2.resize(factor, (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(image, gray_rgb(factor), dst=image, scale=1 / 128)


def blend(image: ImageArray, other: ImageArray, alpha: ImageArray) -> None:
    """``image`` becomes ``other`` where ``alpha`` (H, W) uint8 is 255, in place."""
    weight = gray_rgb(alpha)
    add = cv2.multiply(other, weight, scale=1 / 255)
    cv2.multiply(image, cv2.bitwise_not(weight), dst=image, scale=1 / 255)
    cv2.add(image, add, dst=image)
