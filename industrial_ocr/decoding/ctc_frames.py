"""The frames of one string or of neighboring strings, and the places of their symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.ctc import CtcSymbol
from industrial_ocr.inference.network import MIN_LOG_PROB
from industrial_ocr.results.types import Direction, FloatArray


@dataclass(frozen=True, eq=False)
class FrameString:
    """The frames of one string, and their places in the image.

    Attributes:
        log_probs: (T, C) log-probabilities, class 0 the blank.
        place: (first frame, last frame), inclusive -> quad (4, 2) in source pixels.
        direction: of the string.
        words: the first frame of each word but the first one, ascending.
    """

    log_probs: NDArray[np.floating]
    place: Callable[[float, float], FloatArray]
    direction: Direction
    words: tuple[int, ...] = ()

    def parts(self, count: int) -> list[FrameString]:
        """Every sequence of ``count`` neighboring words, as a string of its own."""
        edges = (0, *self.words, len(self.log_probs))
        return [self._part(*ends) for ends in zip(edges, edges[count:], strict=False)]

    def _part(self, start: int, stop: int) -> FrameString:
        def place(first: float, last: float) -> FloatArray:
            return self.place(first + start, last + start)

        return FrameString(self.log_probs[start:stop], place, self.direction)


def joined(strings: Sequence[FrameString]) -> tuple[NDArray[np.float64], list[int]]:
    """Joins the frames of neighboring strings, a blank between; also gives their first frames."""
    classes = strings[0].log_probs.shape[1]
    blank = np.full((1, classes), MIN_LOG_PROB)
    blank[0, 0] = 0.0
    parts: list[NDArray[np.floating]] = []
    for string in strings:
        parts += [string.log_probs, blank]
    starts = np.cumsum([0, *(len(s.log_probs) + 1 for s in strings[:-1])])
    return np.concatenate(parts[:-1]).astype(np.float64), starts.tolist()


def place_of(symbol: CtcSymbol, run: Sequence[FrameString], starts: Sequence[int]) -> FloatArray:
    """The quad (4, 2) of a symbol in source pixels, widened by a frame on either side."""
    at = int(np.searchsorted(starts, symbol.first_frame, side="right")) - 1
    return run[at].place(
        symbol.first_frame - starts[at] - 1.0, symbol.last_frame - starts[at] + 1.0
    )
