"""Word lists: their lines, their letters, the minimal automaton of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from industrial_ocr.errors import PatternError
from industrial_ocr.patterns.automaton import Automaton


def compile_words(words: Iterable[str], alphabet: Sequence[str]) -> Automaton:
    """The minimal automaton of a list of words, in one pass over the sorted words.

    Daciuk, Mihov, Watson and Watson 2000, "Incremental Construction of Minimal Acyclic Finite-State
    Automata" (Computational Linguistics 26/1), algorithm 1.

    Args:
        words: of characters of the alphabet, in any order; at least one.
        alphabet: the symbols, single characters.
    """
    number = {c: i for i, c in enumerate(alphabet)}
    register: dict[tuple[object, ...], int] = {}
    made: list[tuple[object, ...]] = []
    # The states along the word added last, still open: whether it ends there, its arcs so far as
    # symbol, target, symbol, target; the target of the last arc is the next open state.
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
        common = 0
        for old, new in zip(before, word, strict=False):
            if old != new:
                break
            common += 1
        close(common + 1)
        for char in word[common:]:
            path[-1].append(number[char])
            path.append([False])
        path[-1][0] = True
        before = word
    close(0)
    # The start is the last state closed, and no word leads to it again.
    arcs = np.array([(len(k) - 1) // 2 for k in made])
    flat = np.array([x for key in made for x in key[1:]], np.int64).reshape(-1, 2)
    sources = np.repeat(np.arange(len(made)), arcs)
    accepting = [bool(key[0]) for key in made]
    start = len(made) - 1
    return Automaton.from_arcs(alphabet, sources, flat[:, 0], flat[:, 1], accepting, start)


def check_letters(
    lines: Iterable[str], alphabet: frozenset[str], source: str, declared: bool
) -> None:
    """Raises PatternError that names the line and the character."""
    for number, word in enumerate(lines, 1):
        if not alphabet.issuperset(word):
            at, char = next((i, c) for i, c in enumerate(word) if c not in alphabet)
            hint = "" if declared or not char.isspace() else "; declare it as a separator"
            raise PatternError(
                f"{source}:{number}: character {char!r} at {at} of {word!r} is not in the charset"
                f"{hint}"
            )


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a lexicon file.

    Raises:
        PatternError: it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PatternError(f"{path}: the lexicon cannot be read: {error}") from error
