"""Runs the CRNN on whole strings: crops them, gives log-probabilities and frame positions."""

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
"""Strips are padded to multiples of this width, so that few widths occur."""
MAX_ASPECT = 32
"""Wider strips are squeezed to this width over height: 60 characters still have 4 frames each."""


@dataclass(frozen=True, eq=False)
class StringFrames:
    """The CRNN's output for one string.

    Attributes:
        log_probs: (T, C) float32, class 0 the blank; frames beyond the strip are cut off.
        pieces: the quads (4, 2) in source pixels that make up the strip from left to right:
            one for a line, one per letter for a stack.
        widths: of the pieces in network pixels; frame t is centered 4 t pixels from the left.
        space: (T,) float32, the probability of a space, which ``log_probs`` count as blank; None
            if the network has no class for it.
    """

    log_probs: FloatArray
    pieces: tuple[FloatArray, ...]
    widths: tuple[int, ...]
    space: FloatArray | None = None

    def span_quad(self, first: float, last: float) -> FloatArray:
        """The quad (4, 2) of the string between two frames, inclusive, in source pixels."""
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
    """Warps quads side by side into one upright gray strip (rows, W); also gives their widths."""
    parts = []
    limit = max(8, MAX_ASPECT * rows // len(pieces))
    for quad in pieces:
        width, height = edge_lengths(quad)
        size = int(np.clip(round(width * rows / max(height, 1e-3)), 8, limit))
        parts.append(warp_quad(gray, quad, size, rows))
    return np.concatenate(parts, axis=1), tuple(p.shape[1] for p in parts)


def split_space(log_probs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Separates the space, the last class, from the output of a network.

    Args:
        log_probs: (..., C + 1) log-probabilities, class 0 the blank, the last one the space.

    Returns:
        (..., C) float32 log-probabilities that count the space as blank, since both separate
        characters; and (...,) float32, the probability of the space.
    """
    rest = log_probs[..., :-1].copy()
    rest[..., 0] = np.logaddexp(log_probs[..., 0], log_probs[..., -1])
    return rest, np.exp(log_probs[..., -1])


class Recognizer:
    """A CRNN that reads strips.

    Args:
        network: (N, 1, rows, W) float32 -> (T, N, classes) scores, class 0 the blank.
        charset: with the blank.
        temperature: scores are divided by it (calibration).
        own_contrast: normalize each strip to zero mean and unit contrast, as in our training;
            False scales brightness to -1..1, as crnn.pytorch does.
        knows_space: the last class is the space, after those of the charset.
        rows: height of the strips in pixels.
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
        """Pads strips to one width by repeating their edge -> (N, T, C) log-probabilities."""
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
        """Log-probabilities of every string of every image; batches hold strips of one width.

        Args:
            images: (H, W, 3) uint8 RGB each.
            strings: for each string of each image, the quads of its pieces, clockwise from the
                top-left of their first letter.
            config: batch size and least width.

        Returns:
            For each image, one ``StringFrames`` per string.
        """
        jobs: list[tuple[ImageArray, tuple[int, ...], tuple[FloatArray, ...]]] = []
        for image, own in zip(images, strings, strict=True):
            gray = to_gray(image)
            jobs += [(*strip(gray, pieces, self._rows), tuple(pieces)) for pieces in own]
        frames: dict[int, StringFrames] = {}
        # The padded width depends on the strip alone: the LSTM reads the padding too, and a
        # string must read the same in every batch.
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
