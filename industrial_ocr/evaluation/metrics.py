"""Metrics of readings: outcomes, accuracies with their intervals, text distances.

The unit is a ``Prediction``: one labeled code, word or glyph, and what an engine read for it. Rates
are fractions, 0 to 1; a rate or mean of nothing is nan. The functions of text take ``TextPair``s
and compare them as they are; ``text_pairs`` normalizes the predictions first.
"""

from __future__ import annotations

import math
import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from rapidfuzz.distance import Levenshtein
from scipy.stats import binomtest

TextPair = tuple[str, str]
"""Truth and reading."""

CODE_ALPHABET = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class TextComparison:
    """How a reading is compared with the truth.

    Attributes:
        case: upper-case both (and the alphabet).
        alphabet: the characters that count, None for all.
        contains: a reading is right if it contains the truth, else only if it equals it.
    """

    case: bool = True
    alphabet: str | None = CODE_ALPHABET
    contains: bool = False

    def __post_init__(self) -> None:
        if self.alphabet == "":
            raise ValueError("an alphabet has one character at least; None keeps all")

    def normalize(self, text: str) -> str:
        """The text as it is compared: NFKC, then the case, then the alphabet, then stripped.

        NFKC turns full-width letters, ligatures and circled digits into plain ones, and composes
        a letter with its combining mark. So the alphabet A-Z drops ``E`` + U+0301 as a whole
        (it is ``É``), and only the mark of ``X`` + U+0301, which has no composed form.
        """
        text = unicodedata.normalize("NFKC", text)
        if self.case:
            # Upper-casing can take a letter apart (U+0390), so NFKC is applied again.
            text = unicodedata.normalize("NFKC", text.upper())
        if self.alphabet is not None:
            kept = frozenset(self.alphabet.upper() if self.case else self.alphabet)
            text = "".join(c for c in text if c in kept)
        return text.strip()

    def pair(self, truth: str, reading: str) -> TextPair:
        """Both texts normalized.

        If the alphabet leaves nothing of a truth (``&``), both are compared without it. Otherwise
        reading nothing, or any other mark, would count as right.
        """
        normalized = self.normalize(truth)
        if not normalized:
            everything = TextComparison(self.case, None)
            if whole := everything.normalize(truth):
                return whole, everything.normalize(reading)
        return normalized, self.normalize(reading)

    def nearest_pair(self, truth: str, reading: str) -> TextPair:
        """As ``pair``; of a reading that may contain the truth only the part nearest to it."""
        truth, reading = self.pair(truth, reading)
        if self.contains and truth:
            start, end = nearest_part(truth, reading)
            reading = reading[start:end]
        return truth, reading


CODE_TEXT = TextComparison()
VERBATIM = TextComparison(case=False, alphabet=None)
"""Character by character, after NFKC and without white space at the ends."""


class ReadOutcome(str, Enum):
    """What became of one label."""

    CORRECT = "correct"
    MISREAD = "misread"
    REJECTED = "rejected"
    MISSED = "missed"


@dataclass(frozen=True)
class Prediction:
    """One label and what the engine read for it.

    Attributes:
        image: name of the image it is from.
        truth: what is written; empty where the engine should find nothing.
        reading: what the engine read, empty where it found nothing.
        confidence: of the reading, 0 to 1; None where the engine gives none, which counts as 1.
        kind: the class of the label, for ``accuracy_by_kind``.
    """

    image: str
    truth: str
    reading: str
    confidence: float | None
    kind: str = ""

    def __post_init__(self) -> None:
        if self.confidence is None:
            return
        rounding = 1e-4  # of half precision
        if not -rounding <= self.confidence <= 1 + rounding:
            raise ValueError(f"a confidence is 0 to 1, got {self.confidence} for {self.image}")
        object.__setattr__(self, "confidence", min(1.0, max(0.0, float(self.confidence))))


def outcome(
    prediction: Prediction, threshold: float = 0.0, comparison: TextComparison = CODE_TEXT
) -> ReadOutcome:
    """What became of a label when readings below a confidence threshold are rejected.

    A reading that is empty after normalization is MISSED, or CORRECT if the truth is empty too,
    at any threshold. Any other reading below the threshold is REJECTED, right or wrong. Of the
    rest, those that match are CORRECT and all others MISREAD, among them all for an empty truth.

    Raises:
        ValueError: the threshold is nan.
    """
    if math.isnan(threshold):
        raise ValueError("the threshold is nan")
    truth, reading = comparison.pair(prediction.truth, prediction.reading)
    if not reading:
        return ReadOutcome.MISSED if truth else ReadOutcome.CORRECT
    if (1.0 if prediction.confidence is None else prediction.confidence) < threshold:
        return ReadOutcome.REJECTED
    # The empty text is a part of every other one, yet no reading is right for it.
    within = comparison.contains and truth != "" and truth in reading
    return ReadOutcome.CORRECT if truth == reading or within else ReadOutcome.MISREAD


