"""The outlook of a search: from each of its states, the best score that can still be added.

Viterbi's recursion run backwards. A search that knows it follows only what can come near the best
reading in the end, and the best reading itself is found by walking along it. Dense over the states
and arcs of an automaton, so for patterns; a lexicon of 100,000 codes has too many of them. Numpy
only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.patterns.automaton import Automaton

MOST_ARCS = 8192
"""Automata of more arcs have no outlook: it would take longer than the search it spares."""

FAINT = 7.0
"""What cannot end less than so many nats below the best reading is not followed."""

Floats = NDArray[np.float64]


def has_outlook(automaton: Automaton) -> bool:
    return len(automaton.labels) <= MOST_ARCS


def best_of_states(automaton: Automaton, values: Floats) -> Floats:
    """(..., S) the best of the values of the arcs that leave each state, -inf where none does.

    Args:
        automaton: of S states and E arcs.
        values: (..., E) one an arc.
    """
    found = np.full((*values.shape[:-1], len(automaton)), -np.inf)
    first = automaton.offsets[:-1]
    leaving = np.flatnonzero(np.diff(automaton.offsets))
    if len(leaving):
        found[..., leaving] = np.maximum.reduceat(values, first[leaving], axis=-1)
    return found


def end_scores(automaton: Automaton) -> Floats:
    """(S,) 0 where a code may end, -inf elsewhere."""
    return np.where(automaton.accepting, 0.0, -np.inf)


def joined_arcs(values: Sequence[Floats], automaton: Automaton, ahead: Sequence[Floats]) -> Floats:
    """(A, S) the best of reading A boxes as one symbol each and going on from there.

    Args:
        values: A times (C,) log-probabilities of the symbols.
        automaton: what may be read.
        ahead: A times (S,) outlook of the nodes that they lead to.
    """
    own = np.stack(values)[:, automaton.labels] + np.stack(ahead)[:, automaton.targets]
    return best_of_states(automaton, own)
