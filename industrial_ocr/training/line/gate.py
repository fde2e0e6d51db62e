"""Scores readings of the held-out pictures, and decides whether the adapted networks are kept.

There are two conditions. On the held-out pictures, more strings are read right and significantly
fewer characters are wrong; or as many strings are read right with fewer misreads. Rendered codes of
the line's symbols lose at most a margin. Other print may be read worse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy.stats import binomtest

from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Status
from industrial_ocr.training.line.strings import spelled

T = TypeVar("T")

MAX_P_VALUE = 0.05
"""Significance level: largest p-value of the permutation test at which a gain counts."""
MAX_RUN = 4
"""A label may be read as up to this many neighboring strings."""


@dataclass(frozen=True)
class Spelling:
    """How texts of a line are compared; white space never counts.

    Attributes:
        case: whether upper and lower case differ; not if no label has a lower-case letter.
        marks: punctuation that counts; other marks are removed from readings.
        contains: whether a reading is right if it contains the label.
    """

    case: bool
    marks: frozenset[str]
    contains: bool = False

    @staticmethod
    def of(symbols: Sequence[str], contains: bool = False) -> Spelling:
        """The spelling that these symbols of a line need."""
        text = "".join(symbols)
        marks = frozenset(c for c in text if not c.isalnum())
        return Spelling(text != text.upper(), marks, contains)

    def normalize(self, text: str) -> str:
        """The text in the form in which it is compared."""
        kept = "".join(c for c in spelled(text) if c.isalnum() or c in self.marks)
        return kept if self.case else kept.upper()

    def part(self, said: str, truth: str) -> str:
        """The label if a reading contains it and may do so, else the reading; both normalized."""
        return truth if self.contains and truth in said else said


@dataclass(frozen=True)
class LineReading:
    """The reading of one label.

    Attributes:
        name: name of the picture.
        truth: the label, normalized.
        text: the reading, normalized; empty if there is none.
        confidence: confidence of the reading, 0 if no threshold would accept it.
        accepted: whether its status is ``ok``.
        series: number of the series of the picture; None if it is not known.
    """

    name: str
    truth: str
    text: str
    confidence: float
    accepted: bool
    series: int | None = None

    @property
    def group(self) -> int | str:
        """The readings of one group do not count as independent: its series, else its picture."""
        return self.name if self.series is None else self.series

    @property
    def right(self) -> bool:
        """Whether the reading equals the label."""
        return self.text == self.truth

    @property
    def distance(self) -> int:
        """Edit distance of reading and label."""
        return int(Levenshtein.distance(self.text, self.truth))

    @property
    def errors(self) -> int:
        """Number of wrong characters: the edit distance, but at most the length of the label."""
        return min(self.distance, len(self.truth))


def runs(items: Sequence[T]) -> list[Sequence[T]]:
    """All runs of up to ``MAX_RUN`` neighboring items."""
    ends = combinations(range(len(items) + 1), 2)
    return [items[first:last] for first, last in ends if last - first <= MAX_RUN]


def reading_of(
    name: str, text: str, result: ReadResult, spelling: Spelling, pattern: Pattern | None
) -> LineReading:
    """The reading of one label of a whole picture: the most similar code or run of strings."""
    truth = spelling.normalize(text)
    if pattern is not None and pattern.match(text) is not None:
        truth = spelling.normalize(pattern.normalize(text))
        parts = [(spelling.normalize(c.text), c.confidence, c.status) for c in result.codes]
    else:
        strings = [(spelling.normalize(s.text), s.confidence, s.status) for s in result.strings]
        parts = [
            ("".join(t for t, _, _ in run), min(p for _, p, _ in run), _worst(run))
            for run in runs(strings)
        ]
    parts = [(spelling.part(t, truth), p, status) for t, p, status in parts if t]
    if not parts:
        return LineReading(name, truth, "", 0.0, False)
    said, confidence, status = min(parts, key=lambda p: Levenshtein.distance(p[0], truth))
    return LineReading(name, truth, said, confidence, status is Status.OK)


def crop_reading(
    name: str, text: str, result: ReadResult, spelling: Spelling, pattern: Pattern | None
) -> LineReading:
    """The reading of the label of a crop of one string: all text of its result."""
    if pattern is not None:
        return reading_of(name, text, result, spelling, pattern)
    said = spelling.normalize("".join(s.text for s in result.strings))
    accepted = bool(said) and result.status is Status.OK
    truth = spelling.normalize(text)
    return LineReading(name, truth, spelling.part(said, truth), result.confidence, accepted)


def _worst(run: Sequence[tuple[str, float, Status]]) -> Status:
    return next((status for _, _, status in run if status is not Status.OK), Status.OK)


@dataclass(frozen=True)
class Score:
    """Readings of pictures by one engine.

    Attributes:
        readings: one reading for each label.
    """

    readings: tuple[LineReading, ...]

    @property
    def right(self) -> int:
        """Number of labels read right."""
        return sum(r.right for r in self.readings)

    @property
    def accepted(self) -> int:
        """Number of labels read right with the status ``ok``."""
        return sum(r.right and r.accepted for r in self.readings)

    @property
    def misread(self) -> int:
        """Number of labels read wrong with the status ``ok``."""
        return sum(r.accepted and not r.right for r in self.readings)

    @property
    def errors(self) -> int:
        """Number of wrong characters."""
        return sum(r.errors for r in self.readings)

    @property
    def groups(self) -> int:
        """Number of independent groups of readings: of series, or of pictures."""
        return len({r.group for r in self.readings})

    @property
    def share(self) -> float:
        """Share of labels read right, 0 to 1."""
        return self.right / max(len(self.readings), 1)

    def interval(self) -> tuple[float, float]:
        """The share's 95 % interval (Wilson)."""
        if not self.readings:
            return 0.0, 1.0
        found = binomtest(self.right, len(self.readings)).proportion_ci(method="wilson")
        return float(found.low), float(found.high)

    def confusions(self) -> Counter[tuple[str, str]]:
        """Number of times that each printed symbol was read as another; "" if one is missing."""
        found: Counter[tuple[str, str]] = Counter()
        for r in self.readings:
            for edit in Levenshtein.editops(r.truth, r.text):
                true = "" if edit.tag == "insert" else r.truth[edit.src_pos]
                said = "" if edit.tag == "delete" else r.text[edit.dest_pos]
                found[true, said] += 1
        return found


