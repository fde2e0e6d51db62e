"""Files that are appended to: what a kill leaves is repaired, what is there is not repeated."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from industrial_ocr.line.job_outputs import CsvOutput, JsonlOutput
from industrial_ocr.line.outputs import OutputError
from industrial_ocr.line.outputs.files import CSV_COLUMNS, CsvFile, JsonLines, _AppendedFile
from industrial_ocr.line.reading import Reading

Make = Callable[..., Reading]
BOTH = pytest.mark.parametrize("kind", [JsonLines, CsvFile])


def ids(path: Path) -> list[str]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return [row["id"] for row in csv.DictReader(file)]
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def make_output(kind: type[_AppendedFile], folder: Path) -> _AppendedFile:
    if kind is CsvFile:
        return kind(CsvOutput(kind="csv", path=folder / "out.csv"))
    return kind(JsonlOutput(kind="jsonl", path=folder / "out.jsonl"))


@BOTH
def test_a_half_written_line_is_repaired(
    kind: type[_AppendedFile], tmp_path: Path, make_reading: Make
) -> None:
    output = make_output(kind, tmp_path)
    output.open()
    output.send([make_reading(1)])
    first = output.path.read_bytes()
    output.send([make_reading(2, text='a "b",\r\nc')])
    both = output.path.read_bytes()
    assert both.startswith(first)
    for length in (*range(0, len(both), 29), len(first) - 1, len(first), len(both) - 1):
        output.path.write_bytes(both[:length])
        output.open()
        output.send([make_reading(1), make_reading(2, text='a "b",\r\nc')])
        assert output.path.read_bytes() == both, length


@BOTH
def test_readings_that_are_there_are_not_repeated(
    kind: type[_AppendedFile], tmp_path: Path, make_reading: Make
) -> None:
    output = make_output(kind, tmp_path)
    output.open()
    output.send([make_reading(n) for n in (1, 2, 3)])
    output.open()
    output.send([make_reading(n) for n in (2, 3, 4)])
    output.close()
    assert ids(output.path) == ["id-1", "id-2", "id-3", "id-4"]


@BOTH
def test_a_file_that_was_moved_away_starts_anew(
    kind: type[_AppendedFile], tmp_path: Path, make_reading: Make
) -> None:
    output = make_output(kind, tmp_path)
    output.open()
    output.send([make_reading(1)])
    output.path.rename(tmp_path / "old")
    output.send([make_reading(2)])
    assert ids(output.path) == ["id-2"]


@BOTH
def test_the_file_of_another_program_is_left_alone(
    kind: type[_AppendedFile], tmp_path: Path
) -> None:
    output = make_output(kind, tmp_path)
    output.path.write_text("id;text\n1;half")
    with pytest.raises(OutputError, match="move it away"):
        output.open()
    assert output.path.read_text() == "id;text\n1;half"


@BOTH
def test_a_missing_folder_is_named_and_not_made(kind: type[_AppendedFile], tmp_path: Path) -> None:
    output = make_output(kind, tmp_path / "share")
    for call in (output.check, output.open):
        with pytest.raises(OutputError, match="share: no such folder"):
            call()
    assert not (tmp_path / "share").exists()


def test_csv_values(tmp_path: Path, make_reading: Make) -> None:
    output = make_output(CsvFile, tmp_path)
    output.open()
    output.send([make_reading(1, text='7"\r\n;,', reasons=("too late", "seen"), passed=False)])
    with output.path.open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert tuple(row) == CSV_COLUMNS
    assert row["text"] == '7"\n;,'
    assert row["reasons"] == "too late; seen"
    assert row["passed"] == "False"
    assert json.loads(row["weights"]) == {"detector": "cd34"}


def test_json_lines_hold_the_whole_reading(tmp_path: Path, make_reading: Make) -> None:
    output = make_output(JsonLines, tmp_path)
    output.open()
    # A file name that is not UTF-8, and a NUL that a PLC has padded with.
    output.send([make_reading(1, picture="\udcff.png", part="7\0", text="Ω\n")])
    reading = Reading.from_json(output.path.read_text(encoding="utf-8"))
    assert reading == make_reading(1, picture="?.png", part="7?", text="Ω\n")
