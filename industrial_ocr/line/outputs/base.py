"""The interface of all outputs."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from industrial_ocr.line.reading import LineState, Reading

TIMEOUT_S = 5.0
"""Seconds for connecting, and for an answer of the receiver."""


class OutputError(Exception):
    """Readings could not be delivered; they are sent again later."""


class RefusedError(OutputError):
    """The receiver will never accept this reading: it is put aside, and the next one is sent."""


class Output(ABC):
    """Delivers readings to one receiver.

    Each output has its own thread, which makes all calls except ``check``, ``state`` and
    ``alarm``; these may come from any thread. A failed ``send`` is repeated with the same readings,
    so a receiver may get a reading twice, with the same ``id``. An output removes such duplicates
    if its receiver allows it, as a database does with a unique column.

    Attributes:
        where: address of the receiver, for messages.
    """

    where: str
    batch = 100
    """Largest number of readings in one ``send``; 1 where each one is acknowledged by itself."""

    @abstractmethod
    def open(self) -> None:
        """Connects, or starts the server.

        It is called again, without ``close``, after a failed ``open`` or ``send``. A client then
        connects again; a server keeps running, so that its clients stay connected.

        Raises:
            OutputError: the receiver cannot be reached, or the port cannot be used.
        """

    @abstractmethod
    def send(self, readings: Sequence[Reading]) -> None:
        """Delivers readings in order; returns when the receiver has all of them.

        Raises:
            OutputError: the receiver has not confirmed all of them.
            RefusedError: the receiver rejects this reading for good; only if ``batch`` is 1.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnects; never raises."""

    def state(self, state: LineState) -> None:  # noqa: B027 (optional)
        """Publishes the state of the line, if the output can. Never blocks or raises."""

    def alarm(self, name: str, message: str | None) -> None:  # noqa: B027
        """Publishes an alarm, or its end if the message is None. Never blocks or raises."""

    def check(self) -> None:
        """Tries the connection and leaves nothing at the receiver; raises OutputError."""
        self.open()
        self.close()

    def failure(self, error: object) -> OutputError:
        """The error to raise, with the address of the receiver."""
        return OutputError(f"{self.where}: {error}")

    @contextmanager
    def failing(self, *kinds: type[Exception]) -> Iterator[None]:
        """Raises errors of these kinds as ``failure``."""
        try:
            yield
        except kinds as error:
            raise self.failure(error) from error


def try_port(host: str, port: int) -> None:
    """Listens on a port for a moment; raises OSError if that is not possible."""
    family = socket.getaddrinfo(host, port)[0][0]
    socket.create_server((host, port), family=family).close()
