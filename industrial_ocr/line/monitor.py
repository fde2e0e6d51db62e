"""The state of a line as its page shows it: metrics, the last readings, alarms and health."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

from industrial_ocr import __version__
from industrial_ocr.line.drift import Baseline, Drift
from industrial_ocr.line.job import Job
from industrial_ocr.line.reading import LineState, Reading
from industrial_ocr.results.files import write_whole
from industrial_ocr.results.types import ImageArray
from industrial_ocr.results.viz import draw_outline

PICTURE_SIDE = 640
"""Longest side of a kept picture, in pixels."""
STUCK_S = 60.0
"""Seconds without a call of ``beat`` after which the runner counts as stuck."""
_PASSED_COLOR, _FAILED_COLOR = (0, 170, 70), (230, 40, 40)
log = logging.getLogger(__name__)


Shown = tuple[Reading, bytes | None]
"""A reading, and a small JPEG with its boxes drawn; None if there was no picture."""


class Monitor:
    """Receives the events of a runner and answers the requests of the page; safe between threads.

    Args:
        job: the job. The baseline of the drift alarms is kept in its folder ``data``.
        keep: number of last readings that are kept, and of last readings that did not pass.
        on_alarm: called with the name and the message of an alarm when it is raised, and with None
            when it ends, in the thread that noticed it.
        clock: monotonic clock, in seconds.
    """

    def __init__(
        self,
        job: Job,
        *,
        keep: int = 60,
        on_alarm: Callable[[str, str | None], None] = lambda name, message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job = job
        self._on_alarm = on_alarm
        self._clock = clock
        self._lock = threading.RLock()
        self._state = LineState.STOPPED
        self._last: deque[Shown] = deque(maxlen=keep)
        self._refused: deque[Shown] = deque(maxlen=keep)
        self._statuses: Tally[str] = Tally()
        self._passed = 0
        self._alarms: dict[str, tuple[str, float]] = {}
        self._backlog: dict[str, int] = {}
        self._heard = self._arrived = clock()
        self._baseline_file = job.data / "baseline.json"
        self._drift = Drift(job.alarms.baseline, self._known_baseline())
        self._make_metrics()

    def _make_metrics(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        name = "industrial_ocr_{}".format
        self._count = Counter(
            name("readings"), "Parts that were read.", ("status", "passed"), registry=registry
        )
        self._latency = Histogram(
            name("latency_seconds"),
            "Seconds from the picture's arrival to the judgment.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0),
            registry=registry,
        )
        self._confidence = Histogram(
            name("confidence"),
            "Confidence of the text.",
            buckets=(0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0),
            registry=registry,
        )
        self._waiting = Gauge(
            name("backlog"), "Readings that an output has to deliver.", ("output",),
            registry=registry,
        )  # fmt: skip
        self._raised = Gauge(name("alarm"), "1 while it is raised.", ("alarm",), registry=registry)
        self._drifted = Gauge(
            name("drift"), "CUSUM; 1 raises the alarm.", ("of",), registry=registry
        )
        states = [state.value for state in LineState]
        self._shown_state = Enum(
            name("line_state"), "What the line does.", states=states, registry=registry
        )
        self._shown_state.state(self._state.value)
        about = {"name": self.job.name, "hash": self.job.hash, "version": __version__}
        Info(name("job"), "The job and the program.", registry=registry).info(about)

    def reading(self, reading: Reading, image: ImageArray | None = None) -> None:
        """Adds a reading.

        Args:
            reading: the reading.
            image: (H, W, 3) uint8 RGB, the picture that was read. A small copy is kept, with the
                boxes of the characters drawn into it.
        """
        picture = None if image is None else small_picture(reading, image)
        self._count.labels(reading.status, str(reading.passed).lower()).inc()
        self._latency.observe(reading.latency)
        self._confidence.observe(reading.confidence)
        self.arrived()
        with self._lock:
            self._last.append((reading, picture))
            if not reading.passed:
                self._refused.append((reading, picture))
            self._statuses[reading.status] += 1
            self._passed += reading.passed
            drifted = self._add_to_drift(reading) if self.job.alarms.drift else {}
        for name, message in drifted.items():
            self.alarm(name, message)
        fields = ("sequence", "status", "passed", "latency", "picture", "part")
        about = {name: getattr(reading, name) for name in fields}
        log.info("reading %d: %s", reading.sequence, reading.status, extra={"fields": about})

    def _add_to_drift(self, reading: Reading) -> dict[str, str | None]:
        """Adds a reading to the drift charts; returns each alarm's message, None if it is off."""
        drift = self._drift
        measuring = drift.baseline is None
        drift.add(reading.sequence, reading.passed, reading.confidence)
        if measuring and drift.baseline is not None:
            self._keep_baseline(drift.baseline)
        for name, level in drift.levels.items():
            self._drifted.labels(name).set(level)
        return {f"drift_{name}": drift.alarms.get(name) for name in drift.levels}

    def _known_baseline(self) -> Baseline | None:
        """The baseline that an earlier run of the same job has measured."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            data = json.loads(self._baseline_file.read_text(encoding="utf-8"))
            if data.pop("job_hash") == self.job.hash:
                return Baseline(**data)
        return None

    def _keep_baseline(self, baseline: Baseline) -> None:
        data = asdict(baseline) | {"job_hash": self.job.hash}
        try:
            write_whole(self._baseline_file, json.dumps(data))
        except OSError as error:
            log.warning("the baseline of the drift alarms cannot be kept: %s", error)

    def state(self, state: LineState) -> None:
        """Sets the state of the line."""
        self._shown_state.state(state.value)
        with self._lock:
            self._state = state

    def backlog(self, output: str, count: int) -> None:
        """Sets the number of readings that wait for an output."""
        self._waiting.labels(output).set(count)
        with self._lock:
            self._backlog[output] = count

    def alarm(self, name: str, message: str | None) -> None:
        """Raises an alarm, or ends it if the message is None; repeated calls have no effect."""
        with self._lock:
            known = self._alarms.get(name)
            if (known and known[0]) == message:
                return
            if message is None:
                del self._alarms[name]
            else:
                self._alarms[name] = (message, known[1] if known else time.time())
        self._raised.labels(name).set(message is not None)
        if message is None:
            log.info("alarm %s ended", name)
        else:
            log.warning("alarm %s: %s", name, message)
        self._on_alarm(name, message)

    def arrived(self) -> None:
        """Notes that the source has brought a picture."""
        self._arrived = self._clock()
        self.alarm("source", None)

    def beat(self) -> None:
        """Notes that the runner is alive; it calls this at least every few seconds."""
        self._heard = self._clock()
        limit = self.job.alarms.stalled_s
        if limit is not None and self._heard - self._arrived > limit:
            self.alarm("source", f"the source has brought no picture for {limit:g} seconds")

    def healthy(self) -> str | None:
        """Why the program should be restarted; None if it is healthy."""
        silent = self._clock() - self._heard
        if self._state is not LineState.STOPPED and silent > STUCK_S:
            return f"the runner gave no sign of life for {silent:.0f} seconds"
        return None

    def ready(self) -> str | None:
        """Why no part can be read now; None if the line is ready."""
        if self._state in (LineState.ERROR, LineState.STOPPED):
            return f"the line is in state {self._state.value}"
        return self.healthy()

    def metrics(self) -> bytes:
        """The metrics in the text format of Prometheus."""
        return generate_latest(self._registry)

    def picture(self, reading_id: str) -> bytes | None:
        """The small JPEG of one of the kept readings."""
        with self._lock:
            kept = (*self._last, *self._refused)
        return next((picture for reading, picture in kept if reading.id == reading_id), None)

    def snapshot(self) -> dict[str, Any]:
        """All data of the page, ready for JSON; the newest readings come first."""
        with self._lock:
            last, refused = list(self._last), list(self._refused)
            drift = self._drift
            latencies = [reading.latency for reading, _ in last] or [0.0]
            return {
                "job": {"name": self.job.name, "hash": self.job.hash},
                "state": self._state.value,
                "counts": {
                    "passed": self._passed,
                    "refused": self._statuses.total() - self._passed,
                    "by_status": dict(self._statuses),
                },
                "latency": {
                    "median": float(np.median(latencies)),
                    "p95": float(np.percentile(latencies, 95)),
                },
                "alarms": [
                    {"name": name, "message": message, "since": since}
                    for name, (message, since) in self._alarms.items()
                ],
                "backlog": dict(self._backlog),
                "drift": {
                    "baseline": None if drift.baseline is None else asdict(drift.baseline),
                    "missing": drift.missing,
                    "points": [asdict(point) for point in drift.points],
                },
                "last": _rows(reversed(last)),
                "refused": _rows(reversed(refused)),
            }


def _rows(shown: Iterable[Shown]) -> list[dict[str, Any]]:
    """The fields of readings that the page shows."""
    fields = (
        "id", "sequence", "picture", "part", "text", "status", "passed", "reasons", "confidence",
        "expected", "latency",
    )  # fmt: skip
    return [
        {name: getattr(reading, name) for name in fields}
        | {"time": reading.time.isoformat(), "has_picture": picture is not None}
        for reading, picture in shown
    ]


def small_picture(reading: Reading, image: ImageArray) -> bytes:
    """A JPEG of at most ``PICTURE_SIDE`` pixels a side, with the boxes of the characters."""
    side = max(image.shape[:2])
    # Every n-th pixel first: averaging all of a large picture would take most of the time.
    step = max(1, side // (2 * PICTURE_SIDE))
    thin = image[::step, ::step]
    scale = min(1.0, PICTURE_SIDE / max(thin.shape[:2]))
    height, width = (max(1, round(n * scale)) for n in thin.shape[:2])
    resized = cv2.resize(thin, (width, height), interpolation=cv2.INTER_AREA)
    small: ImageArray = np.asarray(resized, np.uint8)
    color = _PASSED_COLOR if reading.passed else _FAILED_COLOR
    for character in reading.characters:
        if character.get("quad") is not None:
            draw_outline(small, np.asarray(character["quad"]) * (scale / step), color, 2)
    _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return data.tobytes()
