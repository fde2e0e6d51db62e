"""Prefix beam search of a CRNN's frames under an automaton.

Hannun, Maas, Jurafsky and Ng 2014 (arXiv 1408.2873, algorithm 1), with an automaton where they
have a language model: a prefix is only extended by symbols that may follow it. The finalists are
ranked by their exact probability p(l|y), not by what the beam kept of it. Numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.automaton import Automaton
from industrial_ocr.decoding.ctc import label_log_probabilities

BEAM = 24
NEGLIGIBLE = math.log(1e-6)
"""A symbol less likely than this in a frame begins nothing there, unless frames run out."""
SURE_BLANK = math.log(0.9999)
"""A frame that is blank more surely than this begins no symbol."""
_LOW = -math.inf

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Hypothesis:
    """One reading of the frames.

    Attributes:
        symbols: indices of the symbols (the class less one).
        log_prob: log p(l|y), exact.
        probability: among the readings that were found; they sum to 1 with the rest of the beam.
    """

    symbols: tuple[int, ...]
    log_prob: float
    probability: float


@dataclass(eq=False)
class _Prefixes:
    """The prefixes that are followed, one row each.

    Attributes:
        node: their place in the tree of all prefixes.
        state: of the automaton.
        last: their last symbol, -1 for the empty one.
        parent: the row of the prefix without that symbol, -1 where it is not followed.
        blank: log-probability of the paths that end in a blank.
        symbol: of those that end in the last symbol.
    """

    node: Ints
    state: Ints
    last: Ints
    parent: Ints
    blank: Floats
    symbol: Floats

    @staticmethod
    def empty(start: int) -> _Prefixes:
        """The empty prefix alone."""
        zero, none = np.zeros(1, np.int64), np.full(1, -1, np.int64)
        return _Prefixes(
            zero, np.full(1, start, np.int64), none, none, np.zeros(1), np.full(1, _LOW)
        )


class _Tree:
    """All prefixes that were ever followed; a text has one node however often it comes back."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], int] = {}
        self._parent = [-1]
        self._symbol = [-1]

    def child(self, node: int, symbol: int) -> int:
        """The node of a prefix and one more symbol."""
        found = self._known.setdefault((node, symbol), len(self._parent))
        if found == len(self._parent):
            self._parent.append(node)
            self._symbol.append(symbol)
        return found

    def parents(self, nodes: Ints) -> list[int]:
        """Of each node the one without its last symbol."""
        return [self._parent[n] for n in nodes.tolist()]

    def text(self, node: int) -> tuple[int, ...]:
        """The symbols of a prefix."""
        symbols = []
        while node > 0:
            symbols.append(self._symbol[node])
            node = self._parent[node]
        return tuple(symbols[::-1])


def beam_search(
    log_probs: ArrayLike, automaton: Automaton, most: int = 5, beam: int = BEAM
) -> list[Hypothesis]:
    """The likeliest labels that an automaton accepts, best first.

    Args:
        log_probs: (T, C + 1) log-probabilities, class 0 the blank, class i + 1 the automaton's
            symbol i.
        automaton: what may be read; ``lattice.free_automaton`` for anything.
        most: at most so many labels.
        beam: prefixes followed from frame to frame.

    Returns:
        None at all where the frames are too few for any code. The beam may miss a label; those
        found have their exact probability.

    Raises:
        ValueError: the array does not fit the automaton's symbols.
    """
    table = np.asarray(log_probs, np.float64)
    if table.ndim != 2 or table.shape[1] != len(automaton.symbols) + 1:
        raise ValueError(
            f"log_probs are (T, {len(automaton.symbols) + 1}) for this automaton, "
            f"got shape {table.shape}"
        )
    prefixes, tree = _Prefixes.empty(automaton.start), _Tree()
    for t, frame in enumerate(table):
        prefixes = _advance(prefixes, frame, automaton, len(table) - t - 1, beam, tree)
    ends = automaton.accepting[prefixes.state]
    return ranked(table, [tree.text(n) for n in prefixes.node[ends].tolist()], most)


