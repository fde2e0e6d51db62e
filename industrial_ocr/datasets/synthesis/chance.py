"""Random choices for several modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.random import Generator

T = TypeVar("T")


def pick(rng: Generator, options: Sequence[T]) -> T:
    """One of the options, each with the same chance."""
    return options[int(rng.integers(len(options)))]


def pick_weighted(rng: Generator, options: Sequence[tuple[T, float]]) -> T:
    """One of the (option, weight) pairs, with a chance in proportion to its weight."""
    limits = np.cumsum([weight for _, weight in options])
    return options[int(np.searchsorted(limits, rng.random() * limits[-1], side="right"))][0]


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """A number in a range, uniform on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
