"""The parser of regular expressions of serial codes.

It accepts the subset that a finite automaton can read: literals, classes, ``\\d \\w \\s``, groups,
alternation, ``{m}``, ``{m,n}``, ``{m,}``, ``? * +``, ``.``, and ``^ $`` at the ends. Everything
else is refused with its position. Libraries do not do that: interegular 0.3.3 reads ``A+?`` and
``(?i)a`` as something else and ``a{2}{3}`` as literal braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.grammar.expression import (
    DIGIT_CHARS,
    Alternation,
    CharClass,
    Concat,
    Grammar,
    Node,
    Parser,
    Repeat,
    SeparatorSlot,
    parse_expression,
)

_COUNT = re.compile(r"\{(\d+)(,?)(\d*)\}")
_GROUP = re.compile(r"\(\?(?:P?<[A-Za-z_]\w*>|:)")
_UNSUPPORTED_GROUPS = (
    ("(?=", "look-ahead is not supported"),
    ("(?!", "look-ahead is not supported"),
    ("(?<=", "look-behind is not supported"),
    ("(?<!", "look-behind is not supported"),
    ("(?P=", "back-references are not supported"),
    ("(?>", "atomic groups are not supported"),
    ("(?(", "conditions are not supported"),
    ("(?#", "comments are not supported"),
    ("(?", "flags are not supported (to accept both cases, set ignore_case)"),
)


def parse_regex(
    text: str,
    charset: Charset | None = None,
    ignore_case: bool = False,
    separators: frozenset[str] = frozenset(),
) -> Grammar:
    """Parses a regular expression.

    Args:
        text: the expression; it matches whole codes, with or without ``^`` and ``$``.
        charset: all characters of codes; ``.`` and negated classes match only these. None: the
            default charset and all other characters that the expression names.
        ignore_case: the tree has upper case only.
        separators: characters that are not part of codes.

    Raises:
        PatternError: bad syntax or an unsupported construct, with its position.
    """
    return parse_expression(partial(_RegexParser, text), charset, ignore_case, separators)


class _RegexParser(Parser):
    """A recursive descent parser."""

    def whole(self) -> Node:
        node = self._choice(0)
        if self.at < len(self.text):
            raise self.fail("a ) without its (; write a literal one as \\)", self.at)
        return node

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _choice(self, depth: int) -> Node:
        options = [self._sequence(depth)]
        while self._next() == "|":
            self.at += 1
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else Alternation(tuple(options))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while (char := self._next()) and char not in "|)":
            if char in "^$":
                self._anchor(char, depth, first=not parts)
            else:
                parts.append(self._quantified(self._atom(char, depth)))
        return parts[0] if len(parts) == 1 else Concat(tuple(parts))

    def _anchor(self, char: str, depth: int, first: bool) -> None:
        """Skips ``^`` and ``$`` at the ends, where they change nothing; refuses others."""
        at_end = self.text[self.at + 1 : self.at + 2] in ("", "|")
        if depth or not (first if char == "^" else at_end):
            end = "begins" if char == "^" else "ends"
            reason = f"{char} is allowed only where the expression {end}; a literal one is \\{char}"
            raise self.fail(reason, self.at)
        self.at += 1

    def _atom(self, char: str, depth: int) -> Node:
        start = self.at
        if char == "(":
            return self._group(depth)
        if char == "[":
            return self._class()
        if char == "\\":
            return self.chars(*self._escape())
        if char in "?*+{":
            raise self.fail(f"nothing to repeat; a literal one is \\{char}", start)
        if char in "]}":
            opening = "[" if char == "]" else "{"
            raise self.fail(f"a {char} without its {opening}; a literal one is \\{char}", start)
        self.at += 1
        return CharClass(self.alphabet) if char == "." else self.chars(char)

    def _group(self, depth: int) -> Node:
        start = self.at
        if depth == 100:  # well below Python's limit of recursion
            raise self.fail("groups nested more than 100 deep", start)
        opening = _GROUP.match(self.text, start)
        if opening is None:
            for prefix, reason in _UNSUPPORTED_GROUPS:
                if self.text.startswith(prefix, start):
                    raise self.fail(reason, start)
        self.at = opening.end() if opening else start + 1
        node = self._choice(depth + 1)
        if self._next() != ")":
            raise self.fail("this group is not closed", start)
        self.at += 1
        return node

    def _escape(self) -> tuple[Iterable[str], bool]:
        """The characters of an escape, and whether it means all others."""
        start = self.at
        char = self.text[start + 1 : start + 2]
        self.at += 2
        if not char:
            raise self.fail("nothing to escape; a backslash is \\\\", start)
        if char in "dD":
            return DIGIT_CHARS, char == "D"
        if char in "wW":
            # Letters of any language that are in the alphabet.
            return {c for c in self.alphabet if c.isalnum() or c == "_"}, char == "W"
        if char in "sS":
            return " ", char == "S"
        if char.isdigit() and char != "0":
            raise self.fail("back-references are not supported", start)
        if char.isalnum():
            raise self.fail(f"the escape \\{char} is not supported", start)
        return char, False

    def _class(self) -> Node:
        start = self.at
        self.at += 1
        negated = self._next() == "^"
        self.at += negated
        chars: set[str] = set()
        while (char := self._next()) != "]":
            if not char:
                raise self.fail("this class is not closed", start)
            chars |= self._class_item()
        self.at += 1
        if not chars:
            raise self.fail("an empty class; a literal ] in it is \\]", start)
        return self.chars(chars, negated, start)

    def _class_item(self) -> set[str]:
        """A character, an escape or a range."""
        start = self.at
        low, is_set = self._class_char()
        if self._next() != "-" or self.text[self.at + 1 : self.at + 2] in ("]", ""):
            return low
        self.at += 1
        high, is_set_too = self._class_char()
        if is_set or is_set_too:
            raise self.fail("a range is between two characters; a literal - is \\-", start)
        first, last = ord(next(iter(low))), ord(next(iter(high)))
        if first > last:
            raise self.fail("this range ends before it begins", start)
        return set(map(chr, range(first, last + 1)))

    def _class_char(self) -> tuple[set[str], bool]:
        """One character of a class, or the characters of an escape like ``\\d``."""
        if self._next() != "\\":
            self.at += 1
            return {self.text[self.at - 1]}, False
        is_set = self.text[self.at + 1 : self.at + 2] in set("dDwWsS")
        chars, negated = self._escape()
        return set(self.alphabet - set(chars) if negated else chars), is_set

    def _quantified(self, node: Node) -> Node:
        quantified = False
        while (char := self._next()) and char in "?*+{":
            start = self.at
            if quantified and char in "?*+":
                kind = {"?": "lazy", "+": "possessive"}.get(char, "double")
                raise self.fail(f"{kind} quantifiers are not supported", start)
            low, high = self._count(char)
            quantified = True
            # A slot is never repeated: the caller decides how many separators may stand there.
            node = node if isinstance(node, SeparatorSlot) else Repeat(node, low, high)
        return node

    def _count(self, char: str) -> tuple[int, int | None]:
        start = self.at
        if char != "{":
            self.at += 1
            return {"?": (0, 1), "*": (0, None), "+": (1, None)}[char]
        found = _COUNT.match(self.text, start)
        if found is None:
            raise self.fail("a repetition is {m}, {m,n} or {m,}; a literal brace is \\{", start)
        self.at = found.end()
        low, comma, high = found.groups()
        if max(len(low), len(high)) > 9:
            raise self.fail("too many repetitions", start)
        most = int(high) if high else (None if comma else int(low))
        if most is not None and most < int(low):
            raise self.fail("this repetition has its larger number first", start)
        return int(low), most
