"""Verdicts on frames made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.decoding.ctc import sequence_log_probability
from industrial_ocr.decoding.ctc_frames import FrameString
from industrial_ocr.decoding.ctc_verification import _infix, shape_classes, verify_frames
from industrial_ocr.errors import ConfigError
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import CharState, FloatArray, Verdict

CHARSET = Charset(blank=True)
PASS, FAIL, CANNOT_TELL = Verdict.PASS, Verdict.FAIL, Verdict.CANNOT_TELL


def quad(first: float, last: float) -> FloatArray:
    return rect_quad(4 * first, 0, 4 * last + 4, 32)


def frames(text: str, **other: dict[str, float]) -> FrameString:
    """Each character in a frame of its own, a blank after each, three more for a space.

    ``at3={"8": 0.6, "B": 0.3}`` says what the third symbol's frame holds; ``""`` is the blank.
    """
    rows = []
    for i, symbol in enumerate(text):
        shares = {"": 1.0} if symbol == " " else other.get(f"at{i}", {symbol: 0.998})
        for own in (shares, {"": 1.0}):
            row = np.full(CHARSET.classes, 1e-7)
            for name, share in own.items():
                row[CHARSET.encode(name)[0] if name else 0] = share
            row[0] += max(0.0, 1 - row.sum())
            rows.append(np.log(row / row.sum()))
    return FrameString(np.array(rows), quad, "horizontal")


CASES = [
    ("AB12CD", "AB12CD", PASS, "every character"),
    ("AB12CD", "AB 12 CD", PASS, ""),
    ("AB12CD", "AB72CD", FAIL, "character 3 ('7') reads as '1'"),
    ("AB12CD", "AB2CD", FAIL, "an extra '1' stands after character 2"),
    ("AB12CD", "B12CD", FAIL, "an extra 'A' stands before the text"),
    ("AB12CD", "AB12C", FAIL, "an extra 'D' stands after character 5"),
    ("AB12CD", "AB1M2CD", FAIL, "character 4 ('M') is missing"),
    ("AO1SCD", "A0ISCD", CANNOT_TELL, "character 2 ('0') is not clear"),
    ("AcBDK2", "ACBDk2", PASS, ""),
    ("LOT AB12CD X", "AB12CD", PASS, ""),
    ("WXYZ99", "AB12CD", FAIL, "another text stands there: 'WXYZ99'"),
    ("WXYZ99765", "AB12CD", CANNOT_TELL, "no similar text"),
    ("AB-12CD", "AB12CD", CANNOT_TELL, "something stands after character 2"),
]


@pytest.mark.parametrize(("printed", "expected", "wanted", "reason"), CASES)
def test_clear_frames(printed: str, expected: str, wanted: Verdict, reason: str) -> None:
    found = verify_frames([frames(printed)], expected, CHARSET)
    assert found.verdict is wanted, found.reason
    assert reason in found.reason


DOUBTS = [
    ({"8": 0.97, "B": 0.02}, CharState.PASS, PASS),
    ({"8": 0.85, "B": 0.1}, CharState.UNSURE, CANNOT_TELL),  # alike
    ({"8": 0.85, "K": 0.1}, CharState.PASS, PASS),
    ({"B": 0.7, "8": 0.25}, CharState.UNSURE, CANNOT_TELL),
    ({"B": 0.97, "8": 0.01}, CharState.FAIL, FAIL),
    ({"8": 0.3, "": 0.69}, CharState.MISSING, CANNOT_TELL),
]


@pytest.mark.parametrize(("shares", "state", "wanted"), DOUBTS)
def test_a_doubtful_character(shares: dict[str, float], state: CharState, wanted: Verdict) -> None:
    found = verify_frames([frames("AB82CD", at2=shares)], "AB82CD", CHARSET)
    assert found.characters[2].state is state
    assert found.verdict is wanted


MARKS = [
    ("-40C", {"at0": {"": 0.97, "-": 0.03}}, "40C", CANNOT_TELL, "a '-' may stand before the text"),
    ("-40C", {"at0": {"": 0.97, "-": 0.03}}, "-40C", CANNOT_TELL, "character 1 ('-') was not"),
    ("40C.", {"at3": {"": 0.99, ".": 0.01}}, "40C", CANNOT_TELL, "a '.' may stand after"),
    ("2.50", {"at1": {"": 0.7, ".": 0.3}}, "250", CANNOT_TELL, "a '.' may stand after character 1"),
    ("2.50", {"at1": {"": 0.3, ".": 0.7}}, "2.50", CANNOT_TELL, "character 2 ('.') may be missing"),
    ("2.50", {"at1": {"": 0.01, ".": 0.99}}, "2.50", PASS, ""),
    ("40C", {}, "40C", PASS, ""),
    (" 40C", {}, "-40C", FAIL, "character 1 ('-') is missing"),
    ("250", {}, "2.50", FAIL, "character 2 ('.') is missing"),
]


@pytest.mark.parametrize(("printed", "shares", "expected", "wanted", "reason"), MARKS)
def test_a_mark_more_or_less(
    printed: str, shares: dict[str, dict[str, float]], expected: str, wanted: Verdict, reason: str
) -> None:
    found = verify_frames([frames(printed, **shares)], expected, CHARSET)
    assert found.verdict is wanted, found.reason
    assert reason in found.reason


def test_what_stands_before_a_part_does_not_matter() -> None:
    string = frames("-40C", at0={"": 0.97, "-": 0.03})
    assert verify_frames([string], "40C", CHARSET, part=True).verdict is PASS


def test_log_odds_are_those_of_the_best_frame() -> None:
    found = verify_frames([frames("AB82CD", at2={"8": 0.9, "B": 0.09})], "AB82CD", CHARSET)
    assert found.characters[2].log_odds == pytest.approx(np.log(10), abs=1e-3)
    assert found.characters[2].rival == "B"
    assert found.characters[2].quad is not None


@pytest.mark.parametrize(("count", "wanted"), [(6, PASS), (8, CANNOT_TELL)])
def test_the_text_as_a_whole_must_pass(count: int, wanted: Verdict) -> None:
    # Every character passes; together the wrong readings are the likelier ones from seven on.
    doubts = {f"at{i}": {"8": 0.9, "K": 0.05} for i in range(count)}
    string = frames("8" * count, **doubts)
    found = verify_frames([string], "8" * count, CHARSET)
    assert all(c.state is CharState.PASS for c in found.characters)
    assert found.verdict is wanted
    p = np.exp(sequence_log_probability(string.log_probs, CHARSET.encode("8" * count)))
    assert bool(p > 0.5) is (wanted is PASS)
    assert found.text_log_odds is not None and (found.text_log_odds > 0) is (wanted is PASS)


def test_text_odds_are_exact() -> None:
    string = frames("AB82CD", at2={"8": 0.97, "K": 0.02})
    found = verify_frames([string], "AB82CD", CHARSET)
    p = np.exp(sequence_log_probability(string.log_probs, CHARSET.encode("AB82CD")))
    assert found.text_log_odds == pytest.approx(np.log(p / (1 - p)), abs=1e-3)


def test_a_code_over_two_strings() -> None:
    strings = [frames("170036"), frames("TRHU"), frames("22G1")]
    found = verify_frames(strings, "TRHU170036", CHARSET)
    assert found.verdict is PASS, found.reason


def test_a_part_of_a_word_on_demand() -> None:
    own = [frames("SN74LS00N")]
    assert verify_frames(own, "74LS00", CHARSET).verdict is FAIL
    assert verify_frames(own, "74LS00", CHARSET, part=True).verdict is PASS


def test_nothing_was_found() -> None:
    assert verify_frames([], "AB", CHARSET).reason == "no text was found"
    assert verify_frames([frames("   ")], "AB", CHARSET).reason == "no text was found"


def test_texts_that_cannot_be_checked() -> None:
    with pytest.raises(ConfigError, match="does not know Ω"):
        verify_frames([frames("AB")], "AΩ", CHARSET)


def test_shapes_join_the_classes_of_one_shape() -> None:
    shape = shape_classes(CHARSET)
    name = {s: shape[CHARSET.encode(s)[0]] for s in "0OoDQ1Ilcs5C8B"}
    assert name["0"] == name["O"] == name["o"] and name["1"] == name["I"] == name["l"]
    assert name["c"] == name["C"]
    assert len({name[s] for s in "0DQ1c58B"}) == 8
    assert shape[0] == 0


@pytest.mark.parametrize(
    ("read", "text", "wanted"),
    [
        ("LOTAB1X", "AB1", (3, 6, 0)),
        ("ABX", "ABC", (0, 3, 1)),
        ("XBC", "ABC", (0, 3, 1)),
        ("ABXC", "ABC", (0, 4, 1)),
        ("AC", "ABC", (0, 2, 1)),
        ("", "ABC", (0, 0, 3)),
    ],
)
def test_the_nearest_part(read: str, text: str, wanted: tuple[int, int, int]) -> None:
    assert _infix(read, text) == wanted
