"""The lattice of one or more neighbouring strings: what their boxes may be, alone and together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.charset import Charset
from industrial_ocr.decoding.lattice import Arc
from industrial_ocr.geometry import one_character
from industrial_ocr.types import BoxString, CharBox, CharCandidates

Floats = NDArray[np.float64]

SAME_SHAPE = "CKOPSUVWXZ"
"""Letters whose cases differ in size alone; under a pattern of capitals both are the capital."""
FLOOR = 1e-6
NOTHING = 0.5
"""A box that is no character weighs this much of its reject probability, as in segmentation."""
SEPARATE, WHOLE = 0.65, 2.2
"""Priors in nats for what the detector saw: two boxes are two characters, one box is one. The
latter is beyond ``code_rules.CONTRADICTION``: a pattern alone never parts a box of the usual
length that reads as well whole; of longer ones less is asked (``geometry.one_character``)."""
LEFT_OUT, WORD_LEFT_OUT = 0.02, 0.2
"""A box beyond the ends of a code counts as this probability at least, in the code's word and in
another one: codes stand among other text."""


@dataclass(frozen=True, eq=False)
class StringEvidence:
    """Everything the classifier said about one string.

    Attributes:
        string: its boxes as the detector gave them, oriented.
        singles: of each box.
        merged: by the first of two boxes: the box around both, and what it shows.
        split: by a box that may be two characters: its halves, and what they show.
    """

    string: BoxString
    singles: tuple[CharCandidates, ...]
    merged: Mapping[int, tuple[CharBox, CharCandidates]]
    split: Mapping[int, tuple[tuple[CharBox, CharCandidates], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.singles) != len(self.string.boxes):
            raise ValueError(
                f"one candidate a box, got {len(self.singles)} for {len(self.string.boxes)} boxes"
            )


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
        sure: (boxes,) probability that a box is a character.
        words: (boxes,) number of the word each box is in.
    """

    arcs: tuple[Arc, ...]
    hypotheses: tuple[Hypothesis, ...]
    nodes: int
    sure: Floats
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
    strings: Sequence[StringEvidence], charset: Charset, capitals: bool, merging: bool = True
) -> Evidence:
    """The lattice of neighbouring strings, read one after the other.

    Args:
        strings: in reading order.
        charset: the classifier's.
        capitals: see ``distribution``.
        merging: pairs of boxes may be one character, and wide boxes two.
    """
    arcs: list[Arc] = []
    behind: list[Hypothesis] = []
    sure: list[float] = []
    node = 0
    for number, evidence in enumerate(strings):
        if evidence.split:
            boxes = [b.quad for b in evidence.string.boxes]
            whole = WHOLE * one_character(boxes, evidence.string.direction == "vertical")
        for i, (box, candidates) in enumerate(
            zip(evidence.string.boxes, evidence.singles, strict=True)
        ):
            p = distribution(candidates, charset, capitals)
            nothing = float(np.log(max(NOTHING * candidates.reject, FLOOR)))
            first = 2 * (node + i)
            arcs.append(Arc(first, first + 2, np.log(p), nothing))
            behind.append(Hypothesis(box, candidates, p, number))
            sure.append(1 - candidates.reject)
            if merging and i in evidence.merged:
                both, pair = evidence.merged[i]
                p = distribution(pair, charset, capitals)
                # Twice, so that readings of fewer characters are not favoured for their length.
                arcs.append(Arc(first, first + 4, 2 * np.log(p), prior=-SEPARATE))
                behind.append(Hypothesis(both, pair, p, number))
            for step, (half, part) in enumerate(evidence.split.get(i, ()) if merging else ()):
                p = distribution(part, charset, capitals)
                # Halved, so that readings of more characters are not favoured either.
                arcs.append(Arc(first + step, first + step + 1, np.log(p) / 2, prior=-whole[i] / 2))
                behind.append(Hypothesis(half, part, p, number))
        node += len(evidence.singles)
    words, certain = _words(strings), np.array(sure)
    nobody = Hypothesis(None, None, np.zeros(len(charset)), -1)
    for arc in _left_out(certain, words):
        arcs.append(arc)
        behind.append(nobody)
    return Evidence(tuple(arcs), tuple(behind), 2 * node + 1, certain, words)


def _left_out(sure: Floats, words: NDArray[np.int64]) -> list[Arc]:
    """Arcs over the boxes before a code and over those after it."""
    count = len(sure)
    arcs = []
    for edge in range(1, count):
        for first, last, beside in ((0, edge, edge), (edge, count, edge - 1)):
            same = words[first:last] == words[beside]
            least = np.where(same, LEFT_OUT, WORD_LEFT_OUT)
            cost = float(np.log(np.maximum(1 - sure[first:last], least)).sum())
            arcs.append(Arc(2 * first, 2 * last, None, cost))
    return arcs
