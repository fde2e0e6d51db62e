"""Deterministic finite automata over symbols, which guide the decoders.

Arcs are stored sparsely (CSR). A lexicon of 100,000 random codes has hundreds of thousands of
states with few arcs each: about 12 MB, while a table of states times symbols takes 100 MB.
``table`` gives that dense table, for patterns of a few hundred states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.errors import PatternError

Ints = NDArray[np.int32]
DEAD = -1
"""Stands for the next state where there is none."""
NOTHING_MATCHES = "nothing matches this pattern"


def _no_check() -> None:
    """No limit on time."""


@dataclass(frozen=True, eq=False)
class Automaton:
    """A trimmed automaton: every state is on a path from the start to an accepting state.

    A symbol is given by its index in ``symbols``. For an automaton over a charset with a blank
    that is the class minus one.

    Attributes:
        symbols: C symbols.
        offsets: (S + 1,) the arcs of state s are ``offsets[s]`` to ``offsets[s + 1]``.
        labels: (E,) symbols of the arcs, ascending within a state.
        targets: (E,) states that the arcs lead to.
        accepting: (S,) bool, the states where a code may end.
        distance_to_accept: (S,) int32, least number of symbols to an accepting state.
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
        """Accepts any text of the symbols, also the empty one."""
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
        """Builds an automaton; drops states on no path from the start to an accepting state.

        Args:
            symbols: C symbols.
            sources: (E,) states.
            labels: (E,) indices of symbols, different for all arcs of a state.
            targets: (E,) states.
            accepting: (S,) bool.
            start: the state where codes begin.

        Raises:
            PatternError: no accepting state can be reached.
        """
        source, label, target = (np.asarray(a, np.int64) for a in (sources, labels, targets))
        accepts = np.asarray(accepting, bool)
        away = _distances(source, target, np.array([start]), len(accepts))
        distance = _distances(target, source, np.flatnonzero(accepts), len(accepts))
        if distance[start] < 0:
            raise PatternError(NOTHING_MATCHES)
        order = np.argsort(away, kind="stable")
        order = order[(away[order] >= 0) & (distance[order] >= 0)]
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
            distance[order].astype(np.int32),
        )
        for array in made._arrays:
            array.setflags(write=False)
        return made

    def __len__(self) -> int:
        """Number of states."""
        return len(self.accepting)

    def sample(self, rng: np.random.Generator) -> list[int]:
        """A random path from the start to an end; all arcs, and stopping, are equally likely."""
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
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.offsets, self.labels, self.targets, self.accepting, self.distance_to_accept

    @cached_property
    def table(self) -> Ints:
        """(S, C) int32, the next state or -1. It is large for a large lexicon."""
        table = np.full((len(self), len(self.symbols)), DEAD, np.int32)
        table[self.sources, self.labels] = self.targets
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
        """The symbols that may follow in a state, and the states that they lead to."""
        first, last = self.offsets[state], self.offsets[state + 1]
        return self.labels[first:last], self.targets[first:last]

    def step(self, state: int, symbol: int) -> int:
        """The state after a symbol; -1 if the symbol may not follow or the state is -1."""
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

    @cached_property
    def _bottom_up(self) -> list[int] | None:
        """The states, each after all states that it leads to; None if there is a cycle."""
        first, arcs = _leaving(self.targets, len(self))
        begins, predecessors = first.tolist(), self.sources[arcs].tolist()
        open_arcs = np.diff(self.offsets).tolist()
        order = [state for state, n in enumerate(open_arcs) if n == 0]
        for state in order:
            for source in predecessors[begins[state] : begins[state + 1]]:
                open_arcs[source] -= 1
                if not open_arcs[source]:
                    order.append(source)
        return order if len(order) == len(self) else None

    @property
    def finite(self) -> bool:
        """Whether the number of codes is finite: there is no cycle."""
        return self._bottom_up is not None

    def cardinality(self) -> int | float:
        """The exact number of codes; ``math.inf`` if it is infinite."""
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
            limit: greatest length to count if the number of codes is infinite.

        Returns:
            (greatest length + 1,) float64, -inf for lengths without codes.
        """
        ways: NDArray[np.float64] = np.zeros(len(self))
        ways[self.start] = 1.0
        scale = 0.0
        counts: list[float] = []
        with np.errstate(divide="ignore"):
            while ways.any() and (self.finite or len(counts) <= limit):
                counts.append(scale + float(np.log2(ways[self.accepting].sum())))
                # Scaled, because 74 ** 200 is too large for a float.
                most = float(ways.max())
                scale += math.log2(most)
                ways = np.bincount(self.targets, ways[self.sources] / most, len(self)).astype(float)
        return np.array(counts)

    def minimized(self, check: Callable[[], None] = _no_check) -> Automaton:
        """The automaton of the same codes with the fewest states.

        Args:
            check: called repeatedly; may raise to stop.
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
        """(S,) equal numbers for equivalent states of an automaton without cycles.

        Revuz 1992, "Minimization of acyclic deterministic automata in linear time".
        """
        offsets, labels = self.offsets.tolist(), self.labels.tolist()
        targets, accepting = self.targets.tolist(), self.accepting.tolist()
        seen: dict[tuple[object, ...], int] = {}
        blocks: dict[int, int] = {}
        for state in self._bottom_up or ():
            first, last = offsets[state], offsets[state + 1]
            arcs = tuple(blocks[t] for t in targets[first:last])
            key = (accepting[state], *labels[first:last], *arcs)
            blocks[state] = seen.setdefault(key, len(seen))
        return np.array([blocks[state] for state in range(len(self))], np.int64)

    def _blocks_by_refinement(self, check: Callable[[], None]) -> NDArray[np.int64]:
        """The same for an automaton with cycles (Moore 1956): splits blocks until their arcs agree.

        The first blocks are the distances to an accepting state, which are equal for equivalent
        states; from them a chain needs only one round.
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


def _leaving(
    sources: NDArray[np.integer], states: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The arcs by source: those of state s are ``arcs[first[s] : first[s + 1]]``."""
    arcs = np.argsort(sources, kind="stable").astype(np.int64)
    first = np.searchsorted(sources[arcs], np.arange(states + 1)).astype(np.int64)
    return first, arcs


def _distances(
    sources: NDArray[np.int64], targets: NDArray[np.int64], starts: NDArray[np.int64], states: int
) -> NDArray[np.int64]:
    """(S,) least number of arcs from any of the starts to each state; -1 if there is no way."""
    first, arcs = _leaving(sources, states)
    distance = np.full(states, -1, np.int64)
    front, steps = starts, 0
    while len(front):
        distance[front] = steps
        count = first[front + 1] - first[front]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        after = targets[arcs[np.repeat(first[front], count) + within]]
        front = np.unique(after[distance[after] < 0])
        steps += 1
    return distance
