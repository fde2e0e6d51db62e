"""A TCP receiver, which gets one line of text per reading."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timezone
from typing import Any

from industrial_ocr.errors import ConfigError
from industrial_ocr.line.job_outputs import TcpOutput
from industrial_ocr.line.outputs.base import TIMEOUT_S, Output
from industrial_ocr.line.reading import Reading

MAX_ANSWER = 4096
"""Largest answer to a line, in bytes."""
_EXAMPLE = Reading(
    "id", 1, "job", "", {}, "", "", "", datetime.now(timezone.utc), "", "", "ok", True, (), 1.0
)


class TcpLines(Output):
    """Connects to a server and sends lines in UTF-8.

    With ``acknowledged``, the next line waits until the server has answered with this text. Without
    it, lines that were sent shortly before the connection broke may be lost.

    Raises:
        ConfigError: the format has a field that ``Reading`` does not have.
    """

    batch = 1

    def __init__(self, config: TcpOutput) -> None:
        self.config = config
        self.where = f"{config.host}:{config.port}"
        self._socket: socket.socket | None = None
        try:
            config.format.format(**_values(_EXAMPLE))
        except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
            names = ", ".join(f.name for f in fields(Reading))
            raise ConfigError(f"format {config.format!r}: {error}; fields are {names}") from error

    def open(self) -> None:
        self.close()
        try:
            self._socket = socket.create_connection((self.config.host, self.config.port), TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            self.close()
            raise self.failure(error) from error

    def send(self, readings: Sequence[Reading]) -> None:
        if self._socket is None:
            raise self.failure("not connected")
        with self.failing(OSError):
            for reading in readings:
                self._drain(self._socket)
                self._socket.sendall(self.config.format.format(**_values(reading)).encode())
                if self.config.acknowledged is not None:
                    self._await(self._socket, self.config.acknowledged.encode())

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def check(self) -> None:
        with self.failing(OSError):
            socket.create_connection((self.config.host, self.config.port), TIMEOUT_S).close()

    def _drain(self, connection: socket.socket) -> None:
        """Drops bytes that the server has sent unasked; raises if it has closed the connection."""
        connection.setblocking(False)
        try:
            while connection.recv(MAX_ANSWER):
                pass
            raise self.failure("the server has closed the connection")
        except BlockingIOError:
            return
        finally:
            connection.settimeout(TIMEOUT_S)

    def _await(self, connection: socket.socket, answer: bytes) -> None:
        said = b""
        while answer not in said:
            more = connection.recv(MAX_ANSWER)
            said += more
            if not more or len(said) > MAX_ANSWER:
                raise self.failure(f"answered {said[:40]!r} instead of {answer!r}")


def _values(reading: Reading) -> Mapping[str, Any]:
    """The fields by name; line breaks in texts become spaces."""
    return {
        name: " ".join(value.splitlines()) if isinstance(value, str) else value
        for name, value in vars(reading).items()
    }
