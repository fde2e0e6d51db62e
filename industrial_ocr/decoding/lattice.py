"""Reading under an automaton: the best paths through a lattice of segmentation hypotheses.

A string's boxes are nodes 0 to N; an arc leads over one box or several and says what they would
be together: a character, with a probability a symbol, or nothing. A path is one segmentation and
one text; under an automaton only paths whose text it accepts remain. Viterbi over (node, state)
with several best entries each (Forney 1973; Chow and Schwartz 1989), vectorised over all states of
a node. Numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.decoding.outlook import FAINT, end_scores, has_outlook, joined_arcs
from industrial_ocr.patterns.automaton import Automaton

BEAM = 768
"""At most so many entries of a node are followed, and those of the start, where a code may yet
begin; patterns of some hundred states have fewer."""
_HASH = np.uint64(1_000_003)
_NOTHING = -1

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Arc:
    """One hypothesis: what the boxes from ``first`` to ``last`` (exclusive) are together.

    Attributes:
        first: node it leaves.
        last: node it reaches, beyond ``first``.
        log_probs: (C,) log-probability of each symbol, None where it can only be nothing.
        nothing: log-probability that it is no character, None where it must be one.
        prior: added to both, for what the segmentation itself says.
    """

    first: int
    last: int
    log_probs: Floats | None
    nothing: float | None = None
    prior: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.last:
            raise ValueError(f"an arc leads forwards, got {self.first} to {self.last}")


@dataclass(frozen=True)
class Path:
    """One reading.

    Attributes:
        symbols: indices of the symbols read.
        arcs: for each of them the arc that it was read on.
        log_prob: of the path, its priors included.
    """

    symbols: tuple[int, ...]
    arcs: tuple[int, ...]
    log_prob: float


@dataclass(eq=False)
class _Entries:
    """Partial paths: one row each."""

    state: Ints
    score: Floats
    text: NDArray[np.uint64]
    parent: Ints
    arc: Ints
    symbol: Ints

    def take(self, rows: Ints) -> _Entries:
        return _Entries(*(column[rows] for column in vars(self).values()))

    @staticmethod
    def joined(parts: Sequence[_Entries]) -> _Entries:
        columns = zip(*(vars(p).values() for p in parts), strict=True)
        return _Entries(*(np.concatenate(c) for c in columns))


@dataclass(eq=False)
class _Search:
    """The rows kept so far, node by node, and those that wait for their node."""

    automaton: Automaton
    most: int
    outlook: Floats | None
    waiting: dict[int, list[_Entries]] = field(default_factory=dict)
    kept: list[_Entries] = field(default_factory=list)
    count: int = 0

    def settle(self, node: int) -> tuple[_Entries, int] | None:
        """The entries of a node that are followed, and the number of the first of them."""
        parts = self.waiting.pop(node, [])
        if not parts:
            return None
        found = _Entries.joined(parts)
        if self.outlook is not None:
            least = self.outlook[0, self.automaton.start] - FAINT
            found = found.take(
                np.flatnonzero(found.score + self.outlook[node][found.state] >= least)
            )
            if not len(found.score):
                return None
        entries = _best_of_each_state(found, self.most, self.automaton.start)
        first = self.count
        self.kept.append(entries)
        self.count += len(entries.score)
        return entries, first

    def follow(self, entries: _Entries, first: int, arc: Arc, number: int) -> None:
        """Adds what an arc makes of a node's entries."""
        rows = np.arange(len(entries.score))
        found = []
        if arc.nothing is not None:
            same = entries.take(rows)
            same.score = entries.score + arc.nothing + arc.prior
            same.parent, same.arc = first + rows, np.full(len(rows), number)
            same.symbol = np.full(len(rows), _NOTHING)
            found.append(same)
        if arc.log_probs is not None:
            offsets = self.automaton.offsets.astype(np.int64)
            start = offsets[entries.state]
            count = offsets[entries.state + 1] - start
            places = np.repeat(start - np.cumsum(count) + count, count) + np.arange(count.sum())
            source = np.repeat(rows, count)
            label = self.automaton.labels[places].astype(np.int64)
            score = entries.score[source] + arc.log_probs[label] + arc.prior
            text = entries.text[source] * _HASH + (label + 1).astype(np.uint64)
            target = self.automaton.targets[places].astype(np.int64)
            full = np.full(len(source), number)
            found.append(_Entries(target, score, text, first + source, full, label))
        self.waiting.setdefault(arc.last, []).extend(found)


