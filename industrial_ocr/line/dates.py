"""Parses printed dates, which may have years of two digits or no day."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime


def check_format(form: str) -> str | None:
    """What is wrong with a date format; None if it can be used."""
    given = set(re.findall(r"%(.?)", form))
    if given - set("YymbBdj%"):
        return f"{form!r} may only have the codes %Y, %y, %m, %b, %B, %d and %j"
    if not given & set("Yy") or not given & set("mbBj"):
        return f"{form!r} needs a year (%Y or %y) and a month (%m, %b or %B), or a day (%j)"
    return None


def parse_date(text: str, form: str, today: date) -> date:
    """Parses a date; without a day, it is the last day of the month.

    Args:
        text: the text. White space is ignored, and all punctuation may be missing, because codes
            of a pattern have no separators.
        form: format of the date, as for ``strptime``.
        today: two-digit years are from 49 years before it to 50 years after it (GS1 General
            Specifications 7.12).

    Raises:
        ValueError: the text is not a date of this format.
    """
    text, form = "".join(text.split()), "".join(form.split())
    try:
        found = _strptime(text, form)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a date of the form {form}: {error}") from error
    if "%y" in form:
        found = found.replace(year=_nearest(found.year % 100, today.year))
    if "%d" not in form and "%j" not in form:
        found = found.replace(day=calendar.monthrange(found.year, found.month)[1])
    return found


def _strptime(text: str, form: str) -> date:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        bare_text, bare_form = re.sub(r"[\W_]", "", text), re.sub(r"[^\w%]|_", "", form)
        found = datetime.strptime(bare_text, bare_form)
        # Without punctuation, 1112027 could be 1 November or 11 January: the zeros must be there.
        if found.strftime(bare_form).upper() != bare_text.upper():
            raise
        return found.date()


def _nearest(year: int, this_year: int) -> int:
    """The year with these last two digits, from 49 years before to 50 years after this year."""
    return this_year - 49 + (year - (this_year - 49)) % 100
