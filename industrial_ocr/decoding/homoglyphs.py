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

The case of a letter whose cases differ in size alone (c C) is what a logistic regression makes of
the classifier's probabilities, of the height of its ink against that of letters whose case is
clear, and of the case of the nearest such letters on both sides; digits count as capitals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.results.types import CharCandidates

TWINS: tuple[frozenset[str], ...] = (frozenset("0Oo"), frozenset("1Il"))
OPEN = 0.1
NO_WORD = 3
"""So many open characters in a row are in no word: they are digits."""
NEIGHBORS = math.log((1 - OPEN) / OPEN)
"""Nats by which the kind of the neighbors counts: what the shape of one open character can say."""
X_HEIGHT = 0.73
"""Height of small letters over that of capitals, where a string shows only one of them."""
TALL = frozenset("23456789ABDEFGHIJLMNQRTYbdhkl")
SMALL = frozenset("aemnr")
"""Symbols as high as capitals, and as low as an x."""
CLEARLY_CAPITAL = frozenset("ABDEFGHIJLMNQRTY23456789")
CLEARLY_SMALL = frozenset("abdefghijlmnqrty")
CASE_BIAS, CASE_SHAPE, CASE_SIZE, CASE_BESIDE = 0.67, 0.73, 4.0, 1.28
"""Of the log-odds of a small letter, fitted to 3,445 letters that two-stage read on 1,100 rendered
pictures; on those of them held out it halved what was read in the wrong case, 231 to 121."""
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
    heights: Sequence[float],
) -> list[tuple[str, float]]:
    """The symbols of a string with their probabilities, every case as all that is known has it.

    Args:
        named: symbol and probability of each character, see ``resolve_homoglyphs``.
        candidates: in reading order.
        heights: of their ink, in any unit; NaN where it is not known.
    """
    symbols = [symbol for symbol, _ in named]
    clear = [(s in CLEARLY_SMALL) - (s in CLEARLY_CAPITAL) for s in symbols]
    tall = _median(h for s, h in zip(symbols, heights, strict=True) if s in TALL)
    small = _median(h for s, h in zip(symbols, heights, strict=True) if s in SMALL)
    resolved = list(named)
    for i, symbol in enumerate(symbols):
        if symbol.upper() not in SAME_SHAPE and symbol != "0":
            continue
        own = candidates[i]
        ranked = dict(zip(own.symbols, map(float, own.probabilities), strict=True))
        lower = "o" if symbol == "0" else symbol.lower()
        twins = ("O", "0") if lower == "o" else (lower.upper(),)
        capitals = [s for s in twins if s in ranked]
        if lower not in ranked or not capitals:
            continue
        p_capital = sum(ranked[s] for s in capitals)
        odds = CASE_BIAS + CASE_SHAPE * _log_ratio(ranked[lower], p_capital)
        odds += CASE_BESIDE * (_first(clear[:i][::-1]) + _first(clear[i + 1 :]))
        if lower not in "kp":
            odds += CASE_SIZE * _smallness(heights[i], tall, small)
        p, whole = 1 / (1 + math.exp(-odds)), min(ranked[lower] + p_capital, 1.0)
        if p > 0.5:
            resolved[i] = lower, p * whole
        else:
            capital = symbol if symbol in capitals else max(capitals, key=ranked.__getitem__)
            resolved[i] = capital, (1 - p) * whole
    return resolved


def _median(heights: Iterable[float]) -> float | None:
    """The median of the heights that are known, None without any."""
    known = [h for h in heights if math.isfinite(h)]
    return float(np.median(known)) if known else None


def _first(clear: Sequence[int]) -> int:
    """The first that is not 0."""
    return next((c for c in clear if c), 0)


def _log_ratio(one: float, two: float) -> float:
    """Log-odds of one probability against another, neither of them believed beyond 7."""
    return max(-7.0, min(math.log((one + 1e-4) / (two + 1e-4)), 7.0))


def _smallness(height: float, tall: float | None, small: float | None) -> float:
    """0.5 for a character as high as small letters, -0.5 as high as capitals, 0 if not known."""
    if not math.isfinite(height) or (tall is None and small is None):
        return 0.0
    if tall is None or small is None or tall <= small:
        tall = small / X_HEIGHT if tall is None and small is not None else tall
        small = tall * X_HEIGHT if tall is not None else small
    assert tall is not None and small is not None
    return max(-0.7, min(0.5 - (height - small) / max(tall - small, 1.0), 0.7))


def resolve_homoglyphs(
    candidates: Sequence[CharCandidates],
    space_after: Sequence[bool],
    neighbors: float = NEIGHBORS,
    digit: float = 0.0,
) -> list[tuple[str, float]]:
    """The symbol of every character of a string and its probability, by the rule above.

    Args:
        candidates: in reading order.
        space_after: whether a space follows each.
        neighbors: what the kind of the neighbors counts, in nats; 0 for a reader that has seen
            them.
        digit: how much likelier a digit is than its shape says, in nats a character.
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
        in_a_row = len(run) > 1 and (has_digit(i, -1) or has_digit(i, 1))
        wanted = digit * len(run)
        if len(run) >= NO_WORD:
            wanted += NEIGHBORS
        elif kinds:
            wanted += neighbors if True in kinds or in_a_row else -neighbors
        digits = wanted + for_digits(run) > 0
        for k in run:
            twin = twins[k]
            if twin is not None and twin[0].isdigit() == digits:
                resolved[k] = twin[0], resolved[k][1]
    return resolved
