"""Accuracy of every class before and after, and whether an old one became worse.

Old classes are measured on the held-out part of the rehearsal set, once, after every choice was
made on other crops. Its font families are in no other part. New classes have few pictures and are
cross-validated instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.crops import REJECT

REJECT_NAME = "(no character)"
"""The reject class as people see it."""

Names = NDArray[np.str_]


@dataclass(frozen=True)
class ClassChange:
    """One class before and after.

    Attributes:
        symbol: ``REJECT`` for the reject class.
        n: crops it was measured on.
        before: share that the parent read right; None for a new symbol, or if n is 0.
        after: share that is read right now; None if n is 0.
    """

    symbol: str
    n: int
    before: float | None
    after: float | None

    @property
    def points(self) -> float | None:
        """The change in percentage points; None if one of them is unknown."""
        if self.before is None or self.after is None:
            return None
        return 100 * (self.after - self.before)


@dataclass(frozen=True)
class Gate:
    """The measurements and the decision.

    Attributes:
        old: the classes of the parent, the reject class last.
        new: the classes that were added.
        taught: old classes of which the user gave pictures, measured on those (cross-validated).
        before: share of all old symbols' crops that the parent read right.
        after: share that is read right now.
        margin: percentage points that one class may lose.
        reasons: why the result must not be used; empty if it may.
    """

    old: tuple[ClassChange, ...]
    new: tuple[ClassChange, ...]
    taught: tuple[ClassChange, ...]
    before: float
    after: float
    margin: float
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the old classes kept their accuracy."""
        return not self.reasons


def changes(
    symbols: Sequence[str], true: Names, before: Names | None, after: Names
) -> tuple[ClassChange, ...]:
    """The change of each symbol.

    Args:
        symbols: the classes.
        true: (N,) what the crops show.
        before: (N,) what the parent read, None for new symbols.
        after: (N,) what is read now.
    """
    found = []
    for symbol in symbols:
        own = true == symbol
        n = int(own.sum())
        was = None if before is None or not n else float((before[own] == symbol).mean())
        now = float((after[own] == symbol).mean()) if n else None
        found.append(ClassChange(symbol, n, was, now))
    return tuple(found)


def judge(
    old: Sequence[ClassChange],
    new: Sequence[ClassChange],
    taught: Sequence[ClassChange],
    margin: float,
    overall_margin: float,
) -> Gate:
    """Decides: no old class may lose more than a margin, nor may all old symbols together.

    Args:
        old: the classes of the parent.
        new: the classes that were added.
        taught: old classes on the user's pictures.
        margin: percentage points that one class may lose.
        overall_margin: percentage points that all old symbols together may lose.
    """
    counted = [c for c in old if c.symbol != REJECT and c.n]
    n = max(sum(c.n for c in counted), 1)
    before = sum(c.n * (c.before or 0.0) for c in counted) / n
    after = sum(c.n * (c.after or 0.0) for c in counted) / n
    reasons = [
        f"{shown(c.symbol)} fell by {-c.points:.1f} points ({c.n} crops), {margin:g} are allowed"
        for c in old
        if c.points is not None and -c.points > margin
    ]
    lost = 100 * (before - after)
    if lost > overall_margin:
        reasons.append(
            f"all old symbols together fell by {lost:.2f} points, {overall_margin:g} are allowed"
        )
    return Gate(tuple(old), tuple(new), tuple(taught), before, after, margin, tuple(reasons))


def shown(symbol: str) -> str:
    """A class as people see it."""
    return symbol if symbol != REJECT else REJECT_NAME


def gate_metrics(gate: Gate) -> dict[str, float]:
    """The metrics of the manifest entry: accuracy and number of crops of every class."""
    metrics = {"accuracy_before": gate.before, "accuracy": gate.after}
    for change in (*gate.old, *gate.new):
        if change.after is not None:
            metrics[f"class {shown(change.symbol)}"] = change.after
            metrics[f"n {shown(change.symbol)}"] = float(change.n)
    for change in gate.taught:
        if change.after is not None:
            metrics[f"taught {shown(change.symbol)}"] = change.after
    return {name: round(value, 5) for name, value in metrics.items()}
