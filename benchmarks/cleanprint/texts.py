"""What is printed: one function a kind of text, each takes a generator and returns a string.

Only symbols of ``industrial_ocr.patterns.charset.DEFAULT_SYMBOLS`` and single spaces are used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

DIGITS = "0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER = UPPER.lower()
LISTS = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").splitlines()
MONTHS, WORDS, UNITS = (line.split() for line in LISTS)
MARKS = "-/.:#()+&*',"

Rng = np.random.Generator


def take(rng: Rng, symbols: str, least: int, most: int | None = None) -> str:
    """``least`` to ``most`` symbols, drawn with replacement; exactly ``least`` without ``most``."""
    count = least if most is None else int(rng.integers(least, most + 1))
    return "".join(rng.choice(list(symbols), count))


def one_of(rng: Rng, *choices: str) -> str:
    """One of several texts."""
    return str(choices[int(rng.integers(len(choices)))])


def random_code(rng: Rng) -> str:
    """6 to 12 capitals and digits, some in two groups."""
    code = take(rng, UPPER + DIGITS, 6, 12)
    at = int(rng.integers(2, len(code) - 1))
    return code[:at] + one_of(rng, "", "", "-", " ", "/") + code[at:]


def letters_digits(rng: Rng) -> str:
    """Three letters and five digits."""
    return take(rng, UPPER, 3) + one_of(rng, "", "", "-", " ") + take(rng, DIGITS, 5)


def date(rng: Rng) -> str:
    """A date or a time, in one of many forms."""
    year, month, day = (int(rng.integers(*r)) for r in ((1998, 2040), (1, 13), (1, 29)))
    name, short = MONTHS[month - 1], year % 100
    return one_of(
        rng,
        f"{year}-{month:02}-{day:02}",
        f"{day:02}.{month:02}.{year}",
        f"{year}.{month:02}.{day:02}",
        f"{month:02}/{day:02}/{short:02}",
        f"{day}.{month}.{short:02}",
        f"{day:02} {name} {year}",
        f"{name} {day}, {year}",
        f"EXP {month:02}/{year}",
        f"{year}{month:02}{day:02}",
        f"MFG {year}/{month:02}",
        f"{day:02}-{name.title()}-{short:02} {day % 24:02}:{short % 60:02}",
    )


def decimal(rng: Rng) -> str:
    """A number with a decimal point or comma, some with a unit."""
    number = f"{int(rng.integers(0, 1000))}{one_of(rng, '.', '.', ',')}{take(rng, DIGITS, 1, 3)}"
    return number + one_of(rng, "", "", "", f" {one_of(rng, *UNITS)}")


def signed(rng: Rng) -> str:
    """A number that begins with a minus or plus, or a range of two."""
    number = f"{int(rng.integers(0, 1000))}"
    value = one_of(rng, number, f"{number}.{take(rng, DIGITS, 1, 2)}", f"{number}C")
    sign = one_of(rng, "-", "-", "+")
    low = int(rng.integers(5, 60))
    return one_of(rng, sign + value, sign + value, sign + value, f"-{low}..+{low + 20}C")


def runs(rng: Rng) -> str:
    """Runs of zeros or of one other character."""
    symbol = one_of(rng, "0", "0", "0", str(rng.choice(list(DIGITS + UPPER))))
    run = symbol * int(rng.integers(4, 9))
    tail = take(rng, DIGITS, 1, 2)
    return one_of(
        rng,
        f"LOT-{run}",
        f"SN-{run}",
        take(rng, UPPER, 1) + run,
        run,
        f"H{run}-{tail}",
        f"LOT {run}",
        run + tail,
    )


def wide(rng: Rng) -> str:
    """A code with one to three W or M among other symbols."""
    symbols = list(take(rng, UPPER + DIGITS, 5, 9))
    for _ in range(int(rng.integers(1, 4))):
        symbols[int(rng.integers(len(symbols)))] = one_of(rng, "W", "W", "M")
    return "".join(symbols)


def lot(rng: Rng) -> str:
    """A lot or batch code behind its name."""
    name = one_of(rng, "LOT ", "LOT", "L:", "B/N ", "Lot no. ", "LOT#", "CH.-B.: ", "BATCH ")
    body = one_of(
        rng,
        take(rng, UPPER + DIGITS, 5, 7),
        take(rng, DIGITS, 2) + "-" + take(rng, DIGITS, 4),
        take(rng, DIGITS, 5) + "-" + take(rng, UPPER, 1),
        take(rng, UPPER, 1) + take(rng, DIGITS, 6),
    )
    return name + body


def version(rng: Rng) -> str:
    """A version or revision."""
    one, two, three = (int(n) for n in rng.integers(0, 13, 3))
    return one_of(
        rng,
        f"V{one}.{two}.{three}",
        f"v{one}.{two}",
        f"Rev. {one}.{two}",
        f"REV {take(rng, UPPER, 1)}{one}",
        f"FW {one}.{two:02}.{three}",
        f"HW:{one}.{two}/SW:{three}.{one}",
    )


def fraction(rng: Rng) -> str:
    """A fraction or a ratio."""
    under = int(rng.choice([2, 3, 4, 8, 16, 32]))
    over = int(rng.integers(1, under))
    whole = int(rng.integers(1, 12))
    return one_of(
        rng,
        f"{over}/{under}",
        f"{whole}-{over}/{under}",
        f"G {over}/{under}",
        f"{over}/{under} NPT",
        f"{whole}:{under}",
        f"{whole}/{under}",
    )


def price(rng: Rng) -> str:
    """A price in one of several forms."""
    whole, cents = int(rng.integers(0, 1000)), take(rng, DIGITS, 2)
    return one_of(
        rng,
        f"{whole},{cents}",
        f"{whole}.{cents}",
        f"EUR {whole},{cents}",
        f"{whole % 9 + 1}.{whole:03},{cents}",
        f"{whole}.{cents}/kg",
        f"{whole},- CHF",
        f"{whole % 9 + 1}'{whole:03}.{cents}",
    )


def gs1(rng: Rng) -> str:
    """A GS1 element string with its application identifiers in parentheses."""
    gtin = "0" + take(rng, DIGITS, 13)
    expiry = (
        f"{int(rng.integers(24, 40))}{int(rng.integers(1, 13)):02}{int(rng.integers(1, 29)):02}"
    )
    return one_of(
        rng,
        f"(01){gtin}(21){take(rng, UPPER + DIGITS, 3, 6)}",
        f"(01){gtin}",
        f"(10){take(rng, UPPER + DIGITS, 4, 7)}",
        f"(17){expiry}(10){take(rng, UPPER + DIGITS, 4, 6)}",
        f"(00){take(rng, DIGITS, 18)}",
    )


def repeated(rng: Rng) -> str:
    """A serial in which most characters stand twice or three times in a row."""
    parts = [c * int(rng.integers(1, 4)) for c in take(rng, UPPER + DIGITS, 3, 5)]
    return one_of(rng, "", "", "SN-", "S/N ") + "".join(parts)


def words(rng: Rng) -> str:
    """Mixed-case words and a value with its unit."""
    some = " ".join(one_of(rng, *WORDS) for _ in range(int(rng.integers(1, 4))))
    value = one_of(rng, f"{int(rng.integers(1, 999))}", f"{int(rng.integers(1, 99))}.5")
    unit = one_of(rng, *UNITS)
    return one_of(rng, some, some, f"{some} {value} {unit}", f"{value} {unit}", f"{some}: {value}")


def lower_code(rng: Rng) -> str:
    """A code of small letters and digits."""
    return one_of(
        rng,
        take(rng, LOWER + DIGITS, 6, 10),
        take(rng, "abcdef" + DIGITS, 8, 12),
        f"{take(rng, LOWER, 3)}-{take(rng, LOWER + DIGITS, 4)}",
        take(rng, UPPER, 1) + take(rng, LOWER, 2, 4) + take(rng, DIGITS, 3),
    )


def marks(rng: Rng) -> str:
    """A code with one of the marks at its beginning, inside or at its end."""
    code = take(rng, UPPER + DIGITS, 4, 7)
    mark = one_of(rng, *MARKS)
    at = int(rng.choice([0, int(rng.integers(1, len(code))), len(code)]))
    return code[:at] + mark + code[at:]


def long(rng: Rng) -> str:
    """30 to 60 characters: several texts of the other kinds after each other."""
    text = ""
    while len(text) < 30:
        make = KINDS[SHORT[int(rng.integers(len(SHORT)))]]
        text = f"{text} {make(rng)}".strip()
    return text[:60].strip()


KINDS: dict[str, Callable[[Rng], str]] = {
    "random code": random_code,
    "letters and digits": letters_digits,
    "date": date,
    "decimal": decimal,
    "signed": signed,
    "runs": runs,
    "W and M": wide,
    "lot": lot,
    "version": version,
    "fraction": fraction,
    "price": price,
    "GS1": gs1,
    "repeated": repeated,
    "words": words,
    "lower case": lower_code,
    "marks": marks,
    "long": long,
}
"""Every kind of single string by name."""
SHORT = tuple(k for k in KINDS if k != "long")
