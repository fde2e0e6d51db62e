"""What a string's surroundings do to its status."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.config import ConfidenceConfig, PipelineConfig
from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.reader.common import finish
from industrial_ocr.results.codes import CharStatus, CodeCharacter, CodeReading
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import Character, ImageArray, Status, TextString


def printed(*marks: tuple[int, int, int, int]) -> ImageArray:
    """Eight letters as black bars, and marks as x0, y0, x1, y1."""
    image = np.full((90, 320, 3), 235, np.uint8)
    for i in range(8):
        image[30:60, 60 + 24 * i : 70 + 24 * i] = 20
    for x0, y0, x1, y1 in marks:
        image[y0:y1, x0:x1] = 20
    return image


def read() -> TextString:
    characters = tuple(
        Character("I", rect_quad(57 + 24 * i, 29, 73 + 24 * i, 61), 0.999) for i in range(8)
    )
    quad = rect_quad(57, 29, 241, 61)
    return TextString("I" * 8, 0.999, quad, characters, "horizontal", score_sequence([0.999] * 8))


@pytest.mark.parametrize(
    ("marks", "place"),
    [
        ((), ""),
        (((40, 42, 50, 46),), "before the first character"),
        (((248, 54, 254, 60),), "after the last character"),
    ],
)
def test_a_clear_mark_at_an_end_that_was_not_read_is_a_doubt(
    marks: tuple[tuple[int, int, int, int], ...], place: str
) -> None:
    result = finish(printed(*marks), [read()], Engine.CRNN, PipelineConfig(), {})
    (string,) = result.strings
    assert result.status is string.status is (Status.LOW_CONFIDENCE if place else Status.OK)
    assert string.reason == (f"a mark {place} was not read" if place else "")
    assert result.reason == (f"'IIIIIIII': {string.reason}" if place else "")
    assert string.to_dict()["reason"] == string.reason


@pytest.mark.parametrize(
    ("confidence", "chance", "reason"),
    [
        (0.6, 0.3, "the confidence is below 0.9; 'I' may be '1'"),
        (0.6, 0.05, "the confidence is below 0.9"),
        (0.95, 0.3, "the confidence of 'I' is only 0.40"),
    ],
)
def test_a_low_confidence_names_the_character_that_is_most_likely_misread(
    confidence: float, chance: float, reason: str
) -> None:
    string = read()
    clear, last = string.characters[:-1], string.characters[-1]
    doubtful = replace(last, confidence=0.4, alternatives=(("1", chance),))
    scores = score_sequence([confidence])
    string = replace(string, scores=scores, characters=(*clear, doubtful))
    result = finish(printed(), [string], Engine.CRNN, PipelineConfig(), {}, basis="calibrated")
    assert result.strings[0].reason == reason


def test_the_confidence_of_an_engine_follows_the_odds_of_a_line() -> None:
    def confidence(odds: dict[str, tuple[float, float]]) -> float:
        config = PipelineConfig(confidence=ConfidenceConfig(odds=odds))
        return finish(printed(), [read()], Engine.CRNN, config, {}).strings[0].confidence

    usual = confidence({})
    log_odds = float(np.log(usual / (1 - usual)))
    assert confidence({"two-stage": (0.5, 0.0)}) == usual
    changed = confidence({"crnn": (0.5, -1.0)})
    assert np.log(changed / (1 - changed)) == pytest.approx(0.5 * log_odds - 1)


def code(*, ignores_marks: bool = False, may_be_longer: bool = False) -> CodeReading:
    string = read()
    characters = [CodeCharacter(c, 0.999, CharStatus.READ, "I", 0.999) for c in string.characters]
    return CodeReading(
        text=string.text,
        pattern="I+",
        status=Status.OK,
        reason="",
        confidence=0.999,
        raw_text=string.text,
        raw_confidence=0.999,
        characters=tuple(characters),
        quad=string.quad,
        strings=(0,),
        direction="horizontal",
        ignores_marks=ignores_marks,
        may_be_longer=may_be_longer,
    )


@pytest.mark.parametrize(
    ("mark", "ignores_marks", "ok"),
    [
        ((119, 43, 125, 47), False, False),
        ((119, 43, 125, 47), True, True),
        ((250, 31, 260, 59), True, False),
    ],
)
def test_a_dash_inside_a_code_is_a_doubt_unless_dashes_may_separate_its_groups(
    mark: tuple[int, int, int, int], ignores_marks: bool, ok: bool
) -> None:
    codes = [code(ignores_marks=ignores_marks)]
    result = finish(printed(mark), [read()], Engine.CRNN, PipelineConfig(), {}, codes=codes)
    assert (result.codes[0].status is Status.OK) == ok


@pytest.mark.parametrize("may_be_longer", [False, True])
def test_a_code_that_may_be_longer_is_doubtful_where_its_ends_cannot_be_seen(
    may_be_longer: bool,
) -> None:
    image = printed()
    image[24:66, 50:60] = 20  # one piece of ink with the first letter, up to the rims
    image[:, :50] = 20
    codes = [code(may_be_longer=may_be_longer)]
    result = finish(image, [read()], Engine.CRNN, PipelineConfig(), {}, codes=codes)
    assert result.strings[0].unseen_ends == 1 and not result.strings[0].unread
    assert (result.codes[0].status is Status.OK) != may_be_longer


def test_a_code_that_passes_a_check_of_fixed_length_lacks_nothing() -> None:
    checked = replace(code(), checked=True)
    for codes, ok in (([checked], True), ([replace(checked, may_be_longer=True)], False)):
        result = finish(
            printed((250, 31, 260, 59)), [read()], Engine.CRNN, PipelineConfig(), {}, codes=codes
        )
        assert (result.codes[0].status is Status.OK) == ok


def test_the_status_is_that_of_the_most_reliable_code_of_all_patterns() -> None:
    failed = replace(code(), status=Status.PATTERN_MISMATCH, pattern="other")
    codes = [failed, code()]
    result = finish(printed(), [read()], Engine.CRNN, PipelineConfig(), {}, codes=codes)
    assert result.status is Status.OK and result.codes[0].pattern == "I+"


def test_a_string_of_a_picture_that_another_look_reads_differently_is_not_ok() -> None:
    two = Engine.TWO_STAGE
    for agreement, status in ((1.0, Status.OK), (0.5, Status.LOW_CONFIDENCE)):
        string = replace(read(), agreement=agreement)
        assert finish(printed(), [string], two, PipelineConfig(), {}).status is status
