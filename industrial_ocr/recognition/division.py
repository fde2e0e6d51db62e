"""Divides long lines into pieces that a recognizer can read, and joins their frames.

A recognizer squeezes a strip to at most 32 times its height; a line of hundreds of characters needs
more. It is divided at blanks: columns that show only the background, whether the print is dark or
light. Without blanks, or if the configuration requests windows, neighboring pieces overlap; they
are joined at the frame of the overlap in which both see a gap between characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from industrial_ocr.config import RecognitionConfig
from industrial_ocr.image.preprocess import StripInput, to_gray
from industrial_ocr.patterns.charset import FIRST_IDEOGRAPH
from industrial_ocr.recognition.recognizer import (
    Recognizer,
    StringFrames,
    in_one_charset,
    of_length,
)
from industrial_ocr.results.geometry import edge_lengths, quad_part, warp_quad
from industrial_ocr.results.types import FloatArray, ImageArray

LINE_ROWS = 32
"""Height of the strip in which blanks are looked for."""


@dataclass(frozen=True)
class Piece:
    """A piece of a line, from ``start`` to ``stop`` in shares of its length.

    ``space`` says whether the blank before it is wide enough for a space.
    """

    start: float
    stop: float
    space: bool = False


def find_blanks(strip: ImageArray) -> list[tuple[int, int]]:
    """The runs of columns with at most one row of ink, dark or light, of an (H, W) uint8 strip."""
    even = np.asarray(cv2.GaussianBlur(strip, (3, 3), 0), np.uint8)
    _, binary = cv2.threshold(even, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    light = np.asarray(binary).sum(axis=0)
    blank = (light <= 1) | (light >= len(strip) - 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], blank.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def divide(width: int, longest: int, blanks: Sequence[tuple[int, int]]) -> list[Piece]:
    """The pieces of a line.

    A piece ends at the widest blank in the last 60 % of its largest length. A blank 1.8 times as
    wide as the usual one of its line is a space.

    Args:
        width: of the strip of the line, in columns.
        longest: largest width of a piece.
        blanks: of ``find_blanks``; those of more than five columns count. Without any, pieces are
            windows that overlap by 1.5 heights.
    """
    inside = [b - a for a, b in blanks if a > 0 and b < width]
    usual = float(np.median(inside)) if inside else 0.0
    wide = [(a, b) for a, b in blanks if b - a > 5]
    pieces = []
    start, space = 0, False
    while width - start > longest:
        first, last = start + 0.4 * longest, start + longest
        near = [(b - a, (a + b) // 2) for a, b in wide if first < (a + b) / 2 <= last]
        if near:
            gap, stop = max(near)
            pieces.append(Piece(start / width, stop / width, space))
            start, space = stop, gap > 1.8 * usual
        else:
            pieces.append(Piece(start / width, last / width, space))
            start, space = last - round(1.5 * LINE_ROWS), False
    return [*pieces, Piece(start / width, 1.0, space)]


class LineRecognizer(Recognizer):
    """A recognizer that divides long lines, if the configuration says so."""

    def recognize(
        self,
        images: Sequence[ImageArray],
        strings: Sequence[Sequence[Sequence[FloatArray]]],
        config: RecognitionConfig,
    ) -> list[list[StringFrames]]:
        """See ``Recognizer.recognize``; all pieces of all lines are read in common batches."""
        if config.division == "none":
            return super().recognize(images, strings, config)
        lines = [
            [self._divided(image, quads, config) for quads in own]
            for image, own in zip(images, strings, strict=True)
        ]
        pieces = [[piece for line in own for piece in line.strings()] for own in lines]
        read = super().recognize(images, pieces, config)
        joined = []
        for own, frames in zip(lines, read, strict=True):
            rows = iter(frames)
            joined.append([line.joined([next(rows) for _ in line.strings()]) for line in own])
        return joined

    def _divided(
        self, image: ImageArray, quads: Sequence[FloatArray], config: RecognitionConfig
    ) -> _DividedLine:
        """The pieces of a string; a short string and a stack of letters are one piece."""
        width, height = edge_lengths(quads[0])
        if len(quads) > 1 or width <= config.piece_aspect * height:
            return _DividedLine(tuple(quads), None, (), self._strips)
        gray = to_gray(image)
        columns = max(1, round(width * LINE_ROWS / max(height, 1e-3)))
        blanks: list[tuple[int, int]] = []
        if config.division == "blanks":
            blanks = find_blanks(_long_strip(gray, quads[0], columns))
        longest = round(config.piece_aspect * LINE_ROWS)
        pieces = tuple(divide(columns, longest, blanks))
        return _DividedLine(tuple(quads), columns / LINE_ROWS, pieces, self._strips)


def _long_strip(gray: ImageArray, quad: FloatArray, columns: int) -> ImageArray:
    """The strip (LINE_ROWS, columns) of a quad of any length."""
    edges = [*range(0, columns, 4096), columns]  # OpenCV cannot warp more than 32,767 columns
    parts = [
        warp_quad(gray, quad_part(quad, a / columns, b / columns), b - a, LINE_ROWS)
        for a, b in pairwise(edges)
    ]
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True, eq=False)
class _DividedLine:
    """A string and the pieces that it is read in; ``aspect`` is None if it is not divided."""

    quads: tuple[FloatArray, ...]
    aspect: float | None
    pieces: tuple[Piece, ...]
    strips: StripInput

    def _spans(self) -> list[tuple[int, int]]:
        """The first frame of each piece, and the one after its last, in the frames of the line."""
        assert self.aspect is not None
        frames = self.aspect * self.strips.rows / self.strips.stride
        edges = [(round(p.start * frames), round(p.stop * frames)) for p in self.pieces]
        return [(a, max(b, a + 1)) for a, b in edges]

    def strings(self) -> list[tuple[FloatArray, ...]]:
        """The quads of each piece, as long as a whole number of frames."""
        if self.aspect is None:
            return [self.quads]
        spans = self._spans()
        whole = spans[-1][1]
        return [(quad_part(self.quads[0], a / whole, b / whole),) for a, b in spans]

    def joined(self, read: Sequence[StringFrames]) -> StringFrames:
        """The frames of the whole string, from those of its pieces."""
        if self.aspect is None:
            return read[0]
        charset, tables = in_one_charset(read)
        spans = self._spans()
        tables = [of_length(t, b - a) for t, (a, b) in zip(tables, spans, strict=True)]
        cuts = [0]
        for i, (after, before) in enumerate(pairwise(spans)):
            cuts.append(_seam(tables[i], tables[i + 1], after, before))
        cuts.append(spans[-1][1])
        kept = [slice(a - s, b - s) for (a, b), (s, _) in zip(pairwise(cuts), spans, strict=True)]
        log_probs = np.concatenate([t[k] for t, k in zip(tables, kept, strict=True)])
        space = self._space(read, kept, cuts, log_probs, charset.symbols)
        return replace(
            read[0],
            log_probs=log_probs,
            pieces=self.quads,
            widths=(round(len(log_probs) * self.strips.stride),),
            charset=charset,
            space=space,
        )

    def _space(
        self,
        read: Sequence[StringFrames],
        kept: Sequence[slice],
        cuts: Sequence[int],
        log_probs: FloatArray,
        symbols: Sequence[str],
    ) -> FloatArray:
        """(T,) probability of a space; at a wide blank between words it is 1."""
        none = [np.zeros(len(f.log_probs), np.float32) for f in read]
        known = [n if f.space is None else f.space for f, n in zip(read, none, strict=True)]
        parts = [of_length(s, k.stop)[k] for s, k in zip(known, kept, strict=True)]
        space = np.concatenate(parts).astype(np.float32)
        best = log_probs.argmax(axis=1)
        for cut, piece in zip(cuts[1:], self.pieces[1:], strict=False):
            if piece.space:
                before, after = np.flatnonzero(best[:cut]), np.flatnonzero(best[cut:])
                if len(before) and len(after):
                    ends = (symbols[best[before[-1]] - 1], symbols[best[cut + after[0]] - 1])
                    at = slice(before[-1] + 1, cut + after[0])
                    if max(map(ord, (ends[0][-1], ends[1][0]))) < FIRST_IDEOGRAPH:
                        space[at] = 1.0
        return space


def _seam(
    left: FloatArray, right: FloatArray, after: tuple[int, int], before: tuple[int, int]
) -> int:
    """The frame of a line at which the left one of two pieces ends and the right one begins.

    It is the frame of their overlap in which both pieces most likely see a gap between characters.
    Frames near the middle are preferred: at its ends a piece sees only half of a character.
    """
    start, stop = before[0], after[1]
    if stop <= start:
        return start
    blank = np.convolve(left[start - after[0] :, 0] + right[: stop - start, 0], np.ones(3), "same")
    away = np.abs(np.linspace(-1, 1, len(blank)))
    return start + int(np.argmax(np.where(away < 0.7, blank, -np.inf) - 0.1 * away))