@dataclass(frozen=True)
class OutcomeCounts:
    """How many labels came out how; the four add up to all of them."""

    correct: int = 0
    misread: int = 0
    rejected: int = 0
    missed: int = 0

    @property
    def total(self) -> int:
        """All labels."""
        return self.correct + self.misread + self.rejected + self.missed

    @property
    def read_rate(self) -> float:
        """Correct and accepted, over all labels."""
        return Proportion(self.correct, self.total).rate

    @property
    def misread_rate(self) -> float:
        """Accepted but wrong, over all labels."""
        return Proportion(self.misread, self.total).rate


def count_outcomes(
    predictions: Iterable[Prediction],
    threshold: float = 0.0,
    comparison: TextComparison = CODE_TEXT,
) -> OutcomeCounts:
    """Counts of ``outcome``."""
    counts = Counter(outcome(p, threshold, comparison) for p in predictions)
    return OutcomeCounts(**{o.value: counts[o] for o in ReadOutcome})


@dataclass(frozen=True)
class Proportion:
    """``correct`` of ``total``."""

    correct: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.total:
            raise ValueError(f"0 to total correct, got {self.correct} of {self.total}")

    @property
    def rate(self) -> float:
        """0 to 1, nan of nothing."""
        return self.correct / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval (1927, JASA 22:209-212); (0, 1) of nothing.

        It takes the trials for independent. Several codes of one image are not, and the true
        interval is wider.
        """
        if not self.total:
            return 0.0, 1.0
        found = binomtest(self.correct, self.total).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)


def nearest_part(truth: str, reading: str) -> tuple[int, int]:
    """The part of a reading that is nearest to a truth in edit distance.

    Sellers 1980 (J. Algorithms 1, 359): an alignment in which the text before and after is free.

    Returns:
        Start and end in ``reading``; of equally near parts one whose length is nearest.
    """
    # Each cell holds the distance so far and where its part starts.
    row = [(0, start) for start in range(len(reading) + 1)]
    for symbol in truth:
        above, row = row, [(row[0][0] + 1, 0)]
        for j, read in enumerate(reading):
            replaced = (above[j][0] + (symbol != read), above[j][1])
            deleted = (above[j + 1][0] + 1, above[j + 1][1])
            inserted = (row[j][0] + 1, row[j][1])
            row.append(min(replaced, deleted, inserted))

    def rank(end: int) -> tuple[int, int]:
        distance, start = row[end]
        return distance, abs(end - start - len(truth))

    end = min(range(len(row)), key=rank)
    return row[end][1], end


def text_pairs(
    predictions: Iterable[Prediction], comparison: TextComparison = CODE_TEXT
) -> list[TextPair]:
    """The normalized texts of each prediction, whatever its confidence."""
    return [comparison.nearest_pair(p.truth, p.reading) for p in predictions]


def cer(pairs: Iterable[TextPair]) -> float:
    """Character error rate: edit distances over truth lengths, both summed over all pairs.

    More than 1 where engines read more than there is; inf where there is nothing to read and
    something was read.
    """
    pairs = list(pairs)
    errors = sum(Levenshtein.distance(truth, reading) for truth, reading in pairs)
    length = sum(len(truth) for truth, _ in pairs)
    if length:
        return errors / length
    return math.inf if errors else (0.0 if pairs else math.nan)


def per_position_accuracy(pairs: Iterable[TextPair]) -> tuple[Proportion, ...]:
    """Correct characters at each position, over the pairs whose texts are of one length.

    Others are left out: after a missing character all positions would be wrong.
    """
    correct: Counter[int] = Counter()
    total: Counter[int] = Counter()
    for truth, reading in pairs:
        if len(truth) == len(reading):
            total.update(range(len(truth)))
            correct.update(i for i, c in enumerate(truth) if c == reading[i])
    return tuple(Proportion(correct[i], total[i]) for i in sorted(total))


def accuracy_by_kind(
    predictions: Iterable[Prediction], comparison: TextComparison = CODE_TEXT
) -> dict[str, Proportion]:
    """Share read right of each kind of label, whatever the confidence, by sorted kind."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for prediction in predictions:
        right = outcome(prediction, 0.0, comparison) is ReadOutcome.CORRECT
        groups[prediction.kind].append(right)
    return {kind: Proportion(sum(groups[kind]), len(groups[kind])) for kind in sorted(groups)}


def confusion_pairs(pairs: Iterable[TextPair]) -> Counter[TextPair]:
    """How often a symbol of the truth was read as another, most common first.

    By one cheapest alignment of each pair (rapidfuzz's; there can be several). ``("8", "")`` is
    an 8 that is missing in the reading, ``("", "8")`` one that was made up.
    """
    counts: Counter[TextPair] = Counter()
    for truth, reading in pairs:
        for op in Levenshtein.editops(truth, reading):
            symbol = "" if op.tag == "insert" else truth[op.src_pos]
            read = "" if op.tag == "delete" else reading[op.dest_pos]
            counts[symbol, read] += 1
    return Counter(dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))))
