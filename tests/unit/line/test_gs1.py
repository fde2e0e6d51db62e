"""GS1 element strings; check digits computed by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
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


def test_what_is_printed_in_any_order_is_read_back() -> None:
    random = np.random.default_rng(0)
    symbols = list("ABCXYZ0123456789-./")
    for _ in range(200):
        values = {
            "01": "09780471117094",
            "10": "".join(random.choice(symbols, random.integers(1, 21))),
            "21": "".join(random.choice(symbols, random.integers(1, 21))),
            "3103": f"{random.integers(10**6):06d}",
            "37": str(random.integers(1, 10**8)),
        }
        names = random.permutation(list(values))[: random.integers(1, 6)]
        text = "".join(f"({name}){values[name]}" for name in names)
        assert parse_element_strings(text, TODAY) == {name: values[name] for name in names}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(01)09780471117095", "check digit is 5, should be 4"),
        ("(01)978047111709", "does not have the form N14"),
        ("(17)270231", "has no day 31"),
        ("(10)" + "A" * 21, "does not have the form"),
        ("(04)12", "does not start with"),
        ("LOT 12", "does not start with"),
        ("(10)A(10)B", "twice"),
        ("", "no GS1 element strings"),
    ],
)
def test_what_gs1_does_not_allow(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_element_strings(text, TODAY)
