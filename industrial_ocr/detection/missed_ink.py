"""Corrects strings by their ink.

Boxes without any ink are dropped, short strings in the gaps of others are taken in, and marks that
have no box get one.

A string in a gap of a longer one is a part of it that no affinity joined: a comma, or two letters
between others.

A point of a few pixels hardly shows in the region map. A small mark in a string's band that has no
box gets one, with score 0; the classifier and the fitted segmentation priors then decide whether
it is a character. Marks at the ends also widen the crop that the CRNN reads. Tall ink gets no box:
it is often the frame around a check digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from industrial_ocr.detection.box_hypotheses import shaped_box
from industrial_ocr.detection.ink import LineInk
from industrial_ocr.detection.linking import SAME_HEIGHT
from industrial_ocr.detection.orientation import string_axis, string_quad, usual_orientation
from industrial_ocr.detection.spacing import gap_sizes
from industrial_ocr.results.geometry import (
    axis_of,
    centers_meet,
    edge_lengths,
    expand_quad,
    inside,
    normal_vector,
    oriented_quad,
)
from industrial_ocr.results.types import BoxString, CharBox, FloatArray, ImageArray, UnreadMark

MOST_EMPTY = 0.34
"""Share of a string's boxes up to which those without ink are dropped; if there are more, the print
is too faint to tell."""


def with_missed_ink(gray: ImageArray, strings: Sequence[BoxString]) -> list[BoxString]:
    """Drops boxes without ink, and adds boxes for ink in the bands of an image's strings.

    Args:
        gray: (H, W) uint8.
        strings: after linking; stacks, turned lines and single boxes stay unchanged.
    """
    completed = []
    for string in strings:
        others: list[FloatArray] = []
        for other in strings:
            if other is not string:
                others += [b.quad for b in other.boxes]
        completed.append(_completed(gray, string, others))
    return completed


def with_nested(strings: Sequence[BoxString]) -> list[BoxString]:
    """The strings of an image without those inside the line of a longer one.

    Boxes of such a string that stand in the gaps of the longer one become parts of it; those on its
    boxes show the same ink and are dropped, as is a mark above or below one: the tail of a comma.
    """
    # The longest comes first, so that a string that takes in others is not taken in itself.
    lines: list[tuple[BoxString, FloatArray]] = []
    added: dict[int, list[CharBox]] = {}
    for string in sorted(strings, key=lambda s: -len(s.boxes)):
        for longer, line in lines:
            new = _nested(string, longer, line)
            if new is not None:
                added[id(longer)] += new
                break
        else:
            added[id(string)] = []
            if string.direction == "horizontal" and len(string.boxes) > 2:
                lines.append((string, string_quad(usual_orientation(string))))
    return [_with_boxes(s, added[id(s)]) for s in strings if id(s) in added]


def _nested(string: BoxString, longer: BoxString, line: FloatArray) -> list[CharBox] | None:
    """The boxes of a string that stand in the gaps of a longer one; None if it is not inside it.

    A string counts as inside only if it is as high as the longer one, or a single smaller mark.
    """
    fewer = string.direction == "horizontal" and len(string.boxes) < len(longer.boxes)
    with_descenders = expand_quad(line, 0.0, 0.25 * edge_lengths(line)[1])
    if not fewer or not all(inside(with_descenders, b.center) for b in string.boxes):
        return None
    axis = axis_of(line).astype(np.float32)
    across = normal_vector(axis).astype(np.float32)
    height = float(np.median([b.extent(across) for b in longer.boxes]))
    own = float(np.median([b.extent(across) for b in string.boxes]))
    mark = len(string.boxes) == 1 and own < height
    if not mark and not 1 / SAME_HEIGHT < own / height < SAME_HEIGHT:
        return None
    new = []
    for box in string.boxes:
        if all(_apart(box, other, axis) for other in longer.boxes):
            new.append(box)
        elif not mark and not any(centers_meet(box.quad, other.quad) for other in longer.boxes):
            return None
    return new


def _apart(one: CharBox, two: CharBox, axis: FloatArray) -> bool:
    """Whether two boxes of a line overlap by less than a third of their mean length."""
    distance = abs(float((one.center - two.center) @ axis))
    return distance > 0.35 * (one.extent(axis) + two.extent(axis))


def _with_boxes(string: BoxString, added: Sequence[CharBox]) -> BoxString:
    """A string with more boxes; a space remains where the gap beside an added one is still wide."""
    if not added:
        return string
    axis = string_axis(np.array([b.center for b in string.boxes], np.float64))
    boxes = sorted((*string.boxes, *added), key=lambda b: float(b.center @ axis))
    clear, _, size = gap_sizes(boxes)
    new = set(map(id, added))
    was_space = dict(zip(map(id, string.boxes), string.space_after, strict=True))
    spaces: list[bool] = []
    space = False
    for (box, after), gap in zip(pairwise(boxes), clear.tolist(), strict=True):
        space = was_space.get(id(box), space)
        beside = id(box) in new or id(after) in new
        # Beside an added box, a space remains only in a gap above 0.3 times the character size.
        spaces.append(space and (gap > 0.3 * size or not beside))
    return BoxString(tuple(boxes), (*spaces, False), string.direction)


def _completed(gray: ImageArray, string: BoxString, others: Sequence[FloatArray]) -> BoxString:
    if string.direction != "horizontal" or len(string.boxes) < 2:
        return string
    upright = usual_orientation(string)
    line = string_quad(upright)
    ink = LineInk.of(gray, upright)
    empty = ink.empty()
    if empty.any() and empty.mean() <= MOST_EMPTY:
        return _completed(gray, string.only(np.flatnonzero(~empty).tolist()), others)
    marks = [m for m in ink.unread_marks(others) if not m.tall and _belongs(m, line)]
    if not marks or len(marks) > max(1.0, 0.5 * len(string.boxes)):  # more are texture, not print
        return string
    return _with_boxes(string, [_box(mark, upright) for mark in marks])


def _belongs(mark: UnreadMark, line: FloatArray) -> bool:
    """Whether a mark lies within a string or at most half its height beyond an end."""
    width, height = edge_lengths(line)
    along = (mark.quad.mean(0) - line[0]) @ axis_of(line)
    return bool(-0.5 * height < along < width + 0.5 * height)


def _box(mark: UnreadMark, upright: BoxString) -> CharBox:
    """A box around a mark, as high as its ink and centered on the line of its neighbors."""
    near = upright.boxes[max(0, mark.before - 1) : mark.before + 1]
    axis = axis_of(near[0].quad)
    across = normal_vector(axis)
    height = float(np.mean([edge_lengths(b.quad)[1] for b in near]))
    ink_width, ink_height = edge_lengths(mark.quad)
    pad = 0.04 * height
    middle = mark.quad.mean(0)
    center = middle + across * float((np.mean([b.center for b in near], axis=0) - middle) @ across)
    width = max(ink_width + 2 * pad, 0.3 * height)
    return shaped_box(oriented_quad(center, axis, width, ink_height + 2 * pad), axis, 0.0)
