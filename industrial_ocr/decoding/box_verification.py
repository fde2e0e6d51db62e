"""From the boxes of a picture and the text that must stand there to a verdict.

The rules stand at the top of ``verification``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from industrial_ocr.decoding.evidence import StringEvidence, distribution
from industrial_ocr.decoding.expected import (
    AlignedSymbol,
    Alignment,
    SkippedBox,
    against_neighbors,
    align_symbols,
)
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.decoding.verification import (
    CLEAR,
    LEAST_FOUND,
    PASS_ODDS,
    expected_symbols,
    judge,
    name_of,
    runs,
    seen_as,
    told_of_extra,
)
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import quad_around
from industrial_ocr.results.types import Character, CharState, Verdict
from industrial_ocr.results.verdicts import Verification, VerifiedCharacter

ENGINE = "two-stage"
GOOD_BOX = 0.5
"""Largest reject probability of a box that can speak against a character."""
NOTHING = 0.8
"""From this reject probability on, a box is no character and in nobody's way."""
NARROW = frozenset("1Iijlt.,':()-/")
ROOM = 1.35
"""Neighbors closer than this many usual distances have no room for a character between them;
for a narrow one they may have."""
GAP, SPACE = 1.42, 1.8
"""Between so many usual distances there is room for a narrow character; beyond, it is a space."""
ANOTHER_STRING = float(np.log(0.05))
"""Log-probability that a text goes on in the next string."""


def verify_boxes(
    strings: Sequence[StringEvidence], expected: str, charset: Charset, part: bool = False
) -> Verification:
    """Holds the strings of a picture against the text that must stand there.

    Args:
        strings: of one picture, in reading order.
        expected: the text; see the rules for its spaces.
        charset: the classifier's.
        part: the text may be a part of a longer word.

    Raises:
        ConfigError: an empty text, or symbols that the charset lacks.
    """
    symbols = expected_symbols(expected, charset)
    best: tuple[float, Alignment, list[StringEvidence]] | None = None
    for run in runs(len(strings)):
        own = [strings[i] for i in run]
        found = align_symbols(own, symbols, charset)
        if found is None:
            continue
        used = {s.string for s in found.symbols if s.box is not None}
        score = found.score + ANOTHER_STRING * (len(used) - 1)
        if len(used) == len(run) and (best is None or score > best[0]):
            best = score, found, own
    if best is None:
        return Verification(expected, Verdict.CANNOT_TELL, "no text was found", ENGINE)
    return _judged(best[1], best[2], expected, charset, part)


def _judged(
    found: Alignment, run: Sequence[StringEvidence], expected: str, charset: Charset, part: bool
) -> Verification:
    """The verdict on the best place of a text."""
    characters = tuple(_character(s, charset) for s in found.symbols)
    extra = _extra(found, part)
    boxes = [s.box for s in found.symbols if s.box is not None]
    text = _text(found, extra)
    alike = sum(c.state is CharState.PASS or c.log_odds > 0 for c in characters)
    if alike < LEAST_FOUND * len(characters):
        if _another_text(characters, found, run):
            verdict, reason = Verdict.FAIL, f"another text stands there: {text!r}"
        else:
            nothing = "no text like it was found"
            return Verification(expected, Verdict.CANNOT_TELL, nothing, ENGINE)
    else:
        characters, doubtful = _doubtful_together(found, extra, characters)
        clear = [
            float(s.candidates.probabilities[0]) >= CLEAR and k not in doubtful
            for k, s in enumerate(extra)
        ]
        against, doubts = told_of_extra(
            (s.before, s.candidates.symbols[0], sure) for s, sure in zip(extra, clear, strict=True)
        )
        against += [f"{name_of(characters, at)} is missing" for at in _without_room(found)]
        for at in _gaps(found, _spaces(expected, charset)):
            doubts.append(
                f"there is room for a character after character {at}; "
                "if a space is meant, expect one there"
            )
        symbols = [s.symbol for s in found.symbols]
        margin, other = against_neighbors(run, symbols, charset, part)
        if margin < PASS_ODDS:
            doubts.append(f"{other!r} is as likely or nearly so")
        verdict, reason = judge(characters, against, doubts)
    return Verification(
        expected, verdict, reason, ENGINE, text, characters,
        tuple(_shown(s) for s in extra), quad_around([b.quad for b in boxes]),
    )  # fmt: skip


