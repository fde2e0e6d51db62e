"""A real Modbus client in the place of the PLC."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("pymodbus")

from pymodbus.client import ModbusTcpClient

from industrial_ocr.line.job_outputs import ModbusOutput
from industrial_ocr.line.job_sources import ModbusTrigger
from industrial_ocr.line.outputs import OutputError
from industrial_ocr.line.outputs.modbus import FLAGS, ModbusServer
from industrial_ocr.line.reading import LineState, Reading, TriggerEvent
from industrial_ocr.line.triggers import MAX_EVENTS, make_trigger

Make = Callable[..., Reading]


@pytest.fixture
def server(free_port: int) -> Iterator[ModbusServer]:
    output = ModbusServer(ModbusOutput(kind="modbus", port=free_port, acknowledge_s=5))
    output.open()
    yield output
    output.close()


@pytest.fixture
def plc(server: ModbusServer) -> Iterator[ModbusTcpClient]:
    client = ModbusTcpClient("127.0.0.1", port=server.config.port)
    assert client.connect()
    yield client
    client.close()


def flags(plc: ModbusTcpClient) -> set[str]:
    bits = plc.read_discrete_inputs(0, count=len(FLAGS)).bits
    return {name for name, bit in zip(FLAGS, bits, strict=False) if bit}


def impatient(server: ModbusServer) -> ModbusServer:
    """The same server, which does not wait long for the PLC."""
    server.config = server.config.model_copy(update={"acknowledge_s": 0.05})
    return server


def test_registers_of_a_reading(
    server: ModbusServer, plc: ModbusTcpClient, make_reading: Make
) -> None:
    server.state(LineState.BUSY)
    assert flags(plc) == {"busy"}
    with pytest.raises(OutputError, match="reading 65538 was not acknowledged within 0.05 s"):
        impatient(server).send([make_reading(65538, text="L24", confidence=0.9712)])
    server.state(LineState.READY)
    registers = plc.read_input_registers(0, count=60, device_id=7).registers
    flag_bits = 0b1101  # ready, done, passed
    assert registers[:10] == [1, 1, 1, 1, 2, 9712, 3, flag_bits, 0, 0]
    assert registers[10:13] == [0x4C32, 0x3400, 0]
    assert flags(plc) == {"ready", "done", "passed"}


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [
        ("low_confidence", 2, {"failed"}),
        ("timeout", 3, {"failed", "timeout"}),
        ("error", 4, {"failed"}),
    ],
)
def test_results_that_do_not_pass(
    server: ModbusServer, plc: ModbusTcpClient, make_reading: Make, status: str, code: int,
    shown: set[str],
) -> None:  # fmt: skip
    with pytest.raises(OutputError):
        impatient(server).send([make_reading(1, status=status, passed=False)])
    assert plc.read_input_registers(2, count=1).registers == [code]
    assert flags(plc) == shown | {"done"}


def test_send_returns_when_the_plc_has_written_the_number_back(
    server: ModbusServer, plc: ModbusTcpClient, make_reading: Make
) -> None:
    taken: list[int] = []

    def program() -> None:
        while len(taken) < 20:
            high, low = plc.read_input_registers(3, count=2).registers
            number = 65536 * high + low
            if number and (not taken or number != taken[-1]):
                taken.append(number)
                plc.write_registers(0, [high, low])

    thread = threading.Thread(target=program)
    thread.start()
    for number in range(65530, 65550):
        server.send([make_reading(number)])
        assert taken[-1] == number
    thread.join()
    assert taken == list(range(65530, 65550))
    assert "done" not in flags(plc)


def test_a_number_written_late_counts_at_the_next_attempt(
    server: ModbusServer, plc: ModbusTcpClient, make_reading: Make
) -> None:
    impatient(server)
    with pytest.raises(OutputError):
        server.send([make_reading(8)])
    plc.write_registers(0, [0, 8])
    server.open()
    server.send([make_reading(8)])
    assert plc.connected and flags(plc) == {"passed"}


def test_without_handshake_done_ends_when_the_line_is_busy(
    free_port: int, make_reading: Make
) -> None:
    server = ModbusServer(ModbusOutput(kind="modbus", port=free_port, handshake=False))
    server.open()
    with ModbusTcpClient("127.0.0.1", port=free_port) as plc:
        server.send([make_reading(1), make_reading(2)])
        assert plc.read_input_registers(3, count=2).registers == [0, 2]
        assert flags(plc) == {"done", "passed"}
        server.state(LineState.BUSY)
        assert flags(plc) == {"busy", "passed"}
    server.close()


def test_alarm_and_error(server: ModbusServer, plc: ModbusTcpClient) -> None:
    server.state(LineState.ERROR)
    server.alarm("drift", "more refusals than usual")
    server.alarm("source", "nothing comes")
    server.alarm("source", None)
    assert flags(plc) == {"error", "alarm"}
    server.alarm("drift", None)
    assert flags(plc) == {"error"}


def test_a_rising_coil_triggers(server: ModbusServer, plc: ModbusTcpClient) -> None:
    trigger = make_trigger(ModbusTrigger(kind="modbus", coil=9), [server])
    plc.write_coil(8, True)
    assert trigger.wait(0.05) is None
    plc.write_registers(100, [0x5037, 0x0000])  # P7
    plc.write_coils(8, [True, True])
    assert trigger.wait(5) == TriggerEvent("P7", None)
    plc.write_coil(9, True)
    assert trigger.wait(0.05) is None  # it has not fallen in between
    plc.write_registers(200, [0x4C32, 0x3400])
    plc.write_coil(9, False)
    plc.write_coil(9, True)
    assert trigger.wait(5) == TriggerEvent("P7", "L24")


def test_a_trigger_too_many_is_answered_busy(server: ModbusServer, plc: ModbusTcpClient) -> None:
    trigger = make_trigger(ModbusTrigger(kind="modbus"), [server])
    for _ in range(MAX_EVENTS):
        trigger.put(TriggerEvent())
    assert plc.write_coil(0, True).exception_code == 6
    trigger.wait(0)
    assert not plc.write_coil(0, True).isError()


def test_a_port_in_use_is_named(server: ModbusServer) -> None:
    other = ModbusServer(server.config)
    for call in (other.check, other.open):
        with pytest.raises(
            OutputError, match=f"Modbus at 127.0.0.1:{server.config.port}: .*in use"
        ):
            call()
    server.check()  # its own port is no problem


@pytest.mark.usefixtures("nothing_left")
def test_opening_again_leaves_nothing(free_port: int, make_reading: Make) -> None:
    server = ModbusServer(ModbusOutput(kind="modbus", port=free_port, acknowledge_s=0.01))
    for _ in range(5):
        server.open()
        with ModbusTcpClient("127.0.0.1", port=free_port) as plc:
            assert not plc.read_input_registers(0, count=10).isError()
            with pytest.raises(OutputError):
                server.send([make_reading(1)])
            server.close()
