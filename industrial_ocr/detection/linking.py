"""From boxes to strings: an affinity graph, chains along it, gaps, orientation, reading order.

The rules, all of them:

* Two neighboring boxes are linked where the affinity map between their centers is at least
  ``link_threshold``, strongest link first. A box has at most two links, a chain does not turn by
  more than ``MAX_TURN`` from one link to the next, linked boxes are of similar size.
* Two chains become one string across a gap without affinity where they are collinear, of similar
  height, and the clear gap is at most ``JOIN_GAP`` character heights. There a space is read.
* Within a chain a space is read where the clear gap exceeds ``space_ratio`` character heights more
  than the string's median gap; in words, narrower ones are found when it is read (``spacing``).
* Strings are read from top to bottom, within a row from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from industrial_ocr.detection.orientation import normal_vector, string_axis
from industrial_ocr.detection.spacing import wide_gaps
from industrial_ocr.results.geometry import bounds, inside, rect_quad, unit_vector
from industrial_ocr.results.types import BoxString, CharBox, Direction, FloatArray, ScoreMaps

MAX_TURN = np.cos(np.deg2rad(50))
SIZE_RATIO = 2.0
MAX_REACH = 4.2
"""Linked centers are at most this many half diagonals apart."""
JOIN_GAP = 1.7
MAX_JOIN = 6.0
"""Chains whose ends are farther apart, in half diagonals, are not looked at."""
JOIN_ANGLE = np.cos(np.deg2rad(14))
NEIGHBORS = 8
LINE_BOXES, LINE_SIZE = 3, 0.5
"""So many boxes at least are a line, of so much of the squared size of those of another one."""
BLOB = 3
"""A box that covers so many characters of another string is none itself."""
Chain = list[int]


def _affinity_between(
    maps: ScoreMaps, a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean affinity around the middle of the segments a-b, (N, 2) source pixels each -> (N,)."""
    steps = np.linspace(0.35, 0.65, 5)
    points = a[:, None] + (b - a)[:, None] * steps[:, None]
    x, y = points[..., 0] / maps.scale[0] - 0.5, points[..., 1] / maps.scale[1] - 0.5
    values = ndimage.map_coordinates(maps.affinity, [y, x], order=1, mode="nearest")
    mean: NDArray[np.float64] = values.mean(axis=1)
    return mean


def _candidate_links(
    boxes: Sequence[CharBox], maps: ScoreMaps, link_threshold: float
) -> list[tuple[float, int, int]]:
    """Links that affinity and size allow, strongest first."""
    centers = np.array([b.center for b in boxes], np.float64)
    size = np.array([np.sqrt(np.trace(b.shape)) for b in boxes])
    _, near = cKDTree(centers).query(centers, k=min(NEIGHBORS + 1, len(boxes)))
    pairs = {
        (min(i, j), max(i, j))
        for i, row in enumerate(np.asarray(near))
        for j in map(int, row)
        if i != j
    }
    if not pairs:
        return []
    first, second = np.array(sorted(pairs)).T
    distance = np.linalg.norm(centers[first] - centers[second], axis=1)
    ratio = np.maximum(size[first], size[second]) / np.minimum(size[first], size[second])
    strength = _affinity_between(maps, centers[first], centers[second])
    reach = MAX_REACH * np.maximum(size[first], size[second])
    good = (strength >= link_threshold) & (ratio < SIZE_RATIO) & (distance < reach)
    # Where two links compete, the shorter wins unless its affinity is clearly the weaker.
    rank = strength - 0.4 * distance / reach
    order = np.argsort(-rank)
    return [(float(strength[k]), int(first[k]), int(second[k])) for k in order if good[k]]


