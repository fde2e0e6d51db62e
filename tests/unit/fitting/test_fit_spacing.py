"""Which gaps the fit of spaces learns from."""

from __future__ import annotations

import numpy as np

from fitting.spacing import true_spaces
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox


def string(*lefts: float) -> BoxString:
    shape = np.diag([100.0, 225.0]).astype(np.float32)
    boxes = tuple(CharBox(rect_quad(x, 0, x + 20, 30), 0.9, shape) for x in lefts)
    return BoxString(boxes, (False,) * len(boxes), "horizontal")


def printed(text: str, *lefts: float) -> LabeledString:
    quads = np.stack([rect_quad(x, 0, x + 20, 30) for x in lefts])
    spaces = tuple(text[i + 1 : i + 2] == " " for i, c in enumerate(text) if c != " ")
    return LabeledString(text, tuple(text.replace(" ", "")), quads, spaces, "horizontal")


def test_spaces_are_those_in_print() -> None:
    assert true_spaces(string(2, 24, 58), [printed("AB C", 0, 25, 60)]) == [False, True]


def test_gaps_at_a_missed_character_and_between_strings_are_left_out() -> None:
    one, two = printed("AB C", 0, 25, 60), printed("DE", 100, 125)
    assert true_spaces(string(0, 60, 100, 125), [one, two]) == [None, None, False]
    assert true_spaces(string(0, 300), [one]) == [None]
