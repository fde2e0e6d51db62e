"""Calibrates the confidence of an adapted reader on the held-out pictures.

Since these are few, they are cross-fitted: each part is read with what was fitted to the others.
Pictures of one series are in one part and count once for the misread rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.calibration import (
    LARGEST_TEMPERATURE,
    LEAST_TEMPERATURE,
    Calibration,
    MisreadCurve,
    curve_name,
    fit_ctc_temperature,
    fit_odds,
    scaled_odds,
)
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.engine import PIPELINES, Engine
from industrial_ocr.training.line.gate import LineReading, Score
from industrial_ocr.training.line.strings import LinePicture, spelled, string_frames, strings_of

FOLDS = 5

Measure = Callable[[Reader, Engine, Sequence[LinePicture]], Score]
"""Reads pictures with one engine of a reader and scores the readings."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The calibration of an adapted reader.

    Attributes:
        options: options of ``Reader`` with the fitted temperature, confidence and misread curves.
        scores: scores of the engines, each picture read with what was fitted to the others.
        promise: for each engine the lowest misread rate that the held-out pictures prove.
    """

    options: dict[str, Any]
    scores: dict[Engine, Score]
    promise: dict[Engine, float]


def calibrated(
    options: dict[str, Any],
    pictures: Sequence[LinePicture],
    measure: Measure,
    with_pattern: bool,
    about: dict[str, Any],
) -> Calibrated:
    """Fits the temperature of the recognizer and the confidence of both engines."""
    reader = Reader(**options)
    settings, weights = reader.config, dict(reader.weights)
    limits = settings.confidence
    least = limits.min_code_confidence if with_pattern else limits.min_confidence
    accepting = settings.with_values(
        "confidence", min_confidence=0.0, min_code_confidence=0.0, odds={}
    )
    fold_of = folds_of(pictures)
    folds = [
        [p for p, own in zip(pictures, fold_of, strict=True) if own == k]
        for k in range(max(fold_of) + 1)
    ]
    read: dict[Engine, list[Score]] = {engine: [] for engine in PIPELINES}
    for k, fold in enumerate(folds):
        others = [p for i, own in enumerate(folds) if i != k for p in own]
        warm = Calibration({"recognizer": _temperature(reader, others)}, {}, weights)
        part = Reader(**{**options, "calibration": warm, "config": accepting})
        for engine in PIPELINES:
            read[engine].append(measure(part, engine, fold))
    odds: dict[str, tuple[float, float]] = {}
    scores, curves, promise = {}, {}, {}
    for engine, parts in read.items():
        readings = list(parts)
        if not with_pattern:  # under a pattern, the rival codes determine the confidence
            readings = [_refitted(parts, k) for k in range(len(parts))]
            odds[engine.value] = _odds_of(parts)
        rows = [iter(part.readings) for part in readings]
        ordered = [next(rows[k]) for p, k in zip(pictures, fold_of, strict=True) for _ in p.texts]
        curve = curve_of(ordered)
        curves[curve_name(engine.value, with_pattern)] = curve
        promise[engine] = curve.lowest_rate()
        scores[engine] = Score(
            tuple(replace(r, accepted=r.accepted and r.confidence >= least) for r in ordered)
        )
    calibration = Calibration(
        {"recognizer": _temperature(reader, pictures)}, curves, weights, about
    )
    config = settings.with_values("confidence", odds=odds)
    return Calibrated({**options, "calibration": calibration, "config": config}, scores, promise)


def _temperature(reader: Reader, pictures: Sequence[LinePicture]) -> float:
    """The temperature under which the labels are most probable; unchanged if they are too few."""
    strings = strings_of(pictures)
    now = reader.temperatures["recognizer"]
    if not strings:
        return now
    tables = string_frames(reader.models, strings)
    labels = [reader.charset.encode(spelled(s.text)) for s in strings]
    change = fit_ctc_temperature(tables, labels)
    return float(np.clip(now * change, LEAST_TEMPERATURE, LARGEST_TEMPERATURE))


def _odds_of(parts: Sequence[Score]) -> tuple[float, float]:
    """Scale and shift of the log-odds, fitted to which readings are right (Platt scaling)."""
    told = [r for part in parts for r in part.readings if r.text]
    return fit_odds([r.confidence for r in told], [r.right for r in told])


def _refitted(parts: Sequence[Score], k: int) -> Score:
    """Part ``k`` with the confidence that was fitted to the other parts."""
    odds = _odds_of([p for i, p in enumerate(parts) if i != k])
    readings = parts[k].readings
    return Score(
        tuple(
            replace(r, confidence=float(scaled_odds(r.confidence, odds))) if r.text else r
            for r in readings
        )
    )


def folds_of(pictures: Sequence[LinePicture]) -> list[int]:
    """The fold of each picture, from 0; the folds take the series in turn."""
    number = {series: i for i, series in enumerate(dict.fromkeys(p.series for p in pictures))}
    return [number[p.series] % FOLDS for p in pictures]


def curve_of(readings: Sequence[LineReading]) -> MisreadCurve:
    """The curve of the series: one misread makes a series wrong, and one reading accepts it."""
    best: dict[int | str, float] = {}
    wrong: dict[int | str, float] = {}
    for r in readings:
        if r.accepted:
            best[r.group] = max(best.get(r.group, 0.0), r.confidence)
            if not r.right:
                wrong[r.group] = max(wrong.get(r.group, 0.0), r.confidence)
    thresholds = np.unique([*best.values(), *wrong.values()])

    def reached(confidences: Iterable[float]) -> NDArray[np.int64]:
        each = np.array([*confidences])
        return (each[:, None] >= thresholds).sum(0)

    total = Score(tuple(readings)).groups
    return MisreadCurve(thresholds, reached(best.values()), reached(wrong.values()), total)
