"""The nodes of a parsed expression, the base of both parsers, and the parser of templates.

White space is not a symbol of a charset, and a declared separator is not a symbol of a code. In an
expression both are a slot: separators may stand there or not.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain

from industrial_ocr.errors import PatternError
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS, Charset

DIGIT_CHARS = frozenset(string.digits)
UPPER_CHARS = frozenset(string.ascii_uppercase)
LOWER_CHARS = frozenset(string.ascii_lowercase)


@dataclass(frozen=True)
class CharClass:
    """One character of a set; nothing matches an empty set."""

    chars: frozenset[str]


@dataclass(frozen=True)
class SeparatorSlot:
    """A place where separators may stand."""


@dataclass(frozen=True)
class Concat:
    """One part after the other; the empty text if there are no parts."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Alternation:
    """One of the options."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """``low`` to ``high`` times; ``high`` None is any number of times."""

    node: Node
    low: int
    high: int | None


Node = CharClass | SeparatorSlot | Concat | Alternation | Repeat


@dataclass(frozen=True)
class Grammar:
    """A parsed expression.

    Attributes:
        node: the root.
        alphabet: the characters that codes consist of, without separators; upper case if case is
            ignored.
        has_slots: whether the expression says where separators may stand.
        has_spaces: whether it has white space at such a slot.
    """

    node: Node
    alphabet: tuple[str, ...]
    has_slots: bool
    has_spaces: bool


def fold_case(char: str) -> str:
    """Upper case, if that is a single character (``ß`` has two)."""
    return char.upper() if len(char.upper()) == 1 else char


def class_notation(chars: Iterable[str]) -> str:
    """A set of characters as in a regular expression: ``[A-Z0-9]``, or a single character."""
    wanted = frozenset(chars)
    if len(wanted) == 1:
        return next(iter(wanted))
    runs: list[list[str]] = []
    for kind in (
        UPPER_CHARS,
        LOWER_CHARS,
        DIGIT_CHARS,
        wanted - UPPER_CHARS - LOWER_CHARS - DIGIT_CHARS,
    ):
        runs.append([])
        for char in sorted(wanted & kind):
            if runs[-1] and char.isalnum() and ord(char) == ord(runs[-1][-1][-1]) + 1:
                runs[-1].append(char)
            else:
                runs.append([f"\\{char}" if char in "]\\^-" else char])
    text = "".join("".join(r) if len(r) < 3 else f"{r[0]}-{r[-1]}" for r in runs)
    return f"[{text}]"


def parse_template(
    text: str,
    charset: Charset | None = None,
    ignore_case: bool = False,
    separators: frozenset[str] = frozenset(),
) -> Grammar:
    """Parses a template: ``A`` is a letter, ``9`` a digit, ``X`` either, ``\\`` escapes them.

    Every other character is itself. For arguments and errors see ``parse_regex``.
    """
    return parse_expression(
        lambda *rest: _TemplateParser(text, *rest), charset, ignore_case, separators
    )


def base_alphabet(
    symbols: Iterable[str], ignore_case: bool, separators: frozenset[str]
) -> tuple[str, ...]:
    """The characters of the symbols without separators, each once, in order."""
    chars = chain.from_iterable(symbols)
    folded = map(fold_case, chars) if ignore_case else chars
    return tuple(dict.fromkeys(c for c in folded if c not in separators))


def parse_expression(
    parser: Callable[[frozenset[str], bool, frozenset[str]], Parser],
    charset: Charset | None,
    ignore_case: bool,
    separators: frozenset[str],
) -> Grammar:
    """Parses an expression; without a charset, a second time with the characters that it names."""
    symbols = DEFAULT_SYMBOLS if charset is None else charset.symbols
    alphabet = base_alphabet(symbols, ignore_case, separators)
    first = parser(frozenset(alphabet), ignore_case, separators)
    node = first.whole()
    more = sorted(first.named - set(alphabet))
    if charset is None and more:
        # The characters that the expression names belong to the alphabet, and ``.`` matches them.
        alphabet = (*alphabet, *more)
        node = parser(frozenset(alphabet), ignore_case, separators).whole()
    return Grammar(node, alphabet, first.has_slots, first.has_spaces)


@dataclass
class Parser:
    """Base of both parsers: sets of characters, and errors that show the place.

    ``at`` is the index of the next character; ``named`` collects the characters that the
    expression names.
    """

    text: str
    alphabet: frozenset[str]
    ignore_case: bool
    separators: frozenset[str]
    at: int = 0
    named: set[str] = field(default_factory=set)
    has_slots: bool = False
    has_spaces: bool = False

    def whole(self) -> Node:
        raise NotImplementedError

    def fail(self, reason: str, at: int) -> PatternError:
        line = "".join(" " if c.isspace() else c for c in self.text)
        return PatternError(f"{reason}, at character {at + 1}:\n  {line}\n  {' ' * at}^")

    def chars(self, chars: Iterable[str], negated: bool = False, at: int | None = None) -> Node:
        """The node of some characters of the alphabet; separators among them become a slot.

        Raises:
            PatternError: separators stand beside letters or digits; it shows the place ``at``.
        """
        wanted = {fold_case(c) if self.ignore_case else c for c in chars}
        spaces = {c for c in wanted if c.isspace()}
        separating = spaces | (wanted & self.separators)
        self.named |= wanted - separating
        if negated:
            return CharClass(self.alphabet - wanted)
        found = CharClass(self.alphabet & wanted)
        if not separating:
            return found
        if any(c.isalnum() for c in found.chars):
            raise self.fail(
                "a space or separator stands in a class with letters or digits, but a code has no "
                "separators, so that this place could be empty; take it out of the class",
                self.at if at is None else at,
            )
        self.has_slots = True
        self.has_spaces = self.has_spaces or bool(spaces)
        return SeparatorSlot() if wanted == separating else Alternation((SeparatorSlot(), found))


class _TemplateParser(Parser):
    def whole(self) -> Node:
        parts: list[Node] = []
        kinds = {"A": UPPER_CHARS, "9": DIGIT_CHARS, "X": UPPER_CHARS | DIGIT_CHARS}
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\":
                self.at += 1
                if self.at == len(self.text):
                    raise self.fail("nothing to escape", self.at - 1)
                parts.append(self.chars(self.text[self.at]))
            else:
                parts.append(self.chars(kinds.get(char, frozenset(char))))
            self.at += 1
        return Concat(tuple(parts))
