"""Glyphs that many typefaces draw alike: 0 and O, 1 and I and l.

Their shape does not tell them apart, and a classifier that sees one glyph says so: it spreads its
probability over them. The one thing besides the shape that is known without any language is
whether the characters beside it are digits or letters. The rule:

* A character is open where its best symbol is of such a set, and a twin of the other kind has at
  least ``OPEN`` of the probability.
* A run of open characters is of one kind (digits or letters). For each the nearest characters on
  both sides, up to the next space, that are not open count ``NEIGHBORS`` nats, and so much at most
  says the shape of a single one; those of a run add up, and ``NO_WORD`` in a row are taken for
  digits: ``C000000`` has zeros.
* Where they disagree it is a digit: who numbers things avoids the letters O and I beside digits
  (ISO 3779 forbids them). For the same reason two or more open characters in a row between
  letters are digits if the word has a clear digit elsewhere: ``74LS01N``, not ``74LSOIN``.
* Its probability is that of its shape, all its twins together: which of them it is, is another
  question, and those that were not taken stay among the alternatives.
* A letter whose cases differ in size alone (c C) and whose other case has at least ``OPEN`` of the
  probability takes the case of its nearest letters and digits on both sides, where these agree; a
  digit counts as a capital. The first letter of a word may be a capital before small ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.types import CharCandidates

TWINS: tuple[frozenset[str], ...] = (frozenset("0Oo"), frozenset("1Il"))
OPEN = 0.1
NO_WORD = 3
"""So many open characters in a row are in no word: they are digits."""
NEIGHBORS = math.log((1 - OPEN) / OPEN)
"""Nats by which the kind of the neighbors counts: what the shape of one open character can say."""
SAME_SHAPE = "CKOPSUVWXZ"
"""Letters whose cases differ in size alone; under a pattern of capitals both are the capital."""


@lru_cache(maxsize=256)
def same_shape(symbol: str) -> frozenset[str]:
    """The symbols that many typefaces draw as this one, itself included."""
    same = {symbol}
    if symbol.upper() in SAME_SHAPE:
        same |= {symbol.upper(), symbol.lower()}
    for twins in TWINS:
        if same & twins:
            same |= twins
    return frozenset(same)


@lru_cache(maxsize=8)
def shape_groups(symbols: tuple[str, ...]) -> NDArray[np.int64]:
    """(C,) a number for each symbol that those of its shape share."""
    numbers: dict[frozenset[str], int] = {}
    return np.array([numbers.setdefault(same_shape(s), len(numbers)) for s in symbols], np.int64)


def _twins(candidates: CharCandidates) -> frozenset[str]:
    """The symbols of the best one's shape."""
    best = candidates.symbols[0]
    return next((t for t in TWINS if best in t), frozenset({best}))


def _other_kind(candidates: CharCandidates) -> tuple[str, float] | None:
    """The likeliest twin of the other kind of an open character."""
    best, twins = candidates.symbols[0], _twins(candidates)
    for symbol, p in zip(candidates.symbols[1:], candidates.probabilities[1:], strict=True):
        if symbol in twins and symbol.isdigit() != best.isdigit() and float(p) >= OPEN:
            return symbol, float(p)
    return None


def _shape(candidates: CharCandidates) -> float:
    """The probability of the best symbol and its twins together."""
    ranked = zip(candidates.symbols, candidates.probabilities, strict=True)
    return min(sum(float(p) for s, p in ranked if s in _twins(candidates)), 1.0)


def _other_case(candidates: CharCandidates) -> str | None:
    """The other case of a letter whose cases differ in size alone, where it is nearly as likely."""
    other = candidates.symbols[0].swapcase()
    if candidates.symbols[0].upper() not in SAME_SHAPE or other not in candidates.symbols:
        return None
    p = float(candidates.probabilities[candidates.symbols.index(other)])
    return other if p >= OPEN else None


