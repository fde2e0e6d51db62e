"""The command line, with a reader that does not read; the real one has tests of its own."""

from __future__ import annotations

import csv
import inspect
import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from rich.progress import Progress
from typer.testing import CliRunner

from industrial_ocr.cli import app as cli
from industrial_ocr.cli import bench, output, read_output
from industrial_ocr.errors import ConfigError, ImageError
from industrial_ocr.evaluation.engines import check_engine_names
from industrial_ocr.image.load import load_image
from industrial_ocr.inference import manifest, weights
from industrial_ocr.reader import reader
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, SequenceScores, Status, TextString
from industrial_ocr.training import loop

runner = CliRunner()


class FakeReader:
    """Finds ``AB1`` in every picture it can load, nothing in black ones."""

    def __init__(self, device: str = "auto", **rest: Any) -> None:
        if device == "moon":
            raise ConfigError("device 'moon' is unknown or not available here")

    def read(
        self, image: Any, engine: str = "two-stage", roi: Any = None, pattern: Any = None
    ) -> ReadResult:
        pixels = load_image(image)
        if not pixels.any():
            return ReadResult((), Status.NO_TEXT, engine, {"total": 0.01}, pixels)
        characters = tuple(
            Character(s, rect_quad(5 + 10 * i, 5, 14 + 10 * i, 25), 0.97)
            for i, s in enumerate("AB1")
        )
        quad, scores = rect_quad(5, 5, 34, 25), SequenceScores(0.97, -0.09, 0.97, 0.97, -0.09)
        string = TextString("AB1", 0.97, quad, characters, "horizontal", scores)
        if pattern is not None:
            return self.with_codes(string, engine, pixels)
        return ReadResult((string,), Status.OK, engine, {"total": 0.01}, pixels)

    def with_codes(self, string: TextString, engine: str, pixels: Any) -> ReadResult:
        """The code AB1 in its string, a doubtful string below, and a code where no string is."""
        doubtful = replace(
            string, text="X", quad=rect_quad(5, 30, 34, 39), status=Status.LOW_CONFIDENCE,
            reason="why X",
        )  # fmt: skip
        codes = tuple(
            CodeReading(
                text,
                "[A-Z0-9]+",
                status,
                f"why {text}",
                confidence,
                text,
                0.5,
                (),
                quad,
                (),
                "horizontal",
            )
            for text, status, confidence, quad in (
                ("AB1", Status.OK, 0.9, rect_quad(4, 4, 35, 26)),
                ("Q7", Status.CHECK_FAILED, 0.3, rect_quad(40, 0, 59, 9)),
            )
        )
        return ReadResult((string, doubtful), Status.OK, engine, {"total": 0.01}, pixels, codes)

    def recognize(
        self, crops: Any, engine: str = "crnn", lexicon: Any = None, pattern: Any = None
    ) -> list[ReadResult]:
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


def test_csv_has_the_status_and_the_reason_of_each_string(
    capsys: pytest.CaptureFixture[str],
) -> None:
    string = {"text": "A", "confidence": 0.9, "direction": "horizontal", "quad": [[0, 0]] * 4}
    strings = [string | {"status": "ok", "reason": ""}]
    image = {"file": "a.png", "route": "agree", "status": "disagreement", "reason": "'B': why"}
    strings_of_images = strings, [*strings, string | {"status": "disagreement", "reason": "why"}]
    read_output.print_csv(image | {"strings": s} for s in strings_of_images)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(r["text"], r["status"], r["reason"]) for r in rows] == [
        ("A", "ok", ""),
        ("", "disagreement", "'B': why"),
        ("A", "ok", ""),
        ("A", "disagreement", "why"),
    ]


