"""Random choices that several modules make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.random import Generator

T = TypeVar("T")


def pick(rng: Generator, options: Sequence[T]) -> T:
    """One of some options, all equally likely."""
    return options[int(rng.integers(len(options)))]


def pick_weighted(rng: Generator, options: Sequence[tuple[T, float]]) -> T:
    """One of some (option, weight), as often as its weight says."""
    limits = np.cumsum([weight for _, weight in options])
    return options[int(np.searchsorted(limits, rng.random() * limits[-1], side="right"))][0]


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """A number between two, uniform on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
