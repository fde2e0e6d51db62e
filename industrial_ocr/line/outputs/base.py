"""What every output does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from industrial_ocr.line.reading import LineState, Reading


class OutputError(Exception):
    """An output is away or refuses; the readings are sent again later."""


class RefusedError(OutputError):
    """The receiver will never take this reading: it is put aside, and the next one is sent."""


class Output(ABC):
    """Delivers readings to one receiver.

    The runner gives each output a thread of its own; all calls come from it, except ``check``,
    ``state`` and ``alarm``, which any thread may call. A failed ``send`` is repeated with the same
    readings, so a receiver may get one twice, with the same ``id``; what the receiver can do to
    keep one of them (a unique column), the output does.
    """

    batch = 100
    """Largest number of readings in one ``send``; 1 where each is acknowledged for itself."""

    @abstractmethod
    def open(self) -> None:
        """Connects; OutputError if the receiver is away.

        Called again, without ``close``, after a failed ``open`` or ``send``: a client then connects
        anew, a server that PLCs are connected to stays as it is.
        """

    @abstractmethod
    def send(self, readings: Sequence[Reading]) -> None:
        """Delivers readings in order; returns when the receiver has them all.

        Raises:
            OutputError: it is not known that the receiver has them all.
            RefusedError: the receiver answered that it does not take this reading; only where
                ``batch`` is 1.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnects; never raises."""

    def state(self, state: LineState) -> None:  # noqa: B027 (optional)
        """Shows what the line does now: to PLCs and over MQTT. Never blocks or raises."""

    def alarm(self, name: str, message: str | None) -> None:  # noqa: B027
        """Shows an alarm, where ``state`` is shown; None ends it. Never blocks or raises."""

    def check(self) -> None:
        """Tries the connection without a trace at the receiver; OutputError says what is wrong."""
        self.open()
        self.close()