def test_csv_under_a_pattern_tells_the_codes_and_each_string_its_own_status(folder: Path) -> None:
    printed = run("read", folder, "--csv", "--pattern", "[A-Z0-9]+").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    columns = ("text", "status", "reason", "code", "code_confidence", "code_status", "code_reason")
    assert [tuple(r[c] for c in columns) for r in rows] == [
        ("AB1", "ok", "", "AB1", "0.9", "ok", "why AB1"),
        ("X", "low_confidence", "why X", "", "", "", ""),
        ("", "", "", "Q7", "0.3", "check_failed", "why Q7"),
        ("", "no_text", "auto was asked for", "", "", "no_text", "auto was asked for"),
    ]
    assert [r["pattern"] for r in rows] == ["[A-Z0-9]+", "", "[A-Z0-9]+", ""]
    header = read_output.STRING_COLUMNS + read_output.CODE_COLUMNS
    assert printed.startswith(",".join(header) + "\n")


@pytest.mark.parametrize("options", [[], ["--crops"]])
def test_standard_input_is_an_image(folder: Path, options: list[str]) -> None:
    data = (folder / "a.png").read_bytes()
    arguments = ["read", "-", "--json", "--out", str(folder / "out"), *options]
    result = runner.invoke(cli.app, arguments, input=data)
    assert result.exit_code == 0, result.output
    (reading,) = json.loads(result.stdout)
    assert (reading["file"], reading["text"]) == ("-", "AB1")
    assert [p.name for p in (folder / "out").iterdir()] == ["stdin.png"]
    result = runner.invoke(cli.app, ["read", "-", str(folder / "a.png")], input=b"")
    assert result.exit_code == 1 and "error: -: image bytes: empty" in result.stderr
    assert "AB1" in result.stdout


def test_a_file_called_as_standard_input_can_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.png").rename(folder / "-")
    monkeypatch.chdir(folder)
    assert "AB1" in run("read", "./-").stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", [["patterns", "list"], ["--help"], ["read", "none.png"]])
def test_output_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    arguments += ["--json"] if arguments[0] == "read" else []
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "industrial_ocr.cli", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode in (1, 2)
    lines = [line for line in done.stderr.splitlines() if "none.png" not in line]
    assert len(lines) == 1 and "No space left on device" in lines[0]
    assert "Errno" not in lines[0]


def test_the_table_shows_text_and_status(folder: Path) -> None:
    printed = run("read", folder / "a.png").stdout
    assert "AB1" in printed and "ok" in printed
    printed = run("read", folder / "a.png", "--pattern", "[A-Z0-9]+").stdout
    assert "X: why X" in printed and "why Q7" in printed and "why AB1" not in printed


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


def test_pictures_never_replace_what_was_read(folder: Path) -> None:
    before = {p: p.read_bytes() for p in folder.iterdir()}
    assert run("read", folder, "--out", folder).exit_code == 0
    assert {p: p.read_bytes() for p in before} == before
    assert {p.name for p in folder.iterdir()} == {"a.png", "b.png", "a-2.png", "b-2.png"}


