"""The best paths through a lattice of segmentation hypotheses, freely or under an automaton.

An arc from one node to another is the hypothesis that the boxes between them are one character,
with a log-probability for each symbol, or no character. A path is one segmentation and one text; an
automaton allows only paths whose text it accepts. The search is a Viterbi search over (node, state)
that keeps several best entries (Forney 1973; Chow and Schwartz 1989), vectorized over the states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.backward import (
    MAX_LOSS,
    best_of_states,
    end_scores,
    has_backward_scores,
)
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.results.types import Floats

_NO_SYMBOL = -1


@dataclass(frozen=True, eq=False)
class Arc:
    """The hypothesis that the boxes between two nodes are one character, or none.

    Attributes:
        first: node it leaves.
        last: node it reaches, after ``first``.
        log_probs: (C,) log-probability of each symbol, None if the boxes cannot be a character.
        nothing: log-probability that the boxes are no character, None if they must be one.
    """

    first: int
    last: int
    log_probs: Floats | None
    nothing: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.last:
            raise ValueError(f"an arc leads to a later node, got {self.first} to {self.last}")


@dataclass(frozen=True)
class Path:
    """One reading.

    Attributes:
        symbols: indices of the symbols read.
        arcs: the arc on which each of them was read.
        log_prob: of the path.
    """

    symbols: tuple[int, ...]
    arcs: tuple[int, ...]
    log_prob: float


def leaving(arcs: Sequence[Arc]) -> dict[int, list[tuple[int, Arc]]]:
    """The arcs with their indices, by the node they leave."""
    found: dict[int, list[tuple[int, Arc]]] = {}
    for number, arc in enumerate(arcs):
        found.setdefault(arc.first, []).append((number, arc))
    return found


def backward_scores(arcs: Sequence[Arc], nodes: int, automaton: Automaton) -> Floats | None:
    """(nodes, S) the best score from each state of each node to the end, -inf if there is no path.

    None if the automaton is too large (``has_backward_scores``).
    """
    if not has_backward_scores(automaton):
        return None
    ahead = np.full((nodes, len(automaton)), -np.inf)
    ahead[-1] = end_scores(automaton)
    arcs_of = leaving(arcs)
    for node in range(nodes - 2, -1, -1):
        own = [arc for _, arc in arcs_of.get(node, ())]
        for arc in own:
            if arc.nothing is not None:
                np.maximum(ahead[node], ahead[arc.last] + arc.nothing, out=ahead[node])
        read = [(a.log_probs, ahead[a.last]) for a in own if a.log_probs is not None]
        if read:
            values = np.stack([p for p, _ in read])[:, automaton.labels]
            rest = np.stack([after for _, after in read])[:, automaton.targets]
            best = best_of_states(automaton, values + rest).max(0)
            np.maximum(ahead[node], best, out=ahead[node])
    return ahead


def best_path(
    arcs: Sequence[Arc], nodes: int, automaton: Automaton, ahead: Floats | None = None
) -> Path | None:
    """The first of ``best_paths``, found in less time; None if the automaton accepts no path."""
    ahead = backward_scores(arcs, nodes, automaton) if ahead is None else ahead
    if ahead is None:
        return next(iter(best_paths(arcs, nodes, automaton, 1)), None)
    state = automaton.start
    if not np.isfinite(ahead[0, state]):
        return None
    node, symbols, used = 0, [], []
    arcs_of = leaving(arcs)
    while node < nodes - 1:
        steps = [_best_step(arc, number, state, automaton, ahead) for number, arc in arcs_of[node]]
        _, symbol, number, state = max(steps)
        if symbol != _NO_SYMBOL:
            symbols.append(symbol)
            used.append(number)
        node = arcs[number].last
    return Path(tuple(symbols), tuple(used), float(ahead[0, automaton.start]))


def _best_step(
    arc: Arc, number: int, state: int, automaton: Automaton, ahead: Floats
) -> tuple[float, int, int, int]:
    """The best step over an arc: score up to the end, symbol read, arc, state after it."""
    best = (-np.inf, _NO_SYMBOL, number, state)
    if arc.nothing is not None:
        best = (float(arc.nothing + ahead[arc.last, state]), _NO_SYMBOL, number, state)
    if arc.log_probs is not None:
        labels, targets = automaton.arcs(state)
        values = arc.log_probs[labels] + ahead[arc.last, targets]
        if len(values) and values.max() > best[0]:
            at = int(values.argmax())
            best = (float(values[at]), int(labels[at]), number, int(targets[at]))
    return best


def best_paths(
    arcs: Sequence[Arc],
    nodes: int,
    automaton: Automaton,
    most: int = 5,
    ahead: Floats | None = None,
) -> list[Path]:
    """The likeliest readings of a lattice, best first, each text once.

    Args:
        arcs: of the lattice.
        nodes: their number; every path leads from the first to the last.
        automaton: what may be read; ``Automaton.free`` for anything.
        most: largest number of readings.
        ahead: the ``backward_scores``, if they are known already.

    Returns:
        Empty if the automaton accepts no path. No reading within ``MAX_LOSS`` nats of the best is
        missed, unless more than 768 entries reach a node; under a pattern of a few hundred states
        it never does.
    """
    ahead = backward_scores(arcs, nodes, automaton) if ahead is None else ahead
    if ahead is not None and not np.isfinite(ahead[0, automaton.start]):
        return []
    search = _Search(automaton, most, ahead)
    start, none = np.array([automaton.start], np.int64), np.array([-1], np.int64)
    search.waiting[0] = [_Entries(start, np.zeros(1), np.zeros(1, np.uint64), none, none, none)]
    arcs_of = leaving(arcs)
    last: tuple[_Entries, int] | None = None
    for node in range(nodes):
        last = search.settle(node)
        if last is not None:
            for number, arc in arcs_of.get(node, ()):
                search.follow(*last, arc, number)
    if last is None:
        return []
    entries, first = last
    rows = np.flatnonzero(automaton.accepting[entries.state])
    order = rows[np.argsort(-entries.score[rows], kind="stable")]
    # A text that ends in several states is found in each of them.
    order = order[np.sort(np.unique(entries.text[order], return_index=True)[1])]
    every = _Entries.joined(search.kept)
    return [_traced(every, first + int(row), float(entries.score[row])) for row in order[:most]]


@dataclass(eq=False)
class _Entries:
    """Partial paths, one per row; ``text`` is a hash, ``parent`` a row of all kept entries."""

    state: NDArray[np.int64]
    score: Floats
    text: NDArray[np.uint64]
    parent: NDArray[np.int64]
    arc: NDArray[np.int64]
    symbol: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> _Entries:
        return _Entries(*(column[rows] for column in vars(self).values()))

    @staticmethod
    def joined(parts: Sequence[_Entries]) -> _Entries:
        columns = zip(*(vars(p).values() for p in parts), strict=True)
        return _Entries(*(np.concatenate(c) for c in columns))


@dataclass(eq=False)
class _Search:
    """The entries kept so far, and those that wait for their node."""

    automaton: Automaton
    most: int
    ahead: Floats | None
    waiting: dict[int, list[_Entries]] = field(default_factory=dict)
    kept: list[_Entries] = field(default_factory=list)
    count: int = 0

    def settle(self, node: int) -> tuple[_Entries, int] | None:
        """Keeps the best entries of a node; returns them and the row of the first one."""
        parts = self.waiting.pop(node, [])
        if not parts:
            return None
        found = _Entries.joined(parts)
        if self.ahead is not None:
            least = self.ahead[0, self.automaton.start] - MAX_LOSS
            reach = found.score + self.ahead[node][found.state]
            found = found.take(np.flatnonzero(reach >= least))
            if not len(found.score):
                return None
        entries = _best_of_each_state(found, self.most, self.automaton.start)
        first = self.count
        self.kept.append(entries)
        self.count += len(entries.score)
        return entries, first

    def follow(self, entries: _Entries, first: int, arc: Arc, number: int) -> None:
        """Extends a node's entries, whose first row is ``first``, over an arc."""
        rows = np.arange(len(entries.score))
        found = self.waiting.setdefault(arc.last, [])
        if arc.nothing is not None:
            score, numbers = entries.score + arc.nothing, np.full(len(rows), number)
            symbols = np.full(len(rows), _NO_SYMBOL)
            found.append(
                _Entries(entries.state, score, entries.text, first + rows, numbers, symbols)
            )
        if arc.log_probs is not None:
            offsets = self.automaton.offsets.astype(np.int64)
            start = offsets[entries.state]
            count = offsets[entries.state + 1] - start
            places = np.repeat(start - np.cumsum(count) + count, count) + np.arange(count.sum())
            source = np.repeat(rows, count)
            label = self.automaton.labels[places].astype(np.int64)
            score = entries.score[source] + arc.log_probs[label]
            text = entries.text[source] * np.uint64(1_000_003) + (label + 1).astype(np.uint64)
            target = self.automaton.targets[places].astype(np.int64)
            numbers = np.full(len(source), number)
            found.append(_Entries(target, score, text, first + source, numbers, label))


