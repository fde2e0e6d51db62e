"""The command ``industrial-ocr export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from industrial_ocr.cli import options, output


@options.grouped
def export(
    out: Annotated[Path, typer.Argument(help="Folder or .zip to write.")],
    *,
    backend: Annotated[
        options.BackendName | None,
        typer.Option(help="Library that will run the networks.", show_default="the fastest"),
    ] = None,
    precision: options.PrecisionName = None,
    networks: options.Networks,
    calibration: Annotated[Path | None, typer.Option(help="File from calibrate --out.")] = None,
    max_misread_rate: Annotated[
        float | None,
        typer.Option(help="Largest share of misreads among accepted readings, 0 to 1."),
    ] = None,
    routes: Annotated[Path | None, typer.Option(help="File from bench run --write-routes.")] = None,
    patterns: Annotated[
        Path | None, typer.Option(help="YAML file with your own named patterns.")
    ] = None,
    archive: Annotated[bool, typer.Option("--zip", help="Also write OUT.zip.")] = False,
) -> None:
    """Writes a bundle: one folder with everything for reading, and a hash of every file."""
    with output.one_line_errors(output.WRONG_USAGE):
        reader = options.make_reader(
            **vars(networks),
            backend=backend,
            precision=precision,
            calibration=calibration,
            max_misread_rate=max_misread_rate,
            routes=routes,
            patterns=patterns,
        )
        written = reader.export(out, archive)
    for path in written:
        typer.echo(path)
