"""Writing files so that a reader, or a kill at any moment, never finds half of one."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_whole(path: Path, data: str | bytes | memoryview) -> None:
    """Writes a file beside its place, waits until it is on disk, and then puts it there.

    Args:
        path: in a folder that exists.
        data: text is written as UTF-8.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with part.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
