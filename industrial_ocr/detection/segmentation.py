"""Finds character boxes in the region map: peaks, watershed, size by second moments.

The detector is trained on Gaussians exp(-2 r^2) over each character's box, r = 1 at its edges
(``training.detector``). The second moments of a blob of the map give an ellipse, and a constant
factor turns the ellipse into the box.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.results.geometry import oriented_quad
from industrial_ocr.results.types import CharBox, FloatArray, ScoreMaps

CUT = 0.3
"""Pixels below this share of a blob's peak do not count for its size."""

LabelArray = NDArray[np.int32]


def character_boxes(
    maps: ScoreMaps,
    text_threshold: float,
    low_text: float,
    min_char_size: float = 5.0,
    box_ratio: float = 1.0,
) -> list[CharBox]:
    """Character boxes of one image, upright for now; linking turns them with their string.

    Args:
        maps: the detector's output.
        text_threshold: a character's peak is at least this high.
        low_text: pixels below it belong to no character.
        min_char_size: boxes whose longer side has fewer source pixels are dropped.
        box_ratio: the sides of the boxes are multiplied by it.

    Returns:
        Boxes in no particular order; an empty list where there is no text.
    """
    region = np.clip(maps.region, 0, 1)
    if not (region >= text_threshold).any():
        return []
    labels = _basins(region, text_threshold, low_text).ravel()
    inside = np.flatnonzero(labels)
    pixels = inside[np.argsort(labels[inside], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[pixels], prepend=0))
    sizes = np.diff(starts, append=len(pixels))
    values = region.ravel()[pixels]
    peaks = np.maximum.reduceat(values, starts)
    weights = np.maximum(values - CUT * np.repeat(peaks, sizes), 0).astype(np.float64)
    total = np.add.reduceat(weights, starts)

    def mean(of: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B,) weighted means of pixels over each blob."""
        means: NDArray[np.float64] = np.add.reduceat(of * weights, starts) / total
        return means

    rows, columns = np.divmod(pixels, region.shape[1])
    x, y = (columns + 0.5) * maps.scale[0], (rows + 0.5) * maps.scale[1]
    centers = np.stack([mean(x), mean(y)], axis=1)
    dx, dy = x - np.repeat(centers[:, 0], sizes), y - np.repeat(centers[:, 1], sizes)
    xy = mean(dx * dy)
    moments = np.stack([mean(dx * dx), xy, xy, mean(dy * dy)], axis=1).reshape(-1, 2, 2)
    shapes = moments * _MOMENT_RATIO * box_ratio**2
    # No box is thinner than a pixel in any direction.
    lacking = np.maximum(0.25 - np.linalg.eigvalsh(shapes)[:, 0], 0)
    shapes = (shapes + lacking[:, None, None] * np.eye(2)).astype(np.float32)
    extents = 2 * np.sqrt(np.diagonal(shapes, axis1=1, axis2=2))
    boxes = []
    for center, extent, peak, shape in zip(
        centers.tolist(), extents.tolist(), peaks.tolist(), shapes, strict=True
    ):
        if max(extent) >= min_char_size:
            boxes.append(CharBox(oriented_quad(center, (1.0, 0.0), *extent), peak, shape))
    return boxes


def _moment_ratio() -> float:
    """The box's squared half extent / the variance of exp(-2 r^2) - CUT where that is positive."""
    edge = -math.log(CUT) / 2  # the squared radius at which it is 0
    weight = (1 - CUT) / 4 - CUT * edge / 2  # both integrals over r, without 2 pi
    moment = (1 - CUT) / 8 - CUT * edge * (1 + edge) / 4
    return 2 * weight / moment


_MOMENT_RATIO = _moment_ratio()


