"""A process that is forked while another thread works."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from industrial_ocr.inference.forking import keep_forks_usable
from industrial_ocr.patterns.charset import Charset


class SlowSymbols(tuple[str, ...]):
    """Symbols that another thread is still going through at the fork."""

    def __iter__(self) -> Iterator[str]:
        BEGUN.set()
        assert FORKED.wait(60)
        return super().__iter__()


BEGUN, FORKED = threading.Event(), threading.Event()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # from Python 3.12 on
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system knows no fork")
def test_a_child_does_not_wait_for_what_another_thread_computes() -> None:
    keep_forks_usable()
    slow, other = Charset(("A", "B")), Charset(("A", "B"))
    object.__setattr__(slow, "symbols", SlowSymbols("AB"))
    worker = threading.Thread(target=slow.encode, args=("AB",))
    worker.start()
    assert BEGUN.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # ends the child if it waits
        os._exit(0 if other.encode("AB") == [0, 1] else 1)
    FORKED.set()
    worker.join()
    assert os.waitpid(child, 0)[1] == 0
