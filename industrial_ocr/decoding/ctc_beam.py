"""Prefix beam search of a CRNN's frames under an automaton.

Hannun, Maas, Jurafsky and Ng 2014 (arXiv 1408.2873, algorithm 1), with an automaton where they
have a language model: a prefix is only extended by symbols that may follow it. The finalists are
ranked by their exact probability p(l|y), not by what the beam kept of it. Numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.automaton import Automaton
from industrial_ocr.decoding.ctc import label_log_probabilities

BEAM = 24
NEGLIGIBLE = math.log(1e-6)
"""A symbol less likely than this in a frame begins no extension there, unless nothing else may."""
SURE_BLANK = math.log(0.9999)
"""A frame that is blank more surely than this begins no symbol."""
_LOW = -math.inf


@dataclass(frozen=True)
class Hypothesis:
    """One reading of the frames.

    Attributes:
        symbols: indices of the symbols (the class less one).
        log_prob: log p(l|y), exact.
        probability: among the readings that were found; they sum to 1 with the rest of the beam.
    """

    symbols: tuple[int, ...]
    log_prob: float
    probability: float


@dataclass
class _Prefix:
    """Log-probability of the paths that end in a blank, and of those that end in the symbol."""

    state: int
    blank: float = _LOW
    symbol: float = _LOW

    @property
    def total(self) -> float:
        return _add(self.blank, self.symbol)


def _add(a: float, b: float) -> float:
    """log(exp(a) + exp(b)); numpy's costs ten times as much for two numbers."""
    if a < b:
        a, b = b, a
    return a if b == _LOW else a + math.log1p(math.exp(b - a))


def _needed(automaton: Automaton, prefix: _Prefix, frames_left: int) -> bool:
    """Whether the frames that are left can still bring a prefix to an end."""
    return int(automaton.distance_to_accept[prefix.state]) <= frames_left


def beam_search(
    log_probs: ArrayLike, automaton: Automaton, most: int = 5, beam: int = BEAM
) -> list[Hypothesis]:
    """The likeliest labels that an automaton accepts, best first.

    Args:
        log_probs: (T, C + 1) log-probabilities, class 0 the blank, class i + 1 the automaton's
            symbol i.
        automaton: what may be read; ``lattice.free_automaton`` for anything.
        most: at most so many labels.
        beam: prefixes followed from frame to frame.

    Returns:
        None at all where the frames are too few for any code. The beam may miss a label; those
        found have their exact probability.

    Raises:
        ValueError: the array does not fit the automaton's symbols.
    """
    table = np.asarray(log_probs, np.float64)
    if table.ndim != 2 or table.shape[1] != len(automaton.symbols) + 1:
        raise ValueError(
            f"log_probs are (T, {len(automaton.symbols) + 1}) for this automaton, "
            f"got shape {table.shape}"
        )
    prefixes: dict[tuple[int, ...], _Prefix] = {(): _Prefix(automaton.start, blank=0.0)}
    for t, frame in enumerate(table):
        left = len(table) - t - 1
        prefixes = _advance(prefixes, frame, automaton, left)
        alive = [(k, p) for k, p in prefixes.items() if _needed(automaton, p, left)]
        alive.sort(key=lambda item: -item[1].total)
        prefixes = dict(_spread(alive, automaton, beam))
    found = [k for k, p in prefixes.items() if automaton.accepting[p.state]]
    return _ranked(table, found, most)


def _spread(
    ranked: Sequence[tuple[tuple[int, ...], _Prefix]], automaton: Automaton, beam: int
) -> list[tuple[tuple[int, ...], _Prefix]]:
    """The best prefixes, and the best one of each distance to the end, so that none starves.

    Under a pattern whose last symbols are faint the likeliest prefixes are those that stop short.
    """
    kept = list(ranked[:beam])
    seen = {int(automaton.distance_to_accept[p.state]) for _, p in kept}
    for key, prefix in ranked[beam:]:
        distance = int(automaton.distance_to_accept[prefix.state])
        if distance not in seen:
            seen.add(distance)
            kept.append((key, prefix))
    return kept


def _advance(
    prefixes: dict[tuple[int, ...], _Prefix],
    frame: NDArray[np.float64],
    automaton: Automaton,
    left: int,
) -> dict[tuple[int, ...], _Prefix]:
    """One frame on, with so many left after it."""
    after: dict[tuple[int, ...], _Prefix] = {}

    def reach(key: tuple[int, ...], state: int) -> _Prefix:
        return after.setdefault(key, _Prefix(state))

    values = frame.tolist()
    for key, prefix in prefixes.items():
        total = prefix.total
        same = reach(key, prefix.state)
        same.blank = _add(same.blank, total + values[0])
        last = key[-1] if key else None
        if last is not None:
            same.symbol = _add(same.symbol, prefix.symbol + values[last + 1])
        if values[0] > SURE_BLANK and int(automaton.distance_to_accept[prefix.state]) <= left:
            continue
        labels, targets = automaton.arcs(prefix.state)
        likely = frame[labels + 1] > NEGLIGIBLE
        if not likely.any() and len(labels):
            likely[int(frame[labels + 1].argmax())] = True
        for label, target in zip(labels[likely].tolist(), targets[likely].tolist(), strict=True):
            gain = (prefix.blank if label == last else total) + values[label + 1]
            if gain > _LOW:
                longer = reach((*key, label), target)
                longer.symbol = _add(longer.symbol, gain)
    return after


def _ranked(
    table: NDArray[np.float64], found: Sequence[tuple[int, ...]], most: int
) -> list[Hypothesis]:
    """The labels by their exact probability."""
    if not found:
        return []
    scores = label_log_probabilities(table, [[s + 1 for s in k] for k in found])
    order = [i for i in np.argsort(-scores, kind="stable").tolist() if np.isfinite(scores[i])]
    if not order:
        return []
    total = float(np.logaddexp.reduce(scores[order]))
    return [
        Hypothesis(found[i], float(min(scores[i], 0.0)), math.exp(scores[i] - total))
        for i in order[:most]
    ]
