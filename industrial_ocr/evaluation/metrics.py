"""Metrics of readings: outcomes, accuracies with their intervals, text distances.

The unit is a ``Prediction``: one labeled code, word or character, and its reading by an engine.
Rates are 0 to 1; a rate or mean of no labels is nan. Functions of texts take ``TextPair``s and
compare them without normalization; ``text_pairs`` normalizes predictions.
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

from industrial_ocr.decoding.verification import edits_to_parts

TextPair = tuple[str, str]
"""Truth and reading."""

CODE_ALPHABET = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class TextComparison:
    """How a reading is compared with the truth.

    Attributes:
        case: whether both texts, and the alphabet, are converted to upper case.
        alphabet: the characters that count; None for all.
        contains: whether a reading that contains the truth is right; if not, it must be equal.
    """

    case: bool = True
    alphabet: str | None = CODE_ALPHABET
    contains: bool = False

    def __post_init__(self) -> None:
        if self.alphabet == "":
            raise ValueError("an alphabet must have at least one character; None keeps all")

    def normalize(self, text: str) -> str:
        """The text in the form in which it is compared: NFKC, case, alphabet, stripped.

        NFKC turns full-width letters, ligatures and circled digits into plain ones, and composes
        a letter with its combining mark. So the alphabet A-Z drops ``E`` + U+0301 as a whole
        (it is ``É``), and only the mark of ``X`` + U+0301, which has no composed form.
        """
        text = unicodedata.normalize("NFKC", text)
        if self.case:
            # Upper case can decompose a letter (U+0390), so NFKC is applied again.
            text = unicodedata.normalize("NFKC", text.upper())
        if self.alphabet is not None:
            kept = frozenset(self.alphabet.upper() if self.case else self.alphabet)
            text = "".join(c for c in text if c in kept)
        return text.strip()

    def pair(self, truth: str, reading: str) -> TextPair:
        """Both texts normalized.

        If no character of the truth is in the alphabet (``&``), both are compared without it. Else
        an empty reading, or any other mark, would count as right.
        """
        normalized = self.normalize(truth)
        if not normalized:
            everything = TextComparison(self.case, None)
            if whole := everything.normalize(truth):
                return whole, everything.normalize(reading)
        return normalized, self.normalize(reading)

    def nearest_pair(self, truth: str, reading: str) -> TextPair:
        """As ``pair``; if readings may contain the truth, only the part nearest to it."""
        truth, reading = self.pair(truth, reading)
        if self.contains and truth:
            start, end = nearest_part(truth, reading)
            reading = reading[start:end]
        return truth, reading


CODE_TEXT = TextComparison()
VERBATIM = TextComparison(case=False, alphabet=None)
"""Character by character, after NFKC and without white space at the ends."""


class ReadOutcome(str, Enum):
    """The outcome for one label."""

    CORRECT = "correct"
    MISREAD = "misread"
    REJECTED = "rejected"
    MISSED = "missed"


@dataclass(frozen=True)
class Prediction:
    """One label and its reading by an engine.

    Attributes:
        image: name of the image.
        truth: the label; empty if the engine should find nothing.
        reading: the reading; empty if the engine found nothing.
        confidence: confidence of the reading, 0 to 1; None, which counts as 1, if there is none.
        kind: kind of the label, for ``accuracy_by_kind``.
    """

    image: str
    truth: str
    reading: str
    confidence: float | None
    kind: str = ""

    def __post_init__(self) -> None:
        if self.confidence is None:
            return
        rounding = 1e-4  # error of half precision
        if not -rounding <= self.confidence <= 1 + rounding:
            raise ValueError(f"a confidence must be 0 to 1, got {self.confidence} for {self.image}")
        object.__setattr__(self, "confidence", min(1.0, max(0.0, float(self.confidence))))


def outcome(
    prediction: Prediction, threshold: float = 0.0, comparison: TextComparison = CODE_TEXT
) -> ReadOutcome:
    """The outcome for a label if readings below a confidence threshold are rejected.

    A reading that is empty after normalization is MISSED, or CORRECT if the truth is empty, too, at
    any threshold. Every other reading below the threshold is REJECTED, right or wrong. Of the rest,
    those that match are CORRECT; the others, and all readings for an empty truth, are MISREAD.

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
    # Every text contains the empty one, but no reading is right for an empty truth.
    within = comparison.contains and truth != "" and truth in reading
    return ReadOutcome.CORRECT if truth == reading or within else ReadOutcome.MISREAD


