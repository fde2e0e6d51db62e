"""Texts for rendered pictures: codes, dates, words and texts of labels."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits

from numpy.random import Generator

from industrial_ocr.datasets.synthesis.chance import pick

PUNCTUATION = "-/.:#()+&*',"


def _lines(name: str) -> tuple[str, ...]:
    text = (Path(__file__).parent / "data" / name).read_text(encoding="utf-8")
    return tuple(text.splitlines())


CAPTIONS = _lines("captions.txt")
CODE_TEMPLATES = _lines("code_templates.txt")
"""Templates of codes, for ``fill_template``."""
LABEL_TEMPLATES = _lines("label_templates.txt")
"""Templates of texts on printed labels, for ``fill_template``."""

CONFUSABLE = _lines("confusable.txt")
"""Groups of symbols with nearly the same shape; the most confused ones are there repeatedly."""


@lru_cache(maxsize=1)
def shipped_words() -> tuple[str, ...]:
    """The word list of the package; common words and difficult ones three times.

    In many typefaces an I at the beginning of a word looks like an l, and an f touches the next
    letter.

    SCOWL's English and American words, names and abbreviations of levels 10 to 50, common levels
    first (see data/words.txt.LICENSE); the first 11,000 are levels 10 and 20.
    """
    words = _lines("words.txt")
    kept = tuple(w for w in words if len(w) > 1 and w.isascii() and w.isalpha())
    difficult = tuple(w for w in kept if w[0] in "iI" or any(p in w for p in ("ff", "fi", "fl")))
    return kept + 2 * kept[:11_000] + 2 * difficult


def _characters(rng: Generator, alphabet: str, count: int) -> str:
    return "".join(alphabet[i] for i in rng.integers(0, len(alphabet), count))


def fill_template(rng: Generator, template: str) -> str:
    """Replaces A by a letter, 9 by a digit, X by either; everything else stays."""
    alphabets = {"A": ascii_uppercase, "9": digits, "X": ascii_uppercase + digits}
    return "".join(pick(rng, alphabets[c]) if c in alphabets else c for c in template)


def random_code(rng: Generator, lower: float = 0.15, marks: float = 0.25) -> str:
    """A code without a pattern; ``lower`` and ``marks`` are the chances of such characters."""
    length = int(rng.integers(1, 15))
    kind = rng.random()
    if kind < 0.25:
        alphabet = digits
    elif kind < 0.4:
        alphabet = ascii_uppercase
    else:  # Where codes mix letters and digits, every second symbol is a digit, not every fourth.
        alphabet = ascii_uppercase + 2 * digits
    if rng.random() < lower:
        alphabet += ascii_lowercase if rng.random() < 0.7 else "abcdef"
    text = list(_characters(rng, alphabet, length))
    if length > 2 and rng.random() < marks:
        for at in rng.integers(1, length - 1, int(rng.integers(1, 3))):
            text[at] = pick(rng, PUNCTUATION)
    if length > 5 and rng.random() < 0.2:
        text.insert(int(rng.integers(2, length - 1)), " ")
    return "".join(text)


def random_date(rng: Generator) -> str:
    """A calendar date or time in one of the forms that printers use."""
    day, month, year = rng.integers(1, 32), rng.integers(1, 13), rng.integers(2000, 2040)
    week = rng.integers(1, 53)
    months = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
    y2, name = year % 100, months[month - 1]
    forms = (
        f"{day:02d}.{month:02d}.{year}",
        f"{day:02d}/{month:02d}/{y2:02d}",
        f"{name} {year}",
        f"{year}-{month:02d}-{day:02d}",
        f"{year}{month:02d}{day:02d}",
        f"{day:02d}{name}{y2:02d}",
        f"{month:02d}/{year}",
        f"{y2:02d}{week:02d}",
        f"{day % 24:02d}:{month * 4:02d}",
        f"EXP {day:02d} {name} {y2:02d}",
    )
    return pick(rng, forms)


def random_word(rng: Generator, words: tuple[str, ...]) -> str:
    """A word in lower, upper, title or (rarely) mixed case; seldom with a digit or mark beside."""
    word = pick(rng, words)
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
        word += pick(rng, ".,:-)")
    return word


def random_text(rng: Generator, words: tuple[str, ...], word_share: float) -> str:
    """A text of any kind; ``word_share`` is the chance of dictionary words (language)."""
    if rng.random() < word_share:
        count = 1 if rng.random() < 0.8 else 2
        return " ".join(random_word(rng, words) for _ in range(count))
    kind = rng.random()
    if kind < 0.45:
        code = random_code(rng)
        return _confusable(rng, code) if rng.random() < 0.3 else code
    if kind < 0.78:
        return fill_template(rng, pick(rng, CODE_TEMPLATES))
    if kind < 0.9:
        return random_date(rng)
    return pick(rng, CAPTIONS)


def label_text(rng: Generator, words: tuple[str, ...]) -> str:
    """A text of a label: codes, dates, signed numbers, runs of one character, marks at the ends."""
    kind = rng.random()
    if kind < 0.3:
        return fill_template(rng, pick(rng, LABEL_TEMPLATES))
    if kind < 0.42:
        code = _with_marks(rng, random_code(rng, lower=0.3, marks=0.0))
        return _confusable(rng, code) if rng.random() < 0.5 else code
    if kind < 0.5:
        return _with_run(rng)
    if kind < 0.6:
        return random_date(rng)
    if kind < 0.76:
        code = random_code(rng, lower=0.25)
        return _confusable(rng, code) if rng.random() < 0.8 else code
    if kind < 0.8:
        return pick(rng, CAPTIONS)
    count = 1 if rng.random() < 0.6 else int(rng.integers(2, 6))
    text = " ".join(random_word(rng, words) for _ in range(count))
    if rng.random() < 0.7:
        return text
    return text + pick(rng, (" ", ": ")) + random_code(rng)


def _with_marks(rng: Generator, code: str) -> str:
    """The code with one to three marks anywhere, also before it and behind it."""
    text = list(code)
    for _ in range(rng.integers(1, 4)):
        text.insert(int(rng.integers(0, len(text) + 1)), pick(rng, PUNCTUATION))
    return "".join(text)


def _confusable(rng: Generator, code: str) -> str:
    """The code with many characters replaced by some of one or two confusable groups."""
    pool = "".join(pick(rng, CONFUSABLE) for _ in range(rng.integers(1, 3)))
    share = rng.uniform(0.2, 0.7)
    return "".join(pick(rng, pool) if c.isalnum() and rng.random() < share else c for c in code)


def _with_run(rng: Generator) -> str:
    """A code in which one character stands several times in a row; rarely the letter O."""
    pool = "0000000001118" + digits + ascii_uppercase.replace("O", "") + "abfilrt"
    pool += "O" if rng.random() < 0.4 else ""
    run = pick(rng, pool) * int(rng.integers(2, 9))
    prefix = pick(rng, ("", "", "A", "LOT-", "SN-", "LOT ", "AA", "9", "A9"))
    suffix = pick(rng, ("", "", "", "9", "A", "-9", "99"))
    return fill_template(rng, prefix) + run + fill_template(rng, suffix)
