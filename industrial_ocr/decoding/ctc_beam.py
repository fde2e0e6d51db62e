"""Prefix beam search of CTC frames: the likeliest texts that an automaton accepts.

Hannun, Maas, Jurafsky and Ng 2014 (arXiv 1408.2873, algorithm 1), with an automaton in place of
their language model: a prefix is only extended by symbols that may follow it, and only if the
look-ahead (``ctc_backward``) says that it can end near the best. The texts found are ranked by
their exact probability p(l|y), not by the part of it that the beam kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.decoding.backward import has_backward_scores
from industrial_ocr.decoding.ctc import label_log_probabilities
from industrial_ocr.decoding.ctc_backward import Backward, Distance
from industrial_ocr.patterns.automaton import Automaton

LookAhead = Backward | Distance


@dataclass(frozen=True)
class CtcReading:
    """One reading of the frames.

    Attributes:
        symbols: indices of the symbols (the class minus one).
        log_prob: log p(l|y), exact.
        probability: normalized over all readings found, also those that are not returned.
    """

    symbols: tuple[int, ...]
    log_prob: float
    probability: float


class _Prefix:
    """A prefix of the beam, with the probabilities that it ends in a blank and in its symbol."""

    __slots__ = ("arc", "blank", "children", "last", "parent", "state", "symbol")

    def __init__(self, parent: _Prefix | None, arc: int, last: int, state: int) -> None:
        self.parent, self.arc, self.last, self.state = parent, arc, last, state
        self.blank = self.symbol = 0.0
        self.children: dict[int, _Prefix] = {}

    def text(self) -> tuple[int, ...]:
        found, prefix = [], self
        while prefix.parent is not None:
            found.append(prefix.last)
            prefix = prefix.parent
        return tuple(found[::-1])


def look_ahead(log_probs: NDArray[np.float64], automaton: Automaton) -> LookAhead:
    """The look-ahead of a search: ``Backward``, or ``Distance`` for a large automaton."""
    return (Backward if has_backward_scores(automaton) else Distance)(log_probs, automaton)


def beam_search(
    log_probs: ArrayLike,
    automaton: Automaton,
    most: int = 5,
    beam: int = 24,
    ahead: LookAhead | None = None,
) -> list[CtcReading]:
    """The likeliest texts, best first.

    Args:
        log_probs: (T, C + 1) log-probabilities, class 0 the blank, class i + 1 the automaton's
            symbol i.
        automaton: what may be read; ``Automaton.free`` for anything.
        most: largest number of texts.
        beam: prefixes followed from frame to frame.
        ahead: the look-ahead of these frames and this automaton, if it exists already.

    Returns:
        Empty if the frames are too few for any text. Texts more than ``backward.MAX_LOSS`` below
        the best may be missing, and without backward scores also those that the beam lost.

    Raises:
        ValueError: the array does not fit the automaton's symbols.
    """
    table = np.asarray(log_probs, np.float64)
    if table.ndim != 2 or table.shape[1] != len(automaton.symbols) + 1:
        raise ValueError(
            f"log_probs are (T, {len(automaton.symbols) + 1}) for this automaton, "
            f"got shape {table.shape}"
        )
    if ahead is None:
        ahead = look_ahead(table, automaton)
    if ahead.hopeless:
        return []
    # Every frame is scaled by its likeliest class, so that products stay within floats.
    frames = np.exp(table - table.max(1, keepdims=True)).tolist()
    root = _Prefix(None, -1, -1, automaton.start)
    root.blank = 1.0
    followed = [root]
    for t, frame in enumerate(frames):
        followed = _advance(followed, t, frame, ahead)
        followed = _near(followed, t + 1, ahead, automaton, beam)
    ended = [p for p in followed if automaton.accepting[p.state]]
    ended = sorted(ended, key=lambda p: -p.blank - p.symbol)[: most + most // 2]
    return _ranked(table, [p.text() for p in ended], most)


def _advance(
    followed: Sequence[_Prefix], t: int, frame: Sequence[float], ahead: LookAhead
) -> list[_Prefix]:
    """Advances prefixes by one frame; returns them and their extensions."""
    old = [(p, p.blank, p.symbol) for p in followed]
    for prefix, blank, symbol in old:
        prefix.blank = (blank + symbol) * frame[0]
        prefix.symbol = symbol * frame[prefix.last + 1] if prefix.last >= 0 else 0.0
    known = {id(p) for p in followed}
    new: list[_Prefix] = []
    for prefix, blank, symbol in old:
        total = blank + symbol
        for arc, label, target, p, reach in ahead.beginnings(t, prefix.state):
            if total * reach < ahead.least:
                break
            child = prefix.children.get(label)
            if child is None:
                child = prefix.children[label] = _Prefix(prefix, arc, label, target)
            if id(child) not in known:
                known.add(id(child))
                child.blank = child.symbol = 0.0
                new.append(child)
            child.symbol += (blank if label == prefix.last else total) * p
    return [*followed, *new]


def _near(
    prefixes: Sequence[_Prefix], t: int, ahead: LookAhead, automaton: Automaton, beam: int
) -> list[_Prefix]:
    """The best of the prefixes that may still end near the best reading.

    Without backward scores, the best prefix of each distance to the end is kept, too: if the last
    symbols of a code are faint, the likeliest prefixes lack them.
    """
    found = []
    for prefix in prefixes:
        total = prefix.blank + prefix.symbol
        reach = total * ahead.rest(t, prefix.state, prefix.arc)
        if total and reach >= ahead.least:
            found.append((reach, prefix))
    if len(found) <= beam:
        return [p for _, p in found]
    ordered = [p for _, p in sorted(found, key=lambda x: -x[0])]
    kept = ordered[:beam]
    if isinstance(ahead, Distance):
        distances = {int(automaton.distance_to_accept[p.state]) for p in kept}
        for prefix in ordered[beam:]:
            distance = int(automaton.distance_to_accept[prefix.state])
            if distance not in distances:
                distances.add(distance)
                kept.append(prefix)
    return kept


def _ranked(
    table: NDArray[np.float64], found: Sequence[tuple[int, ...]], most: int
) -> list[CtcReading]:
    """The ``most`` likeliest texts by exact probability."""
    if not found:
        return []
    scores = label_log_probabilities(table, [[s + 1 for s in k] for k in found])
    order = [i for i in np.argsort(-scores, kind="stable").tolist() if np.isfinite(scores[i])]
    if not order:
        return []
    total = float(np.logaddexp.reduce(scores[order]))
    return [
        CtcReading(found[i], float(min(scores[i], 0.0)), math.exp(scores[i] - total))
        for i in order[:most]
    ]
