"""GS1 element strings; check digits computed by hand."""

from __future__ import annotations

from datetime import date

import pytest

from industrial_ocr.line.gs1 import parse_element_strings

TODAY = date(2026, 11, 29)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            "(01) 09780471117094 (17) 270300 (10) A/1-b",
            {"01": "09780471117094", "17": "2027-03-31", "10": "A/1-b"},
        ),
        (
            "0109780471117094172703311021X",
            {"01": "09780471117094", "17": "2027-03-31", "10": "21X"},
        ),
        ("(00)106141412345678908", {"00": "106141412345678908"}),
        ("(3103)001500(15)760101", {"3103": "001500", "15": "2076-01-01"}),
        ("(4330)000150-(30)12", {"4330": "000150-", "30": "12"}),
        ("(253)9501101530003ABC", {"253": "9501101530003ABC"}),
    ],
)
def test_values_by_identifier(text: str, fields: dict[str, str]) -> None:
    assert parse_element_strings(text, TODAY) == fields


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(01)09780471117095", "check digit is 5, should be 4"),
        ("(01)978047111709", "has not the form N14"),
        ("(17)270231", "has no day 31"),
        ("(10)" + "A" * 21, "has not the form"),
        ("(04)12", "does not start with"),
        ("LOT 12", "does not start with"),
        ("(10)A(10)B", "twice"),
        ("", "no GS1 element strings"),
    ],
)
def test_what_gs1_does_not_allow(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_element_strings(text, TODAY)
