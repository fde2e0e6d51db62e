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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from industrial_ocr.decoding.ctc import CtcSymbol, align, greedy_decode, sequence_log_probability
from industrial_ocr.decoding.ctc_frames import FrameString, joined, place_of
from industrial_ocr.decoding.ctc_rivals import END_MARK_ODDS, EditScores, edit_scores, mark_classes
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.decoding.verification import (
    MARK_SYMBOLS,
    VERIFICATION_RULES,
    Findings,
    Found,
    edits_to_parts,
    expected_symbols,
    judged_symbol,
    verify_strings,
)
from industrial_ocr.inference.network import MIN_LOG_PROB
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import Character, CharState, FloatArray, Floats
from industrial_ocr.results.verdicts import Verification, VerifiedCharacter

MARK_ODDS = float(np.log(5))
"""Least log-odds of a mark between two characters: 98 % of 286 printed marks are above it, and none
of 394 texts without the mark."""


@dataclass(frozen=True, eq=False)
class _TextPlace:
    """The likeliest place of a text in a run of strings.

    Attributes:
        run: the strings.
        starts: first frame of each.
        raw: (T, C) log-probabilities of all of them.
        folded: the same with the classes of one shape joined.
        free: greedy reading of ``folded``, in which one symbol stands for each shape.
        first: index in ``free`` of the first symbol of the place.
        last: index after its last symbol.
        distance: edits from ``free[first:last]`` to the text.
    """

    run: Sequence[FrameString]
    starts: Sequence[int]
    raw: Floats
    folded: Floats
    free: Sequence[CtcSymbol]
    first: int
    last: int
    distance: int

    @property
    def read(self) -> Sequence[CtcSymbol]:
        """The symbols read in the place."""
        return self.free[self.first : self.last]

    @property
    def frames(self) -> tuple[int, int]:
        """First frame, and the one after the last; borders lie half-way between symbols."""
        start, stop = 0, len(self.folded)
        if self.first > 0:
            before = self.free[self.first - 1].last_frame
            start = (before + self.free[self.first].first_frame) // 2 + 1
        if self.last < len(self.free):
            after = self.free[self.last].first_frame
            stop = (self.free[self.last - 1].last_frame + after) // 2 + 1
        return start, stop

    def quad(self, symbol: CtcSymbol, shift: int = 0) -> FloatArray:
        """The quad (4, 2) in source pixels of a symbol whose frames are counted from ``shift``."""
        first, last = symbol.first_frame + shift, symbol.last_frame + shift
        moved = replace(symbol, first_frame=first, last_frame=last)
        return place_of(moved, self.run, self.starts)


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
    shape = shape_classes(charset)
    label = [int(shape[1 + charset.symbols.index(s)]) for s in symbols]

    def find(run: tuple[int, ...]) -> Found | None:
        place = _place([strings[i] for i in run], label, shape, charset)
        if place is None:
            return None
        start, stop = place.frames
        log_p = sequence_log_probability(place.folded[start:stop], label)
        # Each further string costs half an edit.
        rank = -(place.distance + (len(run) - 1) / 2), log_p
        return rank, partial(_findings, place, symbols, label, charset, part)

    return verify_strings(len(strings), expected, Engine.CRNN, find)


def shape_classes(charset: Charset) -> NDArray[np.int64]:
    """(C,) the first class of the same shape, for each class; 0 for the blank."""
    first = {s: i for i, s in reversed(list(enumerate(charset.symbols, 1)))}
    known = [min(first[t] for t in same_shape(s) if t in first) for s in charset.symbols]
    return np.array([0, *known], np.int64)


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


def _place(
    run: Sequence[FrameString], label: Sequence[int], shape: NDArray[np.int64], charset: Charset
) -> _TextPlace | None:
    """The likeliest place of the text in a run, None if nothing is read there."""
    raw, starts = joined(run)
    folded = _folded(raw, shape)
    free = greedy_decode(folded, charset)
    # One character per class, so that a token of several characters counts once.
    read = "".join(chr(charset.encode(s.symbol)[0]) for s in free)
    first, last, distance = _infix(read, "".join(map(chr, label)))
    if last <= first:
        return None
    return _TextPlace(run, starts, raw, folded, free, first, last, distance)


