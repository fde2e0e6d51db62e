"""Finds samples with probably wrong labels before the training.

* Near-duplicates: pictures that are nearly equal, such as frames of one camera shot. They count as
  one picture; if they have different symbols, one label is wrong.
* Probable label errors: a picture whose features are nearer to those of another new symbol than to
  the rest of its own (leave one out), or one that the parent is sure is another symbol while it
  reads most pictures of that class differently.

cleanlab is not used: it needs out-of-sample probabilities, which 3 to 15 pictures do not give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.image.preprocess import normalize_crops
from industrial_ocr.results.types import FloatArray, ImageArray
from industrial_ocr.training.retraining.samples import GlyphSample


@dataclass(frozen=True)
class Suspect:
    """One or two samples to look at.

    Attributes:
        kind: ``duplicate`` or ``label``.
        samples: indices of the samples, the suspicious one first.
        message: one sentence for the user.
    """

    kind: str
    samples: tuple[int, ...]
    message: str


def duplicates(samples: Sequence[GlyphSample], crops: ImageArray) -> list[Suspect]:
    """The samples whose crop, (N, S, S) uint8, correlates with that of an earlier one."""
    if not len(crops):
        return []
    plain = normalize_crops(crops).reshape(len(crops), -1)
    plain = plain / np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1e-6)
    found = []
    for i in range(1, len(samples)):
        alike = plain[:i] @ plain[i]
        other = int(alike.argmax())
        if alike[other] < 0.985:
            continue
        one, two = samples[i], samples[other]
        message = f"{one.source} is nearly equal to {two.source}"
        if one.symbol != two.symbol:
            message += f", but one is {_shown(one.symbol)} and the other {_shown(two.symbol)}"
        found.append(Suspect("duplicate", (i, other), message))
    return found


def label_errors(
    samples: Sequence[GlyphSample], features: FloatArray, parent: FloatArray, known: Sequence[str]
) -> list[Suspect]:
    """The samples that look like another symbol than their label.

    Args:
        samples: the N samples.
        features: (N, F) features of the frozen backbone.
        parent: (N, known + 1) probabilities of the parent, the reject class last.
        known: the symbols of the parent.
    """
    symbols = np.array([s.symbol for s in samples])
    names = np.array([*known, REJECT])
    best, confidence = names[parent.argmax(1)], parent.max(1)
    found = []
    for i, sample in enumerate(samples):
        other = _nearer(i, symbols, features) or _contradicted(i, symbols, best, confidence)
        if other is not None:
            text = f"{sample.source} is labeled {_shown(sample.symbol)}, but looks like"
            found.append(Suspect("label", (i,), f"{text} {_shown(other)}"))
    return found


def _nearer(i: int, symbols: NDArray[np.str_], features: FloatArray) -> str | None:
    """The symbol whose mean feature is clearly nearer to sample i than that of its own symbol."""
    rest = np.arange(len(symbols)) != i
    own = rest & (symbols == symbols[i])
    if not own.any():
        return None
    center = features.mean(0)

    def cosine(rows: NDArray[np.bool_]) -> float:
        mean, this = features[rows].mean(0) - center, features[i] - center
        return float(mean @ this / max(np.linalg.norm(mean) * np.linalg.norm(this), 1e-6))

    others = {s: cosine(rest & (symbols == s)) for s in np.unique(symbols) if s != symbols[i]}
    nearest = max(others, key=lambda s: others[s], default=None)
    if nearest is None or others[nearest] < cosine(own) + 0.1:
        return None
    return str(nearest)


def _contradicted(
    i: int, symbols: NDArray[np.str_], best: NDArray[np.str_], confidence: FloatArray
) -> str | None:
    """The confident other reading of sample i, if the parent reads most of its symbol right."""
    own = symbols == symbols[i]
    usual = float((best[own] == best[i]).mean())
    same = symbols[i] == REJECT or best[i] in same_shape(str(symbols[i]))
    if same or best[i] == REJECT or confidence[i] < 0.9 or (own.sum() > 1 and usual > 0.5):
        return None
    # A single picture of a new symbol is always read as some other symbol.
    return str(best[i]) if own.sum() > 1 or symbols[i] in best else None


def _shown(symbol: str) -> str:
    return repr(symbol) if symbol != REJECT else "no character"
