"""Verifies the expected text against the boxes of an image (rules: ``verification``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from industrial_ocr.decoding.evidence import Hypothesis, StringEvidence
from industrial_ocr.decoding.expected import (
    MISSING_SYMBOL,
    AlignedSymbol,
    Alignment,
    SkippedBox,
    align_symbols,
    likeliest_rival,
)
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.decoding.verification import (
    VERIFICATION_RULES,
    Findings,
    Found,
    expected_symbols,
    judged_symbol,
    verify_strings,
)
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import Character, CharState
from industrial_ocr.results.verdicts import Verification, VerifiedCharacter

CLEAR_REJECT = 0.8
"""A box with at least this reject probability is clearly no character."""


def verify_boxes(
    strings: Sequence[StringEvidence], expected: str, charset: Charset, part: bool = False
) -> Verification:
    """Verifies the expected text against the strings of an image.

    Args:
        strings: of one image, in reading order.
        expected: the text; see the rules for its spaces.
        charset: the classifier's.
        part: the text may be a part of a longer word.

    Raises:
        ConfigError: an empty text, or symbols that the charset lacks.
    """
    symbols = expected_symbols(expected, charset)

    def find(run: tuple[int, ...]) -> Found | None:
        found = align_symbols([strings[i] for i in run], symbols, charset)
        used = {s.hypothesis.string for s in found.symbols if s.hypothesis} if found else set()
        if found is None or len(used) < len(run):
            return None
        # A text rarely continues in the next string.
        rank = found.score + float(np.log(0.05)) * (len(run) - 1)
        return (rank,), partial(_findings, found, expected, charset, part)

    return verify_strings(len(strings), expected, Engine.TWO_STAGE, find)


def _findings(found: Alignment, expected: str, charset: Charset, part: bool) -> Findings | None:
    """What is printed in the best place of a text, None if it is not similar to the text."""
    rules = VERIFICATION_RULES
    characters = [_character(s, charset) for s in found.symbols]
    extra = [s for s in found.skipped if _may_be_extra(s, part)]
    text = _text(found, extra)
    alike = sum(c.state is CharState.PASS or c.log_odds > 0 for c in characters)
    if alike < rules.min_found * len(characters):
        shown = [(s.before, _shown(s), False) for s in extra]
        return Findings(text, False, characters, shown) if _another(found, characters) else None
    # An extra box and a character beside it that does not pass may be one character.
    pairs = [
        (k, i)
        for k, skipped in enumerate(extra)
        for i, (aligned, c) in enumerate(zip(found.symbols, characters, strict=True))
        if c.state is not CharState.PASS and _adjoin(skipped.hypothesis, aligned.hypothesis)
    ]
    for _, i in pairs:
        characters[i] = replace(characters[i], state=CharState.UNSURE)
    doubtful = {k for k, _ in pairs}
    shown = []
    for k, skipped in enumerate(extra):
        character = _shown(skipped)
        clear = character.confidence >= rules.clear and k not in doubtful
        shown.append((skipped.before, character, clear))
    missing, gaps = _spacing(found, _spaces(expected, charset))
    doubts = [
        f"a character may be missing after character {at}; if a space is printed there, expect it"
        for at in gaps
    ]
    margin, other = likeliest_rival(found, charset, part)
    if margin < rules.pass_odds:
        doubts.append(f"the text {other!r} is nearly as likely")
    return Findings(text, True, characters, shown, missing, doubts)


def _character(aligned: AlignedSymbol, charset: Charset) -> VerifiedCharacter:
    """An expected character with its state; it never fails in a box that may be no character."""
    own = aligned.hypothesis
    if own is None:
        return VerifiedCharacter(
            aligned.symbol, None, 0.0, "", 0.0, MISSING_SYMBOL, CharState.MISSING
        )
    seen = judged_symbol(aligned.symbol, own.box.quad, own.probabilities, charset)
    if seen.state is CharState.FAIL and own.candidates.reject >= 0.5:
        return replace(seen, state=CharState.UNSURE)
    return seen


def _may_be_extra(skipped: SkippedBox, part: bool) -> bool:
    """Whether a box between the characters, or in their word, may be a character."""
    return (
        (skipped.inside or (skipped.same_word and not part))
        and skipped.hypothesis.candidates.reject < CLEAR_REJECT
        and skipped.log_odds > -VERIFICATION_RULES.pass_odds
    )


def _adjoin(one: Hypothesis, two: Hypothesis | None) -> bool:
    """Whether two hypotheses stand directly beside each other in one string."""
    if two is None or one.string != two.string:
        return False
    return one.last == two.first or two.last == one.first


def _spacing(found: Alignment, spaces: set[int]) -> tuple[list[int], list[int]]:
    """Compares the distances of the symbols.

    Returns:
        Indices of missing symbols whose neighbors are too close for a character between them; and
        places with room for a narrow character that the detector may have missed. Wider gaps are
        spaces; ``spaces`` are the places where the expected text has one.
    """
    symbols = found.symbols
    steps = [_distance(a, b) for a, b in pairwise(symbols)]
    known = [step for step in steps if not np.isnan(step)]
    usual = float(np.median(known)) if len(known) > 1 else 0.0
    narrow = frozenset("1Iijlt.,':()-/")
    tight = [
        i
        for i in range(1, len(symbols) - 1)
        if symbols[i].hypothesis is None
        and symbols[i].symbol not in narrow
        and _distance(symbols[i - 1], symbols[i + 1]) < 1.35 * usual
    ]
    wide = [i for i, step in enumerate(steps, 1) if 1.42 * usual < step < 1.8 * usual]
    return tight, [i for i in wide if i not in spaces]


def _distance(a: AlignedSymbol, b: AlignedSymbol) -> float:
    """Pixels between two symbols, NaN unless both are found in one string."""
    one, two = a.hypothesis, b.hypothesis
    if one is None or two is None or one.string != two.string:
        return float("nan")
    return float(np.linalg.norm(two.box.center - one.box.center))


def _another(found: Alignment, characters: Sequence[VerifiedCharacter]) -> bool:
    """Whether the run is a text of the expected length that reads clearly as something else."""
    boxes = [h.candidates for h in found.lattice.hypotheses if h and h.kind in ("single", "gap")]
    count = sum(c.reject < CLEAR_REJECT for c in boxes)
    clear = sum(c.state in (CharState.PASS, CharState.FAIL) for c in characters)
    mostly_clear = clear >= VERIFICATION_RULES.clear * len(characters)
    return abs(count - len(characters)) <= 1 and mostly_clear


def _spaces(expected: str, charset: Charset) -> set[int]:
    """The number of symbols before each space of an expected text."""
    lengths = [len(expected_symbols(word, charset)) for word in expected.split()]
    return set(np.cumsum(lengths).tolist())


def _text(found: Alignment, extra: Sequence[SkippedBox]) -> str:
    """The text read in the place of the expected one: the best symbol of every box."""
    read = [(s.before - 0.5, s.hypothesis.candidates.symbols[0]) for s in extra]
    for i, aligned in enumerate(found.symbols):
        if aligned.hypothesis is not None:
            raw = aligned.hypothesis.candidates.symbols[0]
            # Symbols of one shape look alike, so the expected one is taken.
            read.append((i, aligned.symbol if raw in same_shape(aligned.symbol) else raw))
    return "".join(s for _, s in sorted(read, key=lambda r: r[0]))


def _shown(skipped: SkippedBox) -> Character:
    """A skipped box as the character that the classifier reads in it."""
    own, quad = skipped.hypothesis.candidates, skipped.hypothesis.box.quad
    (symbol, p), *others = zip(own.symbols, map(float, own.probabilities), strict=True)
    return Character(symbol, quad, p, tuple(others))
