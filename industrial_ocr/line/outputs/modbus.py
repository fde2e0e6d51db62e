"""A Modbus TCP server that a PLC polls; the register map is in docs/guides/plc.md.

Addresses start at 0. Numbers of two registers have the high word first. The server answers any unit
id.
"""

from __future__ import annotations

import queue
from collections.abc import Callable

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from industrial_ocr.line.job_outputs import ModbusOutput
from industrial_ocr.line.outputs.plant_server import PlantServer
from industrial_ocr.line.reading import LineState, Reading, TriggerEvent

# Input registers (function 4)
MAP_VERSION = 1
STATE_CODES = {
    LineState.STOPPED: 0,
    LineState.READY: 1,
    LineState.BUSY: 2,
    LineState.DONE: 3,
    LineState.ERROR: 4,
}
NO_RESULT, PASSED, NOT_PASSED, TIMED_OUT, ERROR = range(5)
TEXT = 10
TEXT_REGISTERS = 50
INPUTS = TEXT + TEXT_REGISTERS

# Discrete inputs (function 2)
FLAGS = ("ready", "busy", "done", "passed", "failed", "timeout", "error", "alarm")

# Holding registers (functions 3, 6, 16), written by the PLC; 0 and 1 are the sequence number of the
# reading that it has taken
PART, EXPECTED = 100, 200
HOLDING = EXPECTED + TEXT_REGISTERS
COILS = 65536


class ModbusServer(PlantServer[ModbusOutput]):
    """Shows the state of the line and the last reading in registers."""

    errors = (OSError, RuntimeError)

    def __init__(self, config: ModbusOutput) -> None:
        super().__init__(config)
        self.where = f"Modbus at {config.host}:{config.port}"
        self._state = LineState.STOPPED
        self._alarms: set[str] = set()
        self._result = NO_RESULT
        self._sequence = 0
        self._reading = [0] * INPUTS
        self._coils = bytearray(COILS)
        self._holding = [0] * HOLDING
        self._watched: dict[int, Callable[[TriggerEvent], None]] = {}

    def watch(self, coil: int, put: Callable[[TriggerEvent], None]) -> None:
        """Has ``put`` called, in the server's thread, whenever this coil changes from 0 to 1.

        ``put`` must not block. If it raises ``queue.Full``, the PLC gets the answer "device busy".
        """
        self._watched[coil] = put

    def state(self, state: LineState) -> None:
        self._state = state

    def alarm(self, name: str, message: str | None) -> None:
        if message is None:
            self._alarms.discard(name)
        else:
            self._alarms.add(name)

    @property
    def _address(self) -> tuple[str, int]:
        return self.config.host, self.config.port

    async def _stop(self) -> None:
        await self._server.shutdown()

    async def _serve(self) -> ModbusTcpServer:
        coils = SimData(0, values=[False] * COILS, datatype=DataType.BITS)
        flags = SimData(0, values=[False] * 16, datatype=DataType.BITS)
        holding = SimData(0, count=HOLDING, values=0, datatype=DataType.REGISTERS)
        inputs = SimData(0, count=INPUTS, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(0, ([coils], [flags], [holding], [inputs]), action=self._request)
        server = ModbusTcpServer(device, address=self._address)
        await server.serve_forever(background=True)
        return server

    async def _deliver(self, reading: Reading) -> None:
        self._show(reading)
        if self.config.handshake:
            await self._until_acknowledged(self._sequence)

    def _show(self, reading: Reading) -> None:
        """Replaces the registers of the last reading, all between two requests."""
        self._sequence = reading.sequence % 2**32
        self._result = PASSED if reading.passed else NOT_PASSED
        if not reading.passed and reading.status in ("timeout", "error"):
            self._result = TIMED_OUT if reading.status == "timeout" else ERROR
        text = reading.text.encode()
        shown = [0] * TEXT
        shown[0] = MAP_VERSION
        shown[2] = self._result
        shown[3:5] = divmod(self._sequence, 2**16)
        shown[5] = round(10_000 * reading.confidence)
        shown[6] = len(text)
        self._reading = shown + _registers(text)

    async def _request(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called before a request is answered: fills in what is read, takes what is written."""
        if function == 4:  # read input registers
            registers[:INPUTS] = self._reading
            registers[0] = MAP_VERSION
            registers[1] = STATE_CODES[self._state]
            registers[7] = self._flags()
        elif function == 2:  # read discrete inputs
            registers[0] = self._flags()
        elif function in (5, 15) and values:  # write coils
            for coil, value in enumerate(values, address):
                if value and not self._coils[coil]:
                    try:
                        self._rise(coil)
                    except queue.Full:
                        return ExcCodes.DEVICE_BUSY
                self._coils[coil] = bool(value)
        elif function in (6, 16, 22, 23) and values:  # write holding registers
            self._holding[address : address + len(values)] = map(int, values)
            if address < 2:
                self._acknowledge(self._holding[0] * 2**16 + self._holding[1])
        return None

    def _flags(self) -> int:
        waits = self._acknowledged != self._sequence
        busy = self._state is LineState.BUSY
        shown = {
            "ready": self._state in (LineState.READY, LineState.DONE),
            "busy": busy,
            "done": self._result != NO_RESULT and (waits if self.config.handshake else not busy),
            "passed": self._result == PASSED,
            "failed": self._result not in (NO_RESULT, PASSED),
            "timeout": self._result == TIMED_OUT,
            "error": self._state is LineState.ERROR,
            "alarm": bool(self._alarms),
        }
        return sum(shown[name] << bit for bit, name in enumerate(FLAGS))

    def _rise(self, coil: int) -> None:
        if coil in self._watched:
            part, expected = (
                _text(self._holding[first : first + TEXT_REGISTERS]) for first in (PART, EXPECTED)
            )
            self._watched[coil](TriggerEvent(part, expected or None))


def _registers(text: bytes) -> list[int]:
    """The bytes, two per register and the first one high, cut or padded with zeros."""
    padded = text[: 2 * TEXT_REGISTERS].ljust(2 * TEXT_REGISTERS, b"\0")
    return [int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2)]


def _text(registers: list[int]) -> str:
    """The text up to the first zero."""
    raw = b"".join(r.to_bytes(2, "big") for r in registers)
    return raw.partition(b"\0")[0].decode(errors="replace")
