"""How many codes there are, how long they are, how many bits a symbol carries."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.patterns.automaton import Automaton

LENGTH_LIMIT = 64
"""How far lengths are listed where there is no longest code."""


class CodeCounts:
    """What follows from an automaton of codes alone.

    Attributes:
        core: the automaton.
    """

    core: Automaton

    @cached_property
    def _log2_counts(self) -> NDArray[np.float64]:
        return self.core.log2_counts(LENGTH_LIMIT)

    @property
    def max_length(self) -> int | None:
        """Symbols of the longest code; None where there is no longest."""
        return len(self._log2_counts) - 1 if self.core.finite else None

    @property
    def lengths(self) -> range | frozenset[int]:
        """Possible lengths of codes, up to ``LENGTH_LIMIT`` where there is no longest."""
        found = np.flatnonzero(np.isfinite(self._log2_counts)).tolist()
        whole = range(found[0], found[-1] + 1) if found else range(0)
        return whole if len(whole) == len(found) else frozenset(found)

    @cached_property
    def cardinality(self) -> int | float:
        """The number of codes, exact; ``math.inf`` where there is no end. Checks do not count."""
        return self.core.cardinality()

    def entropy(self, length: int) -> float:
        """Bits to tell the codes of a length apart; -inf where there are none."""
        if 0 <= length < len(self._log2_counts):
            return float(self._log2_counts[length])
        if length < 0 or self.core.finite:
            return -math.inf
        counts = self.core.log2_counts(length)
        return float(counts[length]) if length < len(counts) else -math.inf

    def bits_per_position(self, length: int | None = None) -> float:
        """Entropy of a symbol where all codes are as likely: 5.17 for any letter or digit.

        Args:
            length: of the codes of that length; None: of all, to ``LENGTH_LIMIT`` symbols, by
                their mean length.
        """
        if length is not None:
            return self.entropy(length) / length if length > 0 else 0.0
        bits = self._log2_counts
        share = np.exp2(bits - bits.max())
        total = bits.max() + np.log2(share.sum())
        return float(total / ((share * np.arange(len(bits))).sum() / share.sum()))
