"""Runs a job: takes pictures, reads, judges and records them, and wakes the outputs."""

from __future__ import annotations

import hashlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from industrial_ocr.errors import CollectError, IndustrialOcrError, LineError
from industrial_ocr.image.load import load_image
from industrial_ocr.line.archive import Archive
from industrial_ocr.line.delivery import Delivery, output_names
from industrial_ocr.line.job import Job
from industrial_ocr.line.job_sources import EveryPicture
from industrial_ocr.line.journal import KEPT_KEYS, Interrupted, Journal
from industrial_ocr.line.judge import Judge, Judgment
from industrial_ocr.line.monitor import Monitor
from industrial_ocr.line.outputs import Output, make_output
from industrial_ocr.line.pictures import Part, Picture, make_part
from industrial_ocr.line.read_part import make_reader, read_part
from industrial_ocr.line.reading import LineState, Reading
from industrial_ocr.line.sources import PictureSource, make_source
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import ImageArray
from industrial_ocr.review.collecting import Collector

if TYPE_CHECKING:
    from industrial_ocr.line.triggers import Trigger
    from industrial_ocr.reader.reader import Reader

WAIT_S = 0.5
"""Seconds to wait for a picture or a trigger before checking whether to stop."""
MAX_ATTEMPTS = 3
"""A part is recorded as an error after its reading has ended the process this many times."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class _StoppedError(Exception):
    """``stop`` was called while the line waits for something."""


class Runner:
    """Runs one job. ``run`` blocks; every other method may be called from any thread.

    Args:
        job: the job.
        reader: the reader; by default the one that the job describes, with its networks loaded.
        job_file: file of the job; the page lists the jobs in its folder.

    Attributes:
        job: the job.
        monitor: shows the state of the line, its readings and its alarms.
        source: where pictures come from.
        trigger: tells that a part has arrived; None if every picture is read.
        page_address: address of the line's page; empty if it has none.

    Raises:
        LineError: another process runs a job with the same folder, or the source cannot be used.
        ConfigError: a setting cannot be used.
        WeightsError: a network is missing or damaged.
        MissingPackageError: an extra is not installed.
    """

    def __init__(
        self, job: Job, reader: Reader | None = None, job_file: Path | None = None
    ) -> None:
        self.job, self._job_hash = job, job.hash
        self._stopping = threading.Event()
        self._paused = threading.Event()
        self._state = LineState.STOPPED
        self._spool_full = False
        self._next_tick = 0.0
        self.monitor = Monitor(job, on_alarm=self._show_alarm)
        self._deliveries: list[Delivery] = []
        self._outputs: list[Output] = []
        self.page_address = ""
        with ExitStack() as opened:
            names = output_names(job.outputs)
            self._journal = Journal(job.data, names, remember_texts=job.passes.unseen)
            opened.callback(self._journal.close)
            for name, count in self._journal.forgotten.items():
                log.warning("output %s is no longer in the job; %d readings for it are dropped",
                            name, count)  # fmt: skip
            self._reader = reader or make_reader(job.read).load()
            self._patterns = [self._reader.pattern(text) for text in job.read.patterns]
            self._judge = Judge(job, self._journal, self._patterns)
            self._outputs = [make_output(config) for config in job.outputs]
            self.trigger: Trigger | None = None
            if not isinstance(job.trigger, EveryPicture):
                from industrial_ocr.line.triggers import make_trigger

                self.trigger = make_trigger(job.trigger, self._outputs)
                opened.callback(self.trigger.close)
            for name, output in zip(names, self._outputs, strict=True):
                problem = partial(self.monitor.alarm, f"output_{name}")
                self._deliveries.append(Delivery(name, output, self._journal, problem))
            self._archive = None
            if job.archive is not None:
                self._archive = Archive(job.archive, partial(self.monitor.alarm, "archive"))
            self._collector = None
            if job.collect is not None:
                rules = self._reader.config.collecting
                self._collector = Collector(
                    job.collect.path, limit_mb=job.collect.limit_mb, rules=rules
                )
            self.source: PictureSource = make_source(job.source, job.data, self._journal.known)
            opened.callback(self.source.close)
            if job.page is not None:
                from industrial_ocr.line.page import start_page

                page = start_page(self.monitor, self, job.page, job_file)
                self.page_address = page.address
                opened.callback(page.stop)
            self._worker = _Worker()
            self._opened = opened.pop_all()

    def stop(self) -> None:
        """Ends ``run`` after the current part; may be called from a signal handler."""
        self._stopping.set()

    def pause(self) -> None:
        """Takes no further parts until ``resume`` is called."""
        self._paused.set()

    def resume(self) -> None:
        """Takes parts again after ``pause``."""
        self._paused.clear()

    @property
    def paused(self) -> bool:
        """Whether ``pause`` was called."""
        return self._paused.is_set()

    def run(self) -> None:
        """Reads until ``stop`` is called, or until the source ends, as a video file does."""
        with self._opened:
            for delivery in self._deliveries:
                delivery.start()
            try:
                self._finish_interrupted()
                while not (self._stopping.is_set() or self.source.ended):
                    self._tick()
                    if self._until_written(self._may_read):
                        self._next()
            except _StoppedError:
                pass
            finally:
                self._set_state(LineState.STOPPED)
                self._close_deliveries()

    def _close_deliveries(self) -> None:
        closing = [threading.Thread(target=delivery.close) for delivery in self._deliveries]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    def _next(self) -> None:
        """Waits up to ``WAIT_S`` for a part and processes it."""
        if self.trigger is None:
            if pictures := self._pictures(WAIT_S):
                self._process(make_part(pictures, "", None))
            return
        event = self.trigger.wait(WAIT_S)
        if event is not None:
            part = make_part((), event.part, event.expected)
            self._until_written(lambda: self._journal.take(part))
            self.source.fresh()
            pictures = self._pictures(self.job.read.timeout_s)
            self._process(make_part(pictures, part.name, part.expected, part.time), [part.key])

    def _pictures(self, timeout_s: float) -> list[Picture]:
        """The pictures of a part: ``read.frames`` of them, or those that arrive in time."""
        pictures: list[Picture] = []
        end = time.monotonic() + timeout_s
        while len(pictures) < self.job.read.frames:
            picture = self._picture(min(WAIT_S, max(end - time.monotonic(), 0.0)))
            if picture and self._until_written(partial(self._journal.recorded, picture)):
                self._put_away(picture)  # the process ended before this was done
            elif picture is not None:
                if not pictures:
                    end = time.monotonic() + self.job.read.timeout_s
                pictures.append(picture)
            elif time.monotonic() >= end or self._stopping.is_set() or self.source.ended:
                break
        return pictures

    def _picture(self, timeout_s: float) -> Picture | None:
        """The next picture; raises an alarm while the source fails."""
        self._tick()
        try:
            picture = self.source.next(timeout_s)
        except (OSError, sqlite3.OperationalError) as error:
            self._source_is_away(error)
            return None
        self.monitor.alarm("source_away", None)
        return picture

    def _source_is_away(self, error: Exception) -> None:
        self.monitor.alarm("source_away", f"no pictures can be taken: {error}")
        self._stopping.wait(WAIT_S)

    def _tick(self) -> None:
        """Tells the monitor, once a second, that the runner is alive and how many readings wait."""
        now = time.monotonic()
        if now < self._next_tick:
            return
        self._next_tick = now + 1.0
        self.monitor.beat()
        for delivery in self._deliveries:
            with suppress(sqlite3.OperationalError):  # the next recording raises the alarm
                self.monitor.backlog(delivery.name, self._journal.backlog(delivery.name))

    def _may_read(self) -> bool:
        """Whether a part can be taken now; if not, waits ``WAIT_S``."""
        # Once full, it reads again when a tenth of the limit is free.
        limit = self.job.spool_mb * 1e6 * (0.9 if self._spool_full else 1.0)
        waiting = self._journal.waiting_bytes()
        self._spool_full = waiting > limit
        full = f"{waiting / 1e6:.0f} MB wait for the outputs; nothing is read until they are sent"
        self.monitor.alarm("spool", full if self._spool_full else None)
        busy = self._worker.busy
        late = "the last part has timed out, but is still being read"
        self.monitor.alarm("reader", late if busy else None)
        if busy or self._spool_full:
            self._set_state(LineState.ERROR)
        elif self.paused:
            self._set_state(LineState.STOPPED)
        else:
            if self._state is not LineState.DONE:
                self._set_state(LineState.READY)
            return True
        self._stopping.wait(WAIT_S)
        return False

    def _finish_interrupted(self) -> None:
        """Reads the parts that were not finished when the process ended.

        Parts whose pictures are gone are recorded as errors.
        """
        for left in self._journal.interrupted():
            pictures = [p for p in self._again(left.names) if p.key in left.keys]
            if pictures:
                part = make_part(pictures, left.part, left.expected, left.time)
                self._process(part, left.keys)
            else:
                self._record_lost(left)

    def _again(self, names: Sequence[str]) -> list[Picture]:
        """The pictures that the source still has; waits while the source fails."""
        while True:
            try:
                found = [self.source.again(name) for name in names]
                return [picture for picture in found if picture is not None]
            except OSError as error:
                self._source_is_away(error)
            if self._stopping.is_set():
                raise _StoppedError

    def _record_lost(self, left: Interrupted) -> None:
        reason = "the process ended before this part was read, and its picture is gone"
        part = Part((), left.part, left.expected, left.time)
        reading = self._reading(part, _no_judgment("error", reason, left.expected), 0.0)
        reading = replace(reading, picture=", ".join(left.names), picture_sha256=left.sha256)
        self._record((), reading, left.keys)

    def _process(self, part: Part, taken: Sequence[str] = ()) -> None:
        """Reads, judges and records a part."""
        start = time.monotonic()
        attempts = self._until_written(lambda: self._journal.take(part))
        self._set_state(LineState.BUSY)
        judgment, image, results = self._judged(part, attempts)
        reading = self._reading(part, judgment, time.monotonic() - start)
        reading = self._record(part.pictures, reading, taken)
        self._set_state(LineState.DONE)
        log.info("%d: %s %r %s", reading.sequence, reading.picture, reading.text,
                 "passes" if reading.passed else "; ".join(reading.reasons))  # fmt: skip
        if self._archive is not None:
            self._archive.add(reading, part.pictures)
        self._collect(results, reading.picture)
        for picture in part.pictures:
            self._put_away(picture)
        self.monitor.reading(reading, image)
        if reading.sequence % KEPT_KEYS == 0:
            still_there = self.source.still_there()
            if still_there is not None:
                self._until_written(lambda: self._journal.forget_pictures(still_there))

    def _judged(
        self, part: Part, attempts: int
    ) -> tuple[Judgment, ImageArray | None, list[ReadResult]]:
        """The judgment of a part, its first picture, and its results; raises nothing."""
        limit = self.job.read.timeout_s
        image: ImageArray | None = None
        wanted: str | None = part.expected
        if not part.pictures:
            reason = f"no picture came within {limit:g} seconds after the trigger"
            if self._stopping.is_set():
                reason = "the line was stopped before a picture came"
            return _no_judgment("timeout", reason, wanted), None, []
        if attempts > MAX_ATTEMPTS:
            reason = f"the process ended {attempts - 1} times while it read this picture"
            return _no_judgment("error", reason, wanted), None, []
        with suppress(IndustrialOcrError):  # the judge reports it
            wanted = self._judge.expected(part.name, part.expected)
        images: list[ImageArray] = []
        results: list[ReadResult] = []

        def read() -> Any:
            images.extend(load_image(picture.data) for picture in part.pictures)
            return read_part(self._reader, self.job, images, self._patterns, wanted)

        try:
            results, verifications = self._worker.run(read, limit, self.monitor.beat)
            judgment = self._judge.judge(
                results, part.name, part.expected, date.today(), verifications
            )
        except TimeoutError:
            judgment = _no_judgment("timeout", f"not read within {limit:g} seconds", wanted)
        except IndustrialOcrError as error:
            judgment = _no_judgment("error", str(error), wanted)
        except Exception as error:  # a damaged picture must not stop the line
            log.exception("part %r, picture %s", part.name, part.pictures[0].name)
            judgment = _no_judgment("error", f"{type(error).__name__}: {error}", wanted)
        image = images[0] if images else None
        return judgment, image, results

    def _collect(self, results: Sequence[ReadResult], source: str) -> None:
        """Keeps uncertain characters for review; raises an alarm if that fails."""
        if self._collector is None:
            return
        try:
            for result in results:
                self._collector.add(result, source)
        except CollectError as error:
            self.monitor.alarm("collect", str(error))
        else:
            self.monitor.alarm("collect", None)

    def _reading(self, part: Part, judgment: Judgment, latency: float) -> Reading:
        """The reading to record; the journal sets its id and sequence number."""
        return Reading(
            id="",
            sequence=0,
            job=self.job.name,
            job_hash=self._job_hash,
            weights=self._reader.weights,
            picture=part.pictures[0].name if part.pictures else "",
            picture_sha256=_sha256(part.pictures),
            part=part.name,
            time=part.time,
            latency=latency,
            **vars(judgment),
        )

    def _record(
        self, pictures: Sequence[Picture], reading: Reading, taken: Sequence[str] = ()
    ) -> Reading:
        """Writes to the journal, waiting while that fails, and wakes the outputs."""
        reading = self._until_written(lambda: self._journal.finish(pictures, reading, taken))
        for delivery in self._deliveries:
            delivery.notify()
        return reading

    def _until_written(self, write: Callable[[], T]) -> T:
        """Calls ``write`` until it succeeds; raises an alarm while the journal's disk fails.

        Raises:
            _StoppedError: ``stop`` was called; nothing was written.
            LineError: the journal is damaged.
        """
        pause = WAIT_S
        while True:
            try:
                result = write()
                self.monitor.alarm("journal", None)
                return result
            except sqlite3.OperationalError as error:  # the disk is full or not mounted
                self.monitor.alarm("journal", f"{self._journal.path}: {error}; free the disk")
                self._set_state(LineState.ERROR)
            except sqlite3.DatabaseError as error:
                raise LineError(
                    f"{self._journal.path} is damaged: {error}; move it away to start a new one"
                ) from error
            if self._stopping.wait(pause):
                raise _StoppedError
            self.monitor.beat()
            pause = min(2 * pause, 5.0)

    def _put_away(self, picture: Picture) -> None:
        """Moves or deletes a recorded picture; raises an alarm if that fails."""
        try:
            self.source.done(picture)
        except OSError as error:
            self.monitor.alarm(
                "pictures", f"{picture.name} was read, but cannot be moved or deleted: {error}"
            )
        else:
            self.monitor.alarm("pictures", None)

    def _set_state(self, state: LineState) -> None:
        if state is not self._state:
            self._state = state
            self.monitor.state(state)
            for output in self._outputs:
                output.state(state)

    def _show_alarm(self, name: str, message: str | None) -> None:
        for output in self._outputs:
            output.alarm(name, message)


class _Worker:
    """Reads in a thread, so that the line can go on when a reading takes too long."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._last: Future[Any] | None = None
        threading.Thread(target=self._work, name="reader", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether a task is still running after its time-out."""
        return self._last is not None and not self._last.done()

    def run(self, task: Callable[[], T], timeout_s: float, beat: Callable[[], None]) -> T:
        """Runs a task and returns its result; calls ``beat`` every second.

        Raises:
            TimeoutError: the task takes longer; it goes on, and its result is dropped.
        """
        self._last = future = Future[T]()
        self._tasks.put((future, task))
        end = time.monotonic() + timeout_s
        while True:
            left = end - time.monotonic()
            if wait([future], min(max(left, 0.0), 1.0)).done:
                return future.result()
            if left <= 0:
                raise TimeoutError
            beat()

    def _work(self) -> None:
        while True:
            future, task = self._tasks.get()
            try:
                future.set_result(task())
            except BaseException as error:
                future.set_exception(error)


def _sha256(pictures: Sequence[Picture]) -> str:
    """Hash of a picture, or of the joined bytes of several; empty if there is none."""
    if len(pictures) < 2:
        return pictures[0].sha256 if pictures else ""
    whole = hashlib.sha256()
    for picture in pictures:
        whole.update(picture.raw)
    return whole.hexdigest()


def _no_judgment(status: str, reason: str, expected: str | None) -> Judgment:
    """The judgment of a part that was not read."""
    return Judgment(False, (reason,), "", "", status, 0.0, expected=expected)
