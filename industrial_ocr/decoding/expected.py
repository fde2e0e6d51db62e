"""Reads the lattice of one string, or of several consecutive strings, against a known text.

``align_symbols`` says which box shows which symbol: a symbol may be missing, and a box may be
skipped or show another symbol; each has a cost (Needleman and Wunsch 1970). ``likeliest_rival``
reads the same boxes freely. Both are searches of ``lattice``, under the automaton of the text and
under one that accepts any text. Symbols of one shape (0 O, 1 I l, C c) are equal.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from industrial_ocr.decoding.evidence import (
    Hypothesis,
    StringEvidence,
    StringLattice,
    any_text,
    build_lattice,
)
from industrial_ocr.decoding.homoglyphs import shape_groups
from industrial_ocr.decoding.lattice import Arc, best_path, best_paths
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.types import Floats

MISSING_SYMBOL = math.log(3e-4)
"""Log-probability of a symbol that has no box."""
WRONG_SYMBOL = math.log(1e-4)
"""Lower limit of the log-probability of a symbol of the text in a box, relative to the box's best
symbol. Without it, a wrong character would count as a missing one and an extra one. It is also the
lower limit for skipping a box."""


@dataclass(frozen=True, eq=False)
class AlignedSymbol:
    """One symbol of the text and where it stands.

    Attributes:
        symbol: of the text.
        hypothesis: the box, half of one, or two boxes that show it; None if the symbol is missing.
    """

    symbol: str
    hypothesis: Hypothesis | None


@dataclass(frozen=True, eq=False)
class SkippedBox:
    """A box that is aligned with no symbol.

    Attributes:
        hypothesis: that it is a character.
        before: number of symbols up to the last one found before the box; all symbols for a box
            after the text.
        same_word: whether the nearest symbol before or after it is in the same word.
        adjoining: whether that symbol is also in the box directly beside it.
        inside: whether it stands between two symbols.
        log_odds: log-odds that it is a character of its own.
    """

    hypothesis: Hypothesis
    before: int
    same_word: bool
    adjoining: bool
    inside: bool
    log_odds: float


@dataclass(frozen=True, eq=False)
class Alignment:
    """A text aligned with the boxes of strings.

    Attributes:
        symbols: one entry per symbol of the text, in its order.
        skipped: boxes without a symbol, in reading order.
        score: log-score of the path; comparable between texts and between strings.
        lattice: of the strings.
        arcs: of the lattice on which the symbols are read, -1 for a missing one.
    """

    symbols: tuple[AlignedSymbol, ...]
    skipped: tuple[SkippedBox, ...]
    score: float
    lattice: StringLattice
    arcs: tuple[int, ...]


def align_symbols(
    strings: Sequence[StringEvidence], symbols: Sequence[str], charset: Charset
) -> Alignment | None:
    """Aligns a known text with the boxes of strings.

    Args:
        strings: in reading order.
        symbols: of the text, at least one, without white space; those that the charset lacks are
            wildcards.
        charset: the classifier's.

    Returns:
        The likeliest alignment; None if there is no box, or no symbol has one.
    """
    # To leave out boxes of other words costs little.
    lattice = build_lattice(strings, charset, capitals=False, other_word=0.9)
    score, arcs = _best_alignment(lattice, _symbol_scores(lattice, symbols, charset))
    if max(arcs) < 0:
        return None
    aligned = [
        AlignedSymbol(symbol, lattice.hypotheses[arc] if arc >= 0 else None)
        for symbol, arc in zip(symbols, arcs, strict=True)
    ]
    return Alignment(tuple(aligned), _skipped(lattice, arcs), score, lattice, tuple(arcs))


def _shape_scores(lattice: StringLattice, charset: Charset) -> Floats:
    """(A, C) score of each shape on each arc, for its first symbol; -inf elsewhere."""
    best = np.full((len(lattice.arcs), len(charset.symbols)), -np.inf)
    for own, arc in zip(best, lattice.arcs, strict=True):
        if arc.log_probs is not None:
            np.maximum.at(own, shape_groups(charset.symbols), arc.log_probs)
    return best


def _symbol_scores(lattice: StringLattice, symbols: Sequence[str], charset: Charset) -> Floats:
    """(A, L) score of each symbol of the text on each arc."""
    scores = _shape_scores(lattice, charset)
    top = scores.max(1)
    # For an unknown symbol, only whether its box shows a character can be judged.
    p = np.array([1.0 if h is None else h.probabilities.max() for h in lattice.hypotheses])
    unknown = top - np.log(p) + np.log(0.1 * (1 - p / 2))
    shapes = dict(zip(charset.symbols, shape_groups(charset.symbols).tolist(), strict=True))
    values = [scores[:, shapes[s]] if s in shapes else unknown for s in symbols]
    limited: Floats = np.maximum(np.stack(values, 1), (top + WRONG_SYMBOL)[:, None])
    return limited


def _best_alignment(lattice: StringLattice, values: Floats) -> tuple[float, list[int]]:
    """The score of the best path, and the arc of each symbol on it, -1 if the symbol is missing.

    ``values`` (A, L) are the scores of the symbols.
    """
    length = values.shape[1]
    before, last = np.triu_indices(length + 1)
    # Of equal symbols side by side, the first one counts as missing: it costs a little less.
    cost = np.cumsum([0.0, *(MISSING_SYMBOL - 1e-9 * np.arange(length))])
    missing = cost[last] - cost[before]
    arcs = [Arc(lattice.nodes - 1, lattice.nodes, np.where(last == length, missing, -np.inf))]
    for own, shown in zip(lattice.arcs, values, strict=True):
        if own.log_probs is not None:
            nothing = None if own.nothing is None else max(own.nothing, WRONG_SYMBOL)
            own = replace(own, log_probs=np.append(shown, -np.inf)[last] + missing, nothing=nothing)
        arcs.append(own)
    path = best_path(arcs, lattice.nodes + 1, _steps(length))
    assert path is not None, "a text may have no box"
    taken = [-1] * (length + 1)
    for step, arc in zip(path.symbols, path.arcs, strict=True):
        taken[last[step]] = arc - 1
    return path.log_prob, taken[:-1]


@lru_cache(maxsize=64)
def _steps(length: int) -> Automaton:
    """Accepts every way to read a text of ``length`` symbols, some of them missing, up to its end.

    A symbol of this automaton is a step: the number of symbols before it, and the next one that is
    read (or the end), as ``np.triu_indices`` counts these pairs. Those between them are missing.
    """
    before, last = np.triu_indices(length + 1)
    names = [f"{i} {k}" for i, k in zip(before, last, strict=True)]
    accepting = np.arange(length + 2) == length + 1
    return Automaton.from_arcs(names, before, np.arange(len(last)), last + 1, accepting)


def _skipped(lattice: StringLattice, taken: Sequence[int]) -> tuple[SkippedBox, ...]:
    """The boxes without a symbol, with their positions relative to the text."""
    owner: dict[int, int] = {}
    for k, number in enumerate(taken):
        if number >= 0:
            own = lattice.arcs[number]
            owner.update(dict.fromkeys(range(own.first // 2, (own.last + 1) // 2), k))
    used = sorted(owner)
    found: list[SkippedBox] = []
    for number, arc in enumerate(lattice.arcs):
        i = arc.first // 2
        if arc.log_probs is None or arc.nothing is None or i in owner:
            continue
        at = bisect(used, i)
        sides = used[max(at - 1, 0) : at + 1]
        in_word = [k for k in sides if lattice.words[k] == lattice.words[i]]
        skipped = SkippedBox(
            lattice.hypothesis(number),
            before=0 if at == 0 else len(taken) if at == len(used) else owner[used[at - 1]] + 1,
            same_word=bool(in_word),
            adjoining=any(abs(k - i) == 1 for k in in_word),
            inside=0 < at < len(used),
            log_odds=float(arc.log_probs.max() - arc.nothing),
        )
        found.append(skipped)
    return tuple(found)


def likeliest_rival(found: Alignment, charset: Charset, part: bool = False) -> tuple[float, str]:
    """Compares an aligned text with all other readings of the words in which it stands.

    Args:
        found: the alignment; the classifier knows all symbols.
        charset: the classifier's.
        part: the text may be a part of a longer word; a longer or shorter part of that word is no
            other text.

    Returns:
        The log-score of the text minus that of the likeliest other reading, and that reading. The
        first is -inf if the text is not among the best readings, inf if there is no other one.
    """
    lattice, groups = found.lattice, shape_groups(charset.symbols)
    used = [lattice.arcs[a] for a in found.arcs if a >= 0]
    first, last = lattice.words[[used[0].first // 2, (used[-1].last - 1) // 2]]
    boxes = np.flatnonzero((first <= lattice.words) & (lattice.words <= last)).tolist()
    scores = _shape_scores(lattice, charset)
    inside = lattice.between(boxes[0], boxes[-1] + 1)
    arcs = [replace(arc, log_probs=scores[number]) for number, arc in inside.items()]
    paths = best_paths(arcs, 2 * len(boxes) + 1, any_text(charset.symbols), 16 if part else 2)
    symbols = [s.symbol for s in found.symbols]
    shapes = [int(groups[charset.symbols.index(s)]) for s in symbols]
    own = dict(zip(zip(shapes, found.arcs, strict=True), symbols, strict=True))
    text = "".join(map(chr, shapes))
    exact, others = [], []
    for path in paths:
        read = "".join(map(chr, path.symbols))
        if read == text or (part and text in read):
            exact.append(path)
        elif not (part and read in text):
            others.append(path)
    if not others:
        return math.inf, ""
    numbers, rival = list(inside), others[0]
    margin = exact[0].log_prob - rival.log_prob if exact else -math.inf

    def name(shape: int, arc: int) -> str:
        p = np.where(groups == shape, lattice.hypothesis(numbers[arc]).probabilities, 0.0)
        return own.get((shape, numbers[arc]), charset.symbols[int(p.argmax())])

    return margin, "".join(map(name, rival.symbols, rival.arcs))
