"""The commands ``industrial-ocr job check|try``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from industrial_ocr.cli import files as cli_files
from industrial_ocr.cli import options, output

job_app = typer.Typer(no_args_is_help=True, help="Checks and tries job files of a production line.")
JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="Job file, see docs/guides/job.md.")]


@job_app.command()
def check(job: JobFile) -> None:
    """Prints all problems of a job, and tries each of its connections.

    Nothing is delivered or recorded. Exit code 0: the line can run; 1: it cannot.
    """
    from industrial_ocr.line.job_check import check_job

    problems = check_job(job)
    for problem in problems:
        typer.echo(" ".join(problem.split()))
    if problems:
        raise typer.Exit(output.FAILED)
    output.note(f"{job}: no problem was found")


@job_app.command("try")
def try_pictures(
    job: JobFile,
    pictures: options.ImagePaths,
    part: Annotated[str, typer.Option(help="Name of the part, as a trigger would send it.")] = "",
    expected: Annotated[
        str | None, typer.Option(help="Expected text, as a trigger would send it.")
    ] = None,
) -> None:
    """Reads pictures as the line would, and prints what it would send: one JSON object per part.

    Nothing is delivered or recorded. Exit code 0: all were read; 1: some were not; 2: the job
    cannot be used.
    """
    from industrial_ocr.line.job import load_job
    from industrial_ocr.line.job_check import try_job

    with output.one_line_errors(output.WRONG_USAGE):
        loaded = load_job(job)
        files, problems = cli_files.find_files(pictures)
        sources = list(cli_files.image_sources(files).values())
        for reading in try_job(loaded, sources, part, expected):
            typer.echo(reading.to_json())
            if reading.status == "error":
                problems.append(reading.picture)
    if problems:
        raise typer.Exit(output.FAILED)
