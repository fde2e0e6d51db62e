"""Parses printed GS1 element strings, such as ``(01)09780471117094(17)270331(10)A1``.

The table of application identifiers comes from python-stdnum. Its parser is not used, because it
does not check lengths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

from industrial_ocr.line.dates import parse_date
from industrial_ocr.patterns.checkdigits import verify


def parse_element_strings(text: str, today: date) -> dict[str, str]:
    """The values by application identifier.

    Args:
        text: the text, with or without parentheses around the identifiers; white space is ignored.
            Without parentheses, only the last value may have a variable length.
        today: decides the century, see ``parse_date``.

    Returns:
        Values as printed, but dates of six digits are in ISO 8601. The day 00 is the last day of
        the month.

    Raises:
        ValueError: an identifier is unknown; a value has a wrong form, check digit or date; or the
            text is empty.
    """
    fields: dict[str, str] = {}
    for identifier, value, entry in _elements("".join(text.split())):
        check = verify(f"({identifier}){value}", "gs1")
        if not check.ok:
            raise ValueError(check.message)
        if entry["type"] == "date" and entry["format"] == "N6":
            month_only = value.endswith("00")
            form = "%y%m" if month_only else "%y%m%d"
            value = parse_date(value[:4] if month_only else value, form, today).isoformat()
        if fields.setdefault(identifier, value) != value:
            raise ValueError(f"({identifier}) is there twice, with different values")
    if not fields:
        raise ValueError("there are no GS1 element strings")
    return fields


def _elements(rest: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Identifier, value and row of the table for each element string."""
    while rest:
        printed = re.match(r"\((\d+)\)([^(]*)", rest)
        identifier, entry = _table().info(printed[1] if printed else rest)[0]
        if not entry or (printed and identifier != printed[1]):
            raise ValueError(f"{rest!r} does not start with a GS1 application identifier")
        value = printed[2] if printed else rest[len(identifier) :]
        found = re.match(_expression(entry["format"]), value)
        if not found or (printed and found.end() < len(value)):
            raise ValueError(f"({identifier}): {value!r} does not have the form {entry['format']}")
        yield identifier, found[0], entry
        rest = rest[printed.end() if printed else len(identifier) + found.end() :]


@cache
def _table() -> Any:
    from stdnum import numdb

    return numdb.get("gs1_ai")


def _expression(form: str) -> str:
    """The regular expression for a form in the table, such as ``N13[+X..17]``."""

    def part(match: re.Match[str]) -> str:
        kind, least, dots, most = match.groups()
        length = f"{least or 1},{most}" if dots else least
        return (r"\d" if kind == "N" else ".") + f"{{{length}}}"

    form = re.sub(r"\[\+|\+\[", "(?:", form).replace("]", ")?").replace("+", "")
    return re.sub(r"([NXYZ])(\d*)(?:(\.\.)N?(\d+))?", part, form)
