"""Verifies the expected text against the CRNN's frames.

The rules and their numbers are those of ``verification``, with these differences:

* Classes of one shape are joined first.
* The text is located in the free reading of the frames by approximate search; frames
  before and after it are cut off. A symbol that is cut off but stands within 1.7 times the usual
  distance belongs to the same word and is an extra character.
* A character's odds are those of its best frame on the likeliest path of the text (``ctc.align``).
* The text as a whole must pass too: by log p(l|y) it must be likelier than all other readings
  together, and its log-odds against the same text with one mark more or less (``ctc_rivals``) must
  be at least ``MARK_ODDS``, or ``END_MARK_ODDS`` for a mark at an end.
* A missing or extra character is a failure only if the whole free reading is clear; a missing mark
  only if the text without it is also likelier by the same odds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from industrial_ocr.decoding.ctc import CtcSymbol, align, greedy_decode, sequence_log_probability
from industrial_ocr.decoding.ctc_frames import FrameString, joined, place_of
from industrial_ocr.decoding.ctc_rivals import (
    END_MARK_ODDS,
    MARK_ODDS,
    EditScores,
    edit_scores,
    mark_classes,
)
from industrial_ocr.decoding.homoglyphs import shape_groups
from industrial_ocr.decoding.verification import (
    MARK_SYMBOLS,
    VERIFICATION_RULES,
    Findings,
    Found,
    edits_to_parts,
    expected_symbols,
    judged_symbol,
    verify_strings,
    where,
)
from industrial_ocr.inference.network import MIN_LOG_PROB
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import Character, CharState, FloatArray, Floats
from industrial_ocr.results.verdicts import Verification, VerifiedCharacter


@dataclass(frozen=True, eq=False)
class _TextPlace:
    """The likeliest place of a text in a run of strings.

    Attributes:
        run: the strings.
        starts: first frame of each.
        raw: (T, C) log-probabilities of all of them.
        folded: the same with the classes of one shape joined.
        read: symbols of the place in the greedy reading of ``folded``, in which one symbol stands
            for each shape.
        before: the symbols before them.
        after: the symbols after them.
        distance: edits from ``read`` to the text.
        frames: of the place; its borders lie half-way between symbols.
        log_p: log-probability of the text in these frames.
    """

    run: Sequence[FrameString]
    starts: Sequence[int]
    raw: Floats
    folded: Floats
    read: Sequence[CtcSymbol]
    before: Sequence[CtcSymbol]
    after: Sequence[CtcSymbol]
    distance: int
    frames: slice
    log_p: float

    def quad(self, symbol: CtcSymbol) -> FloatArray:
        """The quad (4, 2) of a symbol in source pixels."""
        return place_of(symbol, self.run, self.starts)


def verify_frames(
    strings: Sequence[FrameString], expected: str, charset: Charset, part: bool = False
) -> Verification:
    """Verifies the expected text against the strings of an image.

    Args:
        strings: of one image, in reading order.
        expected: the text; its spaces are ignored.
        charset: the recognizer's, with the blank.
        part: the text may be a part of a longer word.

    Raises:
        ConfigError: an empty text, or symbols that the charset lacks.
    """
    symbols = expected_symbols(expected, charset)
    shapes = shape_classes(charset).tolist()
    label = [shapes[1 + charset.symbols.index(s)] for s in symbols]

    def find(run: tuple[int, ...]) -> Found | None:
        place = _place([strings[i] for i in run], label, charset)
        if place is None:
            return None
        # Each further string costs half an edit.
        rank = -(place.distance + (len(run) - 1) / 2), place.log_p
        return rank, partial(_findings, place, symbols, label, charset, part)

    return verify_strings(len(strings), expected, Engine.CRNN, find)


def shape_classes(charset: Charset) -> NDArray[np.int64]:
    """(C,) the first class of the same shape, for each class; 0 for the blank."""
    return np.array([0, *(shape_groups(charset.symbols) + 1)], np.int64)


def _folded(table: Floats, shape: NDArray[np.int64]) -> Floats:
    """Classes of one shape joined into the first of them."""
    joint = np.full_like(table, MIN_LOG_PROB)
    for i in np.unique(shape):
        joint[:, i] = np.logaddexp.reduce(table[:, shape == i], axis=1)
    return joint


def _infix(read: str, text: str) -> tuple[int, int, int]:
    """The longest part of ``read`` with the fewest edits to ``text``: first, after last, edits."""
    row = edits_to_parts(text, read)
    edits = min(e for e, _ in row)
    last = max(at for at, (e, _) in enumerate(row) if e == edits)
    return row[last][1], last, edits


def _place(run: Sequence[FrameString], label: Sequence[int], charset: Charset) -> _TextPlace | None:
    """The likeliest place of the text in a run, None if nothing is read there."""
    raw, starts = joined(run)
    folded = _folded(raw, shape_classes(charset))
    free = greedy_decode(folded, charset)
    # One character per class, so that a token of several characters counts once.
    read = "".join(map(chr, _classes(free, charset)))
    first, last, distance = _infix(read, "".join(map(chr, label)))
    if last <= first:
        return None
    before, own, after = free[:first], free[first:last], free[last:]
    start = (before[-1].last_frame + own[0].first_frame) // 2 + 1 if before else 0
    stop = (own[-1].last_frame + after[0].first_frame) // 2 + 1 if after else len(folded)
    log_p = sequence_log_probability(folded[start:stop], label)
    frames = slice(start, stop)
    return _TextPlace(run, starts, raw, folded, own, before, after, distance, frames, log_p)


def _classes(symbols: Sequence[CtcSymbol], charset: Charset) -> list[int]:
    return [charset.encode(s.symbol)[0] for s in symbols]


def _findings(
    place: _TextPlace, symbols: Sequence[str], label: Sequence[int], charset: Charset, part: bool
) -> Findings | None:
    """What is printed in the best place of a text, None if it is not similar to the text."""
    rules = VERIFICATION_RULES
    folded, read = place.folded[place.frames], _classes(place.read, charset)
    free_log_p = sequence_log_probability(folded, read)
    sure = free_log_p >= math.log(rules.clear)
    similar = 1 - place.distance / len(label) >= rules.min_found
    alone = not place.before and not place.after
    another = alone and abs(len(read) - len(label)) <= 1 and sure
    # A text that needs more frames has no probability.
    if not (similar or another) or place.log_p == -math.inf:
        return None
    rivals = edit_scores(folded, label)
    aligned = align(folded, label, charset)
    seen = [_character(s, a, place, charset) for s, a in zip(symbols, aligned, strict=True)]
    extra = []
    for before, s in _extra(place, label, read, part):
        character = Character(s.symbol, place.quad(s), s.probability, s.alternatives)
        extra.append((before, character, sure and s.probability >= rules.clear))
    text_log_odds = max(rivals.own - free_log_p, MIN_LOG_PROB)
    if read == label:
        p = math.exp(min(rivals.own, 0.0))
        text_log_odds = max(rivals.own, MIN_LOG_PROB) - math.log(max(1 - p, 1e-12))
    return Findings(
        text="".join(s.symbol for s in place.read),
        similar=similar,
        characters=seen,
        extra=extra,
        missing=_lost(seen, rivals) if sure else (),
        doubts=_mark_doubts(rivals, symbols, charset, part),
        text_log_odds=text_log_odds,
    )


def _character(
    symbol: str, wanted: CtcSymbol, place: _TextPlace, charset: Charset
) -> VerifiedCharacter:
    """An expected character with its state, from the frame in which its shape is likeliest.

    The frames of ``wanted`` are counted from those of the place.
    """
    first, last = (f + place.frames.start for f in (wanted.first_frame, wanted.last_frame))
    (column,) = _classes([wanted], charset)
    peak = first + int(place.folded[first : last + 1, column].argmax())
    p = np.maximum(np.exp(place.raw[peak]), 1e-12)
    quad = place.quad(replace(wanted, first_frame=first, last_frame=last))
    seen = judged_symbol(symbol, quad, p[1:], charset)
    if p[0] >= 0.5:  # the blank
        return replace(seen, quad=None, state=CharState.MISSING)
    if seen.state is CharState.FAIL and seen.rival_probability < VERIFICATION_RULES.likely:
        return replace(seen, state=CharState.UNSURE)
    return seen


def _extra(
    place: _TextPlace, label: Sequence[int], read: Sequence[int], part: bool
) -> list[tuple[int, CtcSymbol]]:
    """Extra symbols, each with the number of expected symbols before it."""
    own = place.read
    edits = Levenshtein.editops(read, label)
    inside = [(e.dest_pos, own[e.src_pos]) for e in edits if e.tag == "delete"]
    if part:
        return inside
    steps = [b.first_frame - a.last_frame for a, b in pairwise(own)]
    same_word = 1.7 * float(np.median(steps)) if steps else 0.0
    left = [s for s in place.before[-1:] if own[0].first_frame - s.last_frame <= same_word]
    right = [s for s in place.after[:1] if s.first_frame - own[-1].last_frame <= same_word]
    return [*((0, s) for s in left), *inside, *((len(label), s) for s in right)]


def _mark_odds(at_end: bool) -> float:
    return END_MARK_ODDS if at_end else MARK_ODDS


def _lost(seen: Sequence[VerifiedCharacter], rivals: EditScores) -> list[int]:
    """Indices of clearly missing characters; a mark only if the text without it is likelier."""

    def clear(i: int) -> bool:
        odds = _mark_odds(i in (0, len(seen) - 1))
        return seen[i].symbol not in MARK_SYMBOLS or rivals.deletions[i] - rivals.own >= odds

    return [i for i, c in enumerate(seen) if c.state is CharState.MISSING and clear(i)]


def _mark_doubts(
    rivals: EditScores, symbols: Sequence[str], charset: Charset, part: bool
) -> list[str]:
    """Marks that may be printed besides the text, and marks of the text that may be missing."""
    marks = mark_classes(charset)
    doubts = []
    for i, others in enumerate(rivals.insertions[:, marks]):
        at_end = i in (0, len(symbols))
        near = rivals.own - others.max(initial=MIN_LOG_PROB) < _mark_odds(at_end)
        if near and not (at_end and part):
            mark = charset.symbol(marks[int(others.argmax())])
            doubts.append(f"a {mark!r} may stand {where(i)}")
    for i, symbol in enumerate(symbols):
        if symbol in MARK_SYMBOLS and rivals.own - rivals.deletions[i] < MARK_ODDS:
            doubts.append(f"character {i + 1} ({symbol!r}) may be missing")
    return doubts
