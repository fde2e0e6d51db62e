"""The rules of verifying an expected text, and the code that both engines share.

Passing a misprint is the costliest error, so every unclear case is ``cannot_tell``. The numbers
(``VERIFICATION_RULES``) were chosen on rendered codes alone (``benchmarks/verification.py``).

* The text is aligned with every string, and with every two or three neighboring strings in both
  orders (``expected``); the best place counts. Spaces, expected or printed, are ignored, with one
  exception: a gap with room for a narrow character, such as a missed I, prevents a pass unless the
  text has a space there.
* A character passes if its shape is 5 times as likely as any other (20 times if both look alike,
  as O and Q in ``patterns.charset.CONFUSABLE_SETS``) and its probability is at least 0.5. It fails
  if another shape is 20 times as likely in a box that is clearly a character. Shapes are those of
  ``homoglyphs.same_shape``: 0 for O never fails, and c for C passes; but 0 does not pass if a twin
  like O is 50 times as likely.
* The text passes only if it is 5 times as likely as every other reading of its words
  (``expected.likeliest_rival``): an extra box may be a mark or a stroke of the character beside it,
  and two boxes may be one character.
* A character without a box is missing. It is a failure only if its neighbors stand too close for
  it; elsewhere the detector may have missed it.
* A box between the characters, or beside them in their word, is extra: the text fails if it clearly
  reads as a letter or digit, and passes only if it is clearly no character. If the character next
  to it does not pass, both are doubtful: they may be halves of one. Text after a space is ignored.
* If fewer than half of the characters read as expected, the text was not found. Another text of
  its length that reads clearly in its place is a failure; all else is ``cannot_tell``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.homoglyphs import shape_groups
from industrial_ocr.errors import ConfigError
from industrial_ocr.patterns.charset import CONFUSABLE_SETS, Charset
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import quad_around
from industrial_ocr.results.types import Character, CharState, FloatArray, Verdict
from industrial_ocr.results.verdicts import Verification, VerifiedCharacter, likelihood_ratio


@dataclass(frozen=True)
class VerificationRules:
    """The numbers of the rules above.

    Attributes:
        pass_odds: least log-odds of a shape, or of the text, for a pass.
        alike_odds: the same against a shape that looks alike.
        fail_odds: least log-odds of another shape for a failure.
        twin_odds: least log-odds of another symbol of the same shape that prevents a pass.
        likely: least probability of a shape for a pass.
        clear: least probability of an extra character for a failure.
        min_found: least share of the characters that must read as expected.
    """

    pass_odds: float = math.log(5)
    alike_odds: float = math.log(20)
    fail_odds: float = math.log(20)
    twin_odds: float = math.log(50)
    likely: float = 0.5
    clear: float = 0.8
    min_found: float = 0.5


VERIFICATION_RULES = VerificationRules()
MARK_SYMBOLS = frozenset(".,':-*/")
"""Dirt looks like these symbols: an extra one is never a failure by itself."""


def expected_symbols(expected: str, charset: Charset) -> tuple[str, ...]:
    """The symbols of an expected text; white space is left out.

    Raises:
        ConfigError: no symbols, or some that the charset lacks.
    """
    if not isinstance(expected, str):
        raise ConfigError(f"the expected text must be a str, got {expected!r}")
    if not expected.strip():
        raise ConfigError("the expected text is empty: give the characters that must be printed")
    try:
        classes = charset.encode(expected)
    except ValueError as error:
        unknown = sorted({c for c in expected if not c.isspace() and not charset.supports(c)})
        named = " ".join(unknown or [expected])
        few = len(charset.symbols) <= 200
        known = " ".join(charset.symbols) if few else f"{len(charset.symbols)} others"
        raise ConfigError(
            f"the model does not know {named} of the expected text {expected!r}: "
            f"it knows {known}; use weights trained on more symbols"
        ) from error
    return tuple(charset.symbol(c) for c in classes)


def edits_to_parts(text: str, read: str) -> list[tuple[int, int]]:
    """For each end of a part of ``read``: its edit distance to the text, and its start.

    Sellers 1980 (J. Algorithms 1, 359): an alignment in which ``read`` before and after the part
    costs nothing. Of equally near parts with one end, the longest counts.
    """
    row = [(0, start) for start in range(len(read) + 1)]
    for symbol in text:
        above, row = row, [(row[0][0] + 1, 0)]
        for j, other in enumerate(read):
            replaced = (above[j][0] + (symbol != other), above[j][1])
            deleted = (above[j + 1][0] + 1, above[j + 1][1])
            inserted = (row[j][0] + 1, row[j][1])
            row.append(min(replaced, deleted, inserted))
    return row


def string_runs(count: int) -> Iterator[tuple[int, ...]]:
    """Indices of one to three neighboring strings among ``count``, two or three in both orders."""
    for length in range(1, min(3, count) + 1):
        for start in range(count - length + 1):
            run = tuple(range(start, start + length))
            yield run
            if length > 1:
                yield run[::-1]


@dataclass(frozen=True, eq=False)
class Findings:
    """What an engine finds in the place of a text.

    Attributes:
        text: the text read there.
        similar: whether enough of it reads as expected; if not, it is clearly another text.
        characters: of the expected text, with their states.
        extra: extra characters: the number of expected ones before each, its reading, and whether
            it is clearly a character.
        missing: the indices of the characters that are clearly missing.
        doubts: further reasons against a pass.
        text_log_odds: of the text as a whole against all others, None if unknown.
    """

    text: str
    similar: bool
    characters: Sequence[VerifiedCharacter]
    extra: Sequence[tuple[int, Character, bool]] = ()
    missing: Sequence[int] = ()
    doubts: Sequence[str] = ()
    text_log_odds: float | None = None

    def judged(self) -> tuple[Verdict, str]:
        """The verdict and its reason."""
        if not self.similar:
            return Verdict.FAIL, f"another text stands there: {self.text!r}"
        extra, unclear = [], []
        for before, character, clear in self.extra:
            if clear and character.symbol not in MARK_SYMBOLS:
                extra.append(f"an extra {character.symbol!r} stands {where(before)}")
            else:
                unclear.append(f"something stands {where(before)} that may be a character")
        # Characters are counted from 1, as people do.
        names = [f"character {i} ({c.symbol!r})" for i, c in enumerate(self.characters, 1)]
        named = list(zip(names, self.characters, strict=True))
        wrong = [
            f"{name} reads as {c.rival!r} ({likelihood_ratio(c.log_odds)})"
            for name, c in named
            if c.state is CharState.FAIL
        ]
        against = [*wrong, *extra, *(f"{names[i]} is missing" for i in self.missing)]
        if against:
            return Verdict.FAIL, _sentence(against)
        unsure = [f"{n} is not clear: {_doubt(c)}" for n, c in named if c.state is CharState.UNSURE]
        lost = [f"{n} was not found" for n, c in named if c.state is CharState.MISSING]
        reasons = [*unsure, *lost, *unclear, *self.doubts]
        if reasons:
            return Verdict.CANNOT_TELL, _sentence(reasons)
        if self.text_log_odds is not None and self.text_log_odds < 0:
            return Verdict.CANNOT_TELL, "other readings are likelier than this text"
        return Verdict.PASS, "every character reads as expected"


def where(before: int) -> str:
    """The place after a number of expected characters, in words."""
    return f"after character {before}" if before else "before the text"


def _sentence(reasons: Sequence[str]) -> str:
    rest = len(reasons) - 1
    return reasons[0] + (f", and {rest} more problem{'s' * (rest > 1)}" if rest else "")


def _doubt(character: VerifiedCharacter) -> str:
    """Which other symbol may stand there, and how much likelier one of them is."""
    rules, rival, log_odds = VERIFICATION_RULES, character.rival, character.log_odds
    # As in ``judged_symbol``, the case is no evidence.
    other = character.twin.lower() != character.symbol.lower()
    if character.twin and other and character.twin_log_odds <= -rules.twin_odds:
        rival, log_odds = character.twin, character.twin_log_odds
    if log_odds < 0:
        return f"{rival!r} is {likelihood_ratio(log_odds)}"
    shape = character.rival_probability * math.exp(character.log_odds)
    if shape < rules.likely:
        return f"the probability of its shape is only {shape:.2f}"
    return f"it is {likelihood_ratio(log_odds)} as {rival!r}"


Found = tuple[tuple[float, ...], Callable[[], "Findings | None"]]
"""The rank of a text's best place in some strings, and what gives the findings there."""


