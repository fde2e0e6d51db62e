"""``industrial-ocr verify``, with a reader that does not read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from industrial_ocr.cli import app as cli
from industrial_ocr.cli.verify import match_rows, read_expected
from industrial_ocr.errors import ConfigError, DatasetError
from industrial_ocr.image.load import load_image
from industrial_ocr.reader import reader
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import CharState, Verdict
from industrial_ocr.results.verdicts import Verification, VerifiedCharacter

runner = CliRunner()


class FakeReader:
    """Every picture says ``AB1``; black ones cannot be told."""

    def __init__(self, **rest: Any) -> None:
        self.rest = rest

    def verify(
        self, image: Any, expected: str, roi: Any = None, engine: str = "", part: bool = False
    ) -> Verification:
        if "Ω" in expected:
            raise ConfigError(f"the model does not know Ω of the expected text {expected!r}")
        pixels = load_image(image)
        if not pixels.any():
            return Verification(
                expected, Verdict.CANNOT_TELL, "no text was found", engine, image=pixels
            )
        characters = tuple(
            VerifiedCharacter(
                wanted, rect_quad(10 * i, 0, 10 * i + 9, 9), 0.9, "Q", 0.1,
                2.2 if wanted == read else -4.6,
                CharState.PASS if wanted == read else CharState.FAIL,
            )
            for i, (wanted, read) in enumerate(zip(expected, "AB1", strict=False))
        )  # fmt: skip
        good = expected == "AB1"
        return Verification(
            expected, Verdict.PASS if good else Verdict.FAIL, f"engine {engine}, roi {roi}",
            engine, "AB1", characters, quad=rect_quad(0, 0, 29, 9), image=pixels,
        )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reader, "Reader", FakeReader)
    for name, value in (("a.png", 200), ("b.png", 200), ("c.png", 0)):
        Image.fromarray(np.full((40, 60, 3), value, np.uint8)).save(tmp_path / name)
    return tmp_path


def run(*arguments: object) -> Any:
    return runner.invoke(cli.app, ["verify", *map(str, arguments)], env={"COLUMNS": "200"})


def test_a_pass_is_exit_code_0(folder: Path) -> None:
    result = run(folder / "a.png", "AB1")
    assert result.exit_code == 0, result.output
    assert "pass" in result.stdout and "AB1" in result.stdout


def test_a_failure_is_exit_code_1_and_names_the_worst_character(folder: Path) -> None:
    result = run(folder / "a.png", "AC1")
    assert result.exit_code == 1
    assert "character 2 ('C'): 'Q' is 99 times as likely" in result.stdout


@pytest.mark.parametrize("name", ["c.png", "none.png"])
def test_nobody_can_tell_or_read_is_exit_code_1(folder: Path, name: str) -> None:
    assert run(folder / "a.png", folder / name, "AB1").exit_code == 1


def test_json_of_several_pictures(folder: Path) -> None:
    result = run(folder / "a.png", folder / "b.png", "AB1", "--json", "--engine", "agree",
                 "--roi", "0,0,9,9")  # fmt: skip
    found = json.loads(result.stdout)
    assert [Path(f["file"]).name for f in found] == ["a.png", "b.png"]
    assert [f["verdict"] for f in found] == ["pass", "pass"]
    assert found[0]["engine"] == "agree" and "roi (0.0, 0.0, 9.0, 9.0)" in found[0]["reason"]
    assert found[0]["characters"][0]["log_odds"] == 2.2


def test_annotated_pictures(folder: Path) -> None:
    assert run(folder / "a.png", "AC1", "--out", folder / "drawn").exit_code == 1
    drawn = load_image(folder / "drawn" / "a.png")
    assert drawn.shape == (40, 60, 3) and (drawn != 200).any()


def test_labels(folder: Path) -> None:
    labels = folder / "labels.tsv"
    labels.write_text("a.png\tAB1\tmore\n\nb.png\tAX1\nb.png\tAB1\nc.png\tAB1\n")
    result = run(folder, "--labels", labels, "--json")
    found = json.loads(result.stdout)
    assert [(Path(f["file"]).name, f["expected"], f["verdict"]) for f in found] == [
        ("a.png", "AB1", "pass"),
        ("b.png", "AX1", "fail"),
        ("b.png", "AB1", "pass"),
        ("c.png", "AB1", "cannot_tell"),
    ]
    assert result.exit_code == 1


def test_all_of_the_labels_pass(folder: Path) -> None:
    labels = folder / "labels.tsv"
    labels.write_text("a.png\tAB1\nb.png\tAB1\n")
    assert run(folder / "a.png", folder / "b.png", "--labels", labels).exit_code == 0


def test_a_picture_without_a_line_is_a_problem(folder: Path) -> None:
    labels = folder / "labels.tsv"
    labels.write_text("a.png\tAB1\n")
    result = run(folder / "a.png", folder / "b.png", "--labels", labels)
    assert result.exit_code == 1
    assert "has no line for it" in result.stderr


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a.png\n", "line 1: expected image<TAB>text"),
        ("a.png\tAB1\nb.png\t \n", "line 2: expected image<TAB>text"),
        ("", "has no lines"),
        ("a.png\tAB1\nnone.png\tAB1\n", "line 2: none of the given images match 'none.png'"),
    ],
)
def test_labels_that_cannot_be_used(folder: Path, lines: str, message: str) -> None:
    labels = folder / "labels.tsv"
    labels.write_text(lines)
    result = run(folder, "--labels", labels)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_one_unknown_text_of_many_is_a_problem_not_the_end(folder: Path) -> None:
    labels = folder / "labels.tsv"
    labels.write_text("a.png\tAΩ1\nb.png\tAB1\n", encoding="utf-8")
    result = run(folder / "a.png", folder / "b.png", "--labels", labels, "--json")
    assert result.exit_code == 1
    assert [f["expected"] for f in json.loads(result.stdout)] == ["AB1"]
    assert "does not know Ω" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("a.png",), ("a.png", ""), ("a.png", " "), ("a.png", "AΩ"), ("a.png", "AB1", "--roi", "1,2")],
)
def test_wrong_usage_is_exit_code_2(folder: Path, arguments: tuple[str, ...]) -> None:
    result = run(folder / arguments[0], *arguments[1:])
    assert result.exit_code == 2
    assert "error" in result.stderr


def test_names_of_labels_are_ends_of_paths(tmp_path: Path) -> None:
    files = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png"]
    jobs = match_rows([(1, "y/a.png", "T")], files, Path("labels.tsv"))
    assert jobs == [(files[1], "T")]
    with pytest.raises(DatasetError, match="line 1: 2 of the given images"):
        match_rows([(1, "a.png", "T")], files, Path("labels.tsv"))


def test_labels_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="UTF-8"):
        read_expected(tmp_path / "labels.tsv")
    with pytest.raises(DatasetError, match="no such file; write one line image<TAB>text"):
        read_expected(tmp_path / "none.tsv")


def test_a_picture_on_standard_input_and_labels_in_quotes(folder: Path) -> None:
    data = (folder / "a.png").read_bytes()
    result = runner.invoke(cli.app, ["verify", "-", "AB1", "--json"], input=data)
    assert result.exit_code == 0, result.output
    (folder / "labels.tsv").write_text('"a.png"\t"AB1"\n"b.png"\t"AB1"\textra\n')
    result = run(folder / "a.png", folder / "b.png", "--labels", folder / "labels.tsv")
    assert result.exit_code == 0, result.output