def _chains(boxes: Sequence[CharBox], links: Sequence[tuple[float, int, int]]) -> list[Chain]:
    """Joins boxes along links into paths, strongest link first."""
    centers = np.array([b.center for b in boxes], np.float64)
    partners: list[list[int]] = [[] for _ in boxes]
    chain_of = list(range(len(boxes)))

    def turns(at: int, to: int) -> bool:
        step = unit_vector(centers[to] - centers[at])
        return any(step @ unit_vector(centers[at] - centers[p]) < MAX_TURN for p in partners[at])

    for _, one, two in links:
        if len(partners[one]) > 1 or len(partners[two]) > 1 or chain_of[one] == chain_of[two]:
            continue
        if turns(one, two) or turns(two, one):
            continue
        partners[one].append(two)
        partners[two].append(one)
        old, new = chain_of[two], chain_of[one]
        chain_of = [new if c == old else c for c in chain_of]
    chains, seen = [], set()
    for start in range(len(boxes)):
        if start in seen or len(partners[start]) > 1:
            continue
        chain, previous, at = [start], -1, start
        while True:
            onward = [p for p in partners[at] if p != previous]
            if not onward:
                break
            previous, at = at, onward[0]
            chain.append(at)
        seen.update(chain)
        chains.append(chain)
    return chains


def _oriented(chain: Chain, centers: NDArray[np.float64]) -> Chain:
    """The chain so that it runs to the right, or downwards where it is steeper than 60 degrees."""
    x, y = string_axis(centers[chain])
    steep = abs(x) < 0.5
    return chain[::-1] if (y < 0 if steep else x < 0) else chain


def _join(boxes: Sequence[CharBox], chains: list[Chain]) -> list[tuple[Chain, set[int]]]:
    """Joins collinear chains across gaps, smallest first; also gives the boxes before joins."""
    centers = np.array([b.center for b in boxes], np.float64)
    parts = [_oriented(c, centers) for c in chains]
    size = [float(np.sqrt(np.trace(boxes[c[-1]].shape))) for c in parts]
    heads = cKDTree(centers[[c[0] for c in parts]])
    gaps: list[tuple[float, int, int]] = []
    for i, one in enumerate(parts):
        for j in heads.query_ball_point(centers[one[-1]], MAX_JOIN * size[i]):
            if i == j or (len(one) < 2 and len(parts[j]) < 2):
                continue
            gap = _joinable(boxes, centers, one, parts[j])
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
    for start in range(len(parts)):
        if start in leader:
            continue
        string, joins, at = list(parts[start]), set[int](), start
        while at in follower:
            joins.add(string[-1])
            at = follower[at]
            string += parts[at]
        strings.append((string, joins))
    return strings


def _joinable(
    boxes: Sequence[CharBox], centers: NDArray[np.float64], one: Chain, two: Chain
) -> float | None:
    """The clear gap, in character heights, if ``two`` continues ``one``; else None."""
    a, b = centers[one[-1]], centers[two[0]]
    reach = float(np.linalg.norm(b - a))
    longer = one if len(one) >= len(two) else two
    axis = string_axis(centers[longer])
    step = unit_vector(b - a)
    if step @ axis < JOIN_ANGLE:
        return None
    if (
        len(one) > 1
        and len(two) > 1
        and string_axis(centers[one]) @ string_axis(centers[two]) < JOIN_ANGLE
    ):
        return None
    across = normal_vector(axis).astype(np.float32)
    along = axis.astype(np.float32)
    heights = [float(np.median([boxes[k].extent(across) for k in c])) for c in (one, two)]
    lengths = [float(np.median([boxes[k].extent(along) for k in c])) for c in (one, two)]
    steep = abs(axis[0]) < 0.5
    mine, other = (lengths, heights) if steep else (heights, lengths)
    if max(mine) > 1.45 * min(mine) or (steep and max(other) > 2.2 * min(other)):
        return None
    clear = (step @ axis) * reach - (boxes[one[-1]].extent(along) + boxes[two[0]].extent(along)) / 2
    gap = clear / max(*heights, *lengths)
    return float(gap) if gap <= JOIN_GAP else None


