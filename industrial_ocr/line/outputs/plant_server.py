"""What the servers have in common that the plant's controllers connect to."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from industrial_ocr.line.job_outputs import ModbusOutput, OpcuaOutput
from industrial_ocr.line.outputs.base import Output, OutputError
from industrial_ocr.line.outputs.loop import LoopThread
from industrial_ocr.line.reading import Reading

Config = TypeVar("Config", ModbusOutput, OpcuaOutput)


class Handshake:
    """The receiver acknowledges each reading by its sequence number."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self._changed = asyncio.Event()

    def acknowledge(self, sequence: int) -> None:
        """Notes the sequence number that the receiver has written; called in the event loop."""
        self.acknowledged = sequence
        self._changed.set()

    async def wait(self, sequence: int) -> None:
        """Waits until this sequence number is acknowledged."""
        while self.acknowledged != sequence:
            self._changed = asyncio.Event()  # belongs to the loop that runs now
            await self._changed.wait()


class PlantServer(Output, Generic[Config]):
    """A server that shows the last reading; it may wait until a client has acknowledged it."""

    batch = 1

    def __init__(self, config: Config) -> None:
        self.config: Config = config
        self._handshake = Handshake()
        self._loop: LoopThread | None = None

    def send(self, readings: Sequence[Reading]) -> None:
        if self._loop is None:
            raise self._failed("not open")
        for reading in readings:
            try:
                self._loop.run(self._deliver(reading), self.config.acknowledge_s)
            except TimeoutError as error:
                raise self._failed(
                    f"reading {reading.sequence} was not acknowledged within "
                    f"{self.config.acknowledge_s:g} s"
                ) from error

    @abstractmethod
    async def _deliver(self, reading: Reading) -> None:
        """Shows a reading; with a handshake, returns when it is acknowledged."""

    @abstractmethod
    def _failed(self, error: object) -> OutputError:
        """The error to raise, with the address of the server."""
