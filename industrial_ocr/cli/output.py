"""What ``industrial-ocr`` prints: tables for people, JSON and CSV for programs, notes on stderr.

Readings are taken one by one and no picture is kept, so that a folder of any size fits.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from industrial_ocr.errors import IndustrialOcrError

if TYPE_CHECKING:
    from industrial_ocr.inference.manifest import ModelEntry
    from industrial_ocr.results.read_result import ReadResult
    from industrial_ocr.results.verdicts import Verification

FAILED, WRONG_USAGE = 1, 2
"""Exit codes besides 0."""

Reading = dict[str, Any]
"""``ReadResult.to_dict`` with the ``file`` it was read from."""

COLUMNS = ("file", "string", "text", "confidence", "status", "direction", "engine",
           "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")  # fmt: skip
CODE_COLUMNS = ("code", "code_confidence", "code_status", "pattern")
"""Columns more where codes were asked for."""
_STYLES = {"ok": "green", "low_confidence": "yellow", "no_text": "dim"}
_ALARM = "red"
PIPED = 200
"""Columns of a table that goes into a file or another program."""


def show_table(table: Table) -> None:
    """A table on stdout; 200 columns wide where that is no terminal."""
    Console(width=None if sys.stdout.isatty() else PIPED).print(table)


def note(text: object) -> None:
    """One line on stderr."""
    Console(stderr=True).print(escape(str(text)), soft_wrap=True, highlight=False)


def complain(error: object) -> None:
    """One line on stderr."""
    line = escape(" ".join(str(error).split()))
    with suppress(OSError):  # stderr may be what is full
        Console(stderr=True).print(f"[red]error:[/] {line}", soft_wrap=True, highlight=False)


def add_problem(problems: list[str], file: Path, error: object) -> None:
    """Says on stderr what is wrong with a file, and adds it to those with problems."""
    text = str(error)
    complain(text if str(file) in text else f"{file}: {text}")
    problems.append(str(file))


@contextmanager
def one_line_errors(code: int = FAILED) -> Iterator[None]:
    """Our own errors, and those of the file system, end the command with one line."""
    try:
        yield
    except (IndustrialOcrError, OSError) as error:
        complain(error)
        raise typer.Exit(code) from error


def run_app(app: Callable[[], object]) -> None:
    """Runs the command line; output that cannot be written, as on a full disk, is one line."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            complain(f"the output cannot be written: {error}")
        # What is left in the buffer would be tried again, and complained of, at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)


@contextmanager
def progress_bar(shown: bool) -> Iterator[Progress]:
    """A progress bar on stderr that leaves stdout alone."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    hidden = not (shown and console.is_terminal)
    # Rich would by default send what is printed to stdout to this console, which is stderr.
    with Progress(*columns, console=console, redirect_stdout=False, disable=hidden) as progress:
        yield progress


def print_table(readings: Iterable[Reading]) -> None:
    """One row a string; the file and the result's status stand in its first row."""
    table = Table()
    for name, right in (("file", 0), ("text", 0), ("confidence", 1), ("status", 0), ("ms", 1)):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for reading in readings:
        style = _STYLES.get(reading["status"], _ALARM)
        status = f"[{style}]{reading['status']}[/]"
        first = [escape(reading["file"]), status, f"{1000 * reading['timings']['total']:.0f}"]
        for code in reading.get("codes", ()):
            told = f"[bold]{escape(code['text'])}[/] {escape(code['pattern'])}"
            if code["status"] != "ok":
                told += f": {escape(code['reason'])}"
            table.add_row(first[0], told, f"{code['confidence']:.3f}", *first[1:])
            first = ["", "", ""]
        for string in reading["strings"] or [None]:
            text, confidence = "", ""
            if string is not None:
                text, confidence = escape(string["text"]), f"{string['confidence']:.3f}"
            table.add_row(first[0], text, confidence, *first[1:])
            first = ["", "", ""]
    if table.row_count:
        show_table(table)


def print_json(readings: Iterable[Reading]) -> None:
    """One JSON array with an object a file, each on a line of its own, ASCII only."""
    sys.stdout.write("[")
    for number, reading in enumerate(readings):
        sys.stdout.write((",\n" if number else "\n") + json.dumps(reading))
        sys.stdout.flush()
    sys.stdout.write("\n]\n")


