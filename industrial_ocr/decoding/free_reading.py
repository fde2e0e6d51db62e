"""Reading a string without a pattern: the likeliest path through its lattice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from industrial_ocr.decoding.evidence import Hypothesis, StringEvidence, hypotheses
from industrial_ocr.decoding.lattice import arc_posteriors, likeliest_arcs
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.types import BoxString, CharCandidates


@dataclass(frozen=True, eq=False)
class FreeReading:
    """The boxes of a string on its likeliest path.

    Attributes:
        string: its boxes after merging and splitting; proposed boxes are kept only if they show a
            character.
        candidates: one per box.
        character: whether each box shows a character; a detected box may show none.
        posterior: probability of each box's hypothesis over all segmentations.
        evidence: of the whole string, for other readings of it.
        score: log-score of the path, divided by the number of boxes that the detector found.
    """

    string: BoxString
    candidates: tuple[CharCandidates, ...]
    character: tuple[bool, ...]
    posterior: tuple[float, ...]
    evidence: StringEvidence
    score: float

    def part(self, first: int, last: int) -> FreeReading:
        """The boxes from ``first`` to ``last`` (exclusive)."""
        own, boxes = slice(first, last), self.string.boxes[first:last]
        spaces = (*self.string.space_after[first : last - 1], False)
        return replace(
            self,
            string=BoxString(boxes, spaces, self.string.direction),
            candidates=self.candidates[own],
            character=self.character[own],
            posterior=self.posterior[own],
        )

    def shown(self) -> tuple[BoxString, str]:
        """The boxes that show a character, at least one, and their best symbols."""
        own = [i for i, taken in enumerate(self.character) if taken]
        spaces = (*(any(self.string.space_after[i:j]) for i, j in pairwise(own)), False)
        string = BoxString(tuple(self.string.boxes[i] for i in own), spaces, self.string.direction)
        return string, "".join(self.candidates[i].symbols[0] for i in own)


def read_freely(evidence: StringEvidence, charset: Charset) -> FreeReading:
    """The likeliest path through the lattice of a string."""
    own = hypotheses(evidence, charset)
    spans, scores = [(h.first, h.last) for h in own], [h.score for h in own]
    nodes = 2 * len(evidence.singles) + 1
    posteriors, _ = arc_posteriors(spans, scores, nodes)
    found: list[tuple[Hypothesis, float]] = []
    spaces: list[bool] = []
    path = likeliest_arcs(spans, scores, nodes)
    for k in path:
        last = own[k].last
        space = last % 2 == 0 and evidence.string.space_after[last // 2 - 1]
        if own[k].kind != "empty":
            found.append((own[k], posteriors[k]))
            spaces.append(space)
        elif spaces:
            spaces[-1] |= space
    # ``found`` is not empty: the boxes of the detector are on every path.
    boxes = tuple(h.box for h, _ in found)
    return FreeReading(
        BoxString(boxes, (*spaces[:-1], False), evidence.string.direction),
        tuple(h.candidates for h, _ in found),
        tuple(h.is_character for h, _ in found),
        tuple(posterior for _, posterior in found),
        evidence,
        sum(scores[k] for k in path) / (len(evidence.singles) - len(evidence.proposed)),
    )
