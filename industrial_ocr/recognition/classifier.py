"""Classifies the character crops of any number of strings, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from industrial_ocr.config import ClassificationConfig
from industrial_ocr.image.preprocess import normalize_crops, to_gray
from industrial_ocr.inference.network import log_softmax
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import glyph_window, rect_quad, warp_quad
from industrial_ocr.results.types import CharCandidates, FloatArray, ImageArray


def glyph_crops(
    gray: ImageArray, quads: Sequence[FloatArray], size: int, scale: float = 1.0
) -> ImageArray:
    """Square upright crops around characters of an (H, W) gray image: (N, size, size) uint8.

    ``scale`` multiplies the side of the square that is cut out.
    """
    if not quads:
        return np.zeros((0, size, size), np.uint8)
    windows = [glyph_window(q) for q in quads]
    windows = [w.mean(axis=0) + scale * (w - w.mean(axis=0)) for w in windows]
    return np.stack([warp_quad(gray, w, size, size) for w in windows])


def _view(image: ImageArray, scale: float, down: float) -> FloatArray:
    """The quad of a whole image, scaled about its center and moved down by ``down`` heights."""
    height, width = image.shape[:2]
    x, y = width * (1 - scale) / 2, height * (1 - scale) / 2
    return rect_quad(x, y + down * height, width - x, height - y + down * height)


MIN_VIEW_PROBABILITY = 1e-9
"""Smaller probabilities are raised to this before views are averaged."""
MIN_SINGLE_VIEW = 0.98
"""A crop whose best class is less likely is cut out at ``SCALES``, too."""
SCALES = (0.93, 1.07)
"""Further sizes of a doubtful crop, relative to the usual one."""
BARS = frozenset("I1l|i!")
"""Symbols that look like one vertical bar."""


def shows_none(named: CharCandidates, factor: float) -> bool:
    """Whether an image of one character shows no character; ``factor`` is ``whole_reject``."""
    rejected = 0 < factor * float(named.probabilities[0]) <= named.reject
    return rejected and named.symbols[0] not in BARS


class Classifier:
    """A classifier of character crops.

    Args:
        network: (N, 1, size, size) float32 -> (N, symbols + 1) logits, the reject class last.
        charset: the symbols of the other classes.
        size: side of the crops in pixels.
        temperature: logits are divided by it (calibration).
    """

    def __init__(
        self,
        network: Callable[[FloatArray], FloatArray],
        charset: Charset,
        size: int,
        temperature: float,
    ) -> None:
        self._network, self.temperature = network, temperature
        self.charset, self.size = charset, size

    def probabilities(self, crops: ImageArray, batch_size: int) -> FloatArray:
        """(N, size, size) uint8 -> (N, symbols + 1) float32, the reject class last."""
        parts = [np.zeros((0, len(self.charset) + 1), np.float32)]
        for start in range(0, len(crops), batch_size):
            logits = self._network(normalize_crops(crops[start : start + batch_size])[:, None])
            parts.append(np.exp(log_softmax(logits / self.temperature)))
        return np.concatenate(parts)

    def classify(
        self,
        images: Sequence[ImageArray],
        quads: Sequence[Sequence[FloatArray]],
        config: ClassificationConfig,
    ) -> list[list[CharCandidates]]:
        """Classifies every character of every image; batches may hold crops of several images.

        The log-probabilities of a doubtful crop are averaged with those of a smaller and a larger
        one around the same character.

        Args:
            images: (H, W, 3) uint8 RGB each.
            quads: per image the characters' quads, oriented as their string is read.
            config: batch size and number of candidates.

        Returns:
            For each image, one ``CharCandidates`` per quad.
        """
        grays = [to_gray(image) for image in images]

        def seen(chosen: Sequence[Sequence[FloatArray]], scale: float = 1.0) -> FloatArray:
            crops = [
                glyph_crops(gray, own, self.size, scale)
                for gray, own in zip(grays, chosen, strict=True)
            ]
            return self.probabilities(np.concatenate(crops), config.batch_size)

        if not images:
            return []
        found = seen(quads)
        doubtful = found.max(axis=1) < MIN_SINGLE_VIEW
        if doubtful.any():
            unsure = iter(doubtful)
            again = [[quad for quad in own if next(unsure)] for own in quads]
            views = [found[doubtful], *(seen(again, scale) for scale in SCALES)]
            logs = np.mean([np.log(np.maximum(v, MIN_VIEW_PROBABILITY)) for v in views], axis=0)
            found[doubtful] = np.exp(log_softmax(logs))
        rows = iter(self.candidates(found, config.top_k))
        return [[next(rows) for _ in own] for own in quads]

    def classify_whole(
        self, images: Sequence[ImageArray], config: ClassificationConfig
    ) -> list[CharCandidates]:
        """Classifies images of one upright character each, by the mean over several views.

        It is unknown how tightly such an image was cropped, so the views differ in size.

        Args:
            images: (H, W, 3) uint8 RGB each.
            config: batch size, number of candidates and the views.
        """
        crops = [
            glyph_crops(to_gray(i), [_view(i, *v) for v in config.whole_views], self.size)
            for i in images
        ]
        every = np.concatenate(crops) if crops else np.zeros((0, self.size, self.size), np.uint8)
        rows = self.probabilities(every, config.batch_size).reshape(
            len(images), len(config.whole_views), len(self.charset) + 1
        )
        return self.candidates(rows.mean(axis=1), config.top_k)

    def candidates(self, probabilities: FloatArray, top_k: int) -> list[CharCandidates]:
        """(N, symbols + 1) -> the ``top_k`` best symbols of each row and its reject probability."""
        symbols = probabilities[:, :-1]
        order = np.argsort(-symbols, axis=1)[:, :top_k]
        return [
            CharCandidates(
                tuple(self.charset.symbols[i] for i in best),
                row[best].astype(np.float32),
                float(reject),
                row.astype(np.float32),
            )
            for row, best, reject in zip(symbols, order, probabilities[:, -1], strict=True)
        ]
