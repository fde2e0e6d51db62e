"""Boxes for small marks that the detector missed: points, dashes, quotes in a string's band.

A point of a few pixels hardly shows in the region map. Where a small mark stands in a string's band
and no box is near, it gets one, with the score 0; the classifier and the fitted priors of
segmentation then decide whether it is a character. Marks at the ends also widen the crop that the
CRNN reads. Tall ink without a box gets none: it is often the frame around a check digit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from industrial_ocr.detection.hypotheses import shaped_box
from industrial_ocr.detection.ink import unread_marks
from industrial_ocr.detection.orientation import orientations, string_quad
from industrial_ocr.detection.spacing import clear_gaps
from industrial_ocr.results.geometry import axis_of, edge_lengths, oriented_quad
from industrial_ocr.results.types import BoxString, CharBox, FloatArray, ImageArray, UnreadMark

MIN_BOXES = 2
"""Fewer boxes have no band of their own."""
MAX_SHARE = 0.5
"""More missed marks a box than this are texture, not print."""
NARROWEST, PAD = 0.3, 0.04
"""Least width of a box, and what it is wider than its ink on either side, in its heights."""
END = 0.5
"""Heights from the string's end within which a mark still belongs to it."""
SPACE = 0.3
"""Sizes of a character from which a gap beside a mark, in what was a space, still is one."""


def with_missed_ink(gray: ImageArray, strings: Sequence[BoxString]) -> list[BoxString]:
    """The strings of an image with boxes where ink in their bands has none.

    Args:
        gray: (H, W) uint8.
        strings: as they were linked; stacks and turned lines stay as they are.
    """
    quads = [[b.quad for b in s.boxes] for s in strings]
    return [
        _completed(gray, s, [q for k, own in enumerate(quads) if k != i for q in own])
        for i, s in enumerate(strings)
    ]


def _completed(gray: ImageArray, string: BoxString, others: Sequence[FloatArray]) -> BoxString:
    if string.direction != "horizontal" or len(string.boxes) < MIN_BOXES:
        return string
    way = orientations(string)[0]
    line = string_quad(way)
    marks = unread_marks(gray, line, [b.quad for b in way.boxes], others)
    marks = [m for m in marks if not m.tall and _beside(m, line)]
    if not marks or len(marks) > max(1.0, MAX_SHARE * len(string.boxes)):
        return string
    added: list[list[CharBox]] = [[] for _ in range(len(string.boxes) + 1)]
    for mark in marks:
        added[mark.before].append(_box(mark, way))
    boxes = [*added[0]]
    was_space = [False] * len(boxes)
    beside_mark = [True] * len(boxes)
    for box, space, after in zip(string.boxes, string.space_after, added[1:], strict=True):
        boxes += [box, *after]
        was_space += [space] * (1 + len(after))
        beside_mark += [bool(after)] * (1 + len(after))
    clear, _, size = clear_gaps(boxes)
    wide = [*(clear > SPACE * size), False]
    spaces = tuple(
        space and (bool(open_) or not beside)
        for space, open_, beside in zip(was_space, wide, beside_mark, strict=True)
    )
    return BoxString(tuple(boxes), (*spaces[:-1], False), string.direction)


def _beside(mark: UnreadMark, line: FloatArray) -> bool:
    """Whether a mark stands within a string or near one of its ends."""
    width, height = edge_lengths(line)
    along = (mark.quad.mean(0) - line[0]) @ (line[1] - line[0]) / max(width, 1e-6)
    return bool(-END * height < along < width + END * height)


def _box(mark: UnreadMark, way: BoxString) -> CharBox:
    """A box on the line of its neighbors around the ink of a mark, as high as that."""
    near = way.boxes[max(0, mark.before - 1) : mark.before + 1]
    axis = axis_of(near[0].quad)
    across = np.array([-axis[1], axis[0]])
    height = float(np.mean([edge_lengths(b.quad)[1] for b in near]))
    width = max(edge_lengths(mark.quad)[0] + 2 * PAD * height, NARROWEST * height)
    middle = mark.quad.mean(0)
    line = np.mean([b.center for b in near], axis=0)
    center = middle + across * float((line - middle) @ across)
    own = edge_lengths(mark.quad)[1] + 2 * PAD * height
    return shaped_box(oriented_quad(center, axis, width, own), axis, 0.0)
