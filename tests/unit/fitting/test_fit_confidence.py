"""Which readings of photographs the fit of the confidence learns from."""

from pathlib import Path

import numpy as np
import pytest

from fitting.confidence import is_right_there
from fitting.pictures import font_record
from industrial_ocr.datasets.photos import PhotoString, reread
from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import Character, TextString


def _reading(text: str, x0: float, x1: float) -> TextString:
    quad = rect_quad(x0, 0, x1, 20)
    characters = tuple(Character(symbol, quad, 0.9, ()) for symbol in text)
    scores = score_sequence([0.9] * len(text))
    return TextString(text, 0.9, quad, characters, "horizontal", scores)


def _known(text: str, x0: float, x1: float, score: float = 0.95) -> PhotoString:
    return PhotoString("a.png", "s", "p", rect_quad(x0, 0, x1, 20).astype(np.float32), text, score)


@pytest.mark.parametrize(
    ("reading", "right"),
    [
        (_reading("LOT 12", 0, 100), True),  # spaces do not count
        (_reading("LOT 17", 5, 96), False),
        (_reading("LOT 124", 0, 120), None),  # the hint may be a part of the line
        (_reading("LOT", 0, 45), None),  # a part of it: the hint may have joined two strings
        (_reading("LOT 12", 200, 300), None),  # nothing is known there
    ],
)
def test_a_reading_is_held_against_the_string_in_its_place(reading, right) -> None:
    strings = [_known("LOT12", 0, 100), _known("X", 400, 420)]
    assert is_right_there(reading, strings) is right


def test_the_record_of_the_fonts_names_their_contents_and_not_their_place(tmp_path: Path) -> None:
    for folder, content in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Font.ttf").write_text(content)
        (tmp_path / folder / "readme.txt").write_text(folder)
    first, moved, changed = (font_record([str(tmp_path / name)]) for name in "abc")
    assert first == moved and first["files"] == changed["files"] == 1
    assert first["sha256"] != changed["sha256"]


def test_a_hint_counts_if_the_other_reader_repeats_it() -> None:
    assert reread(_known("A1 2", 0, 9, 0.9), ["A12", "A12"])
    assert not reread(_known("A12", 0, 9, 0.9), ["A12", "A1"])
    assert reread(_known("A12", 0, 9, 0.97), ["A12", "A1"])
    assert not reread(_known("A", 0, 9, 1.0), ["A", "A"])  # single letters are often no text
