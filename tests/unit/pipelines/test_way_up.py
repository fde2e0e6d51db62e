"""Which way up the CRNN reads a string that may be read both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from industrial_ocr.charset import Charset
from industrial_ocr.config import PipelineConfig
from industrial_ocr.geometry import rect_quad
from industrial_ocr.pipelines.common import Clock
from industrial_ocr.pipelines.crnn_ctc import read_frames
from industrial_ocr.stages.recognition import StringFrames
from industrial_ocr.types import BoxString, CharBox, TextString

CHARSET = Charset(blank=True)
BOXES = tuple(
    CharBox(rect_quad(20 * i, 0, 20 * i + 16, 30), 0.9, np.diag([64.0, 225.0]).astype(np.float32))
    for i in range(8)
)
FOUND: Any = [[BoxString(BOXES, (False,) * len(BOXES), "horizontal")]]


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
    """A recognizer that reads a string so upright and so on its head."""

    charset = CHARSET

    def __init__(self, upright: tuple[str, float], turned: tuple[str, float]) -> None:
        self.tables = [table(*upright), table(*turned)]

    def recognise(
        self, images: Sequence[Any], strings: Sequence[Any], config: Any
    ) -> list[list[StringFrames]]:
        return [
            [
                StringFrames(t, tuple(pieces), (4 * len(t),))
                for t, pieces in zip(self.tables, own, strict=False)
            ]
            for own in strings
        ]


def read(upright: tuple[str, float], turned: tuple[str, float]) -> TextString:
    recognizer: Any = TwoWays(upright, turned)
    image = np.zeros((40, 200, 3), np.uint8)
    ((string, _),) = read_frames([image], FOUND, recognizer, PipelineConfig(), Clock())[0]
    return string


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
    assert read(upright, turned).text.replace(" ", "") == wanted


def test_what_the_other_way_reads_is_held_against_a_string() -> None:
    alone = read(("LOT12345", 0.95), ("AXZS", 0.2)).confidence
    rivalled = read(("LOT12345", 0.7), ("5HEZLLO7", 0.95)).confidence
    assert alone == pytest.approx(0.95, abs=0.01)
    assert rivalled < 0.97 * read(("LOT12345", 0.7), ("AXZS", 0.2)).confidence
