"""The command ``industrial-ocr glyphs show``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from industrial_ocr.cli import output

glyphs_app = typer.Typer(no_args_is_help=True, help="Shows what a classifier knows.")


@glyphs_app.command("show")
def show(
    file: Annotated[
        str, typer.Argument(help="A classifier: name or .safetensors file.", metavar="FILE")
    ],
) -> None:
    """Prints the classes of a classifier with their measured accuracy."""
    with output.one_line_errors():
        from industrial_ocr.inference.manifest import find_entry

        entry = find_entry("classifier", file)
    measured = entry.metrics
    symbols = entry.charset or ()
    numbers = ("accuracy", "held-out crops", "on your pictures")
    table = output.new_table(
        "class",
        "code points",
        *numbers,
        right=numbers,
        title=f"{entry.name}: {len(symbols)} symbols",
    )
    for symbol in (*symbols, "(no character)"):
        points = " ".join(f"U+{ord(c):04X}" for c in symbol) if symbol in symbols else ""
        accuracy = _percent(measured.get(f"class {symbol}"))
        crops = measured.get(f"n {symbol}")
        taught = _percent(measured.get(f"taught {symbol}"))
        table.add_row(
            escape(symbol), points, accuracy, "" if crops is None else f"{crops:.0f}", taught
        )
    output.show_table(table)
    if not any(name.startswith("class ") for name in measured):
        output.note("no accuracy by class is recorded; industrial-ocr retrain measures it")
    for name in ("retrained_from", "parent_sha256", "data_sha256"):
        if name in entry.recipe:
            typer.echo(f"{name}: {entry.recipe[name]}")


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
