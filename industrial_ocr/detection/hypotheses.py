"""What a string's boxes may be besides one character each: proposals by geometry alone.

A letter that the region map shows as two blobs (the bowls of a B, the strokes of a W) gives two
boxes that overlap or stand close. Two letters that touch give one box, wider than the others. A
small mark between two letters may have no box at all. All of these are proposed generously here;
the classifier looks at each, and the lattice with its fitted priors decides
(``decoding.segmentation``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from industrial_ocr.results.geometry import (
    axis_of,
    clear_gaps,
    edge_lengths,
    length_ratios,
    oriented_quad,
    quad_around,
)
from industrial_ocr.results.types import BoxString, CharBox, Direction, FloatArray

CLOSE = 0.85
"""Two boxes may be one where their centers are nearer than this share of the usual distance."""
OVERLAP = 0.1
"""Or where they overlap by more than this share of the smaller one."""
USUAL = 70
"""The usual distance is this percentile of the string's: some of them are those of cut letters."""
LINE_PITCH, STACK_PITCH = 0.8, 1.3
"""Usual distances in lines and stacks over the longer side of a box."""
WIDEST, TALLEST = 1.7, 2.6
"""Largest width over height, and height over width, of a character made of two boxes."""
WIDE, WIDE_ALONE = 1.3, 1.0
"""A box may be two characters from this length over the string's median on; in strings of fewer
than three boxes, from this length over its height on."""
LEAST_GAP, LARGEST_GAP, MORE_GAP = 0.15, 1.5, 0.08
"""A clear gap may hold a character if it has so many character heights, and so many more than the
string's median gap."""
END = 0.35
"""Character heights from the edge of the first or last box to the middle of one that may have been
lost beyond it."""
GAP_WIDTH = 0.4
"""Width over height of the box proposed where there is none."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """The boxes of a string and what they may be together and in part.

    Attributes:
        string: oriented, with the boxes proposed in its gaps and beyond its ends.
        merged: by the first of two neighboring boxes, the box around both.
        split: by a box that may be two characters, its halves.
        proposed: places of the boxes that the detector did not find.
    """

    string: BoxString
    merged: dict[int, CharBox] = field(default_factory=dict)
    split: dict[int, tuple[CharBox, CharBox]] = field(default_factory=dict)
    proposed: frozenset[int] = frozenset()

    @property
    def boxes(self) -> list[CharBox]:
        """All that the classifier must look at: boxes, then merged ones, then halves."""
        return [
            *self.string.boxes,
            *self.merged.values(),
            *(h for s in self.split.values() for h in s),
        ]


def propose(string: BoxString) -> Proposals:
    """Every hypothesis about the boxes of an oriented string."""
    gaps = _gaps(string)
    boxes: list[CharBox] = []
    spaces: list[bool] = []
    place: list[int] = []
    proposed = set()
    for i in range(-1, len(string.boxes)):
        space = False
        if i >= 0:
            place.append(len(boxes))
            boxes.append(string.boxes[i])
            space = string.space_after[i]
        if i in gaps:
            if i >= 0:
                spaces.append(False)
            proposed.add(len(boxes))
            boxes.append(gaps[i])
        if i >= 0 or i in gaps:
            spaces.append(space)
    whole = BoxString(tuple(boxes), tuple(spaces), string.direction)
    merged = {place[i]: b for i, b in _merged(string).items() if place[i + 1] == place[i] + 1}
    split = {place[i]: both for i, both in _split(string).items()}
    return Proposals(whole, merged, split, frozenset(proposed))


def _gaps(string: BoxString) -> dict[int, CharBox]:
    """Boxes in wide gaps, by the box before, and beyond both ends; none in stacks."""
    if string.direction == "vertical" or len(string.boxes) < 2:
        return {}
    clear = clear_gaps([b.quad for b in string.boxes], vertical=False)
    height = float(np.median([edge_lengths(b.quad)[1] for b in string.boxes]))
    least = max(LEAST_GAP, float(np.median(clear)) / height + MORE_GAP)
    found = {}
    for i, gap in enumerate(clear):
        if least < gap / height < LARGEST_GAP:
            box = string.boxes[i]
            found[i] = _proposed(box, (edge_lengths(box.quad)[0] + gap) / 2, height)
    first, last = string.boxes[0], string.boxes[-1]
    found[-1] = _proposed(first, -edge_lengths(first.quad)[0] / 2 - END * height, height)
    found[len(string.boxes) - 1] = _proposed(
        last, edge_lengths(last.quad)[0] / 2 + END * height, height
    )
    return found


def _proposed(beside: CharBox, step: float, height: float) -> CharBox:
    """A box ``step`` pixels from the center of another one along its top edge."""
    axis = axis_of(beside.quad)
    quad = oriented_quad(beside.center + axis * step, axis, GAP_WIDTH * height, height)
    return shaped_box(quad, axis, 0.0)


def shaped_box(quad: FloatArray, axis: FloatArray, score: float) -> CharBox:
    """A box by its quad and the unit vector along its top edge."""
    width, height = edge_lengths(quad)
    across = np.array([-axis[1], axis[0]])
    shape = np.outer(axis, axis) * (width / 2) ** 2 + np.outer(across, across) * (height / 2) ** 2
    return CharBox(quad, score, shape.astype(np.float32))


def merged_box(one: CharBox, two: CharBox) -> CharBox:
    """The box around both, along the axis of the first."""
    around = quad_around([one.quad, two.quad])
    return shaped_box(around, axis_of(one.quad), min(one.score, two.score))


def _merged(string: BoxString) -> dict[int, CharBox]:
    """Boxes around a box and its next one, where both may be one character."""
    boxes = string.boxes
    if len(boxes) < 2:
        return {}
    vertical = string.direction == "vertical"
    quads = [b.quad for b in boxes]
    steps = np.linalg.norm(np.diff([b.center for b in boxes], axis=0), axis=1)
    if len(boxes) < 5:
        # Too few distances to know a usual one; the largest box tells what is common.
        largest = max(max(edge_lengths(q)) for q in quads)
        usual = (STACK_PITCH if vertical else LINE_PITCH) * largest
    else:
        usual = float(np.percentile(steps, USUAL))
    lengths = np.array([edge_lengths(q)[int(vertical)] for q in quads])
    overlaps = -clear_gaps(
        [b.quad for b in string.boxes], string.direction == "vertical"
    ) / np.maximum(np.minimum(lengths[:-1], lengths[1:]), 1e-6)
    found = {}
    for i, (step, overlap) in enumerate(zip(steps, overlaps, strict=True)):
        if string.space_after[i] or (step > CLOSE * usual and overlap < OVERLAP):
            continue
        box = merged_box(boxes[i], boxes[i + 1])
        width, height = edge_lengths(box.quad)
        if width < WIDEST * height and height < TALLEST * width:
            found[i] = box
    return found


def halves(box: CharBox, direction: Direction) -> tuple[CharBox, CharBox]:
    """A box cut across the middle of its string's way."""
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


def _split(string: BoxString) -> dict[int, tuple[CharBox, CharBox]]:
    """The halves of boxes that may hold two characters, by their index."""
    vertical = string.direction == "vertical"
    quads = [b.quad for b in string.boxes]
    if len(quads) < 3:
        sizes = [edge_lengths(q) for q in quads]
        wide = [not vertical and w > WIDE_ALONE * h for w, h in sizes]
    else:
        wide = [bool(r > WIDE) for r in length_ratios(quads, vertical)]
    return {i: halves(string.boxes[i], string.direction) for i in np.flatnonzero(wide).tolist()}
