"""The command ``industrial-ocr lines``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from industrial_ocr.cli import files as cli_files
from industrial_ocr.cli import options, output

if TYPE_CHECKING:
    from industrial_ocr.results.read_result import ReadResult

COLUMNS = ("file", "text", "confidence", "status", "seconds")


@options.grouped
def lines(
    paths: options.ImagePaths,
    as_json: options.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line per image.")] = False,
    division: Annotated[
        Literal["blanks", "windows"],
        typer.Option(help="Divide long lines at blanks, or into overlapping windows."),
    ] = "blanks",
    *,
    runtime: options.Runtime,
    networks: options.Networks,
) -> None:
    """Reads images of one line of text each, of any length; prints file, text and seconds."""
    with output.one_line_errors(output.WRONG_USAGE):
        print_csv = partial(output.print_rows, COLUMNS)
        show = output.printer(as_json, as_csv, print_csv, _print_table)
        files, problems = cli_files.find_files(paths)
        if files:
            reader = options.make_reader(**vars(runtime), **vars(networks))
        sources = cli_files.image_sources(files)
    seconds: dict[Path, float] = {}

    def read_one(file: Path) -> ReadResult:
        began = time.perf_counter()
        (result,) = reader.recognize([sources[file]], division=division)
        seconds[file] = round(time.perf_counter() - began, 4)
        return result

    to_terminal = (as_json or as_csv) and sys.stdout.isatty()
    results = output.results_of_files(files, read_one, None, problems, not to_terminal)
    show(
        {"file": str(file), **result.to_dict(), "seconds": seconds[file]}
        for file, result in results
    )
    if problems:
        raise typer.Exit(output.FAILED)


def _print_table(readings: Iterable[output.ResultDict]) -> None:
    table = output.new_table("file", "text", "seconds", right=("seconds",))
    for reading in readings:
        seconds = f"{reading['seconds']:.2f}"
        table.add_row(escape(reading["file"]), escape(reading["text"]), seconds)
    if table.row_count:
        output.show_table(table)
