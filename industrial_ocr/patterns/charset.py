"""The symbols a model can name, and the way between text and class numbers.

A symbol is one character or a longer token (a logo called ``CE``); a token is matched before the
characters it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

DEFAULT_SYMBOLS: tuple[str, ...] = tuple(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-/.:#()+&*',"
)
"""The characters of industrial codes: 62 letters and digits, 12 marks."""

SPACE = " "
"""Stands last among the classes of a manifest whose recognizer sees spaces; it is no symbol."""


@dataclass(frozen=True)
class Charset:
    """An ordered set of symbols; a symbol's place in it is its class.

    The CTC blank is no symbol: where there is one it is class 0 and the symbols follow
    (``blank=True``), as in the CRNN paper's reference code.

    Attributes:
        symbols: unique, none empty, none containing white space.
        blank: class 0 is the CTC blank.
    """

    symbols: tuple[str, ...] = DEFAULT_SYMBOLS
    blank: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", tuple(self.symbols))
        if len(set(self.symbols)) != len(self.symbols):
            twice = sorted({s for s in self.symbols if self.symbols.count(s) > 1})
            raise ValueError(f"a charset holds each symbol once, got twice: {twice}")
        bad = [s for s in self.symbols if not s or any(c.isspace() for c in s)]
        if bad:
            raise ValueError(f"a symbol has at least one character and no white space: {bad}")

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def classes(self) -> int:
        """Number of output classes: the symbols, and the blank where there is one."""
        return len(self.symbols) + self.blank

    @cached_property
    def _class_of(self) -> dict[str, int]:
        return {s: i + self.blank for i, s in enumerate(self.symbols)}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.symbols), default=0)

    def symbol(self, index: int) -> str:
        """The symbol of a class; IndexError for the blank and beyond the end."""
        if not self.blank <= index < self.classes:
            raise IndexError(f"class {index} is no symbol of {self.classes} classes")
        return self.symbols[index - self.blank]

    def encode(self, text: str) -> list[int]:
        """Text to classes, longest token first; spaces are skipped, they are no symbol.

        Raises:
            ValueError: a character that the charset lacks, and where it stands.
        """
        classes: list[int] = []
        at = 0
        while at < len(text):
            for length in range(min(self._longest, len(text) - at), 0, -1):
                found = self._class_of.get(text[at : at + length])
                if found is not None:
                    classes.append(found)
                    at += length
                    break
            else:
                if not text[at].isspace():
                    raise ValueError(
                        f"character {text[at]!r} at {at} of {text!r} is not in the charset"
                    )
                at += 1
        return classes

    def decode(self, classes: Iterable[int]) -> str:
        """Classes to text, without any collapsing."""
        return "".join(self.symbol(int(c)) for c in classes)

    def supports(self, text: str) -> bool:
        """Whether every character of ``text`` can be encoded."""
        try:
            self.encode(text)
        except ValueError:
            return False
        return True


CONFUSABLE_SETS: tuple[Sequence[str], ...] = (
    "0OoDQ",
    "1Il",
    "2Zz",
    "5Ss",
    "6Gb",
    "8B",
    "Cc",
    "Kk",
    "Pp",
    "Uu",
    "Vv",
    "Ww",
    "Xx",
    "gq9",
    ".,'",
)
"""Symbols that look alike in some typeface; the runner-up in one of these sets is a near miss."""
