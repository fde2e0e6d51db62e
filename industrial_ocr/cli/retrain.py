"""The commands ``industrial-ocr retrain`` and ``industrial-ocr glyphs show``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import TaskID
from rich.table import Table

from industrial_ocr.cli import output as cli_output
from industrial_ocr.cli.output import FAILED, WRONG_USAGE, note, one_line_errors, show_table
from industrial_ocr.errors import ConfigError

if TYPE_CHECKING:
    from industrial_ocr.reader.verify import Models
    from industrial_ocr.training.adaptation.config import FinetuneConfig
    from industrial_ocr.training.adaptation.retrain import FinetuneResult

MARGIN = 10.0
"""As of ``training.adaptation.config``, which needs too long to load for a help text."""
SHOWN = 12
"""Old classes in the table of the terminal: those that changed most."""

glyphs_app = typer.Typer(no_args_is_help=True, help="What a classifier knows, and how well.")


def retrain(
    glyphs: Annotated[
        Path,
        typer.Argument(
            metavar="GLYPHS",
            help="A folder with one folder of pictures a symbol (Ω, slash, U+03A9, U+0043_U+0045 "
            "for CE); labeled pictures (labels.tsv and the like); a font file with --symbols; or "
            "what was answered on the review page (corrections.jsonl).",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    parent: Annotated[
        str | None,
        typer.Option("--from", help="Classifier to start from.", show_default="the shipped one"),
    ] = None,
    symbols: Annotated[
        str, typer.Option(help="ΩΔ: what to render of a font; 'CE Ω' with spaces: tokens.")
    ] = "",
    pictures: Annotated[int, typer.Option(min=1, help="Of each symbol of a font.")] = 30,
    fonts: Annotated[
        list[Path] | None, typer.Option(help="Font folder, repeatable; else the system's.")
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0, help="Points of accuracy that an old class may lose.")
    ] = MARGIN,
    force: Annotated[bool, typer.Option("--force", help="Write it even if one loses more.")] = (
        False
    ),
    report: Annotated[
        Path | None, typer.Option(help="Folder of the report.", show_default="OUT-report")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=0, help="With the last stage thawed, at most.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same classifier.")] = 0,
) -> None:
    """Teaches the classifier new symbols, or old ones in a new font, from 3 to 15 pictures each.

    Near-duplicates and probable label errors are pointed out first. Afterwards every class is
    measured on held-out crops; where an old one lost too much, nothing is written and the exit
    code is 1. Ctrl-C takes the best so far.
    """
    with one_line_errors(WRONG_USAGE):
        from dataclasses import replace

        from industrial_ocr.datasets.synthesis.fonts import system_font_folders
        from industrial_ocr.training.adaptation.config import FinetuneConfig, Recipe, check_output

        recipe = replace(Recipe(), seed=seed)
        if steps is not None:
            recipe = replace(recipe, steps=steps)
        folders = tuple(map(str, fonts or system_font_folders()))
        if missing := [f for f in folders if not Path(f).is_dir()]:
            raise ConfigError(f"--fonts: {missing[0]}: no such folder")
        config = FinetuneConfig(out, parent, folders, margin, force, report, recipe)
        check_output(config)
    with one_line_errors():
        outcome = _run(config, glyphs, symbols, pictures)
    _tell(outcome, out)
    if not outcome.gate.passed and not force:
        raise typer.Exit(FAILED)


def _run(config: FinetuneConfig, glyphs: Path, symbols: str, pictures: int) -> FinetuneResult:
    """Reads the pictures and learns, with a progress bar on stderr."""
    from industrial_ocr.training.adaptation.retrain import retrain as learn
    from industrial_ocr.training.adaptation.sources import read_samples, split_symbols

    def models() -> Models:
        from industrial_ocr.reader.reader import Reader

        return Reader(classifier=config.parent).models

    found = read_samples(glyphs, split_symbols(symbols), pictures, config.recipe.seed, models)
    counts = ", ".join(f"{s or '(no character)'} {n}" for s, n in found.counts.items())
    note(f"{len(found.samples)} pictures: {counts}")
    with _told() as told:
        return learn(config, found, note, told)


@contextmanager
def _told() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each stage, the last one moving; a line each where nobody watches a terminal."""
    watched = sys.stderr.isatty()
    with cli_output.progress_bar(watched) as progress:
        bars: dict[str, TaskID] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
                if not watched:
                    note(f"{stage} ({total})")
            progress.update(bars[stage], completed=done)

        yield told


def _tell(outcome: FinetuneResult, out: Path) -> None:
    """The new classes, the old ones that changed most, and what became of the file."""
    from industrial_ocr.training.adaptation.gate import REJECT_NAME

    gate = outcome.gate
    table = Table()
    for name in ("class", "pictures", "before", "after", "points"):
        table.add_column(name, justify="left" if name == "class" else "right")
    moved = sorted((c for c in gate.old if c.points), key=lambda c: c.points or 0.0)
    shown = moved if len(moved) <= SHOWN else [*moved[: SHOWN // 2], *moved[-SHOWN // 2 :]]
    for change in (*gate.new, *gate.taught, *shown):
        before, after = ("" if v is None else f"{v:.1%}" for v in (change.before, change.after))
        points = "" if change.points is None else f"{change.points:+.1f}"
        table.add_row(escape(change.symbol or REJECT_NAME), str(change.n), before, after, points)
    show_table(table)
    typer.echo(f"all old symbols: {gate.before:.2%} before, {gate.after:.2%} now")
    for reason in gate.reasons:
        note(f"gate: {reason}")
    if outcome.interrupted:
        note("interrupted: these are the best weights until then")
    typer.echo(f"report: {outcome.report}")
    if outcome.written:
        typer.echo(f"written: {out}; read --classifier {out} uses it")
    else:
        note(f"{out} was not written; --force writes it, more or other pictures may help")


@glyphs_app.command("show")
def show(
    file: Annotated[
        str, typer.Argument(help="A classifier: name or .safetensors file.", metavar="FILE")
    ],
) -> None:
    """Prints the classes of a classifier with their measured accuracy."""
    with one_line_errors():
        from industrial_ocr.inference.manifest import find_entry

        entry = find_entry("classifier", file)
    numbers = entry.metrics
    table = Table(title=f"{entry.name}: {len(entry.charset or ())} symbols")
    for name in ("class", "code points", "accuracy", "held-out crops", "on your pictures"):
        table.add_column(name, justify="left" if name in ("class", "code points") else "right")
    known = (*(entry.charset or ()), "(no character)")
    for symbol in known:
        points = " ".join(f"U+{ord(c):04X}" for c in symbol) if symbol != known[-1] else ""
        accuracy, taught = (
            "" if (v := numbers.get(f"{kind} {symbol}")) is None else f"{v:.1%}"
            for kind in ("class", "taught")
        )
        n = numbers.get(f"n {symbol}")
        table.add_row(escape(symbol), points, accuracy, "" if n is None else f"{n:.0f}", taught)
    show_table(table)
    if not any(name.startswith("class ") for name in numbers):
        note("no accuracy by class is recorded; industrial-ocr retrain measures it")
    for name in ("retrained_from", "parent_sha256", "data_sha256"):
        if name in entry.recipe:
            typer.echo(f"{name}: {entry.recipe[name]}")
