"""The CRNN over whole strings: crops of its height, log-probabilities, places in the picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from industrial_ocr.config import RecognitionConfig
from industrial_ocr.image.preprocess import normalize_crops, to_gray
from industrial_ocr.inference.network import log_softmax
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import edge_lengths, warp_quad
from industrial_ocr.results.types import FloatArray, ImageArray

FRAME_STRIDE = 4
WIDTH_STEP = 20
"""Strips are padded to multiples of it, so that few widths are met."""
MAX_ASPECT = 32
"""Strips are squeezed to this many times their height; a code of 60 characters still has 4 frames
each."""


@dataclass(frozen=True, eq=False)
class StringFrames:
    """What the CRNN saw of one string.

    Attributes:
        log_probs: (T, C) float32, class 0 the blank; frames beyond the strip are cut off.
        pieces: the quads (4, 2) in source pixels that were set side by side to make the strip:
            one for a line, one a letter for a stack.
        widths: of the pieces in network pixels; frame t stands at 4 t of their sum.
        space: (T,) float32, the probability that a frame shows a space; None where the network
            does not know it. In ``log_probs`` it counts as blank.
    """

    log_probs: FloatArray
    pieces: tuple[FloatArray, ...]
    widths: tuple[int, ...]
    space: FloatArray | None = None

    def span_quad(self, first: float, last: float) -> FloatArray:
        """The part of the string between two frames, inclusive, in source pixels."""
        start, stop = (first - 0.5) * FRAME_STRIDE, (last + 0.5) * FRAME_STRIDE
        edges = np.concatenate([[0], np.cumsum(self.widths)])
        at = int(np.searchsorted(edges, (start + stop) / 2, side="right")) - 1
        at = min(max(at, 0), len(self.pieces) - 1)
        quad = self.pieces[at]
        left, right = np.clip(np.subtract([start, stop], edges[at]) / self.widths[at], 0, 1)
        top, bottom = quad[1] - quad[0], quad[2] - quad[3]
        corners = [
            quad[0] + top * left,
            quad[0] + top * right,
            quad[3] + bottom * right,
            quad[3] + bottom * left,
        ]
        return np.stack(corners).astype(np.float32)


def strip(
    gray: ImageArray, pieces: Sequence[FloatArray], rows: int
) -> tuple[ImageArray, tuple[int, ...]]:
    """Quads side by side as one upright gray strip (rows, W), widths in proportion."""
    parts = []
    limit = max(8, MAX_ASPECT * rows // len(pieces))
    for quad in pieces:
        width, height = edge_lengths(quad)
        size = int(np.clip(round(width * rows / max(height, 1e-3)), 8, limit))
        parts.append(warp_quad(gray, quad, size, rows))
    return np.concatenate(parts, axis=1), tuple(p.shape[1] for p in parts)


def split_space(log_probs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Takes the last class, the space, out of what a network says that knows it.

    Args:
        log_probs: (..., C + 1) log-probabilities, class 0 the blank, the last one the space.

    Returns:
        (..., C) float32 log-probabilities, a space counted as blank: both part characters. And
        (...,) float32, the probability of the space.
    """
    rest = log_probs[..., :-1].copy()
    rest[..., 0] = np.logaddexp(log_probs[..., 0], log_probs[..., -1])
    return rest, np.exp(log_probs[..., -1])


class Recognizer:
    """A CRNN over strips.

    Args:
        network: (N, 1, rows, W) float32 -> (T, N, classes) scores, class 0 the blank.
        charset: with the blank.
        temperature: scores are divided by it (calibration).
        own_contrast: bring each strip to zero mean and unit contrast, as our own training does;
            False scales brightness to -1..1, as crnn.pytorch does.
        knows_space: the model's last class is the space, behind those of the charset.
        rows: height in pixels of the strips that it reads.
    """

    def __init__(
        self,
        network: Callable[[FloatArray], FloatArray],
        charset: Charset,
        temperature: float,
        own_contrast: bool = True,
        knows_space: bool = False,
        rows: int = 32,
    ) -> None:
        self._rows = rows
        self._own_contrast, self._knows_space = own_contrast, knows_space
        self._network, self.temperature = network, temperature
        self.charset = charset

    def _log_probs(self, strips: Sequence[ImageArray], width: int) -> FloatArray:
        """Strips padded to one width with their own edge -> (N, T, C)."""
        padded = [
            cv2.copyMakeBorder(s, 0, 0, 0, width - s.shape[1], cv2.BORDER_REPLICATE) for s in strips
        ]
        stacked = np.stack(padded).astype(np.uint8)
        if self._own_contrast:
            plain = normalize_crops(stacked)
        else:
            plain = stacked.astype(np.float32) / 127.5 - 1
        scores = self._network(plain[:, None])
        return log_softmax(scores / self.temperature).transpose(1, 0, 2)

    def recognize(
        self,
        images: Sequence[ImageArray],
        strings: Sequence[Sequence[Sequence[FloatArray]]],
        config: RecognitionConfig,
    ) -> list[list[StringFrames]]:
        """Log-probabilities of every string of every image, strings of like width together.

        Args:
            images: (H, W, 3) uint8 RGB each.
            strings: per image, per string the quads of its pieces, each clockwise from the
                top-left of its first letter.
            config: batch size and least width.

        Returns:
            Per image one ``StringFrames`` a string.
        """
        jobs: list[tuple[ImageArray, tuple[int, ...], tuple[FloatArray, ...]]] = []
        for image, own in zip(images, strings, strict=True):
            gray = to_gray(image)
            jobs += [(*strip(gray, pieces, self._rows), tuple(pieces)) for pieces in own]
        frames: dict[int, StringFrames] = {}
        # The padded width depends on the strip alone: the LSTM reads the padding too, and a
        # string must not be read differently for the company it is in.
        groups: dict[int, list[int]] = defaultdict(list)
        for i, (pixels, _, _) in enumerate(jobs):
            wide = max(config.min_width, pixels.shape[1])
            groups[-(-wide // WIDTH_STEP) * WIDTH_STEP].append(i)
        for width, members in groups.items():
            for start in range(0, len(members), config.batch_size):
                part = members[start : start + config.batch_size]
                scores = self._log_probs([jobs[i][0] for i in part], width)
                for i, log_probs in zip(part, scores, strict=True):
                    pixels, widths, pieces = jobs[i]
                    seen = log_probs[: pixels.shape[1] // FRAME_STRIDE + 1]
                    symbols, space = split_space(seen) if self._knows_space else (seen, None)
                    frames[i] = StringFrames(symbols, pieces, widths, space)
        rows = iter(range(len(jobs)))
        return [[frames[next(rows)] for _ in own] for own in strings]
