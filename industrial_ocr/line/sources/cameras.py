"""Frames of a camera, a stream or a video file."""

from __future__ import annotations

import os
import threading
import time
import uuid
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from industrial_ocr.errors import LineError, require
from industrial_ocr.line.job_sources import CameraSource, GenicamSource
from industrial_ocr.line.pictures import Picture
from industrial_ocr.line.sources.base import LOOK_S, PictureSource
from industrial_ocr.results.types import ImageArray


class _Frames(PictureSource):
    """Frames of a camera; a thread opens the camera, takes frames, and opens it again after errors.

    With ``newest``, only the last frame is kept; else the thread waits until each frame is taken.
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
        """Opens the camera and yields frames, (H, W, 3) uint8 RGB, until it fails."""

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
            except Exception as error:  # drivers raise errors of any class
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
        # Frames of a file come again after a restart, and then must be known; those of a camera
        # do not.
        came = came if self._newest else 0
        return Picture(self.name, f"{self._run}{number:09d}", frame, came)

    def fresh(self) -> None:
        if self._newest:
            with self._changed:
                self._frame = None

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)


class VideoCamera(_Frames):
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
                raise ConnectionError(
                    "cannot be opened; is it connected, and does no other program use it?"
                )
            while True:
                taken, frame = capture.read()
                if not taken:
                    break
                yield np.ascontiguousarray(frame[..., ::-1])
        finally:
            capture.release()
        if self._file:
            with self._changed:  # the source ends only after its last frame is taken
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
    """A GenICam camera, through the package ``harvesters``.

    Args:
        config: section of the job.
        fetch_s: seconds without a frame after which the camera is opened again.
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
                        # A copy, since the camera will write into the buffer again.
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
