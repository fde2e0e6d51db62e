"""The command ``industrial-ocr``: all commands, and the options before a command.

Results go to stdout, everything else to stderr. Whatever needs torch is imported inside the
command that needs it.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from industrial_ocr import __version__
from industrial_ocr.cli import output
from industrial_ocr.cli.adapt import adapt
from industrial_ocr.cli.batch import batch
from industrial_ocr.cli.bench import bench_app
from industrial_ocr.cli.calibrate import calibrate
from industrial_ocr.cli.dataset import dataset_app
from industrial_ocr.cli.export import export
from industrial_ocr.cli.glyphs import glyphs_app
from industrial_ocr.cli.job import job_app
from industrial_ocr.cli.lines import lines
from industrial_ocr.cli.patterns import patterns_app
from industrial_ocr.cli.read import read
from industrial_ocr.cli.retrain import retrain
from industrial_ocr.cli.review import review
from industrial_ocr.cli.run import run
from industrial_ocr.cli.serve import serve
from industrial_ocr.cli.synth import synth
from industrial_ocr.cli.train import train
from industrial_ocr.cli.verify import verify
from industrial_ocr.cli.weights import weights

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reads serial codes from images, trains the models, renders training data.",
)
commands = (
    read,
    lines,
    batch,
    run,
    serve,
    verify,
    calibrate,
    export,
    review,
    adapt,
    retrain,
    train,
    synth,
    weights,
)
for command in commands:
    app.command()(command)
app.add_typer(job_app, name="job")
app.add_typer(bench_app, name="bench")
app.add_typer(dataset_app, name="dataset")
app.add_typer(patterns_app, name="patterns")
app.add_typer(glyphs_app, name="glyphs")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"industrial-ocr {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the log of the library on stderr.")
    ] = False,
) -> None:
    """Handles the options before the command."""
    if verbose:
        logger = logging.getLogger("industrial_ocr")
        logger.setLevel(logging.INFO)
        logger.handlers = [RichHandler(console=Console(stderr=True), show_path=False)]


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        # Characters that the terminal's encoding lacks are printed as escapes.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    output.run_app(app)
