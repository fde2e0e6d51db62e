"""How both engines' verdicts are combined, and what is refused before any network runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from industrial_ocr.errors import ConfigError
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.verify import agreed, verify_image
from industrial_ocr.results.types import Verdict
from industrial_ocr.results.verdicts import Verification

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
