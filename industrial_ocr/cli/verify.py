"""The command ``industrial-ocr verify``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from industrial_ocr.cli import export
from industrial_ocr.cli import input as cli_input
from industrial_ocr.cli import output as cli_output
from industrial_ocr.cli.output import FAILED, WRONG_USAGE, complain, one_line_errors, show_table
from industrial_ocr.errors import ConfigError, DatasetError, IndustrialOcrError

if TYPE_CHECKING:
    from industrial_ocr.results.verdicts import Verification

_STYLES = {"pass": "green", "cannot_tell": "yellow", "fail": "red"}
Job = tuple[Path, str]
"""A picture and the text that must be on it."""


class VerifyEngineName(str, Enum):
    """Ways to verify."""

    TWO_STAGE = "two-stage"
    CRNN = "crnn"
    AGREE = "agree"


def verify(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH... EXPECTED",
            help="Image files, folders, globs (- is standard input), then the text that must be "
            "on each. With --labels only the images.",
        ),
    ],
    engine: Annotated[
        VerifyEngineName, typer.Option(help="How to look; agree: both must pass.")
    ] = VerifyEngineName.TWO_STAGE,
    labels: Annotated[
        Path | None, typer.Option(help="Lines image<TAB>expected instead of EXPECTED.")
    ] = None,
    roi: Annotated[str | None, typer.Option(help="Look only at x0,y0,x1,y1 (pixels).")] = None,
    part: Annotated[
        bool, typer.Option("--part", help="The text may be a part of a longer word.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write annotated pictures there.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    config: Annotated[Path | None, typer.Option(help="fast, or a YAML with settings.")] = None,
    detector: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    classifier: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    recognizer: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    bundle: export.BundleOption = None,
) -> None:
    """Says whether the text that must be printed is.

    Exit code 0: it is on every picture; 1: it is not, nobody can tell, or a picture cannot be
    read; 2: wrong usage.
    """
    with one_line_errors(WRONG_USAGE):
        region = None if roi is None else cli_input.region(roi)
        jobs, problems = _jobs(arguments, labels)
        files = list(dict.fromkeys(file for file, _ in jobs))
        pictures = None if out is None else cli_output.PictureFolder(out, files)
        if jobs:
            reader = export.make_reader(
                bundle,
                device=device,
                config=config,
                detector=detector,
                classifier=classifier,
                recognizer=recognizer,
            )
        sources = cli_input.image_sources(files)

    def verify_one(file: Path, expected: str) -> Verification:
        return reader.verify(sources[file], expected, roi=region, engine=engine.value, part=part)

    passed = []

    def verdicts() -> Iterator[cli_output.Reading]:
        # A text that nobody can check is wrong usage, unless it is one line of many.
        strict = labels is None
        for file, verdict in _verdicts(jobs, verify_one, strict, pictures, problems):
            passed.append(verdict.passed)
            yield {"file": str(file), **verdict.to_dict()}

    (cli_output.print_json if as_json else print_verdicts)(verdicts())
    if problems or not all(passed):
        raise typer.Exit(FAILED)


def _jobs(arguments: list[str], labels: Path | None) -> tuple[list[Job], list[str]]:
    """What to verify, and the arguments and images that cannot be, already complained of."""
    if labels is not None:
        rows = read_expected(labels)
        files, problems = cli_input.find_files(arguments)
        jobs = match_rows(rows, files, labels)
        known = {file for file, _ in jobs}
        for file in files:
            if file not in known:
                complain(f"{file}: {labels} has no line for it")
                problems.append(str(file))
        return jobs, problems
    if len(arguments) < 2:
        raise ConfigError("give images and then the text that must be on them, or --labels FILE")
    *paths, expected = arguments
    if not expected.strip():
        raise ConfigError("the expected text is empty: give the characters that must be printed")
    files, problems = cli_input.find_files(paths)
    return [(file, expected) for file in files], problems


def read_expected(path: Path) -> list[tuple[int, str, str]]:
    """The lines of a file of expected texts: number, image, text; columns beyond do not matter.

    Raises:
        DatasetError: it cannot be read, has no lines, or one without an image or a text.
    """
    from industrial_ocr.datasets.formats import tsv_fields

    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        image, text, *_ = (*tsv_fields(line), "")
        if not image.strip() or not text.strip():
            raise DatasetError(f"{path}, line {number}: is image<TAB>expected, got {line!r}")
        rows.append((number, image.strip(), text.strip()))
    if not rows:
        raise DatasetError(f"{path}: has no lines; write image<TAB>expected, one a line")
    return rows


def match_rows(
    rows: Iterable[tuple[int, str, str]], files: Iterable[Path], labels: Path
) -> list[Job]:
    """The file of every line: one whose path ends as the line says.

    Raises:
        DatasetError: a line that fits no file, or several.
    """
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(file.name, []).append(file)
    jobs = []
    for number, image, text in rows:
        parts = Path(image).parts
        fitting = [f for f in by_name.get(parts[-1], []) if f.parts[-len(parts) :] == parts]
        if len(fitting) != 1:
            told = "none" if not fitting else f"{len(fitting)}"
            raise DatasetError(
                f"{labels}, line {number}: {told} of the images given is {image!r}; "
                "write its path as it was given, or its end"
            )
        jobs.append((fitting[0], text))
    return jobs


def _verdicts(
    jobs: Iterable[Job],
    verify_one: Callable[[Path, str], Verification],
    strict: bool,
    pictures: cli_output.PictureFolder | None,
    problems: list[str],
) -> Iterator[tuple[Path, Verification]]:
    """Verifies one after the other; what cannot be is a line on stderr and a problem."""
    for file, expected in jobs:
        try:
            verdict = verify_one(file, expected)
        except IndustrialOcrError as error:
            if strict and isinstance(error, ConfigError):
                complain(error)
                raise typer.Exit(WRONG_USAGE) from error
            cli_output.add_problem(problems, file, error)
            continue
        if pictures is not None:
            pictures.try_to_save(file, verdict, problems)
        yield file, verdict


def print_verdicts(verdicts: Iterable[cli_output.Reading]) -> None:
    """One row a picture and text, with the character that speaks loudest against a pass.

    That is its place, the symbol, the runner-up, and the log-odds between them.
    """
    table = Table()
    for name in ("file", "expected", "verdict", "worst character", "why"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts:
        style = _STYLES[verdict["verdict"]]
        told = f"[{style}]{verdict['verdict'].replace('_', ' ')}[/]"
        worst = ""
        if verdict["worst"] is not None:
            character = verdict["characters"][verdict["worst"]]
            worst = f"{verdict['worst'] + 1}: {character['symbol']}"
            if character["rival"]:
                worst += f" or {character['rival']} {character['log_odds']:+.1f}"
        cells = [verdict["file"], verdict["expected"], worst, verdict["reason"]]
        file, expected, *rest = map(escape, cells)
        table.add_row(file, expected, told, *rest)
    if table.row_count:
        show_table(table)
