"""Whether readings still are as they were when the line was set up.

Two CUSUM charts (Page, 1954) watch the share of refusals and the mean confidence. Each sums the
log-likelihood ratio of a shift against the baseline, and starts again at 0 where it would become
negative. Its mean time to a false alarm is at least exp(limit) steps (Lorden, 1971).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

GROUP = 20
"""Readings whose mean confidence is one step; the mean of so many is close to normal."""
LIMIT = math.log(100_000)
"""Where a chart raises the alarm."""
ODDS = 3.0
"""The shift that the chart of refusals looks for: their odds are so many times the baseline's."""
UPPER = 0.9
"""Level of the baseline's one-sided confidence bounds: a short baseline is given the benefit."""
MIN_DEVIATION = 0.01
"""Least standard deviation of the confidence: without any, the least change would be drift."""


@dataclass(frozen=True)
class Baseline:
    """What readings were like at the beginning.

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
        sequence: of the last of them.
        refusals: share of them that did not pass.
        confidence: their mean confidence.
        refusals_level: of the chart of refusals, 0 to 1; 1 is the alarm.
        confidence_level: of the chart of the confidence.
    """

    sequence: int
    refusals: float
    confidence: float
    refusals_level: float
    confidence_level: float


class Drift:
    """The two charts. Not safe between threads.

    Args:
        readings: how many the baseline is measured on.
        baseline: that of an earlier run; None measures one.
        points: how many points are kept.
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
        """Readings that are still needed for the baseline."""
        return 0 if self.baseline else self._readings - len(self._first)

    @property
    def levels(self) -> Mapping[str, float]:
        """How far each chart is on the way to its alarm, 0 to 1."""
        return {name: value / LIMIT for name, value in self._levels.items()}

    def add(self, sequence: int, passed: bool, confidence: float) -> None:
        """Takes the next reading in; ``alarms`` then holds what has drifted, in words.

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
            odds = base.refusals / (1 - base.refusals) * ODDS
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
        """Adds to a chart; it never lies above the limit, so that it can come down again."""
        level = self._levels[name] = min(max(self._levels[name] + ratio, 0.0), LIMIT)
        if level >= LIMIT and (base := self.baseline) is not None:
            self.alarms[name] = {
                "refusals": f"more is refused than at first ({base.refusals:.1%})",
                "confidence": f"the confidence is lower than at first ({base.confidence:.3f})",
            }[name]
        elif level == 0:
            self.alarms.pop(name, None)


def measure_baseline(readings: list[tuple[bool, float]]) -> Baseline:
    """The baseline of readings, each whether it passed and its confidence; at least one."""
    count, refused = len(readings), sum(not passed for passed, _ in readings)
    confidences = np.array([confidence for _, confidence in readings])
    deviation = max(float(confidences.std()), MIN_DEVIATION)
    # Jeffreys' bound for a share; 1.28 is the quantile of a normal at UPPER.
    share = float(beta.ppf(UPPER, refused + 0.5, count - refused + 0.5))
    least = float(confidences.mean()) - 1.28 * deviation / math.sqrt(count)
    return Baseline(min(share, 0.99), least, deviation)
