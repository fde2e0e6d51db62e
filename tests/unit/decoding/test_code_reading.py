"""Codes under a pattern: corrected where the evidence is open, never where it speaks against it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from industrial_ocr.decoding.code_reading import read_codes
from industrial_ocr.decoding.code_rules import contradicts
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CharStatus, CodeReading
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates, Status

CHARSET = Charset()
Doubt = Mapping[str, float]


def candidates(symbol: str | Doubt, reject: float = 0.005) -> CharCandidates:
    """A sure character, or several symbols with their probabilities; the rest is spread evenly."""
    asked = {symbol: 0.95} if isinstance(symbol, str) else dict(symbol)
    p = np.full(len(CHARSET), max(0.0, 1 - sum(asked.values()) - reject) / len(CHARSET), np.float32)
    for name, value in asked.items():
        p[CHARSET.symbols.index(name)] += value
    best = np.argsort(-p)[:5]
    return CharCandidates(tuple(CHARSET.symbols[i] for i in best), p[best], reject, p)


def box(place: float, width: float = 16) -> CharBox:
    return CharBox(
        rect_quad(20 * place, 0, 20 * place + width, 24), 0.9, np.eye(2, dtype=np.float32)
    )


def evidence(
    symbols: list[str | Doubt], start: float = 0, spaces: tuple[int, ...] = (),
    merged: Mapping[int, str] | None = None, rejects: Mapping[int, float] | None = None,
    split: Mapping[int, str] | None = None, long: float = 30,
) -> StringEvidence:  # fmt: skip
    """Boxes at their usual distance; halves to be merged stand close, a box of two is ``long``."""
    known, pairs_of, two = rejects or {}, merged or {}, split or {}
    boxes, at = [], start
    for i in range(len(symbols)):
        boxes.append(box(at, long if i in two else 10 if {i, i - 1} & set(pairs_of) else 16))
        at += long / 20 + 0.2 if i in two else 0.4 if i in pairs_of else 1
    string = BoxString(tuple(boxes), tuple(i in spaces for i in range(len(symbols))), "horizontal")
    singles = tuple(candidates(s, known.get(i, 0.005)) for i, s in enumerate(symbols))
    lefts = [float(b.quad[0, 0]) / 20 for b in boxes]
    pairs = {i: (box(lefts[i], 18), candidates(s)) for i, s in pairs_of.items()}
    parts = {
        i: tuple(
            (box(lefts[i] + k * long / 40, long / 2), candidates(c)) for k, c in enumerate(both)
        )
        for i, both in two.items()
    }
    return StringEvidence(string, singles, pairs, parts)


def read(symbols: list[str | Doubt], pattern: str | Pattern, **more: object) -> CodeReading | None:
    made = pattern if isinstance(pattern, Pattern) else Pattern.regex(pattern)
    found = read_codes([evidence(symbols, **more)], made, CHARSET)  # type: ignore[arg-type]
    return found[0] if found else None


def test_a_clear_code_is_read_as_it_is() -> None:
    code = read(list("AB12"), "[A-Z]{2}[0-9]{2}")
    assert code is not None
    assert (code.text, code.raw_text, code.status) == ("AB12", "AB12", Status.OK)
    assert {c.status for c in code.characters} == {CharStatus.READ}
    assert code.confidence > 0.95


def test_twins_take_the_kind_that_the_pattern_asks_for() -> None:
    code = read(["A", "B", "1", {"O": 0.8, "0": 0.15}], "[A-Z]{2}[0-9]{2}")
    assert code is not None
    assert (code.text, code.raw_text, code.status) == ("AB10", "AB1O", Status.OK)
    last = code.characters[-1]
    assert (last.status, last.raw) == (CharStatus.CORRECTED, "O")
    assert last.confidence > 0.9 > last.character.confidence


def test_a_character_with_room_for_two_is_a_doubt() -> None:
    """74LS01 without its L still matches; the box that swallowed it tells."""
    plain = evidence(list("AB14S01"))
    for width, symbol, status in (
        (34, "4", Status.LOW_CONFIDENCE), (26, "4", Status.OK), (34, "W", Status.OK),
    ):  # fmt: skip
        boxes = list(plain.string.boxes)
        boxes[3] = box(3, width)
        seen = (*plain.singles[:3], candidates(symbol, 0.005), *plain.singles[4:])
        string = BoxString(tuple(boxes), plain.string.space_after, "horizontal")
        (code,) = read_codes(
            [StringEvidence(string, seen, {}, {})], Pattern.regex("[A-Z0-9]{7}"), CHARSET
        )
        assert code.status is status
        assert ("two characters" in code.reason) is (status is not Status.OK)


def test_a_clear_misprint_is_a_mismatch_and_not_corrected() -> None:
    code = read(list("AB1X"), "[A-Z]{2}[0-9]{2}")
    assert code is not None
    assert code.status is Status.PATTERN_MISMATCH
    assert code.raw_text == "AB1X"
    assert "character 4 reads as 'X'" in code.reason


@pytest.mark.parametrize(
    ("symbol", "p", "raw", "raw_p", "expected"),
    [
        ("0", 0.01, "0", 0.9, False),
        ("0", 0.05, "O", 0.9, False),
        ("0", 0.03, "O", 0.96, True),
        ("0", 0.01, "O", 0.9, True),
        ("1", 0.03, "l", 0.9, False),
        ("2", 0.3, "Z", 0.6, False),
        ("2", 0.1, "Z", 0.8, True),
    ],
)
def test_contradiction(symbol: str, p: float, raw: str, raw_p: float, expected: bool) -> None:
    assert contradicts(symbol, p, raw, raw_p) is expected


def test_cases_of_one_shape_are_the_capital_under_capitals() -> None:
    code = read(["A", {"c": 0.7, "C": 0.25}, "1", "2"], "[A-Z]{2}[0-9]{2}")
    assert code is not None
    assert (code.text, code.status) == ("AC12", Status.OK)
    mixed = read(["A", {"c": 0.7, "C": 0.25}, "1", "2"], "[A-Za-z]{2}[0-9]{2}")
    assert mixed is not None
    assert mixed.text == "Ac12"


def test_a_cut_character_is_merged_where_the_pattern_needs_it() -> None:
    halves: list[str | Doubt] = ["A", {"C": 0.4, "(": 0.3}, {"J": 0.3, ")": 0.4}, "1"]
    code = read(halves, "A[0-9]1", merged={1: "0"})
    assert code is not None
    assert (code.text, code.status) == ("A01", Status.OK)
    assert read(halves, "A[0-9]1") is None or read(halves, "A[0-9]1").status is not Status.OK  # type: ignore[union-attr]


def test_two_that_touch_are_parted_where_the_pattern_needs_it() -> None:
    touching: list[str | Doubt] = ["A", {"N": 0.05, "M": 0.05}, "1"]
    code = read(touching, "A[0-9]{3}", split={1: "07"})
    assert code is not None
    assert (code.text, code.status, code.raw_text) == ("A071", Status.OK, "A071")
    assert [round(float(c.character.quad[0, 0])) for c in code.characters] == [0, 20, 35, 54]
    clear = read(["A", {"M": 0.99}, "1"], "A[0-9]{3}", split={1: "07"}, long=14)
    assert clear is None or clear.status is Status.PATTERN_MISMATCH
    assert read(touching, "A[0-9]{3}") is None


def test_what_stands_beyond_a_gap_is_left_out() -> None:
    code = read(["i", *"AB12"], "[A-Z]{2}[0-9]{2}", spaces=(0,), rejects={0: 0.4})
    assert code is not None
    assert (code.text, code.status) == ("AB12", Status.OK)


def test_a_part_of_a_longer_word_is_not_trusted() -> None:
    code = read(list("XAB12"), "[A-Z]{2}[0-9]{2}")
    assert code is not None
    assert (code.text, code.status) == ("AB12", Status.LOW_CONFIDENCE)
    assert "longer word" in code.reason


def test_a_code_nearly_as_likely_makes_it_ambiguous() -> None:
    code = read(["A", {"B": 0.45, "R": 0.4}, "1", "2"], "[A-Z]{2}[0-9]{2}")
    assert code is not None
    assert (code.text, code.status) == ("AB12", Status.AMBIGUOUS)
    assert code.characters[1].rival == "R"
    assert code.alternatives[0][0] == "AR12"


ISO = Pattern.preset("iso6346")


def test_the_check_digit_chooses_among_near_readings() -> None:
    symbols: list[str | Doubt] = list("TRHU3074372")
    symbols[5] = {"8": 0.5, "0": 0.4}
    code = read(symbols, ISO)
    assert code is not None
    assert (code.text, code.status) == ("TRHU3074372", Status.OK)
    assert code.raw_text == "TRHU3874372"
    assert code.characters[5].status is CharStatus.CORRECTED


def test_the_check_digit_never_overrules_a_clear_reading() -> None:
    symbols: list[str | Doubt] = list("TRHU3074373")
    code = read(symbols, ISO)
    assert code is not None
    assert (code.text, code.status) == ("TRHU3074373", Status.CHECK_FAILED)
    assert "check digit is 3, should be 2" in code.reason


def test_a_code_may_span_neighboring_strings() -> None:
    parts = [evidence(list("TRHU")), evidence(list("307437"), 5), evidence(["2"], 12)]
    (code,) = read_codes(parts, ISO, CHARSET)
    assert (code.text, code.status, code.strings) == ("TRHU3074372", Status.OK, (0, 1, 2))
    alone = Pattern.regex("[A-Z]{3}U[0-9]{7}")
    assert read_codes(parts, alone, CHARSET) == []


def test_other_text_is_no_code() -> None:
    assert read(list("PAYLOAD"), "[0-9]{7}") is None
    assert read(list("AB"), "[A-Z]{2}[0-9]{9}") is None
    assert read_codes([], ISO, CHARSET) == []


def test_a_lexicon_reads_its_words_only() -> None:
    words = Pattern.lexicon(["START", "STOP", "RESET"])
    code = read(["S", "T", {"0": 0.6, "O": 0.3}, "P"], words)
    assert code is not None
    assert (code.text, code.status) == ("STOP", Status.OK)