@dataclass(frozen=True)
class OutcomeCounts:
    """Number of labels with each outcome; the four add up to all labels."""

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
        """Share of all labels that are accepted and correct."""
        return Proportion(self.correct, self.total).rate

    @property
    def misread_rate(self) -> float:
        """Share of all labels that are accepted but wrong."""
        return Proportion(self.misread, self.total).rate


def count_outcomes(
    predictions: Iterable[Prediction],
    threshold: float = 0.0,
    comparison: TextComparison = CODE_TEXT,
) -> OutcomeCounts:
    """Counts the outcomes of predictions."""
    counts = Counter(outcome(p, threshold, comparison) for p in predictions)
    return OutcomeCounts(**{o.value: counts[o] for o in ReadOutcome})


@dataclass(frozen=True)
class Proportion:
    """A share: ``correct`` of ``total``."""

    correct: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.total:
            raise ValueError(f"correct must be 0 to total, got {self.correct} of {self.total}")

    @property
    def rate(self) -> float:
        """0 to 1; nan if ``total`` is 0."""
        return self.correct / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval (1927, JASA 22:209-212); (0, 1) if ``total`` is 0.

        It assumes independent trials. Several codes of one image are not independent, so that the
        true interval is wider.
        """
        if not self.total:
            return 0.0, 1.0
        found = binomtest(self.correct, self.total).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)


def nearest_part(truth: str, reading: str) -> tuple[int, int]:
    """The part of a reading that is nearest to a truth in edit distance.

    Returns:
        Start and end in ``reading``; of equally near parts the one of the most similar length.
    """
    row = edits_to_parts(truth, reading)

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
    """Character error rate: sum of the edit distances divided by the sum of the truths' lengths.

    It is above 1 if readings are much too long, and inf if all truths are empty and something was
    read.
    """
    pairs = list(pairs)
    errors = sum(Levenshtein.distance(truth, reading) for truth, reading in pairs)
    length = sum(len(truth) for truth, _ in pairs)
    if length:
        return errors / length
    return math.inf if errors else (0.0 if pairs else math.nan)


def per_position_accuracy(pairs: Iterable[TextPair]) -> tuple[Proportion, ...]:
    """Correct characters at each position, over the pairs whose texts have the same length.

    Other pairs are left out: after a missing character all positions would be wrong.
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
    """Share read right for each kind of label, at any confidence, sorted by kind."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for prediction in predictions:
        right = outcome(prediction, 0.0, comparison) is ReadOutcome.CORRECT
        groups[prediction.kind].append(right)
    return {kind: Proportion(sum(groups[kind]), len(groups[kind])) for kind in sorted(groups)}


def confusion_pairs(pairs: Iterable[TextPair]) -> Counter[TextPair]:
    """How often each true symbol was read as another one, the most frequent first.

    Each pair is aligned by edit distance (rapidfuzz). ``("8", "")`` is an 8 that is missing in the
    reading, ``("", "8")`` an additional 8.
    """
    counts: Counter[TextPair] = Counter()
    for truth, reading in pairs:
        for op in Levenshtein.editops(truth, reading):
            symbol = "" if op.tag == "insert" else truth[op.src_pos]
            read = "" if op.tag == "delete" else reading[op.dest_pos]
            counts[symbol, read] += 1
    return Counter(dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))))
