"""The interface of all sources of pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection

from industrial_ocr.line.pictures import Picture

LOOK_S = 0.1
"""Seconds that a source waits for an event before it looks at the clock again."""

Known = Callable[[str, str, int, int], bool]
"""Tells for a source, a name, a size and a time of change whether such a picture is recorded."""


class PictureSource(ABC):
    """Brings pictures one by one; all calls come from one thread."""

    name: str
    ended = False
    """Whether there are no more pictures, as after the last frame of a video file."""

    @abstractmethod
    def next(self, timeout_s: float) -> Picture | None:
        """The next picture; None if none arrives in time.

        Raises:
            OSError: the source cannot be read now; the call is repeated later.
        """

    def again(self, name: str) -> Picture | None:
        """A picture that was brought before a restart of the program; None if it is gone."""
        return None

    def fresh(self) -> None:  # noqa: B027 (optional)
        """Drops earlier pictures, since a trigger is about the next one."""

    def done(self, picture: Picture) -> None:  # noqa: B027
        """Moves or deletes a recorded picture, if the job says so.

        Raises:
            OSError: it cannot be moved or deleted.
        """

    def still_there(self) -> Collection[str] | None:
        """Names of recorded pictures that the source still has; None if it cannot be read now."""
        return ()

    def close(self) -> None:  # noqa: B027
        """Ends threads and connections; never raises."""
