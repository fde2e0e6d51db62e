"""Glyphs that many typefaces draw alike: 0 and O, 1 and I and l.

Their shape does not tell them apart, and a classifier that sees one glyph says so: it spreads its
probability over them. The one thing besides the shape that is known without any language is
whether the characters beside it are digits or letters. The rule:

* A character is open where its best symbol is of such a set, and a twin of the other kind has at
  least ``OPEN`` of the probability.
* An open character takes the kind (digit or letter) of its nearest neighbours on both sides, up to
  the next space, that are not open; where there are none, it stays as it is.
* Where they disagree it is a digit: who numbers things avoids the letters O and I beside digits
  (ISO 3779 forbids them). For the same reason two or more open characters in a row between
  letters are digits if the word has a clear digit elsewhere: ``74LS01N``, not ``74LSOIN``.
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

    def beside(at: int, step: int) -> int | None:
        """The nearest closed letter or digit on that side within the word."""
        i = at
        while 0 <= i + step < len(candidates):
            if space_after[i if step > 0 else i - 1]:
                return None
            i += step
            if twins[i] is None and chosen[i][0].isalnum():
                return i
        return None

    def has_digit(at: int, step: int) -> bool:
        """Whether the word has a closed digit on that side."""
        found = beside(at, step)
        while found is not None and not chosen[found][0].isdigit():
            found = beside(found, step)
        return found is not None

    resolved = list(chosen)
    for i, twin in enumerate(twins):
        if twin is None:
            continue
        sides = [beside(i, -1), beside(i, 1)]
        kinds = {chosen[k][0].isdigit() for k in sides if k is not None}
        if not kinds:
            continue
        low, high = (i if k is None else k for k in sides)
        run = sum(t is not None for t in twins[min(low, i) : max(high, i) + 1])
        in_a_row = run > 1 and (has_digit(i, -1) or has_digit(i, 1))
        wanted_digit = True in kinds or in_a_row
        if twin[0].isdigit() == wanted_digit:
            resolved[i] = twin
    return resolved
