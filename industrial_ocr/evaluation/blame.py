"""Which stage lost a code: asked of every answer that is not right.

The places of the characters that were read are held against the place of the label: its character
boxes where somebody drew them, else its own box, else the whole of what was read for it. Engines
that give no characters can only have missed the string or misread it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.evaluation.items import Answer, Rules, candidates
from industrial_ocr.evaluation.metrics import nearest_part
from industrial_ocr.evaluation.readings import ReadString
from industrial_ocr.results.geometry import bounds, box_iou

Lost = Literal[
    "no string", "no box", "merged or split box", "wrong link", "wrong class", "decoding",
    "misread",
]  # fmt: skip
STAGES: tuple[Lost, ...] = Lost.__args__  # type: ignore[attr-defined]
MARGIN = 0.15
"""A label's box is widened by this share of its shorter side before places are compared."""
SAME_CHARACTER = 0.3
"""Least IoU of a read and a labeled character."""

Box = tuple[float, float, float, float]
Named = tuple[str, NDArray[np.float64]]
"""A character that was read, and its quad."""


def _place(answer: Answer) -> Box | None:
    """Where the code stands, a little widened; None where nobody said."""
    label = answer.label
    if label.quad is not None:
        box = bounds(label.quad)
    elif label.characters:
        box = bounds(np.concatenate([c.quad for c in label.characters]))
    elif answer.record.task != "read":
        width, height = answer.record.size
        return 0.0, 0.0, float(width), float(height)
    else:
        return None
    x0, y0, x1, y1 = box
    margin = MARGIN * min(x1 - x0, y1 - y0)
    return x0 - margin, y0 - margin, x1 + margin, y1 + margin


def _inside(box: Box, quad: object) -> bool:
    x, y = np.asarray(quad, np.float64).mean(0)
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


def _meets(box: Box, string: ReadString) -> bool:
    if not string.text:
        return False
    if string.quad is None:
        return True
    x0, y0, x1, y1 = bounds(string.quad)
    return min(x1, box[2]) > max(x0, box[0]) and min(y1, box[3]) > max(y0, box[1])


def _characters(answer: Answer) -> list[list[Named]]:
    """The characters read where the code stands, string by string; marks do not count."""
    place = _place(answer)
    strings = answer.record.strings
    chosen = range(len(strings)) if place is not None else answer.strings
    found = []
    for i in chosen:
        own = [
            (symbol, np.asarray(quad, np.float64))
            for symbol, _, quad in strings[i].characters
            if symbol.isalnum() and (place is None or _inside(place, quad))
        ]
        if own:
            found.append(own)
    return found


def _boxes_fit(answer: Answer, quads: list[NDArray[np.float64]], wanted: int) -> Lost | None:
    """What is wrong with the boxes, None where there is one a character."""
    labeled = [c for c in answer.label.characters if c.symbol.isalnum()]
    if len(labeled) == wanted:
        overlaps = box_iou([bounds(q) for q in quads], [bounds(c.quad) for c in labeled])
        covered = np.array([
            any(_inside(bounds(q), c.quad) for q in quads) for c in labeled
        ])  # fmt: skip
        if not covered.all():
            return "no box"
        if (overlaps.max(0) < SAME_CHARACTER).any() or len(quads) != wanted:
            return "merged or split box"
        return None
    if len(quads) == wanted:
        return None
    return "no box" if len(quads) < wanted else "merged or split box"


def _nearest_characters(truth: str, found: list[Named], rules: Rules) -> list[Named]:
    """Those that stand for the label, of the characters of a longer text that may contain it."""
    texts = [rules.fold(symbol) for symbol, _ in found]
    start, end = nearest_part(truth, "".join(texts))
    ends = np.cumsum([len(t) for t in texts])
    return [c for c, t, last in zip(found, texts, ends, strict=True)
            if last > start and last - len(t) < end]  # fmt: skip


def lost_stage(answer: Answer, rules: Rules) -> Lost | None:
    """The stage that lost an answer's code, None where the reading is right.

    Args:
        answer: of any engine.
        rules: those that the answer was made with.
    """
    truth = rules.fold(answer.item.truth)
    read = rules.fold(answer.item.reading)
    if read == truth or (rules.matching == "contains" and truth and truth in read):
        return None
    place = _place(answer)
    strings = answer.record.strings
    if rules.pattern is not None and any(
        c.text == truth for c in candidates(strings, rules)
    ):  # the string was there, the pattern took another
        return "decoding"
    if not (answer.strings or (place and any(_meets(place, s) for s in strings))):
        return "no string"
    if answer.record.engine != "two-stage" or not any(s.characters for s in strings):
        return "misread"
    found = _characters(answer)
    if not found:
        return "no string"
    characters = [c for own in found for c in own]
    if rules.matching == "contains":
        characters = _nearest_characters(truth, characters, rules)
    if (wrong := _boxes_fit(answer, [quad for _, quad in characters], len(truth))) is not None:
        return wrong
    joined = "".join(rules.fold(symbol) for symbol, _ in characters)
    return "wrong link" if sorted(joined) == sorted(truth) else "wrong class"
