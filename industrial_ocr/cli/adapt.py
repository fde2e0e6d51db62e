"""The command ``industrial-ocr adapt``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from industrial_ocr.cli import options, output

if TYPE_CHECKING:
    from industrial_ocr.training.line.adapter import Adaptation


def adapt(
    data: options.OneDataset,
    out: Annotated[Path, typer.Option(help="The bundle to write: a folder or a .zip.")],
    pattern: Annotated[
        str | None, typer.Option(help="Pattern of the codes: a preset or a regular expression.")
    ] = None,
    symbols: Annotated[
        str,
        typer.Option(help="Symbols of the line that the labels lack, such as 0-9."),
    ] = "",
    # The defaults of ``training.line.config``, which takes too long to load for a help text.
    minutes: Annotated[float, typer.Option(help="Largest duration in minutes.")] = 15.0,
    parent: Annotated[
        Path | None,
        typer.Option("--from", help="Bundle to start from.", show_default="what is shipped"),
    ] = None,
    unlabeled: Annotated[
        Path | None,
        typer.Option(
            "--unlabeled",
            "--unlabelled",
            help="More pictures of the line; what reads surely under the pattern is learned, too.",
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(help="Folder of the review page; strings corrected there are learned, too."),
    ] = None,
    label_format: options.LabelFormat = None,
    task: Annotated[
        Literal["read", "recognize"] | None,
        typer.Option(
            help="Whole images, or crops of one string.",
            show_default="from the labels and image sizes",
        ),
    ] = None,
    match: Annotated[
        Literal["exact", "contains"],
        typer.Option(help="A reading is right if it equals the label, or if it contains it."),
    ] = "exact",
    fonts: options.FontFolders = None,
    margin: Annotated[
        float,
        typer.Option(min=0, help="Percentage points that rendered codes may lose."),
    ] = 2.0,
    force: Annotated[
        bool, typer.Option("--force", help="Write the bundle even if it reads no better.")
    ] = False,
    backend: Annotated[
        options.BackendName | None,
        typer.Option(help="Library that runs the networks.", show_default="the fastest"),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Most training steps.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bundle.")] = 0,
) -> None:
    """Teaches the networks to read a line, from 20 or better 100 images with their strings.

    A fifth of the images is kept back to measure. If these are not read better by more than
    chance, nothing is written and the exit code is 1. Ctrl-C takes what was learned so far; an
    adaptation that was killed goes on where it was.
    """
    with output.one_line_errors(output.WRONG_USAGE):
        from dataclasses import replace

        from industrial_ocr.datasets.load import load_dataset
        from industrial_ocr.training.line.config import AdaptConfig, Recipe
        from industrial_ocr.training.line.sources import answered_strings, is_answered

        recipe = replace(Recipe(), seed=seed)
        if steps is not None:
            recipe = replace(recipe, steps=steps)
        folders = options.font_folders(fonts)
        config = AdaptConfig(
            out,
            parent,
            pattern,
            symbols,
            contains=match == "contains",
            unlabeled=unlabeled,
            answers=answers,
            minutes=minutes,
            fonts=folders,
            margin=margin,
            force=force,
            backend=backend,
            recipe=recipe,
        )
        answered = is_answered(data)
        dataset = answered_strings(data) if answered else load_dataset(data, label_format, task)
    with output.one_line_errors(), output.stage_progress() as progress:
        from industrial_ocr.training.line.adapter import Adapter

        outcome = Adapter(config, output.note, progress).adapt(dataset)
    _show(outcome, out)
    if not outcome.written:
        raise typer.Exit(output.FAILED)


def _show(outcome: Adaptation, out: Path) -> None:
    """Prints how the images kept back are read before and now, and what was written."""
    from industrial_ocr.training.line.report import promise, rows

    table = output.new_table("way", "right before", "right now", "passed wrong before", "now")
    for row in rows(outcome):
        table.add_row(*row)
    output.show_table(table)
    typer.echo(promise(outcome))
    for reason in outcome.reasons:
        output.note(f"gate: {reason}")
    for line in outcome.advice:
        output.note(f"what would help: {line}")
    typer.echo(f"report: {outcome.report}")
    if outcome.written:
        best = outcome.best.value
        typer.echo(f"written: {out}; read --bundle {out} --engine {best} reads the line best")
    else:
        output.note(f"{out} was not written; --force writes it, without learning again")
