"""Prints readings as a table for people and as CSV for programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from itertools import chain
from typing import Any

from rich.markup import escape

from industrial_ocr.cli import output

CORNERS = ("x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")
STRING_COLUMNS = (
    *("file", "string", "text", "confidence", "status", "direction", "engine"),
    *CORNERS,
)
CODE_COLUMNS = ("code", "code_confidence", "code_status", "code_reason", "pattern")
"""Further columns if a pattern was given."""
_STATUS_STYLES = {"ok": "green", "low_confidence": "yellow", "no_text": "dim"}


def print_table(readings: Iterable[output.ResultDict]) -> None:
    """Prints one row per code or string; the first row of a file has its name and status."""
    table = output.new_table(
        "file", "text", "confidence", "status", "ms", right=("confidence", "ms")
    )
    for reading in readings:
        style = _STATUS_STYLES.get(reading["status"], "red")
        file, status = escape(reading["file"]), f"[{style}]{reading['status']}[/]"
        time = f"{1000 * reading['timings']['total']:.0f}"
        for text, confidence in _texts(reading):
            table.add_row(file, text, confidence, status, time)
            file = status = time = ""
    if table.row_count:
        output.show_table(table)


def _texts(reading: output.ResultDict) -> list[tuple[str, str]]:
    """Codes and strings with their confidences; one empty row if there are none."""
    rows = []
    for code in reading.get("codes", ()):
        text = f"[bold]{escape(code['text'])}[/] {escape(code['pattern'])}"
        if code["status"] != "ok":
            text += f": {escape(code['reason'])}"
        rows.append((text, f"{code['confidence']:.3f}"))
    rows += [(escape(s["text"]), f"{s['confidence']:.3f}") for s in reading["strings"]]
    if not reading["strings"]:
        rows.append(("", ""))
    return rows


def print_csv(readings: Iterable[output.ResultDict], with_codes: bool = False) -> None:
    """Prints a line per string, numbered from 0 in its file; a file without text has one line.

    Args:
        readings: the readings.
        with_codes: whether a pattern was given. If so, ``CODE_COLUMNS`` have the code of a string,
            a code outside all strings has a line of its own, and ``status`` is that of the string;
            else it is that of the whole image.
    """
    columns = (*STRING_COLUMNS, *CODE_COLUMNS) if with_codes else STRING_COLUMNS
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")  # missing cells are empty
    writer.writeheader()
    for reading in readings:
        writer.writerows(_code_rows(reading) if with_codes else _string_rows(reading))
        sys.stdout.flush()


def _string_rows(reading: output.ResultDict) -> list[dict[str, Any]]:
    """The cells of ``STRING_COLUMNS``; those of the string are empty if there is none."""
    common = {"file": reading["file"], "engine": reading["route"]}
    rows = []
    for number, string in enumerate(reading["strings"]):
        own = {name: string[name] for name in ("text", "confidence", "direction")}
        corners = dict(zip(CORNERS, chain.from_iterable(string["quad"]), strict=True))
        rows.append(common | {"string": number, "status": reading["status"]} | own | corners)
    return rows or [common | {"status": reading["status"]}]


def _code_rows(reading: output.ResultDict) -> list[dict[str, Any]]:
    """The cells of ``STRING_COLUMNS`` and ``CODE_COLUMNS``."""
    from industrial_ocr.results.geometry import centers_meet

    codes = list(reading["codes"])
    # If no code was found, the status of the image says why.
    no_code = {} if codes else {"code_status": reading["status"], "code_reason": reading["reason"]}
    rows = []
    for cells, string in zip(_string_rows(reading), reading["strings"], strict=False):
        cells |= {"status": string["status"]}
        inside = [c for c in reading["codes"] if centers_meet(string["quad"], c["quad"])]
        rows += [cells | _code_cells(c) for c in inside] or [cells | no_code]
        codes = [c for c in codes if c not in inside]
    common = {"file": reading["file"], "engine": reading["route"]}
    rows += [common | _code_cells(c) for c in codes]
    return rows or [common | {"status": reading["status"]} | no_code]


def _code_cells(code: output.ResultDict) -> dict[str, Any]:
    cells = (code["text"], code["confidence"], code["status"], code["reason"], code["pattern"])
    return dict(zip(CODE_COLUMNS, cells, strict=True))