def permutation_test(*pairs: tuple[Score, Score]) -> float:
    """The p-value of an exact one-sided paired permutation test of the character errors by series.

    Each pair holds the readings of one engine before and after the adaptation; the errors of all
    engines on a series are summed.

    If the adaptation changed nothing, the readings of each series before and after it could be
    exchanged. The p-value is the share of all exchanges in which the sum of character errors falls
    at least as much as it did.
    """
    gains: Counter[int | str] = Counter()
    for before, after in pairs:
        for b, a in zip(before.readings, after.readings, strict=True):
            gains[b.group] += b.errors - a.errors
    sizes = [abs(gain) for gain in gains.values() if gain]
    # The probability of each sum of the gains with random signs, from -sum(sizes) on.
    chance = np.ones(1)
    for size in sizes:
        both = np.zeros(2 * size + 1)
        both[[0, -1]] = 0.5
        chance = np.convolve(chance, both)
    return min(1.0, float(chance[sum(gains.values()) + sum(sizes) :].sum()))


@dataclass(frozen=True)
class LineGate:
    """Decides whether the adapted networks of one engine are kept.

    Attributes:
        before: readings of the held-out pictures before the adaptation.
        after: readings of the held-out pictures after it.
        general_before: readings of rendered codes before the adaptation.
        general_after: readings of rendered codes after it.
        margin: largest loss of accuracy on the rendered codes, in percentage points.
        others: readings by the other trained engines, before and after. They count in the test,
            since all networks are kept or refused together.
    """

    before: Score
    after: Score
    general_before: Score
    general_after: Score
    margin: float
    others: tuple[tuple[Score, Score], ...] = ()

    @property
    def p_value(self) -> float:
        """See ``permutation_test``."""
        return permutation_test((self.before, self.after), *self.others)

    @property
    def passed(self) -> bool:
        """Whether both conditions hold."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """The conditions that do not hold, one sentence each."""
        found = []
        n, before, after = len(self.after.readings), self.before.right, self.after.right
        # Fewer accepted misreads count only if no fewer right readings are accepted.
        passes = self.after.accepted >= max(self.before.accepted, 1)
        safer = after >= before and passes and self.after.misread < self.before.misread
        if after < before or (after == before and not safer):
            # Fewer wrong characters alone are no proof: networks that were trained on labels of
            # other pictures guess the digits that are most frequent in the labels.
            found.append(f"of {n} held-out strings {before} were read right before, {after} now")
        elif self.after.errors > self.before.errors and not safer:
            found.append(
                f"{self.before.errors} characters of the held-out strings were wrong before, "
                f"{self.after.errors} now"
            )
        elif self.p_value > MAX_P_VALUE and not safer:
            found.append(
                f"of {n} held-out strings {before} were read right before and {after} now, which "
                f"may be chance (p = {self.p_value:.3f}, at most {MAX_P_VALUE:g} is allowed)"
            )
        lost = 100 * (self.general_before.share - self.general_after.share)
        if lost > self.margin + 1e-9:  # for rounding errors; one code is a far larger share
            found.append(
                f"rendered codes fell from {100 * self.general_before.share:.1f} to "
                f"{100 * self.general_after.share:.1f} %, {self.margin:g} points are allowed"
            )
        return tuple(found)


def refusals(gates: Mapping[Engine, LineGate], learned: Mapping[Engine, bool]) -> tuple[str, ...]:
    """The reasons to refuse a set of networks, one sentence each.

    An engine whose networks were trained must pass its gate. Another engine must not read fewer
    strings right.
    """
    found = []
    for engine, gate in gates.items():
        reasons = gate.reasons if learned[engine] else ()
        before, after = gate.before.right, gate.after.right
        if not learned[engine] and after < before:
            reasons = (f"{before} held-out strings were read right before, {after} now",)
        found += [f"{engine.value}: {reason}" for reason in reasons]
    return tuple(found)


def warning(gate: LineGate) -> str:
    """A message if more misreads are accepted now than before, else an empty text."""
    before, after = gate.before.misread, gate.after.misread
    if after <= before:
        return ""
    return (
        f"of {len(gate.after.readings)} held-out strings {before} were accepted misreads before, "
        f"{after} now: give the pattern of the codes, or raise min_confidence"
    )


def advice(gates: Mapping[Engine, LineGate], learned: Counter[str], suspects: int) -> list[str]:
    """What would help a refused adaptation, one sentence each.

    Args:
        gates: the gates of both engines.
        learned: number of training strings that show each symbol.
        suspects: number of labels that may be wrong.
    """
    found = []
    if suspects:
        found.append(f"first check the {suspects} labels that do not match their pictures")
    wrong: Counter[str] = Counter()
    gate = gates[Engine.CRNN]
    for (true, _), n in gate.after.confusions().items():
        wrong[true] += n
    rare = [s for s, n in wrong.most_common() if s and n > 1 and learned[s] < 10][:5]
    if rare:
        counts = ", ".join(f"{s} (in {learned[s]} training strings)" for s in rare)
        found.append(f"label more pictures with rare symbols that are often misread: {counts}")
    if gate.after.right == len(gate.after.readings):
        found.append("the line is read right already; only more pictures can prove a difference")
    elif not suspects:
        found.append("label more pictures, of other days and parts; 100 strings are a good start")
    return found
