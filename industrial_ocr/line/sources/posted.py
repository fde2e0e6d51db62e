"""Pictures that are posted to the line's page."""

from __future__ import annotations

import json
import queue
import threading
import time
from contextlib import suppress
from pathlib import Path

from industrial_ocr.line.pictures import Picture
from industrial_ocr.line.sources.base import PictureSource
from industrial_ocr.results.files import write_whole


class PostedPictures(PictureSource):
    """Posted pictures, kept in files until they are recorded; safe between threads.

    Args:
        folder: folder of the files; it is created if it is missing. Pictures that are there already
            come first.
        limit: largest number of waiting pictures.
    """

    name = "http"

    def __init__(self, folder: Path, limit: int = 64) -> None:
        self._folder, self._limit = folder, limit
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._names: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._waiting = 0
        self._last_ns = 0
        for path in sorted(folder.glob("*.picture")):
            self._names.put(path.name)
            self._waiting += 1
            self._last_ns = int(path.stem)
        for path in folder.glob("*.part"):
            path.unlink(missing_ok=True)

    def put(self, data: bytes, part: str = "", expected: str | None = None) -> None:
        """Adds a picture; when this returns, it is on disk.

        Raises:
            queue.Full: too many pictures wait.
            OSError: the picture cannot be written.
        """
        with self._lock:
            if self._waiting >= self._limit:
                raise queue.Full
            self._waiting += 1
            self._last_ns = max(time.time_ns(), self._last_ns + 1)
            name = f"{self._last_ns:020d}.picture"
        try:
            header = json.dumps({"part": part, "expected": expected}).encode() + b"\n"
            write_whole(self._folder / name, header + data)
        except BaseException:
            with self._lock:
                self._waiting -= 1
            raise
        self._names.put(name)

    def next(self, timeout_s: float) -> Picture | None:
        with suppress(queue.Empty):
            return self.again(self._names.get(timeout=max(timeout_s, 0.001)))
        return None

    def again(self, name: str) -> Picture | None:
        try:
            header, _, data = (self._folder / name).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        came = int(name.partition(".")[0])
        return Picture(self.name, name, data, came, **json.loads(header))

    def done(self, picture: Picture) -> None:
        (self._folder / picture.name).unlink(missing_ok=True)
        with self._lock:
            self._waiting -= 1
