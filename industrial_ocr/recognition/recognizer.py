"""Runs the recognizer on whole strings: crops them, gives log-probabilities and frame positions.

Of a network with thousands of symbols (PP-OCR: 18,707), a string needs only a few dozen. Its frames
keep the ASCII symbols, those that the caller asks for (``Recognizer.keeping``), and every other one
with a probability of at least 1e-6 in any frame of the string. A text with another symbol therefore
has a probability below T times 1e-6 in T frames: 0.0002 in 200 of them. The probabilities of the
symbols that are kept are normalized to 1.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.config import RecognitionConfig
from industrial_ocr.image.preprocess import StripInput, to_gray, to_rgb
from industrial_ocr.inference.network import MIN_LOG_PROB, log_softmax
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.engine import ConfidenceBasis
from industrial_ocr.results.geometry import edge_lengths, quad_part, warp_quad
from industrial_ocr.results.types import FloatArray, ImageArray

MANY_CLASSES = 1000
"""Of more classes than this, frames keep only those that matter to their string."""


@dataclass(frozen=True, eq=False)
class StringFrames:
    """The recognizer's output for one string.

    Attributes:
        log_probs: (T, C) float32, class 0 the blank; frames beyond the strip are cut off.
        pieces: the quads (4, 2) in source pixels that make up the strip from left to right:
            one for a line, one per letter for a stack.
        widths: of the pieces in network pixels.
        charset: the symbols of the classes, with the blank.
        strips: which network pixels a frame shows.
        space: (T,) float32, the probability of a space, which ``log_probs`` count as blank; None
            if the network has no class for it.
    """

    log_probs: FloatArray
    pieces: tuple[FloatArray, ...]
    widths: tuple[int, ...]
    charset: Charset
    strips: StripInput = StripInput()
    space: FloatArray | None = None

    def span_quad(self, first: float, last: float) -> FloatArray:
        """The quad (4, 2) of the string between two frames, inclusive, in source pixels."""
        center, stride = self.strips.center, self.strips.stride
        start, stop = center + (first - 0.5) * stride, center + (last + 0.5) * stride
        edges = np.concatenate([[0], np.cumsum(self.widths)])
        at = int(np.searchsorted(edges, (start + stop) / 2, side="right")) - 1
        at = min(max(at, 0), len(self.pieces) - 1)
        left, right = np.clip(np.subtract([start, stop], edges[at]) / self.widths[at], 0, 1)
        return quad_part(self.pieces[at], left, right)


def of_length(frames: FloatArray, length: int) -> FloatArray:
    """(T, ...) frames cut to a length; if they are too few, the last one is repeated."""
    return frames[np.minimum(np.arange(length), len(frames) - 1)]


def in_one_charset(every: Sequence[StringFrames]) -> tuple[Charset, list[FloatArray]]:
    """One charset for the strings of an image, and their (T, C) log-probabilities in it.

    A symbol that the frames of a string lack gets the log-probability ``MIN_LOG_PROB``.
    """
    first = every[0].charset
    if all(frames.charset == first for frames in every):
        return first, [frames.log_probs for frames in every]
    symbols = dict.fromkeys(s for frames in every for s in frames.charset.symbols)
    charset = Charset(tuple(symbols), blank=True)
    at = {symbol: i for i, symbol in enumerate(charset.symbols, 1)}
    tables = []
    for frames in every:
        table = np.full((len(frames.log_probs), charset.classes), MIN_LOG_PROB, np.float32)
        table[:, [0, *(at[s] for s in frames.charset.symbols)]] = frames.log_probs
        tables.append(table)
    return charset, tables


def strip(
    image: ImageArray, pieces: Sequence[FloatArray], rows: int
) -> tuple[ImageArray, tuple[int, ...]]:
    """Warps quads side by side into one upright strip (rows, W[, 3]); also gives their widths.

    A strip wider than 32 heights is squeezed: 60 characters still have 4 frames each.
    """
    parts = []
    limit = max(8, 32 * rows // len(pieces))
    for quad in pieces:
        width, height = edge_lengths(quad)
        size = int(np.clip(round(width * rows / max(height, 1e-3)), 8, limit))
        parts.append(warp_quad(image, quad, size, rows))
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


def _blank_frame(log_probs: FloatArray) -> FloatArray:
    """(1, N, C), as (T, N, C): the frame at x = 0, which a network without padding leaves out."""
    frame = np.full_like(log_probs[:1], MIN_LOG_PROB)
    frame[..., 0] = 0.0
    return frame


class Recognizer:
    """A network that reads strips: a CRNN, or another one that gives CTC frames.

    Args:
        network: (N, channels, rows, W) float32 -> (T, N, classes) scores, class 0 the blank.
        charset: with the blank.
        temperature: scores are divided by it (calibration).
        strips: how the network takes strips.
        knows_space: the last class is the space, after those of the charset.
        basis: where the confidence of its readings comes from.
    """

    def __init__(
        self,
        network: Callable[[FloatArray], FloatArray],
        charset: Charset,
        temperature: float,
        strips: StripInput = StripInput(),
        knows_space: bool = False,
        basis: ConfidenceBasis = "fitted",
    ) -> None:
        self._network, self.temperature = network, temperature
        self._strips, self._knows_space = strips, knows_space
        self.charset, self.basis = charset, basis
        self._kept: NDArray[np.intp] | None = None
        if charset.classes > MANY_CLASSES:
            plain = [i for i, s in enumerate(charset.symbols, 1) if s.isascii()]
            self._kept = np.array([0, *plain], np.intp)

    def keeping(self, characters: Iterable[str]) -> Recognizer:
        """The same recognizer, whose frames keep these characters in both cases.

        It matters only for a network of more than ``MANY_CLASSES``; any other keeps all symbols.
        """
        if self._kept is None:
            return self
        wanted = {case for c in characters for case in (c, c.lower(), c.upper()) if c.strip()}
        known = [self.charset.encode(c)[0] for c in wanted if self.charset.supports(c)]
        same = copy.copy(self)
        same._kept = np.union1d(self._kept, known).astype(np.intp)
        return same

    def _scores(self, strips: Sequence[ImageArray], width: int) -> FloatArray:
        """Strips padded to one width -> (N, T, C) scores."""
        scores = self._network(self._strips.batch(strips, width))
        if len(scores) < self._strips.frames(width) - 1:
            scores = np.concatenate([_blank_frame(scores), scores])
        return scores.transpose(1, 0, 2)

    def _seen(self, scores: FloatArray) -> tuple[FloatArray, FloatArray | None, Charset]:
        """(T, C) scores of one string -> its log-probabilities, the space's, and the charset."""
        charset = self.charset
        if self._kept is not None:
            scores = log_softmax(scores)
            highest = scores[:, : charset.classes].max(axis=0)
            likely = np.flatnonzero(highest >= np.log(1e-6))
            columns = np.concatenate([self._kept, np.setdiff1d(likely, self._kept)])
            charset = Charset(tuple(charset.symbol(int(i)) for i in columns[1:]), blank=True)
            spaces = np.arange(self.charset.classes, scores.shape[1])
            scores = scores[:, np.concatenate([columns, spaces])]
        log_probs = log_softmax(scores / self.temperature)
        if not self._knows_space:
            return log_probs, None, charset
        return (*split_space(log_probs), charset)

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
            pixels = to_gray(image) if self._strips.channels == 1 else to_rgb(image)
            jobs += [(*strip(pixels, pieces, self._strips.rows), tuple(pieces)) for pieces in own]
        frames: dict[int, StringFrames] = {}
        # The padded width depends on the strip alone: the LSTM reads the padding too, and a
        # string must read the same in every batch. It is a multiple of 20, so that few occur.
        groups: dict[int, list[int]] = defaultdict(list)
        for i, (pixels, _, _) in enumerate(jobs):
            wide = max(config.min_width, self._strips.min_width, pixels.shape[1])
            groups[-(-wide // 20) * 20].append(i)
        for width, members in groups.items():
            # At most 20 million values of output, so a network of many classes has small batches.
            values = self._strips.frames(width) * self.charset.classes
            size = max(1, min(config.batch_size, 20_000_000 // values))
            for start in range(0, len(members), size):
                part = members[start : start + size]
                every = self._scores([jobs[i][0] for i in part], width)
                for i, scores in zip(part, every, strict=True):
                    pixels, widths, pieces = jobs[i]
                    seen = scores[: self._strips.frames(pixels.shape[1])]
                    symbols, space, charset = self._seen(seen)
                    frames[i] = StringFrames(symbols, pieces, widths, charset, self._strips, space)
        rows = iter(range(len(jobs)))
        return [[frames[next(rows)] for _ in own] for own in strings]
