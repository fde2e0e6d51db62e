"""Handles glyphs with the same shape in many typefaces: 0 and O, 1 and I and l.

Their shape does not tell them apart, so the classifier spreads its probability over them. Without a
language model, the only other evidence is whether their neighbors are digits or letters. The rule:

* A character is *open* if its best symbol is such a glyph, and a twin of the other kind (digit or
  letter) has a probability of at least ``MIN_TWIN_PROBABILITY``.
* The open characters of a run are all digits or all letters. The log-odds of their shapes are
  summed; the nearest closed characters on both sides within the word add ``NEIGHBOR_NATS``. Three
  or more open characters are taken for digits: ``C000000`` has zeros.
* If the two sides disagree, the run consists of digits, because serial codes avoid the letters O
  and I next to digits (ISO 3779 forbids them). Likewise, two or more open characters between
  letters are digits if the word has a clear digit elsewhere: ``74LS01N``, not ``74LSOIN``.
* The probability of such a character is that of its shape: all twins together. The other twins stay
  among the alternatives.

Before that, a logistic regression divides the probability of 0 and O anew. Its inputs are the ratio
of the classifier's probabilities, the width of the ink relative to the string's capitals (a 0 is
narrower than most of them), and whether another 0 of the string has a stroke or dot in its middle
and this one does not.

The case of a letter whose cases differ in size alone (c C) comes from a logistic regression. Its
inputs are the classifier's probabilities, the height of the letter's ink relative to letters of
clear case, and the case of the nearest such letters on both sides. Digits count as capitals, and
those beside an o once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.results.types import CharCandidates

TWINS: tuple[frozenset[str], ...] = (frozenset("0Oo"), frozenset("1Il"))
MIN_TWIN_PROBABILITY = 0.1
"""A twin less likely than this is ignored."""
NEIGHBOR_NATS = math.log((1 - MIN_TWIN_PROBABILITY) / MIN_TWIN_PROBABILITY)
"""The evidence of the neighbors: as much as the shape of one open character can give."""
TALL = frozenset("23456789ABDEFGHIJLMNQRTYbdhkl")
SMALL = frozenset("aemnr")
"""``TALL`` symbols are as high as capitals, ``SMALL`` ones as high as an x."""
CLEARLY_CAPITAL = frozenset("ABDEFGHIJLMNQRTY23456789")
CLEARLY_SMALL = frozenset("abdefghijlmnqrty")
CASE_MODEL = {"bias": 0.41, "shape": 0.87, "size": 4.96, "beside": 1.2, "digits": -2.0}
"""Coefficients of the log-odds of a lowercase letter, fitted to 14,117 letters that two-stage read
in 3,000 rendered images; of the 7,059 held-out letters, 130 instead of 318 get the wrong case.
``digits`` counts for every digit beside an o, as some fonts draw a 0 no higher; it is chosen: with
1.5, 1,240 of 1,426 lines in fonts that the classifier has not learned are right, with 3, 1,241, and
1,237 without."""
ZERO_MODEL = {"bias": 0.3, "shape": 0.82, "letters": -17.4, "unmarked": -5.26}
"""Coefficients of the log-odds of a 0 against an O, fitted to 2,004 of them in 3,000 rendered
lines of plain print (no scenes), in fonts that the classifier has not learned; of those held out in
five-fold cross-validation, 175 instead of 222 are wrong."""
MARKED = 0.35
"""Ink in the middle of a glyph from which on it is a zero with a stroke or dot."""
SIZED_LETTERS = frozenset("ABCDEFGHKNPRSTUVXYZ")
"""Symbols whose widths tell whether a glyph is as wide as a capital of its font."""
WIDTH_LIMIT, WIDTH_SPREAD = 0.1, 0.12
"""``ln`` of a relative width counts up to this value; the widths of the capitals count only if the
standard deviation of their ``ln`` is below ``WIDTH_SPREAD``."""
SIZE_TWINS = "CKOPSUVWXZ"
"""Letters whose cases differ in size alone; under a pattern of capitals both are the capital."""


@lru_cache(maxsize=256)
def same_shape(symbol: str) -> frozenset[str]:
    """The symbols that many typefaces draw like this one, including itself."""
    same = {symbol}
    if symbol.upper() in SIZE_TWINS:
        same |= {symbol.upper(), symbol.lower()}
    for twins in TWINS:
        if same & twins:
            same |= twins
    return frozenset(same)


@lru_cache(maxsize=8)
def shape_groups(symbols: tuple[str, ...]) -> NDArray[np.int64]:
    """(C,) for each symbol, the index of the first symbol of its shape."""
    first: dict[frozenset[str], int] = {}
    return np.array([first.setdefault(same_shape(s), i) for i, s in enumerate(symbols)], np.int64)


def twins_of(symbol: str) -> frozenset[str]:
    """The symbols of ``TWINS`` that look like this one, itself among them."""
    return next((t for t in TWINS if symbol in t), frozenset({symbol}))


def _other_kind(candidates: CharCandidates) -> tuple[str, float] | None:
    """The likeliest twin of the other kind of an open character."""
    best, twins = candidates.symbols[0], twins_of(candidates.symbols[0])
    for symbol, p in zip(candidates.symbols[1:], candidates.probabilities[1:], strict=True):
        if (
            symbol in twins
            and symbol.isdigit() != best.isdigit()
            and float(p) >= MIN_TWIN_PROBABILITY
        ):
            return symbol, float(p)
    return None


def _shape(candidates: CharCandidates) -> float:
    """The probability of the best symbol and its twins together."""
    ranked = zip(candidates.symbols, candidates.probabilities, strict=True)
    return min(sum(float(p) for s, p in ranked if s in twins_of(candidates.symbols[0])), 1.0)


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
    """Resolves the cases of a string's symbols as described above; returns new pairs.

    Args:
        named: (symbol, probability) of each character, see ``resolve_homoglyphs``.
        candidates: in reading order.
        heights: heights of their ink, in any unit; NaN if unknown.
    """
    symbols = [symbol for symbol, _ in named]
    clear = [(s in CLEARLY_SMALL) - (s in CLEARLY_CAPITAL) for s in symbols]
    tall = _median(h for s, h in zip(symbols, heights, strict=True) if s in TALL)
    small = _median(h for s, h in zip(symbols, heights, strict=True) if s in SMALL)
    resolved = list(named)
    for i, symbol in enumerate(symbols):
        if symbol.upper() not in SIZE_TWINS and symbol != "0":
            continue
        own = candidates[i]
        ranked = _ranked(own)
        lower = "o" if symbol == "0" else symbol.lower()
        twins = ("O", "0") if lower == "o" else (lower.upper(),)
        capitals = [s for s in twins if s in ranked]
        if lower not in ranked or not capitals:
            continue
        p_capital = sum(ranked[s] for s in capitals)
        odds = CASE_MODEL["bias"] + CASE_MODEL["shape"] * _log_ratio(ranked[lower], p_capital)
        odds += CASE_MODEL["beside"] * (_nonzero(clear[:i][::-1]) + _nonzero(clear[i + 1 :]))
        if lower == "o":
            around = symbols[max(i - 1, 0) : i] + symbols[i + 1 : i + 2]
            odds += CASE_MODEL["digits"] * sum(s.isdigit() for s in around)
        if lower not in "kp":
            odds += CASE_MODEL["size"] * _smallness(heights[i], tall, small)
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


def _nonzero(clear: Sequence[int]) -> int:
    """The first value that is not 0, or 0."""
    return next((c for c in clear if c), 0)


def _ranked(candidates: CharCandidates) -> dict[str, float]:
    """The probability of each symbol, the likeliest first."""
    return dict(zip(candidates.symbols, map(float, candidates.probabilities), strict=True))


def _log_ratio(one: float, two: float) -> float:
    """ln of the ratio of two probabilities, clipped to -7..7."""
    return max(-7.0, min(math.log((one + 1e-4) / (two + 1e-4)), 7.0))


def _smallness(height: float, tall: float | None, small: float | None) -> float:
    """0.5 for a character as high as an x, -0.5 for one as high as capitals, 0 if unknown."""
    if not math.isfinite(height) or (tall is None and small is None):
        return 0.0
    x_height = 0.73  # relative to capitals, if a string shows only one of the two
    if tall is None:
        tall = small / x_height if small is not None else 0.0
    if small is None or tall <= small:
        small = tall * x_height
    return max(-0.7, min(0.5 - (height - small) / max(tall - small, 1.0), 0.7))


def unmarked(symbols: Sequence[str], cores: Sequence[float]) -> list[bool]:
    """Whether each character is an O or 0 without ink in its middle where another one has some.

    Args:
        symbols: in reading order.
        cores: the ink in their middle, 0 to 1, see ``LineInk.cores``; NaN if unknown.
    """
    round_ones = [s in "0O" and c >= 0 for s, c in zip(symbols, cores, strict=True)]
    marked = max((c for c, own in zip(cores, round_ones, strict=True) if own), default=0.0)
    return [
        own and marked > MARKED and core < marked / 2
        for core, own in zip(cores, round_ones, strict=True)
    ]


def zero_features(
    candidates: Sequence[CharCandidates], widths: Sequence[float], cores: Sequence[float]
) -> list[tuple[float, float, float] | None]:
    """The inputs of ``ZERO_MODEL`` for every character that is read as 0 or O, None for others.

    Args:
        candidates: in reading order.
        widths: widths of their ink, in any unit; NaN if unknown.
        cores: see ``unmarked``.

    Returns:
        ln of the ratio of the probabilities of 0 and O; ln of the width relative to the median of
        the string's capitals, within ``WIDTH_LIMIT``, 0 if unknown; 1 if it is ``unmarked``.
    """
    symbols = [c.symbols[0] for c in candidates]
    letters = _usual(w for s, w in zip(symbols, widths, strict=True) if s in SIZED_LETTERS)
    found: list[tuple[float, float, float] | None] = []
    for own, width, letter in zip(candidates, widths, unmarked(symbols, cores), strict=True):
        if own.symbols[0] not in "0O" or not width > 0:
            found.append(None)
            continue
        wider = math.log(width / letters) if letters else 0.0
        wider = max(-WIDTH_LIMIT, min(wider, WIDTH_LIMIT))
        found.append((_zero_ratio(own), wider, float(letter)))
    return found


def _zero_ratio(candidates: CharCandidates) -> float:
    ranked = _ranked(candidates)
    return _log_ratio(ranked.get("0", 0.0), ranked.get("O", 0.0))


def _usual(widths: Iterable[float]) -> float | None:
    """The median of at least two known widths that differ little, None without."""
    known = [w for w in widths if w > 0]
    if len(known) < 2 or np.std(np.log(known)) >= WIDTH_SPREAD:
        return None
    return float(np.median(known))


def weigh_zeros(
    candidates: Sequence[CharCandidates], widths: Sequence[float], cores: Sequence[float]
) -> tuple[CharCandidates, ...]:
    """Divides the probability of 0 and O anew by what their ink shows, see ``zero_features``."""
    bias, *weights = ZERO_MODEL.values()
    weighed = list(candidates)
    for i, inputs in enumerate(zero_features(candidates, widths, cores)):
        if inputs is not None:
            odds = bias + sum(w * x for w, x in zip(weights, inputs, strict=True))
            weighed[i] = _with_zero(candidates[i], odds)
    return tuple(weighed)


def weigh_unmarked(
    candidates: Sequence[CharCandidates], cores: Sequence[float]
) -> tuple[CharCandidates, ...]:
    """The same by the ink in their middle alone, for a network that has seen how wide they are."""
    letters = unmarked([c.symbols[0] for c in candidates], cores)
    return tuple(
        _with_zero(own, _zero_ratio(own) + ZERO_MODEL["unmarked"]) if letter else own
        for own, letter in zip(candidates, letters, strict=True)
    )


def _with_zero(candidates: CharCandidates, odds: float) -> CharCandidates:
    """Divides the probability of 0 and O by the log-odds of 0."""
    ranked = _ranked(candidates)
    both = ranked.pop("0", 0.0) + ranked.pop("O", 0.0)
    zero = both / (1 + math.exp(-max(-9.0, min(odds, 9.0))))
    ranked |= {"0": zero, "O": both - zero}
    symbols = sorted(ranked, key=ranked.__getitem__, reverse=True)
    probabilities = np.array([ranked[s] for s in symbols], np.float32)
    return replace(candidates, symbols=tuple(symbols), probabilities=probabilities)


def resolve_homoglyphs(
    candidates: Sequence[CharCandidates],
    space_after: Sequence[bool],
    neighbors: float = NEIGHBOR_NATS,
    digit: float = 0.0,
) -> list[tuple[str, float]]:
    """(symbol, probability) of every character of a string, by the rule above.

    Args:
        candidates: in reading order.
        space_after: whether a space follows each.
        neighbors: evidence of the neighbors in nats; less for a network that has seen them.
        digit: added to the log-odds of a digit, in nats per character.
    """
    chosen = [c.symbols[0] for c in candidates]
    twins = [_other_kind(c) for c in candidates]
    closed = [t is None and s.isalnum() for t, s in zip(twins, chosen, strict=True)]
    digits = [done and s.isdigit() for done, s in zip(closed, chosen, strict=True)]
    resolved = [
        (s, float(c.probabilities[0]) if t is None else _shape(c))
        for s, c, t in zip(chosen, candidates, twins, strict=True)
    ]

    def for_digits(i: int, other: tuple[str, float]) -> float:
        """Log-odds of a digit, from the shape of an open character."""
        log_ratio = math.log(float(candidates[i].probabilities[0]) / other[1])
        return log_ratio if chosen[i].isdigit() else -log_ratio

    def of_neighbors(i: int, count: int) -> float:
        """Log-odds of digits, from the neighbors of a run of ``count`` open characters."""
        if count >= 3:  # no word has so many
            return NEIGHBOR_NATS
        sides = [_nearest(i, step, closed, space_after) for step in (-1, 1)]
        kinds = {chosen[k].isdigit() for k in sides if k is not None}
        if not kinds:
            return 0.0
        in_word = [_nearest(i, step, digits, space_after) for step in (-1, 1)]
        in_a_row = count > 1 and any(k is not None for k in in_word)
        return neighbors if True in kinds or in_a_row else -neighbors

    for run in _open_runs(twins, closed, space_after):
        prior = of_neighbors(run[0][0], len(run)) + digit * len(run)
        digits_win = prior + sum(for_digits(i, twin) for i, twin in run) > 0
        for i, (symbol, _) in run:
            if symbol.isdigit() == digits_win:
                resolved[i] = symbol, resolved[i][1]
    return resolved


def _open_runs(
    twins: Sequence[tuple[str, float] | None],
    closed: Sequence[bool],
    space_after: Sequence[bool],
) -> list[list[tuple[int, tuple[str, float]]]]:
    """The open characters between the same closed ones or spaces, each with its twin."""
    runs: list[list[tuple[int, tuple[str, float]]]] = [[]]
    for i, twin in enumerate(twins):
        if twin is not None:
            runs[-1].append((i, twin))
        if closed[i] or space_after[i]:
            runs.append([])
    return [run for run in runs if run]
