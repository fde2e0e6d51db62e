"""One picture of a source, and the part that one or several pictures show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from industrial_ocr.results.types import ImageArray


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it came from its source.

    Attributes:
        source: which source, such as ``folder:/data/in``.
        name: of the picture within its source.
        data: the bytes of its file, or (H, W, 3) uint8 RGB of a camera.
        size: in bytes.
        mtime_ns: when it was last written, in nanoseconds since 1970; of a frame, when it came.
        sha256: of ``data``, in hex.
        part: what the sender of a posted picture called the part.
        expected: the text that the sender of a posted picture expects.
    """

    source: str
    name: str
    data: bytes | ImageArray = field(repr=False)
    size: int
    mtime_ns: int
    sha256: str
    part: str = ""
    expected: str | None = None

    @property
    def key(self) -> str:
        """The same for the same picture, also after a restart, and for no other one."""
        return "|".join((self.source, str(self.size), str(self.mtime_ns), self.sha256, self.name))


@dataclass(frozen=True, eq=False)
class Part:
    """What is read and recorded as one: a picture, or a burst of them.

    Attributes:
        name: what the trigger or the sender called it; empty if it said nothing.
        expected: the text that they expect.
        time: when its picture, or its trigger, came.
    """

    pictures: tuple[Picture, ...]
    name: str
    expected: str | None
    time: datetime

    @property
    def key(self) -> str:
        """Of the trigger, as long as no picture has come."""
        return "|".join(("trigger", self.time.isoformat(), self.name))


def make_picture(
    source: str,
    name: str,
    data: bytes | ImageArray,
    mtime_ns: int,
    part: str = "",
    expected: str | None = None,
) -> Picture:
    """A picture with its size and hash."""
    raw = raw_bytes(data)
    return Picture(
        source=source,
        name=name,
        data=data,
        size=len(raw),
        mtime_ns=mtime_ns,
        sha256=hashlib.sha256(raw).hexdigest(),
        part=part,
        expected=expected,
    )


def raw_bytes(data: bytes | ImageArray) -> bytes | memoryview:
    """The bytes of a file, or those of a frame's pixels without a copy."""
    return data if isinstance(data, bytes) else data.data.cast("B")


def make_part(
    pictures: Sequence[Picture], name: str, expected: str | None, time: datetime | None = None
) -> Part:
    """A part that came now, with what its first picture says where the trigger said nothing."""
    first = pictures[0] if pictures else None
    return Part(
        pictures=tuple(pictures),
        name=name or (first.part if first else ""),
        expected=expected if expected is not None or first is None else first.expected,
        time=time or datetime.now(timezone.utc).astimezone(),
    )
