"""The command ``industrial-ocr adapt``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from industrial_ocr.cli import options, output

if TYPE_CHECKING:
    from industrial_ocr.datasets.samples import Dataset
    from industrial_ocr.training.line.config import AdaptConfig
    from industrial_ocr.training.line.report import Adaptation


@dataclass(frozen=True)
class AdaptOptions:
    """Options for the pictures of the line, the training and its bundle."""

    pattern: Annotated[
        str | None, typer.Option(help="Pattern of the codes: a preset or a regular expression.")
    ] = None
    symbols: Annotated[
        str, typer.Option(help="Symbols of the line that the labels lack, such as 0-9.")
    ] = ""
    unlabeled: Annotated[
        Path | None,
        typer.Option(
            "--unlabeled",
            "--unlabelled",
            help="More pictures of the line; those with the status ok under the pattern are used.",
        ),
    ] = None
    answers: Annotated[
        Path | None,
        typer.Option(help="Folder of the review page; strings corrected there are used, too."),
    ] = None
    label_format: options.LabelFormat = None
    task: Annotated[
        Literal["read", "recognize"] | None,
        typer.Option(
            help="Whole images, or crops of one string.",
            show_default="from the labels and image sizes",
        ),
    ] = None
    match: Annotated[
        Literal["exact", "contains"],
        typer.Option(help="A reading is right if it equals the label, or if it contains it."),
    ] = "exact"
    # The defaults of ``training.line.config``, which takes too long to load for a help text.
    minutes: Annotated[float, typer.Option(help="Time limit of the training in minutes.")] = 15.0
    parent: Annotated[
        Path | None,
        typer.Option("--from", help="Bundle to start from.", show_default="what is shipped"),
    ] = None
    fonts: options.FontFolders = None
    margin: Annotated[
        float,
        typer.Option(min=0, help="Percentage points of accuracy that rendered codes may lose."),
    ] = 2.0
    force: Annotated[
        bool, typer.Option("--force", help="Write the bundle even if it reads no better.")
    ] = False
    backend: Annotated[
        options.BackendName | None,
        typer.Option(help="Library that runs the networks.", show_default="the fastest"),
    ] = None
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Largest number of training steps.", show_default="600"),
    ] = None
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="The same data and seed give the same result if the time suffices for all steps.",
        ),
    ] = 0

    def dataset(self, data: Path) -> Dataset:
        """The labeled pictures, or the answers of the review page."""
        from industrial_ocr.datasets.load import load_dataset
        from industrial_ocr.training.line.sources import answered_strings, is_answered

        if is_answered(data):
            return answered_strings(data)
        return load_dataset(data, self.label_format, self.task)

    def config(self, out: Path) -> AdaptConfig:
        """The settings of the adaptation."""
        from industrial_ocr.training.line.config import AdaptConfig, Recipe

        recipe = replace(Recipe(), seed=self.seed)
        if self.steps is not None:
            recipe = replace(recipe, steps=self.steps)
        return AdaptConfig(
            out,
            self.parent,
            self.pattern,
            self.symbols,
            contains=self.match == "contains",
            unlabeled=self.unlabeled,
            answers=self.answers,
            minutes=self.minutes,
            fonts=options.font_folders(self.fonts),
            margin=self.margin,
            force=self.force,
            backend=self.backend,
            recipe=recipe,
        )


@options.grouped
def adapt(
    data: options.OneDataset,
    out: Annotated[Path, typer.Option(help="The bundle to write: a folder or a .zip.")],
    *,
    given: AdaptOptions,
) -> None:
    """Trains the networks on a production line, from 20 or, better, 100 labeled images.

    A fifth of the images is held out for measuring. If these are not read significantly better,
    nothing is written and the exit code is 1. Ctrl-C ends the training early and uses what was
    learned; an adaptation that was killed continues where it stopped.
    """
    with output.one_line_errors(output.WRONG_USAGE):
        config = given.config(out)
        dataset = given.dataset(data)
    with output.one_line_errors(), output.stage_progress() as progress:
        from industrial_ocr.training.line.adapter import Adapter

        outcome = Adapter(config, output.note, progress).adapt(dataset)
    _show(outcome, out)
    if not outcome.written:
        raise typer.Exit(output.FAILED)


def _show(outcome: Adaptation, out: Path) -> None:
    """Prints the results on the held-out images before and now, and what was written."""
    from industrial_ocr.training.line.report import promise, rows

    table = output.new_table(
        "engine", "right before", "right now", "accepted misreads before", "now"
    )
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
        how = "after the rest of the training" if outcome.interrupted else "without training again"
        output.note(f"{out} was not written; --force writes it, {how}")
