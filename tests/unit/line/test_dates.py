"""Printed dates: months without a day, two-digit years, punctuation that a pattern took away."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from industrial_ocr.line.dates import check_format, parse_date

TODAY = date(2026, 11, 29)


@pytest.mark.parametrize(
    ("text", "form", "found"),
    [
        ("2027-03-31", "%Y-%m-%d", date(2027, 3, 31)),
        ("03/2027", "%m/%Y", date(2027, 3, 31)),
        ("02/28", "%m/%y", date(2028, 2, 29)),
        ("29FEB2028", "%d %b %Y", date(2028, 2, 29)),
        ("29feb2028", "%d-%b-%Y", date(2028, 2, 29)),
        ("31 . 12 . 76", "%d.%m.%y", date(2076, 12, 31)),
        ("31.12.77", "%d.%m.%y", date(1977, 12, 31)),
        ("27060", "%y%j", date(2027, 3, 1)),
        ("1.2.2027", "%d.%m.%Y", date(2027, 2, 1)),
    ],
)
def test_a_date_as_it_is_printed(text: str, form: str, found: date) -> None:
    assert check_format(form) is None
    assert parse_date(text, form, TODAY) == found


@pytest.mark.parametrize(
    ("text", "form"),
    [("31.04.2027", "%d.%m.%Y"), ("29FEB2027", "%d%b%Y"), ("1112027", "%d.%m.%Y"), ("", "%m/%Y")],
)
def test_what_is_no_date_is_refused(text: str, form: str) -> None:
    with pytest.raises(ValueError, match="is not a date of the form"):
        parse_date(text, form, TODAY)


def test_two_digit_years_run_from_49_before_to_50_after() -> None:
    first, last = date(1977, 1, 1), date(2076, 12, 31)
    for days in range(0, (last - first).days + 1, 5):
        day = first + timedelta(days)
        assert parse_date(day.strftime("%y%m%d"), "%y%m%d", TODAY) == day


@pytest.mark.parametrize("form", ["%d.%m", "%Y", "%H:%M", "DD.MM.YYYY", "%d.%m.%"])
def test_a_format_without_year_and_month_is_refused(form: str) -> None:
    assert check_format(form) is not None
