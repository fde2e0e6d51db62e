"""The common part of servers to which the plant's controllers connect."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Generic, TypeVar

from industrial_ocr.line.job_outputs import ModbusOutput, OpcuaOutput
from industrial_ocr.line.outputs.base import TIMEOUT_S, Output, try_port
from industrial_ocr.line.outputs.loop import LoopThread
from industrial_ocr.line.reading import Reading

Config = TypeVar("Config", ModbusOutput, OpcuaOutput)


class PlantServer(Output, Generic[Config]):
    """A server that shows the last reading; it may wait until a client has acknowledged it.

    Attributes:
        errors: errors that its library raises when it starts or stops.
        start_s: seconds for the start.
    """

    batch = 1
    errors: ClassVar[tuple[type[Exception], ...]]
    start_s: ClassVar[float] = TIMEOUT_S

    def __init__(self, config: Config) -> None:
        self.config: Config = config
        self._acknowledged = 0
        self._changed = asyncio.Event()
        self._loop: LoopThread | None = None
        self._server: Any = None

    def open(self) -> None:
        if self._server is not None:
            return
        self.check()
        self._loop = LoopThread(f"{self.config.kind} {self._address[1]}")
        try:
            self._server = self._loop.run(self._serve(), self.start_s)
        except self.errors as error:
            self.close()
            raise self.failure(error) from error

    def close(self) -> None:
        if self._loop is not None:
            if self._server is not None:
                with suppress(*self.errors):
                    self._loop.run(self._stop(), TIMEOUT_S)
            self._loop.close()
        self._loop = self._server = None

    def check(self) -> None:
        if self._server is not None:
            return
        with self.failing(OSError):
            try_port(*self._address)

    def send(self, readings: Sequence[Reading]) -> None:
        if self._loop is None:
            raise self.failure("not open")
        for reading in readings:
            try:
                self._loop.run(self._deliver(reading), self.config.acknowledge_s)
            except TimeoutError as error:
                raise self.failure(
                    f"reading {reading.sequence} was not acknowledged within "
                    f"{self.config.acknowledge_s:g} s"
                ) from error

    def _acknowledge(self, sequence: int) -> None:
        """Notes the sequence number that the client has written; called in the event loop."""
        self._acknowledged = sequence
        self._changed.set()

    async def _until_acknowledged(self, sequence: int) -> None:
        while self._acknowledged != sequence:
            self._changed = asyncio.Event()  # belongs to the loop that runs now
            await self._changed.wait()

    @property
    @abstractmethod
    def _address(self) -> tuple[str, int]:
        """The host and the port on which it listens."""

    @abstractmethod
    async def _serve(self) -> Any:
        """Starts and returns the server of the library."""

    @abstractmethod
    async def _stop(self) -> None:
        """Stops the server of the library."""

    @abstractmethod
    async def _deliver(self, reading: Reading) -> None:
        """Shows a reading; with a handshake, returns when it is acknowledged."""
