"""The lattice of neighboring strings: what their boxes may be, alone and together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.homoglyphs import SIZE_TWINS, shape_groups
from industrial_ocr.decoding.lattice import Arc
from industrial_ocr.decoding.segmentation import (
    MIN_PROBABILITY,
    evidence_weight,
    fitted_weights,
    hypothesis_features,
    measure,
)
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StringEvidence:
    """Everything the classifier said about one string.

    Attributes:
        string: its boxes as the detector gave them, oriented, and those proposed between them.
        singles: of each box.
        merged: by the first of two boxes: the box around both, and what it shows.
        split: by a box that may be two characters: its halves, and what they show.
        proposed: places of the boxes that the detector did not find.
    """

    string: BoxString
    singles: tuple[CharCandidates, ...]
    merged: Mapping[int, tuple[CharBox, CharCandidates]]
    split: Mapping[int, tuple[tuple[CharBox, CharCandidates], ...]] = field(default_factory=dict)
    proposed: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if len(self.singles) != len(self.string.boxes):
            raise ValueError(
                f"one candidate a box, got {len(self.singles)} for {len(self.string.boxes)} boxes"
            )


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One hypothesis about the boxes of a string.

    Attributes:
        kind: see ``segmentation``.
        first: node that it leaves; box i leads from node 2 i to 2 i + 2, its halves by 2 i + 1.
        last: node that it reaches.
        box: one box, half of one or the box around two.
        candidates: what the classifier said of that box.
        probabilities: (C,) of each symbol, see ``distribution``.
        features: what its score depends on, see ``segmentation.HYPOTHESIS_FEATURES``.
        string: number of its string in the lattice.
    """

    kind: str
    first: int
    last: int
    box: CharBox
    candidates: CharCandidates
    probabilities: Floats
    features: tuple[float, ...]
    string: int = 0

    @property
    def score(self) -> float:
        """Its log-score, see ``segmentation``."""
        return float(np.dot(self.features, fitted_weights()[self.kind]))

    @property
    def is_character(self) -> bool:
        """Whether it says that a character stands there."""
        return self.kind not in ("nothing", "empty")


def hypotheses(
    evidence: StringEvidence, charset: Charset, capitals: bool = False, number: int = 0
) -> list[Hypothesis]:
    """Every hypothesis about a string of that number, in the order of its boxes.

    ``capitals`` as of ``distribution``.
    """
    geometry = measure(evidence.string, evidence.proposed)
    found: list[Hypothesis] = []

    def add(kind: str, i: int, nodes: tuple[int, int], box: CharBox, named: CharCandidates) -> None:
        p = distribution(named, charset, capitals)
        none = kind in ("nothing", "empty")
        likely = named.reject if none else float(shapes(p, charset).max())
        own = hypothesis_features(kind, geometry, i, box, named.symbols[0], likely)
        found.append(Hypothesis(kind, *nodes, box, named, p, own, number))

    for i, (box, named) in enumerate(zip(evidence.string.boxes, evidence.singles, strict=True)):
        node = 2 * i
        for kind in ("gap", "empty") if i in evidence.proposed else ("single", "nothing"):
            add(kind, i, (node, node + 2), box, named)
        if i in evidence.merged:
            add("merged", i, (node, node + 4), *evidence.merged[i])
        for step, half in enumerate(evidence.split.get(i, ())):
            add("half", i, (node + step, node + step + 1), *half)
    return found


@dataclass(frozen=True, eq=False)
class StringLattice:
    """A lattice and what its arcs are.

    Attributes:
        arcs: see ``lattice.Arc``; nodes as of ``Hypothesis``, counted over all strings.
        hypotheses: one an arc, None for those that leave boxes out.
        nodes: twice the boxes and one.
        words: (boxes,) number of the word each box is in.
    """

    arcs: tuple[Arc, ...]
    hypotheses: tuple[Hypothesis | None, ...]
    nodes: int
    words: NDArray[np.int64]

    def behind(self, arc: int) -> Hypothesis:
        """What was read on an arc."""
        hypothesis = self.hypotheses[arc]
        assert hypothesis is not None, "nothing is read on arcs that leave boxes out"
        return hypothesis


