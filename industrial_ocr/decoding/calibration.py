"""Calibrates confidences: a temperature for each model, and misread rates by threshold.

The logits of a network are divided by a temperature, so that readings of confidence 0.9 are right
nine times in ten (Guo et al. 2017, arXiv 1706.04599, section 4.2). This leaves out errors of other
stages: a character that was not detected, a string read upside down. They are counted on labeled
images: a ``MisreadCurve`` holds how many accepted readings were wrong at every threshold.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.decoding.ctc import sequence_log_probability
from industrial_ocr.errors import ConfigError
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.files import write_whole
from industrial_ocr.results.types import Floats

LEAST_TEMPERATURE, LARGEST_TEMPERATURE = 0.25, 4.0
SHIPPED_CALIBRATION = Path(__file__).parent / "data" / "calibration.json"
CALIBRATION_FORMAT = 1


def tempered(log_probs: ArrayLike, temperature: float) -> Floats:
    """Divides (..., C) log-probabilities by a temperature and normalizes them."""
    table = np.asarray(log_probs, np.float64) / temperature
    result: Floats = table - np.logaddexp.reduce(table, axis=-1, keepdims=True)
    return result


def fit_temperature(log_probs: ArrayLike, labels: ArrayLike) -> float:
    """The temperature that gives the labels the highest likelihood.

    Args:
        log_probs: (N, C) log-probabilities at temperature 1, finite.
        labels: (N,) the true classes.

    Raises:
        ValueError: there are no labels, or the shapes of the arrays do not match.
    """
    table, label = np.asarray(log_probs, np.float64), np.asarray(labels, np.intp)
    if table.ndim != 2 or label.shape != table.shape[:1] or not len(label):
        raise ValueError(
            "expected (N, C) log-probabilities and (N,) labels, "
            f"got shapes {table.shape} and {label.shape}"
        )
    rows = np.arange(len(label))

    return _best_temperature(lambda t: -float(tempered(table, t)[rows, label].mean()))


def fit_ctc_temperature(tables: Sequence[Floats], labels: Sequence[Sequence[int]]) -> float:
    """The temperature under which N labels have the highest mean log p(l|y) per character.

    ``tables`` are their (T, C) log-probabilities at temperature 1.
    """

    def loss(t: float) -> float:
        # Limited to -30 nats, so that one unreadable string does not decide the fit.
        each = [
            max(sequence_log_probability(tempered(y, t), x) / len(x), -30.0)
            for y, x in zip(tables, labels, strict=True)
        ]
        return -float(np.mean(each))

    return _best_temperature(loss, maxiter=24)


def _best_temperature(loss: Callable[[float], float], **options: int) -> float:
    """The temperature with the least loss."""
    from scipy.optimize import minimize_scalar  # comes with the extra "evaluate"

    found = minimize_scalar(
        lambda log_t: loss(float(np.exp(log_t))),
        bounds=(math.log(LEAST_TEMPERATURE), math.log(LARGEST_TEMPERATURE)),
        method="bounded",
        options=options,
    )
    return float(np.exp(found.x))


def scaled_odds(confidence: ArrayLike, odds: tuple[float, float]) -> Floats:
    """Confidences whose log-odds are multiplied by ``odds[0]`` and shifted by ``odds[1]``."""
    p = np.clip(np.asarray(confidence, np.float64), 1e-4, 1 - 1e-4)
    result: Floats = 1 / (1 + np.exp(-(odds[0] * np.log(p / (1 - p)) + odds[1])))
    return result


def fit_odds(confidence: ArrayLike, right: ArrayLike, penalty: float = 2.0) -> tuple[float, float]:
    """The scale and shift of log-odds that fit which readings were right (Platt 1999).

    With few readings they stay near 1 and 0: ``penalty`` times their squared distance from 1 and 0
    is added to the summed log loss, in nats.
    """
    p = np.clip(np.asarray(confidence, np.float64), 1e-4, 1 - 1e-4)
    log_odds = np.log(p / (1 - p))
    sign = np.where(np.asarray(right, bool), 1.0, -1.0)

    def loss(theta: Floats) -> float:
        log_loss = np.logaddexp(0, -sign * (theta[0] * log_odds + theta[1])).sum()
        return float(log_loss + penalty * ((theta[0] - 1) ** 2 + theta[1] ** 2))

    from scipy.optimize import minimize  # slow to import

    found = minimize(loss, np.array([1.0, 0.0]), bounds=((0.05, None), (None, None)))
    return float(found.x[0]), float(found.x[1])


def upper_limit(wrong: int, accepted: int, sure: float = 0.95) -> float:
    """Upper confidence limit of the misread rate at level ``sure`` (Clopper, Pearson 1934).

    It is 1 without any accepted reading.
    """
    if wrong >= accepted:
        return 1.0
    counts = np.arange(wrong + 1)
    log_factorial = _log_factorials(1 << accepted.bit_length())
    ways = log_factorial[accepted] - log_factorial[counts] - log_factorial[accepted - counts]

    low, high, rate = wrong / accepted, 1.0, (wrong + 3) / (accepted + 3)
    while high - low > 1e-9 * high:
        each = np.exp(ways + counts * math.log(rate) + (accepted - counts) * math.log1p(-rate))
        tail = float(each.sum())  # probability of at most ``wrong`` wrong readings
        low, high = (low, rate) if tail < 1 - sure else (rate, high)
        # A Newton step for ln(tail); bisection where it would leave the bounds.
        slope = -(accepted - wrong) * float(each[-1]) / (1 - rate)
        step = tail * math.log(tail / (1 - sure)) / slope if tail > 0 and slope < 0 else 0.0
        following = rate - step
        if abs(step) <= 1e-9 * rate and step:
            return following
        rate = following if low < following < high else (low + high) / 2
    return high


@lru_cache(maxsize=2)
def _log_factorials(count: int) -> Floats:
    """The logarithms of 0!, 1! and so on, (count,)."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count)))])


