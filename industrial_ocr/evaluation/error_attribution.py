"""Finds the stage of reading that lost a code, for every label that was not read correctly.

The boxes of the characters that were read are compared with the place of the label: its character
boxes if they are labeled, else its own box, else the strings that were matched with it. An engine
that gives no characters has either missed the string or misread it.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.evaluation.label_matching import MatchedLabel, Rules, joined_strings
from industrial_ocr.evaluation.metrics import nearest_part
from industrial_ocr.evaluation.records import ReadString
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import Rectangle, bounds, box_iou

ErrorStage = Literal[
    "no string", "no box", "merged or split box", "wrong link", "wrong class", "decoding", "misread"
]
ERROR_STAGES: tuple[ErrorStage, ...] = get_args(ErrorStage)

MARGIN = 0.15
"""Room around the box of a label, as a share of its shorter side."""

SymbolQuad = tuple[str, NDArray[np.float64]]
"""A character that was read, and its quad (4, 2)."""


def _place(matched: MatchedLabel) -> Rectangle | None:
    """The box of the label, widened by ``MARGIN``; None if not labeled."""
    label = matched.label
    if label.quad is not None:
        box = bounds(label.quad)
    elif label.characters:
        box = bounds(np.concatenate([c.quad for c in label.characters]))
    elif matched.record.task != "read":
        width, height = matched.record.size
        return 0.0, 0.0, float(width), float(height)
    else:
        return None
    x0, y0, x1, y1 = box
    more = MARGIN * min(x1 - x0, y1 - y0)
    return x0 - more, y0 - more, x1 + more, y1 + more


def _center_inside(box: Rectangle, quad: object) -> bool:
    x, y = np.asarray(quad, np.float64).mean(0)
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


def _overlaps(box: Rectangle, string: ReadString) -> bool:
    """Whether a string may be in a box: it has text, and its quad, if known, overlaps the box."""
    if not string.text or string.quad is None:
        return bool(string.text)
    x0, y0, x1, y1 = bounds(string.quad)
    return min(x1, box[2]) > max(x0, box[0]) and min(y1, box[3]) > max(y0, box[1])


def _read_characters(matched: MatchedLabel) -> list[SymbolQuad]:
    """Letters and digits read in the place of the label, or in the strings matched with it."""
    place = _place(matched)
    strings = matched.record.strings
    if place is None:
        strings = tuple(strings[i] for i in matched.strings)
    found = []
    for string in strings:
        for symbol, _, quad in string.characters:
            if symbol.isalnum() and (place is None or _center_inside(place, quad)):
                found.append((symbol, np.asarray(quad, np.float64)))
    return found


def _box_error(
    matched: MatchedLabel, quads: list[NDArray[np.float64]], wanted: int
) -> ErrorStage | None:
    """The error of the boxes; None if each of the ``wanted`` characters has one."""
    labeled = [c.quad for c in matched.label.characters if c.symbol.isalnum()]
    if len(labeled) == wanted:
        boxes = [bounds(q) for q in quads]
        for quad in labeled:
            if not any(_center_inside(box, quad) for box in boxes):
                return "no box"
        overlaps = box_iou(boxes, [bounds(q) for q in labeled])
        if (overlaps.max(0) < 0.3).any() or len(quads) != wanted:
            return "merged or split box"
        return None
    if len(quads) == wanted:
        return None
    return "no box" if len(quads) < wanted else "merged or split box"


def _nearest_characters(truth: str, found: list[SymbolQuad], rules: Rules) -> list[SymbolQuad]:
    """The characters in the part of a longer text that is nearest to the label."""
    texts = [rules.normalize(symbol) for symbol, _ in found]
    start, end = nearest_part(truth, "".join(texts))
    chosen, position = [], 0
    for character, text in zip(found, texts, strict=True):
        if position < end and position + len(text) > start:
            chosen.append(character)
        position += len(text)
    return chosen


def attribute_error(matched: MatchedLabel, rules: Rules) -> ErrorStage | None:
    """The stage that lost a label; None if the reading is right under the rules."""
    truth, read = rules.comparison.pair(matched.prediction.truth, matched.prediction.reading)
    if read == truth or (rules.comparison.contains and truth and truth in read):
        return None
    strings = matched.record.strings
    if rules.pattern is not None and any(r.text == truth for r in joined_strings(strings, rules)):
        return "decoding"  # the string was read, but the pattern selected another one
    place = _place(matched)
    if not matched.strings and not (place and any(_overlaps(place, s) for s in strings)):
        return "no string"
    if matched.record.engine != Engine.TWO_STAGE or not any(s.characters for s in strings):
        return "misread"
    characters = _read_characters(matched)
    if not characters:
        return "no string"
    if rules.comparison.contains:
        characters = _nearest_characters(truth, characters, rules)
    box_error = _box_error(matched, [quad for _, quad in characters], len(truth))
    if box_error is not None:
        return box_error
    joined = "".join(rules.normalize(symbol) for symbol, _ in characters)
    return "wrong link" if sorted(joined) == sorted(truth) else "wrong class"