def distribution(candidates: CharCandidates, charset: Charset, capitals: bool) -> Floats:
    """(C,) probabilities of the charset's symbols, at least ``MIN_PROBABILITY`` each.

    With ``capitals`` those of small letters are added to capitals of the same shape.
    """
    if candidates.distribution is not None:
        found = np.array(candidates.distribution, np.float64)
    else:
        index = {s: i for i, s in enumerate(charset.symbols)}
        found = np.zeros(len(index))
        for symbol, p in zip(candidates.symbols, candidates.probabilities, strict=True):
            found[index[symbol]] = p
    if capitals:
        upper, lower = _cases(charset.symbols)
        found[upper] += found[lower]
        found[lower] = 0.0
    return np.maximum(found, MIN_PROBABILITY)


def shapes(p: Floats, charset: Charset) -> Floats:
    """(C,) probability of each symbol's shape.

    The likeliest symbol of a shape gets the probability of all of them: that 0 or O stands there is
    sure even where which of them is not. The others keep their odds to the likeliest.
    """
    groups = shape_groups(charset.symbols)
    together = np.bincount(groups, p)[groups]
    best = np.zeros(len(p))
    np.maximum.at(best, groups, p)
    return np.asarray(p * together / best[groups], np.float64)


@lru_cache(maxsize=8)
def _cases(symbols: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """The capitals of ``SIZE_TWINS`` among some symbols and their small letters."""
    index = {s: i for i, s in enumerate(symbols)}
    both = [c for c in SIZE_TWINS if c in index and c.lower() in index]
    return [index[c] for c in both], [index[c.lower()] for c in both]


def build_lattice(
    strings: Sequence[StringEvidence], charset: Charset, capitals: bool, other_word: float = 0.2
) -> StringLattice:
    """The lattice of neighboring strings, read one after the other.

    Args:
        strings: in reading order.
        charset: the classifier's.
        capitals: see ``distribution``.
        other_word: least probability with which a box before or after a text, in another word, is
            left out: codes stand among other text.
    """
    unit = fitted_weights()["single"][0]
    arcs: list[Arc] = []
    behind: list[Hypothesis | None] = []
    rejects: list[float] = []
    for number, evidence in enumerate(strings):
        start = 2 * len(rejects)
        own = hypotheses(evidence, charset, capitals, number)
        nothing = {h.first: h.score / unit for h in own if not h.is_character}
        for h in own:
            if h.is_character:
                # Evidence and priors in nats of single characters, so that those need no weight.
                log_p = np.log(shapes(h.probabilities, charset))
                values = (h.score + evidence_weight(h.kind) * (log_p - log_p.max())) / unit
                none = nothing[h.first] if h.kind in ("single", "gap") else None
                arcs.append(Arc(start + h.first, start + h.last, values, none))
                behind.append(h)
        rejects += [c.reject for c in evidence.singles]
    words = _words(strings)
    left_out = _left_out(np.array(rejects), words, other_word)
    behind += [None for _ in left_out]
    return StringLattice((*arcs, *left_out), tuple(behind), 2 * len(rejects) + 1, words)


def _words(strings: Sequence[StringEvidence]) -> NDArray[np.int64]:
    """(boxes,) number of the word each box is in."""
    ends = [np.array([*e.string.space_after[:-1], True], np.int64) for e in strings]
    last_of_word = np.concatenate(ends) if ends else np.zeros(0, np.int64)
    return np.asarray(np.cumsum(last_of_word) - last_of_word)


def _left_out(rejects: Floats, words: NDArray[np.int64], other_word: float) -> list[Arc]:
    """Arcs over the boxes before a code and over those after it."""
    count, own_word = len(rejects), 0.02
    arcs = []
    for edge in range(1, count):
        for first, last, beside in ((0, edge, edge), (edge, count, edge - 1)):
            same = words[first:last] == words[beside]
            least = np.where(same, own_word, other_word)
            cost = float(np.log(np.maximum(rejects[first:last], least)).sum())
            arcs.append(Arc(2 * first, 2 * last, None, cost))
    return arcs
