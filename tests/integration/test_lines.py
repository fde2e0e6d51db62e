"""Lines of over a thousand characters, on the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz.distance import Levenshtein
from typer.testing import CliRunner

from industrial_ocr import Reader, Status
from industrial_ocr.cli.app import app
from industrial_ocr.datasets.synthesis.text import shipped_words
from industrial_ocr.inference.loading import Loader
from industrial_ocr.inference.manifest import find_entry

GOLDEN = Path(__file__).parents[1] / "golden"
FONT = ImageFont.load_default(24)


def write_line(path: Path, text: str, ground: int, ink: int) -> None:
    picture = Image.new("L", (int(FONT.getlength(text)) + 24, 36), ground)
    ImageDraw.Draw(picture).text((12, 2), text, ink, font=FONT)
    picture.save(path)


@pytest.mark.slow
def test_lines_of_any_length_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    words = [shipped_words()[i].lower() for i in rng.integers(0, 11_000, 180)]
    long = " ".join(words)
    assert len(long) > 1000
    write_line(tmp_path / "a.png", long, 245, 20)
    write_line(tmp_path / "b.png", "short words", 10, 230)
    found = CliRunner().invoke(app, ["lines", str(tmp_path), "--json"])
    first, second = json.loads(found.stdout)
    assert Path(first["file"]).name == "a.png" and first["seconds"] > 0
    assert Levenshtein.normalized_similarity(first["text"], long) > 0.98
    assert second["text"] == "short words"
    options = ["--division", "windows", "--csv"]
    found = CliRunner().invoke(app, ["lines", str(tmp_path / "a.png"), *options])
    (row,) = csv.DictReader(io.StringIO(found.stdout))
    assert list(row) == ["file", "text", "confidence", "status", "seconds"]
    assert Levenshtein.normalized_similarity(row["text"], long) > 0.98


def test_a_line_of_chinese_is_read_without_other_packages() -> None:
    reader = Reader(recognizer="crnn-zh", threads=1)
    (result,) = reader.recognize([GOLDEN / "line_zh.png"])
    assert result.text == "今天下午三点在二楼开会，请带护照和A4纸"
    assert result.status is Status.LOW_CONFIDENCE


def test_no_confidence_was_fitted_to_the_recognizer_of_chinese() -> None:
    own = Loader(backend="onnxruntime").recognizer("crnn-zh")
    assert own.basis == "raw" and own.knows_space and own.charset.classes == 5991
    known = {find_entry("recognizer", "crnn-zh").sha256: 1.5}
    told = Loader(backend="onnxruntime", temperatures=known).recognizer("crnn-zh")
    assert told.basis == "calibrated" and told.temperature == 1.5


def test_formats_exclude_each_other(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["lines", str(tmp_path), "--json", "--csv"])
    assert found.exit_code == 2 and "exclude each other" in found.output
