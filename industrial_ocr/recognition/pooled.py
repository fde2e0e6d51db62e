"""Networks that look at one place in several frames and sum what they see.

The sum of log-probabilities is a logarithmic opinion pool (Genest and Zidek 1986). The networks
take the place of ``Classifier`` and ``Recognizer`` for one image, the reference; the decoders do
not know that there are several frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.config import ClassificationConfig, RecognitionConfig
from industrial_ocr.recognition.classifier import Classifier
from industrial_ocr.recognition.recognizer import Recognizer, StringFrames, in_one_charset
from industrial_ocr.results.types import CharCandidates, FloatArray, ImageArray

Floats = NDArray[np.float64]

MIN_PROBABILITY = 1e-4
"""Probabilities of one frame are not below this, so that no single frame can rule out a symbol."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame as a network looks at it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        matrix: (2, 3) from pixels of the reference to pixels of the frame.
        weight: of its log-probabilities, 0 to 1.
    """

    image: ImageArray
    matrix: Floats
    weight: float

    def place(self, quad: FloatArray) -> FloatArray:
        """The place in this frame of a quad (4, 2) of the reference."""
        return np.asarray(quad @ self.matrix[:, :2].T + self.matrix[:, 2], np.float32)


def pool(log_probs: ArrayLike, weights: ArrayLike) -> Floats:
    """Log-probabilities (N, ..., C) of N frames -> (..., C), normalized over C."""
    seen = np.maximum(np.asarray(log_probs, np.float64), np.log(MIN_PROBABILITY))
    total = np.tensordot(np.asarray(weights, np.float64), seen, 1)
    return np.asarray(total - np.logaddexp.reduce(total, axis=-1, keepdims=True))


class PooledClassifier(Classifier):
    """A classifier that looks at each place of the reference in every frame.

    Args:
        own: the classifier.
        frames: the reference first.
    """

    def __init__(self, own: Classifier, frames: Sequence[Frame]) -> None:
        vars(self).update(vars(own))
        self._frames = frames

    def classify(
        self,
        images: Sequence[ImageArray],
        quads: Sequence[Sequence[FloatArray]],
        config: ClassificationConfig,
    ) -> list[list[CharCandidates]]:
        """As ``Classifier.classify`` for one image, the reference."""
        (asked,) = quads
        if not asked:
            return [[]]
        places = [[f.place(quad) for quad in asked] for f in self._frames]
        seen = super().classify([f.image for f in self._frames], places, config)
        distributions = np.array([[c.distribution for c in own] for own in seen], np.float64)
        rejects = np.array([[[c.reject] for c in own] for own in seen])
        logs = np.log(np.maximum(np.concatenate([distributions, rejects], -1), MIN_PROBABILITY))
        together = np.exp(pool(logs, [f.weight for f in self._frames])).astype(np.float32)
        return [self.candidates(together, config.top_k)]


class PooledRecognizer(Recognizer):
    """A recognizer that looks at each string of the reference in every frame.

    Args:
        own: the recognizer.
        frames: the reference first.
    """

    def __init__(self, own: Recognizer, frames: Sequence[Frame]) -> None:
        vars(self).update(vars(own))
        self._frames = frames

    def recognize(
        self,
        images: Sequence[ImageArray],
        strings: Sequence[Sequence[Sequence[FloatArray]]],
        config: RecognitionConfig,
    ) -> list[list[StringFrames]]:
        """As ``Recognizer.recognize`` for one image, the reference."""
        (asked,) = strings
        if not asked:
            return [[]]
        places = [[[f.place(q) for q in pieces] for pieces in asked] for f in self._frames]
        seen = super().recognize([f.image for f in self._frames], places, config)
        return [[self._pooled(own) for own in zip(*seen, strict=True)]]

    def _pooled(self, seen: Sequence[StringFrames]) -> StringFrames:
        """One string's frames of the network; crops of one place differ by a frame at most."""
        weights = [f.weight for f in self._frames]
        charset, tables = in_one_charset(seen)
        count = len(tables[0])
        table = pool([_of_length(t, count) for t in tables], weights).astype(np.float32)
        space = None
        if seen[0].space is not None:
            spaces = [_of_length(s.space, count) for s in seen if s.space is not None]
            space = np.average(spaces, axis=0, weights=weights).astype(np.float32)
        return replace(seen[0], log_probs=table, charset=charset, space=space)


def _of_length(rows: FloatArray, count: int) -> FloatArray:
    """(T, ...) -> (count, ...); the last row is repeated."""
    return rows[np.minimum(np.arange(count), len(rows) - 1)]
