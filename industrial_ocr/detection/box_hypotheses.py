"""Proposes merged, split and added boxes for a string, from its geometry and its ink.

A letter that the region map shows as two blobs (the bowls of a B, the strokes of a W) gives two
boxes that overlap or stand close. Two letters that touch give one box, wider than the others. A
small mark between two letters may have no box at all. This module proposes boxes for all of these
cases; the classifier scores each box, and the lattice decides with its fitted priors
(``decoding.segmentation``). Gaps in the ink show where to cut a box, and which neighbors are
different characters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from industrial_ocr.detection.ink import LineInk
from industrial_ocr.detection.orientation import string_quad
from industrial_ocr.results.geometry import (
    axis_of,
    clear_gaps,
    edge_lengths,
    length_ratios,
    normal_vector,
    oriented_quad,
    quad_around,
)
from industrial_ocr.results.types import (
    BoxString,
    CharBox,
    Direction,
    FloatArray,
    ImageArray,
    InkSigns,
)


@dataclass(frozen=True, eq=False)
class Proposals:
    """The boxes of a string, and the boxes proposed for it.

    Attributes:
        string: the oriented string, with the boxes proposed in its gaps and beyond its ends.
        merged: index of the first of two neighboring boxes -> the box around both.
        split: index of a box that may hold two characters -> its halves.
        proposed: indices of the boxes that the detector did not find.
        ink: what the ink shows about merging and splitting boxes.
    """

    string: BoxString
    merged: dict[int, CharBox] = field(default_factory=dict)
    split: dict[int, tuple[CharBox, CharBox]] = field(default_factory=dict)
    proposed: frozenset[int] = frozenset()
    ink: InkSigns = InkSigns()

    @property
    def boxes(self) -> list[CharBox]:
        """All boxes to classify: those of the string, then merged ones, then halves."""
        every = [*self.string.boxes, *self.merged.values()]
        for both in self.split.values():
            every += both
        return every


def propose(string: BoxString, gray: ImageArray | None = None) -> Proposals:
    """Proposes merged, split and added boxes for an oriented string.

    ``gray`` is its (H, W) uint8 image. Without it, and for stacks, no ink is looked at.
    """
    gaps = _in_gaps(string)
    boxes: list[CharBox] = []
    spaces: list[bool] = []
    place: list[int] = []  # the new index of each box of ``string``
    proposed: set[int] = set()
    if -1 in gaps:
        proposed.add(0)
        boxes.append(gaps[-1])
        spaces.append(False)
    for i, (box, space) in enumerate(zip(string.boxes, string.space_after, strict=True)):
        place.append(len(boxes))
        boxes.append(box)
        if i in gaps:
            proposed.add(len(boxes))
            boxes.append(gaps[i])
            spaces.append(False)
        spaces.append(space)  # after the box proposed in the gap
    whole = BoxString(tuple(boxes), tuple(spaces), string.direction)
    merged = {place[i]: b for i, b in _merged(string).items() if place[i + 1] == place[i] + 1}
    parts = _split(string)
    signs = InkSigns()
    ink = None if gray is None or string.direction == "vertical" else _ink(gray, string)
    if ink is not None:
        cuts = _cut(string, *ink)
        parts |= {i: both for i, (both, _) in cuts.items()}
        apart = frozenset(place[i] for i in _apart(*ink))
        signs = InkSigns(apart, {place[i]: gap for i, (_, gap) in cuts.items()})
    over_marks = _over_marks(string)
    split = {place[i]: both for i, both in parts.items() if i not in over_marks}
    return Proposals(whole, merged, split, frozenset(proposed), signs)


def shaped_box(quad: FloatArray, axis: FloatArray, score: float) -> CharBox:
    """A box from its quad and the unit vector along its top edge."""
    width, height = edge_lengths(quad)
    across = normal_vector(axis)
    shape = np.outer(axis, axis) * (width / 2) ** 2 + np.outer(across, across) * (height / 2) ** 2
    return CharBox(quad, score, shape.astype(np.float32))


def merged_box(one: CharBox, two: CharBox) -> CharBox:
    """The box around both, along the axis of the first."""
    around = quad_around([one.quad, two.quad])
    return shaped_box(around, axis_of(one.quad), min(one.score, two.score))


def _ink(gray: ImageArray, string: BoxString) -> tuple[FloatArray, FloatArray] | None:
    """(N, 2) where each box begins and ends along a line, and (M, 2) the same of its ink."""
    spans = LineInk.of(gray, string).spans()
    if spans is None:
        return None
    line = string_quad(string)
    axis = axis_of(line)
    middles = np.array([(b.center - line[0]) @ axis for b in string.boxes])
    reach = np.array([edge_lengths(b.quad)[0] / 2 for b in string.boxes])
    return np.stack([middles - reach, middles + reach], axis=1), spans


def _apart(boxes: FloatArray, spans: FloatArray) -> list[int]:
    """Indices of the boxes whose next box stands on another piece of ink."""
    middles = boxes.mean(1)[:, None]
    away = np.maximum(np.maximum(spans[:, 0] - middles, middles - spans[:, 1]), 0)
    # Of pieces in one place (a 7 and the point under its arm) the one with the nearest middle.
    nearest = (away + 1e-3 * np.abs(spans.mean(1) - middles)).argmin(1)
    found: list[int] = np.flatnonzero(nearest[:-1] != nearest[1:]).tolist()
    return found


def _over_marks(string: BoxString) -> set[int]:
    """Indices of the boxes that reach over a mark that was given a box of its own (score 0).

    Such a box holds a character and the mark, but its halves would show the mark twice.
    """
    vertical = string.direction == "vertical"
    boxes, found = string.boxes, set[int]()
    for i, gap in enumerate(clear_gaps([b.quad for b in boxes], vertical).tolist()):
        for box, mark in ((i, i + 1), (i + 1, i)):
            reach = edge_lengths(boxes[mark].quad)[int(vertical)]
            if boxes[mark].score == 0 and -gap > 0.5 * reach:
                found.add(box)
    return found


def _cut(
    string: BoxString, boxes: FloatArray, spans: FloatArray
) -> dict[int, tuple[tuple[CharBox, CharBox], float]]:
    """Both parts of each box that holds separate pieces of ink, by the box's index.

    Beside them the width of the gap, in heights of the box.

    A piece counts for the box with the nearest center, if that box holds it.
    """
    found = {}
    middles, widths = spans.mean(1), np.diff(spans, axis=1)[:, 0]
    shared = np.minimum(spans[:, 1], boxes[:, 1:]) - np.maximum(spans[:, 0], boxes[:, :1])
    holds = shared >= 0.7 * widths  # (boxes, pieces)
    away = np.abs(middles - boxes.mean(1)[:, None])
    held = holds & (away.argmin(0) == np.arange(len(boxes))[:, None])
    for i, (box, (start, end)) in enumerate(zip(string.boxes, boxes.tolist(), strict=True)):
        own = spans[held[i]]
        if len(own) < 2:
            continue
        gaps = own[1:, 0] - own[:-1, 1]
        at = int(gaps.argmax())
        height = edge_lengths(box.quad)[1]
        pad = 0.15 * height
        middle, gap = _parted(own[at], own[at + 1])
        parts = (
            _part_of(box, start, max(start, float(own[0, 0]) - pad), middle),
            _part_of(box, start, middle, min(end, float(own[-1, 1]) + pad)),
        )
        found[i] = parts, gap / height
    return found


def _parted(one: FloatArray, two: FloatArray) -> tuple[float, float]:
    """Where to part two pieces of ink, (2,) first and last column each, and the gap there.

    A piece inside the columns of the other, such as the upper point of a colon whose lower one
    touches a t, is parted from the rest at its inner side.
    """
    larger, smaller = (one, two) if np.ptp(one) >= np.ptp(two) else (two, one)
    if larger[0] <= smaller[0] and smaller[1] <= larger[1]:
        return float(smaller[0] if smaller.mean() > larger.mean() else smaller[1]), 0.0
    return float(one[1] + two[0]) / 2, float(two[0] - one[1])


def _part_of(box: CharBox, start: float, first: float, last: float) -> CharBox:
    """The part of a box between two positions along its line; the box begins at ``start``."""
    axis = axis_of(box.quad)
    width, height = edge_lengths(box.quad)
    center = box.center + axis * ((first + last) / 2 - start - width / 2)
    return shaped_box(oriented_quad(center, axis, last - first, height), axis, box.score)


def halves(box: CharBox, direction: Direction) -> tuple[CharBox, CharBox]:
    """The two halves of a box, cut across the direction of its string."""
    top_left, top_right, bottom_right, bottom_left = box.quad
    if direction == "vertical":
        left, right = (top_left + bottom_left) / 2, (top_right + bottom_right) / 2
        quads = ([top_left, top_right, right, left], [left, right, bottom_right, bottom_left])
    else:
        top, bottom = (top_left + top_right) / 2, (bottom_left + bottom_right) / 2
        quads = ([top_left, top, bottom, bottom_left], [top, top_right, bottom_right, bottom])
    axis = axis_of(box.quad)
    first, second = (shaped_box(np.array(q, np.float32), axis, box.score) for q in quads)
    return first, second


def _in_gaps(string: BoxString) -> dict[int, CharBox]:
    """Boxes in wide gaps and beyond both ends, by the index of the box before them, or -1.

    A stack gets none.
    """
    if string.direction == "vertical" or len(string.boxes) < 2:
        return {}
    clear = clear_gaps([b.quad for b in string.boxes], vertical=False)
    height = float(np.median([edge_lengths(b.quad)[1] for b in string.boxes]))
    # In character heights; a wider gap may hold a character.
    min_gap = max(0.15, float(np.median(clear)) / height + 0.08)
    found = {}
    for i, gap in enumerate(clear):
        if min_gap < gap / height < 1.5:
            box = string.boxes[i]
            found[i] = _proposed(box, (edge_lengths(box.quad)[0] + gap) / 2, height)
    beyond = 0.35 * height
    first, last = string.boxes[0], string.boxes[-1]
    found[-1] = _proposed(first, -edge_lengths(first.quad)[0] / 2 - beyond, height)
    found[len(string.boxes) - 1] = _proposed(last, edge_lengths(last.quad)[0] / 2 + beyond, height)
    return found


def _proposed(beside: CharBox, step: float, height: float) -> CharBox:
    """A narrow box ``step`` pixels from the center of another one along its top edge."""
    axis = axis_of(beside.quad)
    quad = oriented_quad(beside.center + axis * step, axis, 0.4 * height, height)
    return shaped_box(quad, axis, 0.0)


def _merged(string: BoxString) -> dict[int, CharBox]:
    """Boxes around two neighboring boxes that may be one character, by the first one's index."""
    boxes = string.boxes
    if len(boxes) < 2:
        return {}
    vertical = string.direction == "vertical"
    quads = [b.quad for b in boxes]
    steps = np.linalg.norm(np.diff([b.center for b in boxes], axis=0), axis=1)
    if len(boxes) < 5:
        # Too few distances for a percentile: estimate the usual one from the largest box.
        usual = (1.3 if vertical else 0.8) * max(max(edge_lengths(q)) for q in quads)
    else:
        usual = float(np.percentile(steps, 70))  # the boxes of one letter are closer together
    lengths = np.array([edge_lengths(q)[int(vertical)] for q in quads])
    shorter = np.maximum(np.minimum(lengths[:-1], lengths[1:]), 1e-6)
    overlaps = -clear_gaps(quads, vertical) / shorter
    near = (steps <= 0.85 * usual) | (overlaps >= 0.1)
    found = {}
    for i in np.flatnonzero(near & ~np.array(string.space_after[:-1])).tolist():
        box = merged_box(boxes[i], boxes[i + 1])
        width, height = edge_lengths(box.quad)
        if width < 1.7 * height and height < 2.6 * width:
            found[i] = box
    return found


def _split(string: BoxString) -> dict[int, tuple[CharBox, CharBox]]:
    """The halves of boxes that may hold two characters, by their index."""
    vertical = string.direction == "vertical"
    quads = [b.quad for b in string.boxes]
    if len(quads) < 3:
        sizes = [edge_lengths(q) for q in quads]
        wide = [not vertical and width > height for width, height in sizes]
    else:
        wide = [bool(ratio > 1.3) for ratio in length_ratios(quads, vertical)]
    return {i: halves(string.boxes[i], string.direction) for i in np.flatnonzero(wide).tolist()}