def test_a_file_is_no_folder_for_pictures(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("kept")
    done = run("read", folder, "--out", file)
    assert done.exit_code != 0 and "note.txt is a file; --out takes a folder" in done.output
    assert file.read_text() == "kept"


def test_a_picture_that_cannot_be_written_stops_neither_output_nor_the_rest(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    result = run("read", folder, "--json", "--out", tmp_path / "out")
    assert result.exit_code == 1 and len(json.loads(result.stdout)) == 2
    assert result.stderr.count("error:") == 2 and "No space left" in result.stderr


def test_crops_are_one_string_each_and_read_by_the_crnn_unless_told(folder: Path) -> None:
    for arguments, engine in (((), "crnn"), (("--engine", "two-stage"), "two-stage")):
        result = run("read", folder / "a.png", "--crops", "--json", *arguments)
        assert result.exit_code == 0
        assert [r["engine"] for r in json.loads(result.stdout)] == [engine]


def test_without_any_image_machine_output_is_still_whole(folder: Path) -> None:
    result = run("read", folder / "none.png", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, [])
    result = run("read", folder / "none.png", "--csv")
    assert result.exit_code == 1
    assert list(csv.DictReader(io.StringIO(result.stdout))) == []


def test_odd_file_names_are_neither_markup_nor_a_reason_to_stop(folder: Path) -> None:
    odd = folder / "[red]x[" / "nonsense].png"
    odd.parent.mkdir()
    odd.write_bytes((folder / "a.png").read_bytes())
    printed = run("read", odd).stdout
    assert "[red]" in printed and "nonsense" in "".join(printed.split())
    odd.write_text("no picture")
    result = run("read", odd)
    assert result.exit_code == 1 and "[/nonsense].png" in result.stderr


def test_a_live_progress_bar_leaves_stdout_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(4):
        (folder / f"more{i}.png").write_bytes((folder / "a.png").read_bytes())
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # rich then takes stderr for a terminal
    result = run("read", folder, "--json")
    assert len(json.loads(result.stdout)) == 6
    assert "reading" in result.stderr


def test_the_bar_of_a_stage_follows_its_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = Progress(disable=True)
    monkeypatch.setattr(output, "progress_bar", lambda _: nullcontext(bars))
    with output.stage_progress() as update:
        update("learning", 1, 600)
        update("learning", 2, 300)
    assert (bars.tasks[0].completed, bars.tasks[0].total) == (2, 300)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "--csv"],
        ["--roi", "1,2,3"],
        ["--roi", "a,b,c,d"],
        ["--roi", "0,0,nan,9"],
        ["--roi", "9,0,0,9"],
        ["--roi", "0,0,9,9", "--crops"],
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


class FakeTrainer:
    """Notes what it was to train."""

    seen: ClassVar[list[Any]] = []

    def __init__(self, task: Any, max_seconds: float) -> None:
        self.config = task.config
        self.seen.append((task.config, max_seconds))
        self.step = 0

    def resume(self) -> None:
        self.step = 1

    def run(self, show: Callable[[str], None]) -> float:
        self.step += 1
        show("loss 1")
        return 0.5


def test_training_options_go_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "Trainer", FakeTrainer)
    config, fonts = tmp_path / "c.yaml", tmp_path / "fonts"
    config.write_text("steps: 7\nlr: 0.5\nworkers: 1\n")
    fonts.mkdir()
    options = ["--steps", 3, "--out", tmp_path / "run", "--fonts", fonts, "--max-seconds", 9]
    result = run("train", "classifier", "--config", config, *options)
    assert result.exit_code == 0, result.output
    assert "0 font files" in result.stderr and "built-in" in result.stderr
    assert "continues at step 1 of 3" in result.stderr
    assert "stopped at step 2 of 3; run again to continue" in result.stderr
    settings, seconds = FakeTrainer.seen.pop()
    assert (settings.steps, settings.lr, settings.workers, seconds) == (3, 0.5, 1, 9)
    assert settings.out == tmp_path / "run" and settings.fonts == (fonts,)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--steps", 0], "steps"),
        (["--workers", -1], "workers"),
        (["--fonts", "/nowhere/fonts"], "/nowhere/fonts"),
        (["--config", "/nowhere.yaml"], "/nowhere.yaml"),
    ],
)
def test_a_wrong_training_option_is_one_line(
    options: list[object], named: str, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").touch()
    result = run("train", "detector", "--config", tmp_path / "c.yaml", *options)
    assert result.exit_code == 1 and named in result.stderr
    assert result.stderr.count("error:") == 1 and "Traceback" not in result.output


def test_weights_are_listed_and_a_damaged_file_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = manifest.ModelEntry(
        name="tiny", task="classifier", architecture={}, charset=("A",), license="MIT",
        input=manifest.InputSpec(size=(8, 8), mean=(0.5,), std=(0.5,)),
    )  # fmt: skip
    saved = weights.save_entry(tmp_path, entry, {"w": torch.ones(3)})
    monkeypatch.setattr(weights, "weights_folders", lambda: [tmp_path])
    result = run("weights")
    assert result.exit_code == 0 and "tiny" in result.stdout and "ok" in result.stdout
    saved.path.write_bytes(b"exchanged")
    result = run("weights")
    assert result.exit_code == 1 and "damaged" in result.stdout


def test_no_weights_at_all_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "weights_folders", list)
    result = run("weights")
    assert result.exit_code == 1 and "no weights are installed" in result.stderr


