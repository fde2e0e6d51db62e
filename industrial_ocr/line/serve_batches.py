"""Reads pictures of many requests in one thread, several at once if they have the same options."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from industrial_ocr.errors import IndustrialOcrError
from industrial_ocr.image.load import load_image
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import ImageArray

BATCH = 16
"""Largest number of pictures that are read at once."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadingOptions:
    """How a picture is read: the options of ``Reader.read``, ``recognize`` and ``verify``.

    Attributes:
        engine: the engine; None takes the default.
        patterns: patterns of the code.
        roi: region to read.
        crops: whether the picture is one string.
        expected: the text to verify; None reads.
        part: whether the expected text may be a part of a longer word.
    """

    engine: Engine | None = None
    patterns: tuple[str, ...] = ()
    roi: tuple[float, ...] | None = None
    crops: bool = False
    expected: str | None = None
    part: bool = False


@dataclass(eq=False)
class _Task:
    """A picture to read; ``result`` gets the JSON object of its reading."""

    data: bytes
    options: ReadingOptions
    result: Future[dict[str, Any]] = field(default_factory=Future)


class Batcher:
    """Reads submitted pictures in one thread, several at once if several wait.

    Args:
        reader: the reader.
        on_batch: called with the number of pictures in each batch.
    """

    def __init__(self, reader: Reader, on_batch: Callable[[int], None] = lambda n: None) -> None:
        self._reader = reader
        self._on_batch = on_batch
        self._tasks: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
        self._thread.start()

    def submit(self, data: bytes, options: ReadingOptions) -> Future[dict[str, Any]]:
        """Submits an image file; the future gets its reading, and it may be canceled.

        The exception of the future is an IndustrialOcrError if the picture or an option cannot be
        used.
        """
        task = _Task(data, options)
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()
        return task.result

    def close(self) -> None:
        """Reads the submitted pictures and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            running = [t for t in batch if t.result.set_running_or_notify_cancel()]
            for tasks, images in _decoded(running):
                self._on_batch(len(tasks))
                self._read(tasks, images)

    def _next(self) -> list[_Task]:
        """The oldest task and others with the same options; empty at the end.

        Only half of the waiting tasks are taken. The others are read while the clients of the
        first half send their next pictures, so that the reader is never idle.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self._closed)
            if not self._tasks:
                return []
            options = self._tasks[0].options
            waiting = [task for task in self._tasks if task.options == options]
            batch = waiting[: min(BATCH, (len(waiting) + 1) // 2)]
            taken = set(map(id, batch))
            self._tasks = deque(task for task in self._tasks if id(task) not in taken)
            return batch

    def _read(self, tasks: Sequence[_Task], images: Sequence[ImageArray]) -> None:
        try:
            results = read_pictures(self._reader, images, tasks[0].options)
        except Exception as error:
            if len(tasks) > 1:  # only the picture that causes the error must fail
                for task, image in zip(tasks, images, strict=True):
                    self._read([task], [image])
                return
            _fail(tasks[0], error)
            return
        for task, result in zip(tasks, results, strict=True):
            task.result.set_result(result)


def _fail(task: _Task, error: Exception) -> None:
    """Sets the exception of a task, and logs it if it is a fault of the program."""
    if not isinstance(error, IndustrialOcrError):
        log.error("a picture could not be read", exc_info=error)
    task.result.set_exception(error)


def _decoded(tasks: Sequence[_Task]) -> Iterator[tuple[list[_Task], list[ImageArray]]]:
    """The tasks with their pictures, in groups of about 30 megapixels at most."""
    group: list[_Task] = []
    images: list[ImageArray] = []
    for task in tasks:
        try:
            images.append(load_image(task.data))
        except Exception as error:
            _fail(task, error)
            continue
        group.append(task)
        if sum(image.size // 3 for image in images) >= 30_000_000:
            yield group, images
            group, images = [], []
    if group:
        yield group, images


def read_pictures(
    reader: Reader, images: Sequence[ImageArray], given: ReadingOptions
) -> list[dict[str, Any]]:
    """Reads or verifies pictures; the results are ready for JSON.

    Raises:
        IndustrialOcrError: a picture or an option cannot be used.
    """
    if given.expected is not None:
        engine = given.engine or Engine.TWO_STAGE
        verdicts = (
            reader.verify(i, given.expected, roi=given.roi, engine=engine, part=given.part)
            for i in images
        )
        return [verdict.to_dict() for verdict in verdicts]
    patterns = list(given.patterns) or None
    if given.crops:
        engine = given.engine or Engine.CRNN
        results = reader.recognize(images, engine=engine, pattern=patterns)
    else:
        engine = given.engine or Engine.AUTO
        results = reader.read_batch(images, engine=engine, roi=given.roi, pattern=patterns)
    return [result.to_dict() for result in results]
