"""How both engines' verdicts are combined, and what is refused before any network runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from industrial_ocr.errors import ConfigError
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.verify import Observed, _unless_unread, agreed, verify_image
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import CharState, Verdict
from industrial_ocr.results.verdicts import Verification, VerifiedCharacter

PASS, FAIL, CANNOT_TELL = Verdict.PASS, Verdict.FAIL, Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    ("one", "two", "wanted", "reason"),
    [
        (PASS, PASS, PASS, "both engines"),
        (PASS, CANNOT_TELL, CANNOT_TELL, "crnn: why crnn"),
        (CANNOT_TELL, PASS, CANNOT_TELL, "two-stage: why two-stage"),
        (PASS, FAIL, FAIL, "crnn: why crnn"),
        (FAIL, CANNOT_TELL, FAIL, "two-stage: why two-stage"),
    ],
)
def test_both_must_pass(one: Verdict, two: Verdict, wanted: Verdict, reason: str) -> None:
    ways = [
        Verification("AB1", verdict, f"why {engine}", engine)
        for verdict, engine in ((one, "two-stage"), (two, "crnn"))
    ]
    found = agreed(*ways)
    assert (found.verdict, found.engine) == (wanted, "agree")
    assert reason in found.reason
    assert [w.engine for w in found.ways] == ["two-stage", "crnn"]


def models(classifier: str, recognizer: str) -> Models:
    """Models that only know symbols; looking with them fails."""
    named: Any = [
        None,
        SimpleNamespace(charset=Charset(tuple(classifier))),
        SimpleNamespace(charset=Charset(tuple(recognizer), blank=True)),
        None,
    ]
    return Models(*named)


@pytest.mark.parametrize(
    ("engine", "expected", "message"),
    [
        ("two-stage", "ABX", "does not know X"),
        ("crnn", "ABY", "does not know Y"),
        ("agree", "ABX", "does not know X"),
        ("agree", "ABY", "does not know Y"),
        ("agree", " ", "empty"),
        ("auto", "AB", "engine is one of"),
    ],
)
def test_refused_at_once(engine: Any, expected: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        verify_image(np.zeros((9, 9, 3), np.uint8), expected, engine, models("ABY", "ABX"))


@pytest.mark.parametrize(
    ("part", "mark", "verdict"),
    [
        (False, None, PASS),
        (False, (129, 113, 136, 120), CANNOT_TELL),  # inside the second line
        (True, (129, 113, 136, 120), CANNOT_TELL),
        (False, (38, 97, 52, 103), CANNOT_TELL),  # before it
        (True, (38, 97, 52, 103), PASS),
    ],
)
def test_an_unread_mark_in_any_line_prevents_a_pass(
    part: bool, mark: tuple[int, int, int, int] | None, verdict: Verdict
) -> None:
    gray = np.full((140, 280), 220, np.uint8)
    quads = []
    for y in (20, 80):
        for x in (60, 95, 145, 180):
            gray[y : y + 40, x : x + 24] = 30
            gray[y + 6 : y + 34, x + 6 : x + 18] = 220
            quads.append(rect_quad(x - 1, y, x + 25, y + 40))
    if mark is not None:
        x0, y0, x1, y1 = mark
        gray[y0:y1, x0:x1] = 30
    strings = [rect_quad(59, y, 205, y + 40) for y in (20, 80)]
    seen = Observed(None, None, Charset(blank=True), strings, gray)
    characters = tuple(
        VerifiedCharacter("A", q, 0.99, "B", 0.01, 4.6, CharState.PASS) for q in quads
    )
    read = Verification("AAAAAAAA", PASS, "", "crnn", characters=characters)
    assert _unless_unread(seen, read, part).verdict is verdict
