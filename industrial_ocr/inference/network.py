"""The interface of all networks, which map a batch of arrays to an array."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from industrial_ocr.results.types import FloatArray

MIN_LOG_PROB = -60.0
"""Log-probability of classes that a frame cannot show; it is finite, so that sums are, too."""


class Session(Protocol):
    """A network that a backend has loaded; safe between threads."""

    survives_fork: bool
    """Whether a process that was made with ``fork`` can use it."""

    def run(self, batch: FloatArray) -> FloatArray:
        """(N, C, H, W) float32 -> float32, the network's output."""


class Network:
    """A network that is loaded at its first call, and again in a forked process.

    A forked process does not have the threads of an ONNX Runtime or OpenVINO session, so that a
    call of the session would wait forever.

    Args:
        load: loads the session.
    """

    def __init__(self, load: Callable[[], Session]) -> None:
        self._load = load
        self._session: Session | None = None
        self._lock = threading.Lock()
        _networks.add(self)

    def __call__(self, batch: FloatArray) -> FloatArray:
        """(N, C, H, W) float32 -> float32, the network's output.

        Raises:
            WeightsError: at the first call, if the file is missing, damaged or of another network.
        """
        return self.load().run(batch)

    def load(self) -> Session:
        """Loads the network unless it is loaded already; raises as a call does."""
        with self._lock:
            if self._session is None:
                self._session = self._load()
            return self._session

    def after_fork(self) -> None:
        """Drops the session in a forked process that cannot use it."""
        self._lock = threading.Lock()
        if self._session is not None and not self._session.survives_fork:
            # It is never freed: its destructor would wait for threads that do not exist.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
            self._session = None


def log_softmax(scores: FloatArray) -> FloatArray:
    """Log-probabilities over the last axis, float32."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    result: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


_networks: weakref.WeakSet[Any] = weakref.WeakSet()


def _after_fork() -> None:
    for network in list(_networks):
        network.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
