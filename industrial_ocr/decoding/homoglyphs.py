"""Glyphs that many typefaces draw alike: 0 and O, 1 and I and l.

Their shape does not tell them apart, and a classifier that sees one glyph says so: it spreads its
probability over them. The one thing besides the shape that is known without any language is
whether the characters beside it are digits or letters. The rule:

* A character is open where its best symbol is of such a set, and a twin of the other kind has at
  least ``OPEN`` of the probability.
* An open character takes the kind (digit or letter) of its nearest neighbours on both sides, up to
  the next space, that are not open; where they disagree, or there are none, it stays as it is.
* Its probability is the classifier's for the symbol that it takes, however low: the doubt stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from industrial_ocr.types import CharCandidates

TWINS: tuple[frozenset[str], ...] = (frozenset("0Oo"), frozenset("1Il"))
OPEN = 0.1


def _other_kind(candidates: CharCandidates) -> tuple[str, float] | None:
    """The likeliest twin of the other kind of an open character."""
    best = candidates.symbols[0]
    twins = next((t for t in TWINS if best in t), None)
    if twins is None:
        return None
    for symbol, p in zip(candidates.symbols[1:], candidates.probabilities[1:], strict=True):
        if symbol in twins and symbol.isdigit() != best.isdigit() and float(p) >= OPEN:
            return symbol, float(p)
    return None


def resolve_homoglyphs(
    candidates: Sequence[CharCandidates], space_after: Sequence[bool]
) -> list[tuple[str, float]]:
    """The symbol of every character of a string and its probability, by the rule above.

    Args:
        candidates: in reading order.
        space_after: whether a space follows each.
    """
    chosen = [(c.symbols[0], float(c.probabilities[0])) for c in candidates]
    twins = [_other_kind(c) for c in candidates]

    def kind_beside(at: int, step: int) -> bool | None:
        """Whether the nearest closed neighbour on that side is a digit."""
        i = at
        while 0 <= i + step < len(candidates):
            if space_after[i if step > 0 else i - 1]:
                return None
            i += step
            if twins[i] is None and chosen[i][0].isalnum():
                return chosen[i][0].isdigit()
        return None

    resolved = list(chosen)
    for i, twin in enumerate(twins):
        if twin is None:
            continue
        kinds = {kind_beside(i, -1), kind_beside(i, 1)} - {None}
        if kinds == {twin[0].isdigit()}:
            resolved[i] = twin
    return resolved
