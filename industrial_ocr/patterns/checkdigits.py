"""Check digits and calendar rules that a code must satisfy besides its pattern.

python-stdnum computes Luhn, GS1, ISO 6346 and ISO 7064; it is imported when needed.
"""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from industrial_ocr.errors import PatternError

MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_GS1_DATES = frozenset({"11", "12", "13", "15", "16", "17"})
_DATE_FIELDS = {
    "YYYY": r"(?P<YYYY>\d{4})",
    "YY": r"(?P<YY>\d{2})",
    "MMM": rf"(?P<MMM>{'|'.join(MONTH_NAMES)})",
    "MM": r"(?P<MM>\d{2})",
    "DD": r"(?P<DD>\d{2})",
    "WW": r"(?P<WW>\d{2})",
    "*": r".*",
}


@dataclass(frozen=True)
class CheckResult:
    """Whether a code satisfies a rule.

    Attributes:
        ok: whether it does.
        rule: name of the rule; ``pattern`` if the text does not match the pattern.
        message: one sentence for people.
    """

    ok: bool
    rule: str
    message: str


def verify(code: str, rule: str) -> CheckResult:
    """Applies a rule to a code without separators.

    Args:
        code: upper case.
        rule: ``none``, ``iso6346``, ``vin``, ``luhn``, ``gs1``, ``mod97``, ``mrz`` or
            ``date:FORMAT``. FORMAT consists of ``YYYY YY MM MMM DD WW``, ``*`` for anything, and
            punctuation, which is not compared: ``date:DD.MM.YYYY``.

    Raises:
        PatternError: there is no such rule.
    """
    validate_rule(rule)
    if rule.startswith("date:"):
        wrong = _date(code, rule.removeprefix("date:"))
        return CheckResult(wrong is None, rule, wrong or "the date exists")
    wrong = _RULES[rule](code)
    good = "no check is declared" if rule == "none" else "the check digit is right"
    return CheckResult(wrong is None, rule, wrong or good)


def validate_rule(rule: str) -> None:
    """Raises PatternError if there is no such rule or its date format is not valid."""
    if rule.startswith("date:"):
        _date_expression(rule.removeprefix("date:"))
    elif rule not in _RULES:
        raise PatternError(
            f"there is no check {rule!r}; the checks are {', '.join(_RULES)}, date:FORMAT"
        )


def vin_check_digit(vin: str) -> str:
    """The ninth character of a VIN from the other sixteen (49 CFR 565.15(c), tables III to V)."""
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
    values |= {digit: int(digit) for digit in "0123456789"}
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(weight * values[c] for weight, c in zip(weights, vin, strict=True))
    return "0123456789X"[total % 11]


def mrz_check_digit(field: str) -> str:
    """ICAO Doc 9303 part 3, section 4.9: weights 7, 3, 1; A is 10, filler ``<`` is 0."""
    values = (0 if c == "<" else int(c, 36) for c in field)
    return str(sum(v * (7, 3, 1)[i % 3] for i, v in enumerate(values)) % 10)


def _differs(found: str, right: str, what: str = "the check digit") -> str | None:
    return None if found == right else f"{what} is {found}, should be {right}"


def _iso6346(code: str) -> str | None:
    """ISO 6346:2022 annex A."""
    from stdnum import iso6346

    if not re.fullmatch(r"[A-Z]{4}[0-9]{7}", code):
        return "a container code has four letters and seven digits"
    return _differs(code[-1], iso6346.calc_check_digit(code[:-1]))


def _vin(code: str) -> str | None:
    if not re.fullmatch(r"[A-HJ-NPR-Z0-9]{17}", code):
        return "a VIN has 17 letters and digits without I, O and Q"
    return _differs(code[8], vin_check_digit(code))


def _luhn(code: str) -> str | None:
    """ISO/IEC 7812-1 annex B."""
    from stdnum import luhn

    if not re.fullmatch(r"[0-9]{2,}", code):
        return "a Luhn check needs digits"
    return _differs(code[-1], luhn.calc_check_digit(code[:-1]))


def _gs1(code: str) -> str | None:
    """GS1 General Specifications 7.9.1, and real dates in element strings."""
    if not code.startswith("("):
        return _gs1_digits(code)
    for identifier, value in re.findall(r"\((\d+)\)([^(]*)", code):
        wrong = None
        if identifier in ("00", "01", "02"):
            wrong = _gs1_digits(value)
        elif identifier in _GS1_DATES:
            # Day 00 means the whole month (section 3.4).
            wrong = _date(value, "YYMM*" if value.endswith("00") else "YYMMDD")
        if wrong:
            return f"({identifier}): {wrong}"
    return None


def _gs1_digits(code: str) -> str | None:
    from stdnum import ean

    if not re.fullmatch(r"[0-9]{2,}", code):
        return "a GS1 check needs digits"
    return _differs(code[-1], ean.calc_check_digit(code[:-1]))


def _mod97(code: str) -> str | None:
    """ISO/IEC 7064 MOD 97-10."""
    from stdnum.iso7064 import mod_97_10

    if not re.fullmatch(r"[0-9A-Z]+[0-9]{2}", code):
        return "a mod 97 check needs letters and digits with two digits at the end"
    return _differs(code[-2:], mod_97_10.calc_check_digits(code[:-2]), "the pair of check digits")


