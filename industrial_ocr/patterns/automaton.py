"""Deterministic finite automata over symbols: what decoders walk along.

The arcs are kept sparse (CSR): a lexicon of 100,000 random codes has some hundred thousand states
with little more than one arc each, a dozen megabytes, where a table of states times symbols has a
hundred. ``table`` makes that table for the usual pattern of less than a few hundred states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra

from industrial_ocr.errors import PatternError

Ints = NDArray[np.int32]
DEAD = -1
"""The next state where there is none."""
NOTHING_MATCHES = "nothing matches this pattern"


def _no_check() -> None:
    """No limit on time."""


@dataclass(frozen=True, eq=False)
class Automaton:
    """States, and where each symbol leads; every state is on a way from the start to an end.

    A symbol is named by its index in ``symbols``: for an automaton over a charset that is the
    class less one where the charset has a blank.

    Attributes:
        symbols: C symbols.
        offsets: (S + 1,) the arcs of state s are ``offsets[s]`` to ``offsets[s + 1]``.
        labels: (E,) symbols of the arcs, ascending within a state.
        targets: (E,) states they lead to.
        accepting: (S,) bool, where a code may end.
        distance_to_accept: (S,) int32, the least number of symbols to such a state.
        start: the first state; always 0.
    """

    symbols: tuple[str, ...]
    offsets: Ints
    labels: Ints
    targets: Ints
    accepting: NDArray[np.bool_]
    distance_to_accept: Ints
    start: int = 0

    @staticmethod
    def free(symbols: Sequence[str]) -> Automaton:
        """Any text of those symbols, the empty one included."""
        zeros = np.zeros(len(symbols), np.int64)
        return Automaton.from_arcs(symbols, zeros, np.arange(len(symbols)), zeros, [True])

    @staticmethod
    def from_arcs(
        symbols: Sequence[str],
        sources: ArrayLike,
        labels: ArrayLike,
        targets: ArrayLike,
        accepting: ArrayLike,
        start: int = 0,
    ) -> Automaton:
        """Keeps the states on a way from the start to an accepting one, renumbers from the start.

        Args:
            symbols: C symbols.
            sources: (E,) states.
            labels: (E,) indices of symbols; no two arcs of a state have the same.
            targets: (E,) states.
            accepting: (S,) bool.
            start: where codes begin.

        Raises:
            PatternError: no way leads from the start to an accepting state.
        """
        source, label, target = (np.asarray(a, np.int64) for a in (sources, labels, targets))
        accepts = np.asarray(accepting, bool)
        graph = _graph(source, target, len(accepts))
        order = breadth_first_order(graph, start, return_predecessors=False)
        ends = np.flatnonzero(accepts)
        if not len(ends):
            raise PatternError(NOTHING_MATCHES)
        back = csr_array(graph.T)
        far = dijkstra(back, indices=ends, unweighted=True, min_only=True)
        order = order[np.isfinite(far[order])]
        if not len(order) or order[0] != start:
            raise PatternError(NOTHING_MATCHES)
        number = np.full(len(accepts), DEAD, np.int64)
        number[order] = np.arange(len(order))
        kept = (number[source] >= 0) & (number[target] >= 0)
        source, label, target = number[source[kept]], label[kept], number[target[kept]]
        by_state = np.lexsort((label, source))
        offsets = np.searchsorted(source[by_state], np.arange(len(order) + 1))
        made = Automaton(
            tuple(symbols),
            offsets.astype(np.int32),
            label[by_state].astype(np.int32),
            target[by_state].astype(np.int32),
            accepts[order],
            far[order].astype(np.int32),
        )
        for array in made._arrays:
            array.setflags(write=False)
        return made

    def __len__(self) -> int:
        """Number of states."""
        return len(self.accepting)

    def sample(self, rng: np.random.Generator) -> list[int]:
        """A random walk from the start to an end: every way on, and stopping, is as likely."""
        state = self.start
        found: list[int] = []
        while True:
            first, last = int(self.offsets[state]), int(self.offsets[state + 1])
            chosen = int(rng.integers(first, last + bool(self.accepting[state])))
            if chosen == last:
                return found
            found.append(int(self.labels[chosen]))
            state = int(self.targets[chosen])

    @property
    def nbytes(self) -> int:
        """Bytes of the sparse form; ``table`` takes another 4 S C once it is asked for."""
        return sum(a.nbytes for a in self._arrays)

    @property
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.offsets, self.labels, self.targets, self.accepting, self.distance_to_accept

    @cached_property
    def table(self) -> Ints:
        """(S, C) int32, the next state or -1; kept. For a large lexicon use ``rows``."""
        table = self.rows(np.arange(len(self)))
        table.setflags(write=False)
        return table

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of each symbol."""
        return {s: i for i, s in enumerate(self.symbols)}

    @cached_property
    def sources(self) -> Ints:
        """(E,) the states that the arcs leave."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.offsets))

    def arcs(self, state: int) -> tuple[Ints, Ints]:
        """Symbols that may follow in a state and the states they lead to."""
        first, last = self.offsets[state], self.offsets[state + 1]
        return self.labels[first:last], self.targets[first:last]

    def step(self, state: int, symbol: int) -> int:
        """The state after a symbol; -1 where it may not follow, and from -1."""
        if state < 0:
            return DEAD
        labels, targets = self.arcs(state)
        at = int(np.searchsorted(labels, symbol))
        return int(targets[at]) if at < len(labels) and labels[at] == symbol else DEAD

    def run(self, symbols: Sequence[int], state: int = 0) -> int:
        """The state after several symbols, or -1."""
        for symbol in symbols:
            state = self.step(state, symbol)
        return state

    def rows(self, states: ArrayLike) -> Ints:
        """(N, C) next states of N states: those rows of ``table``; a row of -1 for a state -1."""
        wanted = np.asarray(states, np.int64).reshape(-1)
        rows = np.full((len(wanted), len(self.symbols)), DEAD, np.int32)
        alive = np.flatnonzero(wanted >= 0)
        first = self.offsets[wanted[alive]].astype(np.int64)
        counts = self.offsets[wanted[alive] + 1] - first
        arcs = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        rows[np.repeat(alive, counts), self.labels[arcs]] = self.targets[arcs]
        return rows

    @cached_property
    def _bottom_up(self) -> list[int] | None:
        """The states, each after all those it leads to; None where there is a cycle."""
        if not self.finite:
            return None
        graph = _graph(self.sources, self.targets, len(self))
        back = csr_array(graph.T)
        before, into = back.indptr.tolist(), back.indices.tolist()
        waiting = np.diff(graph.indptr).tolist()
        order = [s for s, n in enumerate(waiting) if n == 0]
        for state in order:
            for source in into[before[state] : before[state + 1]]:
                waiting[source] -= 1
                if not waiting[source]:
                    order.append(source)
        return order

    @cached_property
    def finite(self) -> bool:
        """Whether there are finitely many codes: no way leads in a circle."""
        graph = _graph(self.sources, self.targets, len(self))
        parts, _ = connected_components(graph, connection="strong")
        return bool(parts == len(self)) and not np.any(self.sources == self.targets)

    def cardinality(self) -> int | float:
        """The number of codes, exact; ``math.inf`` where there is no end of them."""
        if self._bottom_up is None:
            return math.inf
        offsets, targets = self.offsets.tolist(), self.targets.tolist()
        codes = self.accepting.astype(int).tolist()
        for state in self._bottom_up:
            for target in targets[offsets[state] : offsets[state + 1]]:
                codes[state] += codes[target]
        return int(codes[self.start])

    def log2_counts(self, limit: int) -> NDArray[np.float64]:
        """Base-2 logarithm of the number of codes of each length.

        Args:
            limit: the longest length to look at where there is no end; else all lengths are.

        Returns:
            (longest length + 1,) float64, -inf where no code has that length.
        """
        step = _graph(self.sources, self.targets, len(self)).T
        ways: NDArray[np.float64] = np.zeros(len(self))
        ways[self.start] = 1.0
        scale = 0.0
        counts: list[float] = []
        with np.errstate(divide="ignore"):
            while ways.any() and (self.finite or len(counts) <= limit):
                counts.append(scale + float(np.log2(ways[self.accepting].sum())))
                # Scaled, as 74 ** 200 is no float.
                most = float(ways.max())
                scale += math.log2(most)
                ways = np.asarray(step @ (ways / most), np.float64)
        return np.array(counts)

    def minimized(self, check: Callable[[], None] = _no_check) -> Automaton:
        """The automaton of the same codes with the fewest states.

        Args:
            check: called now and then; may raise to stop.
        """
        block = self._blocks_by_arcs() if self.finite else self._blocks_by_refinement(check)
        kept = np.unique(block, return_index=True)[1]
        if len(kept) == len(self):
            return self
        used = np.zeros(len(self), bool)
        used[kept] = True
        arcs = used[self.sources]
        return Automaton.from_arcs(
            self.symbols,
            block[self.sources[arcs]],
            self.labels[arcs],
            block[self.targets[arcs]],
            self.accepting[kept],
            int(block[self.start]),
        )

    def _blocks_by_arcs(self) -> NDArray[np.int64]:
        """(S,) equal numbers for states of equal futures; without cycles, one look at each state.

        Revuz 1992, "Minimization of acyclic deterministic automata in linear time".
        """
        offsets, labels = self.offsets.tolist(), self.labels.tolist()
        targets, accepting = self.targets.tolist(), self.accepting.tolist()
        seen: dict[tuple[object, ...], int] = {}
        block = [0] * len(self)
        for state in self._bottom_up or ():
            first, last = offsets[state], offsets[state + 1]
            arcs = tuple(block[t] for t in targets[first:last])
            key = (accepting[state], *labels[first:last], *arcs)
            block[state] = seen.setdefault(key, len(seen))
        return np.array(block, np.int64)

    def _blocks_by_refinement(self, check: Callable[[], None]) -> NDArray[np.int64]:
        """The same with cycles: blocks are split until each leads to equal blocks.

        Moore 1956. It begins with the distances to an end, which equal states share, so that
        chains take one round and not one round a state.
        """
        columns = np.unique(self.table, axis=1).T
        first = self.distance_to_accept.astype(np.int64)
        block = np.unique(first, return_inverse=True)[1].astype(np.int64)
        while True:
            before = block
            for column in columns:
                check()
                after = np.where(column >= 0, before[column], len(self))
                block = np.unique(block * (len(self) + 1) + after, return_inverse=True)[1]
            if block.max() == before.max():
                return block


def _graph(sources: NDArray[np.integer], targets: NDArray[np.integer], states: int) -> csr_array:
    """(S, S) sparse matrix: the number of arcs from one state to another."""
    return csr_array((np.ones(len(sources)), (sources, targets)), shape=(states, states))
