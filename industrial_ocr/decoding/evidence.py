"""The lattice of one or more neighboring strings: what their boxes may be, alone and together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.homoglyphs import SAME_SHAPE, shape_groups
from industrial_ocr.decoding.lattice import Arc
from industrial_ocr.decoding.segmentation import FEATURES, features, fitted_weights, measure
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates

Floats = NDArray[np.float64]

FLOOR = 1e-6
LEFT_OUT, WORD_LEFT_OUT = 0.02, 0.2
"""A box beyond the ends of a code counts as this probability at least, in the code's word and in
another one: codes stand among other text."""


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
class Option:
    """One hypothesis about the boxes of a string.

    Attributes:
        kind: see ``segmentation``.
        first: node that it leaves; box i leads from node 2 i to 2 i + 2.
        last: node that it reaches.
        box: what it is about.
        candidates: what the classifier said of that.
        probabilities: (C,) of each symbol, cases of one shape joined.
        features: what its score depends on, see ``segmentation.FEATURES``.
    """

    kind: str
    first: int
    last: int
    box: CharBox
    candidates: CharCandidates
    probabilities: Floats
    features: tuple[float, ...]

    @property
    def score(self) -> float:
        """Its log-score, see ``segmentation``."""
        return float(np.dot(self.features, fitted_weights()[self.kind]))


def options(
    evidence: StringEvidence, charset: Charset, capitals: bool = False, merging: bool = True
) -> list[Option]:
    """Every hypothesis about a string, in the order of its boxes.

    Args:
        evidence: of the string.
        charset: the classifier's.
        capitals: see ``distribution``.
        merging: pairs of boxes may be one character, and wide boxes two.
    """
    vertical = evidence.string.direction == "vertical"
    geometry = measure(evidence.string, evidence.proposed)
    found: list[Option] = []

    def add(kind: str, i: int, nodes: tuple[int, int], box: CharBox, named: CharCandidates) -> None:
        p = distribution(named, charset, capitals)
        none = kind in ("nothing", "empty")
        seen = named.reject if none else float(shapes(p, charset).max())
        own = features(kind, geometry, i, box, named.symbols[0], seen, vertical)
        found.append(Option(kind, *nodes, box, named, p, own))

    for i, (box, named) in enumerate(zip(evidence.string.boxes, evidence.singles, strict=True)):
        node = 2 * i
        unseen = i in evidence.proposed
        for kind in ("gap", "empty") if unseen else ("single", "nothing"):
            add(kind, i, (node, node + 2), box, named)
        if merging and i in evidence.merged:
            add("merged", i, (node, node + 4), *evidence.merged[i])
        for step, half in enumerate(evidence.split.get(i, ()) if merging else ()):
            add("half", i, (node + step, node + step + 1), *half)
    return found


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """What stands behind an arc of the lattice.

    Attributes:
        box: one box, half of one or the box around two.
        candidates: of it, None on arcs that leave boxes out.
        probabilities: (C,) of each symbol, cases of one shape joined.
        string: which of the strings it belongs to.
    """

    box: CharBox | None
    candidates: CharCandidates | None
    probabilities: Floats
    string: int


@dataclass(frozen=True, eq=False)
class Evidence:
    """A lattice with what its arcs are.

    Attributes:
        arcs: see ``lattice.Arc``; box i leads from node 2 i to 2 i + 2, its halves to 2 i + 1 and
            from there.
        hypotheses: one an arc.
        nodes: twice the boxes and one.
        words: (boxes,) number of the word each box is in.
    """

    arcs: tuple[Arc, ...]
    hypotheses: tuple[Hypothesis, ...]
    nodes: int
    words: NDArray[np.int64]


def distribution(candidates: CharCandidates, charset: Charset, capitals: bool) -> Floats:
    """(C,) probabilities of the charset's symbols, with a floor.

    Args:
        candidates: with their full distribution, or the best symbols only.
        charset: the classifier's.
        capitals: join the cases of letters of one shape into the capital.
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
    return np.maximum(found, FLOOR)


def shapes(p: Floats, charset: Charset) -> Floats:
    """(C,) probability of each symbol's shape: the likeliest of one shape has that of all of them.

    0 and O often look the same; that one of them stands there is sure even where which is not. The
    others of the shape keep their odds to the likeliest.
    """
    groups = shape_groups(charset.symbols)
    together = np.bincount(groups, p)[groups]
    best = np.zeros(len(p))
    np.maximum.at(best, groups, p)
    return np.asarray(p * together / best[groups], np.float64)


@lru_cache(maxsize=8)
def _cases(symbols: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """The capitals of ``SAME_SHAPE`` among some symbols and their small letters."""
    index = {s: i for i, s in enumerate(symbols)}
    both = [c for c in SAME_SHAPE if c in index and c.lower() in index]
    return [index[c] for c in both], [index[c.lower()] for c in both]


def _words(strings: Sequence[StringEvidence]) -> NDArray[np.int64]:
    number, words = 0, []
    for evidence in strings:
        for space in evidence.string.space_after:
            words.append(number)
            number += space
        number += 1
    return np.array(words, np.int64)


def gather(
    strings: Sequence[StringEvidence],
    charset: Charset,
    capitals: bool,
    merging: bool = True,
    other_word: float = WORD_LEFT_OUT,
) -> Evidence:
    """The lattice of neighboring strings, read one after the other.

    Args:
        strings: in reading order.
        charset: the classifier's.
        capitals: see ``distribution``.
        merging: pairs of boxes may be one character, and wide boxes two.
        other_word: a box before or after a text, in another word, is left out with this
            probability at least.
    """
    weights = fitted_weights()
    unit = weights["single"][0]
    arcs: list[Arc] = []
    behind: list[Hypothesis] = []
    sure: list[float] = []
    node = 0
    for number, evidence in enumerate(strings):
        nothing: dict[int, float] = {}
        own = options(evidence, charset, capitals, merging)
        for option in own:
            if option.kind in ("nothing", "empty"):
                nothing[option.first] = option.score / unit
        for option in own:
            if option.kind in ("nothing", "empty"):
                continue
            # Evidence and priors in nats of single characters, so that those need no weight.
            evident = dict(zip(FEATURES[option.kind], weights[option.kind], strict=True))["log_p"]
            log_p = np.log(shapes(option.probabilities, charset))
            values = (option.score + evident * (log_p - log_p.max())) / unit
            none = nothing[option.first] if option.kind in ("single", "gap") else None
            arcs.append(Arc(2 * node + option.first, 2 * node + option.last, values, none))
            behind.append(Hypothesis(option.box, option.candidates, option.probabilities, number))
        sure += [1 - c.reject for c in evidence.singles]
        node += len(evidence.singles)
    words, certain = _words(strings), np.array(sure)
    nobody = Hypothesis(None, None, np.zeros(len(charset)), -1)
    for arc in _left_out(certain, words, other_word):
        arcs.append(arc)
        behind.append(nobody)
    return Evidence(tuple(arcs), tuple(behind), 2 * node + 1, words)


def _left_out(sure: Floats, words: NDArray[np.int64], other_word: float) -> list[Arc]:
    """Arcs over the boxes before a code and over those after it."""
    count = len(sure)
    arcs = []
    for edge in range(1, count):
        for first, last, beside in ((0, edge, edge), (edge, count, edge - 1)):
            same = words[first:last] == words[beside]
            least = np.where(same, LEFT_OUT, other_word)
            cost = float(np.log(np.maximum(1 - sure[first:last], least)).sum())
            arcs.append(Arc(2 * first, 2 * last, None, cost))
    return arcs
