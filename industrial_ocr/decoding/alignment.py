"""Forced alignment: which box shows which symbol of a text that is known.

Needleman and Wunsch 1970 over the symbols of the text and the boxes of one string, or of several
that are read one after the other. The rules:

* Every symbol takes one box, or two that may be one character, or half of one that may be two, or
  none: then it is missing, at ``MISSING``.
* What a symbol and a box have in common is the probability of the symbol there, that of the
  symbols of the same shape included (0 O, 1 I l, C c). It counts as ``LEAST_FIT`` at least, so
  that a wrong character is one wrong character, rather than one missing and one too many.
* A box between the symbols is left out at what speaks against its being a character. Boxes before
  and after the text are nearly free, those of its own first and last word are not.
* A symbol that the classifier does not know takes any box, a doubtful one rather than a clear one.

Numpy only; ties go to the earlier box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.charset import Charset
from industrial_ocr.decoding.evidence import (
    FLOOR,
    LEFT_OUT,
    NOTHING,
    SAME_SHAPE,
    SEPARATE,
    WHOLE,
    StringEvidence,
    distribution,
)
from industrial_ocr.decoding.homoglyphs import TWINS
from industrial_ocr.types import CharBox, CharCandidates

MISSING = float(np.log(3e-4))
"""Log-probability of a symbol that has no box."""
LEAST_FIT = 1e-4
LEAST_NOTHING = 1e-4
"""A box between the symbols counts as nothing with this probability at least."""
OTHER_WORD = 0.9
"""A box in another word before or after the text is left out with this probability at least."""
WILDCARD = 0.1
"""Likelihood of a box under a symbol that the classifier does not know; half of it where the
classifier is sure of another symbol."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AlignedSymbol:
    """One symbol of the text and where it stands.

    Attributes:
        symbol: of the text.
        box: its box, half of it, or the box around its two; None where it is missing.
        candidates: what the classifier said of that box, None where it is missing.
        log_prob: natural logarithm of the symbol's own probability there, at least that of
            ``evidence.FLOOR``; ``MISSING`` where it is missing, the log of its ``WILDCARD``
            likelihood where the classifier does not know it.
        known: whether the classifier knows the symbol.
        string: which of the strings it stands in, -1 where it is missing.
        boxes: places of its boxes in that string: none, one or two.
        half: which half of its box it has, 0 or 1; None where it has all of it.
    """

    symbol: str
    box: CharBox | None
    candidates: CharCandidates | None
    log_prob: float
    known: bool
    string: int = -1
    boxes: tuple[int, ...] = ()
    half: int | None = None


@dataclass(frozen=True, eq=False)
class SkippedBox:
    """A box that no symbol took.

    Attributes:
        box: as found.
        candidates: what the classifier said of it.
        string: which of the strings it stands in.
        place: its place there.
        before: number of symbols that stand before it, missing ones next to it not counted; 0
            before the text and all of them after it.
        same_word: whether it is in the word of the nearest symbol before or after it.
        adjoining: whether, besides, it is right beside that symbol.
    """

    box: CharBox
    candidates: CharCandidates
    string: int
    place: int
    before: int
    same_word: bool
    adjoining: bool


@dataclass(frozen=True, eq=False)
class Alignment:
    """A text laid over strings.

    Attributes:
        symbols: one entry a symbol of the text, in its order.
        skipped: boxes that no symbol took, in reading order.
        score: log-probability of the path, in nats; compares texts and strings with each other.
    """

    symbols: tuple[AlignedSymbol, ...]
    skipped: tuple[SkippedBox, ...]
    score: float

    @property
    def inside(self) -> tuple[SkippedBox, ...]:
        """The boxes left out between the first and the last symbol that was found."""
        found = [i for i, s in enumerate(self.symbols) if s.box is not None]
        return tuple(s for s in self.skipped if found[0] < s.before <= found[-1])


def same_shape(symbol: str) -> frozenset[str]:
    """The symbols that many typefaces draw as this one, itself included."""
    same = {symbol}
    if symbol.upper() in SAME_SHAPE:
        same |= {symbol.upper(), symbol.lower()}
    for twins in TWINS:
        if same & twins:
            same |= twins
    return frozenset(same)


