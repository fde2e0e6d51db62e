"""Corrected strings of the review page, and pictures that both engines read alike, are labels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from industrial_ocr.errors import DatasetError
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import Status
from industrial_ocr.review.answers import AnswerFile
from industrial_ocr.training.line import sources
from industrial_ocr.training.line.sources import answered_strings, is_answered, self_labeled

DIGEST = "0123456789abcdef01234567"


def item(folder: Path, place: str, symbol: str, text: str, position: int) -> str:
    """An uncertain character as the collector writes it; gives its id."""
    items = folder / "items"
    items.mkdir(exist_ok=True)
    name = DIGEST + place
    data = {
        "id": name,
        "symbol": symbol,
        "alternatives": [],
        "confidence": 0.5,
        "reject": 0.0,
        "why": "",
        "text": text,
        "position": position,
        "quad": rect_quad(1, 1, 9, 19).tolist(),
        "engine": "crnn",
        "time": "",
        "source": None,
    }
    data.pop("context", None)
    (items / f"{name}.json").write_text(json.dumps(data))
    Image.fromarray(np.zeros((20, 60, 3), np.uint8)).save(items / f"{name}.png")
    return name


def test_a_string_is_learned_when_all_its_uncertain_characters_were_answered(
    tmp_path: Path,
) -> None:
    first, second = (
        item(tmp_path, "00010001", "8", "L8O", 1),
        item(tmp_path, "00020001", "O", "L8O", 2),
    )
    answers = AnswerFile(tmp_path)
    answers.append(first, "label", "B")
    assert is_answered(tmp_path)
    with pytest.raises(DatasetError, match="no string has answers for all"):
        answered_strings(tmp_path)
    answers.append(second, "nothing")
    (sample,) = answered_strings(tmp_path).samples
    assert sample.labels[0].text == "LB"
    assert sample.path == tmp_path / "items" / f"{first}.png"


def test_a_rejected_box_that_is_a_character_is_put_in(tmp_path: Path) -> None:
    AnswerFile(tmp_path).append(item(tmp_path, "00010001", "", "12", 1), "label", "-")
    assert answered_strings(tmp_path).samples[0].labels[0].text == "1-2"


def test_a_string_of_which_the_picture_shows_a_part_is_left_out(tmp_path: Path) -> None:
    AnswerFile(tmp_path).append(item(tmp_path, "00010001", "1", "1" * 30, 0), "label", "7")
    with pytest.raises(DatasetError, match="no string has answers"):
        answered_strings(tmp_path)


@dataclass
class FakeReader:
    """Reads what ``said`` tells for a file and an engine, and ``raw`` without the pattern."""

    said: dict[str, dict[str, str]]
    raw: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def recognize(self, files: list[Path], engine: str, pattern: Pattern) -> list[Any]:
        text = self.said[files[0].name][engine]
        status = Status.OK if pattern.match(text) else Status.PATTERN_MISMATCH
        character = SimpleNamespace(character=SimpleNamespace(confidence=0.8))
        code = SimpleNamespace(
            text=pattern.normalize(text),
            raw_text=self.raw.get(files[0].name, text),
            status=status,
            quad=None,
            characters=[character],
        )
        return [SimpleNamespace(codes=[code])]


def test_a_reading_is_a_label_if_both_engines_agree_under_the_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {Engine.TWO_STAGE.value, Engine.CRNN.value}
    reader = FakeReader(
        {
            "a.png": dict.fromkeys(both, "1234"),
            "b.png": {"two-stage": "1284", "crnn": "1234"},
            "c.png": dict.fromkeys(both, "12"),
        }
    )
    shown: list[str] = []

    class Collector:
        def __init__(self, folder: Path, rules: Any) -> None:
            assert rules.min_confidence == pytest.approx(0.8, abs=1e-5)

        def add(self, result: Any, file: Path) -> list[str]:
            shown.append(file.name)
            return ["id"]

    monkeypatch.setattr(sources, "Collector", Collector)
    files = [tmp_path / name for name in reader.said]
    pattern = Pattern.regex(r"\d{4}")
    found = self_labeled(cast(Any, reader), files, pattern, True, tmp_path / "confirm")
    assert [s.labels[0].text for s in found.samples] == ["1234"]
    assert (found.shown, shown) == (1, ["a.png"])


@pytest.mark.parametrize(
    ("separators", "labels"),
    [
        # Without the pattern the third is another code: how it is printed is not known.
        (" -", ["12-34", "1234"]),
        # Only spaces may stand in a code, and a label needs none.
        (" ", ["1234", "1234"]),
    ],
)
def test_a_label_has_the_separators_that_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, separators: str, labels: list[str]
) -> None:
    raw = {"a.png": "12-34", "b.png": "1234", "c.png": "1284"}
    said = dict.fromkeys((Engine.TWO_STAGE.value, Engine.CRNN.value), "1234")
    reader = FakeReader(dict.fromkeys(raw, said), raw)
    collector = SimpleNamespace(add=lambda *_: [])
    monkeypatch.setattr(sources, "Collector", lambda *_, **__: collector)
    pattern = Pattern.regex("[0-9]{2} ?[0-9]{2}", separators=separators)
    files = [tmp_path / name for name in raw if separators == " -" or name != "a.png"]
    found = self_labeled(cast(Any, reader), files, pattern, True, tmp_path / "confirm")
    assert [s.labels[0].text for s in found.samples] == labels
