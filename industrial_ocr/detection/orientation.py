"""Which way up a string can be read, and the quads of its characters then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.results.geometry import enclosing_quad, oriented_quad, unit_vector
from industrial_ocr.results.types import BoxString, CharBox, Direction, FloatArray


def string_axis(centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector from the first to the last center, (1, 0) for a single one."""
    if len(centers) < 2:
        return np.array([1.0, 0.0])
    return unit_vector(centers[-1] - centers[0])


def normal_vector(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([-axis[1], axis[0]])


def _turned(
    string: BoxString, order: Sequence[int], quarter: int, direction: Direction
) -> BoxString:
    """The string read in ``order`` with quads along its tangent, turned by quarter turns."""
    boxes = [string.boxes[i] for i in order]
    centers = np.array([b.center for b in boxes], np.float64)
    tangents = np.gradient(centers, axis=0) if len(boxes) > 1 else np.array([[1.0, 0.0]])
    whole = string_axis(centers)
    turn = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[quarter]
    axes = []
    for tangent in tangents:
        # A tangent averages with the whole: short steps between unequal letters zigzag.
        unit = unit_vector(unit_vector(tangent) * 0.35 + whole) if len(boxes) > 2 else whole
        axes.append(unit * turn[0] + normal_vector(unit) * turn[1])
    sizes = np.array(
        [
            (b.extent(a.astype(np.float32)), b.extent(normal_vector(a).astype(np.float32)))
            for b, a in zip(boxes, axes, strict=True)
        ]
    )
    if quarter % 2 == 0:
        sizes[:, 1] = _smoothed(sizes[:, 1])
    else:
        sizes[:, 1] = _stacked_heights(sizes[:, 1], centers)
    turned = tuple(
        CharBox(oriented_quad(b.center, a, float(w), float(h)), b.score, b.shape)
        for b, a, (w, h) in zip(boxes, axes, sizes, strict=True)
    )
    spaces = [string.space_after[i] for i in range(len(boxes) - 1)]
    if list(order) != sorted(order):
        spaces = spaces[::-1]
    return BoxString(turned, (*spaces, False), direction)


def _smoothed(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights that follow the string: a robust straight line through them."""
    if len(heights) < 3:
        return np.full_like(heights, heights.max())
    middle = float(np.median(heights))
    clipped = np.clip(heights, 0.75 * middle, 1.35 * middle)
    if len(heights) < 6:
        return np.full_like(heights, float(np.median(clipped)))
    at = np.arange(len(heights))
    fit = np.polynomial.Polynomial.fit(at, clipped, 1)
    smooth: NDArray[np.float64] = fit(at)
    return smooth


def _stacked_heights(
    heights: NDArray[np.float64], centers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Heights of stacked letters: near their median, and never reaching the next letter."""
    if len(heights) < 2:
        return heights
    steps = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    room = np.minimum(np.append(steps, np.inf), np.insert(steps, 0, np.inf))
    middle = float(np.median(np.minimum(heights, room)))
    evened: NDArray[np.float64] = np.clip(np.minimum(heights, room), 0.6 * middle, 1.2 * middle)
    return evened


def orientations(string: BoxString) -> list[BoxString]:
    """The ways a string can be read, likeliest first; evidence of its letters decides.

    A flat string stands upright or on its head. A steep one is a stack of upright letters, or a
    line turned to the left or to the right. A single box is taken to stand upright.
    """
    forth = list(range(len(string.boxes)))
    back = forth[::-1]
    if len(forth) == 1:
        return [_turned(string, forth, 0, "horizontal")]
    if string.direction == "horizontal":
        return [_turned(string, forth, 0, "horizontal"), _turned(string, back, 0, "horizontal")]
    return [
        _turned(string, forth, 3, "vertical"),
        _turned(string, back, 0, "rotated"),
        _turned(string, forth, 0, "rotated"),
    ]


def string_quad(string: BoxString) -> FloatArray:
    """The rectangle along the letters' axis around all quads of an oriented string."""
    tops = np.sum([b.quad[1] - b.quad[0] for b in string.boxes], axis=0, dtype=np.float64)
    return enclosing_quad([b.quad for b in string.boxes], unit_vector(np.asarray(tops)))