def _nearest(at: int, step: int, wanted: Sequence[bool], space_after: Sequence[bool]) -> int | None:
    """The nearest wanted character on one side (``step`` -1 or 1) within the word."""
    while 0 <= at + step < len(wanted) and not space_after[at if step > 0 else at - 1]:
        at += step
        if wanted[at]:
            return at
    return None


def resolve_cases(
    named: Sequence[tuple[str, float]],
    candidates: Sequence[CharCandidates],
    space_after: Sequence[bool],
) -> list[tuple[str, float]]:
    """The symbols of a string with their probabilities, open cases as their neighbors have it.

    Args:
        named: symbol and probability of each character, see ``resolve_homoglyphs``.
        candidates: in reading order.
        space_after: whether a space follows each.
    """
    open_to = [
        _other_case(c) if c.symbols[0] == symbol else None
        for (symbol, _), c in zip(named, candidates, strict=True)
    ]

    closed = [
        twin is None and symbol.isalnum() for twin, (symbol, _) in zip(open_to, named, strict=True)
    ]
    resolved = list(named)
    for i, twin in enumerate(open_to):
        sides = [_nearest(i, step, closed, space_after) for step in (-1, 1)]
        small = {named[k][0].islower() for k in sides if k is not None}
        if twin is None or len(small) != 1 or twin.islower() not in small:
            continue
        if twin.isupper() or i > 0 and not space_after[i - 1]:
            ranked = dict(zip(candidates[i].symbols, candidates[i].probabilities, strict=True))
            resolved[i] = twin, min(named[i][1] + float(ranked[twin]), 1.0)
    return resolved


def resolve_homoglyphs(
    candidates: Sequence[CharCandidates], space_after: Sequence[bool]
) -> list[tuple[str, float]]:
    """The symbol of every character of a string and its probability, by the rule above.

    Args:
        candidates: in reading order.
        space_after: whether a space follows each.
    """
    chosen = [c.symbols[0] for c in candidates]
    twins = [_other_kind(c) for c in candidates]

    closed = [t is None and s.isalnum() for t, s in zip(twins, chosen, strict=True)]

    def run_of(at: int) -> range:
        """The places around an open one up to the nearest closed letters and digits."""
        first = last = at
        while first > 0 and not space_after[first - 1] and not closed[first - 1]:
            first -= 1
        while last + 1 < len(chosen) and not space_after[last] and not closed[last + 1]:
            last += 1
        return range(first, last + 1)

    def has_digit(at: int, step: int) -> bool:
        """Whether the word has a closed digit on that side."""
        digits = [done and s.isdigit() for done, s in zip(closed, chosen, strict=True)]
        return _nearest(at, step, digits, space_after) is not None

    def for_digits(run: Sequence[int]) -> float:
        """What the shapes of the open characters of a run say for digits, in nats."""
        total = 0.0
        for i in run:
            twin = twins[i]
            if twin is not None:
                lead = math.log(float(candidates[i].probabilities[0]) / twin[1])
                total += lead if chosen[i].isdigit() else -lead
        return total

    resolved = [
        (s, float(c.probabilities[0]) if t is None else _shape(c))
        for s, c, t in zip(chosen, candidates, twins, strict=True)
    ]
    decided: set[int] = set()
    for i, open_to in enumerate(twins):
        if open_to is None or i in decided:
            continue
        run = [k for k in run_of(i) if twins[k] is not None]
        decided.update(run)
        sides = [_nearest(i, step, closed, space_after) for step in (-1, 1)]
        kinds = {chosen[k].isdigit() for k in sides if k is not None}
        in_a_row = len(run) > 1 and (has_digit(i, -1) or has_digit(i, 1)) or len(run) >= NO_WORD
        wanted = 0.0 if not kinds else NEIGHBORS if True in kinds or in_a_row else -NEIGHBORS
        digits = wanted + for_digits(run) > 0
        for k in run:
            twin = twins[k]
            if twin is not None and twin[0].isdigit() == digits:
                resolved[k] = twin[0], resolved[k][1]
    return resolved
