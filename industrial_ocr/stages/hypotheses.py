"""Second thoughts on segmentation: may two neighbouring boxes be one character cut in two?

A letter that the region map shows as two blobs (the loops of a 3 or an 8, the bowls of a B) gives
two boxes, closer together than the string's letters are. Such a pair is also classified as one box;
the path through the string that the classifier finds likeliest decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from industrial_ocr.geometry import edge_lengths, enclosing_quad
from industrial_ocr.types import BoxString, CharBox

CLOSE = 0.78
"""Two boxes may be one where their centres are nearer than this share of the usual distance."""
USUAL = 70
"""The usual distance is this percentile of the string's: some of them are those of cut letters."""
LINE_PITCH, STACK_PITCH = 0.8, 1.3
"""Usual distances in lines and stacks over the longer side of a box."""
WIDEST, TALLEST = 1.45, 2.6
"""Largest width over height, and height over width, of a character made of two boxes."""
NOTHING = 0.5
"""A box that is no character weighs this much of its reject probability."""
SEPARATE = 0.5
"""Prior in nats for what the detector saw: two boxes are two characters."""


def merged_box(one: CharBox, two: CharBox) -> CharBox:
    """The box around both, along the axis of the first."""
    axis = one.quad[1] - one.quad[0]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    quad = enclosing_quad([one.quad, two.quad], axis)
    across = np.array([-axis[1], axis[0]])
    width, height = edge_lengths(quad)
    shape = np.outer(axis, axis) * (width / 2) ** 2 + np.outer(across, across) * (height / 2) ** 2
    return CharBox(quad, min(one.score, two.score), shape.astype(np.float32))


def merge_hypotheses(string: BoxString) -> dict[int, CharBox]:
    """Boxes around a box and its next one, where both may be one character.

    Args:
        string: oriented, so that its quads stand as its characters do.

    Returns:
        For each such pair its first index and the box around both.
    """
    boxes = string.boxes
    if len(boxes) < 2:
        return {}
    steps = np.linalg.norm(np.diff([b.center for b in boxes], axis=0), axis=1)
    if len(boxes) < 5:
        # Too few distances to know a usual one; the largest box tells what is common.
        largest = max(max(edge_lengths(b.quad)) for b in boxes)
        usual = (STACK_PITCH if string.direction == "vertical" else LINE_PITCH) * largest
    else:
        usual = float(np.percentile(steps, USUAL))
    found = {}
    for i, step in enumerate(steps):
        if step > CLOSE * usual or string.space_after[i]:
            continue
        box = merged_box(boxes[i], boxes[i + 1])
        width, height = edge_lengths(box.quad)
        if width < WIDEST * height and height < TALLEST * width:
            found[i] = box
    return found


def best_path(singles: Sequence[tuple[float, float]], merged: Mapping[int, float]) -> list[int]:
    """The pairs to merge on the likeliest path through a string.

    A path's score is the sum over the boxes of the log probability of the character that each
    belongs to, so that paths of fewer characters are not favoured for their length.

    Args:
        singles: each box's best symbol's probability and its reject probability.
        merged: the best symbol's probability of a pair, by its first index.

    Returns:
        First indices of the pairs that are one character, rising.
    """
    score = [0.0]
    step = [0]
    for i, (symbol, reject) in enumerate(singles):
        alone = score[i] + float(np.log(max(symbol, NOTHING * reject, 1e-4)))
        both = -np.inf
        if i > 0 and i - 1 in merged:
            both = score[i - 1] + 2 * float(np.log(max(merged[i - 1], 1e-4))) - SEPARATE
        score.append(max(alone, both))
        step.append(2 if both > alone else 1)
    chosen, at = [], len(singles)
    while at > 0:
        if step[at] == 2:
            chosen.append(at - 2)
        at -= step[at]
    return chosen[::-1]


def with_merged(
    string: BoxString, boxes: Mapping[int, CharBox], chosen: Sequence[int]
) -> BoxString:
    """The string in which each chosen pair is its one box."""
    kept = [i for i in range(len(string.boxes)) if i - 1 not in chosen]
    return BoxString(
        tuple(boxes[i] if i in chosen else string.boxes[i] for i in kept),
        tuple(string.space_after[i + 1 if i in chosen else i] for i in kept),
        string.direction,
    )
