"""The command ``industrial-ocr retrain``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from industrial_ocr.cli import options, output

if TYPE_CHECKING:
    from industrial_ocr.reader.models import Models
    from industrial_ocr.training.retraining.config import FinetuneConfig
    from industrial_ocr.training.retraining.retrain import FinetuneResult


@dataclass(frozen=True)
class RetrainOptions:
    """Options for the training and its result."""

    parent: Annotated[
        str | None,
        typer.Option("--from", help="Classifier to start from.", show_default="the shipped one"),
    ] = None
    fonts: options.FontFolders = None
    # The default of ``training.retraining.gate``, which takes too long to load for a help text.
    margin: Annotated[
        float,
        typer.Option(min=0, help="Percentage points of accuracy that a known class may lose."),
    ] = 10.0
    force: Annotated[
        bool, typer.Option("--force", help="Write the file even if a class loses more.")
    ] = False
    report: Annotated[
        Path | None, typer.Option(help="Folder of the report.", show_default="OUT-report")
    ] = None
    steps: Annotated[
        int | None,
        typer.Option(
            min=0, help="Largest number of steps that train the last stages.", show_default="280"
        ),
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same classifier.")] = 0

    def config(self, out: Path) -> FinetuneConfig:
        """The settings of the retraining.

        Raises:
            ConfigError: the output cannot be written.
        """
        from industrial_ocr.training.retraining.config import (
            FinetuneConfig,
            FinetuneRecipe,
            check_output,
        )

        recipe = replace(FinetuneRecipe(), seed=self.seed)
        if self.steps is not None:
            recipe = replace(recipe, steps=self.steps)
        fonts = options.font_folders(self.fonts)
        config = FinetuneConfig(
            out, self.parent, fonts, self.margin, self.force, self.report, recipe
        )
        check_output(config)
        return config


@options.grouped
def retrain(
    glyphs: Annotated[
        Path,
        typer.Argument(
            metavar="GLYPHS",
            help="A folder with one folder of images per symbol (Ω, slash, U+03A9, U+0043_U+0045 "
            "for CE); labeled images (labels.tsv and the like); a font file with --symbols; or "
            "the answers of the review page (corrections.jsonl).",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    symbols: Annotated[
        str, typer.Option(help="Symbols to render with a font: ΩΔ, or tokens with spaces: 'CE Ω'.")
    ] = "",
    pictures: Annotated[
        int, typer.Option(min=1, help="Number of rendered pictures per symbol of a font.")
    ] = 30,
    *,
    training: RetrainOptions,
) -> None:
    """Teaches the classifier new symbols, or known ones in a new font, from 3 to 15 images each.

    Near-duplicates and probable label errors are reported first. Afterwards every class is
    measured on held-out crops; if a known class lost too much, nothing is written and the exit
    code is 1. Ctrl-C ends the training early and uses what was learned.
    """
    with output.one_line_errors(output.WRONG_USAGE):
        config = training.config(out)
    with output.one_line_errors():
        outcome = _run(config, glyphs, symbols, pictures)
    _show(outcome, out)
    if not outcome.written:
        raise typer.Exit(output.FAILED)


def _run(config: FinetuneConfig, glyphs: Path, symbols: str, pictures: int) -> FinetuneResult:
    """Loads the images and trains, with a progress bar on stderr."""
    from industrial_ocr.training.retraining.retrain import retrain as learn
    from industrial_ocr.training.retraining.sources import read_samples, split_symbols

    def models() -> Models:
        from industrial_ocr.reader.reader import Reader

        return Reader(classifier=config.parent).models

    found = read_samples(glyphs, split_symbols(symbols), pictures, config.recipe.seed, models)
    counts = ", ".join(f"{s or '(no character)'} {n}" for s, n in found.counts.items())
    output.note(f"{len(found.samples)} pictures: {counts}")
    with output.stage_progress() as progress:
        return learn(config, found, output.note, progress)


def _show(outcome: FinetuneResult, out: Path) -> None:
    """Prints the new classes, the known ones that changed most, and what was written."""
    from industrial_ocr.training.retraining.gate import REJECT_NAME

    gate = outcome.gate
    headers = ("pictures", "before", "after", "points")
    table = output.new_table("class", *headers, right=headers)
    for change in (*gate.new, *gate.taught, *_most_changed(gate.old)):
        before, after = ("" if v is None else f"{v:.1%}" for v in (change.before, change.after))
        points = "" if change.points is None else f"{change.points:+.1f}"
        table.add_row(escape(change.symbol or REJECT_NAME), str(change.n), before, after, points)
    output.show_table(table)
    typer.echo(f"all known symbols: {gate.before:.2%} before, {gate.after:.2%} now")
    for reason in gate.reasons:
        output.note(f"gate: {reason}")
    if outcome.interrupted:
        output.note("interrupted: the weights are those of the interruption")
    typer.echo(f"report: {outcome.report}")
    if outcome.written:
        typer.echo(f"written: {out}; read --classifier {out} uses it")
    else:
        output.note(f"{out} was not written; --force writes it; more or other pictures may help")


def _most_changed(changes: Sequence[Any], most: int = 12) -> list[Any]:
    """The classes that lost most and those that gained most, sorted."""
    moved = sorted((c for c in changes if c.points), key=lambda c: c.points)
    return moved if len(moved) <= most else [*moved[: most // 2], *moved[-most // 2 :]]
