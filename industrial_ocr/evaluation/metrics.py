"""What is counted: outcomes, accuracies with their intervals, text distances.

The unit is an ``Item``: one labeled code, word or glyph and what an engine answered for it. Rates
are fractions, 0 to 1; a rate or mean of nothing is nan. The functions of text take ``Pair``s,
which they compare as they are: ``pairs_of`` folds the items first. Curves over the confidence and
comparisons of engines are in ``curves``, boxes in ``detection_metrics``.
"""

from __future__ import annotations

import math
import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Literal

from rapidfuzz.distance import Levenshtein
from scipy.stats import binomtest

Matching = Literal["exact", "contains"]
"""``exact``: the reading is the truth; ``contains``: the truth is a part of the reading."""

Pair = tuple[str, str]
"""Truth and reading."""

CODE_ALPHABET = string.ascii_uppercase + string.digits

_ROUNDING = 1e-4
"""How far outside [0, 1] a confidence may lie; half precision rounds that much."""


def fold(text: str, case: bool = True, alphabet: str | None = CODE_ALPHABET) -> str:
    """The text as it is compared.

    Unicode's NFKC comes first: full-width letters, ligatures, circled and raised digits become
    plain ones, and a letter with a combining mark becomes one character where Unicode has one.
    So the alphabet drops ``E`` + U+0301 as a whole (it is ``É``), and of ``X`` + U+0301 only the
    mark. White space at the ends goes.

    Args:
        text: any.
        case: upper-case it (and the alphabet).
        alphabet: the characters kept, None for all.
    """
    text = unicodedata.normalize("NFKC", text)
    if case:
        # Upper-casing can take a letter apart (U+0390), hence NFKC again.
        text = unicodedata.normalize("NFKC", text.upper())
    if alphabet is not None:
        kept = frozenset(alphabet.upper() if case else alphabet)
        text = "".join(c for c in text if c in kept)
    return text.strip()


@dataclass(frozen=True)
class Folding:
    """The settings of ``fold``, for functions that compare.

    Attributes:
        case: see ``fold``.
        alphabet: see ``fold``.
    """

    case: bool = True
    alphabet: str | None = CODE_ALPHABET

    def __post_init__(self) -> None:
        if self.alphabet == "":
            raise ValueError("an alphabet has one character at least; None keeps all")

    def pair(self, truth: str, reading: str) -> Pair:
        """Both texts folded.

        Where the alphabet leaves nothing of a truth (``&``), both are folded without it: else
        finding nothing, or any other mark, would count as right.
        """
        folded = fold(truth, self.case, self.alphabet)
        if not folded and (whole := fold(truth, self.case, None)):
            return whole, fold(reading, self.case, None)
        return folded, fold(reading, self.case, self.alphabet)


CODES = Folding()
VERBATIM = Folding(case=False, alphabet=None)
"""Character by character, up to NFKC and white space at the ends."""


class Outcome(str, Enum):
    """What became of one item."""

    CORRECT = "correct"
    MISREAD = "misread"
    REJECTED = "rejected"
    MISSED = "missed"


@dataclass(frozen=True)
class Item:
    """One label and the engine's answer.

    Attributes:
        image: name of the image it is from.
        truth: what is written; empty where the engine should find nothing.
        reading: what the engine answered, empty where it found nothing.
        confidence: of the reading, 0 to 1; None where the engine gives none, which counts as 1.
        pattern: what kind of code it is, for ``per_group_accuracy``.
    """

    image: str
    truth: str
    reading: str
    confidence: float | None
    pattern: str = ""

    def __post_init__(self) -> None:
        if self.confidence is None:
            return
        if not -_ROUNDING <= self.confidence <= 1 + _ROUNDING:
            raise ValueError(f"a confidence is 0 to 1, got {self.confidence} for {self.image}")
        object.__setattr__(self, "confidence", min(1.0, max(0.0, float(self.confidence))))


def outcome(
    item: Item, threshold: float = 0.0, matching: Matching = "exact", folding: Folding = CODES
) -> Outcome:
    """What became of an item whose engine's answers below ``threshold`` are refused.

    Texts are folded first, so a reading of which folding leaves nothing is an empty one. An empty
    reading is MISSED, or CORRECT where the truth is empty too, at any threshold: there is nothing
    to refuse. Any other below the threshold is REJECTED, whether right or not; of the rest the
    matching ones are CORRECT and all others MISREAD, among them all for an empty truth.

    Raises:
        ValueError: an unknown ``matching``, or a threshold that is nan.
    """
    if matching not in ("exact", "contains"):
        raise ValueError(f"matching is 'exact' or 'contains', got {matching!r}")
    if math.isnan(threshold):
        raise ValueError("the threshold is nan")
    truth, reading = folding.pair(item.truth, item.reading)
    if not reading:
        return Outcome.MISSED if truth else Outcome.CORRECT
    if (1.0 if item.confidence is None else item.confidence) < threshold:
        return Outcome.REJECTED
    # The empty text is part of every other one, yet no reading is right for it.
    within = matching == "contains" and truth != "" and truth in reading
    return Outcome.CORRECT if truth == reading or within else Outcome.MISREAD