@dataclass(frozen=True, eq=False)
class MisreadCurve:
    """How many readings were accepted, and how many of them wrong, by threshold.

    Attributes:
        thresholds: (K,) ascending; a reading of that confidence or more is accepted.
        accepted: (K,) number of accepted readings, never rising.
        wrong: (K,) number of wrong ones among them, never rising.
        total: number of labeled texts, also of those without a reading.
    """

    thresholds: Floats
    accepted: NDArray[np.int64]
    wrong: NDArray[np.int64]
    total: int

    def __post_init__(self) -> None:
        shapes = [a.shape for a in (self.thresholds, self.accepted, self.wrong)]
        if len(shapes[0]) != 1 or len(set(shapes)) != 1:
            raise ValueError(f"thresholds, accepted and wrong must be (K,) each, got {shapes}")
        if (np.diff(self.thresholds) <= 0).any() or (self.wrong > self.accepted).any():
            raise ValueError("thresholds must rise, and wrong must be at most accepted")
        if (np.diff(self.accepted) > 0).any() or (np.diff(self.wrong) > 0).any():
            raise ValueError("accepted and wrong counts must not rise with the threshold")

    @staticmethod
    def of(confidences: ArrayLike, right: ArrayLike, total: int) -> MisreadCurve:
        """The curve of N readings, from their confidences and whether each is right.

        ``total`` counts all labeled texts, those without a reading included.
        """
        p, good = np.asarray(confidences, np.float64), np.asarray(right, bool)
        thresholds = np.unique(p)
        sure, false = np.sort(p), np.sort(p[~good])
        return MisreadCurve(
            thresholds,
            (len(sure) - np.searchsorted(sure, thresholds, "left")).astype(np.int64),
            (len(false) - np.searchsorted(false, thresholds, "left")).astype(np.int64),
            total,
        )

    def threshold(self, misread_rate: float) -> float:
        """The lowest threshold whose ``upper_limit`` is at most ``misread_rate``.

        Raises:
            ConfigError: the readings are too few, or too often wrong, to show such a rate.
        """
        good = np.flatnonzero(self._limits() <= misread_rate)
        if not len(good):
            raise ConfigError(
                f"a misread rate of {misread_rate:g} cannot be promised: {self.total} labeled "
                f"texts prove {math.ceil(1e4 * self.lowest_rate()) / 1e4:g} at best "
                "(1 means that nothing is proven); measure more texts (industrial-ocr calibrate), "
                "or allow a higher rate"
            )
        return float(self.thresholds[good[0]])

    def lowest_rate(self) -> float:
        """The lowest ``upper_limit`` of all thresholds."""
        return float(self._limits().min(initial=1.0))

    def _limits(self) -> Floats:
        """(K,) the ``upper_limit`` of each threshold."""
        pairs = zip(self.wrong.tolist(), self.accepted.tolist(), strict=True)
        return np.array([upper_limit(w, a) for w, a in pairs])

    def thinned(self, points: int = 200) -> MisreadCurve:
        """The same curve with about ``points`` thresholds; every step of ``wrong`` is kept."""
        if len(self.thresholds) <= points:
            return self
        keep = np.zeros(len(self.thresholds), bool)
        keep[np.linspace(0, len(keep) - 1, points).round().astype(int)] = True
        steps = np.flatnonzero(np.diff(self.wrong) < 0)
        keep[steps] = keep[steps + 1] = True
        return MisreadCurve(
            self.thresholds[keep], self.accepted[keep], self.wrong[keep], self.total
        )


def curve_name(engine: str, with_pattern: bool) -> str:
    """The name of an engine's curve: readings under a pattern have their own curve."""
    return f"{engine} under a pattern" if with_pattern else engine


