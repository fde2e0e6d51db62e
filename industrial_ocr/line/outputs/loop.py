"""An event loop in a thread of its own, for outputs whose library is asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CANCEL_S = 2.0
"""A task that is canceled has so long to say goodbye."""


class LoopThread:
    """Runs coroutines for other threads until it is closed."""

    def __init__(self, name: str) -> None:
        # Windows' default loop cannot watch a socket that a library has opened itself.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """The coroutine's result.

        Raises:
            TimeoutError: there is none within ``timeout_s``; the coroutine is canceled.
        """
        limited = asyncio.wait_for(coroutine, timeout_s)
        try:
            return asyncio.run_coroutine_threadsafe(limited, self._loop).result()
        except asyncio.TimeoutError as error:  # another class than TimeoutError in Python 3.10
            raise TimeoutError(f"no answer within {timeout_s:g} s") from error

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine that catches its own errors, without waiting for it."""
        try:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # closed meanwhile by another thread
            coroutine.close()

    def close(self) -> None:
        """Cancels what runs and ends the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(_end_all())
        self._loop.close()


async def _end_all() -> None:
    """What ``asyncio.run`` does at its end; asks again, since Python < 3.12 may lose a cancel."""
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=CANCEL_S)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


class Handshake:
    """The receiver gives back the sequence number of the last reading that it has taken."""

    def __init__(self) -> None:
        self.taken = 0
        self._changed = asyncio.Event()

    def take(self, sequence: int) -> None:
        """The receiver has written a sequence number; called in the event loop."""
        self.taken = sequence
        self._changed.set()

    async def wait(self, sequence: int) -> None:
        """Waits until it is this one."""
        while self.taken != sequence:
            self._changed = asyncio.Event()  # belongs to the loop that runs now
            await self._changed.wait()
