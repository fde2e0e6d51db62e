"""The rules by which both engines accept or doubt a code that they read under a pattern.

The numbers are those of ``CODE_RULES``.

* The likeliest texts that the pattern accepts are compared. If the pattern has a check, the best
  text that passes it is the code, unless it contradicts the evidence.
* A character *contradicts* the evidence if, without the pattern, another symbol is clearly read or
  more than 5 times as likely (50 times among 0 O and among 1 I l, which look alike). A code with
  such a character is a misprint or another text: its status is ``pattern_mismatch``
  (``check_failed`` if only the check required it), never ``ok``. The same holds if another
  segmentation is more than 5 times as likely: a clear M is never read as two digits.
* The confidence is the joint probability per character, among the symbols that the pattern allows
  in its place. A correct check digit raises the odds of the weakest character tenfold, because a
  wrong code passes a check by chance one time in ten.
* ``ambiguous``: another code that matches (and passes the check) is nearly as likely.
* ``low_confidence``: the code or a character is below its limit, or the code is a part of a longer
  word that reads clearly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from industrial_ocr.config import ConfidenceConfig
from industrial_ocr.decoding.homoglyphs import twins_of
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CharStatus, CodeReading
from industrial_ocr.results.types import Direction, Status


@dataclass(frozen=True)
class CodeRules:
    """The numbers of the rules above.

    Attributes:
        contradiction: a symbol contradicts the raw reading below this share of the raw symbol's
            probability.
        twin_contradiction: the same between symbols of one shape.
        clear_raw: a raw symbol of this probability or more is taken for the printed one.
        ambiguous: another code with this share of the code's probability or more is a rival.
        check_odds: a correct check digit multiplies the odds by this factor.
        min_agreement: a code that is not ok is reported if at least this share of its characters
            reads the same without the pattern.
    """

    contradiction: float = 0.2
    twin_contradiction: float = 0.02
    clear_raw: float = 0.95
    ambiguous: float = 0.5
    check_odds: float = 10.0
    min_agreement: float = 0.6


CODE_RULES = CodeRules()
DIGIT_CHECKS = frozenset({"iso6346", "vin", "luhn", "gs1", "mod97", "mrz"})


def are_twins(a: str, b: str) -> bool:
    """Whether two symbols are equal or look alike, such as 0 and O."""
    return b in twins_of(a)


def contradicts(symbol: str, probability: float, raw: str, raw_probability: float) -> bool:
    """Whether a symbol contradicts the raw reading (see the rules above)."""
    if raw == symbol:
        return False
    if raw_probability >= CODE_RULES.clear_raw:
        return True
    twins = are_twins(symbol, raw)
    ratio = CODE_RULES.twin_contradiction if twins else CODE_RULES.contradiction
    return probability < ratio * raw_probability


def character_status(symbol: str, raw: str, probability: float, least: float) -> CharStatus:
    """The status of a code's character, given the symbol read without the pattern.

    A character of a probability below ``least`` is rejected.
    """
    if raw != symbol:
        return CharStatus.CORRECTED
    return CharStatus.REJECTED if probability < least else CharStatus.READ


def has_lower_case(automaton: Automaton) -> bool:
    """Whether an automaton accepts any lowercase letter."""
    return any(automaton.symbols[i].islower() for i in np.unique(automaton.labels))


def runs_of(directions: Sequence[Direction], pattern: Pattern) -> Iterator[range]:
    """Index ranges of neighboring strings of one direction that may be one code; short first."""
    for length in range(1, max(1, len(pattern.groups)) + 1):
        for start in range(len(directions) - length + 1):
            if len(set(directions[start : start + length])) == 1:
                yield range(start, start + length)


Run = TypeVar("Run")


def read_in_turn(
    runs: Iterable[tuple[range, Run]],
    read: Callable[[Run], CodeReading | None],
    settled: frozenset[Status],
) -> list[CodeReading]:
    """Reads runs of strings, given with their indices, the likeliest first.

    After a code with a ``settled`` status, runs that share a string with it are not read.
    """
    found: list[CodeReading] = []
    taken: set[int] = set()
    for places, run in runs:
        code = None if taken & set(places) else read(run)
        if code is not None:
            found.append(code)
            taken.update(code.strings if code.status in settled else ())
    return found


@dataclass(frozen=True)
class CodeChoice:
    """The code chosen among the likeliest ones.

    Attributes:
        at: its index.
        failed: the message of its failed check, empty if none failed.
        rivals: the indices of the codes it competes with, including its own.
        checked: whether its check digit is correct.
    """

    at: int
    failed: str
    rivals: list[int]
    checked: bool


def chosen_by_check(
    codes: Sequence[str], pattern: Pattern, contradicted: Callable[[int], bool]
) -> CodeChoice:
    """Chooses among different codes, given likeliest first.

    ``contradicted`` tells whether the evidence contradicts the code with this index.
    """
    everyone = list(range(len(codes)))
    if pattern.check == "none":
        return CodeChoice(0, "", everyone, False)
    checks = [pattern.verify_code(code) for code in codes]
    passing = [i for i in everyone if checks[i].ok]
    if passing and (passing[0] == 0 or not contradicted(passing[0]) or contradicted(0)):
        return CodeChoice(passing[0], "", passing, pattern.check in DIGIT_CHECKS)
    return CodeChoice(0, checks[0].message, everyone, False)


def confidence_doubt(confidence: float, count: int, limits: ConfidenceConfig) -> str:
    """Why a code of ``count`` characters is doubtful, empty if it is not.

    ``confidence`` is per character, see ``scoring.string_confidence``.
    """
    if confidence < limits.min_code_confidence:
        return f"the confidence per character is below {limits.min_code_confidence:g}"
    if confidence**count < limits.min_code:
        return f"the confidence of all {count} characters together is below {limits.min_code:g}"
    return ""


def judged_code(
    code: CodeReading,
    agreement: float,
    mismatch: str,
    failed: str,
    rival: str,
    doubts: Iterable[str],
) -> CodeReading | None:
    """Sets the status of a code and the reason for it.

    Args:
        code: as it was read.
        agreement: share of its characters that read the same without the pattern.
        mismatch: why it contradicts the raw reading, empty if it does not.
        failed: the message of its failed check, empty if none failed.
        rival: another code that is nearly as likely, empty for none.
        doubts: further reasons to doubt it.

    Returns:
        The code; None if the pattern changes too many characters, so that it is another text.
    """
    status, reason = Status.OK, "read as the pattern asks"
    if mismatch:
        status, reason = Status.PATTERN_MISMATCH, mismatch
    elif failed:
        status, reason = Status.CHECK_FAILED, failed
    elif rival:
        status, reason = Status.AMBIGUOUS, f"{rival!r} is nearly as likely"
    elif doubt := next(filter(None, doubts), ""):
        status, reason = Status.LOW_CONFIDENCE, doubt
    if status is not Status.OK and agreement < CODE_RULES.min_agreement:
        return None
    return replace(code, status=status, reason=reason)


def status_rank(status: Status) -> int:
    """Sorts the statuses of codes, the most reliable first."""
    rank = {Status.OK: 0, Status.LOW_CONFIDENCE: 1, Status.AMBIGUOUS: 1, Status.CHECK_FAILED: 2}
    return rank.get(status, 3)


def without_shared_strings(found: Sequence[CodeReading]) -> list[CodeReading]:
    """Codes that share no string, the most reliable first; a mismatch only if nothing matches."""
    kept: list[CodeReading] = []
    for code in sorted(found, key=lambda c: (status_rank(c.status), -c.confidence)):
        if all(not set(code.strings) & set(k.strings) for k in kept):
            kept.append(code)
    matching = [c for c in kept if c.status is not Status.PATTERN_MISMATCH]
    return matching or kept[:1]
