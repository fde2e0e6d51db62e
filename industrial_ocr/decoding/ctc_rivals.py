"""Scores all texts with one character more or less than a given text.

The exact p(l|y) of each comes from one forward and one backward pass over the given text, because
each is a prefix of it, at most one new symbol, and a suffix. For L symbols and C classes that is
(L + 1) C + L texts in about the time of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.decoding.ctc import forward_scores
from industrial_ocr.decoding.verification import MARK_SYMBOLS
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.types import Floats

MARK_ODDS = float(np.log(5))
"""Least log-odds of a mark that was read: 98 % of 286 printed marks between two characters are
above it, and none of 394 texts without the mark."""
END_MARK_ODDS = 6.0
"""Below these log-odds, a text may lack a mark at an end, where the network is least reliable. 99 %
of 220 numbers without their printed minus sign are below it, 95 % of 980 plain codes above it
(``benchmarks/ctc_margins.py``)."""


@dataclass(frozen=True, eq=False)
class EditScores:
    """log p(l|y) of a text and of its neighbors, -inf where there is no path.

    Attributes:
        own: of the text itself, L symbols.
        insertions: (L + 1, C) with class c inserted before symbol i, or at the end; -inf for the
            blank.
        deletions: (L,) without symbol i.
    """

    own: float
    insertions: Floats
    deletions: Floats


def edit_scores(log_probs: ArrayLike, label: Sequence[int]) -> EditScores:
    """The scores of a label and of all labels with one symbol more or less.

    Args:
        log_probs: (T, C) log-probabilities, class 0 the blank.
        label: classes, without blanks.
    """
    table = np.asarray(log_probs, np.float64)
    # Every frame is scaled by its likeliest class, so that products stay within floats.
    scale = table.max(1, initial=-np.inf)
    table = table - scale[:, None]
    own = np.asarray(label, np.intp).reshape(-1)
    # before[t, s]: the first t frames end in state s of the label with its blanks; after[t, s]:
    # the frames from t on begin in it.
    before = np.exp(forward_scores(table, [own.tolist()])[:, 0])
    after = np.exp(forward_scores(table[::-1], [own[::-1].tolist()])[:, 0])[::-1, ::-1]
    symbols = _with_symbol(np.exp(table), own, before, after)
    symbols[:, 0] = 0.0
    with np.errstate(divide="ignore"):
        shift = float(scale.sum())
        more = np.log(symbols) + shift
        gone = np.log(_without(own, before, after)) + shift
        whole = float(np.log(before[-1, -2:].sum()) + shift)
    return EditScores(whole, more, gone)


def _with_symbol(p: Floats, label: NDArray[np.intp], before: Floats, after: Floats) -> Floats:
    """(L + 1, C) probability of the label with each class inserted after its first i symbols."""
    padded = np.concatenate([[0], label, [0]])
    nothing = np.zeros((len(before), 1))
    blank_before, blank_after = before[:, ::2], after[:, ::2]
    # Before the first symbol and after the last there is only the blank.
    symbol_before = np.hstack([nothing, before[:, 1::2]])
    symbol_after = np.hstack([after[:, 1::2], nothing])
    classes = np.arange(p.shape[1])
    # Two equal symbols need a blank between.
    opens = (padded[:-1, None] != classes).astype(np.float64)
    closes = (padded[1:, None] != classes).astype(np.float64)
    on = np.zeros((len(label) + 1, len(classes)))
    total = np.zeros_like(on)
    for t, frame in enumerate(p):
        on += blank_before[t][:, None] + symbol_before[t][:, None] * opens
        on *= frame
        total += on * (blank_after[t + 1][:, None] + symbol_after[t + 1][:, None] * closes)
    return total


def _without(label: NDArray[np.intp], before: Floats, after: Floats) -> Floats:
    """(L,) probability of the label without each of its symbols."""
    found = np.zeros(len(label))
    for i in range(len(label)):
        ends_in_symbol = before[:, 2 * i - 1] if i else np.zeros(len(before))
        both = before[:, 2 * i] + ends_in_symbol
        if i + 1 == len(label):
            found[i] = both[-1]
            continue
        alike = i > 0 and label[i - 1] == label[i + 1]
        found[i] = ((before[:, 2 * i] if alike else both) * after[:, 2 * i + 3]).sum()
    return found


def mark_classes(charset: Charset) -> list[int]:
    """The classes of those ``verification.MARK_SYMBOLS`` that a charset has."""
    return [i for i, s in enumerate(charset.symbols, 1) if s in MARK_SYMBOLS]
