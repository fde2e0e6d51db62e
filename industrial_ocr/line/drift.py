"""Detects that readings have become worse since the line was set up.

Two CUSUM charts (Page, 1954) watch the share of refusals and the mean confidence. A chart is the
sum of log-likelihood ratios of a shift against the baseline, and it is kept at 0 or above. The mean
time to a false alarm is at least exp(limit) steps (Lorden, 1971).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

GROUP = 20
"""Number of readings whose mean confidence is one step; such a mean is nearly normal."""
LIMIT = math.log(100_000)
"""Value at which a chart raises the alarm."""
UPPER = 0.9
"""Level of the one-sided confidence bounds of the baseline; they allow for a short baseline."""


@dataclass(frozen=True)
class Baseline:
    """The share of refused readings and the confidence when the line was set up.

    Attributes:
        refusals: share of readings that did not pass (upper bound).
        confidence: mean confidence (lower bound).
        deviation: standard deviation of the confidence of a single reading.
    """

    refusals: float
    confidence: float
    deviation: float


@dataclass(frozen=True)
class DriftPoint:
    """The state of the charts after ``GROUP`` readings.

    Attributes:
        sequence: sequence number of the last reading.
        refusals: share of the readings that did not pass.
        confidence: mean confidence of the readings.
        refusals_level: level of the chart of refusals, 0 to 1; 1 is the alarm.
        confidence_level: level of the chart of the confidence.
    """

    sequence: int
    refusals: float
    confidence: float
    refusals_level: float
    confidence_level: float


class Drift:
    """The two charts; not safe between threads.

    Args:
        readings: number of readings from which the baseline is measured.
        baseline: baseline of an earlier run; None measures one.
        points: number of points that are kept.
    """

    def __init__(
        self, readings: int = 500, baseline: Baseline | None = None, points: int = 200
    ) -> None:
        self.baseline = baseline
        self.points: deque[DriftPoint] = deque(maxlen=points)
        self.alarms: dict[str, str] = {}
        self._readings = readings
        self._first: list[tuple[bool, float]] = []
        self._group: list[tuple[bool, float]] = []
        self._levels = {"refusals": 0.0, "confidence": 0.0}

    @property
    def missing(self) -> int:
        """Number of readings that the baseline still needs."""
        return 0 if self.baseline else self._readings - len(self._first)

    @property
    def levels(self) -> Mapping[str, float]:
        """The level of each chart, 0 to 1; 1 is the alarm."""
        return {name: value / LIMIT for name, value in self._levels.items()}

    def add(self, sequence: int, passed: bool, confidence: float) -> None:
        """Adds a reading and updates ``alarms``, with a message for each chart in alarm.

        An alarm ends when its chart is at 0 again.
        """
        self._group.append((passed, confidence))
        base = self.baseline
        if base is None:
            self._first.append((passed, confidence))
            if len(self._first) >= self._readings:
                self.baseline = measure_baseline(self._first)
                self._first = []
        else:
            odds = base.refusals / (1 - base.refusals) * 3  # the shift that the chart looks for
            shifted = odds / (1 + odds)
            ratio = (1 - shifted) / (1 - base.refusals) if passed else shifted / base.refusals
            self._step("refusals", math.log(ratio))
        if len(self._group) == GROUP:
            self._end_group(sequence)

    def _end_group(self, sequence: int) -> None:
        share = sum(not passed for passed, _ in self._group) / GROUP
        mean = sum(confidence for _, confidence in self._group) / GROUP
        if (base := self.baseline) is not None:
            lower_by = (base.confidence - mean) / (base.deviation / math.sqrt(GROUP))
            self._step("confidence", lower_by - 0.5)  # a shift by one deviation of such a mean
        levels = self.levels
        self.points.append(
            DriftPoint(sequence, share, mean, levels["refusals"], levels["confidence"])
        )
        self._group = []

    def _step(self, name: str, ratio: float) -> None:
        """Adds to a chart, which is kept between 0 and the limit, so that alarms can end."""
        level = self._levels[name] = min(max(self._levels[name] + ratio, 0.0), LIMIT)
        if level >= LIMIT and (base := self.baseline) is not None:
            self.alarms[name] = {
                "refusals": f"more readings are refused than at first ({base.refusals:.1%})",
                "confidence": f"the confidence is lower than at first ({base.confidence:.3f})",
            }[name]
        elif level == 0:
            self.alarms.pop(name, None)


def measure_baseline(readings: list[tuple[bool, float]]) -> Baseline:
    """The baseline of at least one reading; a reading is whether it passed, and its confidence."""
    count, refused = len(readings), sum(not passed for passed, _ in readings)
    confidences = np.array([confidence for _, confidence in readings])
    deviation = max(
        float(confidences.std()), 0.01
    )  # with a smaller one, the least change would be drift
    # Jeffreys' bound for a share; 1.28 is the quantile of a normal distribution at UPPER.
    share = float(beta.ppf(UPPER, refused + 0.5, count - refused + 0.5))
    least = float(confidences.mean()) - 1.28 * deviation / math.sqrt(count)
    return Baseline(min(share, 0.99), least, deviation)
