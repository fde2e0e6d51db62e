"""When a code can be trusted: the rules that both ways of reading under a pattern keep.

* The likeliest texts that the pattern accepts are looked at, best first. Where the pattern has a
  check, the best one that passes it is the code, unless that would contradict the evidence.
* A character *contradicts* where another symbol is so much likelier by itself that only the pattern
  speaks for the one it wants: more than 1 / ``CONTRADICTION`` times (50 times among 0 O and 1 I l,
  whose shapes do not tell), or ``CLEAR_RAW`` by itself. A code with such a character is a misprint
  or another text: it is reported with the status ``pattern_mismatch`` (``check_failed`` where only
  the check asked for it), never corrected to ``ok``. So does a place where other boxes are so much
  likelier by themselves: one clear M is not read as two digits because the pattern would have them.
* Confidence is the joint probability per character, among the symbols that the pattern allows
  there. A check digit in order is evidence too: by chance it would be so once in ten times. It
  counts once, for the weakest character, whose odds it raises ``CHECK_ODDS`` times.
* ``ambiguous``: another code that matches, and passes, is at least ``AMBIGUOUS`` as likely.
* ``low_confidence``: the code or a character is below its limit, or the code is a part of a longer
  word that reads clearly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from industrial_ocr.decoding.homoglyphs import TWINS
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CharStatus, CodeReading
from industrial_ocr.results.types import Direction, Status

CONTRADICTION, TWIN_CONTRADICTION = 0.2, 0.02
CLEAR_RAW = 0.95
"""A character that reads so surely by itself is printed as it reads, twins included."""
AMBIGUOUS = 0.5
CHECK_ODDS = 10.0
DIGIT_CHECKS = frozenset({"iso6346", "vin", "luhn", "gs1", "mod97", "mrz"})
LEAST_AGREEMENT = 0.6
"""A text that does not match is told of as a misprint if this share of its characters does."""


@dataclass(frozen=True)
class Limits:
    """When a code is doubtful.

    Attributes:
        min_confidence: of the code.
        min_character: of each of its characters.
        min_code: of all of them together.
    """

    min_confidence: float = 0.85
    min_character: float = 0.5
    min_code: float = 0.7

    def doubt(self, confidence: float, count: int) -> str:
        """Why a code of so many characters is doubtful, empty where it is not.

        Args:
            confidence: of the code per character, see ``scoring.string_confidence``.
            count: of its characters.
        """
        if confidence < self.min_confidence:
            return f"the code is read at {confidence:.2f} only"
        whole = confidence**count
        if whole < self.min_code:
            return f"all {count} characters together are read at {whole:.2f} only"
        return ""


def are_twins(a: str, b: str) -> bool:
    return any(a in t and b in t for t in TWINS)


def contradicts(symbol: str, probability: float, raw: str, raw_probability: float) -> bool:
    """Whether a raw reading speaks against a symbol (see the rules above)."""
    if raw == symbol:
        return False
    if raw_probability >= CLEAR_RAW:
        return True
    ratio = TWIN_CONTRADICTION if are_twins(symbol, raw) else CONTRADICTION
    return probability < ratio * raw_probability


def character_status(symbol: str, raw: str, probability: float, limits: Limits) -> CharStatus:
    """The status of a code's character, given what reads there without the pattern."""
    if raw != symbol:
        return CharStatus.CORRECTED
    return CharStatus.REJECTED if probability < limits.min_character else CharStatus.READ


def runs_of(directions: Sequence[Direction], pattern: Pattern) -> Iterator[range]:
    """Places of strings, neighbors of one direction, that may be a code together; short first."""
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
    """The codes of runs that compete where they share a string.

    Args:
        runs: with their places, the likeliest first.
        read: gives the code of one.
        settled: a code of such a status spares the reading of its competitors.
    """
    found: list[CodeReading] = []
    for places, run in runs:
        taken = {i for c in found if c.status in settled for i in c.strings}
        code = None if taken & set(places) else read(run)
        found += [code] if code is not None else []
    return found


def chosen_by_check(
    codes: Sequence[str], pattern: Pattern, contradicted: Callable[[int], bool]
) -> tuple[int, str, list[int]]:
    """The code among the likeliest ones.

    Args:
        codes: the likeliest first, each once.
        pattern: with its check.
        contradicted: whether the evidence contradicts the code of that number.

    Returns:
        Its number, what its check says against it, and the numbers of those it competes with.
    """
    everyone = list(range(len(codes)))
    if pattern.check == "none":
        return 0, "", everyone
    passing = [i for i in everyone if pattern.verify_code(codes[i]).ok]
    if passing and (passing[0] == 0 or not contradicted(passing[0]) or contradicted(0)):
        return passing[0], "", passing
    return 0, pattern.verify(codes[0]).message, everyone


def judged_code(
    mismatch: str, failed: str, rival: str, doubts: Iterable[str]
) -> tuple[Status, str]:
    """The status of a code and the reason of it; what is empty does not hold.

    Args:
        mismatch: why it contradicts what reads there.
        failed: what its check says against it.
        rival: another code that is nearly as likely.
        doubts: what else is doubtful.
    """
    if mismatch:
        return Status.PATTERN_MISMATCH, mismatch
    if failed:
        return Status.CHECK_FAILED, failed
    if rival:
        return Status.AMBIGUOUS, f"{rival!r} is nearly as likely"
    for doubt in filter(None, doubts):
        return Status.LOW_CONFIDENCE, doubt
    return Status.OK, "read as the pattern asks"


_RANK = {Status.OK: 0, Status.LOW_CONFIDENCE: 1, Status.AMBIGUOUS: 1, Status.CHECK_FAILED: 2}


def apart(found: Sequence[CodeReading]) -> list[CodeReading]:
    """Codes that share no string, the surest first; mismatches only where nothing else is."""
    ordered = sorted(found, key=lambda c: (_RANK.get(c.status, 3), -c.confidence))
    kept: list[CodeReading] = []
    for code in ordered:
        if all(not set(code.strings) & set(k.strings) for k in kept):
            kept.append(code)
    matching = [c for c in kept if c.status is not Status.PATTERN_MISMATCH]
    return matching or kept[:1]