def _basins(region: FloatArray, text_threshold: float, low_text: float) -> LabelArray:
    """One label per character: watershed from the peaks, then merges parts of one character."""
    markers = _peaks(region, text_threshold)
    marked = int(markers.max(initial=0))
    hills = _hills(region, region > low_text, markers)
    count = int(hills.max(initial=0))
    highest = np.zeros(count + 1, region.dtype)
    pixels = np.flatnonzero(hills)
    np.maximum.at(highest, hills.ravel()[pixels], region.ravel()[pixels])
    peaks: list[float] = highest.tolist()
    root = list(range(count + 1))

    def find(hill: int) -> int:
        while root[hill] != hill:
            hill = root[hill]
        return hill

    for (one, two), saddle in sorted(_saddles(region, hills).items(), key=lambda p: -p[1]):
        a, b = sorted((find(one), find(two)), key=lambda i: (i > marked, -peaks[i]))
        # A hill without a marker joins the one behind its highest saddle. Two peaks are one
        # character where the saddle between them is nearly as high.
        if a != b and (b > marked or saddle > 0.88 * peaks[b]):
            root[b] = a
            peaks[a] = max(peaks[a], peaks[b])
    roots = np.array([find(i) for i in range(count + 1)], np.int32)
    return np.asarray(np.where(roots > marked, 0, roots)[hills], np.int32)


def _hills(region: FloatArray, inside: NDArray[np.bool_], markers: LabelArray) -> LabelArray:
    """Labels each pixel inside by the end of its steepest ascent over 4 neighbors.

    The end is a marker, whose label it gets, or another maximum; the labels of those follow.
    """
    padded = np.pad(np.where(inside, region, -1), 1, constant_values=-1)
    heights, columns = padded.ravel(), padded.shape[1]
    marks = np.pad(markers, 1).ravel()
    pixels = np.flatnonzero(heights >= 0)
    near = pixels[:, None] + np.array([0, -columns, -1, 1, columns])
    numbers = np.arange(len(pixels))
    place = np.zeros(heights.size, np.intp)
    place[pixels] = numbers
    up = place[near[numbers, heights[near].argmax(axis=1)]]
    up = np.where(marks[pixels] > 0, numbers, up)
    while (up[up] != up).any():
        up = up[up]
    ends = pixels[up]
    found = marks[ends]
    unmarked = found == 0
    found[unmarked] = marks.max() + 1 + np.unique(ends[unmarked], return_inverse=True)[1]
    hills = np.zeros(heights.size, np.int32)
    hills[pixels] = found
    return hills.reshape(padded.shape)[1:-1, 1:-1]


def _peaks(region: FloatArray, threshold: float) -> LabelArray:
    """Labels of the local maxima above ``threshold``; a plateau is one maximum."""
    smooth = cv2.GaussianBlur(region, (5, 5), 0.6, borderType=cv2.BORDER_REFLECT)
    highest = cv2.dilate(smooth, np.ones((3, 3), np.uint8))
    tops = (smooth >= highest - 1e-6) & (region >= threshold)
    _, labels = cv2.connectedComponents(tops.astype(np.uint8), connectivity=8)
    return np.asarray(labels, np.int32)


def _saddles(region: FloatArray, labels: LabelArray) -> dict[tuple[int, int], float]:
    """The highest value on the border between every two basins that touch."""
    parts, heights = [], []
    for level, label in ((region, labels), (region.T, labels.T)):
        a, b = label[:-1], label[1:]
        border = (a != b) & (a > 0) & (b > 0)
        heights.append(np.minimum(level[:-1], level[1:])[border])
        one, two = a[border].astype(np.int64), b[border]
        parts.append(np.minimum(one, two) << 32 | np.maximum(one, two))
    pairs, first, number = np.unique(np.concatenate(parts), return_index=True, return_inverse=True)
    highest = np.zeros(len(pairs), region.dtype)
    np.maximum.at(highest, number, np.concatenate(heights))
    order = np.argsort(first)  # of equal saddles, the one first met comes first
    pairs = pairs[order]
    both = zip((pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist(), strict=True)
    return dict(zip(both, highest[order].tolist(), strict=True))
