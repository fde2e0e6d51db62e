"""How many codes there are, how long they are, and how many bits a symbol carries."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.patterns.automaton import Automaton

LENGTH_LIMIT = 64
"""Greatest length that is counted if codes can be of any length."""


class CodeCounts:
    """Numbers that follow from an automaton of codes; check digits are ignored.

    Attributes:
        core: the automaton.
    """

    core: Automaton

    @cached_property
    def _log2_counts(self) -> NDArray[np.float64]:
        return self.core.log2_counts(LENGTH_LIMIT)

    @property
    def max_length(self) -> int | None:
        """Symbols of the longest code; None if there is no longest."""
        return len(self._log2_counts) - 1 if self.core.finite else None

    @property
    def lengths(self) -> range | frozenset[int]:
        """Possible lengths of codes, up to ``LENGTH_LIMIT`` if there is no longest."""
        found = np.flatnonzero(np.isfinite(self._log2_counts)).tolist()
        whole = range(found[0], found[-1] + 1) if found else range(0)
        return whole if len(whole) == len(found) else frozenset(found)

    @cached_property
    def cardinality(self) -> int | float:
        """The exact number of codes; ``math.inf`` if it is infinite."""
        return self.core.cardinality()

    def bits_per_position(self) -> float:
        """Entropy of all codes up to ``LENGTH_LIMIT``, divided by their mean length.

        All codes are equally likely: 5.17 bits for any letter or digit.
        """
        bits = self._log2_counts
        share = np.exp2(bits - bits.max())
        total = bits.max() + np.log2(share.sum())
        return float(total / ((share * np.arange(len(bits))).sum() / share.sum()))
