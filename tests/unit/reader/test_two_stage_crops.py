"""What several views of one crop come to, for its text and for its code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.config import PipelineConfig
from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.detection.detector import network_scale
from industrial_ocr.reader.two_stage import View
from industrial_ocr.reader.two_stage_crops import _agreed, _views, view_config
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import Status, TextString

CONFIG = PipelineConfig()
QUAD = rect_quad(0, 0, 90, 30)
WHOLE = (None, None, None)


def text(said: str, confidence: float) -> TextString:
    return TextString(said, confidence, QUAD, (), "horizontal", score_sequence([confidence]))


def code(said: str, confidence: float, status: Status = Status.OK) -> CodeReading:
    return CodeReading(
        said, "part", status, "fine", confidence, said, confidence, (), QUAD, (0,), "horizontal"
    )


def view(said: str, confidence: float, *codes: CodeReading) -> View:
    strings = [(text(said, confidence), True)] if said else []
    return View(strings, list(codes))


def test_views_have_the_short_sides_that_are_asked_for_whatever_the_crop() -> None:
    sizes = ((20, 90), (64, 64), (500, 200))
    crops = [np.zeros((*size, 3), np.uint8) for size in sizes]
    *usual, (sized, members) = _views(crops, CONFIG)
    assert members == [2]
    assert network_scale(500, 200, sized.detection) == pytest.approx(160 / 200)
    for side, (sized, members) in zip(CONFIG.detection.crop_sides, usual, strict=True):
        assert members == [0, 1, 2]
        for height, width in sizes:
            scale = network_scale(height, width, sized.detection)
            assert scale * min(height, width) == pytest.approx(side)
    assert view_config(CONFIG) == usual[0][0]
    assert len(_views(crops[:2], CONFIG)) == len(usual)


def test_most_views_decide_and_dissent_lowers_the_confidence() -> None:
    found = _agreed([view("AB12", 0.9), view("A812", 0.95), view("AB12", 0.8)], CONFIG, WHOLE)
    ((string, sure),) = found.strings
    assert (string.text, sure) == ("AB12", True)
    assert string.confidence == pytest.approx(0.9 * (1.7 / 2.65) ** 0.5)


def test_views_that_agree_are_as_sure_as_the_surest_and_empty_ones_have_no_say() -> None:
    found = _agreed([view("AB 12", 0.9), view("ab12", 0.8), view("", 0.0)], CONFIG, WHOLE)
    assert found.strings[0][0].confidence == pytest.approx(0.9)
    assert _agreed([view("", 0.0)] * 3, CONFIG, WHOLE).strings == []


def test_a_code_that_views_differ_on_is_not_ok() -> None:
    good, other = code("AB12", 0.95), code("A812", 0.9)
    (agreed,) = _agreed([view("x", 0.5, good)] * 3, CONFIG, WHOLE).codes or ()
    assert agreed == good
    (doubted,) = (
        _agreed([view("x", 0.5, c) for c in (good, good, other)], CONFIG, WHOLE).codes or ()
    )
    assert (doubted.text, doubted.status) == ("AB12", Status.LOW_CONFIDENCE)
    assert "another size" in doubted.reason
    assert doubted.confidence == pytest.approx(0.95 * (1.9 / 2.8) ** 0.5)


def test_a_view_that_sees_a_misprint_does_not_agree_with_one_that_sees_the_code() -> None:
    good = code("AB12", 0.9)
    misprint = replace(good, status=Status.PATTERN_MISMATCH, confidence=0.9)
    (found,) = (
        _agreed([view("x", 0.5, c) for c in (good, misprint, misprint)], CONFIG, WHOLE).codes or ()
    )
    assert found.status is Status.PATTERN_MISMATCH
    (found,) = (
        _agreed([view("x", 0.5, c) for c in (good, good, misprint)], CONFIG, WHOLE).codes or ()
    )
    assert found.status is Status.LOW_CONFIDENCE


def test_without_a_pattern_there_are_no_codes_and_with_one_there_may_be_none() -> None:
    assert _agreed([View([], None)], CONFIG, WHOLE).codes is None
    assert _agreed([view("AB12", 0.9)] * 2, CONFIG, WHOLE).codes == []


def test_one_line_of_two_is_not_sure_but_a_code_in_it_is() -> None:
    views = [view("AB12", 0.9, code("AB12", 0.9)), view("AB12", 0.8)]
    line = rect_quad(0, 30, 90, 50)
    found = _agreed(views, CONFIG, [line, None, line])
    ((string, _),) = found.strings
    assert [m.quad.tolist() for m in string.unread] == [line.tolist()]
    assert found.codes is not None and found.codes[0].status is Status.OK
    assert _agreed([view("", 0.0)] * 3, CONFIG, [line, None, line]).strings == []


def test_many_characters_that_other_views_doubt_are_doubtful_together() -> None:
    """Of 11 characters at 0.985 and an agreement of 0.8, all are right one time in four."""
    said, other = "ABCD1234567", "ABCD1234561"
    sure, doubtful = code(said, 0.985), code(other, 0.985)
    views = [view("", 0.0, c) for c in (sure, sure, sure, sure, doubtful)]
    (found,) = _agreed(views, CONFIG, (None,) * 5).codes or ()
    assert found.confidence > CONFIG.confidence.min_code_confidence
    assert (found.text, found.status) == (said, Status.LOW_CONFIDENCE)
