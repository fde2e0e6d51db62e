"""Automata of codes with separators between their symbols, and in the symbols of a charset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.grammar.compiler import MAX_STATES, Budget
from industrial_ocr.patterns.grammar.expression import fold_case


def with_separators(
    core: Automaton, separators: Sequence[str], groups: Sequence[int] = ()
) -> Automaton:
    """Allows one separator between two symbols of a code, but not before or after it.

    Args:
        core: of codes without separators.
        separators: symbols that ``core`` does not have.
        groups: a separator may follow each of these numbers of symbols; empty: any symbol.
    """
    size = len(core)
    # Without groups one layer is enough if no arc leads back to the start.
    flat = not groups and not (core.targets == core.start).any()
    layers = 1 if flat else sum(groups) + 2
    breaks = set(np.cumsum(groups).tolist()) if groups else {layers - 1}
    # In layer n, n symbols have been read (in the last one, n or more). State s + half is state s
    # after a separator. States that cannot be reached are dropped in the end.
    half = layers * size
    sources, labels, targets = [], [], []
    for layer in range(layers):
        after = min(layer + 1, layers - 1)
        for shift in (0, half):
            sources.append(core.sources.astype(np.int64) + layer * size + shift)
            labels.append(core.labels)
            targets.append(core.targets.astype(np.int64) + after * size)
        if layer in breaks:
            here = np.arange(1 if flat else 0, size) + layer * size
            for index in range(len(core.symbols), len(core.symbols) + len(separators)):
                sources.append(here)
                labels.append(np.full(len(here), index, np.int32))
                targets.append(here + half)
    accepting = np.concatenate([np.tile(core.accepting, layers), np.zeros(half, bool)])
    made = Automaton.from_arcs(
        (*core.symbols, *separators),
        np.concatenate(sources),
        np.concatenate(labels),
        np.concatenate(targets),
        accepting,
    )
    return _minimized(made)


def project(automaton: Automaton, charset: Charset, ignore_case: bool = False) -> Automaton:
    """The codes that can be spelled with a charset, as an automaton over its symbols.

    A symbol of several characters leads where its characters lead one after the other.

    Args:
        automaton: over single characters; upper-case ones if ``ignore_case``.
        charset: its symbols, in order and without the blank, become those of the automaton.
        ignore_case: a letter of the charset is read as its upper case.

    Raises:
        PatternError: no code can be spelled.
    """
    keys = automaton.sources.astype(np.int64) * len(automaton.symbols) + automaton.labels
    sources, labels, targets = [], [], []
    for index, symbol in enumerate(charset.symbols):
        spelled = [automaton.index.get(fold_case(c) if ignore_case else c, -1) for c in symbol]
        arcs = np.flatnonzero(automaton.labels == spelled[0])
        source, target = automaton.sources[arcs], automaton.targets[arcs]
        for char in spelled[1:]:
            wanted = target.astype(np.int64) * len(automaton.symbols) + char
            at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            found = keys[at] == wanted
            source, target = source[found], automaton.targets[at[found]]
        sources.append(source)
        labels.append(np.full(len(source), index))
        targets.append(target)
    made = Automaton.from_arcs(
        charset.symbols,
        np.concatenate(sources),
        np.concatenate(labels),
        np.concatenate(targets),
        automaton.accepting,
    )
    return _minimized(made)


def _minimized(automaton: Automaton) -> Automaton:
    """Minimizes, except large lexicons: they are almost minimal and it would take seconds."""
    small = len(automaton) <= MAX_STATES
    return automaton.minimized(Budget().check) if small else automaton
