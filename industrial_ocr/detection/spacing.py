"""Finds the spaces of a string: gaps between its boxes that are wider than the others.

The threshold depends on the text. In codes, narrow characters such as 1 stand far apart, so only a
wide gap is a space. Words are a third of a letter's height apart. Only the reading tells codes from
words: linking requires a wide gap, and strings that read as words are checked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.detection.orientation import string_axis
from industrial_ocr.results.geometry import normal_vector
from industrial_ocr.results.types import BoxString, CharBox, TextString


def gap_sizes(boxes: Sequence[CharBox]) -> tuple[NDArray[np.float64], float, float]:
    """Clear gaps between neighboring boxes of a string.

    Args:
        boxes: (N,) along the string, N >= 2.

    Returns:
        The gaps, (N - 1,) in source pixels, below 0 where boxes overlap; their median, 0 or more;
        and the character size, the larger of the median height and width.
    """
    centers = np.array([b.center for b in boxes], np.float64)
    axis = string_axis(centers)
    along, across = axis.astype(np.float32), normal_vector(axis).astype(np.float32)
    extents = np.array([b.extent(along) for b in boxes], np.float64)
    size = max(float(np.median([b.extent(across) for b in boxes])), float(np.median(extents)))
    clear = np.linalg.norm(np.diff(centers, axis=0), axis=1) - (extents[:-1] + extents[1:]) / 2
    usual = float(np.median(clear)) if len(clear) > 2 else 0.0
    return clear, max(usual, 0.0), size


def wide_gaps(boxes: Sequence[CharBox], ratio: float, joined: Sequence[bool]) -> tuple[bool, ...]:
    """Whether a space follows each box, for any text.

    Args:
        boxes: along the string.
        ratio: a space exceeds the median gap by this many character sizes.
        joined: (N - 1,) True where chains were joined without affinity; there 0.3 is enough.
    """
    if len(boxes) == 1:
        return (False,)
    clear, usual, size = gap_sizes(boxes)
    wide = clear > usual + ratio * size
    wide |= np.asarray(joined, np.bool_) & (clear > usual + 0.3 * size)
    return (*(bool(w) for w in wide), False)


def word_gaps(string: BoxString, text: str, ratio: float) -> tuple[bool, ...]:
    """Whether a space follows each box of a string that reads as ``text``.

    Args:
        string: oriented or not.
        text: its reading; only words get further spaces.
        ratio: as in ``wide_gaps``, for words.
    """
    boxes = string.boxes
    if len(boxes) < 3 or not _is_words(text):
        return string.space_after
    clear, usual, size = gap_sizes(boxes)
    steps = np.linalg.norm(np.diff([b.center for b in boxes], axis=0), axis=1)
    wide = (clear > usual + ratio * size) & (steps > 1.15 * float(np.median(steps)))
    return tuple(a or bool(b) for a, b in zip(string.space_after, [*wide, False], strict=True))


def _is_words(text: str) -> bool:
    """Whether a text has letters, at least four per digit."""
    letters = sum(c.isalpha() for c in text)
    return letters > 0 and letters >= 4 * sum(c.isdigit() for c in text)


def with_spaces(read: TextString, string: BoxString, ratio: float) -> TextString:
    """Adds the spaces between a string's boxes to a reading without spaces.

    Args:
        read: the reading, one symbol per character.
        string: the boxes that it was read from.
        ratio: as in ``word_gaps``.

    Returns:
        The reading with spaces in its text. A gap in which a character was read is no space: a box
        was missed there.
    """
    gaps = word_gaps(string, read.text, ratio)
    if not any(gaps) or len(read.characters) < 2 or " " in read.text:
        return read
    centers = np.array([b.center for b in string.boxes], np.float64)
    axis = string_axis(centers)
    at, along = centers @ axis, axis.astype(np.float32)
    middles = np.array([c.quad.mean(0) @ axis for c in read.characters])
    symbols = [c.symbol for c in read.characters]
    for i in np.flatnonzero(gaps):
        left = float(at[i]) + string.boxes[i].extent(along) / 2
        right = float(at[i + 1]) - string.boxes[i + 1].extent(along) / 2
        margin = 0.3 * (right - left)  # a character centered within this margin is beside the gap
        filled = ((middles > left + margin) & (middles < right - margin)).any()
        before = int((middles <= (left + right) / 2).sum())
        if not filled and 0 < before < len(middles):
            symbols[before - 1] = read.characters[before - 1].symbol + " "
    return replace(read, text="".join(symbols))