@dataclass(frozen=True, eq=False)
class Calibration:
    """Measurements of one set of weights on labeled images.

    Attributes:
        temperatures: by task, ``classifier`` and ``recognizer``; the manifest has the others.
        curves: by ``curve_name``.
        weights: sha256 by task of the weights that were measured.
        about: a description for people: data, number of images, date.
    """

    temperatures: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, MisreadCurve] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def check_rate(self, misread_rate: float) -> None:
        """Raises ConfigError where no engine can keep that rate."""
        if not self.curves:
            raise ConfigError(
                "max_misread_rate: nothing was measured; industrial-ocr calibrate measures it"
            )
        best = min(self.curves, key=lambda name: self.curves[name].lowest_rate())
        try:
            self.curves[best].threshold(misread_rate)
        except ConfigError as error:
            raise ConfigError(f"{best}, the engine with the lowest rate: {error}") from error

    def threshold(self, engine: str, with_pattern: bool, misread_rate: float) -> float:
        """The least confidence that keeps a misread rate.

        Without a pattern, ``agree`` and ``auto`` accept a string that one of the two engines would
        accept alone; unless they were measured, their threshold is the higher one of both engines.

        Raises:
            ConfigError: that engine was not measured, or not on enough images.
        """
        name = curve_name(engine, with_pattern)
        if not with_pattern and name not in self.curves and engine in (Engine.AGREE, Engine.AUTO):
            engines = (Engine.TWO_STAGE, Engine.CRNN)
            return max(self.threshold(e, with_pattern, misread_rate) for e in engines)
        if name not in self.curves:
            known = ", ".join(self.curves) or "none"
            raise ConfigError(
                f"max_misread_rate: {name} was not measured (measured: {known}); "
                "industrial-ocr calibrate measures it"
            )
        try:
            return self.curves[name].threshold(misread_rate)
        except ConfigError as error:
            curve = self.curves.get(curve_name(engine, True))
            helps = not with_pattern and curve is not None and curve.lowest_rate() <= misread_rate
            hint = "; under a pattern it can be kept" if helps else ""
            raise ConfigError(f"{name}: {error}{hint}") from error

    def by_weights(self) -> dict[str, float]:
        """The temperatures, by the sha256 of the weights for which they were fitted."""
        return {
            self.weights[task]: t for task, t in self.temperatures.items() if task in self.weights
        }

    def fits(self, weights: Mapping[str, str]) -> bool:
        """Whether it was measured with these weights."""
        return all(weights.get(task, digest) == digest for task, digest in self.weights.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; ``parse_calibration`` reads them."""
        return {
            "format": CALIBRATION_FORMAT,
            "about": dict(self.about),
            "weights": dict(self.weights),
            "temperatures": {k: round(v, 4) for k, v in self.temperatures.items()},
            "curves": {
                name: {
                    "total": c.total,
                    "thresholds": c.thresholds.tolist(),
                    "accepted": c.accepted.tolist(),
                    "wrong": c.wrong.tolist(),
                }
                for name, c in self.curves.items()
            },
        }

    def save(self, file: str | os.PathLike[str]) -> None:
        """Writes it as JSON, atomically; raises ConfigError where that fails."""
        path = Path(file)
        try:
            write_whole(path, json.dumps(self.to_dict(), indent=1) + "\n")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error}") from error


def load_calibration(file: str | os.PathLike[str]) -> Calibration:
    """Loads a calibration file; raises ConfigError if it cannot be read or is invalid."""
    path = Path(file)
    if not path.exists():
        raise ConfigError(f"{path}: no such calibration file")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a calibration file: {error}") from error
    return parse_calibration(values, str(path))


def parse_calibration(values: Any, source: str) -> Calibration:
    """A calibration from the values of ``Calibration.to_dict``.

    Args:
        values: parsed JSON.
        source: name of their file, for messages.

    Raises:
        ConfigError: the values are no calibration.
    """
    try:
        if values["format"] != CALIBRATION_FORMAT:
            raise ConfigError(
                f"{source}: has format {values['format']}, expected {CALIBRATION_FORMAT}"
            )
        temperatures = {str(k): float(v) for k, v in values["temperatures"].items()}
        if any(not LEAST_TEMPERATURE <= t <= LARGEST_TEMPERATURE for t in temperatures.values()):
            raise ValueError(f"a temperature is 0.25 to 4, got {temperatures}")
        return Calibration(
            temperatures,
            {
                str(name): MisreadCurve(
                    np.array(c["thresholds"], np.float64).reshape(-1),
                    np.array(c["accepted"], np.int64).reshape(-1),
                    np.array(c["wrong"], np.int64).reshape(-1),
                    int(c["total"]),
                )
                for name, c in values["curves"].items()
            },
            {str(k): str(v) for k, v in values["weights"].items()},
            dict(values["about"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"{source}: not a calibration file: {reason}") from error
