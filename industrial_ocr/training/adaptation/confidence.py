"""How sure a classifier is after it has learnt, held against its parent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.decoding.calibration import (
    LARGEST_TEMPERATURE,
    LEAST_TEMPERATURE,
    fit_temperature,
)
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.training.adaptation.network import Parent, run
from industrial_ocr.training.adaptation.rehearsal import Crops, Rehearsal

THINNED = 3
"""One in so many validation crops is looked at: it takes two passes through a network."""


def carried_temperature(
    parent: Parent, model: GlyphClassifier, names: Sequence[str], rehearsal: Rehearsal
) -> float:
    """The parent's temperature, changed as what has learnt is surer or less sure of old symbols.

    Both networks' own temperatures on the same validation crops tell by how much; the parent's
    recorded one was fitted on harder pictures and stays the measure.

    Args:
        parent: with its recorded temperature.
        model: the network that has learnt.
        names: its classes, the reject class last.
        rehearsal: with the validation crops.
    """
    crops = rehearsal.validation
    own = Crops(crops.images[::THINNED], crops.symbols[::THINNED]).known(parent.symbols)
    if not len(own.symbols):
        return parent.entry.temperature
    fitted = []
    for network, classes in ((parent.model, (*parent.symbols, REJECT)), (model, tuple(names))):
        place = {s: i for i, s in enumerate(classes)}
        labels = np.array([place[s] for s in own.symbols])
        logits = torch.log_softmax(run(network, own.images), -1)
        fitted.append(fit_temperature(logits.numpy(), labels))
    changed = parent.entry.temperature * fitted[1] / fitted[0]
    return round(float(np.clip(changed, LEAST_TEMPERATURE, LARGEST_TEMPERATURE)), 4)
