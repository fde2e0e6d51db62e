"""An event loop in a thread of its own, for outputs with asynchronous libraries."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for other threads until it is closed."""

    def __init__(self, name: str) -> None:
        # The default loop of Windows cannot watch sockets that a library has opened.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Runs a coroutine and returns its result.

        Raises:
            TimeoutError: it took longer than ``timeout_s`` and was canceled.
        """
        limited = asyncio.wait_for(coroutine, timeout_s)
        try:
            return asyncio.run_coroutine_threadsafe(limited, self._loop).result()
        except asyncio.TimeoutError as error:  # another class than TimeoutError in Python 3.10
            raise TimeoutError(f"no answer within {timeout_s:g} s") from error

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Starts a coroutine, which must handle its errors, and does not wait for it."""
        try:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # another thread has closed the loop
            coroutine.close()

    def close(self) -> None:
        """Cancels the coroutines that run and ends the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(_cancel_all())
        self._loop.close()


async def _cancel_all() -> None:
    """Cancels all tasks, again and again, since Python < 3.12 may lose a cancellation."""
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=2.0)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