def _best_of_each_state(entries: _Entries, most: int, start: int) -> _Entries:
    """The best entry of each text in each state, of those the best ``most``, of all the beam."""
    best = np.full(int(entries.state.max(initial=0)) + 1, -np.inf)
    np.maximum.at(best, entries.state, entries.score)
    near = np.flatnonzero(entries.score >= best[entries.state] - FAINT)
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
    if len(order) > BEAM:
        ranked = np.argsort(-entries.score[order], kind="stable")
        unbegun = ranked[BEAM:][entries.state[order[ranked[BEAM:]]] == start]
        order = order[np.concatenate([ranked[:BEAM], unbegun])]
    return entries.take(order)


def outlook_of(arcs: Sequence[Arc], nodes: int, automaton: Automaton) -> Floats | None:
    """(nodes, S) the best score from each state of each node to the end, -inf for none.

    Args:
        arcs: hypotheses over ``nodes - 1`` boxes.
        nodes: number of boxes and one.
        automaton: what may be read.

    Returns:
        None for automata too large to be looked at as a whole, see ``outlook.MOST_ARCS``.
    """
    if not has_outlook(automaton):
        return None
    ahead = np.full((nodes, len(automaton)), -np.inf)
    ahead[-1] = end_scores(automaton)
    ways_on = leaving(arcs)
    for node in range(nodes - 2, -1, -1):
        own = [arc for _, arc in ways_on.get(node, ())]
        for arc in own:
            if arc.nothing is not None:
                rest = ahead[arc.last] + arc.nothing + arc.prior
                np.maximum(ahead[node], rest, out=ahead[node])
        read = [a for a in own if a.log_probs is not None]
        if read:
            values = [a.log_probs + a.prior for a in read if a.log_probs is not None]
            best = joined_arcs(values, automaton, [ahead[a.last] for a in read]).max(0)
            np.maximum(ahead[node], best, out=ahead[node])
    return ahead


def best_path(
    arcs: Sequence[Arc], nodes: int, automaton: Automaton, outlook: Floats | None = None
) -> Path | None:
    """The likeliest reading of a lattice, None where the automaton accepts no path.

    Args:
        arcs: hypotheses over ``nodes - 1`` boxes.
        nodes: number of boxes and one.
        automaton: what may be read.
        outlook: of them, where it is known already; see ``outlook_of``.
    """
    ahead = outlook_of(arcs, nodes, automaton) if outlook is None else outlook
    if ahead is None:
        return next(iter(best_paths(arcs, nodes, automaton, 1)), None)
    state = automaton.start
    if not np.isfinite(ahead[0, state]):
        return None
    node, symbols, used = 0, [], []
    ways_on = leaving(arcs)
    while node < nodes - 1:
        ways = [_best_way(arc, number, state, automaton, ahead) for number, arc in ways_on[node]]
        _, symbol, number, state = max(ways)
        if symbol != _NOTHING:
            symbols.append(symbol)
            used.append(number)
        node = arcs[number].last
    return Path(tuple(symbols), tuple(used), float(ahead[0, automaton.start]))


def arc_posteriors(
    spans: Sequence[tuple[int, int]], scores: Sequence[float], nodes: int
) -> tuple[list[float], float]:
    """How likely each hypothesis is, given that one path is the true one (forward-backward).

    Args:
        spans: first and last node of each hypothesis, none backwards.
        scores: log-score of each.
        nodes: number of nodes; every path leads from the first to the last.

    Returns:
        The probability that the path goes over each, and the logarithm of the sum over all paths.
    """
    order = sorted(range(len(spans)), key=lambda k: spans[k])
    ahead, behind = [-math.inf] * nodes, [-math.inf] * nodes
    ahead[-1] = behind[0] = 0.0
    for k in order:
        first, last = spans[k]
        behind[last] = _log_add(behind[last], behind[first] + scores[k])
    for k in reversed(order):
        first, last = spans[k]
        ahead[first] = _log_add(ahead[first], ahead[last] + scores[k])
    total = behind[-1]
    found = [
        math.exp(min(behind[a] + s + ahead[b] - total, 0.0))
        for (a, b), s in zip(spans, scores, strict=True)
    ]
    return found, total


