"""What calibration learns of labeled images: which characters and strings count, and how."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.datasets.samples import Label
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.evaluation.calibrate import (
    CalibrationData,
    add_characters,
    add_string,
    count,
    fit,
    fit_ctc_temperature,
)
from industrial_ocr.evaluation.label_matching import Rules
from industrial_ocr.evaluation.records import ReadString, Record
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates

CHARSET = Charset()
BLANKED = Charset(blank=True)


def string(text: str, sure: float = 0.9) -> StringEvidence:
    singles = []
    for symbol in text:
        p = np.full(len(CHARSET), (0.98 - sure) / len(CHARSET), np.float32)
        p[CHARSET.symbols.index(symbol)] += sure
        singles.append(CharCandidates((symbol,), np.array([sure], np.float32), 0.02, p))
    boxes = tuple(
        CharBox(rect_quad(20 * i, 0, 20 * i + 16, 24), 0.9, np.eye(2, dtype=np.float32))
        for i in range(len(text))
    )
    row = BoxString(boxes, (False,) * len(text), "horizontal")
    return StringEvidence(row, tuple(singles), {})


def names(found: CalibrationData) -> str:
    return "".join(CHARSET.symbols[c] for c in found.classes)


def test_a_label_counts_on_the_string_it_fits() -> None:
    found = CalibrationData()
    add_characters(found, [string("XY77"), string("AB17")], "AB12", CHARSET)
    assert names(found) == "AB12"
    assert np.exp(found.characters[3]).argmax() == CHARSET.symbols.index("7")
    assert found.characters[0].shape == (len(CHARSET) + 1,)


def test_a_label_that_nothing_resembles_counts_nowhere() -> None:
    found = CalibrationData()
    add_characters(found, [string("XY77")], "AB12", CHARSET)
    add_characters(found, [], "AB12", CHARSET)
    add_characters(found, [string("AB12")], "ΩΩ", CHARSET)
    assert found.classes == []


def test_the_case_of_a_letter_is_what_it_was_taken_for() -> None:
    found = CalibrationData()
    add_characters(found, [string("aB12")], "AB12", CHARSET)
    assert names(found) == "aB12"


def frames(text: str, sure: float = 0.9) -> np.ndarray:
    rows = []
    for symbol in text:
        for best in (BLANKED.encode(symbol)[0], 0):
            p = np.full(BLANKED.classes, (1 - sure) / (BLANKED.classes - 1))
            p[best] = sure
            rows.append(np.log(p))
    return np.array(rows)


def read(text: str) -> StringFrames:
    return StringFrames(frames(text), (), (), BLANKED)


def test_a_string_counts_where_it_resembles_the_label() -> None:
    found = CalibrationData()
    add_string(found, [read("XY77"), read("aB17")], "AB12", BLANKED)
    assert [list(x) for x in found.labels] == [BLANKED.encode("aB12")]
    add_string(found, [read("XY77")], "AB12", BLANKED)
    assert len(found.strings) == 1


def test_frames_surer_than_they_are_right_are_cooled() -> None:
    texts = ["AB12", "CD34", "EF56", "GH78"] * 4
    wrong = ["AB17", "CD34", "EF56", "GH73"] * 4
    labels = [BLANKED.encode(t) for t in wrong]
    assert fit_ctc_temperature([frames(t, 0.999) for t in texts], labels) > 1.2
    assert (
        fit_ctc_temperature([frames(t, 0.6) for t in texts], [BLANKED.encode(t) for t in texts]) < 1
    )


def test_too_little_evidence_leaves_the_temperature_as_it_is() -> None:
    found = CalibrationData()
    add_characters(found, [string("AB12")], "AB12", CHARSET)
    now = {"classifier": 2.0, "recognizer": 1.0}
    assert fit(found, now) == {}
    for _ in range(50):
        add_characters(found, [string("AB12", 0.6)], "AB12", CHARSET)
    fitted = fit(found, now)
    assert set(fitted) == {"classifier"}
    assert fitted["classifier"] < 2.0, "all were right at 0.6: it was not sure enough"


def record(text: str, confidence: float, weakest: float, status: str = "ok") -> Record:
    characters = tuple((s, weakest, [[0.0, 0.0]] * 4) for s in text)
    strings = (ReadString(text, confidence, None, characters),)
    codes = (ReadString(text, confidence, None, (), status),)
    return Record("d", "a.png", "crnn", "read", (9, 9), (Label("AB12"),), strings, "ok", 0.1, {},
                  "", codes)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "weakest", "status", "pattern", "expected"),
    [
        ("AB12", 0.8, "ok", False, (0.9, True)),
        ("AB12", 0.3, "ok", False, (0.0, True)),
        ("AB17", 0.8, "ok", True, (0.9, False)),
        ("AB17", 0.3, "low_confidence", True, (0.0, False)),
        ("", 0.8, "ok", False, None),
    ],
)
def test_what_would_not_pass_as_ok_has_no_confidence(
    text: str, weakest: float, status: str, pattern: bool, expected: tuple[float, bool] | None
) -> None:
    rules = Rules(pattern=Pattern.regex("[A-Z]{2}[0-9]{2}") if pattern else None)
    (found,) = count(record(text, 0.9, weakest, status), rules, 0.5)
    assert found == expected
