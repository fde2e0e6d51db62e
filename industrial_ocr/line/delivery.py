"""Delivers the readings in the journal to one output, in a thread of its own."""

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

log = logging.getLogger(__name__)


class Delivery:
    """Delivers the readings of the journal to one output, in order and at least once.

    Readings that the receiver rejects for good are written to ``refused-NAME.jsonl`` beside the
    journal.

    Args:
        name: name of the output in the journal.
        output: the output, not yet open; the thread opens and closes it.
        journal: holds the readings.
        on_problem: called with a message when a delivery fails, and with None when one succeeds.
    """

    def __init__(
        self, name: str, output: Output, journal: Journal, on_problem: Callable[[str | None], None]
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
        """Tells the thread that a reading was recorded."""
        self._wake.set()

    def close(self) -> None:
        """Tries once more to deliver the waiting readings, for 10 s at most, and ends the thread.

        Readings that are not delivered stay in the journal.
        """
        self._ending.set()
        self._wake.set()
        self._thread.join(10.0)
        if self._thread.is_alive():
            log.warning("output %s does not end; its readings are sent at the next start",
                        self.name)  # fmt: skip

    def _work(self) -> None:
        first_pause, longest_pause = 0.5, 30.0
        pause = first_pause
        while True:
            self._wake.clear()
            ending = self._ending.is_set()
            try:
                refused = self._deliver()
            except Exception as error:  # libraries of outputs raise errors of any class
                if not isinstance(error, (OutputError, sqlite3.Error)):
                    log.exception("output %s failed", self.name)
                self._is_open = False
                self._on_problem(str(error) or type(error).__name__)
                if not ending:
                    self._ending.wait(pause)
                pause = min(2 * pause, longest_pause)
            else:
                self._on_problem(refused)
                pause = first_pause
                if not ending:
                    self._wake.wait()
            if ending:
                break
        self.output.close()

    def _deliver(self) -> str | None:
        """Sends all waiting readings; returns a message if the receiver rejected one."""
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
    """The names of outputs in the journal: ``sql``, and ``sql-2`` for a second one."""
    kinds = [output.kind for output in outputs]
    counts = (kinds[: at + 1].count(kind) for at, kind in enumerate(kinds))
    return [kind if n == 1 else f"{kind}-{n}" for kind, n in zip(kinds, counts, strict=True)]
