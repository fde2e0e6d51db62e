"""Texts against an automaton: the code in them, where they fail, what would be allowed there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from industrial_ocr.patterns.automaton import DEAD, Automaton
from industrial_ocr.patterns.grammar.expression import class_notation, fold


@dataclass(frozen=True)
class Match:
    """A text that matches.

    Attributes:
        text: as given.
        code: without separators, upper case where case is ignored.
        positions: for each character of the code, its place in the text.
    """

    text: str
    code: str
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Explanation:
    """Where a text fails.

    Attributes:
        ok: it does not.
        position: of the first character that cannot stand there; the text's length where it
            matches or ends too early.
        allowed: what may stand there, as ``[A-Z0-9]``; empty where nothing may.
        may_end: the code may end there.
        message: one sentence for people.
    """

    ok: bool
    position: int
    allowed: str
    may_end: bool
    message: str


@dataclass(frozen=True)
class Texts:
    """What the texts of a pattern are.

    Attributes:
        automaton: of codes; or of texts, with the separators where they may stand.
        separators: characters that are no part of a code.
        with_places: the automaton has the separators.
        groups: else after so many symbols each, one may stand; empty: after any symbol.
        ignore_case: the automaton has upper case only.
    """

    automaton: Automaton
    separators: tuple[str, ...] = ()
    with_places: bool = False
    groups: tuple[int, ...] = ()
    ignore_case: bool = False

    def match(self, text: str) -> Match | None:
        """The code that a text holds as a whole, or None."""
        end = self._walk(text)
        whole = end.at == len(text) and end.may_end
        return Match(text, end.code, end.positions) if whole else None

    def explain(self, text: str) -> Explanation:
        """Where a text fails, and what would be allowed there."""
        end = self._walk(text)
        labels = self.automaton.arcs(end.state)[0]
        chars = {self.automaton.symbols[i] for i in labels} - set(self.separators)
        allowed = class_notation(chars) if chars else ""
        if end.at == len(text) and end.may_end:
            return Explanation(True, end.at, allowed, True, "matches")
        expected = " or ".join(filter(None, (allowed, "the end" if end.may_end else "")))
        if end.at == len(text):
            message = f"ends after {end.at} characters, expected {expected}"
        else:
            message = f"{text[end.at]!r} at position {end.at}, expected {expected}"
        return Explanation(False, end.at, allowed, end.may_end, message)

    def _walk(self, text: str) -> _Walk:
        """As far as a text leads."""
        state, code, positions = self.automaton.start, "", []
        may_end = bool(self.automaton.accepting[state])
        for at, char in enumerate(text):
            char = " " if char.isspace() else fold(char) if self.ignore_case else char
            is_mark = char in self.separators
            if is_mark and not self.with_places:
                if not self._may_separate(state, len(code)):
                    break
                may_end = False
                continue
            after = self.automaton.step(state, self.automaton.index.get(char, -1))
            if after == DEAD:
                break
            state, may_end = after, bool(self.automaton.accepting[after])
            if not is_mark:
                code += char
                positions.append(at)
        else:
            at = len(text)
        return _Walk(state, at, may_end, code, tuple(positions))

    def _may_separate(self, state: int, length: int) -> bool:
        """Never first, never last, and between the groups where there are groups."""
        breaks = np.cumsum(self.groups)
        more = len(self.automaton.arcs(state)[0]) > 0
        return length > 0 and more and (not len(breaks) or length in breaks)


@dataclass(frozen=True)
class _Walk:
    """How far a text leads: the state, the place in the text, whether it may end, its code."""

    state: int
    at: int
    may_end: bool
    code: str
    positions: tuple[int, ...]
