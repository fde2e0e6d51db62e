"""Measures every class before and after a retraining, and refuses it if a known class got worse.

Known classes are measured on the held-out part of the rehearsal set, once, after every choice was
made on other crops. Its font families are in no other part. New classes have few pictures and are
cross-validated instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.decoding.calibration import (
    LARGEST_TEMPERATURE,
    LEAST_TEMPERATURE,
    fit_temperature,
)
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.results.types import FloatArray, ImageArray
from industrial_ocr.training.messages import Progress
from industrial_ocr.training.retraining.config import FinetuneConfig
from industrial_ocr.training.retraining.feature_cache import FeatureCache
from industrial_ocr.training.retraining.finetuning import UNMEASURED
from industrial_ocr.training.retraining.network import Parent, probabilities, run
from industrial_ocr.training.retraining.rehearsal import LabeledCrops

REJECT_NAME = "(no character)"
"""Name of the reject class in reports."""

Names = NDArray[np.str_]


@dataclass(frozen=True)
class ClassChange:
    """The accuracy of one class before and after a retraining.

    Attributes:
        symbol: the symbol; ``REJECT`` for the reject class.
        n: number of crops on which it was measured.
        before: share that the parent reads right; None for a new symbol, or if n is 0.
        after: share that is read right now; None if n is 0.
    """

    symbol: str
    n: int
    before: float | None
    after: float | None

    @property
    def points(self) -> float | None:
        """The change in percentage points; None if one of the shares is unknown."""
        if self.before is None or self.after is None:
            return None
        return 100 * (self.after - self.before)


@dataclass(frozen=True)
class Gate:
    """The measurements and the decision.

    Attributes:
        old: the classes of the parent, the reject class last.
        new: the new classes.
        taught: known classes of which the user gave pictures, measured on these (cross-validated).
        before: share of all known symbols' crops that the parent reads right.
        after: share of these crops that is read right now.
        margin: percentage points that one class may lose.
        reasons: reasons to refuse the result, one sentence each; empty if it passes.
    """

    old: tuple[ClassChange, ...]
    new: tuple[ClassChange, ...]
    taught: tuple[ClassChange, ...]
    before: float
    after: float
    margin: float
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the known classes kept their accuracy."""
        return not self.reasons


@dataclass(frozen=True, eq=False)
class CropReadings:
    """Crops and their readings by the new classifier.

    Attributes:
        images: (N, S, S) uint8 gray.
        true: (N,) true symbols.
        read: (N,) symbols that are read.
        right: (N,) probability of the true symbol.
    """

    images: ImageArray
    true: Names
    read: Names
    right: NDArray[np.floating]


def changes(
    symbols: Sequence[str], true: Names, before: Names | None, after: Names
) -> tuple[ClassChange, ...]:
    """The change of each symbol, from N crops: true symbols, readings before and readings now."""
    found = []
    for symbol in symbols:
        own = true == symbol
        n = int(own.sum())
        was = None if before is None or not n else float((before[own] == symbol).mean())
        now = float((after[own] == symbol).mean()) if n else None
        found.append(ClassChange(symbol, n, was, now))
    return tuple(found)


def judge(
    old: Sequence[ClassChange],
    new: Sequence[ClassChange],
    taught: Sequence[ClassChange],
    margin: float,
    overall_margin: float,
) -> Gate:
    """The decision: neither one known class nor all together may lose more than the margins."""
    counted = [c for c in old if c.symbol != REJECT and c.n]
    n = max(sum(c.n for c in counted), 1)
    before = sum(c.n * (c.before or 0.0) for c in counted) / n
    after = sum(c.n * (c.after or 0.0) for c in counted) / n
    reasons = [
        f"{shown(c.symbol)} fell by {-c.points:.1f} points ({c.n} crops), {margin:g} are allowed"
        for c in old
        if c.points is not None and round(-c.points, 6) > margin
    ]
    lost = 100 * (before - after)
    if lost > overall_margin:
        reasons.append(
            f"all known symbols together fell by {lost:.2f} points, {overall_margin:g} are allowed"
        )
    return Gate(tuple(old), tuple(new), tuple(taught), before, after, margin, tuple(reasons))


def shown(symbol: str) -> str:
    """The name of a class in reports."""
    return symbol if symbol != REJECT else REJECT_NAME