@dataclass(frozen=True)
class OutcomeCounts:
    """How many items came out how; the four add up to all of them."""

    correct: int = 0
    misread: int = 0
    rejected: int = 0
    missed: int = 0

    def __post_init__(self) -> None:
        if min(self.correct, self.misread, self.rejected, self.missed) < 0:
            raise ValueError(f"counts are 0 or more, got {self}")

    @property
    def total(self) -> int:
        """All items."""
        return self.correct + self.misread + self.rejected + self.missed

    @property
    def read_rate(self) -> float:
        """Correct and accepted, over all items."""
        return Proportion(self.correct, self.total).rate

    @property
    def misread_rate(self) -> float:
        """Accepted but wrong, over all items."""
        return Proportion(self.misread, self.total).rate


def count_outcomes(
    items: Iterable[Item],
    threshold: float = 0.0,
    matching: Matching = "exact",
    folding: Folding = CODES,
) -> OutcomeCounts:
    """``outcome`` of all items."""
    counts = Counter(outcome(item, threshold, matching, folding) for item in items)
    return OutcomeCounts(**{o.value: counts[o] for o in Outcome})


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927, JASA 22:209-212), without continuity correction.

    It takes the n trials for independent; several codes of one image are less than that, and
    their true interval is wider.

    Returns:
        Low and high end, (0, 1) for no trials.

    Raises:
        ValueError: not 0 <= successes <= n, or a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence lies between 0 and 1, got {confidence}")
    if successes == n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


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
        """``wilson_interval`` at 95 %."""
        return wilson_interval(self.correct, self.total)


def nearest_part(truth: str, reading: str) -> tuple[int, int]:
    """Where the part of a reading stands that is nearest to a truth in edit distance.

    Sellers 1980 (J. Algorithms 1, 359): alignment in which what precedes and follows is free.

    Returns:
        Start and end in ``reading``; of equally near parts one whose length is nearest.
    """
    row = [(0, start) for start in range(len(reading) + 1)]
    for symbol in truth:
        above, row = row, [(row[0][0] + 1, 0)]
        for j, read in enumerate(reading):
            kept, lost, added = above[j], above[j + 1], row[j]
            row.append(
                min((kept[0] + (symbol != read), kept[1]), (lost[0] + 1, lost[1]),
                    (added[0] + 1, added[1]))
            )  # fmt: skip

    def rank(end: int) -> tuple[int, int]:
        distance, start = row[end]
        return distance, abs(end - start - len(truth))

    end = min(range(len(row)), key=rank)
    return row[end][1], end


def compared_pair(
    truth: str, reading: str, matching: Matching = "exact", folding: Folding = CODES
) -> Pair:
    """Both texts folded; of a reading that may contain the truth only the part nearest to it."""
    truth, reading = folding.pair(truth, reading)
    if matching == "contains" and truth:
        start, end = nearest_part(truth, reading)
        reading = reading[start:end]
    return truth, reading


def pairs_of(
    items: Iterable[Item], folding: Folding = CODES, matching: Matching = "exact"
) -> list[Pair]:
    """What is compared of each item, whatever its confidence (see ``compared_pair``)."""
    return [compared_pair(item.truth, item.reading, matching, folding) for item in items]


def cer(pairs: Iterable[Pair]) -> float:
    """Character error rate: edit distances over truth lengths, both summed over all pairs.

    Insertions, deletions and substitutions cost 1 each. More than 1 where engines read more than
    there is; inf where there is nothing to read and something was read.
    """
    errors = length = count = 0
    for truth, reading in pairs:
        errors += Levenshtein.distance(truth, reading)
        length += len(truth)
        count += 1
    if length:
        return errors / length
    return math.inf if errors else (0.0 if count else math.nan)


def one_minus_ned(pairs: Iterable[Pair]) -> float:
    """1-N.E.D.: the mean of 1 - edit distance / length of the longer text, 0 to 1.

    ICDAR 2019 ArT (Chng et al. 2019, arXiv 1909.07145, task 2). Two empty texts are equal: 1.
    """
    scores = [Levenshtein.normalized_similarity(truth, reading) for truth, reading in pairs]
    return sum(scores) / len(scores) if scores else math.nan


def per_position_accuracy(pairs: Iterable[Pair]) -> tuple[Proportion, ...]:
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


def per_group_accuracy(
    items: Iterable[Item],
    key: Callable[[Item], str] = attrgetter("pattern"),
    threshold: float = 0.0,
    matching: Matching = "exact",
    folding: Folding = CODES,
) -> dict[str, Proportion]:
    """CORRECT items of each group over all of its items, groups in the order of their names."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for item in items:
        right = outcome(item, threshold, matching, folding) is Outcome.CORRECT
        groups[key(item)].append(right)
    return {name: Proportion(sum(groups[name]), len(groups[name])) for name in sorted(groups)}


def confusion_pairs(pairs: Iterable[Pair]) -> Counter[Pair]:
    """How often a symbol of the truth was read as another, most common first.

    By one cheapest alignment of each pair (rapidfuzz's; there can be several). ``("8", "")`` is
    an 8 that is missing in the reading, ``("", "8")`` one that was made up.
    """
    counts: Counter[Pair] = Counter()
    for truth, reading in pairs:
        for op in Levenshtein.editops(truth, reading):
            symbol = "" if op.tag == "insert" else truth[op.src_pos]
            read = "" if op.tag == "delete" else reading[op.dest_pos]
            counts[symbol, read] += 1
    return Counter(dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))))
