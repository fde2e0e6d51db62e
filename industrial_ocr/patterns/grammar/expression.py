"""Regular expressions and templates of serial codes, parsed with positions for error messages.

The subset of regular expressions that a finite automaton reads: literals, classes, ``\\d \\w \\s``,
groups, alternation, ``{m}``, ``{m,n}``, ``{m,}``, ``? * +``, ``.``, and ``^ $`` at the ends. Parsed
here and not by a library because what the subset lacks must be refused where it stands:
interegular 0.3.3 reads ``A+?`` and ``(?i)a`` as something else and ``a{2}{3}`` as literal braces.

White space is no symbol of a charset (``patterns.charset.Charset``), nor is a declared separator
one of a pattern: either of them in an expression is a place where separators may stand or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from industrial_ocr.errors import PatternError
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS, Charset

DIGITS = frozenset("0123456789")
UPPER = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Chars:
    """One character of a set; the set may be empty, then nothing matches."""

    chars: frozenset[str]


@dataclass(frozen=True)
class Place:
    """Where separators may stand."""


@dataclass(frozen=True)
class Series:
    """One part after the other; without parts, the empty text."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Choice:
    """One of the options."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """``low`` to ``high`` times; ``high`` None is without end."""

    node: Node
    low: int
    high: int | None


Node = Chars | Place | Series | Choice | Repeat


@dataclass(frozen=True)
class Grammar:
    """A parsed expression.

    Attributes:
        node: the root.
        alphabet: the characters that codes are made of; without separators, in upper case where
            case is ignored.
        places: the expression itself says where separators may stand.
        spaced: it has white space at such a place.
    """

    node: Node
    alphabet: tuple[str, ...]
    places: bool
    spaced: bool


def fold(char: str) -> str:
    """Upper case, where that is one character (of ``ß`` it is two)."""
    return char.upper() if len(char.upper()) == 1 else char


def class_notation(chars: Iterable[str]) -> str:
    """A set of characters as people write it: ``[A-Z0-9]``, or the character alone."""
    wanted = frozenset(chars)
    if len(wanted) == 1:
        return next(iter(wanted))
    runs: list[list[str]] = []
    for kind in (UPPER, LOWER, DIGITS, wanted - UPPER - LOWER - DIGITS):
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
    """A template as a tree: ``A`` a letter, ``9`` a digit, ``X`` either, ``\\`` escapes them.

    Every other character is itself. Arguments and errors as of ``parse_regex``.
    """
    return parse_twice(lambda *rest: _TemplateParser(text, *rest), charset, ignore_case, separators)


def base_alphabet(
    symbols: Iterable[str], ignore_case: bool, separators: frozenset[str]
) -> tuple[str, ...]:
    """The characters of symbols that a code may hold, each once, in order."""
    chars = (fold(c) if ignore_case else c for s in symbols for c in s)
    return tuple(dict.fromkeys(c for c in chars if c not in separators))


def parse_twice(
    parser: Callable[[frozenset[str], bool, frozenset[str]], Parser],
    charset: Charset | None,
    ignore_case: bool,
    separators: frozenset[str],
) -> Grammar:
    symbols = DEFAULT_SYMBOLS if charset is None else charset.symbols
    alphabet = base_alphabet(symbols, ignore_case, separators)
    first = parser(frozenset(alphabet), ignore_case, separators)
    node = first.whole()
    more = sorted(first.named - set(alphabet))
    if charset is None and more:
        # What the expression names belongs to the alphabet, so ``.`` ranges over it as well.
        alphabet = (*alphabet, *more)
        node = parser(frozenset(alphabet), ignore_case, separators).whole()
    return Grammar(node, alphabet, first.places, first.spaced)


@dataclass
class Parser:
    """What both notations share: sets of characters and errors that point."""

    text: str
    alphabet: frozenset[str]
    ignore_case: bool
    separators: frozenset[str]
    at: int = 0
    named: set[str] = field(default_factory=set)
    places: bool = False
    spaced: bool = False

    def whole(self) -> Node:
        raise NotImplementedError

    def fail(self, reason: str, at: int) -> PatternError:
        line = "".join(" " if c.isspace() else c for c in self.text)
        return PatternError(f"{reason}, at position {at}:\n  {line}\n  {' ' * at}^")

    def chars(self, chars: Iterable[str], negated: bool = False) -> Node:
        """Those characters of the alphabet; separators among them make a place of it."""
        wanted = {fold(c) if self.ignore_case else c for c in chars}
        spaces = {c for c in wanted if c.isspace()}
        between = spaces | (wanted & self.separators)
        self.named |= wanted - between
        if negated:
            return Chars(self.alphabet - wanted)
        found = Chars(self.alphabet & wanted)
        if not between:
            return found
        self.places = True
        self.spaced = self.spaced or bool(spaces)
        return Place() if wanted == between else Choice((Place(), found))


class _TemplateParser(Parser):
    def whole(self) -> Node:
        parts: list[Node] = []
        kinds = {"A": UPPER, "9": DIGITS, "X": UPPER | DIGITS}
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
        return Series(tuple(parts))
