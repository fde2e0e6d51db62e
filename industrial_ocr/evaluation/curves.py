"""Beyond single rates: rates over the threshold, calibration, paired differences, percentiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.evaluation.metrics import CODES, Folding, Item, Matching, Outcome, outcome

Vector = NDArray[np.float64]

REJECT_ALL = 2.0
"""A threshold no confidence reaches; a plain number, as JSON has no infinity."""

_DRAWS = 1 << 22
"""Numbers the bootstrap draws at once (with what they point at 64 MiB), however many items."""


@dataclass(frozen=True, eq=False)
class RateCurve:
    """Read and misread rate over the threshold below which answers are refused.

    Attributes:
        thresholds: (K,) rising, from 0 (accepts everything) to ``REJECT_ALL``.
        read_rate: (K,) correct and accepted over all items, never rising.
        misread_rate: (K,) accepted but wrong over all items, never rising.
    """

    thresholds: Vector
    read_rate: Vector
    misread_rate: Vector

    def __post_init__(self) -> None:
        for name in ("thresholds", "read_rate", "misread_rate"):
            array = np.array(getattr(self, name), np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        rates = self.read_rate, self.misread_rate
        if self.thresholds.ndim != 1 or any(r.shape != self.thresholds.shape for r in rates):
            raise ValueError(
                f"three (K,) arrays, got {[r.shape for r in (self.thresholds, *rates)]}"
            )
        if len(self.thresholds) < 2 or not (np.diff(self.thresholds) > 0).all():
            raise ValueError("thresholds are two at least and rise")
        if any(not ((r >= 0) & (r <= 1)).all() or (np.diff(r) > 0).any() for r in rates):
            raise ValueError("rates are 0 to 1 and never rise with the threshold")
        if self.misread_rate[-1] != 0:
            raise ValueError("the last threshold refuses everything, so nothing is misread there")


def rate_curve(
    items: Sequence[Item], matching: Matching = "exact", folding: Folding = CODES
) -> RateCurve:
    """One point a distinct confidence of a reading, and 0 and ``REJECT_ALL``.

    At each threshold the rates are those of ``metrics.count_outcomes``; so empty truths for which
    nothing was found count as read even where everything is refused. O(N log N).

    Raises:
        ValueError: no items.
    """
    if not items:
        raise ValueError("no items, no rates")
    accepted: dict[Outcome, list[float]] = {o: [] for o in Outcome}
    always = 0
    for item in items:
        result = outcome(item, 0.0, matching, folding)
        if outcome(item, REJECT_ALL, matching, folding) is Outcome.REJECTED:
            accepted[result].append(1.0 if item.confidence is None else item.confidence)
        else:
            always += result is Outcome.CORRECT
    right = np.sort(np.array(accepted[Outcome.CORRECT], np.float64))
    wrong = np.sort(np.array(accepted[Outcome.MISREAD], np.float64))
    thresholds = np.unique(np.concatenate([[0.0], right, wrong, [REJECT_ALL]]))
    n_right = always + len(right) - np.searchsorted(right, thresholds, "left")
    n_wrong = len(wrong) - np.searchsorted(wrong, thresholds, "left")
    return RateCurve(thresholds, n_right / len(items), n_wrong / len(items))


def read_rate_at(curve: RateCurve, misread_rate: float) -> tuple[float, float]:
    """The best read rate whose misread rate is at most ``misread_rate`` (0.01, 0.001, 0).

    The threshold is the one that suits these items; on others it misreads somewhat more.

    Returns:
        The read rate, and of the thresholds that reach it the one with the fewest misreads.

    Raises:
        ValueError: a limit outside [0, 1].
    """
    if not 0 <= misread_rate <= 1:
        raise ValueError(f"a misread rate is 0 to 1, got {misread_rate}")
    allowed = curve.misread_rate <= misread_rate
    best = float(curve.read_rate[allowed].max())
    place = np.flatnonzero(allowed & (curve.read_rate == best))[-1]
    return best, float(curve.thresholds[place])


@dataclass(frozen=True)
class ReliabilityBin:
    """One bar of a reliability diagram.

    Attributes:
        low: lower edge, not in the bin (but 0 is in the first one).
        high: upper edge, in the bin.
        count: answers in it, 1 or more.
        confidence: their mean confidence.
        accuracy: the share of them that is correct.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    def __post_init__(self) -> None:
        if self.count < 1 or not (0 <= self.confidence <= 1 and 0 <= self.accuracy <= 1):
            raise ValueError(f"1 answer or more, means of 0 to 1, got {self}")


