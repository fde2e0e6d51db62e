"""Reading a string without a pattern: the likeliest path through its lattice."""

from __future__ import annotations

from dataclasses import dataclass

from industrial_ocr.decoding.evidence import StringEvidence, options
from industrial_ocr.decoding.lattice import arc_posteriors, likeliest_arcs
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates


@dataclass(frozen=True, eq=False)
class Segmented:
    """The boxes of a string on its likeliest path.

    Attributes:
        string: merged and split boxes in the place of their own; proposed ones only where they show
            a character.
        candidates: one a box.
        character: whether each box is one; others were found and show nothing of their own.
        posterior: probability that each box is what it was taken for, among all segmentations.
    """

    string: BoxString
    candidates: tuple[CharCandidates, ...]
    character: tuple[bool, ...]
    posterior: tuple[float, ...]


def read_freely(evidence: StringEvidence, charset: Charset) -> Segmented:
    """What the boxes of a string are on its likeliest path."""
    own = options(evidence, charset)
    spans, scores = [(o.first, o.last) for o in own], [o.score for o in own]
    nodes = 2 * len(evidence.singles) + 1
    posteriors, _ = arc_posteriors(spans, scores, nodes)
    boxes: list[CharBox] = []
    candidates: list[CharCandidates] = []
    character: list[bool] = []
    sure: list[float] = []
    spaces: list[bool] = []
    for k in likeliest_arcs(spans, scores, nodes):
        option = own[k]
        space = option.last % 2 == 0 and evidence.string.space_after[option.last // 2 - 1]
        if option.kind == "empty":
            if spaces:
                spaces[-1] |= space
            continue
        boxes.append(option.box)
        candidates.append(option.candidates)
        character.append(option.kind != "nothing")
        sure.append(posteriors[k])
        spaces.append(space)
    # A string of proposed boxes alone does not exist: the detector's are on every path.
    string = BoxString(tuple(boxes), (*spaces[:-1], False), evidence.string.direction)
    return Segmented(string, tuple(candidates), tuple(character), tuple(sure))
