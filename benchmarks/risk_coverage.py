"""How well a score separates wrong readings from right ones: the risk-coverage curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class RiskCoverage:
    """How well a score separates wrong readings from right ones.

    Attributes:
        area: area under the risk-coverage curve, 0 to 1: the share of wrong readings among those
            accepted, averaged over all numbers of readings that may be accepted, best score first.
        excess: ``area`` above that of a score that puts every right reading before every wrong
            one; 0 is perfect, whatever the share of wrong readings is.
    """

    area: float
    excess: float


def risk_coverage(scores: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """AURC and its excess (Geifman et al. 2019, arXiv 1805.08206).

    Readings with equal scores have no order; the mean over all of their orders is taken.

    Args:
        scores: (N,) finite, higher is better; only their order counts.
        correct: (N,) booleans.

    Raises:
        ValueError: the arrays are empty, not finite or have wrong shapes.
    """
    p, right = np.asarray(scores, np.float64), np.asarray(correct, np.float64)
    if p.ndim != 1 or p.shape != right.shape or not len(p):
        raise ValueError(
            f"expected (N,) scores and booleans, N > 0, got {p.shape} and {right.shape}"
        )
    if not np.isfinite(p).all() or not np.isin(right, (0, 1)).all():
        raise ValueError("scores must be finite, and correct True or False")
    _, group = np.unique(-p, return_inverse=True)
    wrong_share = np.bincount(group, 1 - right) / np.bincount(group)
    accepted = np.arange(1, len(p) + 1)
    area = float((np.cumsum(wrong_share[np.sort(group)]) / accepted).mean())
    best = float((np.maximum(accepted - right.sum(), 0) / accepted).mean())
    return RiskCoverage(area, area - best)
