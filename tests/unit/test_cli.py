"""The command line, with a reader that does not read; the real one has tests of its own."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from industrial_ocr import cli, reader
from industrial_ocr.errors import ConfigError
from industrial_ocr.geometry import rect_quad
from industrial_ocr.image import load_image
from industrial_ocr.types import Character, ReadResult, SequenceScores, Status, TextString

runner = CliRunner()


class FakeReader:
    """Finds ``AB1`` in every picture it can load, nothing in black ones."""

    def __init__(self, device: str = "auto", *rest: Any) -> None:
        if device == "moon":
            raise ConfigError("device 'moon' is unknown or not available here")

    def read(self, image: Any, engine: str = "two-stage", roi: Any = None) -> ReadResult:
        pixels = load_image(image)
        if not pixels.any():
            return ReadResult((), Status.NO_TEXT, engine, {"total": 0.01}, pixels)
        characters = tuple(
            Character(s, rect_quad(5 + 10 * i, 5, 14 + 10 * i, 25), 0.97)
            for i, s in enumerate("AB1")
        )
        quad, scores = rect_quad(5, 5, 34, 25), SequenceScores(0.97, -0.09, 0.97, 0.97, -0.09)
        string = TextString("AB1", 0.97, quad, characters, "horizontal", scores)
        return ReadResult((string,), Status.OK, engine, {"total": 0.01}, pixels)

    def recognize(self, crops: Any, engine: str = "crnn") -> list[ReadResult]:
        return [self.read(c, engine) for c in crops]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reader, "Reader", FakeReader)
    for name, value in (("a.png", 200), ("b.png", 0)):
        Image.fromarray(np.full((40, 60, 3), value, np.uint8)).save(tmp_path / name)
    return tmp_path


def run(*arguments: object) -> Any:
    return runner.invoke(cli.app, [str(a) for a in arguments])


def test_json_is_an_array_with_an_object_a_file(folder: Path) -> None:
    result = run("read", folder, "--json", "--engine", "crnn")
    assert result.exit_code == 0
    one, two = json.loads(result.stdout)
    assert Path(one["file"]).name == "a.png" and one["strings"][0]["text"] == "AB1"
    assert one["engine"] == "crnn" and two["status"] == "no_text"


def test_csv_has_a_line_a_string(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("read", folder, "--csv").stdout)))
    assert [r["text"] for r in rows] == ["AB1", ""]
    assert rows[0]["x2"] == "34.0" and rows[1]["status"] == "no_text"


def test_the_table_shows_text_and_status(folder: Path) -> None:
    printed = run("read", folder / "a.png").stdout
    assert "AB1" in printed and "ok" in printed


def test_a_bad_file_is_one_line_and_does_not_stop_the_rest(folder: Path) -> None:
    (folder / "bad.png").write_text("no picture")
    result = run("read", folder / "bad.png", folder / "missing.png", folder / "a.png", "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)) == 1
    assert result.stderr.count("error:") == 2
    assert "bad.png" in result.stderr and "missing.png" in result.stderr
    assert "Traceback" not in result.stderr


def test_pictures_are_written_under_unique_names(folder: Path, tmp_path: Path) -> None:
    (folder / "sub").mkdir()
    Image.fromarray(np.full((40, 60, 3), 99, np.uint8)).save(folder / "sub" / "a.png")
    assert run("read", folder, "--out", tmp_path / "out").exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a-2.png", "a.png", "b.png"]


def test_crops_are_one_string_each(folder: Path) -> None:
    assert run("read", folder / "a.png", "--crops", "--json").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "--csv"],
        ["--roi", "1,2,3"],
        ["--roi", "a,b,c,d"],
        ["--device", "moon"],
        ["--engine", "magic"],
    ],
)
def test_wrong_usage_is_exit_code_2(folder: Path, arguments: list[str]) -> None:
    result = run("read", folder / "a.png", *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_unknown_training_key_is_named(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("stepz: 3\n")
    result = run("train", "classifier", "--config", config)
    assert result.exit_code == 1 and "stepz" in result.stderr


@pytest.mark.parametrize("kind", ["scenes", "crops", "strings"])
def test_synth_writes_the_same_whatever_the_workers(kind: str, tmp_path: Path) -> None:
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    for workers in (1, 2):
        out = tmp_path / str(workers)
        arguments = ["--count", 4, "--size", 128, "--workers", workers, "--fonts", fonts]
        result = run("synth", kind, out, *arguments)
        assert result.exit_code == 0, result.output
        assert (out / "contact_sheet.png").stat().st_size > 500
    one, two = (tmp_path / "1", tmp_path / "2")
    assert (one / "labels.jsonl").read_text() == (two / "labels.jsonl").read_text()
    files = sorted((one / "images").iterdir())
    assert len(files) == 4
    for file in files:
        assert file.read_bytes() == (two / "images" / file.name).read_bytes()
    for line in (one / "labels.jsonl").read_text().splitlines():
        label = json.loads(line)
        for string in label.get("strings", [label] if "characters" in label else []):
            for c in string["characters"]:
                assert np.array(c["quad"]).shape == (4, 2) and c["symbol"]


def test_version_and_help() -> None:
    assert "industrial-ocr 0." in run("--version").stdout
    assert "read" in run("--help").stdout
