"""How a training reports to its caller."""

from __future__ import annotations

from collections.abc import Callable

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
