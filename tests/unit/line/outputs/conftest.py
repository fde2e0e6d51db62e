from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from industrial_ocr.line.reading import Reading


@pytest.fixture
def make_reading() -> Callable[..., Reading]:
    """``make_reading(7)``: the reading with that sequence number; its id is ``id-7``."""

    def make(sequence: int, **changes: Any) -> Reading:
        values: dict[str, Any] = {
            "id": f"id-{sequence}",
            "sequence": sequence,
            "job": "date",
            "job_hash": "ab12",
            "weights": {"detector": "cd34"},
            "picture": f"{sequence}.png",
            "picture_sha256": "ef56",
            "part": f"part {sequence}",
            "time": datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc),
            "text": f"L{sequence}",
            "raw_text": f"L {sequence}",
            "status": "ok",
            "passed": True,
            "reasons": (),
            "confidence": 0.97,
            "characters": ({"symbol": "L", "confidence": 0.98},),
        }
        return Reading(**values | changes)

    return make


def _held() -> tuple[int, int]:
    """Threads and open files of this process."""
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """The test must leave no thread, socket or file more than it has found."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("counts open files in /proc")
    before = _held()
    yield
    end = time.monotonic() + 10
    while _held() > before and time.monotonic() < end:
        time.sleep(0.05)  # a socket is closed in its own time
    threads, files = _held()
    assert threads <= before[0] and files <= before[1]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