def verify_strings(
    count: int, expected: str, engine: Engine, find: Callable[[tuple[int, ...]], Found | None]
) -> Verification:
    """Searches a text in the strings of an image and judges its best place.

    Args:
        count: number of strings.
        expected: the text.
        engine: for the result.
        find: returns the text's best place in neighboring strings, None if there is none; its
            findings are None if the text there is not similar.
    """
    places = [found for run in string_runs(count) if (found := find(run)) is not None]
    if not places:
        return Verification(expected, Verdict.CANNOT_TELL, "no text was found", engine)
    _, examine = max(places, key=lambda p: p[0])
    findings = examine()
    if findings is None:
        return Verification(expected, Verdict.CANNOT_TELL, "no similar text was found", engine)
    verdict, reason = findings.judged()
    quads = [c.quad for c in findings.characters if c.quad is not None]
    return Verification(
        expected=expected,
        verdict=verdict,
        reason=reason,
        engine=engine,
        text=findings.text,
        characters=tuple(findings.characters),
        extra=tuple(character for _, character, _ in findings.extra),
        quad=quad_around(quads) if quads else None,
        text_log_odds=findings.text_log_odds,
    )


def judged_symbol(
    symbol: str, quad: FloatArray, p: NDArray[np.float64], charset: Charset
) -> VerifiedCharacter:
    """Judges one expected symbol by the rules above.

    Args:
        symbol: the expected one.
        quad: (4, 2) of the place.
        p: (C,) probabilities of the charset's symbols, none 0.
        charset: of the model.
    """
    rules, symbols = VERIFICATION_RULES, charset.symbols
    at, shapes = symbols.index(symbol), shape_groups(symbols)
    same = shapes == shapes[at]
    rest = np.where(same, 0.0, p)
    rival = int(rest.argmax())
    shape = float(p[same].sum())
    log_odds = math.log(shape) - math.log(max(float(rest[rival]), 1e-12))
    twins = np.where(same, p, 0.0)
    twins[at] = 0.0
    likeliest = int(twins.argmax())
    twin, twin_odds = "", 0.0
    if twins[likeliest] > 0:
        twin, twin_odds = symbols[likeliest], float(np.log(p[at]) - np.log(p[likeliest]))
    alike = any(symbol in look and symbols[rival] in look for look in CONFUSABLE_SETS)
    # Crops do not show the size of a letter, so a twin of the other case is no evidence.
    another = twin_odds <= -rules.twin_odds and twin.lower() != symbol.lower()
    least = rules.alike_odds if alike else rules.pass_odds
    state = CharState.UNSURE
    if shape >= rules.likely and log_odds >= least and not another:
        state = CharState.PASS
    elif log_odds <= -rules.fail_odds:
        state = CharState.FAIL
    return VerifiedCharacter(
        symbol=symbol,
        quad=quad,
        probability=float(min(p[at], 1.0)),
        rival=symbols[rival],
        rival_probability=min(float(p[rival]), 1.0),
        log_odds=log_odds,
        state=state,
        twin=twin,
        twin_log_odds=twin_odds,
    )
