"""Where pictures come from: a folder, a camera, or whoever posts them."""

from __future__ import annotations

import heapq
import json
import logging
import math
import os
import queue
import shutil
import tempfile
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any

import cv2
import numpy as np

from industrial_ocr.errors import LineError, require
from industrial_ocr.image.load import IMAGE_SUFFIXES
from industrial_ocr.line.job_sources import (
    CameraSource,
    FolderSource,
    GenicamSource,
    HttpSource,
    SourceConfig,
)
from industrial_ocr.line.pictures import Picture, make_picture
from industrial_ocr.results.types import ImageArray

log = logging.getLogger(__name__)

QueueFull = queue.Full
"""Too many posted pictures wait."""
LOOK_S = 0.1
"""Seconds a source waits for the system before it looks at the clock."""
RESCAN_S = 5.0
"""Seconds between two looks at the whole folder, for events that the system lost."""
MAX_LISTS = 5
"""Largest number of lists in one look, if each brings news."""
SCAN_SHARE = 20
"""The pause between two looks is at least so many times as long as a look."""

Known = Callable[[str, str, int, int], bool]
"""Whether a picture of this source, name, size and time of change is recorded."""


class PictureSource(ABC):
    """Brings pictures one by one, all calls from one thread."""

    name: str
    ended = False
    """Nothing more will come, as after the last frame of a video file."""

    @abstractmethod
    def next(self, timeout_s: float) -> Picture | None:
        """The next picture; None if none came in time.

        Raises:
            OSError: the source is away; it is asked again later.
        """

    def again(self, name: str) -> Picture | None:
        """A picture that was brought before the process ended; None if it is gone."""
        return None

    def fresh(self) -> None:  # noqa: B027 (optional)
        """Drops what was seen before now; a trigger means what comes after it."""

    def done(self, picture: Picture) -> None:  # noqa: B027
        """A picture is recorded.

        Raises:
            OSError: it cannot be moved or deleted.
        """

    def still_there(self) -> Collection[str] | None:
        """Names of recorded pictures that may come again; None if that is not known now."""
        return ()

    def close(self) -> None:  # noqa: B027
        """Ends threads and connections; never raises."""


