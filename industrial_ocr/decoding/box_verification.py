"""Verifies the expected text against the boxes of an image (rules: ``verification``)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from industrial_ocr.decoding.evidence import StringEvidence, distribution
from industrial_ocr.decoding.expected import AlignedSymbol, Alignment, SkippedBox, align_symbols
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.decoding.neighbor_texts import against_neighbors
from industrial_ocr.decoding.verification import (
    VERIFICATION_RULES,
    Findings,
    expected_symbols,
    judged_symbol,
    verify_strings,
)
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import Character, CharCandidates, CharState
from industrial_ocr.results.verdicts import Verification, VerifiedCharacter

_AlignedRun = tuple[Alignment, list[StringEvidence]]


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

    def find(run: tuple[int, ...]) -> tuple[float, _AlignedRun] | None:
        own = [strings[i] for i in run]
        found = align_symbols(own, symbols, charset)
        used = {s.string for s in found.symbols if s.box is not None} if found else set()
        if found is None or len(used) < len(run):
            return None
        # A text rarely continues in the next string.
        return found.score + float(np.log(0.05)) * (len(used) - 1), (found, own)

    def examine(place: _AlignedRun) -> Findings | None:
        return _findings(*place, expected, charset, part)

    return verify_strings(len(strings), expected, Engine.TWO_STAGE, find, examine)


def _findings(
    found: Alignment, run: Sequence[StringEvidence], expected: str, charset: Charset, part: bool
) -> Findings | None:
    """What is printed in the best place of a text, None if it is not similar to the text."""
    rules = VERIFICATION_RULES
    characters = [_character(s, charset) for s in found.symbols]
    extra = _extra(found, part)
    text = _text(found, extra)
    alike = sum(c.state is CharState.PASS or c.log_odds > 0 for c in characters)
    if alike < rules.min_found * len(characters):
        shown = [(s.before, _shown(s), False) for s in extra]
        another = _another_text(characters, run)
        return Findings(text, False, characters, shown) if another else None
    characters, doubtful = _doubtful_together(found, extra, characters)
    shown = []
    for k, skipped in enumerate(extra):
        character = _shown(skipped)
        clear = character.confidence >= rules.clear and k not in doubtful
        shown.append((skipped.before, character, clear))
    doubts = [
        f"a character may be missing after character {at}; if a space is printed there, expect it"
        for at in _gaps(found, _spaces(expected, charset))
    ]
    margin, other = against_neighbors(run, [s.symbol for s in found.symbols], charset, part)
    if margin < rules.pass_odds:
        doubts.append(f"the text {other!r} is nearly as likely")
    return Findings(text, True, characters, shown, _without_room(found), doubts)


def _character(aligned: AlignedSymbol, charset: Charset) -> VerifiedCharacter:
    """An expected character with its state; it never fails in a box that may be no character."""
    if aligned.box is None or aligned.candidates is None:
        return VerifiedCharacter(
            aligned.symbol, None, 0.0, "", 0.0, aligned.log_prob, CharState.MISSING
        )
    p = distribution(aligned.candidates, charset, False)
    seen = judged_symbol(aligned.symbol, aligned.box.quad, p, charset)
    if seen.state is CharState.FAIL and aligned.candidates.reject >= 0.5:
        return replace(seen, state=CharState.UNSURE)
    return seen


def _extra(found: Alignment, part: bool) -> list[SkippedBox]:
    """Skipped boxes between the characters, or in their word, that may be characters."""
    inside = found.inside
    return [
        s
        for s in found.skipped
        if (s in inside or (s.same_word and not part))
        and not _ignored(s.candidates)
        and s.log_odds > -VERIFICATION_RULES.pass_odds
    ]


def _ignored(candidates: CharCandidates) -> bool:
    """Whether a box is clearly no character."""
    return candidates.reject >= 0.8


def _doubtful_together(
    found: Alignment, extra: Sequence[SkippedBox], characters: Sequence[VerifiedCharacter]
) -> tuple[list[VerifiedCharacter], set[int]]:
    """Marks characters that do not pass as unsure where they stand next to an extra box.

    The two boxes may show one character.

    Returns:
        All characters, and the indices in ``extra`` of these boxes.
    """
    updated, doubtful = list(characters), set()
    for k, skipped in enumerate(extra):
        for i, aligned in enumerate(found.symbols):
            beside = aligned.string == skipped.string and any(
                abs(place - skipped.place) == 1 for place in aligned.boxes
            )
            if beside and characters[i].state is not CharState.PASS:
                updated[i] = replace(characters[i], state=CharState.UNSURE)
                doubtful.add(k)
    return updated, doubtful


def _distance(a: AlignedSymbol, b: AlignedSymbol) -> float | None:
    """Pixels between two symbols, None unless both are found in one string."""
    if a.box is None or b.box is None or a.string != b.string:
        return None
    return float(np.linalg.norm(b.box.center - a.box.center))


def _steps(found: Alignment) -> tuple[dict[int, float], float]:
    """Pixels from each symbol to the next one of its string, and the usual step, 0 if unknown."""
    pairs = zip(found.symbols, found.symbols[1:], strict=False)
    distances = {i: _distance(a, b) for i, (a, b) in enumerate(pairs)}
    steps = {i: step for i, step in distances.items() if step is not None}
    return steps, float(np.median(list(steps.values()))) if len(steps) > 1 else 0.0


def _without_room(found: Alignment) -> list[int]:
    """Indices of missing symbols whose neighbors are too close for a character between them."""
    _, usual = _steps(found)
    narrow = frozenset("1Iijlt.,':()-/")
    tight = []
    for i in range(1, len(found.symbols) - 1):
        before, own, after = found.symbols[i - 1 : i + 2]
        if own.box is None and own.symbol not in narrow:
            distance = _distance(before, after)
            if distance is not None and distance < 1.35 * usual:
                tight.append(i)
    return tight


def _gaps(found: Alignment, spaces: Collection[int]) -> list[int]:
    """Places with room for a narrow character that the detector may have missed.

    Wider gaps are spaces; ``spaces`` are the places where the expected text has a space.
    """
    steps, usual = _steps(found)
    wide = [i + 1 for i, step in steps.items() if 1.42 * usual < step < 1.8 * usual]
    return [at for at in wide if at not in spaces]


def _another_text(characters: Sequence[VerifiedCharacter], run: Sequence[StringEvidence]) -> bool:
    """Whether the run is a text of the expected length that reads clearly as something else."""
    count = sum(sum(not _ignored(c) for c in e.singles) for e in run)
    clear = sum(c.state in (CharState.PASS, CharState.FAIL) for c in characters)
    mostly_clear = clear >= VERIFICATION_RULES.clear * len(characters)
    return abs(count - len(characters)) <= 1 and mostly_clear


def _spaces(expected: str, charset: Charset) -> set[int]:
    """The number of symbols before each space of an expected text."""
    lengths = [len(expected_symbols(word, charset)) for word in expected.split()]
    return set(np.cumsum(lengths).tolist())


def _text(found: Alignment, extra: Sequence[SkippedBox]) -> str:
    """The text read in the place of the expected one: the best symbol of every box."""
    read: list[tuple[float, str]] = [(s.before - 0.5, s.candidates.symbols[0]) for s in extra]
    for i, symbol in enumerate(found.symbols):
        if symbol.candidates is not None:
            raw = symbol.candidates.symbols[0]
            # Symbols of one shape look alike, so the expected one is taken.
            read.append((i, symbol.symbol if raw in same_shape(symbol.symbol) else raw))
    return "".join(s for _, s in sorted(read, key=lambda r: r[0]))


def _shown(skipped: SkippedBox) -> Character:
    """A skipped box as the character that the classifier reads in it."""
    found = skipped.candidates
    (symbol, p), *others = zip(found.symbols, map(float, found.probabilities), strict=True)
    return Character(symbol, skipped.box.quad, p, tuple(others))
