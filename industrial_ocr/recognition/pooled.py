"""Networks that look at one place in several frames and combine the results.

Log-probabilities of frames are added up: a logarithmic opinion pool (Genest and Zidek 1986), which
takes the frames for independent. For symbols of one shape, such as 0 and O, they are not: all
frames show the same font. So the log-odds within a shape are averaged instead. Of 40 rendered codes
in fonts of the training, none then passes misread; if they are added up, one does.

The networks replace ``Classifier`` and ``Recognizer`` for one image, the reference; the decoders do
not know that there are several frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.config import ClassificationConfig, RecognitionConfig
from industrial_ocr.recognition.classifier import Classifier
from industrial_ocr.recognition.recognizer import (
    Recognizer,
    StringFrames,
    in_one_charset,
    of_length,
)
from industrial_ocr.results.types import CharCandidates, FloatArray, Floats, ImageArray

ShapesOf = Callable[[tuple[str, ...]], NDArray[np.int64]]

MIN_FRAME_PROBABILITY = 1e-4
"""Probabilities of one frame are raised to this, so that no single frame rules out a symbol."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One of several pictures of a part, and where the text stands in it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        matrix: (2, 3) from pixels of the reference to pixels of the frame.
        weight: of its log-probabilities, 0 to 1.
    """

    image: ImageArray
    matrix: Floats
    weight: float

    def place(self, quad: FloatArray) -> FloatArray:
        """Maps a quad (4, 2) of the reference to pixels of this frame."""
        return np.asarray(quad @ self.matrix[:, :2].T + self.matrix[:, 2], np.float32)


def pool(log_probs: ArrayLike, weights: ArrayLike, shapes: NDArray[np.int64]) -> Floats:
    """Combines the log-probabilities of C classes in N frames.

    Args:
        log_probs: (N, ..., C).
        weights: (N,) of the frames.
        shapes: (C,) a number for each class; classes of one shape share it.

    Returns:
        (..., C) log-probabilities.
    """
    seen, weight = np.asarray(log_probs, np.float64), np.asarray(weights, np.float64)
    seen = np.maximum(seen, np.log(MIN_FRAME_PROBABILITY))
    members = np.eye(int(shapes.max()) + 1)[shapes]
    shape = np.log(np.exp(seen) @ members)[..., shapes]
    total = np.tensordot(weight, shape, 1) + np.tensordot(weight / weight.sum(), seen - shape, 1)
    return np.asarray(total - np.logaddexp.reduce(total, axis=-1, keepdims=True))


class PooledClassifier(Classifier):
    """A classifier that looks at each place of the reference in every frame.

    Args:
        own: the classifier.
        frames: the reference first.
        shapes_of: gives each of a tuple of symbols the number of its shape, from 0.
    """

    def __init__(self, own: Classifier, frames: Sequence[Frame], shapes_of: ShapesOf) -> None:
        vars(self).update(vars(own))
        self._frames, self._shapes_of = frames, shapes_of

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
        logs = np.log(
            np.maximum(np.concatenate([distributions, rejects], -1), MIN_FRAME_PROBABILITY)
        )
        shapes = self._shapes_of(self.charset.symbols)
        shapes = np.append(shapes, shapes.max() + 1)  # no character
        together = np.exp(pool(logs, [f.weight for f in self._frames], shapes))
        return [self.candidates(together.astype(np.float32), config.top_k)]


class PooledRecognizer(Recognizer):
    """A recognizer that looks at each string of the reference in every frame.

    Args:
        own: the recognizer.
        frames: the reference first.
        shapes_of: as for ``PooledClassifier``.
    """

    def __init__(self, own: Recognizer, frames: Sequence[Frame], shapes_of: ShapesOf) -> None:
        vars(self).update(vars(own))
        self._frames, self._shapes_of = frames, shapes_of

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
        """Combines the outputs for one string, whose lengths differ by one frame at most."""
        weights = [f.weight for f in self._frames]
        charset, tables = in_one_charset(seen)
        count = len(tables[0])
        shapes = np.append(0, self._shapes_of(charset.symbols) + 1)  # the blank
        table = pool([of_length(t, count) for t in tables], weights, shapes).astype(np.float32)
        space = None
        if seen[0].space is not None:
            spaces = [of_length(s.space, count) for s in seen if s.space is not None]
            space = np.average(spaces, axis=0, weights=weights).astype(np.float32)
        return replace(seen[0], log_probs=table, charset=charset, space=space)
