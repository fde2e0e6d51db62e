"""The orientations in which a string can be read, and its character quads in each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.results.geometry import (
    line_quad,
    normal_vector,
    oriented_quad,
    unit_vector,
)
from industrial_ocr.results.types import BoxString, CharBox, Direction, FloatArray


def string_axis(centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector from the first to the last center, (1, 0) for a single one."""
    if len(centers) < 2:
        return np.array([1.0, 0.0])
    return unit_vector(centers[-1] - centers[0])


def orientations(string: BoxString) -> list[BoxString]:
    """The ways a string can be read, likeliest first; the classifier decides among them.

    A flat string is upright or upside down. A steep string is a stack of upright letters, or a
    line turned to the left or to the right. A single box is taken as upright.
    """
    return [usual_orientation(string), *other_orientations(string)]


def usual_orientation(string: BoxString) -> BoxString:
    """The likeliest way a string can be read, the first of ``orientations``."""
    if string.direction == "horizontal" or len(string.boxes) == 1:
        return _turned(string, 0, "horizontal")
    return _turned(string, 3, "vertical")


def other_orientations(string: BoxString) -> list[BoxString]:
    """The other ways of ``orientations``."""
    if len(string.boxes) == 1:
        return []
    back = BoxString(string.boxes[::-1], (*string.space_after[-2::-1], False), string.direction)
    if string.direction == "horizontal":
        return [_turned(back, 0, "horizontal")]
    return [_turned(back, 0, "rotated"), _turned(string, 0, "rotated")]


def string_quad(string: BoxString) -> FloatArray:
    """The rectangle along the letters' axis around all quads of an oriented string."""
    return line_quad([b.quad for b in string.boxes])


def _turned(string: BoxString, quarter: int, direction: Direction) -> BoxString:
    """The string with quads along its tangents, turned by ``quarter`` times 90 degrees."""
    boxes = string.boxes
    centers = np.array([b.center for b in boxes], np.float64)
    tangents = np.gradient(centers, axis=0) if len(boxes) > 1 else np.array([[1.0, 0.0]])
    whole = string_axis(centers)
    turn = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[quarter]
    axes = []
    for tangent in tangents:
        # Steps between unequal letters zigzag, so each tangent is averaged with the whole axis.
        unit = unit_vector(unit_vector(tangent) * 0.35 + whole) if len(boxes) > 2 else whole
        axes.append(unit * turn[0] + normal_vector(unit) * turn[1])
    widths = [b.extent(a.astype(np.float32)) for b, a in zip(boxes, axes, strict=True)]
    heights = np.array(
        [b.extent(normal_vector(a).astype(np.float32)) for b, a in zip(boxes, axes, strict=True)]
    )
    even = _smoothed(heights) if quarter % 2 == 0 else _stacked_heights(heights, centers)
    turned = tuple(
        CharBox(oriented_quad(b.center, axis, width, float(height)), b.score, b.shape)
        for b, axis, width, height in zip(boxes, axes, widths, even, strict=True)
    )
    return BoxString(turned, (*string.space_after[:-1], False), direction)


def _smoothed(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooths heights along the string: a robust fit of a straight line."""
    if len(heights) < 3:
        return np.full_like(heights, heights.max())
    middle = float(np.median(heights))
    clipped = np.clip(heights, 0.75 * middle, 1.35 * middle)
    if len(heights) < 6:
        return np.full_like(heights, float(np.median(clipped)))
    at = np.arange(len(heights))
    smooth: NDArray[np.float64] = np.polynomial.Polynomial.fit(at, clipped, 1)(at)
    return smooth


def _stacked_heights(
    heights: NDArray[np.float64], centers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Heights of stacked letters: near their median and below the distance to the next letter."""
    steps = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    room = np.minimum(np.append(steps, np.inf), np.insert(steps, 0, np.inf))
    limited = np.minimum(heights, room)
    middle = float(np.median(limited))
    even: NDArray[np.float64] = np.clip(limited, 0.6 * middle, 1.2 * middle)
    return even
