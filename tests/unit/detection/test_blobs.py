"""A line of small characters that a smaller picture shows as one large character."""

from __future__ import annotations

import numpy as np

from industrial_ocr.detection.linking import without_blobs
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox


def string(*spans: tuple[float, float, float, float]) -> BoxString:
    boxes = tuple(CharBox(rect_quad(*s), 0.9, np.eye(2, dtype=np.float32)) for s in spans)
    return BoxString(boxes, (False,) * len(boxes), "horizontal")


LINE = string(*((10 + 12 * i, 10, 20 + 12 * i, 30) for i in range(5)))


def test_one_box_over_the_characters_of_a_line_is_no_character() -> None:
    assert without_blobs([string((5, 5, 75, 35)), LINE]) == [LINE]


def test_characters_beside_a_line_and_over_two_of_it_stay() -> None:
    beside, frame = string((80, 5, 100, 35)), string((8, 5, 33, 35))
    assert without_blobs([beside, LINE, frame]) == [beside, LINE, frame]
