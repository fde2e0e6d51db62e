from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest


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
