"""Which code counts, and when a part passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from industrial_ocr.config import parse_config
from industrial_ocr.line.job import Job
from industrial_ocr.line.judge import Judge, Judgment
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CharStatus, CodeCharacter, CodeReading
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, SequenceScores, Status, TextString, Verdict
from industrial_ocr.results.verdicts import Verification

TODAY = date(2026, 11, 29)
QUAD = rect_quad(0, 0, 10, 10)


class Passed:
    """A history of texts that passed."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def seen(self, text: str) -> bool:
        return text in self.texts

    def last_passed(self) -> str | None:
        return self.texts[-1] if self.texts else None


def code(
    text: str, confidence: float = 0.95, status: Status = Status.OK, pattern: str = ""
) -> CodeReading:
    characters = [
        CodeCharacter(Character(c, QUAD, 0.99), 0.99, CharStatus.READ, c, 0.99) for c in text
    ]
    return CodeReading(
        text, pattern, status, "why", confidence, text.lower(), 0.9, tuple(characters), QUAD,
        (0,), "horizontal",
    )  # fmt: skip


def string(text: str, confidence: float = 0.95, status: Status = Status.OK) -> TextString:
    characters = tuple(Character(c, QUAD, 0.99) for c in text if c != " ")
    scores = SequenceScores(0.9, -0.1, 0.9, 0.9, -0.1)
    return TextString(text, confidence, QUAD, characters, "horizontal", scores, status=status)


def result(*found: CodeReading | TextString, status: Status = Status.OK) -> ReadResult:
    codes = tuple(f for f in found if isinstance(f, CodeReading))
    strings = tuple(f for f in found if isinstance(f, TextString))
    image = np.zeros((20, 20, 3), np.uint8)
    return ReadResult(strings, status, Engine.CRNN, {}, image, codes, reason="because")


def job(
    tmp_path: Path, passes: Any = None, expect: Any = None, patterns: Sequence[str] = ()
) -> Job:
    data = {
        "version": 1,
        "name": "test",
        "data": str(tmp_path),
        "source": {"kind": "http"},
        "page": {},
        "read": {"patterns": list(patterns)},
        "passes": passes or {},
        "expect": expect,
    }
    return parse_config(data, Job)


@pytest.fixture
def judged(tmp_path: Path):
    """Judges readings by a job of the given rules."""

    def judge(
        *results: ReadResult,
        passes: Any = None,
        expect: Any = None,
        patterns: Sequence[str] = (),
        part: str = "",
        sent: str | None = None,
        history: Passed | None = None,
        verifications: Sequence[Verification] = (),
    ) -> Judgment:
        compiled = tuple(Pattern.parse(p) for p in patterns)
        own = Judge(job(tmp_path, passes, expect, patterns), history or Passed(), compiled)
        return own.judge(results, part, sent, TODAY, verifications)

    return judge


def test_the_surest_code_of_all_rois_counts(judged: Any) -> None:
    found = judged(
        result(code("A1", 0.97, Status.LOW_CONFIDENCE)),
        result(code("A2", 0.90), code("A3", 0.80)),
        patterns=["[A-Z][0-9]"],
    )
    assert found.passed and found.reasons == ()
    assert (found.text, found.raw_text, found.status, found.confidence) == ("A2", "a2", "ok", 0.9)
    assert [c["symbol"] for c in found.characters] == ["A", "2"]


def test_a_doubtful_code_does_not_pass_unless_the_job_says_so(judged: Any) -> None:
    reading = result(code("A1", 0.5, Status.LOW_CONFIDENCE))
    assert judged(reading, patterns=["A1"]).reasons == ("the status is low_confidence: why",)
    assert judged(reading, patterns=["A1"], passes={"status_ok": False}).passed


def test_without_a_code_the_text_is_kept_as_evidence(judged: Any) -> None:
    found = judged(result(string("XYZ"), status=Status.PATTERN_MISMATCH), patterns=["A1"])
    assert (found.text, found.raw_text, found.status) == ("", "XYZ", "pattern_mismatch")
    assert found.reasons == ("the status is pattern_mismatch: because", "no code was read")


def test_without_a_pattern_the_whole_text_counts(judged: Any) -> None:
    found = judged(result(string("SN74 LS"), string("01J47")))
    assert found.passed and found.text == "SN74 LS 01J47" and len(found.characters) == 11


def test_the_code_that_equals_the_expected_text_counts(judged: Any) -> None:
    reading = result(code("A1", 0.99), code("B2", 0.6, Status.LOW_CONFIDENCE))
    found = judged(reading, patterns=["[A-Z][0-9]"], expect={"text": "B2"})
    assert found.text == "B2" and found.expected == "B2"
    assert found.reasons == ("the status is low_confidence: why",)
    found = judged(reading, patterns=["[A-Z][0-9]"], expect={"text": "C3"})
    assert found.text == "A1" and found.reasons == ("expected 'C3', read 'A1'",)


def test_the_string_that_equals_the_expected_text_counts(judged: Any) -> None:
    unsure = replace(string("MADE IN X", 0.7, Status.LOW_CONFIDENCE), reason="why")
    reading = result(unsure, string("LOT 12"))
    assert judged(reading, expect={"text": "LOT12"}).passed
    doubted = judged(reading, expect={"text": "MADE IN X"})
    assert doubted.reasons == ("the status is low_confidence: why",)
    assert judged(reading, expect={"text": "MADE IN X LOT 12"}, passes={"status_ok": False}).passed


def test_separators_of_the_pattern_do_not_count_in_the_expected_text(judged: Any) -> None:
    reading = result(code("CSQU3054383", pattern="iso6346"))
    assert judged(reading, patterns=["iso6346"], expect={"text": "csqu 305438-3"}).passed


