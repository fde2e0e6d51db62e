"""Connectionist temporal classification: from frames to symbols, and the probability of a label.

Graves, Fernandez, Gomez and Schmidhuber 2006, "Connectionist Temporal Classification: Labeling
Unsegmented Sequence Data with Recurrent Neural Networks" (ICML).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.patterns.charset import Charset


@dataclass(frozen=True)
class CtcSymbol:
    """One symbol of a decoded string, and the frames it was seen in.

    Attributes:
        symbol: its text, one or several characters.
        first_frame: first frame in which it is the best class.
        last_frame: last such frame, inclusive.
        probability: its probability in its peak frame, the one where it is highest. The mean over
            its frames would depend on the width of the symbol.
        alternatives: other symbols (never the blank) with their probabilities in the peak frame,
            best first.
    """

    symbol: str
    first_frame: int
    last_frame: int
    probability: float
    alternatives: tuple[tuple[str, float], ...]


def spaces_after(symbols: Sequence[CtcSymbol], space: ArrayLike) -> list[bool]:
    """Whether a space follows each symbol.

    Args:
        symbols: decoded, in order.
        space: (T,) probability of a space in each frame; 0.5 or more is a space.
    """
    seen = np.asarray(space) >= 0.5
    gaps = [(a.last_frame + 1, b.first_frame) for a, b in zip(symbols, symbols[1:], strict=False)]
    last = [False] if symbols else []
    return [bool(seen[first:stop].any()) for first, stop in gaps] + last


def spaced(symbols: Sequence[CtcSymbol], space: ArrayLike | None) -> str:
    """The text of decoded symbols, with spaces if the network has a class for them."""
    if space is None:
        return "".join(s.symbol for s in symbols)
    flags = spaces_after(symbols, space)
    return "".join(s.symbol + " " * f for s, f in zip(symbols, flags, strict=True))


def greedy_decode(log_probs: ArrayLike, charset: Charset, top_k: int = 5) -> list[CtcSymbol]:
    """Best path decoding (section 3.2): best class per frame, repeats merged, blanks dropped.

    A symbol repeated without a blank between its frames is one symbol; with one it is two.

    Args:
        log_probs: (T, C) log-probabilities, class 0 the blank.
        charset: with ``blank=True`` and C classes.
        top_k: most alternatives per symbol.

    Returns:
        The symbols in order; an empty list where every frame is blank.

    Raises:
        ValueError: the array does not fit the charset.
    """
    table = np.asarray(log_probs, np.float64)
    if not charset.blank or table.ndim != 2 or table.shape[1] != charset.classes:
        raise ValueError(
            f"log_probs are (T, {charset.classes}) for this charset, which needs a blank: "
            f"got shape {table.shape}, blank={charset.blank}"
        )
    best = table.argmax(axis=1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    ends = np.append(starts[1:], len(best))
    return [
        _symbol(table, charset, int(best[start]), np.arange(start, end), top_k)
        for start, end in zip(starts, ends, strict=False)
        if best[start] != 0
    ]


def _symbol(
    table: NDArray[np.float64], charset: Charset, symbol: int, frames: NDArray[np.intp], top_k: int
) -> CtcSymbol:
    """The symbol of a class that stands in ``frames`` (N,), ascending."""
    peak = np.exp(table[frames[int(table[frames, symbol].argmax())]])
    ranked = np.argsort(-peak, kind="stable")[: top_k + 2].tolist()  # blank and symbol among them
    order = [c for c in ranked if c not in (0, symbol)]
    return CtcSymbol(
        symbol=charset.symbol(symbol),
        first_frame=int(frames[0]),
        last_frame=int(frames[-1]),
        probability=float(peak[symbol]),
        alternatives=tuple((charset.symbol(c), float(peak[c])) for c in order[:top_k]),
    )


def sequence_log_probability(log_probs: ArrayLike, classes: Sequence[int]) -> float:
    """``label_log_probabilities`` of one label: log p(l|y)."""
    return float(label_log_probabilities(log_probs, [classes])[0])


def label_log_probabilities(
    log_probs: ArrayLike, labels: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """log p(l|y) of labels: the probability of each over all paths that collapse to it.

    The forward algorithm (section 4.1, equations 5 to 8), in natural logarithms.

    Args:
        log_probs: (T, C) log-probabilities of independent frames, class 0 the blank.
        labels: N labels of any length, without blanks; they may be empty.

    Returns:
        (N,) at most 0 for normalized frames; -inf where no path has any probability, as when the
        label (with a blank between each repeat) is longer than T.

    Raises:
        ValueError: ``log_probs`` is no (T, C) array, or a label holds the blank or a class
            beyond C.
    """
    table = np.asarray(log_probs, np.float64)
    if table.ndim != 2:
        raise ValueError(f"log_probs are (T, C), got shape {table.shape}")
    used = set(chain.from_iterable(labels))
    if any(not 0 < c < table.shape[1] for c in used):
        raise ValueError(f"labels hold classes below {table.shape[1]}, not the blank 0")
    if not len(labels):
        return np.zeros(0)
    last = deque(_forward(table, labels), maxlen=1)[0]
    rows, lengths = np.arange(len(labels)), np.array([len(x) for x in labels], np.intp)
    in_symbol = np.where(lengths > 0, last[rows, 2 * lengths - 1], -np.inf)
    return np.asarray(np.logaddexp(last[rows, 2 * lengths], in_symbol))


def forward_scores(
    table: NDArray[np.float64], labels: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """(T + 1, N, 2 L + 1) log-probability that the first t frames end in each state of a label.

    State 2 i is the blank after i symbols, state 2 i - 1 is the i-th symbol; L is the length of
    the longest of the N labels.
    """
    return np.stack(list(_forward(table, labels)))


def _forward(
    table: NDArray[np.float64], labels: Sequence[Sequence[int]]
) -> Iterator[NDArray[np.float64]]:
    """The rows of ``forward_scores``, each (N, 2 L + 1)."""
    states = np.zeros((len(labels), 2 * max(map(len, labels)) + 1), np.intp)
    for row, label in zip(states, labels, strict=True):
        row[1 : 2 * len(label) : 2] = label
    skips = np.full(states.shape, -np.inf)
    skips[:, 3::2] = np.where(states[:, 3::2] != states[:, 1:-2:2], 0.0, -np.inf)
    before = np.full(states.shape, -np.inf)
    before[:, 0] = 0.0
    yield before
    for frame in table:
        now = before.copy()
        now[:, 1:] = np.logaddexp(before[:, 1:], before[:, :-1])
        now[:, 2:] = np.logaddexp(now[:, 2:], before[:, :-2] + skips[:, 2:])
        now += frame[states]
        yield now
        before = now


def align(log_probs: ArrayLike, classes: Sequence[int], charset: Charset) -> list[CtcSymbol]:
    """The best path that collapses to a given label (Viterbi): where its symbols would stand.

    A symbol's probability is that of its best frame on the path. It may be far below an
    alternative's, because the label is given, not read.

    Args:
        log_probs: (T, C) log-probabilities, class 0 the blank.
        classes: the label, without blanks.
        charset: with ``blank=True`` and C classes.

    Raises:
        ValueError: the label does not fit into T frames.
    """
    table = np.asarray(log_probs, np.float64)
    label = np.asarray(classes, np.intp).reshape(-1)
    states = np.zeros(2 * len(label) + 1, np.intp)
    states[1::2] = label
    score = np.full(len(states), -np.inf)
    back = np.zeros((len(table), len(states)), np.intp)
    skips = np.zeros(len(states), bool)
    skips[3::2] = label[1:] != label[:-1]
    for t, frame in enumerate(table[:, states]):
        if t == 0:
            score[:2] = frame[:2]
            continue
        ways = np.full((3, len(states)), -np.inf)
        ways[0] = score
        ways[1, 1:] = score[:-1]
        ways[2, 2:] = np.where(skips[2:], score[:-2], -np.inf)
        back[t] = ways.argmax(0)
        score = ways.max(0) + frame
    at = len(states) - 1
    if at > 0 and score[at - 1] > score[at]:
        at -= 1
    if len(label) and not np.isfinite(score[at]):
        raise ValueError(f"a label of {len(label)} symbols does not fit into {len(table)} frames")
    path = np.zeros(len(table), np.intp)
    for t in range(len(table) - 1, -1, -1):
        path[t] = at
        at -= back[t, at]
    return [
        _symbol(table, charset, int(symbol), np.flatnonzero(path == 2 * i + 1), 5)
        for i, symbol in enumerate(label)
    ]