def _best_of_each_state(entries: _Entries, most: int, start: int) -> _Entries:
    """The best entry of each text in each state: ``most`` per state, 768 in all.

    Entries in the automaton's ``start`` state, where a code may still begin, are always kept.
    """
    beam = 768
    best = np.full(int(entries.state.max(initial=0)) + 1, -np.inf)
    np.maximum.at(best, entries.state, entries.score)
    near = np.flatnonzero(entries.score >= best[entries.state] - MAX_LOSS)
    order = near[np.lexsort((-entries.score[near], entries.text[near], entries.state[near]))]
    state, text = entries.state[order], entries.text[order]
    new = np.ones(len(order), bool)
    new[1:] = (state[1:] != state[:-1]) | (text[1:] != text[:-1])
    order = order[new & np.isfinite(entries.score[order])]
    order = order[np.lexsort((-entries.score[order], entries.state[order]))]
    state = entries.state[order]
    begins = np.flatnonzero(np.diff(state, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    order = order[rank < most]
    if len(order) > beam:
        ranked = np.argsort(-entries.score[order], kind="stable")
        not_started = ranked[beam:][entries.state[order[ranked[beam:]]] == start]
        order = order[np.concatenate([ranked[:beam], not_started])]
    return entries.take(order)


def _traced(every: _Entries, row: int, score: float) -> Path:
    """The path of a row, traced back over its parents to the first node."""
    symbols, arcs = [], []
    while row >= 0 and every.parent[row] >= 0:
        if every.symbol[row] != _NO_SYMBOL:
            symbols.append(int(every.symbol[row]))
            arcs.append(int(every.arc[row]))
        row = int(every.parent[row])
    return Path(tuple(symbols[::-1]), tuple(arcs[::-1]), score)


Span = tuple[int, int]
"""The first and the last node of a hypothesis."""


def arc_posteriors(
    spans: Sequence[Span], scores: Sequence[float], nodes: int
) -> tuple[list[float], float]:
    """The probability of each hypothesis over all paths (forward-backward).

    ``scores`` are log-scores; every path leads from the first to the last node.

    Returns:
        The probabilities, and the logarithm of the sum over all paths (for ``fitting``).
    """
    order = sorted(range(len(spans)), key=lambda k: spans[k])
    forward, backward = np.full(nodes, -np.inf), np.full(nodes, -np.inf)
    forward[0] = backward[-1] = 0.0
    for k in order:
        first, last = spans[k]
        forward[last] = np.logaddexp(forward[last], forward[first] + scores[k])
    for k in reversed(order):
        first, last = spans[k]
        backward[first] = np.logaddexp(backward[first], backward[last] + scores[k])
    first_nodes, last_nodes = np.array(spans, np.intp).reshape(-1, 2).T
    log_p = forward[first_nodes] + scores + backward[last_nodes] - forward[-1]
    return np.exp(np.minimum(log_p, 0.0)).tolist(), float(forward[-1])


def likeliest_arcs(spans: Sequence[Span], scores: Sequence[float], nodes: int) -> list[int]:
    """The hypotheses on the best path from the first node to the last (Viterbi), in order."""
    best, back = np.full(nodes, -np.inf), np.full(nodes, -1)
    best[0] = 0.0
    for k in sorted(range(len(spans)), key=lambda k: spans[k]):
        first, last = spans[k]
        if best[first] + scores[k] > best[last]:
            best[last], back[last] = best[first] + scores[k], k
    path, node = [], nodes - 1
    while node > 0:
        path.append(int(back[node]))
        node = spans[path[-1]][0]
    return path[::-1]