def gate_metrics(gate: Gate) -> dict[str, float]:
    """The metrics of the manifest entry: accuracy and number of crops of every class."""
    metrics = {"accuracy_before": gate.before, "accuracy": gate.after}
    for change in (*gate.old, *gate.new):
        if change.after is not None:
            metrics[f"class {shown(change.symbol)}"] = change.after
            metrics[f"n {shown(change.symbol)}"] = float(change.n)
    for change in gate.taught:
        if change.after is not None:
            metrics[f"taught {shown(change.symbol)}"] = change.after
    return {name: round(value, 5) for name, value in metrics.items()}


def _read(
    model: GlyphClassifier, crops: ImageArray, names: tuple[str, ...], temperature: float
) -> tuple[Names, FloatArray]:
    """The readings (N,) of a model and its probabilities (N, classes)."""
    found = probabilities(model, crops, temperature)
    return np.array(names)[found.argmax(1)], found


def keeps_old_symbols(
    cache: FeatureCache, model: GlyphClassifier, validation: LabeledCrops, config: FinetuneConfig
) -> Gate:
    """The gate on validation crops, on which choices may be made."""
    names = (*cache.parent.symbols, REJECT)
    crops = validation.known(names)
    temperature = cache.parent.entry.temperature
    before, _ = _read(cache.parent.model, crops.images, names, temperature)
    after, _ = _read(model, crops.images, cache.names, temperature)
    old = changes(names, crops.symbols, before, after)
    return judge(old, (), (), config.margin, config.overall_margin)


def measure(
    cache: FeatureCache,
    model: GlyphClassifier,
    held_out: LabeledCrops,
    cross_validated: Names,
    config: FinetuneConfig,
    progress: Progress,
) -> tuple[Gate, CropReadings]:
    """The gate on held-out crops, on which nothing was chosen, and the readings of the new model.

    ``cross_validated`` is (N,), the readings of the samples.
    """
    names, temperature = (*cache.parent.symbols, REJECT), cache.parent.entry.temperature
    held = held_out.known(names)
    progress("measuring known symbols", 0, 2)
    before, _ = _read(cache.parent.model, held.images, names, temperature)
    progress("measuring known symbols", 1, 2)
    after, p = _read(model, held.images, cache.names, temperature)
    progress("measuring known symbols", 2, 2)
    old = changes(names, held.symbols, before, after)
    measured = cross_validated != UNMEASURED
    true = np.array([s.symbol for s in cache.samples])
    was, _ = _read(cache.parent.model, cache.plain, names, temperature)
    true, was, now = true[measured], was[measured], cross_validated[measured]
    new = changes(cache.new, true, None, now)
    taught = tuple(s for s in cache.parent.symbols if any(s == own.symbol for own in cache.samples))
    class_of = {s: i for i, s in enumerate(cache.names)}
    right = p[np.arange(len(held)), [class_of[s] for s in held.symbols]]
    readings = CropReadings(
        np.concatenate([held.images, cache.plain[measured]]),
        np.concatenate([held.symbols, true]),
        np.concatenate([after, now]),
        np.concatenate([right, np.zeros(len(now), np.float32)]),
    )
    gate = judge(old, new, changes(taught, true, was, now), config.margin, config.overall_margin)
    return gate, readings


def carried_temperature(
    parent: Parent, model: GlyphClassifier, names: tuple[str, ...], validation: LabeledCrops
) -> float:
    """The temperature of the new model: that of the parent, scaled by a ratio.

    The ratio is that of both networks' temperatures when fitted on every third validation crop. The
    recorded temperature of the parent was fitted on harder pictures, so it is the base.
    """
    crops = validation.of(np.arange(0, len(validation), 3)).known(parent.symbols)
    if not len(crops):
        return parent.entry.temperature

    def fitted(network: GlyphClassifier, classes: tuple[str, ...]) -> float:
        class_of = {s: i for i, s in enumerate(classes)}
        logits = torch.log_softmax(run(network, crops.images), -1)
        return fit_temperature(logits.numpy(), np.array([class_of[s] for s in crops.symbols]))

    ratio = fitted(model, names) / fitted(parent.model, (*parent.symbols, REJECT))
    temperature = parent.entry.temperature * ratio
    return round(float(np.clip(temperature, LEAST_TEMPERATURE, LARGEST_TEMPERATURE)), 4)