def likeliest_arcs(
    spans: Sequence[tuple[int, int]], scores: Sequence[float], nodes: int
) -> list[int]:
    """The hypotheses on the best path from the first node to the last (Viterbi), in order.

    Args:
        spans: first and last node of each hypothesis; some path leads to the last node.
        scores: log-score of each.
        nodes: number of nodes.
    """
    best, way = [-math.inf] * nodes, [-1] * nodes
    best[0] = 0.0
    for k in sorted(range(len(spans)), key=lambda k: spans[k]):
        first, last = spans[k]
        if best[first] + scores[k] > best[last]:
            best[last], way[last] = best[first] + scores[k], k
    path, node = [], nodes - 1
    while node > 0:
        path.append(way[node])
        node = spans[way[node]][0]
    return path[::-1]


def _log_add(a: float, b: float) -> float:
    high, low = (a, b) if a > b else (b, a)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _best_way(
    arc: Arc, number: int, state: int, automaton: Automaton, ahead: Floats
) -> tuple[float, int, int, int]:
    """Along one arc: what can be had in the end, the symbol read, the arc, the state after it."""
    best = (-np.inf, _NOTHING, number, state)
    if arc.nothing is not None:
        best = (float(arc.nothing + arc.prior + ahead[arc.last, state]), _NOTHING, number, state)
    if arc.log_probs is not None:
        labels, targets = automaton.arcs(state)
        values = (arc.log_probs[labels] + arc.prior) + ahead[arc.last, targets]
        if len(values) and values.max() > best[0]:
            at = int(values.argmax())
            best = (float(values[at]), int(labels[at]), number, int(targets[at]))
    return best


def leaving(arcs: Sequence[Arc]) -> dict[int, list[tuple[int, Arc]]]:
    """The arcs and their numbers by the node they leave."""
    found: dict[int, list[tuple[int, Arc]]] = {}
    for number, arc in enumerate(arcs):
        found.setdefault(arc.first, []).append((number, arc))
    return found


def best_paths(
    arcs: Sequence[Arc],
    nodes: int,
    automaton: Automaton,
    most: int = 5,
    outlook: Floats | None = None,
) -> list[Path]:
    """The likeliest readings of a lattice, best first, each text once.

    Args:
        arcs: hypotheses over ``nodes - 1`` boxes.
        nodes: number of boxes and one.
        automaton: what may be read; ``Automaton.free`` for anything. Its symbols are those that
            the arcs' ``log_probs`` are of.
        most: at most so many readings.
        outlook: of them, where it is known already; see ``outlook_of``.

    Returns:
        None at all where the automaton accepts no path. The best is exact as long as no node has
        more than ``BEAM`` entries; so are the others, down to ``FAINT`` below it.
    """
    ahead = outlook_of(arcs, nodes, automaton) if outlook is None else outlook
    if ahead is not None and not np.isfinite(ahead[0, automaton.start]):
        return []
    search = _Search(automaton, most, ahead)
    start = np.array([automaton.start], np.int64)
    nobody = np.array([-1], np.int64)
    search.waiting[0] = [
        _Entries(start, np.zeros(1), np.zeros(1, np.uint64), nobody, nobody, nobody)
    ]
    ways_on = leaving(arcs)
    last: tuple[_Entries, int] | None = None
    for node in range(nodes):
        last = search.settle(node)
        if last is not None:
            for number, arc in ways_on.get(node, ()):
                search.follow(*last, arc, number)
    if last is None:
        return []
    entries, first = last
    rows = np.flatnonzero(automaton.accepting[entries.state])
    if not len(rows):
        return []
    order = rows[np.argsort(-entries.score[rows], kind="stable")]
    # A text that ends in several states is found in each of them.
    order = order[np.sort(np.unique(entries.text[order], return_index=True)[1])]
    every = _Entries.joined(search.kept)
    return [_path(every, first + int(row), float(entries.score[row])) for row in order[:most]]


def _path(every: _Entries, row: int, score: float) -> Path:
    """Follows the parents of a row back to the first node."""
    symbols, arcs = [], []
    while row >= 0 and every.parent[row] >= 0:
        if every.symbol[row] != _NOTHING:
            symbols.append(int(every.symbol[row]))
            arcs.append(int(every.arc[row]))
        row = int(every.parent[row])
    return Path(tuple(symbols[::-1]), tuple(arcs[::-1]), score)
