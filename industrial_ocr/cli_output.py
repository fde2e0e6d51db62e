"""What ``industrial-ocr read`` prints: a table for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from industrial_ocr.types import ReadResult

Reading = tuple[str, ReadResult]
COLUMNS = ("file", "string", "text", "confidence", "status", "direction", "engine",
           "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")  # fmt: skip
_STYLES = {"ok": "green", "low_confidence": "yellow", "no_text": "dim"}


def print_table(readings: list[Reading]) -> None:
    """One row a string; the file and the result's status stand in its first row."""
    table = Table("file", "text", "confidence", "status", "ms")
    for name, result in readings:
        style = _STYLES[result.status.value]
        status = f"[{style}]{result.status.value}[/]"
        milliseconds = f"{1000 * result.timings.get('total', 0):.0f}"
        if not result.strings:
            table.add_row(name, "", "", status, milliseconds)
        for i, string in enumerate(result.strings):
            first = (status, milliseconds) if i == 0 else ("", "")
            text = string.text.replace("[", r"\[")
            table.add_row(name if i == 0 else "", text, f"{string.confidence:.3f}", *first)
    Console().print(table)


def print_json(readings: list[Reading]) -> None:
    """One JSON array with an object a file."""
    rows = [{"file": name, **result.to_dict()} for name, result in readings]
    json.dump(rows, sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


def print_csv(readings: list[Reading]) -> None:
    """One line a string; a file without text has one line with an empty text."""
    writer = csv.writer(sys.stdout)
    writer.writerow(COLUMNS)
    for name, result in readings:
        tail: tuple[Any, ...] = (result.status.value, "", result.engine, *[""] * 8)
        if not result.strings:
            writer.writerow((name, "", "", "", *tail))
        for i, s in enumerate(result.strings):
            corners = [round(float(v), 2) for v in s.quad.reshape(-1)]
            row = (name, i, s.text, round(s.confidence, 5), result.status.value, s.direction)
            writer.writerow((*row, result.engine, *corners))


def save_picture(folder: Path, name: str, result: ReadResult, taken: set[str]) -> Path:
    """Writes the annotated picture under a name that nothing else in this run has."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    stem, number = Path(name).stem, 1
    unique = stem
    while unique in taken:
        number += 1
        unique = f"{stem}-{number}"
    taken.add(unique)
    path = folder / f"{unique}.png"
    Image.fromarray(result.draw()).save(path)
    return path
