"""Colors, and fast image operations for surfaces.

Materials are made on one uint8 channel; ``tint`` gives it color at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.results.types import ImageArray

Color = Sequence[float]


def palette(colors: str) -> list[Color]:
    """RGB colors written as hexadecimal numbers, such as "f0f0ec c82828"."""
    return [tuple(bytes.fromhex(color)) for color in colors.split()]


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


def _muted(rng: Generator, low: float, high: float) -> float:
    """A number in a range, more often low, since strong colors are rare on real surfaces."""
    return float(low + (high - low) * rng.random() ** 1.7)


def random_color(
    rng: Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> list[float]:
    """One RGB color of any hue; ``saturation`` and ``value`` are ranges within 0..1."""
    hue, sat, val = rng.uniform(0, 6), _muted(rng, *saturation), rng.uniform(*value)
    offsets = (np.array([5.0, 3.0, 1.0]) + hue) % 6
    channel = val - val * sat * np.clip(np.minimum(offsets, 4 - offsets), 0, 1)
    return [float(c) for c in channel * 255]


def jitter(rng: Generator, color: Color, amount: float) -> list[float]:
    """``color`` moved in brightness and a little in hue."""
    level = rng.uniform(-amount, amount)
    moved = np.asarray(color) + level + rng.uniform(-0.3, 0.3, 3) * amount
    return [float(c) for c in np.clip(moved, 0, 255)]


def multiply(image: ImageArray, factor: Any) -> None:
    """``image *= factor / 128`` in place; (H, W, 3) uint8, and (h, w) uint8 of any size."""
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
