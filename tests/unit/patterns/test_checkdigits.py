"""Check digits against published numbers; every other digit in its place is refused."""

from __future__ import annotations

import pytest

from industrial_ocr.errors import PatternError
from industrial_ocr.patterns.checkdigits import (
    mrz_check_digit,
    validate_rule,
    verify,
    vin_check_digit,
)

TD3 = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
TD3_UPPER = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
TD2 = "D231458907UTO7408122F1204159<<<<<<<6"
TD1 = "I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<"

GOOD = [
    # ISO 6346 (Wikipedia's example), python-stdnum.
    ("iso6346", "CSQU3054383"),
    ("iso6346", "TASU1170000"),
    # 49 CFR 565, and the number that is 1 throughout.
    ("vin", "1M8GDM9AXKP042788"),
    ("vin", "11111111111111111"),
    ("vin", "1HGCM82633A004352"),
    # 3GPP TS 23.003, python-stdnum.
    ("luhn", "490154203237518"),
    ("luhn", "354178036859789"),
    ("luhn", "79927398713"),
    # GS1: one of each length.
    ("gs1", "73513537"),
    ("gs1", "036000291452"),
    ("gs1", "9780471117094"),
    ("gs1", "98412345678908"),
    ("gs1", "106141412345678908"),
    ("gs1", "(01)98412345678908(17)251200(10)A"),
    # python-stdnum, ISO 7064.
    ("mod97", "9999123456789012141490"),
    ("mod97", "08686001256515001121751"),
    # ICAO Doc 9303 parts 4 to 6.
    ("mrz", TD3),
    ("mrz", TD3_UPPER + TD3),
    ("mrz", TD2),
    ("mrz", TD1),
    ("mrz", TD1[:30]),
    ("mrz", "I<UTOD23145890<7349<<<<<<<<<<<"),
    ("mrz", "IDUTO123456789<07<<<<<<<<<<<<<"),
    ("none", "?"),
]


@pytest.mark.parametrize(("rule", "code"), GOOD)
def test_published_numbers_pass(rule: str, code: str) -> None:
    assert verify(code, rule).ok, verify(code, rule).message


@pytest.mark.parametrize(
    ("rule", "code", "place"),
    [
        ("iso6346", "CSQU3054383", 10),
        ("vin", "1M8GDM9AXKP042788", 8),
        ("luhn", "354178036859789", 14),
        ("gs1", "98412345678908", 13),
        ("gs1", "(01)98412345678908(17)251200", 17),
        ("mod97", "9999123456789012141490", 21),
        ("mrz", TD3, 9),
        ("mrz", TD3, 19),
        ("mrz", TD3, 27),
        ("mrz", TD3, 42),
        ("mrz", TD3, 43),
        ("mrz", TD2, 35),
        ("mrz", TD1, 14),
        ("mrz", TD1, 59),
    ],
)
def test_no_other_digit_passes_in_its_place(rule: str, code: str, place: int) -> None:
    for digit in "0123456789X"[: 11 if rule == "vin" else 10]:
        other = code[:place] + digit + code[place + 1 :]
        assert verify(other, rule).ok == (digit == code[place]), other


@pytest.mark.parametrize(
    ("rule", "code"),
    [("luhn", "354178036859789"), ("gs1", "98412345678908"), ("mod97", "9999123456789012141490")],
)
def test_every_single_misread_digit_is_found(rule: str, code: str) -> None:
    for place, right in enumerate(code):
        for digit in "0123456789".replace(right, ""):
            assert not verify(code[:place] + digit + code[place + 1 :], rule).ok


@pytest.mark.parametrize(
    ("rule", "code", "message"),
    [
        ("iso6346", "CSQU3054384", "the check digit is 4, should be 3"),
        ("iso6346", "CSQU30543", "four letters and seven digits"),
        ("vin", "1M8GDM9A1KP042788", "the check digit is 1, should be X"),
        ("vin", "1M8GDM9AXKPO42788", "without I, O and Q"),
        ("luhn", "12A", "needs digits"),
        ("gs1", "(17)250230", r"(17): FEB 2025 has no day 30"),
        ("gs1", "(17)251331", r"(17): there is no month 13"),
        ("gs1", "(01)98412345678907", r"(01): the check digit is 7, should be 8"),
        ("mod97", "99991234567890121414AA", "two digits at the end"),
        ("mrz", TD3[:9] + "7" + TD3[10:], "check digit of the document number is 7, should be 6"),
        ("mrz", "ABC", "no machine-readable zone has 3 characters"),
    ],
)
def test_what_is_wrong_is_said(rule: str, code: str, message: str) -> None:
    result = verify(code, rule)
    assert not result.ok and message in result.message and result.rule == rule


