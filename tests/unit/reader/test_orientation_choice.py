"""Which way up the CRNN reads a string that may be read both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from industrial_ocr.config import PipelineConfig
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.reader.common import Clock
from industrial_ocr.reader.crnn import read_frames
from industrial_ocr.reader.models import Models
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, TextString

CHARSET = Charset(blank=True)
Ways = tuple[tuple[str, float], tuple[str, float]]
"""What a string reads as upright and turned, and the probability of each of its symbols."""
APART = 50
"""Pixels from string to string."""


def string(number: int) -> BoxString:
    """The string of that number, below those before it."""
    top, shape = APART * number, np.diag([64.0, 225.0]).astype(np.float32)
    quads = [rect_quad(20 * i, top, 20 * i + 16, top + 30) for i in range(8)]
    return BoxString(tuple(CharBox(q, 0.9, shape) for q in quads), (False,) * 8, "horizontal")


def table(text: str, each: float) -> np.ndarray[Any, Any]:
    """(T, C) a frame a symbol, each of that probability, with blanks around them."""
    rows = []
    for symbol in ("", *text):
        for name, p in ((symbol, each if symbol else 1.0), ("", 1.0)):
            row = np.full(CHARSET.classes, (1 - p) / (CHARSET.classes - 1) + 1e-9)
            row[CHARSET.encode(name)[0] if name else 0] = p
            rows.append(np.log(row / row.sum()))
    return np.array(rows, np.float32)


class TwoWays:
    """A recognizer that reads a string so upright and so on its head, and notes what it read."""

    charset = CHARSET
    basis = "fitted"

    def __init__(self, strings: Sequence[Ways]) -> None:
        self.strings = strings
        self.read: list[tuple[int, bool]] = []

    def recognize(
        self, images: Sequence[Any], strings: Sequence[Any], config: Any
    ) -> list[list[StringFrames]]:
        return [[self._frames(pieces) for pieces in own] for own in strings]

    def _frames(self, pieces: Sequence[Any]) -> StringFrames:
        (quad,) = pieces
        number, turned = int(quad[:, 1].mean() // APART), bool(quad[0, 0] > quad[1, 0])
        self.read.append((number, turned))
        said = table(*self.strings[number][turned])
        return StringFrames(said, tuple(pieces), (4 * len(said),), CHARSET)


def models_with(recognizer: Any) -> Models:
    unused: Any = None
    return Models(unused, unused, recognizer, PipelineConfig())


def read(*strings: Ways, recognizer: Any = None) -> list[TextString]:
    recognizer = recognizer or TwoWays(strings)
    image = np.zeros((40, 200, 3), np.uint8)
    found: Any = [[string(number) for number in range(len(strings))]]
    (own,) = read_frames([image], found, models_with(recognizer), Clock())
    return [text for text, _ in own]


@pytest.mark.parametrize(
    ("upright", "turned", "wanted"),
    [
        (("H0000-08", 0.95), ("80-0000H", 0.98), "H0000-08"),
        (("0690", 0.9), ("0690", 0.99), "0690"),
        (("H0000-08", 0.9), ("", 1.0), "H0000-08"),
        (("AXZS", 0.2), ("LOT12345", 0.95), "LOT12345"),
    ],
)
def test_a_string_is_turned_only_where_it_reads_clearly_better(
    upright: tuple[str, float], turned: tuple[str, float], wanted: str
) -> None:
    assert read((upright, turned))[0].text.replace(" ", "") == wanted


TURNED: Ways = (("vt6", 0.35), ("944", 0.99))


def test_strings_that_are_clearly_turned_turn_those_beside_them_that_read_both_ways() -> None:
    assert [s.text.replace(" ", "") for s in read(TURNED, TURNED, TURNED)] == ["944"] * 3
    hardly: Ways = (("OESTLAGO", 0.8), ("QDV14530", 0.98))
    assert read(hardly)[0].text.replace(" ", "") == "OESTLAGO"
    turned = read(hardly, TURNED, TURNED, TURNED, TURNED)
    assert turned[0].text.replace(" ", "") == "QDV14530"
    both: Ways = (("H0000-08", 0.8), ("80-0000H", 0.98))
    assert [s.text.replace(" ", "") for s in read(*[both] * 20)] == ["H0000-08"] * 20


def test_what_the_other_way_reads_is_held_against_a_string() -> None:
    alone = read((("LOT12345", 0.95), ("AXZS", 0.2)))[0].confidence
    rivalled = read((("LOT12345", 0.7), ("5HEZLLO7", 0.95)))[0].confidence
    assert alone == pytest.approx(0.95, abs=0.01)
    assert rivalled < 0.9 * read((("LOT12345", 0.7), ("AXZS", 0.2)))[0].confidence


def test_a_sure_string_is_read_turned_only_beside_one_that_is() -> None:
    sure: Ways = (("0690", 0.99), ("0690", 0.99))
    alone = TwoWays([sure])
    read(sure, recognizer=alone)
    assert alone.read == [(0, False)]
    beside = TwoWays([sure, TURNED])
    read(sure, TURNED, recognizer=beside)
    assert beside.read == [(0, False), (1, False), (1, True), (0, True)]


class ReadsACommaAgain(TwoWays):
    """Reads 9 in a narrow string."""

    def _frames(self, pieces: Sequence[Any]) -> StringFrames:
        if np.ptp(pieces[0][:, 0]) > 40:
            return super()._frames(pieces)
        return StringFrames(table("9", 0.99), tuple(pieces), (12,), CHARSET)


def test_a_string_inside_another_is_not_read_twice() -> None:
    comma = CharBox(rect_quad(41, 12, 55, 28), 0.9, np.eye(2, dtype=np.float32))
    found: Any = [[string(0), BoxString((comma,), (False,), "horizontal")]]
    recognizer: Any = ReadsACommaAgain([(("631-CHF8", 0.95), ("x", 0.2))])
    image = np.zeros((40, 200, 3), np.uint8)
    (own,) = read_frames([image], found, models_with(recognizer), Clock())
    assert [text.text for text, _ in own] == ["631-CHF8"]