_MrzField = tuple[str, str, str]
"""Name, characters and check digit of a field of a machine-readable zone."""


def _mrz(code: str) -> str | None:
    """ICAO Doc 9303 parts 4 to 6: TD3 (line 2, or both), TD2 (line 2), TD1 (line 1, or all)."""
    if len(code) in (36, 44, 72, 88):
        fields, dates = _line_2_fields(code[-44:] if len(code) in (44, 88) else code[-36:])
    elif len(code) in (30, 90):
        fields, dates = _td1_fields(code)
    else:
        return f"no machine-readable zone has {len(code)} characters"
    for name, field, digit in fields:
        right = mrz_check_digit(field)
        # An empty personal number may have a filler for its check digit.
        if digit != right and not (name == "personal number" and digit == "<" and right == "0"):
            return _differs(digit, right, f"the check digit of the {name}")
    # Unknown parts of a date are filled with "<"; such dates are not checked.
    wrong = (_date(date, "YYMMDD") for date in dates if "<" not in date)
    return next(filter(None, wrong), None)


def _line_2_fields(line: str) -> tuple[list[_MrzField], list[str]]:
    """The fields and dates of line 2: 44 characters in a passport (TD3), 36 in TD2."""
    personal = [("personal number", line[28:42], line[42])] if len(line) == 44 else []
    fields = [
        ("document number", line[:9], line[9]),
        ("date of birth", line[13:19], line[19]),
        ("date of expiry", line[21:27], line[27]),
        *personal,
        ("line", line[:10] + line[13:20] + line[21:-1], line[-1]),
    ]
    return fields, [line[13:19], line[21:27]]


def _td1_fields(code: str) -> tuple[list[_MrzField], list[str]]:
    """The fields and dates of an identity card: of line 1, or of all three lines."""
    number, digit = code[5:14], code[14]
    rest = code[15:30].partition("<")[0]
    if digit == "<" and rest:
        # A number of more than nine characters continues in the optional data (note j).
        number, digit = number + rest[:-1], rest[-1]
    fields = [("document number", number, digit)]
    if len(code) == 30:
        return fields, []
    fields += [
        ("date of birth", code[30:36], code[36]),
        ("date of expiry", code[38:44], code[44]),
        ("lines", code[5:37] + code[38:45] + code[48:59], code[59]),
    ]
    return fields, [code[30:36], code[38:44]]


def _date(code: str, form: str) -> str | None:
    """What is wrong with a date; None if it exists. Two-digit years are those from 2000 on."""
    letters_and_digits = "".join(c for c in code if c.isalnum()).upper()
    found = _date_expression(form).fullmatch(letters_and_digits)
    if found is None:
        return f"{code} is no date of the form {form}"
    parts = found.groupdict()
    # A date without a year gets a leap year, so that 29 February passes.
    year = int(parts.get("YYYY") or f"20{parts.get('YY') or '00'}")
    if year < datetime.MINYEAR:
        return f"{code}: there is no year 0"
    if parts.get("WW"):
        return _week(int(parts["WW"]), year)
    month = MONTH_NAMES.index(parts["MMM"]) + 1 if parts.get("MMM") else int(parts.get("MM") or 1)
    if not 1 <= month <= 12:
        return f"there is no month {month:02d}"
    days = calendar.monthrange(year, month)[1]
    if parts.get("DD") and not 1 <= int(parts["DD"]) <= days:
        return f"{MONTH_NAMES[month - 1]} {year} has no day {parts['DD']}"
    return None


def _week(week: int, year: int) -> str | None:
    """Week 53 exists if 49 CFR 574.5 (which counts Sundays) or ISO 8601 has one in this year."""
    # The year has 53 Sundays if its first day, or in a leap year one of its first two, is one.
    first = datetime.date(year, 1, 1).weekday()
    has_53_sundays = first == calendar.SUNDAY or (
        calendar.isleap(year) and first == calendar.SATURDAY
    )
    has_iso_53 = datetime.date(year, 12, 28).isocalendar()[1] == 53
    most = 53 if has_53_sundays or has_iso_53 else 52
    return None if 1 <= week <= most else f"{year} has no week {week:02d}"


@lru_cache(maxsize=64)
def _date_expression(form: str) -> re.Pattern[str]:
    """A date format as a regular expression over letters and digits."""
    fields = re.findall("YYYY|YY|MMM|MM|DD|WW|[*]|[A-Za-z0-9]", form)
    unknown = [f for f in fields if f not in _DATE_FIELDS]
    if unknown or not set(fields) - {"*"} or len(set(fields)) < len(fields):
        raise PatternError(
            f"a date format has YYYY, YY, MM, MMM, DD or WW, each once, * and marks, got {form!r}"
        )
    return re.compile("".join(_DATE_FIELDS[f] for f in fields), re.IGNORECASE)


_RULES: dict[str, Callable[[str], str | None]] = {
    "none": lambda code: None,
    "iso6346": _iso6346,
    "vin": _vin,
    "luhn": _luhn,
    "gs1": _gs1,
    "mod97": _mod97,
    "mrz": _mrz,
}
