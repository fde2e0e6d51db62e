"""Sends what the journal holds for one output, from a thread of its own."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence

from industrial_ocr.line.job_outputs import OutputConfig
from industrial_ocr.line.journal import Journal
from industrial_ocr.line.outputs.base import Output, OutputError, RefusedError
from industrial_ocr.line.reading import Reading

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
"""Pauses between attempts start with the first and double up to the longest."""
CLOSE_S = 10.0
"""Seconds that an output has at the end to send what waits."""

log = logging.getLogger(__name__)


class Delivery:
    """Brings the readings of the journal to one output, in order and at least once.

    A reading that the receiver refuses for good goes to ``refused-NAME.jsonl`` beside the journal.

    Args:
        name: of the output in the journal.
        output: not opened yet; the thread opens and closes it.
        journal: what waits.
        on_problem: called with a message when the output is away, and with None when it is back.
    """

    def __init__(
        self,
        name: str,
        output: Output,
        journal: Journal,
        on_problem: Callable[[str | None], None],
    ) -> None:
        self.name, self.output = name, output
        self._journal, self._on_problem = journal, on_problem
        self._wake, self._ending = threading.Event(), threading.Event()
        self._is_open = False
        self._thread = threading.Thread(target=self._work, name=f"output {name}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def notify(self) -> None:
        """A reading was recorded."""
        self._wake.set()

    def close(self) -> None:
        """Tries once more to send what waits, then ends the thread; what is left stays."""
        self._ending.set()
        self._wake.set()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            log.warning("output %s does not end; what waits for it is sent at the next start",
                        self.name)  # fmt: skip

    def _work(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            self._wake.clear()
            ending = self._ending.is_set()
            try:
                refused = self._deliver()
            except Exception as error:  # a library of an output may raise anything
                if not isinstance(error, (OutputError, sqlite3.Error)):
                    log.exception("output %s failed", self.name)
                self._is_open = False
                self._on_problem(str(error) or type(error).__name__)
                if not ending:
                    self._ending.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                self._on_problem(refused)
                pause = FIRST_PAUSE_S
                if not ending:
                    self._wake.wait()
            if ending:
                break
        self.output.close()

    def _deliver(self) -> str | None:
        """Sends all that waits, and says what the receiver refused."""
        if not self._is_open:
            self.output.open()
            self._is_open = True
        refused = None
        while readings := self._journal.waiting(self.name, self.output.batch):
            try:
                self.output.send(readings)
            except RefusedError as error:
                refused = self._put_aside(readings, error)
            self._journal.delivered(self.name, readings[-1].sequence)
        return refused

    def _put_aside(self, readings: Sequence[Reading], error: RefusedError) -> str:
        path = self._journal.path.parent / f"refused-{self.name}.jsonl"
        try:
            with path.open("a", encoding="utf-8") as file:
                file.writelines(reading.to_json() + "\n" for reading in readings)
                file.flush()
                os.fsync(file.fileno())
        except OSError as full:
            raise OutputError(f"{path}: {full}") from full
        message = f"{error}; the reading {readings[-1].sequence} was put aside in {path}"
        log.error("output %s: %s", self.name, message)
        return message


def output_names(outputs: Sequence[OutputConfig]) -> list[str]:
    """Names under which the journal knows outputs: ``sql``, and ``sql-2`` for a second one."""
    kinds = [output.kind for output in outputs]
    counts = (kinds[: at + 1].count(kind) for at, kind in enumerate(kinds))
    return [kind if n == 1 else f"{kind}-{n}" for kind, n in zip(kinds, counts, strict=True)]
