"""Builds the lattice of neighboring strings from all hypotheses about their boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.homoglyphs import SIZE_TWINS, shape_groups
from industrial_ocr.decoding.lattice import Arc
from industrial_ocr.decoding.segmentation import (
    MARKS,
    MIN_PROBABILITY,
    THIN,
    evidence_weight,
    fitted_weights,
    hypothesis_features,
    measure,
)
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates, Floats, InkSigns


@dataclass(frozen=True, eq=False)
class StringEvidence:
    """The classifier's candidates for all boxes of one string.

    Attributes:
        string: the oriented string, with detected and proposed boxes.
        singles: candidates of each box.
        merged: index of the first of two boxes -> the box around both, and its candidates.
        split: index of a box that may be two characters -> its halves, and their candidates.
        proposed: indices of the boxes that the detector did not find.
        ink: what the ink shows about merging and splitting boxes.
    """

    string: BoxString
    singles: tuple[CharCandidates, ...]
    merged: Mapping[int, tuple[CharBox, CharCandidates]]
    split: Mapping[int, tuple[tuple[CharBox, CharCandidates], ...]] = field(default_factory=dict)
    proposed: frozenset[int] = frozenset()
    ink: InkSigns = InkSigns()

    def __post_init__(self) -> None:
        if len(self.singles) != len(self.string.boxes):
            counts = f"{len(self.singles)} for {len(self.string.boxes)} boxes"
            raise ValueError(f"each box needs its candidates, got {counts}")


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One hypothesis about the boxes of a string.

    Attributes:
        kind: see ``segmentation``.
        first: its first node; box i goes from node 2 i to 2 i + 2, its halves meet at 2 i + 1.
        last: its last node.
        box: one box, half of one or the box around two.
        candidates: of the classifier for that box.
        probabilities: (C,) of each symbol, see ``distribution``.
        features: of its score, see ``segmentation.HYPOTHESIS_FEATURES``.
        shape: probability of the best shape: of a symbol and of all that look like it.
        string: index of its string in the lattice.
    """

    kind: str
    first: int
    last: int
    box: CharBox
    candidates: CharCandidates
    probabilities: Floats
    features: tuple[float, ...]
    shape: float
    string: int = 0

    @property
    def score(self) -> float:
        """Its log-score, see ``segmentation``."""
        return float(np.dot(self.features, fitted_weights()[self.kind]))

    @property
    def is_character(self) -> bool:
        """Whether it takes its box for a character."""
        return self.kind not in ("nothing", "empty")


def hypotheses(
    evidence: StringEvidence, charset: Charset, capitals: bool = False, number: int = 0
) -> list[Hypothesis]:
    """Every hypothesis about a string, in the order of its boxes.

    ``capitals`` is that of ``distribution``, ``number`` the string's index in the lattice.
    """
    geometry = measure(evidence.string, evidence.proposed)
    read = [named.symbols[0] for named in evidence.singles]
    found: list[Hypothesis] = []

    def add(
        i: int, nodes: tuple[int, int], box: CharBox, named: CharCandidates, *kinds: str
    ) -> None:
        p = distribution(named, charset, capitals)
        best_shape = float(np.bincount(shape_groups(charset.symbols), p).max())
        for kind in kinds:
            likelihood = named.reject if kind in ("nothing", "empty") else best_shape
            own = hypothesis_features(
                kind, geometry, evidence.ink, read, i, box, named.symbols[0], likelihood
            )
            found.append(Hypothesis(kind, *nodes, box, named, p, own, best_shape, number))

    for i, (box, named) in enumerate(zip(evidence.string.boxes, evidence.singles, strict=True)):
        node = 2 * i
        kinds = ("gap", "empty") if i in evidence.proposed else ("single", "nothing")
        add(i, (node, node + 2), box, named, *kinds)
        if i in evidence.merged and not _two_marks(evidence, i):
            add(i, (node, node + 4), *evidence.merged[i], "merged")
        part = "piece" if i in evidence.ink.cut else "half"
        if part == "piece" and _one_letter(evidence, i):
            continue
        for step, half in enumerate(evidence.split.get(i, ())):
            add(i, (node + step, node + step + 1), *half, part)
    return found


def _two_marks(evidence: StringEvidence, i: int) -> bool:
    """Whether boxes ``i`` and ``i + 1`` read as a mark together, but a gap parts their ink."""
    return i in evidence.ink.apart and evidence.merged[i][1].symbols[0] in MARKS


def _one_letter(evidence: StringEvidence, i: int) -> bool:
    """Whether both pieces of box ``i`` read like the whole box, as of an S with a broken stroke.

    Two thin characters in one box may read like one of them.
    """
    symbol = evidence.singles[i].symbols[0]
    alike = all(named.symbols[0] == symbol for _, named in evidence.split.get(i, ()))
    return alike and symbol not in THIN


