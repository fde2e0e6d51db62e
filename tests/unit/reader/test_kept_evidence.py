"""What results keep of a reading besides its text, for those who look at doubtful characters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from industrial_ocr.config import PipelineConfig
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.free_reading import FreeReading
from industrial_ocr.reader.routed import Routing, route_results
from industrial_ocr.reader.two_stage import _decode
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import (
    BoxString,
    Character,
    CharBox,
    CharCandidates,
    SequenceScores,
    Status,
    TextString,
)

IMAGE = np.zeros((50, 100, 3), np.uint8)


def decoded(posterior: float) -> TextString:
    """The boxes of ABCDE, of which the classifier rejects A, C and E."""
    boxes = tuple(
        CharBox(rect_quad(20 * i, 0, 20 * i + 16, 20), 1.0, np.eye(2, dtype=np.float32))
        for i in range(5)
    )
    rejects = 0.9, 0.0, 0.7, 0.1, 0.9  # at the ends they are cut off
    named = tuple(
        CharCandidates((s, "x"), np.array([0.95 - r, 0.01], np.float32), r)
        for s, r in zip("ABCDE", np.array(rejects) * 0.9, strict=True)
    )
    string = BoxString(boxes, (False,) * 5, "horizontal")
    seen = StringEvidence(string, named, {})
    reading = FreeReading(string, named, (True,) * 5, (posterior,) * 5, seen, 0.0)
    read = _decode(reading, IMAGE[..., 0], PipelineConfig())
    assert read is not None
    return read


def test_a_rejected_box_is_read_where_the_segmentation_is_sure_of_a_character() -> None:
    assert decoded(0.98).text == "ABCDE" and decoded(0.98).rejected == ()


def test_boxes_taken_for_no_character_are_kept_with_their_place() -> None:
    read = decoded(0.9)
    assert read.text == "BD"
    ((before, refused),) = read.rejected
    assert (before, refused.symbol, round(refused.reject, 2)) == (1, "C", 0.63)
    assert [round(c.reject, 2) for c in read.characters] == [0.0, 0.09]
    result = ReadResult((read,), Status.OK, "two-stage", {}, IMAGE).moved(5, 7, IMAGE)
    moved = result.strings[0].rejected[0][1]
    np.testing.assert_array_equal(moved.quad, refused.quad + [5, 7])


def of_one_way(text: str, confidence: float = 0.9) -> ReadResult:
    quad = rect_quad(0, 0, 90, 20)
    characters = tuple(Character(s, quad, confidence) for s in text)
    scores = SequenceScores(0.9, -0.1, 0.9, 0.9, -0.1)
    string = TextString(text, confidence, quad, characters, "horizontal", scores)
    return ReadResult((string,), Status.OK, "two-stage", {}, IMAGE)


def test_what_the_other_way_read_is_kept_where_it_differs() -> None:
    one, two = of_one_way("A1"), of_one_way("AI")
    both = route_results({"two-stage": one, "crnn": two}, Routing("agree", (), {}))
    assert both.status is Status.DISAGREEMENT  # of the likelier one
    assert both.strings[0].other == "A1" and both.text == "AI"
    same = route_results({"two-stage": one, "crnn": one}, Routing("agree", (), {}))
    assert same.strings[0].other == ""
    doubtful = replace(one, status=Status.LOW_CONFIDENCE)
    auto = route_results({"two-stage": doubtful, "crnn": two}, Routing("auto", (), {}))
    assert auto.strings[0].other == "A1" and auto.text == "AI"  # the likelier one stands
