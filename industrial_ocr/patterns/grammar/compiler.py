"""Compiles expressions to minimal automata, with limits on states and time.

Builds Thompson's automaton (1968) and applies the subset construction. The subset construction of
interegular 0.3.3 (``fsm.crawl``) searches a list for every new state and cannot be stopped.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np

from industrial_ocr.errors import PatternError
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.grammar.expression import (
    Alternation,
    CharClass,
    Concat,
    Node,
    Repeat,
    SeparatorSlot,
)

MAX_STATES = 20_000
MAX_SECONDS = 2.0
_Arcs = list[list[tuple[list[int], int]]]


class Budget:
    """A limit on the processor time of this thread, which does not depend on other processes."""

    def __init__(self) -> None:
        self._end = time.thread_time() + MAX_SECONDS

    def check(self) -> None:
        """Raises PatternError once the time is used up."""
        if time.thread_time() > self._end:
            raise PatternError(
                f"this expression takes more than {MAX_SECONDS:g} s to compile; "
                "nested repetitions are the usual cause"
            )


def compile_node(
    node: Node, alphabet: Sequence[str], separators: Collection[str] = (), run: bool = False
) -> Automaton:
    """The minimal automaton of an expression.

    Args:
        node: from ``parse_regex`` or ``parse_template``.
        alphabet: the symbols, single characters, with the separators if they are to be read.
        separators: what may stand at a ``SeparatorSlot``.
        run: allow any number of separators in a row; else at most one.

    Raises:
        PatternError: nothing matches, or ``MAX_STATES`` or ``MAX_SECONDS`` is exceeded.
    """
    size = _size(node)
    if size > MAX_STATES:
        raise PatternError(
            f"this expression unfolds to {size:,} parts; the limit is {MAX_STATES:,} states"
        )
    budget = Budget()
    between = frozenset(separators) & frozenset(alphabet)
    nfa = _Nfa(Repeat(CharClass(between), 0, None if run else 1))
    final = nfa.add(node, 0)
    # Characters that are in the same sets of the expression share one symbol until the end.
    sets = list(dict.fromkeys(chars for chars, _ in chain.from_iterable(nfa.arcs)))
    groups: dict[tuple[bool, ...], list[int]] = {}
    for index, char in enumerate(alphabet):
        signature = tuple(char in s for s in sets)
        if any(signature):
            groups.setdefault(signature, []).append(index)
    kinds = {s: [k for k, has in enumerate(groups) if has[i]] for i, s in enumerate(sets)}
    arcs = [[(kinds[s], target) for s, target in arcs] for arcs in nfa.arcs]
    small = _subsets(arcs, nfa.empty, final, len(groups), budget).minimized(budget.check)
    return _spread(small, list(groups.values()), alphabet)


def _size(node: Node) -> int:
    """About the number of states of Thompson's automaton, before it is built."""
    if isinstance(node, Concat):
        return 1 + sum(map(_size, node.parts))
    if isinstance(node, Alternation):
        return 1 + sum(map(_size, node.options))
    if isinstance(node, Repeat):
        times = node.low + 1 if node.high is None else node.high
        return 1 + times * _size(node.node)
    return 1


class _Nfa:
    """Thompson's automaton: the arcs of each state, and the states reached without a symbol.

    ``slot`` is the expression that stands for every ``SeparatorSlot``.
    """

    def __init__(self, slot: Node) -> None:
        self.arcs: list[list[tuple[frozenset[str], int]]] = [[]]
        self.empty: list[list[int]] = [[]]
        self._slot = slot

    def _state(self) -> int:
        self.arcs.append([])
        self.empty.append([])
        return len(self.arcs) - 1

    def add(self, node: Node, start: int) -> int:
        """Adds a part that begins in a state; returns the state in which it ends."""
        if isinstance(node, CharClass):
            end = self._state()
            self.arcs[start].append((node.chars, end))
            return end
        if isinstance(node, SeparatorSlot):
            return self.add(self._slot, start)
        if isinstance(node, Concat):
            for part in node.parts:
                start = self.add(part, start)
            return start
        if isinstance(node, Alternation):
            end = self._state()
            for option in node.options:
                self.empty[self.add(option, start)].append(end)
            return end
        return self._repeat(node, start)

    def _repeat(self, node: Repeat, start: int) -> int:
        for _ in range(node.low):
            start = self.add(node.node, start)
        if node.high is None:
            loop = self._state()
            self.empty[start].append(loop)
            self.empty[self.add(node.node, loop)].append(loop)
            return loop
        end = self._state()
        for _ in range(node.high - node.low):
            self.empty[start].append(end)
            start = self.add(node.node, start)
        self.empty[start].append(end)
        return end


def _subsets(
    arcs: _Arcs,
    empty: list[list[int]],
    final: int,
    kinds: int,
    budget: Budget,
) -> Automaton:
    """The subset construction.

    Args:
        arcs: for each state, the kinds of characters that lead to a target.
        empty: for each state, the states reached without a symbol.
        final: the accepting state.
        kinds: number of kinds of characters.
        budget: of time.
    """
    first = _closure({0}, arcs, empty, final)
    number, states, members = {first: 0}, [first], len(first)
    found: list[tuple[int, int, int]] = []
    for place, state in enumerate(states):
        budget.check()
        moves: dict[int, set[int]] = {}
        for member in state:
            for chars, target in arcs[member]:
                for kind in chars:
                    moves.setdefault(kind, set()).add(target)
        for kind, reached in moves.items():
            after = _closure(reached, arcs, empty, final)
            if after not in number:
                number[after] = len(states)
                states.append(after)
                members += len(after)
                if len(states) > MAX_STATES or members > 2_000_000:  # limits the memory
                    raise PatternError(
                        f"this expression needs more than {MAX_STATES:,} states, the limit; "
                        "nested or overlapping repetitions are the usual cause"
                    )
            found.append((place, kind, number[after]))
    table = np.array(found, np.int64).reshape(-1, 3)
    accepting = [final in s for s in states]
    symbols = [str(kind) for kind in range(kinds)]
    return Automaton.from_arcs(symbols, table[:, 0], table[:, 1], table[:, 2], accepting)


def _closure(states: set[int], arcs: _Arcs, empty: list[list[int]], final: int) -> frozenset[int]:
    """All states reached without a symbol that have arcs or are final."""
    seen, waiting = set(states), list(states)
    while waiting:
        for state in empty[waiting.pop()]:
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    return frozenset(s for s in seen if arcs[s] or s == final)


def _spread(small: Automaton, groups: list[list[int]], alphabet: Sequence[str]) -> Automaton:
    """Replaces each kind of characters by all characters of that kind."""
    counts = np.array([len(g) for g in groups], np.int64)[small.labels]
    labels = list(chain.from_iterable(groups[kind] for kind in small.labels.tolist()))
    sources, targets = np.repeat(small.sources, counts), np.repeat(small.targets, counts)
    return Automaton.from_arcs(alphabet, sources, labels, targets, small.accepting)