@dataclass(frozen=True, eq=False)
class StringLattice:
    """A lattice with the hypotheses of its arcs.

    Attributes:
        arcs: see ``lattice.Arc``; nodes as in ``Hypothesis``, counted over all strings.
        hypotheses: one per arc, None for those that leave boxes out.
        nodes: number of nodes: twice the boxes plus one.
        words: (boxes,) index of the word each box is in.
    """

    arcs: tuple[Arc, ...]
    hypotheses: tuple[Hypothesis | None, ...]
    nodes: int
    words: NDArray[np.int64]

    def hypothesis(self, arc: int) -> Hypothesis:
        """The hypothesis of an arc that reads a character."""
        found = self.hypotheses[arc]
        assert found is not None, "arcs that leave out boxes have no hypothesis"
        return found

    def between(self, first: int, last: int) -> dict[int, Arc]:
        """The arcs over the boxes from ``first`` to ``last`` (exclusive), by number.

        Their nodes are counted from the first box on.
        """
        start, stop = 2 * first, 2 * last
        return {
            number: replace(arc, first=arc.first - start, last=arc.last - start)
            for number, arc in enumerate(self.arcs)
            if arc.log_probs is not None and start <= arc.first and arc.last <= stop
        }


def distribution(candidates: CharCandidates, charset: Charset, capitals: bool) -> Floats:
    """(C,) probabilities of the charset's symbols, at least ``MIN_PROBABILITY`` each.

    With ``capitals``, a lowercase letter's probability is added to its capital of the same shape.
    """
    assert candidates.distribution is not None, "a classifier gives all probabilities"
    found = np.array(candidates.distribution, np.float64)
    if capitals:
        upper, lower = _cases(charset.symbols)
        found[upper] += found[lower]
        found[lower] = 0.0
    return np.maximum(found, MIN_PROBABILITY)


def shapes(p: Floats, charset: Charset) -> Floats:
    """(C,) probability of each symbol's shape.

    The likeliest symbol of a shape gets the summed probability of the shape: a box may clearly show
    0 or O, but not which of them. The others keep their ratio to the likeliest.
    """
    groups = shape_groups(charset.symbols)
    together = np.bincount(groups, p)[groups]
    best = np.zeros(len(p))
    np.maximum.at(best, groups, p)
    return np.asarray(p * together / best[groups], np.float64)


@lru_cache(maxsize=8)
def _cases(symbols: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Indices of the capitals of ``SIZE_TWINS`` in ``symbols``, and of their lowercase letters."""
    index = {s: i for i, s in enumerate(symbols)}
    both = [c for c in SIZE_TWINS if c in index and c.lower() in index]
    return [index[c] for c in both], [index[c.lower()] for c in both]


@lru_cache(maxsize=8)
def any_text(symbols: tuple[str, ...]) -> Automaton:
    """Accepts any text of the symbols."""
    return Automaton.free(symbols)


def build_lattice(
    strings: Sequence[StringEvidence], charset: Charset, capitals: bool, other_word: float = 0.2
) -> StringLattice:
    """The lattice of neighboring strings, read one after the other.

    Args:
        strings: in reading order.
        charset: the classifier's.
        capitals: see ``distribution``.
        other_word: lower limit of the probability of leaving out a box of another word before or
            after the text; a code often stands among other words.
    """
    unit = fitted_weights()["single"][0]
    arcs: list[Arc] = []
    of_arcs: list[Hypothesis | None] = []
    rejects: list[float] = []
    for number, evidence in enumerate(strings):
        start = 2 * len(rejects)
        own = hypotheses(evidence, charset, capitals, number)
        nothing = {h.first: h.score / unit for h in own if not h.is_character}
        for h in own:
            if h.is_character:
                # Scores are divided by the weight of a single box's log-probability, so that a
                # single box scores its log-probability.
                log_p = np.log(shapes(h.probabilities, charset))
                values = (h.score + evidence_weight(h.kind) * (log_p - log_p.max())) / unit
                none = nothing[h.first] if h.kind in ("single", "gap") else None
                arcs.append(Arc(start + h.first, start + h.last, values, none))
                of_arcs.append(h)
        rejects += [c.reject for c in evidence.singles]
    words = _words(strings)
    left_out = _left_out(np.array(rejects), words, other_word)
    of_arcs += [None for _ in left_out]
    return StringLattice((*arcs, *left_out), tuple(of_arcs), 2 * len(rejects) + 1, words)


def _words(strings: Sequence[StringEvidence]) -> NDArray[np.int64]:
    """(boxes,) index of the word each box is in."""
    ends = [np.array([*e.string.space_after[:-1], True], np.int64) for e in strings]
    last_of_word = np.concatenate(ends) if ends else np.zeros(0, np.int64)
    return np.asarray(np.cumsum(last_of_word) - last_of_word)


def _left_out(rejects: Floats, words: NDArray[np.int64], other_word: float) -> list[Arc]:
    """Arcs that leave out all boxes before a code, or all boxes after it."""
    count, own_word = len(rejects), 0.02
    arcs = []
    for edge in range(1, count):
        for first, last, beside in ((0, edge, edge), (edge, count, edge - 1)):
            same = words[first:last] == words[beside]
            least = np.where(same, own_word, other_word)
            cost = float(np.log(np.maximum(rejects[first:last], least)).sum())
            arcs.append(Arc(2 * first, 2 * last, None, cost))
    return arcs
