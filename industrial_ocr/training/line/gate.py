"""Measures readings of pictures that were not learned, and decides whether to keep what was.

Two things are asked: the pictures of the line that were kept back are read better, by more than
chance; and rendered codes of the line's symbols are read no worse than a margin allows. What else
the recognizer knows may get worse; that is no reason to refuse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from rapidfuzz.distance import Levenshtein
from scipy.stats import binomtest

from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Status
from industrial_ocr.training.line.strings import spelled

CHANCE = 0.05
"""Largest probability of a gain as high without anything learned."""
MAX_RUN = 4
"""A label may have been found as so many neighboring strings."""


@dataclass(frozen=True)
class Spelling:
    """How texts of a line are compared: white space never counts.

    Attributes:
        case: letters differ from capitals; they do not where no label has a small letter.
        marks: that count; others are left out of readings, since no label has them.
        contains: a reading is right if it contains the label.
    """

    case: bool
    marks: frozenset[str]
    contains: bool = False

    @staticmethod
    def of(symbols: Sequence[str], contains: bool = False) -> Spelling:
        """As the symbols of a line are spelled."""
        text = "".join(symbols)
        marks = frozenset(c for c in text if not c.isalnum())
        return Spelling(text != text.upper(), marks, contains)

    def normalize(self, text: str) -> str:
        """The text as it is compared."""
        kept = "".join(c for c in spelled(text) if c.isalnum() or c in self.marks)
        return kept if self.case else kept.upper()

    def part(self, said: str, truth: str) -> str:
        """Both normalized: the reading, of one that may and does contain the label that."""
        return truth if self.contains and truth in said else said


@dataclass(frozen=True)
class LineReading:
    """What a label was read as.

    Attributes:
        name: of the picture.
        truth: the label, normalized.
        text: the reading, normalized; empty where there is none.
        confidence: of the reading, 0 where it would not pass at any threshold.
        accepted: it passed as ``ok``.
    """

    name: str
    truth: str
    text: str
    confidence: float
    accepted: bool

    @property
    def right(self) -> bool:
        """It says what the label says."""
        return self.text == self.truth

    @property
    def distance(self) -> int:
        """Characters to change."""
        return int(Levenshtein.distance(self.text, self.truth))


def reading_of(
    name: str, text: str, result: ReadResult, spelling: Spelling, pattern: Pattern | None
) -> LineReading:
    """What a picture's result says of one of its labels: the nearest code, or run of strings."""
    truth = spelling.normalize(text)
    if pattern is not None and pattern.match(text) is not None:
        truth = spelling.normalize(pattern.normalize(text))
        parts = [(spelling.normalize(c.text), c.confidence, c.status) for c in result.codes]
    else:
        strings = [(spelling.normalize(s.text), s.confidence, s.status) for s in result.strings]
        runs = [
            strings[first:last]
            for first, last in combinations(range(len(strings) + 1), 2)
            if last - first <= MAX_RUN
        ]
        parts = [
            ("".join(t for t, _, _ in run), min(p for _, p, _ in run), _worst(run)) for run in runs
        ]
    parts = [(spelling.part(t, truth), p, status) for t, p, status in parts if t]
    if not parts:
        return LineReading(name, truth, "", 0.0, False)
    said, confidence, status = min(parts, key=lambda p: Levenshtein.distance(p[0], truth))
    return LineReading(name, truth, said, confidence, status is Status.OK)


def crop_reading(
    name: str, text: str, result: ReadResult, spelling: Spelling, pattern: Pattern | None
) -> LineReading:
    """As ``reading_of`` for a picture that is one string: all that was read in it."""
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
    """How one way reads some pictures.

    Attributes:
        readings: one a label.
    """

    readings: tuple[LineReading, ...]

    @property
    def right(self) -> int:
        """Labels read right."""
        return sum(r.right for r in self.readings)

    @property
    def accepted(self) -> int:
        """Of those, the ones that passed as ``ok``."""
        return sum(r.right and r.accepted for r in self.readings)

    @property
    def misread(self) -> int:
        """Labels read wrong that passed as ``ok``."""
        return sum(r.accepted and not r.right for r in self.readings)

    @property
    def share(self) -> float:
        """Of labels read right, 0 to 1."""
        return self.right / max(len(self.readings), 1)

    def interval(self) -> tuple[float, float]:
        """The share's 95 % interval (Wilson)."""
        if not self.readings:
            return 0.0, 1.0
        found = binomtest(self.right, len(self.readings)).proportion_ci(method="wilson")
        return float(found.low), float(found.high)

    def confusions(self) -> Counter[tuple[str, str]]:
        """How often a symbol was read as another one; either is empty where one is missing."""
        found: Counter[tuple[str, str]] = Counter()
        for r in self.readings:
            for edit in Levenshtein.editops(r.truth, r.text):
                true = "" if edit.tag == "insert" else r.truth[edit.src_pos]
                said = "" if edit.tag == "delete" else r.text[edit.dest_pos]
                found[true, said] += 1
        return found


