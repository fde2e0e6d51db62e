"""A picture of a source, and a part, which one or several pictures show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property

from industrial_ocr.results.types import ImageArray


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it came from its source.

    Attributes:
        source: name of the source, such as ``folder:/data/in``.
        name: name of the picture within its source.
        data: the bytes of its file, or a frame of a camera, (H, W, 3) uint8 RGB.
        mtime_ns: time of the last change of the file, or of the arrival of the frame, in
            nanoseconds since 1970.
        part: name of the part, if the picture was posted with one.
        expected: the expected text, if the picture was posted with one.
    """

    source: str
    name: str
    data: bytes | ImageArray = field(repr=False)
    mtime_ns: int
    part: str = ""
    expected: str | None = None

    @property
    def raw(self) -> bytes | memoryview:
        """The bytes of the file, or of the pixels of the frame; nothing is copied."""
        return self.data if isinstance(self.data, bytes) else self.data.data.cast("B")

    @property
    def size(self) -> int:
        """Size of ``raw`` in bytes."""
        return len(self.raw)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of ``raw``, in hex."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def key(self) -> str:
        """A unique key of the picture, which is the same after a restart."""
        return "|".join((self.source, str(self.size), str(self.mtime_ns), self.sha256, self.name))


@dataclass(frozen=True, eq=False)
class Part:
    """A picture, or a burst of pictures, that is read and recorded as one part.

    Attributes:
        pictures: its pictures; none if only its trigger has come.
        name: name of the part; empty if it was not given.
        expected: the expected text, if it was given.
        time: time when its picture or its trigger came.
    """

    pictures: tuple[Picture, ...]
    name: str
    expected: str | None
    time: datetime

    @property
    def key(self) -> str:
        """A unique key of its trigger."""
        return "|".join(("trigger", self.time.isoformat(), self.name))


def make_part(
    pictures: Sequence[Picture], name: str, expected: str | None, time: datetime | None = None
) -> Part:
    """Makes a part; name and expected text come from its first picture if the trigger has none.

    Without ``time``, the part has come now.
    """
    first = pictures[0] if pictures else None
    return Part(
        pictures=tuple(pictures),
        name=name or (first.part if first else ""),
        expected=expected if expected is not None or first is None else first.expected,
        time=time or datetime.now(timezone.utc).astimezone(),
    )
