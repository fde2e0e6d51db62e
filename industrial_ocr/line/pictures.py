"""A picture of a source, and a part, which one or several pictures show."""

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
        source: name of the source, such as ``folder:/data/in``.
        name: name of the picture within its source.
        data: the bytes of its file, or a frame of a camera, (H, W, 3) uint8 RGB.
        size: size of ``data`` in bytes.
        mtime_ns: time of the last change of the file, or of the arrival of the frame, in
            nanoseconds since 1970.
        sha256: SHA-256 of ``data``, in hex.
        part: name of the part, if the picture was posted with one.
        expected: the expected text, if the picture was posted with one.
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


def make_picture(
    source: str,
    name: str,
    data: bytes | ImageArray,
    mtime_ns: int,
    part: str = "",
    expected: str | None = None,
) -> Picture:
    """Makes a picture; its size and hash are computed."""
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
    """The bytes of a file, or of the pixels of a frame; nothing is copied."""
    return data if isinstance(data, bytes) else data.data.cast("B")


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
