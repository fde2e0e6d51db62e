"""Prints readings as a table for people and as CSV for programs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from rich.markup import escape

from industrial_ocr.cli import output

CORNERS = ("x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")
STRING_COLUMNS = (
    *("file", "string", "text", "confidence", "status", "reason", "direction", "engine"),
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
    for read in (*reading.get("codes", ()), *reading["strings"]):
        text = escape(read["text"])
        if "pattern" in read:
            text = f"[bold]{text}[/] {escape(read['pattern'])}"
        if read["status"] != "ok":
            text += f"[dim]: {escape(read['reason'])}[/]"
        rows.append((text, f"{read['confidence']:.3f}"))
    if not reading["strings"]:
        rows.append(("", ""))
    return rows


def print_csv(readings: Iterable[output.ResultDict], with_codes: bool = False) -> None:
    """Prints a line per string, numbered from 0 in its file; a file without text has one line.

    Args:
        readings: the readings.
        with_codes: whether a pattern was given. If so, ``CODE_COLUMNS`` have the code of a string,
            and a code outside all strings has a line of its own.
    """
    columns = (*STRING_COLUMNS, *CODE_COLUMNS) if with_codes else STRING_COLUMNS
    rows = map(_code_rows if with_codes else _string_rows, readings)
    output.print_rows(columns, chain.from_iterable(rows))


def _string_rows(reading: output.ResultDict) -> list[dict[str, Any]]:
    """The cells of ``STRING_COLUMNS``.

    If no string has the status of the image, the last row has that status and its reason alone.
    """
    common = {"file": reading["file"], "engine": reading["route"]}
    shown = ("text", "confidence", "status", "reason", "direction")
    rows = []
    for number, string in enumerate(reading["strings"]):
        own = {name: string[name] for name in shown}
        corners = dict(zip(CORNERS, chain.from_iterable(string["quad"]), strict=True))
        rows.append(common | {"string": number} | own | corners)
    if all(row["status"] != reading["status"] for row in rows):
        rows.append(common | {name: reading[name] for name in ("status", "reason")})
    return rows


def _code_rows(reading: output.ResultDict) -> list[dict[str, Any]]:
    """The cells of ``STRING_COLUMNS`` and ``CODE_COLUMNS``."""
    from industrial_ocr.results.geometry import centers_meet

    codes = list(reading["codes"])
    # If no code was found, the status of the image says why.
    no_code = {} if codes else {"code_status": reading["status"], "code_reason": reading["reason"]}
    rows, own = [], _string_rows(reading)
    for cells, string in zip(own, reading["strings"], strict=False):
        inside = [c for c in reading["codes"] if centers_meet(string["quad"], c["quad"])]
        rows += [cells | _code_cells(c) for c in inside] or [cells | no_code]
        codes = [c for c in codes if c not in inside]
    common = {"file": reading["file"], "engine": reading["route"]}
    rows += [common | _code_cells(c) for c in codes]
    return rows or [own[-1] | no_code]


def _code_cells(code: output.ResultDict) -> dict[str, Any]:
    cells = (code["text"], code["confidence"], code["status"], code["reason"], code["pattern"])
    return dict(zip(CODE_COLUMNS, cells, strict=True))
