"""Searches a known text in the lattice of one string, or of several consecutive strings.

One search (``TextSearch``) answers two questions: which box shows which symbol
(``align_symbols``), and whether a similar text is as likely (``neighbor_texts``). In an alignment,
a symbol may be missing, and a box may be skipped or show another symbol; each has a cost (Needleman
and Wunsch 1970). Symbols of one shape (0 O, 1 I l, C c) are equal. Ties go to the earlier box.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.evidence import StringEvidence, StringLattice, build_lattice
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.decoding.lattice import Arc, leaving
from industrial_ocr.decoding.segmentation import MIN_PROBABILITY
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.types import CharBox, CharCandidates, Floats

MISSING_SYMBOL = math.log(3e-4)
"""Log-probability of a symbol that has no box."""
WRONG_SYMBOL = math.log(1e-4)
"""Lower limit of the log-probability of a symbol of the text in a box, relative to the box's best
symbol. Without it, a wrong character would count as a missing one and an extra one. It is also the
lower limit for skipping a box."""

Strings = StringEvidence | Sequence[StringEvidence]
"""One string, or several in reading order."""


@dataclass(frozen=True, eq=False)
class AlignedSymbol:
    """One symbol of the text and where it stands.

    Attributes:
        symbol: of the text.
        box: a box, half of one, or the box around two; None if the symbol is missing.
        candidates: of the classifier for that box, None if the symbol is missing.
        log_prob: log-probability of the symbol in that box, at least ln(``MIN_PROBABILITY``);
            ``MISSING_SYMBOL`` if it is missing, ``_unknown_log_prob`` if the classifier does not
            know it.
        known: whether the classifier knows the symbol.
        string: index of its string, -1 if the symbol is missing.
        boxes: indices of its boxes in that string: none, one or two.
    """

    symbol: str
    box: CharBox | None
    candidates: CharCandidates | None
    log_prob: float
    known: bool
    string: int = -1
    boxes: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class SkippedBox:
    """A box that is aligned with no symbol.

    Attributes:
        box: as found.
        candidates: of the classifier for it.
        string: index of its string.
        place: its index in that string.
        before: number of symbols up to the last one found before the box; all symbols for a box
            after the text.
        same_word: whether the nearest symbol before or after it is in the same word.
        adjoining: whether that symbol is also in the box directly beside it.
        log_odds: log-odds that it is a character of its own.
    """

    box: CharBox
    candidates: CharCandidates
    string: int
    place: int
    before: int
    same_word: bool
    adjoining: bool
    log_odds: float


@dataclass(frozen=True, eq=False)
class Alignment:
    """A text aligned with the boxes of strings.

    Attributes:
        symbols: one entry per symbol of the text, in its order.
        skipped: boxes without a symbol, in reading order.
        score: log-score of the path; comparable between texts and between strings.
    """

    symbols: tuple[AlignedSymbol, ...]
    skipped: tuple[SkippedBox, ...]
    score: float

    @property
    def inside(self) -> tuple[SkippedBox, ...]:
        """The skipped boxes between the first and the last symbol that was found."""
        found = [i for i, s in enumerate(self.symbols) if s.box is not None]
        return tuple(s for s in self.skipped if found[0] < s.before <= found[-1])


def align_symbols(evidence: Strings, symbols: Sequence[str], charset: Charset) -> Alignment | None:
    """Aligns a known text with the boxes of strings.

    Args:
        evidence: of the strings.
        symbols: of the text, without white space; those that the charset lacks are wildcards.
        charset: the classifier's.

    Returns:
        The likeliest alignment; None if there is no box, or no symbol has one.

    Raises:
        ValueError: no symbols, or one that is empty or white space.
    """
    if not symbols or any(not s or s.isspace() for s in symbols):
        raise ValueError(
            f"the text to align needs symbols that are no white space, got {symbols!r}"
        )
    strings, lattice = text_lattice(evidence, charset)
    if not len(lattice.words):
        return None
    values = shape_scores(lattice, symbols, charset)
    search = TextSearch(lattice, len(symbols))
    for node in range(lattice.nodes):
        search.skip_symbols(node, MISSING_SYMBOL)
        here = search.best[node, 0]
        for number, arc in search.leaving(node):
            if arc.log_probs is None:
                search.leave_out(node, 0, arc)
                continue
            shown = np.maximum(values[number], arc.log_probs.max() + WRONG_SYMBOL)
            search.step((node, 0), (arc.last, 0), here[:-1] + shown, read=1, arc=number)
            if arc.nothing is not None:
                search.step((node, 0), (arc.last, 0), here + max(arc.nothing, WRONG_SYMBOL))
    used = {k - 1: number for k, number, _ in search.trace(0) if number >= 0}
    if not used:
        return None
    taken = [used.get(k, -1) for k in range(len(symbols))]
    starts = np.cumsum([0, *(len(e.singles) for e in strings)])
    aligned = [
        _aligned(symbol, arc, lattice, starts, charset)
        for symbol, arc in zip(symbols, taken, strict=True)
    ]
    score = float(search.best[-1, 0, -1])
    return Alignment(tuple(aligned), _skipped(taken, lattice, strings), score)


class TextSearch:
    """A Viterbi search over the states (node, kind of edits, symbols read) of a lattice.

    Attributes:
        best: (nodes, kinds, L + 1) scores, -inf for states that no path reaches.
        length: L, the number of symbols of the text.
    """

    def __init__(self, lattice: StringLattice, length: int, kinds: int = 1) -> None:
        self._leaving = leaving(lattice.arcs)
        self.length = length
        self.best = np.full((lattice.nodes, kinds, length + 1), -np.inf)
        self.best[0, 0, 0] = 0.0
        # The step to each state: node, kind and symbols read before it; arc and symbol, or -1.
        self._back = np.zeros((*self.best.shape, 5), np.int64)

    def leaving(self, node: int) -> list[tuple[int, Arc]]:
        """The arcs that leave a node, with their numbers."""
        return self._leaving.get(node, [])

    def step(
        self,
        source: tuple[int, int],
        target: tuple[int, int],
        scores: Floats,
        read: int = 0,
        arc: int = -1,
        symbols: NDArray[np.int64] | int = -1,
    ) -> None:
        """Extends the paths from one node and kind to another, where that improves the score.

        Args:
            source: node and kind.
            target: node and kind.
            scores: (L + 1 - read,) after the step, by the number of symbols read before it.
            read: 1 for a step that reads a symbol of the text, otherwise 0.
            arc: index of the arc that is read, -1 for none.
            symbols: indices of its symbols, by the number of symbols read before; -1 for none.
        """
        best, back = self.best[target][read:], self._back[target][read:]
        better = np.flatnonzero(scores > best)
        best[better] = scores[better]
        back[better, :2] = source
        back[better, 2] = better
        back[better, 3] = arc
        back[better, 4] = symbols if isinstance(symbols, int) else symbols[better]

    def skip_symbols(self, node: int, score: float) -> None:
        """Skips symbols of the text at a node, each with ``score``; only for paths of kind 0."""
        best = self.best[node, 0]
        for k in range(self.length):
            if best[k] + score > best[k + 1]:
                best[k + 1] = best[k] + score
                self._back[node, 0, k + 1] = node, 0, k, -1, -1

    def leave_out(self, node: int, kind: int, arc: Arc) -> None:
        """Follows an arc that leaves out all boxes before the text, or all after it."""
        at = 0 if node == 0 else self.length
        scores = np.full(self.length + 1, -np.inf)
        scores[at] = self.best[node, kind, at] + float(arc.nothing or 0.0)
        self.step((node, kind), (arc.last, kind), scores)

    def trace(self, kind: int) -> Iterator[tuple[int, int, int]]:
        """The steps of the best path of a kind, the last first: symbols read, arc, symbol."""
        node, k = len(self.best) - 1, self.length
        while node > 0 or k > 0:
            before, kind_before, fewer, arc, symbol = self._back[node, kind, k].tolist()
            yield k, arc, symbol
            node, kind, k = before, kind_before, fewer


def text_lattice(evidence: Strings, charset: Charset) -> tuple[list[StringEvidence], StringLattice]:
    """The strings and their lattice, in which leaving out boxes of other words costs little."""
    strings = [evidence] if isinstance(evidence, StringEvidence) else list(evidence)
    return strings, build_lattice(strings, charset, capitals=False, other_word=0.9)


def has_shape_of(symbols: Sequence[str], charset: Charset) -> NDArray[np.bool_]:
    """(L, C) whether a symbol of the text and one of the charset have the same shape."""
    shapes = [same_shape(s) for s in symbols]
    return np.array([[s in shape for s in charset.symbols] for shape in shapes], bool)


def symbol_scores(lattice: StringLattice, charset: Charset) -> Floats:
    """(A, 1, C) score of each symbol on each arc, -inf on arcs that leave boxes out."""
    nothing = np.full(len(charset.symbols), -np.inf)
    rows = [nothing if a.log_probs is None else a.log_probs for a in lattice.arcs]
    return np.array(rows)[:, None]


def shape_scores(lattice: StringLattice, symbols: Sequence[str], charset: Charset) -> Floats:
    """(A, L) score of each symbol's shape on each arc, -inf on arcs that leave boxes out."""
    logs = symbol_scores(lattice, charset)
    values: Floats = np.where(has_shape_of(symbols, charset), logs, -np.inf).max(2)
    likely = [MIN_PROBABILITY if h is None else h.probabilities.max() for h in lattice.hypotheses]
    for k, symbol in enumerate(symbols):
        if symbol not in charset.symbols:
            # For an unknown symbol, only whether its box shows a character can be judged.
            p = np.array(likely)
            values[:, k] = logs.max(2)[:, 0] - np.log(p) + _unknown_log_prob(p)
    return values


