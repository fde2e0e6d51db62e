"""Keeps a reader usable in processes that a program makes with ``fork``.

A forked process does not have the threads of OpenMP (torch) and OpenCV, and the first call that
needs them would wait forever. So these thread pools are emptied before each fork; both processes
start new threads when they need them.

Before Python 3.12, every ``functools.cached_property`` has a lock, which another thread may hold at
the fork. The child gets new ones.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from functools import cache, cached_property

import cv2

_OMP_PAUSE_SOFT = 1
_PACKAGE = __name__.partition(".")[0]


@cache
def keep_forks_usable() -> None:
    """Registers the hooks once per process; does nothing on systems without ``fork``."""
    if hasattr(os, "register_at_fork"):
        pools = _Pools()
        os.register_at_fork(
            before=pools.empty, after_in_parent=pools.restore, after_in_child=pools.restore_in_child
        )


class _Pools:
    """The thread pools of the process; a lock is held during a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opencv_threads = 1
        self._openmp_empty = False

    def empty(self) -> None:
        """Ends the threads of both pools."""
        self._lock.acquire()
        self._opencv_threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        # The pool of OpenMP belongs to the thread that forks, the only one of the new process.
        pause = getattr(ctypes.CDLL(None), "omp_pause_resource_all", None)
        self._openmp_empty = pause is not None and pause(_OMP_PAUSE_SOFT) == 0

    def restore(self) -> None:
        """Sets the number of OpenCV's threads again; pools start their threads when needed."""
        cv2.setNumThreads(self._opencv_threads)
        self._lock.release()

    def restore_in_child(self) -> None:
        """As ``restore``; if the pool of OpenMP could not be emptied, torch gets one thread."""
        if not self._openmp_empty and "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        if sys.version_info < (3, 12):
            _unlock_cached_properties()
        self.restore()


def _unlock_cached_properties() -> None:
    """Gives each ``cached_property`` of this package a new lock."""
    for name, module in list(sys.modules.items()):
        if not name.startswith(f"{_PACKAGE}."):
            continue
        for owner in vars(module).values():
            own = vars(owner).values() if isinstance(owner, type) else ()
            for found in own:
                if isinstance(found, cached_property):
                    vars(found)["lock"] = threading.RLock()
