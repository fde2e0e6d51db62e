"""Rate curves over the threshold, calibration error, paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap

from industrial_ocr.evaluation.metrics import (
    CODE_TEXT,
    Prediction,
    ReadOutcome,
    TextComparison,
    outcome,
)

Vector = NDArray[np.float64]

REJECT_ALL = 2.0
"""A threshold that no confidence reaches; not infinity, which JSON does not have."""


@dataclass(frozen=True, eq=False)
class RateCurve:
    """Read rate and misread rate as functions of the threshold below which readings are rejected.

    Attributes:
        thresholds: (K,) rising, from 0 (accepts everything) to ``REJECT_ALL``.
        read_rate: (K,) share of all labels that are accepted and correct, never rising.
        misread_rate: (K,) share of all labels that are accepted but wrong, never rising.
    """

    thresholds: Vector
    read_rate: Vector
    misread_rate: Vector

    def __post_init__(self) -> None:
        rates = self.read_rate, self.misread_rate
        if self.thresholds.ndim != 1 or any(r.shape != self.thresholds.shape for r in rates):
            shapes = [r.shape for r in (self.thresholds, *rates)]
            raise ValueError(f"expected three (K,) arrays, got {shapes}")
        if len(self.thresholds) < 2 or not (np.diff(self.thresholds) > 0).all():
            raise ValueError("there must be at least two thresholds, rising")
        if any(not ((r >= 0) & (r <= 1)).all() or (np.diff(r) > 0).any() for r in rates):
            raise ValueError("rates must be 0 to 1 and never rise with the threshold")
        if self.misread_rate[-1] != 0:
            raise ValueError(
                "the last threshold must reject everything, so its misread rate must be 0"
            )


def rate_curve(
    predictions: Sequence[Prediction], comparison: TextComparison = CODE_TEXT
) -> RateCurve:
    """One point for each distinct confidence of a reading, and 0 and ``REJECT_ALL``.

    At each threshold the rates are those of ``metrics.count_outcomes``. So an empty truth for which
    nothing was read counts as read at every threshold.

    Raises:
        ValueError: there are no predictions.
    """
    if not predictions:
        raise ValueError("a rate curve needs at least one prediction")
    accepted: dict[ReadOutcome, list[float]] = {o: [] for o in ReadOutcome}
    always = 0
    for prediction in predictions:
        result = outcome(prediction, 0.0, comparison)
        if outcome(prediction, REJECT_ALL, comparison) is ReadOutcome.REJECTED:
            confidence = prediction.confidence
            accepted[result].append(1.0 if confidence is None else confidence)
        else:
            always += result is ReadOutcome.CORRECT
    right = np.sort(np.array(accepted[ReadOutcome.CORRECT], np.float64))
    wrong = np.sort(np.array(accepted[ReadOutcome.MISREAD], np.float64))
    thresholds = np.unique(np.concatenate([[0.0], right, wrong, [REJECT_ALL]]))
    n_right = always + len(right) - np.searchsorted(right, thresholds, "left")
    n_wrong = len(wrong) - np.searchsorted(wrong, thresholds, "left")
    return RateCurve(thresholds, n_right / len(predictions), n_wrong / len(predictions))


def read_rate_at(curve: RateCurve, misread_rate: float) -> tuple[float, float]:
    """The best read rate whose misread rate is at most ``misread_rate`` (0.01, 0.001, 0).

    The threshold is chosen on these labels; on other labels its misread rate is somewhat higher.

    Returns:
        The read rate, and the threshold that reaches it with the fewest misreads.
    """
    allowed = curve.misread_rate <= misread_rate
    best = float(curve.read_rate[allowed].max())
    place = np.flatnonzero(allowed & (curve.read_rate == best))[-1]
    return best, float(curve.thresholds[place])


@dataclass(frozen=True)
class ReliabilityBin:
    """One bar of a reliability diagram: readings with a confidence in (low, high], 0 in the first.

    ``confidence`` is their mean, ``accuracy`` the share of them that is correct.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability_bins(
    confidences: ArrayLike, correct: ArrayLike, bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Equal-width bins of the confidence (Guo et al. 2017, arXiv 1706.04599, section 2).

    Args:
        confidences: (N,) 0 to 1.
        correct: (N,) booleans.
        bins: number of bins.

    Returns:
        The bins in rising order, without empty ones.
    """
    p, right = np.asarray(confidences, np.float64), np.asarray(correct, np.float64)
    # Edges are quotients, not sums, so that 3 / 10 equals the confidence 0.3 exactly.
    edges = np.arange(bins + 1) / bins
    place = np.searchsorted(edges[1:], p, "left")
    found = []
    for i in np.unique(place):
        own = place == i
        low, high, mean = float(edges[i]), float(edges[i + 1]), float(p[own].mean())
        found.append(ReliabilityBin(low, high, int(own.sum()), mean, float(right[own].mean())))
    return tuple(found)


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """ECE: the mean of |accuracy - confidence| over bins, weighted by their counts, 0 to 1.

    Guo et al. 2017 (arXiv 1706.04599, equation 3). See ``reliability_bins`` for the arguments;
    nan if there are no readings.
    """
    filled = reliability_bins(confidences, correct, bins)
    n = sum(b.count for b in filled)
    return sum(b.count / n * abs(b.accuracy - b.confidence) for b in filled) if n else math.nan


@dataclass(frozen=True)
class BootstrapDifference:
    """A difference of two means, its 95 % interval, and the p-value of no difference."""

    difference: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(a: ArrayLike, b: ArrayLike, seed: int = 0) -> BootstrapDifference:
    """The difference of two engines' means on the same labels, by a paired bootstrap.

    Labels are drawn with replacement, both engines' results of a label together (Koehn 2004,
    "Statistical Significance Tests for Machine Translation Evaluation"). The interval is the
    percentile one and the p-value its inversion, twice the share of samples at or beyond 0 (Efron
    and Tibshirani 1993, sections 13.3 and 15.4), with one added so that it is never 0.

    Args:
        a: (N,) booleans or numbers, one for each label.
        b: (N,) those of the other engine, for the same labels in the same order.
        seed: seed of the resampling.
    """
    samples = 10_000
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    mean = float(difference.mean())
    if len(difference) == 1:  # all samples are equal, and SciPy needs two values
        return BootstrapDifference(mean, mean, mean, 1.0 if mean == 0 else 2 / (samples + 1))
    found = bootstrap(
        (difference,),
        np.mean,
        n_resamples=samples,
        batch=256,
        method="percentile",
        random_state=np.random.default_rng(seed),
    )
    means, interval = found.bootstrap_distribution, found.confidence_interval
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p_value = min(1.0, 2 * (beyond + 1) / (samples + 1))
    return BootstrapDifference(mean, float(interval.low), float(interval.high), p_value)