def test_the_expected_text_comes_from_a_file_or_a_table(judged: Any, tmp_path: Path) -> None:
    file, table = tmp_path / "text.txt", tmp_path / "parts.csv"
    file.write_text("A1\nB2\n")
    table.write_text("part,code\np7,A1\n")
    reading, patterns = result(code("A1")), ["[A-Z][0-9]"]
    assert judged(reading, patterns=patterns, expect={"file": str(file)}).passed
    rows = {"table": str(table), "column": "code"}
    assert judged(reading, patterns=patterns, expect=rows, part="p7").passed
    (why,) = judged(reading, patterns=patterns, expect=rows, part="p8").reasons
    assert "no row has 'p8' in the column part" in why
    (why,) = judged(reading, patterns=patterns, expect={"table": str(table)}).reasons
    assert "has no column 'text'" in why
    file.unlink()
    (why,) = judged(reading, patterns=patterns, expect={"file": str(file)}).reasons
    assert "cannot be read" in why


@pytest.mark.parametrize(
    "rows",
    [
        'code,part\n"A,1",p7\n',
        "code;part\nA,1;p7\n",
        "sep=;\r\ncode;part\r\nA,1;p7\r\n",
        "code\tpart\nA,1\tp7\nB2\n",
    ],
)
def test_a_table_is_separated_as_spreadsheets_do(tmp_path: Path, rows: str) -> None:
    table = tmp_path / "parts.csv"
    table.write_bytes(rows.encode())
    judge = Judge(job(tmp_path, expect={"table": str(table), "column": "code"}), Passed())
    assert judge.expected("p7", None) == "A,1"


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("A1\n")
    judge = Judge(job(tmp_path, expect={"file": str(file)}), Passed())
    assert judge.expected("", None) == "A1"
    file.write_text("B22\n")
    assert judge.expected("", None) == "B22"


def test_the_expected_text_comes_with_the_trigger(judged: Any) -> None:
    expect = {"with_trigger": True}
    assert judged(result(string("A1")), expect=expect, sent="A1").passed
    found = judged(result(string("A1")), expect=expect)
    assert found.reasons == ("no expected text came with the trigger",)


def test_a_verified_text_need_not_be_read(judged: Any) -> None:
    passes, expect = {"verified": True, "status_ok": False}, {"text": "A1"}
    verdicts = [Verification("A1", v, "a smudge", Engine.CRNN) for v in Verdict]
    reading = result(string("AI"))
    found = judged(reading, passes=passes, expect=expect, verifications=verdicts[:1])
    assert found.passed and found.text == "AI"
    assert judged(reading, passes=passes, expect=expect, verifications=verdicts).passed
    found = judged(reading, passes=passes, expect=expect, verifications=verdicts[1:])
    assert found.reasons == ("'A1' is not verified: a smudge",)


@pytest.mark.parametrize(
    ("text", "rule", "reasons"),
    [
        ("2026-11-29", {"within_days": 1}, 0),
        ("2026-11-28", {}, 1),
        ("2026-11-28", {"not_past": False}, 0),
        ("2026-12-30", {"within_days": 30}, 1),
        ("2026-12-29", {"within_days": 30}, 0),
        ("11/2026", {"format": "%m/%Y"}, 0),
        ("10/26", {"format": "%m/%y"}, 1),
        ("3O.11.2026", {"format": "%d.%m.%Y"}, 1),
    ],
)
def test_a_date(judged: Any, text: str, rule: dict[str, Any], reasons: int) -> None:
    found = judged(result(string(text)), passes={"date": rule})
    assert len(found.reasons) == reasons
    assert ("date" in found.fields) == ("O" not in text)


def test_a_date_in_a_named_group(judged: Any) -> None:
    pattern = "L[0-9]{3} (?<exp>[0-9]{2}/[0-9]{4})"
    reading = result(code("L12303/2027", pattern=pattern))
    rule = {"field": "exp", "format": "%m/%Y"}
    found = judged(reading, patterns=[pattern], passes={"date": rule})
    assert found.passed and found.fields == {"exp": "03/2027", "date": "2027-03-31"}


def test_gs1_element_strings_become_fields(judged: Any) -> None:
    passes = {"gs1": True, "date": {"field": "17"}}
    found = judged(result(string("(01)09780471117094 (17)260300")), passes=passes)
    assert found.fields == {"01": "09780471117094", "17": "2026-03-31", "date": "2026-03-31"}
    assert found.reasons == ("the date 2026-03-31 is past, today is 2026-11-29",)
    found = judged(result(string("(01)09780471117095")), passes=passes)
    assert found.reasons == (
        "GS1: (01): the check digit is 5, should be 4",
        "the date: the code has no field '17'",
    )


def test_a_serial_number_counts_once(judged: Any) -> None:
    found = judged(result(string("S8")), passes={"unseen": True}, history=Passed("S8", "S9"))
    assert found.reasons == ("'S8' has passed before",)
    assert judged(result(string("S10")), passes={"unseen": True}, history=Passed("S8")).passed


@pytest.mark.parametrize(
    ("text", "last", "passes"),
    [
        ("S10", "S9", True),
        ("S010", "S9", True),
        ("S9", "S9", False),
        ("T8", "S9", False),
        ("S10", None, True),
        ("S10", "SX", True),
        ("S10X", "S9", False),
    ],
)
def test_a_serial_number_rises(judged: Any, text: str, last: str | None, passes: bool) -> None:
    history = Passed(last) if last else Passed()
    found = judged(result(string(text)), passes={"rising": True}, history=history)
    assert found.passed == passes