def _findings(
    place: _TextPlace, symbols: Sequence[str], label: Sequence[int], charset: Charset, part: bool
) -> Findings | None:
    """What is printed in the best place of a text, None if it is not similar to the text."""
    rules = VERIFICATION_RULES
    start, stop = place.frames
    folded, raw = place.folded[start:stop], place.raw[start:stop]
    inner = [charset.encode(s.symbol)[0] for s in place.read]
    free_log_p = sequence_log_probability(folded, inner)
    sure = free_log_p >= np.log(rules.clear)
    similar = 1 - place.distance / len(label) >= rules.min_found
    another = len(place.read) == len(place.free) and abs(len(inner) - len(label)) <= 1 and sure
    if not similar and not another:
        return None
    try:
        aligned = align(folded, label, charset)
    except ValueError:  # the text needs more frames
        return None
    rivals = edit_scores(folded, label)
    seen = [
        _character(symbol, wanted, folded, raw, charset, place.quad(wanted, start))
        for symbol, wanted in zip(symbols, aligned, strict=True)
    ]
    extra = [
        (before, Character(s.symbol, place.quad(s), s.probability, s.alternatives))
        for before, s in _extra(place, label, inner, part)
    ]
    return Findings(
        text="".join(s.symbol for s in place.read),
        similar=similar,
        characters=seen,
        extra=[(at, c, bool(sure and c.confidence >= rules.clear)) for at, c in extra],
        missing=_lost(seen, rivals) if sure else (),
        doubts=_mark_doubts(rivals, symbols, charset, part),
        text_log_odds=_text_log_odds(rivals.own, free_log_p, inner == list(label)),
    )


def _text_log_odds(log_p: float, free_log_p: float, same: bool) -> float:
    """Log-odds of a text against all others, or against the free reading if that is another."""
    if not same:
        return max(log_p - free_log_p, MIN_LOG_PROB)
    p = float(np.exp(min(log_p, 0.0)))
    return max(log_p, MIN_LOG_PROB) - float(np.log(max(1 - p, 1e-12)))


def _character(
    symbol: str,
    wanted: CtcSymbol,
    folded: Floats,
    raw: Floats,
    charset: Charset,
    quad: FloatArray,
) -> VerifiedCharacter:
    """An expected character with its state, from the frame in which its shape is likeliest."""
    frames = slice(wanted.first_frame, wanted.last_frame + 1)
    column = charset.encode(wanted.symbol)[0]
    peak = wanted.first_frame + int(folded[frames, column].argmax())
    p = np.maximum(np.exp(raw[peak]), 1e-12)
    seen = judged_symbol(symbol, quad, p[1:], charset)
    if p[0] >= 0.5:  # the blank
        return replace(seen, quad=None, state=CharState.MISSING)
    if seen.state is CharState.FAIL and seen.rival_probability < VERIFICATION_RULES.likely:
        return replace(seen, state=CharState.UNSURE)
    return seen


def _extra(
    place: _TextPlace, label: Sequence[int], inner: Sequence[int], part: bool
) -> list[tuple[int, CtcSymbol]]:
    """Extra symbols, each with the number of expected symbols before it."""
    own = place.read
    found = [
        (step.dest_pos, own[step.src_pos])
        for step in Levenshtein.editops(inner, label)
        if step.tag == "delete"
    ]
    if part:
        return found
    steps = [b.first_frame - a.last_frame for a, b in zip(own, own[1:], strict=False)]
    same_word = 1.7 * float(np.median(steps)) if steps else 0.0
    if place.first > 0:
        before = place.free[place.first - 1]
        if own[0].first_frame - before.last_frame <= same_word:
            found.append((0, before))
    if place.last < len(place.free):
        after = place.free[place.last]
        if after.first_frame - own[-1].last_frame <= same_word:
            found.append((len(label), after))
    return sorted(found, key=lambda f: f[0])


def _lost(seen: Sequence[VerifiedCharacter], rivals: EditScores) -> list[int]:
    """Indices of clearly missing characters; a mark only if the text without it is likelier."""
    lost = []
    for i, c in enumerate(seen):
        odds = END_MARK_ODDS if i in (0, len(seen) - 1) else MARK_ODDS
        clear = c.symbol not in MARK_SYMBOLS or rivals.deletions[i] - rivals.own >= odds
        if c.state is CharState.MISSING and clear:
            lost.append(i)
    return lost


def _mark_doubts(
    rivals: EditScores, symbols: Sequence[str], charset: Charset, part: bool
) -> list[str]:
    """Marks that may be printed besides the text, and marks of the text that may be missing."""
    marks = mark_classes(charset)
    doubts = []
    for i, others in enumerate(rivals.insertions[:, marks]):
        at_end = i in (0, len(symbols))
        if at_end and part:
            continue
        odds = END_MARK_ODDS if at_end else MARK_ODDS
        if rivals.own - others.max(initial=MIN_LOG_PROB) < odds:
            mark = charset.symbol(marks[int(others.argmax())])
            where = f"after character {i}" if i else "before the text"
            doubts.append(f"a {mark!r} may stand {where}")
    for i, symbol in enumerate(symbols):
        if symbol in MARK_SYMBOLS and rivals.own - rivals.deletions[i] < MARK_ODDS:
            doubts.append(f"character {i + 1} ({symbol!r}) may be missing")
    return doubts