def _unknown_log_prob(p: Floats) -> Floats:
    """Log-likelihood of a symbol unknown to the classifier in a box whose best symbol has ``p``."""
    return np.asarray(np.log(0.1 * (1 - p / 2)))


def _aligned(
    symbol: str, arc: int, lattice: StringLattice, starts: NDArray[np.int64], charset: Charset
) -> AlignedSymbol:
    known = symbol in charset.symbols
    if arc < 0:
        return AlignedSymbol(symbol, None, None, MISSING_SYMBOL, known)
    hypothesis, own = lattice.hypothesis(arc), lattice.arcs[arc]
    p = hypothesis.probabilities
    if known:
        log_prob = math.log(max(p[charset.symbols.index(symbol)], MIN_PROBABILITY))
    else:
        log_prob = float(_unknown_log_prob(p.max()))
    first = own.first // 2 - int(starts[hypothesis.string])
    boxes = tuple(range(first, first + max((own.last - own.first) // 2, 1)))
    return AlignedSymbol(
        symbol, hypothesis.box, hypothesis.candidates, log_prob, known, hypothesis.string, boxes
    )


def _skipped(
    taken: Sequence[int], lattice: StringLattice, strings: Sequence[StringEvidence]
) -> tuple[SkippedBox, ...]:
    """The boxes without a symbol, with their positions relative to the text."""
    owner: dict[int, int] = {}
    for k, arc in enumerate(taken):
        if arc >= 0:
            own = lattice.arcs[arc]
            owner.update(dict.fromkeys(range(own.first // 2, (own.last + 1) // 2), k))
    odds = {
        a.first // 2: float(a.log_probs.max() - a.nothing)
        for a in lattice.arcs
        if a.log_probs is not None and a.nothing is not None
    }
    found: list[SkippedBox] = []
    start = 0
    for number, evidence in enumerate(strings):
        for place, box in enumerate(evidence.string.boxes):
            i = start + place
            if i in owner:
                continue
            left = max((k for k in owner if k < i), default=None)
            right = min((k for k in owner if k > i), default=None)
            sides = [k for k in (left, right) if k is not None]
            in_word = [k for k in sides if lattice.words[k] == lattice.words[i]]
            before = 0 if left is None else len(taken) if right is None else owner[left] + 1
            skipped = SkippedBox(
                box,
                evidence.singles[place],
                number,
                place,
                before,
                same_word=bool(in_word),
                adjoining=any(abs(k - i) == 1 for k in in_word),
                log_odds=odds[i],
            )
            found.append(skipped)
        start += len(evidence.singles)
    return tuple(found)
