"""The command ``industrial-ocr verify``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from industrial_ocr.cli import files as cli_files
from industrial_ocr.cli import options, output
from industrial_ocr.errors import ConfigError, DatasetError
from industrial_ocr.results.engine import Engine

if TYPE_CHECKING:
    from industrial_ocr.results.verdicts import Verification

_VERDICT_STYLES = {"pass": "green", "cannot_tell": "yellow", "fail": "red"}
ExpectedText = tuple[Path, str]
"""An image and the text that must be on it."""


def _verify_engine(name: str) -> Engine:
    names = [engine.value for engine in Engine if engine is not Engine.AUTO]
    if name not in names:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, names))}.")
    return Engine(name)


@options.grouped
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
        Engine,
        typer.Option(
            parser=_verify_engine,
            metavar="[two-stage|crnn|agree]",
            help="Engine; agree: both must pass.",
        ),
    ] = Engine.TWO_STAGE,
    labels: Annotated[
        Path | None, typer.Option(help="File of lines image<TAB>expected, instead of EXPECTED.")
    ] = None,
    roi: options.Region = None,
    part: Annotated[
        bool, typer.Option("--part", help="The text may be a part of a longer word.")
    ] = False,
    as_json: options.AsJson = False,
    out: options.OutFolder = None,
    *,
    runtime: options.Runtime,
    networks: options.Networks,
) -> None:
    """Verifies that the expected text is printed on every image.

    Exit code 0: it is; 1: it is not on one of them, it is unclear, or an image cannot be read;
    2: wrong usage.
    """
    with output.one_line_errors(output.WRONG_USAGE):
        region = cli_files.region(roi)
        jobs, problems = _jobs(arguments, labels)
        files = list(dict.fromkeys(file for file, _ in jobs))
        pictures = None if out is None else output.PictureFolder(out, files)
        if jobs:
            reader = options.make_reader(**vars(runtime), **vars(networks))
        sources = cli_files.image_sources(files)

    def verify_one(file: Path, expected: str) -> Verification:
        # With one text for all images, a text that cannot be verified is wrong usage.
        with nullcontext() if labels else output.one_line_errors(output.WRONG_USAGE, ConfigError):
            return reader.verify(sources[file], expected, roi=region, engine=engine, part=part)

    calls = ((file, partial(verify_one, file, expected)) for file, expected in jobs)
    passed: list[bool] = []
    verdicts = _noted(output.results_of(calls, pictures, problems), passed)
    (output.print_json if as_json else print_verdicts)(verdicts)
    if problems or not all(passed):
        raise typer.Exit(output.FAILED)


def _noted(
    verdicts: Iterable[tuple[Path, Verification]], passed: list[bool]
) -> Iterator[output.ResultDict]:
    """Verdicts as dictionaries; adds to ``passed`` whether each one is a pass."""
    for file, verdict in verdicts:
        passed.append(verdict.passed)
        yield {"file": str(file), **verdict.to_dict()}


def _jobs(arguments: list[str], labels: Path | None) -> tuple[list[ExpectedText], list[str]]:
    """The images with their texts, and the problems, which are already reported on stderr."""
    if labels is not None:
        rows = read_expected(labels)
        files, problems = cli_files.find_files(arguments)
        jobs = match_rows(rows, files, labels)
        known = {file for file, _ in jobs}
        for file in files:
            if file not in known:
                output.complain(f"{file}: {labels} has no line for it")
                problems.append(str(file))
        return jobs, problems
    if len(arguments) < 2:
        raise ConfigError("give images and then the text that must be on them, or --labels FILE")
    *paths, expected = arguments
    if not expected.strip():
        raise ConfigError("the expected text is empty: give the characters that must be printed")
    files, problems = cli_files.find_files(paths)
    return [(file, expected) for file in files], problems


def read_expected(path: Path) -> list[tuple[int, str, str]]:
    """The lines of a file of expected texts as number, image, text; further columns are ignored.

    Raises:
        DatasetError: the file cannot be read or is empty, or a line lacks its image or text.
    """
    from industrial_ocr.datasets.formats import tsv_fields

    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path}: no such file; write one line image<TAB>text for each image into it"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        image, text, *_ = (*tsv_fields(line), "")
        if not image.strip() or not text.strip():
            raise DatasetError(f"{path}, line {number}: expected image<TAB>text, got {line!r}")
        rows.append((number, image.strip(), text.strip()))
    if not rows:
        raise DatasetError(f"{path}: has no lines; write one line image<TAB>text for each image")
    return rows


def match_rows(
    rows: Iterable[tuple[int, str, str]], files: Iterable[Path], labels: Path
) -> list[ExpectedText]:
    """The file of every line: the one whose path ends with the path in the line.

    Raises:
        DatasetError: no file, or more than one, matches a line.
    """
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(file.name, []).append(file)
    jobs = []
    for number, image, text in rows:
        parts = Path(image).parts
        fitting = [f for f in by_name.get(parts[-1], []) if f.parts[-len(parts) :] == parts]
        if len(fitting) != 1:
            count = len(fitting) or "none"
            raise DatasetError(
                f"{labels}, line {number}: {count} of the given images match {image!r}; "
                "write the path as it was given, or its last part"
            )
        jobs.append((fitting[0], text))
    return jobs


def print_verdicts(verdicts: Iterable[output.ResultDict]) -> None:
    """Prints a row per image and text, with the character that is the main reason against it."""
    table = output.new_table("file", "expected", "verdict", "weakest character", "why")
    for verdict in verdicts:
        style = _VERDICT_STYLES[verdict["verdict"]]
        cells = (verdict["file"], verdict["expected"], _worst(verdict), verdict["reason"])
        file, expected, worst, reason = map(escape, cells)
        outcome = f"[{style}]{verdict['verdict'].replace('_', ' ')}[/]"
        table.add_row(file, expected, outcome, worst, reason)
    if table.row_count:
        output.show_table(table)


def _worst(verdict: output.ResultDict) -> str:
    """The weakest character, and how likely it is in comparison with another symbol."""
    if verdict["worst"] is None:
        return ""
    from industrial_ocr.results.verdicts import likelihood_ratio

    character = verdict["characters"][verdict["worst"]]
    rival, log_odds = character["rival"], character["log_odds"]
    ratio = likelihood_ratio(log_odds)
    evidence = f"{rival!r} is {ratio}" if log_odds < 0 else f"{ratio} as {rival!r}"
    evidence = evidence if rival else "not found"
    return f"character {verdict['worst'] + 1} ({character['symbol']!r}): {evidence}"
