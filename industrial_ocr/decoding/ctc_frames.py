"""The frames of strings: of one, of neighboring ones together, and where their symbols stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.ctc import MIN_LOG_PROB, CtcSymbol
from industrial_ocr.results.types import Direction, FloatArray


@dataclass(frozen=True, eq=False)
class FrameString:
    """The frames of one string, and where they stand in the picture.

    Attributes:
        log_probs: (T, C) log-probabilities, class 0 the blank.
        place: quad (4, 2) in source pixels of the frames from a first to a last, inclusive.
        direction: of the string.
    """

    log_probs: NDArray[np.floating]
    place: Callable[[float, float], FloatArray]
    direction: Direction


def joined(strings: Sequence[FrameString]) -> tuple[NDArray[np.float64], list[int]]:
    """The frames of neighboring strings with a sure blank between, and where each begins."""
    classes = strings[0].log_probs.shape[1]
    blank = np.full((1, classes), MIN_LOG_PROB)
    blank[0, 0] = 0.0
    parts: list[NDArray[np.floating]] = []
    for string in strings:
        parts += [string.log_probs, blank]
    starts = np.cumsum([0, *(len(s.log_probs) + 1 for s in strings[:-1])])
    return np.concatenate(parts[:-1]).astype(np.float64), starts.tolist()


def place_of(symbol: CtcSymbol, run: Sequence[FrameString], starts: Sequence[int]) -> FloatArray:
    """Where a symbol stands in the picture, widened beyond CTC's narrow spike."""
    at = int(np.searchsorted(starts, symbol.first_frame, side="right")) - 1
    return run[at].place(
        symbol.first_frame - starts[at] - 1.0, symbol.last_frame - starts[at] + 1.0
    )
