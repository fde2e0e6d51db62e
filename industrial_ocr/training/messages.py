"""How a training reports to its caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate

Notify = Callable[[str], None]
"""Called with one message for the user."""
Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the number of its steps done, and the number in all."""


class Notes:
    """Passes messages on to ``notify`` and keeps them for the report."""

    def __init__(self, notify: Notify) -> None:
        self.lines: list[str] = []
        self._notify = notify

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._notify(line)


def with_whole(progress: Progress, shares: Mapping[str, float], whole: str) -> Progress:
    """``progress`` that is also called with the stage ``whole`` and the percent done of all stages.

    Args:
        progress: called with each stage, and with ``whole``.
        shares: the usual share of each stage in the time of all, in order; their sum is 1.
        whole: name of all stages together.
    """
    ends = dict(zip(shares, accumulate(shares.values()), strict=True))
    share = 0.0

    def report(stage: str, done: int, total: int) -> None:
        nonlocal share
        progress(stage, done, total)
        if stage in shares:
            left = shares[stage] * (1 - done / max(total, 1))
            share = max(share, ends[stage] - left)
            progress(whole, round(100 * share), 100)

    return report