@dataclass(frozen=True, eq=False)
class _Boxes:
    """The boxes of all strings in a row, (N,) each but the probabilities, (N, C).

    Those of a box and the next one together, and those of its halves, are 0 where it has none.
    """

    place: list[tuple[int, int]]
    word: NDArray[np.int64]
    reject: Floats
    single: Floats
    double: Floats
    halves: tuple[Floats, Floats]


def _row(strings: Sequence[StringEvidence], charset: Charset) -> _Boxes:
    place, word, reject, number = [], [], [], 0
    rows: list[list[Floats]] = []
    nothing = np.zeros(len(charset))
    for s, evidence in enumerate(strings):
        for i, candidates in enumerate(evidence.singles):
            place.append((s, i))
            word.append(number)
            number += evidence.string.space_after[i]
            reject.append(candidates.reject)
            pair = evidence.merged.get(i)
            shown = [candidates, None if pair is None else pair[1]]
            shown += [half for _, half in evidence.split.get(i, ())] or [None, None]
            rows.append([nothing if c is None else distribution(c, charset, False) for c in shown])
        number += 1
    table = np.array(rows).reshape(len(rows), 4, len(charset)).transpose(1, 0, 2)
    return _Boxes(
        place, np.array(word, np.int64), np.array(reject, np.float64), table[0], table[1],
        (table[2], table[3]),
    )  # fmt: skip


def _fits(rows: Floats, symbol: str, charset: Charset) -> Floats:
    """(N,) log-likelihood of a symbol in each box; -inf where there is no such box."""
    index = {s: i for i, s in enumerate(charset.symbols)}
    known = [index[s] for s in sorted(same_shape(symbol)) if s in index]
    best = rows.max(axis=1)
    fit = WILDCARD * (1 - best / 2)
    if symbol in index:
        fit = np.maximum(rows[:, known].sum(axis=1), LEAST_FIT)
    return np.where(best > 0, np.log(fit), -np.inf)


def _outside(boxes: _Boxes) -> tuple[Floats, Floats]:
    """(N + 1,) twice: leaving out all boxes before each node, and all after it."""
    count = len(boxes.word)
    before, after = np.zeros(count + 1), np.zeros(count + 1)
    for node in range(count + 1):
        for cost, part, beside in (
            (before, slice(0, node), min(node, count - 1)),
            (after, slice(node, count), max(node - 1, 0)),
        ):
            same = boxes.word[part] == boxes.word[beside]
            least = np.where(same, LEFT_OUT, OTHER_WORD)
            cost[node] = np.log(np.maximum(boxes.reject[part], least)).sum()
    return before, after


def align_symbols(
    evidence: StringEvidence | Sequence[StringEvidence], symbols: Sequence[str], charset: Charset
) -> Alignment | None:
    """Lays a known text over the boxes of one string or of several.

    Args:
        evidence: of one string, or of several in reading order.
        symbols: the text, a symbol each, without white space; those that the charset lacks are
            wildcards.
        charset: the classifier's.

    Returns:
        The likeliest alignment; None where there is no box or no symbol took one.

    Raises:
        ValueError: no symbols, or one that is empty or white space.
    """
    if not symbols or any(not s or s.isspace() for s in symbols):
        raise ValueError(f"a text to align has symbols, none of them a space, got {symbols!r}")
    strings = [evidence] if isinstance(evidence, StringEvidence) else list(evidence)
    boxes = _row(strings, charset)
    if not boxes.place:
        return None
    moves, end, score = _best_path(boxes, symbols, charset)
    taken = _taken(moves, end, len(symbols))
    if not any(taken):
        return None
    found = []
    for i, (symbol, own) in enumerate(zip(symbols, taken, strict=True)):
        # Two symbols that took the same box have a half each.
        beside = [k for k in (i - 1, i + 1) if own and 0 <= k < len(taken) and taken[k] == own]
        half = int(beside[0] < i) if beside else None
        found.append(_aligned(symbol, own, half, boxes, strings, charset))
    return Alignment(tuple(found), _skipped(taken, boxes, strings), score)


_TAKE, _PAIR, _SPLIT, _NONE, _SKIP = range(5)


