"""What the synthetic pictures say: codes that are no language, dates, words and marks."""

from __future__ import annotations

import string
from functools import lru_cache
from pathlib import Path

import numpy as np

DIGITS = string.digits
UPPER = string.ascii_uppercase
LOWER = string.ascii_lowercase
MARKS = "-/.:#()+&*',"
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
CAPTIONS = (
    "S/N", "P/N", "LOT", "LOT NO.", "BATCH", "EXP", "EXP.", "MFG", "MFD", "SN:", "PN:", "REV.",
    "MODEL", "TYPE", "Model:", "Type:", "Serial No.", "MADE IN CHINA", "MADE IN JAPAN", "MALAYSIA",
    "KOREA", "PHILIPPINES", "TAIWAN", "MEXICO", "GERMANY", "MAX. WT.", "TARE", "NET", "CU.CAP.",
    "KGS", "LBS", "CU.M.", "CU.FT.", "PAYLOAD", "MAX GROSS", "CALIFORNIA", "TEXAS", "OHIO",
    "IP65", "50/60Hz", "230V", "12V", "24V", "kW", "bar", "CE", "BEST BEFORE",
    "USE BY", "Bj.", "Nr.",
)  # fmt: skip
TEMPLATES = (
    "AAAA9999999", "AAAA 999999 9", "99A9", "AA999AA", "AAA9999", "9999AAA", "999 AAA", "AA99 AAA",
    "AAA-9999", "9AAA999", "AA-99-99", "A99999", "A9A9A9A9", "XXXXXXXXXXXXXXXXX", "99/99/99",
    "99.99.9999", "L9999", "LOT 99999", "EXP 99/9999", "99:99", "9999999999999", "99999999",
    "AA99AAA9", "74LS99", "SN74LS99N", "HD74LS999P", "74HC999", "AAA99999", "99AA9AA", "9999",
    "999", "99", "A9", "AA", "9A", "AAA", "AAAA", "999.999", "99.9", "9.99", "(99)99999", "#9999",
    "A-999", "AA 9999-99", "99999 999", "AA:99:A9:9A:99:AA", "AAA/999", "9+9", "A&A", "*9999*",
)  # fmt: skip


COMMON = 11_000
"""So many words of the shipped list, its levels 10 and 20, are those of every page."""


@lru_cache(maxsize=4)
def load_words(path: str) -> tuple[str, ...]:
    """The words of a file, one a line, kept where they are plain A-Z a-z and at least 2 long."""
    lines = Path(path).read_text(encoding="utf-8", errors="ignore").split()
    return tuple(w for w in lines if len(w) > 1 and w.isascii() and w.isalpha())


def shipped_words() -> tuple[str, ...]:
    """The word list inside the package, its commonest words three times.

    SCOWL's English and American words, names and abbreviations of levels 10 to 50, from the common
    levels to the rare (see data/words.txt.LICENSE).
    """
    words = load_words(str(Path(__file__).parent / "data" / "words.txt"))
    return words + 2 * words[:COMMON]


def _pick(rng: np.random.Generator, alphabet: str, count: int) -> str:
    return "".join(alphabet[i] for i in rng.integers(0, len(alphabet), count))


def fill_template(rng: np.random.Generator, template: str) -> str:
    """Replaces A by a letter, 9 by a digit, X by either; everything else stays."""
    alphabets = {"A": UPPER, "9": DIGITS, "X": UPPER + DIGITS}
    return "".join(_pick(rng, alphabets[c], 1) if c in alphabets else c for c in template)


def random_code(rng: np.random.Generator, lower: float = 0.15, marks: float = 0.25) -> str:
    """A code that follows no pattern; ``lower`` and ``marks`` are chances of such characters."""
    length = int(rng.integers(1, 15))
    kind = rng.random()
    # Where codes mix letters and digits, every second symbol is a digit, not every fourth.
    alphabet = DIGITS if kind < 0.25 else UPPER if kind < 0.4 else UPPER + 2 * DIGITS
    if rng.random() < lower:
        alphabet += LOWER
    text = list(_pick(rng, alphabet, length))
    if length > 2 and rng.random() < marks:
        for at in rng.integers(1, length - 1, int(rng.integers(1, 3))):
            text[at] = MARKS[int(rng.integers(len(MARKS)))]
    if length > 5 and rng.random() < 0.2:
        text.insert(int(rng.integers(2, length - 1)), " ")
    return "".join(text)


def random_date(rng: np.random.Generator) -> str:
    """A calendar date or time in one of the forms that printers use."""
    day, month, year = (int(rng.integers(a, b)) for a, b in ((1, 32), (1, 13), (2000, 2040)))
    y2, name = year % 100, MONTHS[month - 1]
    forms = (
        f"{day:02d}.{month:02d}.{year}", f"{day:02d}/{month:02d}/{y2:02d}", f"{name} {year}",
        f"{year}-{month:02d}-{day:02d}", f"{year}{month:02d}{day:02d}", f"{day:02d}{name}{y2:02d}",
        f"{month:02d}/{year}", f"{y2:02d}{int(rng.integers(1, 53)):02d}",
        f"{day % 24:02d}:{month * 4:02d}", f"EXP {day:02d} {name} {y2:02d}",
    )  # fmt: skip
    return forms[int(rng.integers(len(forms)))]


def random_word(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    """A word in lower, upper, title or (rarely) mixed case; seldom with a digit or mark beside."""
    word = words[int(rng.integers(len(words)))]
    case = rng.random()
    if case < 0.38:
        word = word.upper()
    elif case < 0.72:
        word = word.capitalize()
    elif case < 0.97:
        word = word.lower()
    else:
        word = "".join(c.upper() if rng.random() < 0.5 else c.lower() for c in word)
    extra = rng.random()
    if extra < 0.03:
        word += "'s" if word.islower() else "'S"
    elif extra < 0.06:
        word += ".,:-)"[int(rng.integers(5))]
    return word


def random_text(rng: np.random.Generator, words: tuple[str, ...], word_share: float = 0.3) -> str:
    """A text of any kind; ``word_share`` is the chance of dictionary words (language)."""
    if rng.random() < word_share:
        count = 1 if rng.random() < 0.8 else 2
        return " ".join(random_word(rng, words) for _ in range(count))
    kind = rng.random()
    if kind < 0.45:
        return random_code(rng)
    if kind < 0.78:
        return fill_template(rng, TEMPLATES[int(rng.integers(len(TEMPLATES)))])
    if kind < 0.9:
        return random_date(rng)
    return CAPTIONS[int(rng.integers(len(CAPTIONS)))]