def link_characters(
    boxes: Sequence[CharBox], maps: ScoreMaps, link_threshold: float, space_ratio: float = 0.35
) -> list[BoxString]:
    """Strings of boxes in reading order, along their own direction, quads not yet turned.

    Args:
        boxes: of one image.
        maps: of the same image.
        link_threshold: affinity from which two boxes are linked.
        space_ratio: see the rules above.

    Returns:
        Strings in reading order; ``orientations`` gives the ways each can be read.
    """
    if not boxes:
        return []
    links = _candidate_links(boxes, maps, link_threshold) if len(boxes) > 1 else []
    strings = []
    for chain, joins in _join(boxes, _chains(boxes, links)):
        own = [boxes[k] for k in chain]
        spaces = wide_gaps(own, space_ratio, [k in joins for k in chain[:-1]])
        axis = string_axis(np.array([boxes[k].center for k in chain], np.float64))
        direction: Direction = "vertical" if abs(axis[0]) < 0.5 else "horizontal"
        strings.append(BoxString(tuple(own), spaces, direction))
    return reading_order(strings)


def as_one_string(strings: Sequence[BoxString]) -> list[BoxString]:
    """All boxes of a crop that holds one string, as that string, left to right (or downwards).

    Strings much smaller than the largest, and those beside its line, are left out.
    """
    if len(strings) < 2:
        return list(strings)
    main = max(strings, key=lambda s: sum(float(np.trace(b.shape)) for b in s.boxes))
    size = float(np.median([np.trace(b.shape) for b in main.boxes]))
    centers = np.array([b.center for b in main.boxes], np.float64)
    axis = string_axis(centers) if len(centers) > 1 else np.array([1.0, 0.0])
    across, middle = normal_vector(axis), centers.mean(0)
    boxes = [
        (float((b.center - middle) @ axis), b, gap)
        for s in strings
        for b, gap in zip(s.boxes, s.space_after, strict=True)
        if abs(float((b.center - middle) @ across)) < 0.7 * np.sqrt(size)
        and np.trace(b.shape) > 0.12 * size
    ]
    boxes.sort(key=lambda item: item[0])
    spaces = (*(gap for _, _, gap in boxes[:-1]), False)
    return [BoxString(tuple(b for _, b, _ in boxes), spaces, main.direction)]


def left_out_line(strings: Sequence[BoxString], kept: Sequence[BoxString]) -> FloatArray | None:
    """The quad of a line that ``as_one_string`` left out, as large as what it kept, if any."""
    boxes = {id(b) for s in kept for b in s.boxes}
    if not boxes:
        return None
    size = float(np.median([np.trace(b.shape) for s in kept for b in s.boxes]))
    for string in strings:
        rest = [b for b in string.boxes if id(b) not in boxes]
        sizes = [float(np.trace(b.shape)) for b in rest]
        if len(rest) >= LINE_BOXES and np.median(sizes) > LINE_SIZE * size:
            return rect_quad(*bounds(np.concatenate([b.quad for b in rest])))
    return None


def without_blobs(strings: Sequence[BoxString]) -> list[BoxString]:
    """The strings without those whose one box covers several of another string's.

    In a small picture of it a line of small characters may look like one large character.
    """
    kept = []
    for string in strings:
        others = [s for s in strings if len(s.boxes) > len(string.boxes)]
        covered = [
            sum(inside(box.quad, b.center) for b in other.boxes)
            for box in string.boxes
            for other in others
        ]
        if max(covered, default=0) < BLOB:
            kept.append(string)
    return kept


def reading_order(strings: Sequence[BoxString]) -> list[BoxString]:
    """Top to bottom, and left to right among strings whose heights overlap by half."""
    spans = [bounds(np.concatenate([b.quad for b in s.boxes])) for s in strings]
    left = sorted(range(len(strings)), key=lambda i: spans[i][1])
    ordered = []
    while left:
        first = left[0]
        top, bottom = spans[first][1], spans[first][3]

        def shares_row(i: int, top: float = top, bottom: float = bottom) -> bool:
            low, high = spans[i][1], spans[i][3]
            return min(bottom, high) - max(top, low) > 0.5 * min(bottom - top, high - low)

        row = [i for i in left if shares_row(i) and strings[i].direction != "vertical"]
        row = row if first in row else [first]
        ordered += sorted(row, key=lambda i: spans[i][0])
        left = [i for i in left if i not in row]
    return [strings[i] for i in ordered]
