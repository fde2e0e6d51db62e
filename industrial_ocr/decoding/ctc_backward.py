"""The look-ahead of the CTC beam search: the best score that the remaining frames can add.

``Backward`` computes backward scores for every frame and every arc of an automaton (see
``backward``). They give the best alignment directly and, together with forward scores, tell which
symbols can begin in which frame, so that few paths are followed. For an automaton of many arcs,
``Distance`` takes their place, which only knows how many symbols are left.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from industrial_ocr.decoding.backward import MAX_LOSS, best_of_states, end_scores
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.results.types import Floats

UNDERFLOW = -600.0
"""Paths below this log-probability are not searched: its exponential would be 0."""

Beginning = tuple[int, int, int, float, float]
"""An arc, its symbol, the state after it, the symbol's probability in the frame (relative to the
frame's likeliest class), and the share of the best alignment that a path through it can reach."""


class Backward:
    """The backward scores of a string's frames under an automaton.

    They are upper bounds, because they let a symbol follow itself without a blank between.

    Args:
        log_probs: (T, C + 1) log-probabilities, class 0 the blank, class i + 1 symbol i.
        automaton: what may be read, of S states and E arcs.

    Attributes:
        best: log-probability of the best alignment of all frames, -inf for none.
        least: paths below this share of the best alignment are not followed.
    """

    least = math.exp(-MAX_LOSS)

    def __init__(self, log_probs: Floats, automaton: Automaton) -> None:
        self._log_probs, self._automaton = log_probs, automaton
        frames = len(log_probs)
        # Best scores from frame t on: _ahead in a state, before a blank or a new symbol; _onward
        # on an arc, whose symbol may continue; _begun in a state where a new symbol begins in t.
        self._ahead = np.empty((frames + 1, len(automaton)))
        self._onward = np.empty((frames + 1, len(automaton.labels)))
        self._begun = np.empty((frames, len(automaton)))
        self._ahead[frames] = end_scores(automaton)
        self._onward[frames] = self._ahead[frames][automaton.targets]
        self._of_arcs = log_probs[:, automaton.labels + 1]
        for t in range(frames - 1, -1, -1):
            stay = self._of_arcs[t] + self._onward[t + 1]
            self._begun[t] = best_of_states(automaton, stay)
            np.maximum(log_probs[t, 0] + self._ahead[t + 1], self._begun[t], out=self._ahead[t])
            np.maximum(stay, self._ahead[t][automaton.targets], out=self._onward[t])
        self.best = float(self._ahead[0, automaton.start])

    @cached_property
    def hopeless(self) -> bool:
        """Whether there is no path, or only paths whose relative probability underflows."""
        return bool(self.best - self._scale[-1] < UNDERFLOW)

    def best_alignment(self) -> tuple[int, ...]:
        """The symbols of the best alignment, as indices; empty if there is none."""
        if not np.isfinite(self.best):
            return ()
        automaton, symbols = self._automaton, list[int]()
        state, arc = automaton.start, -1
        for t, frame in enumerate(self._log_probs):
            held = arc >= 0 and self._of_arcs[t, arc] + self._onward[t + 1, arc]
            if arc >= 0 and held >= self._ahead[t, state]:
                continue
            arc = -1
            if frame[0] + self._ahead[t + 1, state] >= self._begun[t, state]:
                continue
            first, last = int(automaton.offsets[state]), int(automaton.offsets[state + 1])
            values = self._of_arcs[t, first:last] + self._onward[t + 1, first:last]
            arc = first + int(values.argmax())
            symbols.append(int(automaton.labels[arc]))
            state = int(automaton.targets[arc])
        return tuple(symbols)

    def beginnings(self, t: int, state: int) -> list[Beginning]:
        """Symbols that may begin in a frame on a path near the best one, likeliest first."""
        return self._beginnings[t].get(state, [])

    def rest(self, t: int, state: int, arc: int) -> float:
        """Share of the best alignment that a path of probability 1 before frame t can reach.

        ``arc`` is the arc whose symbol may continue, -1 for none.
        """
        of_states, of_arcs = self._reach
        ahead = float(of_states[t, state])
        return ahead if arc < 0 else max(ahead, float(of_arcs[t, arc]))

    @cached_property
    def _scale(self) -> Floats:
        """(T + 1,) at t, the log-probabilities of the likeliest classes before frame t, summed."""
        return np.concatenate([[0.0], np.cumsum(self._log_probs.max(1))])

    @cached_property
    def _reach(self) -> tuple[Floats, Floats]:
        """(T + 1, S) and (T + 1, E) values of ``rest`` for states and for arcs."""
        shift = self._scale[:, None] - self.best
        of_states = np.exp(np.minimum(self._ahead + shift, -UNDERFLOW))
        return of_states, np.exp(np.minimum(self._onward + shift, -UNDERFLOW))

    @cached_property
    def _beginnings(self) -> list[dict[int, list[Beginning]]]:
        """For each frame, what ``beginnings`` returns by state."""
        automaton, log_probs, of_arcs = self._automaton, self._log_probs, self._of_arcs
        order = np.argsort(automaton.targets, kind="stable")
        into, first = np.unique(automaton.targets[order], return_index=True)
        before = np.full((len(log_probs), len(automaton)), -np.inf)
        before[0, automaton.start] = 0.0
        on_arc = np.full(len(automaton.labels), -np.inf)
        for t in range(len(log_probs) - 1):
            on_arc = of_arcs[t] + np.maximum(on_arc, before[t][automaton.sources])
            np.add(before[t], log_probs[t, 0], out=before[t + 1])
            arrived = np.maximum.reduceat(on_arc[order], first)
            before[t + 1, into] = np.maximum(before[t + 1, into], arrived)
        rest = of_arcs + self._onward[1:] - self.best
        frames, arcs = np.nonzero(before[:, automaton.sources] + rest >= -MAX_LOSS)
        best_first = np.lexsort((-rest[frames, arcs], frames))
        frames, arcs = frames[best_first], arcs[best_first]
        reach = rest[frames, arcs] + self._scale[frames]
        found: list[dict[int, list[Beginning]]] = [{} for _ in log_probs]
        p = np.exp(of_arcs[frames, arcs] - log_probs[frames].max(1)).tolist()
        share = np.exp(np.minimum(reach, -UNDERFLOW)).tolist()
        labels, targets = automaton.labels[arcs].tolist(), automaton.targets[arcs].tolist()
        beginnings = zip(arcs.tolist(), labels, targets, p, share, strict=True)
        sources = automaton.sources[arcs].tolist()
        for t, source, beginning in zip(frames.tolist(), sources, beginnings, strict=True):
            found[t].setdefault(source, []).append(beginning)
        return found


class Distance:
    """The look-ahead of a large automaton: a code must be able to end within its frames.

    Arguments and methods as in ``Backward``, but without scores of the remaining frames.
    """

    least, hopeless = 0.0, False

    def __init__(self, log_probs: Floats, automaton: Automaton) -> None:
        self._frames = np.exp(log_probs - log_probs.max(1, keepdims=True))
        self._automaton = automaton

    def beginnings(self, t: int, state: int) -> list[Beginning]:
        """Symbols that may begin in a frame, in any order; unlikely ones if few frames are left."""
        labels, targets = self._automaton.arcs(state)
        first = int(self._automaton.offsets[state])
        p = self._frames[t, labels + 1]
        left = len(self._frames) - t
        short = self._automaton.distance_to_accept[state] >= left
        fits = self._automaton.distance_to_accept[targets] < left
        return [
            (first + i, int(labels[i]), int(targets[i]), float(p[i]), 1.0)
            for i in np.flatnonzero(((p > 1e-6) | short) & fits).tolist()
        ]

    def rest(self, t: int, state: int, arc: int) -> float:
        """1 where the frames that are left suffice, else 0."""
        return float(self._automaton.distance_to_accept[state] <= len(self._frames) - t)