class Folder(PictureSource):
    """The pictures of a folder, the oldest first; subfolders and hidden files do not count.

    The system's events tell which files to look at; the whole folder is looked at every few
    seconds, or, with ``poll_s``, only then.

    A file is complete when its size and time have not changed for ``stable_s``. On local disks of
    POSIX systems it also is when its inode changed after its content did: it was renamed into
    place, or its times were set after it was copied. That shows only if a clock tick of the file
    system (4 ms) lies between; where all pictures are renamed into place, ``stable_s: 0`` is best.

    Args:
        config: of the job.
        known: whether a file is recorded already; such files are only moved or deleted.
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
            # A complete picture waits for an older one that may still grow, at most stable_s.
            oldest = min((written for _, written, _ in self._unstable.values()), default=math.inf)
            while self._complete and self._complete[0][0] <= oldest:
                _, name = heapq.heappop(self._complete)
                self._in_hand.discard(name)  # so that one that cannot be read now comes again
                if (picture := self.again(name)) is not None:
                    self._in_hand.add(name)
                    return picture
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._wait(min(left, LOOK_S))

    def _look(self) -> None:
        """Looks at the whole folder if it is time, and at the files that were not complete."""
        start = time.monotonic()
        if start >= self._next_scan:
            # A list made while files come may have a new one and lack an older one. Nothing is
            # lacking that was there when a list without news was begun.
            for _ in range(MAX_LISTS):
                with os.scandir(self._config.path) as entries:
                    news = [self._see(entry.name) for entry in entries]
                if not any(news):
                    break
            pause = SCAN_SHARE * (time.monotonic() - start)
            self._next_scan = start + max(self._config.poll_s or RESCAN_S, pause)
        elif self._unstable:
            for name in tuple(self._unstable):
                self._see(name)

    def _see(self, name: str) -> bool:
        """Notes whether a file is growing or complete; returns whether it is a new one."""
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
        """Waits until the system tells of a change, a file may be complete or the time is over."""
        if self._config.poll_s is not None:
            time.sleep(seconds)
            return
        try:
            if self._events is None:
                self._events = self._watch()
                self._next_scan = 0.0  # what came before the watch began
            changes = next(self._events, None)
        except (OSError, RuntimeError) as error:  # such as too many watches in the system
            log.warning("%s: no events, looking every %g s: %s", self.name, RESCAN_S, error)
            changes = None
        if changes is None:  # the folder was removed, or the process is interrupted
            self._events = None
            time.sleep(seconds)
        for _, path in changes or ():
            self._see(os.path.basename(path))

    def _watch(self) -> Iterator[Any]:
        require("line", "watchfiles")
        import watchfiles

        # The event of a change comes after debounce ms without another one, at the latest after
        # rust_timeout ms; in between they are collected outside of Python.
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
        return make_picture(self.name, name, data, written)

    def done(self, picture: Picture) -> None:
        self._in_hand.discard(picture.name)
        with suppress(FileNotFoundError):
            stat = (self._config.path / picture.name).stat()
            if (stat.st_size, stat.st_mtime_ns) == (picture.size, picture.mtime_ns):
                self._put_away(picture.name)  # else it was replaced by another one meanwhile

    def _put_away(self, name: str) -> None:
        """Moves or deletes a recorded picture, as the job says."""
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
        """What a process that ended, or a full disk, left over."""
        try:
            self._put_away(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("%s: recorded, but still there: %s", name, error)

    def still_there(self) -> Collection[str] | None:
        if self._config.after != "keep":
            return ()
        # A share that is not mounted looks like an empty folder.
        with suppress(OSError):
            return set(os.listdir(self._config.path)) or None
        return None

    def close(self) -> None:
        if self._events is not None:
            self._events.close()  # type: ignore[attr-defined]
            self._events = None


class _Frames(PictureSource):
    """Frames of a camera; a thread of its own opens it, takes them and opens it again.

    With ``newest`` only the last frame is kept, else the thread waits until each was taken.
    """

    def __init__(self, name: str, newest: bool, reconnect_s: float) -> None:
        self.name = name
        self._newest, self._reconnect_s = newest, reconnect_s
        self._run = uuid.uuid4().hex[:8] + "-" if newest else ""
        self._frame: tuple[int, int, ImageArray] | None = None
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @abstractmethod
    def _frames(self) -> Iterator[ImageArray]:
        """(H, W, 3) uint8 RGB, until the camera is away; OSError or LineError says why."""

    def _work(self) -> None:
        number = 0
        while not self._closing.is_set() and not self.ended:
            problem = "it sends no more frames"
            try:
                for frame in self._frames():
                    number += 1
                    self._keep(number, frame)
                    if self._closing.is_set():
                        return
            except Exception as error:  # a driver raises anything; the camera is opened again
                problem = str(error) or type(error).__name__
            with self._changed:
                self._problem = f"{self.name}: {problem}"
                self._changed.notify_all()
            self._closing.wait(self._reconnect_s)

    def _keep(self, number: int, frame: ImageArray) -> None:
        with self._changed:
            while not self._newest and self._frame is not None and not self._closing.is_set():
                self._changed.wait(LOOK_S)
            self._problem = None
            self._frame = number, time.time_ns(), frame
            self._changed.notify_all()

    def next(self, timeout_s: float) -> Picture | None:
        with self._changed:
            self._changed.wait_for(lambda: self._frame or self._problem or self.ended, timeout_s)
            if self._frame is None:
                problem, self._problem = self._problem, None
                if problem is not None and not self.ended:
                    raise ConnectionError(problem)
                return None
            number, came, frame = self._frame
            self._frame = None
            self._changed.notify_all()
        # A frame of a file is the same after a restart; one of a camera never comes again.
        came = came if self._newest else 0
        return make_picture(self.name, f"{self._run}{number:09d}", frame, came)

    def fresh(self) -> None:
        if self._newest:
            with self._changed:
                self._frame = None

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)


class Camera(_Frames):
    """A USB camera, a stream or a video file, opened by OpenCV."""

    def __init__(self, config: CameraSource) -> None:
        device = config.device
        if config.device_env is not None:
            device = os.environ.get(config.device_env)
        if device is None:
            raise LineError(f"source: the environment variable {config.device_env} is not set")
        super().__init__(f"camera:{config.device_env or device}", config.newest, config.reconnect_s)
        self._device = device
        self._file = isinstance(device, str) and Path(device).is_file()

    def _frames(self) -> Iterator[ImageArray]:
        capture = cv2.VideoCapture(self._device)
        try:
            if not capture.isOpened():
                raise ConnectionError("cannot be opened; is it connected, and used by no other?")
            while True:
                taken, frame = capture.read()
                if not taken:
                    break
                yield np.ascontiguousarray(frame[..., ::-1])
        finally:
            capture.release()
        if self._file:
            with self._changed:  # the last frame was taken before the file ends
                self._changed.wait_for(lambda: self._frame is None or self._closing.is_set())
                self.ended = True
                self._changed.notify_all()


_GENICAM_COLORS = {
    "Mono8": cv2.COLOR_GRAY2RGB,
    "BGR8": cv2.COLOR_BGR2RGB,
    # OpenCV names Bayer patterns by the second row and column.
    "BayerRG8": cv2.COLOR_BayerBG2RGB,
    "BayerBG8": cv2.COLOR_BayerRG2RGB,
    "BayerGR8": cv2.COLOR_BayerGB2RGB,
    "BayerGB8": cv2.COLOR_BayerGR2RGB,
}


class Genicam(_Frames):
    """A GenICam camera through ``harvesters``.

    Args:
        config: of the job.
        fetch_s: seconds without a frame after which it is opened again.
    """

    def __init__(self, config: GenicamSource, fetch_s: float = 10.0) -> None:
        require("genicam", "harvesters")
        super().__init__(f"genicam:{config.serial or config.producer.stem}", True, 2.0)
        self._config, self._fetch_s = config, fetch_s

    def _frames(self) -> Iterator[ImageArray]:
        from harvesters.core import Harvester  # type: ignore[import-not-found, unused-ignore]

        with Harvester() as harvester:
            harvester.add_file(str(self._config.producer))
            harvester.update()
            serial = self._config.serial
            camera = harvester.create({"serial_number": serial} if serial else None)
            with camera:
                camera.start()
                while not self._closing.is_set():
                    with camera.fetch(timeout=self._fetch_s) as buffer:
                        # The buffer goes back to the camera: what leaves here is a copy.
                        frame = _rgb(buffer.payload.components[0])
                    yield frame


def _rgb(component: Any) -> ImageArray:
    """(H, W, 3) uint8 RGB, a copy of the first component of a GenICam buffer."""
    kind = component.data_format
    if kind != "RGB8" and kind not in _GENICAM_COLORS:
        known = ", ".join(["RGB8", *_GENICAM_COLORS])
        raise LineError(f"the camera sends {kind}; set its PixelFormat to one of {known}")
    shape = (component.height, component.width, 3 if kind in ("RGB8", "BGR8") else 1)
    raw = component.data.reshape(shape)
    image = raw.copy() if kind == "RGB8" else cv2.cvtColor(raw, _GENICAM_COLORS[kind])
    return np.asarray(image, np.uint8)


class PostedPictures(PictureSource):
    """Pictures that were posted, kept in files until they are recorded. Safe between threads.

    Args:
        folder: where they wait; made if it is missing. What waits there comes first.
        limit: largest number of pictures that wait.
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
        """Takes a picture; after the return it is on the disk and will be recorded.

        Raises:
            QueueFull: too many pictures wait.
            OSError: it cannot be written.
        """
        with self._lock:
            if self._waiting >= self._limit:
                raise QueueFull
            self._waiting += 1
            self._last_ns = max(time.time_ns(), self._last_ns + 1)
            name = f"{self._last_ns:020d}.picture"
        try:
            header = json.dumps({"part": part, "expected": expected}).encode() + b"\n"
            _write_durably(self._folder / name, header + data)
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
        return make_picture(self.name, name, data, came, **json.loads(header))

    def done(self, picture: Picture) -> None:
        (self._folder / picture.name).unlink(missing_ok=True)
        with self._lock:
            self._waiting -= 1


def _write_durably(path: Path, data: bytes) -> None:
    """Writes a file so that it is whole, also after a power failure, or not there."""
    descriptor, temporary = tempfile.mkstemp(suffix=".part", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def make_source(config: SourceConfig, data: Path, known: Known) -> PictureSource:
    """The source of a job.

    Args:
        config: of the job.
        data: folder of the journal; posted pictures wait in it.
        known: see ``Folder``.

    Raises:
        LineError: it cannot be used as the job says.
        MissingPackageError: an extra is not installed.
    """
    if isinstance(config, FolderSource):
        return Folder(config, known)
    if isinstance(config, HttpSource):
        return PostedPictures(data / "posted")
    camera = Camera(config) if isinstance(config, CameraSource) else Genicam(config)
    camera.start()
    return camera
