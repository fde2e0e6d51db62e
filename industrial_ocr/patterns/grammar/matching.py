"""Matches texts with an automaton: the code in a text, or where it fails and what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from industrial_ocr.patterns.automaton import DEAD, Automaton
from industrial_ocr.patterns.grammar.expression import class_notation, fold_case


@dataclass(frozen=True)
class Match:
    """A text that matches.

    Attributes:
        text: as given.
        code: without separators, in upper case if case is ignored.
    """

    text: str
    code: str


@dataclass(frozen=True)
class Explanation:
    """Where a text fails.

    Attributes:
        ok: whether it matches.
        position: index from 0 of the first character that is not allowed; the length of the text if
            it matches or ends too early.
        allowed: the characters allowed there, as ``[A-Z0-9]``; empty if there are none.
        message: one sentence for people, who count characters from 1.
    """

    ok: bool
    position: int
    allowed: str
    message: str


@dataclass(frozen=True)
class TextMatcher:
    """Matches the texts of a pattern.

    Attributes:
        automaton: of codes, or of codes with separators.
        separators: characters that are not part of a code.
        in_automaton: whether the automaton has the separators.
        groups: used if it does not: a separator may follow each of these numbers of symbols; empty:
            it may follow any symbol.
        ignore_case: the automaton has upper case only.
    """

    automaton: Automaton
    separators: tuple[str, ...] = ()
    in_automaton: bool = False
    groups: tuple[int, ...] = ()
    ignore_case: bool = False

    def match(self, text: str) -> Match | None:
        """The code, if the whole text is one; else None."""
        end = self._walk(text)
        whole = end.at == len(text) and end.may_end
        return Match(text, end.code) if whole else None

    def explain(self, text: str) -> Explanation:
        """Where a text fails, and what is allowed there."""
        end = self._walk(text)
        labels = self.automaton.arcs(end.state)[0]
        chars = {self.automaton.symbols[i] for i in labels} - set(self.separators)
        allowed = class_notation(chars) if chars else ""
        if end.at == len(text) and end.may_end:
            return Explanation(True, end.at, allowed, "matches")
        expected = " or ".join(filter(None, (allowed, "the end" if end.may_end else "")))
        if end.at == len(text):
            message = f"ends after character {end.at}" if text else "the text is empty"
        else:
            message = f"character {end.at + 1} ({text[end.at]!r}) does not match"
        message += f", expected {expected}"
        return Explanation(False, end.at, allowed, message)

    def _walk(self, text: str) -> _Walk:
        """Follows a text as far as it is allowed."""
        state, code = self.automaton.start, ""
        may_end = bool(self.automaton.accepting[state])
        for at, char in enumerate(text):
            char = " " if char.isspace() else fold_case(char) if self.ignore_case else char
            is_separator = char in self.separators
            if is_separator and not self.in_automaton:
                if not self._may_separate(state, len(code)):
                    return _Walk(state, at, may_end, code)
                may_end = False
                continue
            after = self.automaton.step(state, self.automaton.index.get(char, -1))
            if after == DEAD:
                return _Walk(state, at, may_end, code)
            state, may_end = after, bool(self.automaton.accepting[after])
            if not is_separator:
                code += char
        return _Walk(state, len(text), may_end, code)

    def _may_separate(self, state: int, length: int) -> bool:
        """Whether a separator may stand here: between symbols, or between groups if any."""
        breaks = np.cumsum(self.groups)
        more = len(self.automaton.arcs(state)[0]) > 0
        return length > 0 and more and (not len(breaks) or length in breaks)


class _Walk(NamedTuple):
    """The allowed part of a text: its last state, its end, whether it may end there, its code."""

    state: int
    at: int
    may_end: bool
    code: str