def _best_path(
    boxes: _Boxes, symbols: Sequence[str], charset: Charset
) -> tuple[NDArray[np.int64], int, float]:
    """Dynamic programming over symbols and nodes, a row of nodes at a time.

    Returns:
        (L + 1, N + 1) by which move each state is reached best, the last node, and the score.
    """
    count = len(boxes.word)
    before, after = _outside(boxes)
    # What leaving out all boxes up to a node costs between symbols.
    inside = np.zeros(count + 1)
    inside[1:] = np.log(np.maximum(NOTHING * boxes.reject, LEAST_NOTHING)).cumsum()
    moves = np.zeros((len(symbols) + 1, count + 1), np.int64)
    score, older, first_half = before, before, np.full(count, -np.inf)
    for i, symbol in enumerate(symbols, 1):
        ways = np.full((4, count + 1), -np.inf)
        ways[_TAKE, 1:] = score[:-1] + _fits(boxes.single, symbol, charset)
        # Twice and a prior, as in ``evidence.gather``.
        pairs = 2 * _fits(boxes.double, symbol, charset) - SEPARATE
        ways[_PAIR, 2:] = score[:-2] + pairs[:-1]
        second_half = _fits(boxes.halves[1], symbol, charset)
        ways[_SPLIT, 1:] = older[:-1] + (first_half + second_half) / 2 - WHOLE
        first_half = _fits(boxes.halves[0], symbol, charset)
        ways[_NONE] = score + MISSING
        moves[i] = ways.argmax(axis=0)
        score, older = ways.max(axis=0), score
        if i < len(symbols):
            reached = score - inside
            best = np.maximum.accumulate(reached)
            moves[i] = np.where(best > reached, _SKIP, moves[i])
            score = best + inside
    total = score + after
    end = int(total.argmax())
    return moves, end, float(total[end])


def _taken(moves: NDArray[np.int64], end: int, length: int) -> list[tuple[int, ...]]:
    """For each symbol the boxes it took, by following the moves back from the last node."""
    taken: list[tuple[int, ...]] = [()] * length
    at = end
    while length:
        move = moves[length, at]
        if move == _SKIP:
            at -= 1
            continue
        wide = {_TAKE: 1, _PAIR: 2, _SPLIT: 1, _NONE: 0}[int(move)]
        for _ in range(2 if move == _SPLIT else 1):
            length -= 1
            taken[length] = tuple(range(at - wide, at))
        at -= wide
    return taken


def _aligned(
    symbol: str,
    own: tuple[int, ...],
    half: int | None,
    boxes: _Boxes,
    strings: Sequence[StringEvidence],
    charset: Charset,
) -> AlignedSymbol:
    known = symbol in charset.symbols
    if not own:
        return AlignedSymbol(symbol, None, None, MISSING, known)
    number, first = boxes.place[own[0]]
    evidence = strings[number]
    box, candidates = evidence.string.boxes[first], evidence.singles[first]
    if len(own) == 2:
        box, candidates = evidence.merged[first]
    elif half is not None:
        box, candidates = evidence.split[first][half]
    p = distribution(candidates, charset, False)
    log_prob = float(_fits(p[None], symbol, charset)[0])
    if known:
        log_prob = float(np.log(max(p[charset.symbols.index(symbol)], FLOOR)))
    places = tuple(boxes.place[i][1] for i in own)
    return AlignedSymbol(symbol, box, candidates, log_prob, known, number, places, half)


def _skipped(
    taken: Sequence[tuple[int, ...]], boxes: _Boxes, strings: Sequence[StringEvidence]
) -> tuple[SkippedBox, ...]:
    """The boxes that are in no ``taken``, and where they stand to the text."""
    owner = {box: i for i, own in enumerate(taken) for box in own}
    found = []
    for i, (number, place) in enumerate(boxes.place):
        if i in owner:
            continue
        left = next((k for k in range(i - 1, -1, -1) if k in owner), None)
        right = next((k for k in range(i + 1, len(boxes.place)) if k in owner), None)
        before = 0 if left is None else len(taken) if right is None else owner[left] + 1
        fellows = [k for k in (left, right) if k is not None and boxes.word[k] == boxes.word[i]]
        adjoining = any(abs(k - i) == 1 for k in fellows)
        evidence = strings[number]
        found.append(
            SkippedBox(
                evidence.string.boxes[place], evidence.singles[place], number, place, before,
                bool(fellows), adjoining,
            )
        )  # fmt: skip
    return tuple(found)