def reliability_bins(
    confidences: ArrayLike, correct: ArrayLike, bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Equal-width bins of the confidence (Guo et al. 2017, arXiv 1706.04599, section 2).

    Args:
        confidences: (N,) 0 to 1, of the answers that were given.
        correct: (N,) booleans.
        bins: number of them.

    Returns:
        In rising order, without the empty ones.

    Raises:
        ValueError: arrays that do not fit, confidences outside [0, 1], or no bins.
    """
    p, right = np.asarray(confidences, np.float64), np.asarray(correct)
    if p.ndim != 1 or p.shape != right.shape or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"(N,) confidences of 0 to 1, (N,) booleans: {p.shape}, {right.shape}")
    if not np.isin(right, (0, 1)).all():
        raise ValueError("correct is True or False for each answer")
    if bins < 1:
        raise ValueError(f"one bin at least, got {bins}")
    # Divided, not summed up: 3 / 10 is the same number as the confidence 0.3.
    edges = np.arange(bins + 1) / bins
    place = np.searchsorted(edges[1:], p, "left")
    count = np.bincount(place, minlength=bins)
    total = np.bincount(place, p, minlength=bins)
    hits = np.bincount(place, right.astype(np.float64), minlength=bins)
    return tuple(
        ReliabilityBin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            count=int(count[i]),
            confidence=float(total[i] / count[i]),
            accuracy=float(hits[i] / count[i]),
        )
        for i in np.flatnonzero(count)
    )


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """ECE: the mean of |accuracy - confidence| over bins, weighted by their counts, 0 to 1.

    Guo et al. 2017 (arXiv 1706.04599, equation 3). See ``reliability_bins`` for the arguments;
    nan of nothing. For engines without a confidence it says nothing: leave their answers out.
    """
    filled = reliability_bins(confidences, correct, bins)
    n = sum(b.count for b in filled)
    return sum(b.count / n * abs(b.accuracy - b.confidence) for b in filled) if n else math.nan


@dataclass(frozen=True)
class BootstrapDifference:
    """The mean of one array less that of another.

    Attributes:
        difference: of the items themselves.
        low: lower end of the interval.
        high: upper end.
        p_value: two-sided, of no difference.
    """

    difference: float
    low: float
    high: float
    p_value: float

    def __post_init__(self) -> None:
        if not (self.low <= self.high and 0 <= self.p_value <= 1):
            raise ValueError(f"low <= high and a p-value of 0 to 1, got {self}")


def paired_bootstrap(
    a: ArrayLike, b: ArrayLike, samples: int = 10000, seed: int = 0, confidence: float = 0.95
) -> BootstrapDifference:
    """How sure it is that ``a`` is better than ``b`` on the same items.

    Items are drawn with replacement, both engines' results of an item together (Koehn 2004,
    "Statistical Significance Tests for Machine Translation Evaluation"). The interval is the
    percentile one and the p-value its inversion, twice the share of samples at or beyond 0 (Efron
    and Tibshirani 1993, sections 13.3 and 15.4), with one added so that it is never 0.

    Args:
        a: (N,) booleans or numbers, one an item.
        b: (N,) the other engine's, of the same items in the same order.
        samples: drawn.
        seed: of the draw.
        confidence: of the interval.

    Raises:
        ValueError: arrays that are empty, of different shapes or not finite; no samples; a
            confidence outside (0, 1).
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ValueError(f"two arrays of (N,), N > 0, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("the values must be finite")
    if samples < 1 or not 0 < confidence < 1:
        raise ValueError(f"1 sample or more, confidence in (0, 1), got {samples}, {confidence}")
    difference = x - y
    means = _resampled_means(difference, samples, np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p_value = min(1.0, 2 * (beyond + 1) / (samples + 1))
    return BootstrapDifference(float(difference.mean()), float(low), float(high), p_value)


def _resampled_means(values: Vector, samples: int, rng: np.random.Generator) -> Vector:
    """(samples,) means of (N,) values drawn N times with replacement."""
    n = len(values)
    distinct, counts = np.unique(values, return_counts=True)
    # What is drawn is how often each distinct value comes up, which is multinomial: three numbers
    # a sample for differences of booleans. Where values hardly repeat, N indices are faster.
    multinomial = len(distinct) * 16 <= n or len(distinct) <= 4
    step = max(1, _DRAWS // (len(distinct) if multinomial else n))
    means = np.empty(samples)
    for start in range(0, samples, step):
        size = min(step, samples - start)
        if multinomial:
            means[start : start + size] = rng.multinomial(n, counts / n, size) @ distinct / n
        else:
            means[start : start + size] = values[rng.integers(0, n, (size, n))].mean(axis=1)
    return means


def percentiles(values: ArrayLike, q: Sequence[float] = (50, 95, 99)) -> tuple[float, ...]:
    """The percentiles ``q`` (0 to 100) of (N,) values, interpolated; nan each where N is 0."""
    array = np.asarray(values, np.float64)
    if array.size == 0:
        return (math.nan,) * len(q)
    return tuple(float(v) for v in np.percentile(array, q))
