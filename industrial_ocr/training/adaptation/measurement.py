"""Measures a retrained classifier against its parent."""

from __future__ import annotations

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
from industrial_ocr.training.adaptation.config import FinetuneConfig
from industrial_ocr.training.adaptation.feature_cache import FeatureCache, Progress
from industrial_ocr.training.adaptation.finetuning import UNMEASURED
from industrial_ocr.training.adaptation.gate import Gate, changes, judge
from industrial_ocr.training.adaptation.network import Parent, probabilities, run
from industrial_ocr.training.adaptation.rehearsal import Crops
from industrial_ocr.training.adaptation.report import Readings


def _read(
    model: GlyphClassifier, crops: ImageArray, names: tuple[str, ...], temperature: float
) -> tuple[NDArray[np.str_], FloatArray]:
    """(N,) what a model reads, and its (N, classes) probabilities."""
    found = probabilities(model, crops, temperature)
    return np.array(names)[found.argmax(1)], found


def keeps_old_symbols(
    cache: FeatureCache, model: GlyphClassifier, validation: Crops, config: FinetuneConfig
) -> Gate:
    """The gate on validation crops, by which choices may be made."""
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
    held_out: Crops,
    cross_validated: NDArray[np.str_],
    config: FinetuneConfig,
    progress: Progress,
) -> tuple[Gate, Readings]:
    """The gate on held-out crops, and what the new model reads.

    Args:
        cache: with the parent and the samples.
        model: the retrained classifier.
        held_out: crops of old symbols by which nothing was chosen.
        cross_validated: (N,) readings of the samples.
        config: with the margins.
        progress: called while it works.
    """
    names, temperature = (*cache.parent.symbols, REJECT), cache.parent.entry.temperature
    held = held_out.known(names)
    progress("measuring old symbols", 0, 2)
    before, _ = _read(cache.parent.model, held.images, names, temperature)
    progress("measuring old symbols", 1, 2)
    after, p = _read(model, held.images, cache.names, temperature)
    progress("measuring old symbols", 2, 2)
    old = changes(names, held.symbols, before, after)
    measured = cross_validated != UNMEASURED
    true = np.array([s.symbol for s in cache.samples])
    was, _ = _read(cache.parent.model, cache.plain, names, temperature)
    true, was, now = true[measured], was[measured], cross_validated[measured]
    new = changes(cache.new, true, None, now)
    taught = tuple(s for s in cache.parent.symbols if any(s == own.symbol for own in cache.samples))
    class_of = {s: i for i, s in enumerate(cache.names)}
    right = p[np.arange(len(held)), [class_of[s] for s in held.symbols]]
    readings = Readings(
        np.concatenate([held.images, cache.plain[measured]]),
        np.concatenate([held.symbols, true]),
        np.concatenate([after, now]),
        np.concatenate([right, np.zeros(len(now), np.float32)]),
    )
    gate = judge(old, new, changes(taught, true, was, now), config.margin, config.overall_margin)
    return gate, readings


def carried_temperature(
    parent: Parent, model: GlyphClassifier, names: tuple[str, ...], validation: Crops
) -> float:
    """The parent's temperature, scaled as the new model is more or less certain than the parent.

    Both networks' temperatures are fitted on the same validation crops and compared. The parent's
    recorded one was fitted on harder pictures, so it stays the base.

    Args:
        parent: with its recorded temperature.
        model: the retrained network.
        names: its classes, the reject class last.
        validation: every third crop is used.
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
