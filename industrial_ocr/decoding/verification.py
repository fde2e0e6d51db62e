"""Whether a text that must stand there does: the rules, and what both ways share of them.

A misprint that passes is the costly error, so whatever is not clear is ``cannot_tell``:

* The text is laid over every string, and over every two or three neighboring ones in both orders
  (``expected``); the best place counts. Its spaces need not be printed, nor printed ones be in it,
  but for one thing: a gap with room for a narrow character (``box_verification.GAP``), as the
  detector leaves of an I that it lost, is no pass unless the text has a space there.
* A character passes where its shape is ``PASS_ODDS`` times as likely as any other, ``ALIKE_ODDS``
  times where they look alike (``patterns.charset.CONFUSABLE_SETS``: O and Q), and likelier than
  not. It fails where another shape is ``FAIL_ODDS`` times as likely in a box that is clearly a
  character. Shapes are those of ``homoglyphs.same_shape``: 0 for O never fails, and c for C passes;
  where a twin like O is ``TWIN_ODDS`` times as likely, 0 does not pass either.
* The text passes only if it is ``PASS_ODDS`` times as likely as every text one or two edits away
  (``expected.against_neighbors``): a box that shows a mark, the stroke of a W that might be a V,
  and two boxes that might be one all count there.
* A character is missing where it has no box; that is a failure only where its neighbors stand so
  close that there is no room for it. Elsewhere the detector may have lost it.
* A box among the characters, or beside them in their word, is one too many: a failure where it
  clearly reads as a letter or digit, no pass unless it clearly is none. Beside a character that
  does not pass either, both are doubts: they may be the halves of one. Text beyond a space is other
  text.
* Where fewer than ``LEAST_FOUND`` of the characters read as expected, there is no text like it.
  Another text of its length that reads clearly in its place is a failure; all else is
  ``cannot_tell``.

The thresholds were chosen on rendered codes alone (``benchmarks/verification.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.errors import ConfigError
from industrial_ocr.patterns.charset import CONFUSABLE_SETS, Charset
from industrial_ocr.results.types import CharState, FloatArray, Verdict
from industrial_ocr.results.verdicts import VerifiedCharacter

PASS_ODDS, ALIKE_ODDS, FAIL_ODDS, TWIN_ODDS = (float(np.log(x)) for x in (5, 20, 20, 50))
LIKELY = 0.5
"""Least probability of a shape that passes."""
CLEAR = 0.8
"""Least probability of a character that is clearly one too many."""
MARKS = frozenset(".,':-*/")
"""Dirt looks like these: one too many of them is never a failure by itself."""
LEAST_FOUND = 0.5
MOST_STRINGS = 3


def expected_symbols(expected: str, charset: Charset) -> tuple[str, ...]:
    """The symbols of an expected text; white space is left out.

    Raises:
        ConfigError: no symbols, or some that the charset lacks.
    """
    if not expected.strip():
        raise ConfigError("the expected text is empty: give the characters that must be printed")
    try:
        classes = charset.encode(expected)
    except ValueError as error:
        unknown = sorted({c for c in expected if not c.isspace() and not charset.supports(c)})
        named = " ".join(unknown or [expected])
        raise ConfigError(
            f"the model does not know {named} of the expected text {expected!r}: "
            f"it knows {' '.join(charset.symbols)}; take weights that were trained on more"
        ) from error
    return tuple(charset.symbol(c) for c in classes)


def runs(count: int) -> Iterator[tuple[int, ...]]:
    """Places of neighboring strings among ``count``, single ones first, several both ways."""
    for length in range(1, min(MOST_STRINGS, count) + 1):
        for start in range(count - length + 1):
            run = tuple(range(start, start + length))
            yield run
            if length > 1:
                yield run[::-1]


def judge(
    characters: Sequence[VerifiedCharacter], against: Sequence[str], doubts: Sequence[str]
) -> tuple[Verdict, str]:
    """The verdict on characters, given what else clearly speaks against the text or is doubtful."""
    wrong = [i for i, c in enumerate(characters) if c.state is CharState.FAIL]
    if wrong:
        reasons = [f"{name_of(characters, i)} reads as {characters[i].rival!r}" for i in wrong]
        return Verdict.FAIL, _sentence([*reasons, *against])
    if against:
        return Verdict.FAIL, _sentence(against)
    unsure = [i for i, c in enumerate(characters) if c.state is CharState.UNSURE]
    reasons = [f"{name_of(characters, i)} is not clear" for i in unsure]
    lost = [i for i, c in enumerate(characters) if c.state is CharState.MISSING]
    reasons += [f"{name_of(characters, i)} was not found" for i in lost]
    if reasons or doubts:
        return Verdict.CANNOT_TELL, _sentence([*reasons, *doubts])
    return Verdict.PASS, "every character reads as expected"


def told_of_extra(extra: Iterable[tuple[int, str, bool]]) -> tuple[list[str], list[str]]:
    """What characters too many say against a text.

    Args:
        extra: of each how many expected ones stand before it, what it reads as, and whether it is
            clearly a character.

    Returns:
        What clearly speaks against the text, and what is doubtful; a mark is never more than that.
    """
    against, doubts = [], []
    for before, symbol, clear in extra:
        where = f"after character {before}" if before else "before the text"
        if clear and symbol not in MARKS:
            against.append(f"an extra {symbol!r} stands {where}")
        else:
            doubts.append(f"something stands {where} that may be a character")
    return against, doubts


def name_of(characters: Sequence[VerifiedCharacter], at: int) -> str:
    """A character by its place, counted from 1 as people do."""
    return f"character {at + 1} ({characters[at].symbol!r})"


def _sentence(reasons: Sequence[str]) -> str:
    rest = len(reasons) - 1
    return reasons[0] + (f", and {rest} more" if rest else "")


def odds(
    p: NDArray[np.float64], symbol: str, symbols: Sequence[str]
) -> tuple[float, str, float, str, float]:
    """What speaks for a symbol and against it.

    Args:
        p: (C,) probabilities of a charset's symbols, none 0.
        symbol: one of them.
        symbols: all of them.

    Returns:
        Log-odds of its shape, the best symbol of another shape with its probability, the best one
        of the same shape (empty where there is none) and the log-odds against that.
    """
    same = same_shape(symbol)
    own = np.array([s in same for s in symbols])
    rest = np.where(own, 0.0, p)
    rival = int(rest.argmax())
    at = symbols.index(symbol)
    own[at] = False
    twin = int(np.where(own, p, 0.0).argmax()) if own.any() else -1
    shape = p[at] + p[own].sum()
    log_odds = float(np.log(shape) - np.log(max(float(p[rival]), 1e-12)))
    if twin < 0:
        return log_odds, symbols[rival], float(p[rival]), "", 0.0
    against = float(np.log(p[at]) - np.log(p[twin]))
    return log_odds, symbols[rival], float(p[rival]), symbols[twin], against


def seen_as(
    symbol: str, quad: FloatArray, p: NDArray[np.float64], charset: Charset
) -> VerifiedCharacter:
    """What is seen in the place of a symbol, by the rules above.

    Args:
        symbol: that must stand there.
        quad: (4, 2) of the place.
        p: (C,) probabilities of the charset's symbols, none 0.
        charset: of the model.
    """
    log_odds, rival, rival_p, twin, twin_odds = odds(p, symbol, charset.symbols)
    state = CharState.UNSURE
    shape = rival_p * float(np.exp(log_odds))
    if shape >= LIKELY and passes(symbol, rival, log_odds, twin, twin_odds):
        state = CharState.PASS
    elif log_odds <= -FAIL_ODDS:
        state = CharState.FAIL
    own = float(min(p[charset.symbols.index(symbol)], 1.0))
    return VerifiedCharacter(
        symbol, quad, own, rival, min(rival_p, 1.0), log_odds, state, twin, twin_odds
    )


def passes(symbol: str, rival: str, log_odds: float, twin: str, twin_odds: float) -> bool:
    """Whether what ``odds`` says of a symbol is clear enough."""
    alike = any(symbol in look and rival in look for look in CONFUSABLE_SETS)
    least = ALIKE_ODDS if alike else PASS_ODDS
    # Crops do not show how large a letter is, so its case says nothing.
    told_apart = twin_odds <= -TWIN_ODDS and twin.lower() != symbol.lower()
    return log_odds >= least and not told_apart