def test_an_empty_personal_number_may_lack_its_digit() -> None:
    head = TD3[:28] + "<" * 14
    for digit in "<0":
        line = head + digit
        composite = mrz_check_digit(line[:10] + line[13:20] + line[21:43])
        assert verify(line + composite, "mrz").ok


@pytest.mark.parametrize(("born", "real"), [("740812", True), ("741312", False), ("74<<<<", True)])
def test_dates_in_a_machine_readable_zone_are_real(born: str, real: bool) -> None:
    line = TD3[:13] + born + mrz_check_digit(born) + TD3[20:43]
    line += mrz_check_digit(line[:10] + line[13:20] + line[21:43])
    assert verify(line, "mrz").ok == real


@pytest.mark.parametrize(
    ("form", "code", "message"),
    [
        ("YYYY-MM-DD", "2024-02-29", None),
        ("YYYY-MM-DD", "20240229", None),
        ("YYYY-MM-DD", "2023-02-29", "FEB 2023 has no day 29"),
        ("YYYY-MM-DD", "1900-02-29", "FEB 1900 has no day 29"),
        ("YYYY-MM-DD", "2000-02-29", None),
        ("YYYY-MM-DD", "2024-04-31", "APR 2024 has no day 31"),
        ("YYYY-MM-DD", "2024-01-00", "JAN 2024 has no day 00"),
        ("YYYY-MM-DD", "2024-00-01", "there is no month 00"),
        ("YYYY-MM-DD", "0000-01-01", "there is no year 0"),
        ("DD.MM.YYYY", "31/12/2025", None),
        ("DD.MM", "29.02", None),
        ("DD.MM", "30.02", "has no day 30"),
        ("MM/YY", "13/27", "there is no month 13"),
        ("DDMMMYYYY", "29feb2024", None),
        ("DDMMMYYYY", "31SEP2024", "SEP 2024 has no day 31"),
        ("DDMMMYYYY", "01FOO2024", "is no date of the form"),
        ("YYMMDD", "240229", None),
        ("*WWYY", "DOTU2LLLMLR5107", None),
        ("*WWYY", "DOTU2LLLMLR0007", "2007 has no week 00"),
        ("*WWYY", "5407", "2007 has no week 54"),
        ("WWYY", "5320", None),  # ISO 8601 has a week 53 in 2020
        ("WWYY", "5323", None),  # 2023 has 53 Sundays
        ("WWYY", "5321", "2021 has no week 53"),
        ("WWYYYY", "531992", None),
    ],
)
def test_the_calendar(form: str, code: str, message: str | None) -> None:
    result = verify(code, f"date:{form}")
    assert result.ok == (message is None)
    assert (message or "the date exists") in result.message


@pytest.mark.parametrize("rule", ["crc", "date:", "date:DDQQ", "date:*", "date:YYYYYYYY", "date:-"])
def test_unknown_rules(rule: str) -> None:
    with pytest.raises(PatternError):
        validate_rule(rule)


def test_a_container_remainder_of_ten_is_written_as_zero() -> None:
    values = [v for v in range(10, 39) if v % 11]
    letters = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", values, strict=True))
    seen = set()
    for serial in range(100000, 100040):
        code = f"HLXU{serial}"
        total = sum((letters.get(c) or int(c, 36)) * 2**i for i, c in enumerate(code))
        seen.add(total % 11)
        assert verify(f"{code}{total % 11 % 10}", "iso6346").ok
    assert 10 in seen


def test_vin_letters_carry_their_weights() -> None:
    assert vin_check_digit("1M8GDM9A_KP042788".replace("_", "0")) == "X"
    assert vin_check_digit("5GZCZ43D_3S812715".replace("_", "0")) == "1"
