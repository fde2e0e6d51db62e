"""Backward scores: the best score that can still be added from each state of a search.

They come from a Viterbi recursion that runs backwards. With them, a search follows only paths that
can end near the best reading; following the best scores gives the best reading itself. They are
computed for every state and arc of an automaton: too slow for a lexicon of 100,000 codes.
"""

from __future__ import annotations

import numpy as np

from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.results.types import Floats

MAX_LOSS = 7.0
"""A path that must end more than this many nats below the best reading is not followed."""


def has_backward_scores(automaton: Automaton) -> bool:
    """Whether backward scores are used; with more arcs they take longer than a search without."""
    return len(automaton.labels) <= 8192


def best_of_states(automaton: Automaton, values: Floats) -> Floats:
    """(..., E) arc values -> (..., S) the best of the arcs leaving each state, -inf for none."""
    found = np.full((*values.shape[:-1], len(automaton)), -np.inf)
    leaving = np.flatnonzero(np.diff(automaton.offsets))
    if len(leaving):
        first = automaton.offsets[leaving]
        found[..., leaving] = np.maximum.reduceat(values, first, axis=-1)
    return found


def end_scores(automaton: Automaton) -> Floats:
    """(S,) 0 where a code may end, -inf elsewhere."""
    return np.where(automaton.accepting, 0.0, -np.inf)
