"""Links boxes into strings: an affinity graph, chains along it, gaps, orientation, reading order.

The rules:

* Two neighboring boxes are linked where the affinity map between their centers is at least
  ``link_threshold``, strongest link first. A box has at most two links, a chain does not turn by
  more than 50 degrees from one link to the next, and linked boxes are of similar size.
* Two chains are joined across a gap without affinity if they are collinear, of similar height, and
  the clear gap is at most 1.7 character sizes.
* A gap is a space if it exceeds the string's median gap by ``space_ratio`` character sizes, or by
  0.3 where chains were joined; the spaces of a text are found after reading (``spacing``).
* Strings are read from top to bottom, within a row from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.detection.orientation import string_axis
from industrial_ocr.detection.spacing import wide_gaps
from industrial_ocr.results.geometry import (
    bounds,
    normal_vector,
    points_inside,
    rect_quad,
    unit_vector,
)
from industrial_ocr.results.types import BoxString, CharBox, Direction, FloatArray, ScoreMaps

MAX_TURN = np.cos(np.deg2rad(50))
"""Cosine of the largest turn of a chain from one link to the next."""
MAX_JOIN_TURN, MAX_JOIN_SLOPE = np.cos(np.deg2rad(14)), np.tan(np.deg2rad(14))
"""Cosine and slope of the largest angle between collinear chains."""
SAME_HEIGHT = 1.45
"""Largest ratio of the heights of characters of one string."""
MAX_ASIDE = 0.4
"""Character heights by which the next chain may begin beside the axis, as after a comma."""
STRAIGHT, STRAIGHT_ASIDE = 0.12, 0.25
"""A chain of at least four boxes within so many character heights of its axis is a straight line;
the next chain may begin that far beside it. CE in a circle often stands farther beside a line."""

NEIGHBORS = 8
"""Number of nearest boxes to which a box may be linked."""

Chain = list[int]
"""Indices of boxes, in order."""
Points = NDArray[np.float64]


def link_characters(
    boxes: Sequence[CharBox], maps: ScoreMaps, link_threshold: float, space_ratio: float = 0.35
) -> list[BoxString]:
    """Links the boxes of an image into strings.

    Args:
        boxes: of one image.
        maps: of the same image.
        link_threshold: least affinity between two linked boxes.
        space_ratio: see the rules above.

    Returns:
        Strings in reading order, with upright quads; ``orientations`` gives the ways to read each.
    """
    if not boxes:
        return []
    centers = np.array([b.center for b in boxes], np.float64)
    links = _links(boxes, centers, maps, link_threshold) if len(boxes) > 1 else []
    strings = []
    for chain, joins in _joined(boxes, centers, _chains(centers, links)):
        own = [boxes[k] for k in chain]
        spaces = wide_gaps(own, space_ratio, [k in joins for k in chain[:-1]])
        direction: Direction = "vertical" if is_steep(string_axis(centers[chain])) else "horizontal"
        strings.append(BoxString(tuple(own), spaces, direction))
    return reading_order(strings)


def is_steep(axis: Points) -> bool:
    """Whether a unit vector rises by more than 60 degrees."""
    return bool(abs(axis[0]) < 0.5)


def _size(box: CharBox) -> float:
    """Half the diagonal of a box in source pixels."""
    return float(np.sqrt(np.trace(box.shape)))


def _links(
    boxes: Sequence[CharBox], centers: Points, maps: ScoreMaps, link_threshold: float
) -> list[tuple[int, int]]:
    """Pairs of boxes whose affinity, sizes and distance allow a link, strongest first."""
    near = _nearest(centers, min(NEIGHBORS + 1, len(boxes)))
    first = np.repeat(np.arange(len(boxes)), near.shape[1])
    both = np.sort(np.stack([first, near.ravel()], axis=1), axis=1)
    first, second = np.unique(both[both[:, 0] != both[:, 1]], axis=0).T
    size = np.array([_size(b) for b in boxes])
    larger = np.maximum(size[first], size[second])
    smaller = np.minimum(size[first], size[second])
    distance = np.linalg.norm(centers[first] - centers[second], axis=1)
    reach = 4.2 * larger
    strength = _affinity_between(maps, centers[first], centers[second])
    good = (strength >= link_threshold) & (larger / smaller < 2.0) & (distance < reach)
    # Of two competing links the shorter wins, unless its affinity is clearly lower.
    order = np.argsort(-(strength - 0.4 * distance / reach))
    return [(int(first[k]), int(second[k])) for k in order if good[k]]


def _nearest(points: Points, count: int) -> NDArray[np.intp]:
    """(N, count) indices of the points (N, 2) nearest to each, in no order, itself among them."""
    squares = (points**2).sum(axis=1)
    rows = []
    for own in np.array_split(points, -(-len(points) // 1024)):  # in parts, to limit the memory
        away = squares - 2 * (own @ points.T)
        rows.append(np.argpartition(away, count - 1, axis=1)[:, :count])
    return np.concatenate(rows)


def _affinity_between(maps: ScoreMaps, a: Points, b: Points) -> Points:
    """Mean affinity around the middle of the segments a-b, (N, 2) source pixels each -> (N,)."""
    steps = np.linspace(0.35, 0.65, 5)
    points = a[:, None] + (b - a)[:, None] * steps[:, None]
    x, y = points[..., 0] / maps.scale[0] - 0.5, points[..., 1] / maps.scale[1] - 0.5
    rows, columns = maps.affinity.shape
    x, y = np.clip(x, 0, columns - 1), np.clip(y, 0, rows - 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    dx, dy = x - left, y - top
    above = maps.affinity[top, left] * (1 - dx) + maps.affinity[top, right] * dx
    below = maps.affinity[bottom, left] * (1 - dx) + maps.affinity[bottom, right] * dx
    mean: Points = (above * (1 - dy) + below * dy).mean(axis=1)
    return mean


def _chains(centers: Points, links: Sequence[tuple[int, int]]) -> list[Chain]:
    """Joins boxes along links into paths, strongest link first."""
    partners: list[list[int]] = [[] for _ in centers]
    chain_of = list(range(len(centers)))

    def turns(at: int, to: int) -> bool:
        step = unit_vector(centers[to] - centers[at])
        return any(step @ unit_vector(centers[at] - centers[p]) < MAX_TURN for p in partners[at])

    for one, two in links:
        if len(partners[one]) > 1 or len(partners[two]) > 1 or chain_of[one] == chain_of[two]:
            continue
        if turns(one, two) or turns(two, one):
            continue
        partners[one].append(two)
        partners[two].append(one)
        old, new = chain_of[two], chain_of[one]
        chain_of = [new if c == old else c for c in chain_of]
    chains: list[Chain] = []
    seen: set[int] = set()
    for start in range(len(centers)):
        if start not in seen and len(partners[start]) < 2:
            chain = [start]
            while onward := [p for p in partners[chain[-1]] if p not in chain[-2:]]:
                chain.append(onward[0])
            seen.update(chain)
            chains.append(chain)
    return chains


def _joined(
    boxes: Sequence[CharBox], centers: Points, chains: list[Chain]
) -> list[tuple[Chain, set[int]]]:
    """Joins collinear chains, smallest gaps first; with each, the boxes before its joins."""
    parts = [_oriented(c, centers) for c in chains]
    heads = centers[[c[0] for c in parts]]
    gaps: list[tuple[float, int, int]] = []
    for i, one in enumerate(parts):
        distance = np.hypot(*(heads - centers[one[-1]]).T)
        for j in np.flatnonzero(distance <= 6.0 * _size(boxes[one[-1]])).tolist():
            if i == j or (len(one) < 2 and len(parts[j]) < 2):
                continue
            gap = _gap_between(boxes, centers, one, parts[j])
            if gap is not None:
                gaps.append((gap, i, j))
    follower: dict[int, int] = {}
    leader: dict[int, int] = {}
    for _, i, j in sorted(gaps):
        end = j
        while end in follower:
            end = follower[end]
        if i not in follower and j not in leader and end != i:
            follower[i], leader[j] = j, i
    strings = []
    for start in [k for k in range(len(parts)) if k not in leader]:
        string, joins, at = list(parts[start]), set[int](), start
        while at in follower:
            joins.add(string[-1])
            at = follower[at]
            string += parts[at]
        strings.append((string, joins))
    return strings


def _oriented(chain: Chain, centers: Points) -> Chain:
    """The chain in the order that runs to the right, or downwards if it is steep."""
    x, y = axis = string_axis(centers[chain])
    return chain[::-1] if (y if is_steep(axis) else x) < 0 else chain


def _gap_between(boxes: Sequence[CharBox], centers: Points, one: Chain, two: Chain) -> float | None:
    """The clear gap if ``two`` continues ``one``, else None.

    It is measured in character sizes: the largest median height or length of both chains.
    """
    between = centers[two[0]] - centers[one[-1]]
    axis = string_axis(centers[one if len(one) >= len(two) else two])
    lines = len(one) > 1 and len(two) > 1
    if lines and string_axis(centers[one]) @ string_axis(centers[two]) < MAX_JOIN_TURN:
        return None
    along, across = axis.astype(np.float32), normal_vector(axis).astype(np.float32)
    heights = [float(np.median([boxes[k].extent(across) for k in c])) for c in (one, two)]
    lengths = [float(np.median([boxes[k].extent(along) for k in c])) for c in (one, two)]
    forward, aside = float(between @ axis), abs(float(between @ normal_vector(axis)))
    most = max(MAX_JOIN_SLOPE * forward, MAX_ASIDE * max(heights))
    if any(_is_straight(centers[c], max(heights)) for c in (one, two)):
        most = STRAIGHT_ASIDE * max(heights)
    if forward <= 0 or aside > most:
        return None
    if is_steep(axis):  # most steep strings are stacks: the letters' heights lie along the axis
        alike = max(lengths) <= SAME_HEIGHT * min(lengths) and max(heights) <= 2.2 * min(heights)
    else:
        alike = max(heights) <= SAME_HEIGHT * min(heights)
    if not alike:
        return None
    ends = (boxes[one[-1]].extent(along) + boxes[two[0]].extent(along)) / 2
    gap = float((forward - ends) / max(*heights, *lengths))
    return gap if gap <= 1.7 else None


def _is_straight(centers: Points, height: float) -> bool:
    """Whether a chain is so long and straight that its axis tells where its line goes on."""
    if len(centers) < 4:
        return False
    across = (centers - centers.mean(0)) @ normal_vector(string_axis(centers))
    return bool(np.ptp(across) < STRAIGHT * height)


def as_one_string(strings: Sequence[BoxString]) -> list[BoxString]:
    """Joins all boxes of a crop of one string into that string, left to right (or downwards).

    Boxes much smaller than those of the main string, or beside its line, are left out.
    """
    if len(strings) < 2:
        return list(strings)
    main = max(strings, key=lambda s: sum(float(np.trace(b.shape)) for b in s.boxes))
    size = float(np.median([np.trace(b.shape) for b in main.boxes]))
    centers = np.array([b.center for b in main.boxes], np.float64)
    axis, middle = string_axis(centers), centers.mean(0)
    across = normal_vector(axis)
    taken: list[tuple[float, CharBox, bool]] = []
    for string in strings:
        for box, gap in zip(string.boxes, string.space_after, strict=True):
            offset = box.center - middle
            beside = abs(float(offset @ across)) >= 0.7 * np.sqrt(size)
            if not beside and np.trace(box.shape) > 0.12 * size:
                taken.append((float(offset @ axis), box, gap))
    taken.sort(key=lambda item: item[0])
    spaces = (*(gap for _, _, gap in taken[:-1]), False)
    return [BoxString(tuple(box for _, box, _ in taken), spaces, main.direction)]


def left_out_line(strings: Sequence[BoxString], kept: Sequence[BoxString]) -> FloatArray | None:
    """The quad of a line that ``as_one_string`` left out, if any.

    Such a line has at least three boxes, of a median squared size above half that of the kept ones.
    """
    boxes: list[CharBox] = []
    for string in kept:
        boxes += string.boxes
    if not boxes:
        return None
    size = float(np.median([np.trace(b.shape) for b in boxes]))
    for string in strings:
        rest = [b for b in string.boxes if not any(b is k for k in boxes)]
        if len(rest) >= 3 and np.median([float(np.trace(b.shape)) for b in rest]) > 0.5 * size:
            return rect_quad(*bounds([b.quad for b in rest]))
    return None


def without_blobs(strings: Sequence[BoxString]) -> list[BoxString]:
    """Drops strings with a box that covers three or more characters of a longer string.

    In a reduced image, a line of small characters may look like one large character.
    """

    def is_blob(box: CharBox, of: BoxString) -> bool:
        others = [s for s in strings if len(s.boxes) > len(of.boxes)]
        return any(
            points_inside([box.quad], [b.center for b in s.boxes]).sum() >= 3 for s in others
        )

    return [s for s in strings if not any(is_blob(box, s) for box in s.boxes)]


def reading_order(strings: Sequence[BoxString]) -> list[BoxString]:
    """Top to bottom, and left to right among strings whose heights overlap by half."""
    spans = [bounds([b.quad for b in s.boxes]) for s in strings]

    def share_row(i: int, j: int) -> bool:
        (_, top, _, bottom), (_, low, _, high) = spans[i], spans[j]
        return min(bottom, high) - max(top, low) > 0.5 * min(bottom - top, high - low)

    left = sorted(range(len(strings)), key=lambda i: spans[i][1])
    ordered: list[int] = []
    while left:
        first = left[0]
        row = [i for i in left if share_row(first, i) and strings[i].direction != "vertical"]
        ordered += sorted(row if first in row else [first], key=lambda i: spans[i][0])
        left = [i for i in left if i not in ordered]
    return [strings[i] for i in ordered]
