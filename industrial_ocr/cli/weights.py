"""The command ``industrial-ocr weights``."""

from __future__ import annotations

import typer
from rich.markup import escape

from industrial_ocr.cli import output
from industrial_ocr.errors import WeightsError


def weights() -> None:
    """Lists the installed weights and verifies every hash; exit code 1 if one is damaged."""
    from industrial_ocr.inference.weights import verify_all

    with output.one_line_errors():
        found = verify_all()
        if not found:
            raise WeightsError("no weights are installed: nothing can be read")
    table = output.new_table("task", "name", "file", "MB", "license", "state")
    for entry, intact, message in found:
        size = f"{entry.path.stat().st_size / 1e6:.1f}" if entry.path.exists() else "-"
        state = "[green]ok[/]" if intact else f"[red]damaged[/]: {escape(message)}"
        cells = (entry.task, entry.name, str(entry.path), size, entry.license)
        table.add_row(*map(escape, cells), state)
    output.show_table(table)
    if not all(intact for _, intact, _ in found):
        raise typer.Exit(output.FAILED)
