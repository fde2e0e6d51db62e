"""How codes are spelled: with separators between their symbols, in the symbols of a charset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.grammar.compiler import MAX_STATES, Budget
from industrial_ocr.patterns.grammar.expression import fold


def with_separators(
    core: Automaton, separators: Sequence[str], groups: Sequence[int] = ()
) -> Automaton:
    """Lets one separator stand between two symbols of a code, never before or after it.

    Args:
        core: of codes without separators.
        separators: symbols that ``core`` does not have.
        groups: after so many symbols each, a separator may stand; empty: after any symbol.
    """
    size = len(core)
    # Without groups a layer is enough to know the start where no way leads back to it.
    flat = not groups and not (core.targets == core.start).any()
    layers = 1 if flat else sum(groups) + 2
    breaks = set(np.cumsum(groups).tolist()) if groups else {layers - 1}
    # State (layer, s) has read so many symbols, the last layer more than matter; half a table
    # further on it has just read a separator as well. Trimming drops what is never reached.
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
    """The same codes spelled with a charset, those that can be.

    A symbol of several characters goes where its characters lead one after the other.

    Args:
        automaton: over single characters; upper-case ones where ``ignore_case``.
        charset: its symbols become the automaton's, in order, without the blank.
        ignore_case: a letter of the charset stands for its upper case.

    Raises:
        PatternError: no code can be spelled.
    """
    keys = automaton.sources.astype(np.int64) * len(automaton.symbols) + automaton.labels
    sources, labels, targets = [], [], []
    for index, symbol in enumerate(charset.symbols):
        spelled = [automaton.index.get(fold(c) if ignore_case else c, -1) for c in symbol]
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
    """That of a large lexicon is as good as minimal, and it would take seconds to make it so."""
    small = len(automaton) <= MAX_STATES
    return automaton.minimized(Budget().check) if small else automaton