def _extensions(
    prefixes: _Prefixes, frame: Floats, automaton: Automaton, left: int
) -> tuple[Floats, Ints]:
    """Each prefix with one more symbol: (P, C) log-probabilities and states, -inf where none is."""
    rows, symbols = len(prefixes.node), len(automaton.symbols)
    gain, state = np.full((rows, symbols), _LOW), np.full((rows, symbols), -1, np.int64)
    if frame[0] > SURE_BLANK:
        # Only what would run out of frames goes on.
        open_rows = np.flatnonzero(automaton.distance_to_accept[prefixes.state] > left)
    else:
        open_rows = np.arange(rows)
    if not len(open_rows):
        return gain, state
    first = automaton.offsets[prefixes.state[open_rows]].astype(np.int64)
    count = automaton.offsets[prefixes.state[open_rows] + 1].astype(np.int64) - first
    places = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
    source, label = np.repeat(open_rows, count), automaton.labels[places]
    short = automaton.distance_to_accept[prefixes.state[source]] > left
    likely = np.flatnonzero((frame[label + 1] > NEGLIGIBLE) | short)
    source, label, places = source[likely], label[likely], places[likely]
    total = np.logaddexp(prefixes.blank, prefixes.symbol)
    before = np.where(prefixes.last[source] == label, prefixes.blank[source], total[source])
    gain[source, label] = before + frame[label + 1]
    target = automaton.targets[places].astype(np.int64)
    state[source, label] = target
    gain[source, label] = np.where(
        automaton.distance_to_accept[target] <= left, gain[source, label], _LOW
    )
    return gain, state


def _advance(
    prefixes: _Prefixes, frame: Floats, automaton: Automaton, left: int, beam: int, tree: _Tree
) -> _Prefixes:
    """One frame on, with so many left after it: the prefixes that are followed from there."""
    total = np.logaddexp(prefixes.blank, prefixes.symbol)
    blank = total + frame[0]
    symbol = np.where(prefixes.last >= 0, prefixes.symbol + frame[prefixes.last + 1], _LOW)
    gain, state = _extensions(prefixes, frame, automaton, left)
    # A prefix whose parent is followed too is reached from there as well.
    own = np.flatnonzero(prefixes.parent >= 0)
    way = prefixes.parent[own], prefixes.last[own]
    symbol[own] = np.logaddexp(symbol[own], gain[way])
    gain[way] = _LOW
    longer_row, longer_symbol = np.nonzero(gain > _LOW)
    score = np.concatenate([np.logaddexp(blank, symbol), gain[longer_row, longer_symbol]])
    reached = np.concatenate([prefixes.state, state[longer_row, longer_symbol]])
    kept = _followed(score, automaton.distance_to_accept[reached], left, beam)
    old, new = kept[kept < len(blank)], kept[kept >= len(blank)] - len(blank)
    rows, labels = longer_row[new], longer_symbol[new]
    children = [
        tree.child(n, s) for n, s in zip(prefixes.node[rows].tolist(), labels.tolist(), strict=True)
    ]
    node = np.concatenate([prefixes.node[old], np.array(children, np.int64)])
    at = {n: i for i, n in enumerate(node.tolist())}
    return _Prefixes(
        node,
        np.concatenate([prefixes.state[old], state[rows, labels]]),
        np.concatenate([prefixes.last[old], labels]),
        np.array([at.get(n, -1) for n in tree.parents(node)], np.int64),
        np.concatenate([blank[old], np.full(len(new), _LOW)]),
        np.concatenate([symbol[old], gain[rows, labels]]),
    )


def _followed(score: Floats, distance: NDArray[np.int32], left: int, beam: int) -> Ints:
    """Rows of the best prefixes that the frames left can still bring to an end.

    And of the best one of each distance to the end, so that none starves: under a pattern whose
    last symbols are faint the likeliest prefixes are those that stop short.
    """
    alive = np.flatnonzero((distance <= left) & (score > _LOW))
    order = alive[np.argsort(-score[alive], kind="stable")]
    best_of_each = np.unique(distance[order], return_index=True)[1]
    rest = best_of_each[best_of_each >= beam]
    return np.concatenate([order[:beam], order[rest]])


def ranked(
    table: NDArray[np.float64], found: Sequence[tuple[int, ...]], most: int
) -> list[Hypothesis]:
    """The labels by their exact probability, at most so many of them.

    Args:
        table: (T, C + 1) log-probabilities.
        found: labels, as indices of symbols.
        most: at most so many.
    """
    if not found:
        return []
    scores = label_log_probabilities(table, [[s + 1 for s in k] for k in found])
    order = [i for i in np.argsort(-scores, kind="stable").tolist() if np.isfinite(scores[i])]
    if not order:
        return []
    total = float(np.logaddexp.reduce(scores[order]))
    return [
        Hypothesis(found[i], float(min(scores[i], 0.0)), math.exp(scores[i] - total))
        for i in order[:most]
    ]