def print_csv(readings: Iterable[Reading], with_codes: bool = False) -> None:
    """One line a string, numbered from 0 in its file; a file without text has one empty string.

    Args:
        readings: of the files.
        with_codes: codes were asked for. ``CODE_COLUMNS`` then tell the code that a string belongs
            to, a code in no string has a line of its own, and ``status`` is the string's own.
            Without codes ``status`` is that of the whole picture.
    """
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS + CODE_COLUMNS * with_codes)
    for reading in readings:
        rows = _code_rows(reading) if with_codes else _string_rows(reading)
        writer.writerows(rows)
        sys.stdout.flush()


def _string_rows(reading: Reading) -> list[list[object]]:
    if not reading["strings"]:
        return [_row(reading, status=reading["status"])]
    return [
        _row(reading, string, number, reading["status"])
        for number, string in enumerate(reading["strings"])
    ]


def _row(
    reading: Reading, string: Reading | None = None, number: object = "", status: str = ""
) -> list[object]:
    """The cells of ``COLUMNS``, those of a string empty where there is none."""
    file, engine = reading["file"], reading["route"]
    if string is None:
        return [file, "", "", "", status, "", engine, *[""] * 8]
    corners = [value for corner in string["quad"] for value in corner]
    text, confidence, direction = string["text"], string["confidence"], string["direction"]
    return [file, number, text, confidence, status, direction, engine, *corners]


def _code_rows(reading: Reading) -> list[list[object]]:
    """The cells of ``COLUMNS`` and ``CODE_COLUMNS``."""
    from industrial_ocr.results.geometry import centers_meet

    left = list(reading["codes"])
    # Where no code was found, the status of the picture says why.
    none = ["", "", "" if left else reading["status"], ""]
    rows: list[list[object]] = []
    for number, string in enumerate(reading["strings"]):
        own = _row(reading, string, number, string["status"])
        codes = [c for c in reading["codes"] if centers_meet(string["quad"], c["quad"])]
        rows += [[*own, *_code_cells(c)] for c in codes] or [[*own, *none]]
        left = [c for c in left if c not in codes]
    rows += [[*_row(reading), *_code_cells(c)] for c in left]
    return rows or [[*_row(reading, status=reading["status"]), *none]]


def _code_cells(code: Reading) -> list[object]:
    return [code["text"], code["confidence"], code["status"], code["pattern"]]


def print_weights(found: list[tuple[ModelEntry, bool, str]]) -> None:
    """One row a model, as ``inference.weights.verify_all`` gives them."""
    if not found:
        note("no weights are installed")
        return
    table = Table()
    for name in ("task", "name", "file", "MB", "license", "state"):
        table.add_column(name, overflow="fold")
    for entry, good, message in found:
        size = f"{entry.path.stat().st_size / 1e6:.1f}" if entry.path.exists() else "-"
        state = "[green]ok[/]" if good else f"[red]damaged[/]: {escape(message)}"
        cells = map(escape, (entry.task, entry.name, str(entry.path), size, entry.license))
        table.add_row(*cells, state)
    show_table(table)


class PictureFolder:
    """Writes annotated pictures under names that collide neither with each other nor with inputs.

    Args:
        folder: made if need be.
        inputs: the files to be read; one that lies in ``folder`` is not overwritten.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path, inputs: Iterable[Path]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        here = folder.resolve()
        self._taken = {p.stem.lower() for p in inputs if p.parent.resolve() == here}

    def save(self, name: str, result: ReadResult | Verification) -> Path:
        """Writes the picture as ``NAME.png``, ``NAME-2.png`` and so on; gives its path."""
        from PIL import Image

        stem, number = "stdin" if name == "-" else Path(name).stem, 1
        unique = stem
        while unique.lower() in self._taken:
            number += 1
            unique = f"{stem}-{number}"
        self._taken.add(unique.lower())
        path = self._folder / f"{unique}.png"
        Image.fromarray(result.draw()).save(path)
        return path

    def try_to_save(
        self, file: Path, result: ReadResult | Verification, problems: list[str]
    ) -> None:
        """``save`` for a file that was read; a picture that cannot be written is a problem."""
        try:
            self.save(file.name, result)
        except OSError as error:
            add_problem(problems, file, f"{file}: its annotated picture cannot be written: {error}")
