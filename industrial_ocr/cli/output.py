"""Prints results on stdout, and notes, errors and progress on stderr."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, TaskID
from rich.table import Table

from industrial_ocr.errors import ConfigError, IndustrialOcrError

if TYPE_CHECKING:
    from industrial_ocr.results.read_result import ReadResult
    from industrial_ocr.results.verdicts import Verification

FAILED = 1
"""Exit code if something could not be read, does not pass, or cannot be written."""
WRONG_USAGE = 2
"""Exit code for wrong arguments and unusable input."""

OUR_ERRORS = (IndustrialOcrError, OSError)

R = TypeVar("R", "ReadResult", "Verification")
ResultDict = dict[str, Any]
"""``to_dict`` of a result, with the name of its ``file``."""
Printer = Callable[[Iterable[ResultDict]], None]


def new_table(*columns: str, right: Iterable[str] = (), title: str | None = None) -> Table:
    """A table with folding columns, those named in ``right`` aligned to the right."""
    table = Table(title=title)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def show_table(table: Table) -> None:
    """Prints a table on stdout; it is 200 columns wide if that is not a terminal."""
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def note(text: object) -> None:
    """Prints one line on stderr."""
    Console(stderr=True).print(escape(str(text)), soft_wrap=True, highlight=False)


def complain(error: object) -> None:
    """Prints an error on stderr, on one line unless its last line points to the mistake."""
    text = re.sub(r"\[Errno \d+\] ", "", str(error))
    if not text.endswith("^"):
        text = " ".join(text.split())
    with suppress(OSError):  # stderr itself may be on a full disk
        Console(stderr=True).print(
            f"[red]error:[/] {escape(text)}", soft_wrap=True, highlight=False
        )


def add_problem(problems: list[str], file: Path, error: object) -> None:
    """Prints an error of a file and adds the file to ``problems``."""
    text = str(error)
    complain(text if str(file) in text else f"{file}: {text}")
    problems.append(str(file))


@contextmanager
def one_line_errors(
    code: int = FAILED, kinds: type[Exception] | tuple[type[Exception], ...] = OUR_ERRORS
) -> Iterator[None]:
    """Ends the command with one line for errors of these kinds: our own and the file system's."""
    try:
        yield
    except kinds as error:
        complain(error)
        raise typer.Exit(code) from error


def run_app(app: Callable[[], object]) -> None:
    """Runs the command line; if output cannot be written, prints one line and ends."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            complain(f"the output cannot be written: {error}")
        # Python flushes stdout again at exit; without this that would fail and print once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)


@contextmanager
def progress_bar(shown: bool = True) -> Iterator[Progress]:
    """A progress bar on stderr, hidden if that is not a terminal."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    hidden = not (shown and console.is_terminal)
    # By default, Rich would redirect the output on stdout to this console, which is stderr.
    with Progress(
        *columns,
        console=console,
        redirect_stdout=False,
        disable=hidden,
        speed_estimate_period=600,
    ) as progress:
        yield progress


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """One progress bar per stage; one line per stage if stderr is not a terminal."""
    watched = sys.stderr.isatty()
    with progress_bar(watched) as progress:
        bars: dict[str, TaskID] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
                if not watched:
                    note(f"{stage} ({total})")
            # The total may change; ``update`` would then forget the speed so far.
            progress.tasks[bars[stage]].total = total
            progress.update(bars[stage], completed=done)

        yield update


def print_json(readings: Iterable[ResultDict]) -> None:
    """Prints a JSON array, one ASCII line per object, each as soon as it is available."""
    sys.stdout.write("[")
    for number, reading in enumerate(readings):
        sys.stdout.write((",\n" if number else "\n") + json.dumps(reading))
        sys.stdout.flush()
    sys.stdout.write("\n]\n")


def print_rows(columns: Sequence[str], rows: Iterable[ResultDict]) -> None:
    """Prints rows as CSV, each as soon as it is available; missing cells are empty."""
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
        sys.stdout.flush()


def printer(as_json: bool, as_csv: bool, print_csv: Printer, table: Printer) -> Printer:
    """The function that prints readings as JSON, as CSV or as a table.

    Raises:
        ConfigError: both formats were given.
    """
    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other")
    return print_json if as_json else print_csv if as_csv else table


def ahead(jobs: Iterable[tuple[Path, Callable[[], R]]]) -> Iterator[tuple[Path, Callable[[], R]]]:
    """The same jobs, run two at a time.

    The Python code of one image then runs while the networks of the other one compute.
    """
    with ThreadPoolExecutor(2) as pool:
        begun: deque[tuple[Path, Future[R]]] = deque()
        try:
            for file, job in jobs:
                begun.append((file, pool.submit(job)))
                if len(begun) > 2:
                    first, future = begun.popleft()
                    yield first, future.result
            for first, future in begun:
                yield first, future.result
        finally:
            pool.shutdown(cancel_futures=True)


def results_of(
    jobs: Iterable[tuple[Path, Callable[[], R]]],
    pictures: PictureFolder | None,
    problems: list[str],
) -> Iterator[tuple[Path, R]]:
    """The result of each job; an error is printed as one line and added to ``problems``."""
    for file, job in jobs:
        try:
            result = job()
        except IndustrialOcrError as error:
            add_problem(problems, file, error)
            continue
        if pictures is not None:
            pictures.save(file, result, problems)
        yield file, result


def results_of_files(
    files: Sequence[Path],
    read_one: Callable[[Path], R],
    pictures: PictureFolder | None,
    problems: list[str],
    shown: bool,
    two_at_a_time: bool = False,
) -> Iterator[tuple[Path, R]]:
    """``results_of`` one job for each file; shows the progress if there are more than three."""
    several = len(files) > 3
    with progress_bar(several and shown) as progress:
        watched = progress.track(files, description="reading")
        jobs = ((file, partial(read_one, file)) for file in watched)
        yield from results_of(
            ahead(jobs) if several and two_at_a_time else jobs, pictures, problems
        )


class PictureFolder:
    """Writes annotated images under unique names; never overwrites an input file.

    Raises:
        OSError: the folder is missing and cannot be created, or it is a file.
    """

    def __init__(self, folder: Path, inputs: Iterable[Path]) -> None:
        if folder.is_file():
            raise NotADirectoryError(f"{folder} is a file; --out takes a folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"{folder}: annotated pictures cannot be written there: {error.strerror}; allow "
                "writing, or name another folder"
            ) from error
        self._folder = folder
        here = folder.resolve()
        self._taken = {p.stem.lower() for p in inputs if p.parent.resolve() == here}

    def save(self, file: Path, result: ReadResult | Verification, problems: list[str]) -> None:
        """Writes ``STEM.png``, ``STEM-2.png`` and so on; a failure is added to ``problems``."""
        from PIL import Image

        stem = "stdin" if file.name == "-" else file.stem
        name, number = stem, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name.lower())
        try:
            Image.fromarray(result.draw()).save(self._folder / f"{name}.png")
        except OSError as error:
            add_problem(problems, file, f"{file}: its annotated image cannot be written: {error}")