def _character(aligned: AlignedSymbol, charset: Charset) -> VerifiedCharacter:
    """A character with its state, by the rules above."""
    if aligned.box is None or aligned.candidates is None:
        return VerifiedCharacter(
            aligned.symbol, None, 0.0, "", 0.0, aligned.log_prob, CharState.MISSING
        )
    p = distribution(aligned.candidates, charset, False)
    seen = seen_as(aligned.symbol, aligned.box.quad, p, charset)
    if seen.state is CharState.FAIL and aligned.candidates.reject >= GOOD_BOX:
        return replace(seen, state=CharState.UNSURE)
    return seen


def _extra(found: Alignment, part: bool) -> list[SkippedBox]:
    """Boxes that stand among the characters or in their word and may be characters."""
    inside = found.inside
    return [
        s
        for s in found.skipped
        if (s in inside or (s.same_word and not part))
        and s.candidates.reject < NOTHING
        and s.log_odds > -PASS_ODDS
    ]


def _doubtful_together(
    found: Alignment, extra: Sequence[SkippedBox], characters: Sequence[VerifiedCharacter]
) -> tuple[tuple[VerifiedCharacter, ...], set[int]]:
    """Characters that do not pass beside a box too many: together they may be one character.

    Returns:
        The characters, such failures unsure now, and the places in ``extra`` of such boxes.
    """
    eased, doubtful = list(characters), set()
    for k, skipped in enumerate(extra):
        for i, aligned in enumerate(found.symbols):
            beside = aligned.string == skipped.string and any(
                abs(place - skipped.place) == 1 for place in aligned.boxes
            )
            if beside and characters[i].state is not CharState.PASS:
                eased[i] = replace(characters[i], state=CharState.UNSURE)
                doubtful.add(k)
    return tuple(eased), doubtful


def _steps(found: Alignment) -> tuple[dict[int, float], float]:
    """Distances from symbols to the next one of their string, and the usual one; 0: nobody knows.

    Returns:
        Pixels by the place of the first of the two.
    """
    symbols = found.symbols
    steps = {
        i: float(np.linalg.norm(b.box.center - a.box.center))
        for i, (a, b) in enumerate(zip(symbols[:-1], symbols[1:], strict=True))
        if a.box is not None and b.box is not None and a.string == b.string
    }
    return steps, float(np.median(list(steps.values()))) if len(steps) > 1 else 0.0


def _without_room(found: Alignment) -> list[int]:
    """Missing symbols whose neighbors stand too close to have one between them."""
    symbols, (_, usual) = found.symbols, _steps(found)
    tight = []
    for i in range(1, len(symbols) - 1):
        left, right = symbols[i - 1], symbols[i + 1]
        if symbols[i].box is not None or symbols[i].symbol in NARROW:
            continue
        if left.box is None or right.box is None or left.string != right.string:
            continue
        if float(np.linalg.norm(right.box.center - left.box.center)) < ROOM * usual:
            tight.append(i)
    return tight


def _gaps(found: Alignment, spaces: Collection[int]) -> list[int]:
    """Places before which there is room for a narrow character that the detector may have lost.

    Args:
        found: the text on its boxes.
        spaces: places before which the expected text has a space.
    """
    steps, usual = _steps(found)
    return [
        i + 1
        for i, step in steps.items()
        if GAP * usual < step < SPACE * usual and i + 1 not in spaces
    ]


def _another_text(
    characters: Sequence[VerifiedCharacter], found: Alignment, run: Sequence[StringEvidence]
) -> bool:
    """Whether the run is a text of the expected length that reads clearly as something else."""
    count = sum(c.reject < NOTHING for e in run for c in e.singles)
    clear = sum(c.state in (CharState.PASS, CharState.FAIL) for c in characters)
    return abs(count - len(characters)) <= 1 and clear >= CLEAR * len(characters)


def _spaces(expected: str, charset: Charset) -> set[int]:
    """Numbers of symbols before the spaces of an expected text."""
    lengths = [len(expected_symbols(word, charset)) for word in expected.split()]
    return set(np.cumsum(lengths).tolist())


def _text(found: Alignment, extra: Sequence[SkippedBox]) -> str:
    """What reads in the place of the text, by the best symbol of every box."""
    read: list[tuple[float, str]] = [(s.before - 0.5, s.candidates.symbols[0]) for s in extra]
    for i, symbol in enumerate(found.symbols):
        if symbol.candidates is not None:
            raw = symbol.candidates.symbols[0]
            # Shapes do not tell, so what is expected is as good a reading as any of them.
            read.append((i, symbol.symbol if raw in same_shape(symbol.symbol) else raw))
    return "".join(s for _, s in sorted(read, key=lambda r: r[0]))


def _shown(skipped: SkippedBox) -> Character:
    named = skipped.candidates
    pairs = list(zip(named.symbols, map(float, named.probabilities), strict=True))
    return Character(pairs[0][0], skipped.box.quad, pairs[0][1], tuple(pairs[1:]))
