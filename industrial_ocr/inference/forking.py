"""Keeps a reader usable in the children that a program makes with ``fork``.

The thread pools of OpenMP (torch) and OpenCV do not survive a fork: in the child their threads are
gone, and the first work that is given to them waits for ever. So they are emptied before each
fork; parent and child start new threads when they need some.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from functools import cache

import cv2

_OMP_PAUSE_SOFT = 1


@cache
def keep_forks_usable() -> None:
    """Registers the hooks, once a process; nothing where there is no fork."""
    if hasattr(os, "register_at_fork"):
        pools = _Pools()
        os.register_at_fork(
            before=pools.empty,
            after_in_parent=pools.restore,
            after_in_child=pools.restore_in_child,
        )


class _Pools:
    """The pools of the process; the lock is held from before a fork until after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opencv_threads = 1
        self._openmp_empty = False

    def empty(self) -> None:
        """Ends the threads of both pools."""
        self._lock.acquire()
        self._opencv_threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        # OpenMP's pool belongs to the thread that forks, which is the only one the child has.
        pause = getattr(ctypes.CDLL(None), "omp_pause_resource_all", None)
        self._openmp_empty = pause is not None and pause(_OMP_PAUSE_SOFT) == 0

    def restore(self) -> None:
        """Allows OpenCV as many threads as before; they start at need, as those of OpenMP do."""
        cv2.setNumThreads(self._opencv_threads)
        self._lock.release()

    def restore_in_child(self) -> None:
        """The same; where OpenMP's pool could not be emptied, the child does without."""
        if not self._openmp_empty and "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        self.restore()
