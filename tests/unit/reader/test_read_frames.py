"""What the frames of a burst say of its reading."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.config import ConfidenceConfig
from industrial_ocr.reader.frames import Burst, SingleFrame, frame_support, twin_shapes
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import SequenceScores, Status, TextString

SCORES = SequenceScores(*np.ones(5).tolist())


def string(
    text: str, confidence: float = 0.95, status: Status = Status.OK, x: float = 0
) -> TextString:
    quad = rect_quad(x, 0, x + 10, 10)
    return TextString(text, confidence, quad, (), "horizontal", SCORES, status=status)


def test_agreement_weighs_the_frames_by_their_confidence() -> None:
    doubtful = string("ABXD", 0.25, Status.LOW_CONFIDENCE)
    view = frame_support(string("ABCD"), [[string("AB CD", 0.75)], [doubtful], []])
    # 1 at 0.75 and three of four characters at 0.25.
    assert view.agreement == pytest.approx(0.9375)
    assert (view.same, view.explained, view.contradiction) == (1, 1.0, "")


def test_a_frame_that_reads_more_lowers_the_confidence() -> None:
    longer = string("XABCD", 0.5, Status.LOW_CONFIDENCE)
    view = frame_support(string("ABCD"), [[string("ABCD", 0.5)], [longer]])
    assert view.explained == pytest.approx(0.5)
    judged = view.judge(string("ABCD", 1.0), ConfidenceConfig())
    assert judged.confidence == pytest.approx(0.5**0.5, abs=0.002)
    assert judged.status is Status.LOW_CONFIDENCE
    assert judged.reason == "all frames together: the confidence is below 0.9"


def test_four_frames_that_agree_are_half_as_sure_in_log_odds_as_their_summed_evidence() -> None:
    view = frame_support(string("ABCD"), [[string("ABCD", 0.5)]] * 4)
    judged = view.judge(string("ABCD", 0.99), ConfidenceConfig())
    assert judged.confidence == pytest.approx(1 / (1 + (0.01 / 0.99) ** 0.5))


def test_a_clear_frame_of_another_text_contradicts() -> None:
    view = frame_support(string("ABCD"), [[string("ABCD")], [string("ABCE")]])
    assert view.contradiction == "frame 2 reads 'ABCE', all together 'ABCD'"
    judged = view.judge(string("ABCD"), ConfidenceConfig())
    assert (judged.status, judged.reason) == (Status.DISAGREEMENT, view.contradiction)


def burst(together: list[TextString], alone: list[TextString]) -> ReadResult:
    """The result of two frames that read ``alone``, and ``together`` if they are summed."""
    image = np.zeros((50, 90, 3), np.uint8)

    def result(strings: list[TextString]) -> dict[str, ReadResult]:
        return {"crnn": ReadResult(tuple(strings), Status.OK, "crnn", {}, image)}

    frames = [SingleFrame(image, result(alone))] * 2
    read = Burst(frames, 0, [np.eye(2, 3)] * 2, result(together))
    return read.result(lambda results: results["crnn"], ConfidenceConfig())


def test_codes_of_frames_are_sorted_by_their_status_and_the_best_one_is_that_of_the_picture() -> (
    None
):
    def code(text: str, x: float, confidence: float) -> CodeReading:
        quad = rect_quad(x, 0, x + 40, 20)
        return CodeReading(
            text, "p", Status.OK, "", confidence, text, confidence, (), quad, (0,), "horizontal"
        )

    image = np.zeros((50, 90, 3), np.uint8)
    codes = code("AAA1", 0, 0.9), code("BBB2", 45, 0.9999)  # 0.9 of two frames is 0.83 of one
    found = ReadResult((), Status.OK, "crnn", {}, image, codes)
    frames = [SingleFrame(image, {"crnn": found})] * 2
    read = Burst(frames, 0, [np.eye(2, 3)] * 2, {"crnn": found}).result(
        lambda results: results["crnn"], ConfidenceConfig()
    )
    assert [(c.text, c.status) for c in read.codes] == [
        ("BBB2", Status.OK), ("AAA1", Status.LOW_CONFIDENCE),
    ]  # fmt: skip
    assert read.status is Status.OK


def test_what_no_frame_keeps_is_left_out() -> None:
    clutter = string("2", 0.99, x=60)
    read = burst([string("ABCD", 0.99), clutter], [string("ABCD")])
    assert [s.text for s in read.strings] == ["ABCD"] and read.status is Status.OK
    assert [s.text for s in read.left_out] == ["2"]
    assert read.reason == "2 of 2 frames read the same"
    assert burst([clutter], []).status is Status.NO_TEXT


def test_twins_do_not_contradict() -> None:
    view = frame_support(string("A0"), [[string("AO")], [string("A0")]])
    assert view.contradiction == "" and view.same == 1


def test_twins_share_a_shape() -> None:
    zero, other, letter, one, small = twin_shapes(("0", "A", "O", "1", "l")).tolist()
    assert zero == letter and one == small and len({zero, one, other}) == 3