def test_synth_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").touch()
    arguments = ["--count", 1, "--workers", 0]
    for options, named in (
        ([tmp_path], "labels.jsonl"),
        ([tmp_path / "x", "--fonts", "/no"], "/no"),
    ):
        result = run("synth", "crops", *options, *arguments)
        assert result.exit_code == 1 and named in result.stderr
        assert "Traceback" not in result.output


@pytest.mark.slow
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


def test_a_bad_pattern_is_found_before_anything_is_read(folder: Path) -> None:
    result = run("read", folder, "--pattern", "[A-")
    assert result.exit_code == 2
    assert "[A-" in result.stderr and result.stdout == ""


def test_messages_of_the_library_are_shown_on_request(folder: Path) -> None:
    (folder / "labels.tsv").write_text("a.png\tAB1\n")
    quiet = run("dataset", "check", folder)
    assert quiet.exit_code == 0 and "images to" not in quiet.stderr
    try:
        verbose = run("--verbose", "dataset", "check", folder)
    finally:
        logging.getLogger("industrial_ocr").handlers.clear()
        logging.getLogger("industrial_ocr").setLevel(logging.NOTSET)
    assert verbose.exit_code == 0 and verbose.stdout == quiet.stdout
    assert "1 images to recognize" in " ".join(verbose.stderr.split())


def test_two_jobs_at_a_time_in_their_order_and_an_error_is_that_of_its_file() -> None:
    together = threading.Barrier(2)

    def job(number: int) -> Any:
        together.wait(timeout=20)
        if number == 2:
            raise ImageError("no image")
        return number

    jobs = ((Path(f"{i}.png"), partial(job, i)) for i in range(6))
    problems: list[str] = []
    ahead = output.ahead(jobs)
    found = [(file.name, n) for file, n in output.results_of(ahead, None, problems)]
    assert found == [(f"{i}.png", i) for i in (0, 1, 3, 4, 5)]
    assert len(problems) == 1 and "2.png" in problems[0]


def test_a_job_that_was_not_begun_is_dropped_with_the_rest() -> None:
    ran: list[int] = []
    jobs = ((Path(str(i)), lambda i=i: ran.append(i)) for i in range(9))
    ahead = output.ahead(jobs)  # type: ignore[type-var]
    next(ahead)[1]()
    ahead.close()
    assert ran and max(ran) < 4


def test_bench_measures_the_engine_that_read_uses() -> None:
    used = inspect.signature(reader.Reader.read).parameters["engine"].default
    names = inspect.signature(bench.run).parameters["engines"].default.split(",")
    assert str(used) in names
    check_engine_names(names)


WITHOUT_SCIPY = """
import sys

sys.modules["scipy"] = None
from industrial_ocr.cli import main

main()
"""


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("bench {0}", "evaluate"),
        ("adapt {0} --out {0}/line", "train"),
        ("run {0}/job.yaml", "line"),
    ],
)
def test_without_scipy_the_command_says_how_to_get_it(
    command: str, extra: str, tmp_path: Path
) -> None:
    arguments = command.format(tmp_path).split()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SCIPY, *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr == f"error: this needs scipy: pip install 'industrial-ocr[{extra}]'\n"


def test_a_folder_without_labels_is_one_line_that_says_what_to_write(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    done = runner.invoke(cli.app, ["bench", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert "write labels.tsv beside the images, with one line image<TAB>text" in done.stderr
