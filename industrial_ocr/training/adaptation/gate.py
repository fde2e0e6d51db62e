"""Before and after: what every class was read as, and whether an old one has suffered.

Old classes are measured on the held-out part of the rehearsal set, of fonts that neither the
shipped nor the fresh rehearsal crops have. New ones are cross-validated, as there are few
pictures: each is named by a head that was learnt without it.

With 70 held-out crops a class, four in a hundred of which change their reading by chance, a class
loses or gains up to 7 points without anything being wrong; ``MARGIN`` lies above that. All classes
together are some 5,000 crops: there ``OVERALL`` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.crops import REJECT

MARGIN = 10.0
"""Points of accuracy that one old class may fall by."""
OVERALL = 0.3
"""Points that all old symbols together may fall by."""

REJECT_NAME = "(no character)"
"""What people read for the class of what is no character."""

Names = NDArray[np.str_]


@dataclass(frozen=True)
class ClassChange:
    """One class before and after.

    Attributes:
        symbol: ``REJECT`` for the class of what is no character.
        n: held-out crops.
        before: share named right by the parent; None of a new symbol, or where n is 0.
        after: share named right now; None where n is 0.
    """

    symbol: str
    n: int
    before: float | None
    after: float | None

    @property
    def points(self) -> float | None:
        """After less before, in points; None where one of them is unknown."""
        if self.before is None or self.after is None:
            return None
        return 100 * (self.after - self.before)


@dataclass(frozen=True)
class Gate:
    """What was measured, and what follows from it.

    Attributes:
        old: the classes of the parent, the reject class last.
        new: the classes that were added.
        taught: old classes of which the user gave pictures, measured on those (cross-validated).
        before: share of all old symbols' crops named right by the parent.
        after: the same now.
        margin: points that a class may fall by.
        reasons: why it must not be used; empty where it may.
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
        """Whether no old class fell by more than its margin."""
        return not self.reasons


def changes(
    symbols: Sequence[str], true: Names, before: Names | None, after: Names
) -> tuple[ClassChange, ...]:
    """Each symbol's change, given what crops show and what they were named before and after."""
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
) -> Gate:
    """The gate over measured classes."""
    counted = [c for c in old if c.symbol != REJECT and c.n]
    n = sum(c.n for c in counted)
    before, after = (
        sum(c.n * (getattr(c, name) or 0.0) for c in counted) / max(n, 1)
        for name in ("before", "after")
    )
    reasons = [
        f"{shown(c.symbol)} fell by {-c.points:.1f} points ({c.n} held-out crops), "
        f"{margin:g} are allowed"
        for c in old
        if c.points is not None and -c.points > margin
    ]
    if 100 * (before - after) > OVERALL:
        reasons.append(
            f"all old symbols together fell by {100 * (before - after):.2f} points, {OVERALL:g} "
            "are allowed"
        )
    return Gate(tuple(old), tuple(new), tuple(taught), before, after, margin, tuple(reasons))


def shown(symbol: str) -> str:
    """A class as people see it."""
    return symbol if symbol != REJECT else REJECT_NAME


def class_metric(change: ClassChange) -> str:
    """The name of a class's accuracy among the numbers of a manifest entry."""
    return f"class {change.symbol or REJECT_NAME}"


def taught_metric(change: ClassChange) -> str:
    """The name of an old class's accuracy on the user's own pictures."""
    return f"taught {change.symbol or REJECT_NAME}"


def count_metric(change: ClassChange) -> str:
    """The name of the number of crops that a class was measured on."""
    return f"n {change.symbol or REJECT_NAME}"
