"""The command ``industrial-ocr``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from industrial_ocr import __version__, cli_output
from industrial_ocr.errors import IndustrialOcrError
from industrial_ocr.types import ReadResult

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reads serial codes from pictures, trains the models, renders training data.",
)
errors = Console(stderr=True)
FAILED, WRONG_USAGE = 1, 2
MANY = 4
"""From so many files on, a progress bar is shown."""


class EngineName(str, Enum):
    """Ways to read."""

    TWO_STAGE = "two-stage"
    CRNN = "crnn"


class TaskName(str, Enum):
    """Models to train."""

    DETECTOR = "detector"
    CLASSIFIER = "classifier"
    RECOGNIZER = "recognizer"


class KindName(str, Enum):
    """Kinds of synthetic pictures."""

    SCENES = "scenes"
    CROPS = "crops"
    STRINGS = "strings"


def _complain(error: object) -> None:
    errors.print(f"[red]error:[/] {str(error).replace('[', chr(92) + '[')}", soft_wrap=True)


@contextmanager
def _one_line_errors(code: int = FAILED) -> Iterator[None]:
    """Our own errors end the command with one line, never with a traceback."""
    try:
        yield
    except IndustrialOcrError as error:
        _complain(error)
        raise typer.Exit(code) from error


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"industrial-ocr {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


def _region(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(n) for n in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        _complain(f"--roi is x0,y0,x1,y1 in pixels, got {text!r}")
        raise typer.Exit(WRONG_USAGE)
    return numbers


def _files(paths: list[str]) -> tuple[list[Path], int]:
    """The images of all arguments, and how many arguments were no images."""
    from industrial_ocr.image import find_images

    found: list[Path] = []
    failures = 0
    for path in paths:
        try:
            found += find_images([path])
        except IndustrialOcrError as error:
            _complain(error)
            failures += 1
    return list(dict.fromkeys(found)), failures


@app.command()
def read(
    paths: Annotated[list[str], typer.Argument(help="Image files, folders, globs.")],
    engine: Annotated[EngineName, typer.Option(help="How to read.")] = EngineName.TWO_STAGE,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line a string.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write annotated pictures there.")] = None,
    crops: Annotated[bool, typer.Option("--crops", help="Each image is one string.")] = False,
    roi: Annotated[str | None, typer.Option(help="Read only x0,y0,x1,y1 (pixels).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    config: Annotated[Path | None, typer.Option(help="YAML with settings.")] = None,
    detector: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    classifier: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    recognizer: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
) -> None:
    """Reads images. Exit code 0: all were read; 1: some were not; 2: wrong usage."""
    if as_json and as_csv:
        _complain("--json and --csv exclude each other")
        raise typer.Exit(WRONG_USAGE)
    region = _region(roi)
    files, failures = _files(paths)
    with _one_line_errors(WRONG_USAGE):
        from industrial_ocr.reader import Reader

        reader = Reader(device, config, detector, classifier, recognizer)

    def read_one(file: Path) -> ReadResult:
        if crops:
            return reader.recognize([file], engine.value)[0]
        return reader.read(file, engine.value, region)

    readings, more = _read_all(files, read_one, out)
    show = cli_output.print_json if as_json else cli_output.print_csv if as_csv else None
    (show or cli_output.print_table)(readings)
    if failures + more:
        raise typer.Exit(FAILED)


def _read_all(
    files: list[Path], read_one: Callable[[Path], ReadResult], out: Path | None
) -> tuple[list[cli_output.Reading], int]:
    """Reads file after file; one that cannot be read is one line on stderr."""
    readings: list[cli_output.Reading] = []
    failures, taken = 0, set[str]()
    bar = track(files, "reading", console=errors, disable=len(files) < MANY)
    for file in bar:
        try:
            result = read_one(file)
        except IndustrialOcrError as error:
            _complain(error)
            failures += 1
            continue
        readings.append((str(file), result))
        if out is not None:
            cli_output.save_picture(out, file.name, result, taken)
    return readings, failures


@app.command()
def train(
    task: Annotated[TaskName, typer.Argument(help="What to train.")],
    config: Annotated[Path, typer.Option(help="A file of configs/train.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; resumes there.")] = None,
    fonts: Annotated[list[Path] | None, typer.Option(help="Font folder, repeatable.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps in all.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda.")] = None,
    workers: Annotated[int | None, typer.Option(help="Rendering processes.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of torch on the CPU.")] = None,
    max_seconds: Annotated[float, typer.Option(help="Stop in order, to resume; 0: never.")] = 0,
) -> None:
    """Trains a model on pictures rendered on the fly; run it again to resume."""
    from industrial_ocr.synthesis.fonts import system_font_folders

    with _one_line_errors():
        from industrial_ocr.config import load_config, parse_config
        from industrial_ocr.training.loop import Trainer

        settings_type, task_type = _training(task)
        settings = load_config(config, settings_type)
        changes: dict[str, Any] = {
            "out": out, "fonts": fonts, "steps": steps, "device": device, "workers": workers,
            "threads": threads,
        }  # fmt: skip
        merged = settings.model_dump(mode="json") | {
            k: [str(p) for p in v] if isinstance(v, list) else str(v) if isinstance(v, Path) else v
            for k, v in changes.items()
            if v is not None
        }
        merged["fonts"] = merged["fonts"] or [str(p) for p in system_font_folders()]
        settings = parse_config(merged, settings_type, str(config))
        errors.print(f"fonts from {', '.join(merged['fonts']) or 'nowhere: built-in faces only'}")
        best = Trainer(task_type(settings), max_seconds).run()
        errors.print(f"best validation score {best:.4f}; weights and manifest in {settings.out}")


def _training(task: TaskName) -> tuple[Any, Any]:
    from industrial_ocr import config

    if task is TaskName.DETECTOR:
        from industrial_ocr.training.detector import DetectorTask

        return config.DetectorTrainConfig, DetectorTask
    if task is TaskName.CLASSIFIER:
        from industrial_ocr.training.classifier import ClassifierTask

        return config.ClassifierTrainConfig, ClassifierTask
    from industrial_ocr.training.recognizer import RecognizerTask

    return config.RecognizerTrainConfig, RecognizerTask


@app.command()
def synth(
    kind: Annotated[KindName, typer.Argument(help="What to render.")],
    out: Annotated[Path, typer.Argument(help="Folder for images, labels.jsonl, contact sheet.")],
    count: Annotated[int, typer.Option(min=1, help="Pictures.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pictures.")] = 0,
    size: Annotated[int, typer.Option(min=64, help="Side of scenes in pixels.")] = 384,
    fonts: Annotated[list[Path] | None, typer.Option(help="Font folder, repeatable.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes.")] = 2,
) -> None:
    """Renders labelled synthetic pictures to disk, with a contact sheet to look at."""
    from PIL import Image

    from industrial_ocr.synthesis.fonts import system_font_folders
    from industrial_ocr.synthesis.writer import SHOWN, labelled_picture, write_dataset
    from industrial_ocr.viz import contact_sheet

    with _one_line_errors():
        folders = tuple(str(f) for f in (fonts or system_font_folders()))
        written = write_dataset(out, kind.value, count, seed, folders, size, workers)
        labels = list(track(written, "rendering", total=count, console=errors))
        pictures = [labelled_picture(out, label) for label in labels[:SHOWN]]
        columns = max(1, min(12, 2400 // max(p.shape[1] + 4 for p in pictures)))
        Image.fromarray(contact_sheet(pictures, columns)).save(out / "contact_sheet.png")
        typer.echo(f"{count} {kind.value} in {out}, contact_sheet.png shows {len(pictures)}")


@app.command()
def weights() -> None:
    """Lists the installed weights and verifies every hash; exit code 1 when one is damaged."""
    with _one_line_errors():
        from industrial_ocr.weights import verify_all

        table = Table("task", "name", "file", "MB", "licence", "state")
        damaged = False
        for entry, good, message in verify_all():
            size = f"{entry.path.stat().st_size / 1e6:.1f}" if entry.path.exists() else "-"
            state = "[green]ok[/]" if good else f"[red]{message}[/]"
            table.add_row(entry.task, entry.name, str(entry.path), size, entry.licence, state)
            damaged = damaged or not good
        Console().print(table)
        if damaged:
            raise typer.Exit(FAILED)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(app())


if __name__ == "__main__":
    main()
