"""Codes from frames: what the pattern may decide and what it may not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from industrial_ocr.decoding.ctc_codes import read_ctc_codes
from industrial_ocr.decoding.ctc_frames import FrameString
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CharStatus, CodeReading
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import FloatArray, Status

CHARSET = Charset(blank=True)


def frames(*symbols: str | dict[str, float]) -> NDArray[np.float64]:
    """A frame a symbol with blanks between; the rest of the probability is spread evenly."""
    rows = []
    for symbol in symbols:
        for asked in ({"": 0.995}, {symbol: 0.97} if isinstance(symbol, str) else symbol):
            rest = (1 - sum(asked.values())) / CHARSET.classes
            row = np.full(CHARSET.classes, rest)
            for name, p in asked.items():
                row[CHARSET.encode(name)[0] if name else 0] += p
            rows.append(np.log(row))
    return np.array(rows)


def place(first: float, last: float) -> FloatArray:
    return rect_quad(8 * first, 0, 8 * last + 8, 30)


def read(pattern: str | Pattern, *strings: list[str | dict[str, float]]) -> CodeReading | None:
    made = pattern if isinstance(pattern, Pattern) else Pattern.regex(pattern)
    given = [FrameString(frames(*s), place, "horizontal") for s in strings]
    found = read_ctc_codes(given, made, CHARSET)
    return found[0] if found else None


def test_a_clear_code_is_read_with_its_places() -> None:
    code = read("[A-Z]{2}[0-9]{2}", list("AB12"))
    assert code is not None
    assert (code.text, code.raw_text, code.status) == ("AB12", "AB12", Status.OK)
    lefts = [float(c.character.quad[0, 0]) for c in code.characters]
    assert lefts == sorted(lefts)
    assert {c.status for c in code.characters} == {CharStatus.READ}


def test_open_twins_follow_the_pattern_and_clear_misprints_do_not() -> None:
    code = read("[A-Z]{2}[0-9]{2}", ["A", "B", "1", {"O": 0.7, "0": 0.28}])
    assert code is not None
    assert (code.text, code.raw_text, code.status) == ("AB10", "AB1O", Status.OK)
    assert code.characters[-1].status is CharStatus.CORRECTED
    code = read("[A-Z]{2}[0-9]{2}", list("AB1X"))
    assert code is None or code.status is Status.PATTERN_MISMATCH


def test_the_check_digit_chooses_among_near_readings_and_fails_clear_ones() -> None:
    iso = Pattern.preset("iso6346")
    code = read(iso, [*"TRHU3", {"8": 0.5, "0": 0.48}, *"74372"])
    assert code is not None
    assert (code.text, code.status) == ("TRHU3074372", Status.OK)
    code = read(iso, list("TRHU3074373"))
    assert code is not None
    assert code.status is not Status.OK


def test_a_code_may_span_strings_as_its_pattern_says() -> None:
    iso = Pattern.preset("iso6346")
    code = read(iso, list("TRHU"), list("307437"), ["2"])
    assert code is not None
    assert (code.text, code.status, code.strings) == ("TRHU3074372", Status.OK, (0, 1, 2))
    assert read("[A-Z]{4}[0-9]{7}", list("TRHU"), list("3074372")) is None


@pytest.mark.parametrize(
    ("line", "pattern", "text", "left"),
    [
        (
            "SER A7F39",
            "[A-Z][0-9][A-Z][0-9]{2}",
            "A7F39",
            48,
        ),  # 8 pixels a frame, 2 frames a symbol
        ("LOT 48213 OK", "[0-9]{5}", "48213", 48),
        ("LOT 48213 OK", "LOT[0-9]{5}", "LOT48213", 0),
        ("LOT 48 213", "[A-Z0-9]{4,9}", "LOT48213", 0),  # as many words as match
        ("LOT 48 213", "[0-9]{2,9}", "48213", 48),
        ("LOT48213", "[0-9]{5}", None, None),  # a part of a word is no code
        ("SER A7F3", "[A-Z][0-9][A-Z][0-9]{2}", None, None),
    ],
)
def test_a_code_may_stand_among_other_words(
    line: str, pattern: str, text: str | None, left: int | None
) -> None:
    words = line.split()
    starts = np.cumsum([2 * len(word) for word in words[:-1]]).tolist()
    string = FrameString(frames(*line.replace(" ", "")), place, "horizontal", tuple(starts))
    found = read_ctc_codes([string], Pattern.regex(pattern), CHARSET)
    if text is None:
        assert not any(code.status is Status.OK for code in found)
        return
    (code,) = found
    assert (code.text, code.raw_text, code.status) == (text, text, Status.OK)
    assert (
        abs(code.quad[0, 0] - left) <= 16
        and abs(code.characters[0].character.quad[0, 0] - left) <= 16
    )


def test_a_whole_string_goes_before_words_of_a_longer_one() -> None:
    line = FrameString(frames(*"LOT48213"), place, "horizontal", (6,))
    alone = FrameString(frames("1", "2", "3", {"4": 0.9}, "5"), place, "horizontal")
    found = read_ctc_codes([line, alone], Pattern.regex("[0-9]{5}"), CHARSET)
    assert [(c.text, c.status) for c in found] == [("12345", Status.OK), ("48213", Status.OK)]
    assert found[0].confidence < found[1].confidence


def test_two_codes_as_likely_are_ambiguous() -> None:
    code = read("[A-Z]{2}[0-9]{2}", ["A", {"B": 0.5, "R": 0.48}, "1", "2"])
    assert code is not None
    assert (code.text, code.status) == ("AB12", Status.AMBIGUOUS)


@pytest.mark.parametrize("text", ["AB", "PAYLOADWEIGHT"])
def test_text_of_another_length_is_not_looked_at(text: str) -> None:
    assert read("[A-Z]{2}[0-9]{5}", list(text)) is None


def test_cases_are_one_letter_under_capitals() -> None:
    code = read("[A-Z]{2}[0-9]{2}", [{"a": 0.6, "A": 0.38}, "B", "1", "2"])
    assert code is not None
    assert code.text == "AB12"
    assert code.confidence > math.sqrt(0.8)


def test_an_optional_sign_that_may_be_there_is_named_and_never_passed_over() -> None:
    faint: dict[str, float] = {"": 0.9, "-": 0.095}
    code = read("-?[0-9]{3}", [faint, *"836"])
    assert code is not None
    assert (code.text, code.status) == ("836", Status.AMBIGUOUS)
    assert "'-836'" in code.reason
    code = read("-?[0-9]{3}", list("836"))
    assert code is not None
    assert (code.text, code.status) == ("836", Status.OK)


def test_an_optional_sign_that_was_read_needs_no_more_than_another_mark() -> None:
    """Its log-odds are 4: above ``MARK_ODDS``, below what a text without a sign needs."""
    code = read("-?[0-9]{3}", [{"": 0.018, "-": 0.98}, *"836"])
    assert code is not None
    assert (code.text, code.status) == ("-836", Status.OK)


def test_a_sign_that_the_pattern_demands_is_doubtful_where_it_is_faint_and_no_misprint() -> None:
    code = read("-[0-9]{3}", [{"": 0.9, "-": 0.095}, *"836"])
    assert code is not None
    assert (code.text, code.status) == ("-836", Status.LOW_CONFIDENCE)
    code = read("-[0-9]{3}", list("836"))
    assert code is None or code.status is Status.PATTERN_MISMATCH


def test_spellings_that_differ_in_separators_are_one_code() -> None:
    pattern = Pattern.regex("[A-Z]{2}[0-9]{2}", separators="-", groups=(2, 2))
    code = read(pattern, ["A", "B", {"": 0.5, "-": 0.49}, "1", "2"])
    assert code is not None
    assert (code.text, code.status) == ("AB12", Status.OK)


def test_either_case_is_one_code_where_case_is_ignored() -> None:
    pattern = Pattern.regex("[A-Z]{2}[0-9]{2}", ignore_case=True)
    code = read(pattern, [{"a": 0.5, "A": 0.48}, "B", "1", "2"])
    assert code is not None
    assert (code.text, code.status) == ("AB12", Status.OK)


def test_a_large_lexicon_is_read_as_a_small_one() -> None:
    words = [f"K{i:05d}" for i in range(0, 90_000, 7)]
    code = read(Pattern.lexicon([*words, "QX12345"]), list("QX12345"))
    assert code is not None
    assert (code.text, code.status) == ("QX12345", Status.OK)