def chance_of(before: Score, after: Score) -> float:
    """The probability that so many labels came nearer by chance (sign test, one-sided).

    A label comes nearer if fewer of its characters are wrong; those that stay do not count.
    """
    pairs = list(zip(before.readings, after.readings, strict=True))
    nearer = sum(b.distance > a.distance for b, a in pairs)
    farther = sum(b.distance < a.distance for b, a in pairs)
    if not nearer + farther:
        return 1.0
    return float(binomtest(nearer, nearer + farther, alternative="greater").pvalue)


@dataclass(frozen=True)
class LineGate:
    """Whether an adapted recognizer is kept.

    Attributes:
        before: how the pictures kept back were read before.
        after: how they are read now.
        general_before: how rendered codes were read before.
        general_after: how they are read now.
        margin: points of accuracy that these may lose.
    """

    before: Score
    after: Score
    general_before: Score
    general_after: Score
    margin: float

    @property
    def chance(self) -> float:
        """See ``chance_of``."""
        return chance_of(self.before, self.after)

    @property
    def passed(self) -> bool:
        """Nothing speaks against it."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against it, a line each."""
        found = []
        n, before, after = len(self.after.readings), self.before.right, self.after.right
        better = after >= before and self.chance <= CHANCE
        # A lower confidence alone is no progress: it lets fewer right readings pass, too.
        passes = self.after.accepted >= self.before.accepted
        safer = after >= before and passes and self.after.misread < self.before.misread
        if after < before:
            found.append(f"of {n} strings kept back {before} were read right before, {after} now")
        elif not better and not safer:
            found.append(
                f"of {n} strings kept back {before} were read right before and {after} now, which "
                f"may be chance (p = {self.chance:.2f}, at most {CHANCE:g} is asked)"
            )
        lost = 100 * (self.general_before.share - self.general_after.share)
        if lost > self.margin + 1e-9:  # which is no share of so few codes
            found.append(
                f"rendered codes fell from {100 * self.general_before.share:.1f} to "
                f"{100 * self.general_after.share:.1f} %, {self.margin:g} points are allowed"
            )
        return tuple(found)


def refusals(gates: Mapping[Engine, LineGate], learned: Mapping[Engine, bool]) -> tuple[str, ...]:
    """What speaks against a set of networks, a line each.

    An engine whose networks learned must pass its gate; another one must not read less.
    """
    found = []
    for way, gate in gates.items():
        reasons = gate.reasons if learned[way] else ()
        before, after = gate.before.right, gate.after.right
        if not learned[way] and after < before:
            reasons = (f"{before} strings kept back were read right before, {after} now",)
        found += [f"{way.value}: {reason}" for reason in reasons]
    return tuple(found)


def warning(gate: LineGate) -> str:
    """A line about wrong readings that pass now and did not before; empty if there are none."""
    before, after = gate.before.misread, gate.after.misread
    if after <= before:
        return ""
    return (
        f"of {len(gate.after.readings)} strings kept back {before} passed wrong before and {after} "
        "now: give the pattern of the codes, or raise min_confidence"
    )


def advice(gates: Mapping[Engine, LineGate], learned: Counter[str], suspects: int) -> list[str]:
    """What would help a refused adaptation, a line each.

    Args:
        gates: of both engines.
        learned: how many learned strings show each symbol.
        suspects: labels that look wrong.
    """
    found = []
    if suspects:
        found.append(f"check the labels that do not look like their pictures first: {suspects}")
    wrong: Counter[str] = Counter()
    gate = gates[Engine.CRNN]
    for (true, _), n in gate.after.confusions().items():
        wrong[true] += n
    rare = [s for s, n in wrong.most_common() if s and n > 1 and learned[s] < 10][:5]
    if rare:
        counts = ", ".join(f"{s} (on {learned[s]} learned strings)" for s in rare)
        found.append(f"more pictures with what is often misread and was rarely seen: {counts}")
    if gate.after.right == len(gate.after.readings):
        found.append("the line is read right already; only more pictures can show a difference")
    elif not suspects:
        found.append("more labeled pictures, of other days and parts; 100 strings are a good start")
    return found
