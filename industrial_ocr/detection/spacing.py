"""Finds the spaces of a string.

Linking marks the wide gaps between boxes: codes are cut there (``wide_gaps``). The spaces of a text
are found after reading, by a logistic regression on the gaps in the ink (``find_spaces``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.detection.ink import LineInk
from industrial_ocr.detection.orientation import string_axis, string_quad
from industrial_ocr.results.geometry import clear_gaps, edge_lengths, normal_vector
from industrial_ocr.results.types import BoxString, CharBox, Floats, ImageArray, TextString

SPACE_MODEL = {
    "bias": -4.7,
    "gap": -2.27,
    "wider": 14.74,
    "box": 13.59,
    "step": 5.53,
    "narrow": -0.33,
}
"""Coefficients of the log-odds of a space, fitted (``fitting/spacing.py``) to 39,288 gaps of
rendered strings, 1,992 of them spaces. The bias was then raised by 1.49 by hand: labels have more
spaces, and with it as many are added as are missed in clean print (dev families)."""
NARROW_SYMBOLS = frozenset("1Il|ijtf.,:;'!-()/")
BOX_MARGIN = 0.15
"""The gap in the ink exceeds that between the boxes by about so much, in heights."""


def gap_sizes(boxes: Sequence[CharBox]) -> tuple[NDArray[np.float64], float, float]:
    """Clear gaps between neighboring boxes of a string.

    Args:
        boxes: (N,) along the string, N >= 2.

    Returns:
        The gaps, (N - 1,) in source pixels, below 0 where boxes overlap; their median, 0 for fewer
        than three gaps and never below 0;
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


def space_features(string: BoxString, symbols: str, ink: LineInk) -> Floats:
    """(N - 1, K) the features of each gap of an oriented string, in the order of ``SPACE_MODEL``.

    Args:
        string: N >= 2 boxes, one per character.
        symbols: the N characters, ``?`` where unknown.
        ink: of the string.
    """
    height = max(edge_lengths(string_quad(string))[1], 1.0)
    clear = clear_gaps([b.quad for b in string.boxes], vertical=False) / height
    found = ink.gaps()
    gaps = clear + BOX_MARGIN if found is None else np.asarray(found, np.float64)
    steps = np.linalg.norm(np.diff([b.center for b in string.boxes], axis=0), axis=1)
    steps = np.maximum(steps, 1e-6)
    narrow = np.array([s in NARROW_SYMBOLS for s in symbols], np.float64)
    columns = {
        "gap": gaps,
        "wider": gaps - np.median(gaps),
        "box": clear - np.median(clear),
        "step": np.log(steps / np.median(steps)),
        "narrow": narrow[:-1] + narrow[1:],
    }
    return np.clip(np.stack([columns[n] for n in SPACE_MODEL if n != "bias"], axis=1), -2, 2)


def find_spaces(string: BoxString, symbols: str, ink: LineInk) -> tuple[bool, ...]:
    """Whether a space follows each box of a string that was read; arguments as above.

    Stacks keep the spaces of linking.
    """
    if len(string.boxes) < 2 or string.direction == "vertical":
        return string.space_after
    weights = [w for n, w in SPACE_MODEL.items() if n != "bias"]
    odds = space_features(string, symbols, ink) @ weights + SPACE_MODEL["bias"]
    return (*(odds > 0).tolist(), False)


def with_spaces(read: TextString, string: BoxString, gray: ImageArray) -> TextString:
    """Adds the spaces between a string's boxes to a reading without spaces.

    Args:
        read: the reading, one symbol per character.
        string: the boxes that it was read from.
        gray: (H, W) uint8, the image.

    Returns:
        The reading with spaces in its text. A gap in which a character was read is no space: a box
        was missed there.
    """
    known = len(read.characters) == len(string.boxes)
    symbols = read.text if known else "?" * len(string.boxes)
    gaps = find_spaces(string, symbols, LineInk.of(gray, string))
    if not any(gaps) or len(read.characters) < 2 or " " in read.text:
        return read
    centers = np.array([b.center for b in string.boxes], np.float64)
    axis = string_axis(centers)
    at, along = centers @ axis, axis.astype(np.float32)
    middles = np.array([c.quad.mean(0) @ axis for c in read.characters])
    parts = [c.symbol for c in read.characters]
    for i in np.flatnonzero(gaps):
        left = float(at[i]) + string.boxes[i].extent(along) / 2
        right = float(at[i + 1]) - string.boxes[i + 1].extent(along) / 2
        margin = 0.3 * (right - left)  # a character centered within this margin is beside the gap
        filled = ((middles > left + margin) & (middles < right - margin)).any()
        before = int((middles <= (left + right) / 2).sum())
        if not filled and 0 < before < len(middles):
            parts[before - 1] = read.characters[before - 1].symbol + " "
    return replace(read, text="".join(parts))
