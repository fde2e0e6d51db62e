"""The symbols that a model knows, and the conversion between text and classes.

A symbol is one character or a longer token (such as the logo ``CE``); a token is matched before its
characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

DEFAULT_SYMBOLS: tuple[str, ...] = tuple(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-/.:#()+&*',"
)
"""The characters of industrial codes: 62 letters and digits, 12 punctuation marks."""

FIRST_IDEOGRAPH = 0x2E80
"""Scripts from this code point on (Chinese, Japanese) put no spaces between words."""
SPACE = " "
"""The last class of a recognizer that sees spaces; it is not a symbol."""


@dataclass(frozen=True)
class Charset:
    """An ordered set of symbols; the class of a symbol is its index.

    The CTC blank is not a symbol. With ``blank=True`` it is class 0 and the symbols follow, as in
    the reference code of the CRNN paper.

    Attributes:
        symbols: unique, not empty, without white space.
        blank: whether class 0 is the CTC blank.
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
        """Number of output classes: the symbols and the blank, if there is one."""
        return len(self.symbols) + self.blank

    @cached_property
    def _class_of(self) -> dict[str, int]:
        return {s: i + self.blank for i, s in enumerate(self.symbols)}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.symbols), default=0)

    def symbol(self, index: int) -> str:
        """The symbol of a class; IndexError if the class is the blank or does not exist."""
        if not self.blank <= index < self.classes:
            raise IndexError(f"class {index} of {self.classes} is not a symbol")
        return self.symbols[index - self.blank]

    def encode(self, text: str) -> list[int]:
        """Converts text to classes, longest tokens first; white space is skipped.

        Raises:
            ValueError: a character that the charset lacks, with its position.
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
                        f"character {at + 1} ({text[at]!r}) of {text!r} is not in the charset"
                    )
                at += 1
        return classes

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
"""Sets of symbols that look alike in some typeface."""
