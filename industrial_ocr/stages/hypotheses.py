"""Second thoughts on segmentation: one character cut in two, or two in one box.

A letter that the region map shows as two blobs (the loops of a 3 or an 8, the bowls of a B) gives
two boxes, closer together than the string's letters are. Such a pair is also classified as one box.
Two letters that touch may give one box, wider than the others: its halves are classified, too. The
path through the string that the classifier finds likeliest decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.geometry import WIDE, edge_lengths, enclosing_quad, length_ratios
from industrial_ocr.types import BoxString, CharBox, Direction

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
SEPARATE = 0.65
"""Prior in nats for what the detector saw: two boxes are two characters."""
WHOLE = 1.3
"""Prior in nats for what the detector saw: one box is one character; of long boxes less, see
``geometry.one_character``."""


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


def halves(box: CharBox, direction: Direction) -> tuple[CharBox, CharBox]:
    """A box cut across the middle of its string's way."""
    top_left, top_right, bottom_right, bottom_left = box.quad
    if direction == "vertical":
        left, right = (top_left + bottom_left) / 2, (top_right + bottom_right) / 2
        quads = ([top_left, top_right, right, left], [left, right, bottom_right, bottom_left])
    else:
        top, bottom = (top_left + top_right) / 2, (bottom_left + bottom_right) / 2
        quads = ([top_left, top, bottom, bottom_left], [top, top_right, bottom_right, bottom])
    axis = top_right - top_left
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    across = np.array([-axis[1], axis[0]])
    made = []
    for quad in quads:
        width, height = edge_lengths(np.array(quad, np.float32))
        shape = (
            np.outer(axis, axis) * (width / 2) ** 2 + np.outer(across, across) * (height / 2) ** 2
        )
        made.append(CharBox(np.array(quad, np.float32), box.score, shape.astype(np.float32)))
    return made[0], made[1]


def split_hypotheses(string: BoxString) -> dict[int, tuple[CharBox, CharBox]]:
    """The halves of boxes that may hold two characters, by their index.

    Args:
        string: oriented, so that its quads stand as its characters do.
    """
    if len(string.boxes) < 3:
        return {}
    ratios = length_ratios([b.quad for b in string.boxes], string.direction == "vertical")
    return {
        int(i): halves(string.boxes[i], string.direction) for i in np.flatnonzero(ratios > WIDE)
    }


@dataclass(frozen=True)
class Segmentation:
    """What the boxes of a string are on its likeliest path.

    Attributes:
        merged: first indices of the pairs that are one character, rising.
        split: indices of the boxes that are two, rising.
    """

    merged: tuple[int, ...]
    split: tuple[int, ...]


def best_path(
    singles: Sequence[tuple[float, float]],
    merged: Mapping[int, float],
    split: Mapping[int, tuple[float, float]] | None = None,
    share: Sequence[float] | NDArray[np.float64] | None = None,
) -> Segmentation:
    """The likeliest path through a string.

    A path's score is the sum over the boxes of the log probability of the character that each
    belongs to, of two characters in one box their mean, so that paths are not favoured for their
    length.

    Args:
        singles: each box's best symbol's probability and its reject probability.
        merged: the best symbol's probability of a pair, by its first index.
        split: the best symbols' probabilities of a box's halves, by its index.
        share: how much of the prior for one character each box keeps; all of it without.
    """
    score = [0.0]
    way = [""]
    for i, (symbol, reject) in enumerate(singles):
        ways = {"one": score[i] + _log(max(symbol, NOTHING * reject))}
        if i > 0 and i - 1 in merged:
            ways["merged"] = score[i - 1] + 2 * _log(merged[i - 1]) - SEPARATE
        if split and i in split:
            first, second = split[i]
            ways["split"] = score[i] + (_log(first) + _log(second)) / 2
            ways["split"] -= WHOLE * (1.0 if share is None else float(share[i]))
        best = max(ways, key=lambda w: ways[w])
        score.append(ways[best])
        way.append(best)
    found: dict[str, list[int]] = {"one": [], "merged": [], "split": []}
    at = len(singles)
    while at > 0:
        taken = way[at]
        at -= 2 if taken == "merged" else 1
        found[taken].append(at)
    return Segmentation(tuple(found["merged"][::-1]), tuple(found["split"][::-1]))


def _log(probability: float) -> float:
    return float(np.log(max(probability, 1e-4)))


def segmented(
    string: BoxString,
    merged: Mapping[int, CharBox],
    split: Mapping[int, tuple[CharBox, CharBox]],
    chosen: Segmentation,
) -> BoxString:
    """The string in which each chosen pair is its one box, and each split box its two."""
    boxes: list[CharBox] = []
    spaces: list[bool] = []
    for i, box in enumerate(string.boxes):
        if i - 1 in chosen.merged:
            continue
        if i in chosen.split:
            boxes += split[i]
            spaces += [False, string.space_after[i]]
            continue
        both = i in chosen.merged
        boxes.append(merged[i] if both else box)
        spaces.append(string.space_after[i + 1 if both else i])
    return BoxString(tuple(boxes), tuple(spaces), string.direction)
