"""Word lists: reading, checking, and the minimal automaton of their words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from industrial_ocr.errors import PatternError
from industrial_ocr.patterns.automaton import Automaton


def compile_words(words: Iterable[str], alphabet: Sequence[str]) -> Automaton:
    """The minimal automaton of a list of words, built in one pass over the sorted words.

    Algorithm 1 of Daciuk, Mihov, Watson and Watson 2000, "Incremental Construction of Minimal
    Acyclic Finite-State Automata" (Computational Linguistics 26/1).

    Args:
        words: at least one, in any order, of characters of the alphabet.
        alphabet: the symbols, single characters.
    """
    number = {c: i for i, c in enumerate(alphabet)}
    register: dict[tuple[object, ...], int] = {}
    made: list[tuple[object, ...]] = []
    # The open states along the last word. Each is [accepting, symbol, target, symbol, target ...];
    # the target of the last symbol, the next open state, is added when that state is closed.
    path: list[list[object]] = [[False]]

    def close(depth: int) -> None:
        while len(path) > depth:
            key = tuple(path.pop())
            state = register.get(key)
            if state is None:
                state = register[key] = len(made)
                made.append(key)
            if path:
                path[-1].append(state)

    before = ""
    for word in sorted(set(words)):
        common = len(os.path.commonprefix([before, word]))
        close(common + 1)
        for char in word[common:]:
            path[-1].append(number[char])
            path.append([False])
        path[-1][0] = True
        before = word
    close(0)
    # The start is the last state closed.
    arcs = np.array([(len(key) - 1) // 2 for key in made])
    flat = np.array(list(chain.from_iterable(key[1:] for key in made)), np.int64).reshape(-1, 2)
    sources = np.repeat(np.arange(len(made)), arcs)
    accepting = [bool(key[0]) for key in made]
    start = len(made) - 1
    return Automaton.from_arcs(alphabet, sources, flat[:, 0], flat[:, 1], accepting, start)


def check_letters(
    lines: Iterable[str], alphabet: frozenset[str], source: str, declared: bool
) -> None:
    """Raises PatternError, with line and character, if a line has characters not in ``alphabet``.

    ``declared``: separators were declared, so the message needs no hint about white space.
    """
    for number, word in enumerate(lines, 1):
        if not alphabet.issuperset(word):
            at, char = next((i, c) for i, c in enumerate(word) if c not in alphabet)
            hint = "" if declared or not char.isspace() else "; declare it as a separator"
            raise PatternError(
                f"{source}:{number}: character {at + 1} ({char!r}) of {word!r} "
                f"is not in the charset{hint}"
            )


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a lexicon file; PatternError if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PatternError(f"{path}: the lexicon cannot be read: {error}") from error
