"""Pictures that are written or moved into a folder."""

from __future__ import annotations

import heapq
import logging
import math
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any

from industrial_ocr.errors import require
from industrial_ocr.image.load import IMAGE_SUFFIXES
from industrial_ocr.line.job_sources import FolderSource
from industrial_ocr.line.pictures import Picture
from industrial_ocr.line.sources.base import LOOK_S, Known, PictureSource

log = logging.getLogger(__name__)

RESCAN_S = 5.0
"""Seconds between two listings of the folder, in case the system has lost events."""


class Folder(PictureSource):
    """The pictures of a folder, the oldest first, without subfolders and hidden files.

    Events of the system tell which files have changed. In addition, the whole folder is listed
    every few seconds; with ``poll_s``, this replaces the events.

    A file is complete when its size and time have not changed for ``stable_s``. On local disks of
    POSIX systems, it is complete as well when its inode has changed later than its content: it was
    renamed into place, or its times were set after copying. This cannot be seen if both changes are
    in the same clock tick of the file system (4 ms); so ``stable_s: 0`` is best where all pictures
    are renamed into place.

    Args:
        config: section of the job.
        known: tells whether a file is recorded already; such files are only moved or deleted.
    """

    def __init__(self, config: FolderSource, known: Known) -> None:
        self._config, self._known = config, known
        self.name = f"folder:{config.path.resolve()}"
        self._unstable: dict[str, tuple[int, int, float]] = {}
        self._complete: list[tuple[int, str]] = []  # a heap by time
        self._in_hand: set[str] = set()  # with those in the heap
        self._next_scan = 0.0
        self._events: Iterator[Any] | None = None
        self._trusts_inodes = config.poll_s is None and os.name == "posix"

    def next(self, timeout_s: float) -> Picture | None:
        end = time.monotonic() + timeout_s
        while True:
            self._look()
            # A complete picture waits, for stable_s at most, for an older one that may still grow.
            oldest = min((written for _, written, _ in self._unstable.values()), default=math.inf)
            while self._complete and self._complete[0][0] <= oldest:
                _, name = heapq.heappop(self._complete)
                self._in_hand.discard(name)  # if it cannot be read now, it is found again
                if (picture := self.again(name)) is not None:
                    self._in_hand.add(name)
                    return picture
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._wait(min(left, LOOK_S))

    def _look(self) -> None:
        """Lists the folder if it is time; else looks at the files that were not complete."""
        start = time.monotonic()
        if start >= self._next_scan:
            # A listing may have a new file and miss an older one, if files arrive meanwhile. One
            # without a new file has all files that were there at its start. It is tried 5 times.
            for _ in range(5):
                with os.scandir(self._config.path) as entries:
                    news = [self._see(entry.name) for entry in entries]
                if not any(news):
                    break
            pause = 20 * (time.monotonic() - start)  # at most a twentieth of the time is for lists
            self._next_scan = start + max(self._config.poll_s or RESCAN_S, pause)
        elif self._unstable:
            for name in tuple(self._unstable):
                self._see(name)

    def _see(self, name: str) -> bool:
        """Notes whether a file is growing or complete; returns whether it is new."""
        if name.startswith(".") or Path(name).suffix.lower() not in IMAGE_SUFFIXES:
            return False
        if name in self._in_hand:
            return False
        now = time.monotonic()
        try:
            stat = (self._config.path / name).stat()
        except FileNotFoundError:
            self._unstable.pop(name, None)
            return False
        if not S_ISREG(stat.st_mode):
            return False
        size, written, since = self._unstable.get(name, (-1, -1, now))
        if (size, written) != (stat.st_size, stat.st_mtime_ns):
            if size < 0 and self._known(self.name, name, stat.st_size, stat.st_mtime_ns):
                self._put_away_again(name)
                return False
            since = now
        renamed = self._trusts_inodes and stat.st_ctime_ns > stat.st_mtime_ns and stat.st_size > 0
        if renamed or now - since >= self._config.stable_s:
            self._unstable.pop(name, None)
            self._in_hand.add(name)
            heapq.heappush(self._complete, (stat.st_mtime_ns, name))
        else:
            self._unstable[name] = stat.st_size, stat.st_mtime_ns, since
        return size < 0

    def _wait(self, seconds: float) -> None:
        """Waits for an event of the system, at most for some seconds."""
        if self._config.poll_s is not None:
            time.sleep(seconds)
            return
        try:
            if self._events is None:
                self._events = self._watch()
                self._next_scan = 0.0  # finds files that came before the watch began
            changes = next(self._events, None)
        except (OSError, RuntimeError) as error:  # for example too many watches in the system
            log.warning("%s: no events, listing every %g s: %s", self.name, RESCAN_S, error)
            changes = None
        if changes is None:  # the folder was removed, or the process is interrupted
            self._events = None
            time.sleep(seconds)
        for _, path in changes or ():
            self._see(os.path.basename(path))

    def _watch(self) -> Iterator[Any]:
        require("line", "watchfiles")
        import watchfiles

        # Changes are reported after debounce ms without a further one, or after rust_timeout ms.
        return watchfiles.watch(
            self._config.path,
            recursive=False,
            watch_filter=None,
            debounce=20,
            step=5,
            rust_timeout=int(LOOK_S * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
        )

    def again(self, name: str) -> Picture | None:
        path = self._config.path / name
        try:
            written = path.stat().st_mtime_ns
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        return Picture(self.name, name, data, written)

    def done(self, picture: Picture) -> None:
        self._in_hand.discard(picture.name)
        with suppress(FileNotFoundError):
            stat = (self._config.path / picture.name).stat()
            if (stat.st_size, stat.st_mtime_ns) == (picture.size, picture.mtime_ns):
                self._put_away(picture.name)  # else another file has replaced it

    def _put_away(self, name: str) -> None:
        """Moves or deletes a recorded picture, if the job says so."""
        path, after = self._config.path / name, self._config.after
        if after == "delete":
            path.unlink()
        elif after == "move" and self._config.moved_to is not None:
            self._config.moved_to.mkdir(parents=True, exist_ok=True)
            target, number = self._config.moved_to / name, 1
            while target.exists():
                number += 1
                target = self._config.moved_to / f"{path.stem}-{number}{path.suffix}"
            try:
                shutil.move(path, target)
            except OSError:
                target.unlink(missing_ok=True)
                raise

    def _put_away_again(self, name: str) -> None:
        """Moves or deletes a recorded picture that was left when the program ended."""
        try:
            self._put_away(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("%s was read, but cannot be moved or deleted: %s", name, error)

    def still_there(self) -> Collection[str] | None:
        if self._config.after != "keep":
            return ()
        # An empty folder may be a share that is not mounted.
        with suppress(OSError):
            return set(os.listdir(self._config.path)) or None
        return None

    def close(self) -> None:
        if self._events is not None:
            self._events.close()  # type: ignore[attr-defined]
            self._events = None
