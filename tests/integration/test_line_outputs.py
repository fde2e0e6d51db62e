"""PostgreSQL, mosquitto and OPC UA: stopped and started while readings are delivered."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from line_services import MOSQUITTO, POSTGRES, Mosquitto, Postgres, free_port

from industrial_ocr.line.job_outputs import MqttOutput, OpcuaOutput, SqlOutput
from industrial_ocr.line.job_sources import MqttTrigger, OpcuaTrigger
from industrial_ocr.line.outputs import Output, OutputError, make_output
from industrial_ocr.line.reading import LineState, Reading, TriggerEvent
from industrial_ocr.line.triggers import make_trigger

pytestmark = pytest.mark.slow

Make = Callable[..., Reading]
WAIT_S = 60.0


def deliver(output: Output, batches: Sequence[Sequence[Reading]]) -> int:
    """Sends batches as the runner does, again when one has failed; returns how many failed."""
    failed, is_open = 0, False
    for batch in batches:
        end = time.monotonic() + WAIT_S
        while True:
            try:
                if not is_open:
                    output.open()
                    is_open = True
                output.send(batch)
                break
            except OutputError:
                failed, is_open = failed + 1, False
                assert time.monotonic() < end
                time.sleep(0.1)
    return failed


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def database() -> Iterator[Postgres]:
    if POSTGRES is None:
        pytest.skip("needs PostgreSQL: apt install postgresql")
    database = Postgres()
    yield database
    database.close()


def test_postgres_is_stopped_and_started(database: Postgres, make_reading: Make) -> None:
    pytest.importorskip("pg8000")
    import pg8000.native

    output = make_output(SqlOutput(kind="sql", url=database.url))
    with pytest.raises(OutputError, match=str(database.port)):
        output.check()
    database.start()
    output.check()
    batches = [[make_reading(n) for n in range(b, b + 10)] for b in range(0, 300, 10)]
    deliver(output, batches[:10])
    database.stop()
    with pytest.raises(OutputError, match=str(database.port)):
        output.send(batches[10])
    with pytest.raises(OutputError, match=str(database.port)):
        output.open()
    database.start()
    thread = threading.Thread(target=deliver, args=(output, batches[10:]))
    thread.start()
    database.stop()
    database.start()
    thread.join()
    output.send(batches[-1])  # as after a kill before it was noted as delivered
    output.close()
    with pg8000.native.Connection(
        "plant", host="127.0.0.1", port=database.port, database="postgres"
    ) as connection:
        rows = connection.run("select id, time, weights from readings order by sequence")
    assert [row[0] for row in rows] == [f"id-{n}" for n in range(300)]
    assert rows[0][1] == datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
    assert rows[0][2] == {"detector": "cd34"}


class Listener:
    """A subscriber that keeps its session while the broker is away."""

    def __init__(self, port: int) -> None:
        import paho.mqtt.client as paho

        self.messages: list[tuple[str, str]] = []
        self.subscribed = threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("line/#", qos=1)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = lambda _, __, m: self.messages.append(
            (m.topic, m.payload.decode())
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.subscribed.wait(WAIT_S)

    def last(self, topic: str) -> str | None:
        return next((p for t, p in reversed(self.messages) if t == topic), None)

    def ids(self) -> list[str]:
        return [json.loads(p)["id"] for t, p in self.messages if t == "line"]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    pytest.importorskip("aiomqtt")
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto: apt install mosquitto")
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


def test_mqtt_readings_state_alarm_and_will(broker: Mosquitto, make_reading: Make) -> None:
    output = make_output(MqttOutput(kind="mqtt", host="127.0.0.1", port=broker.port, topic="line"))
    output.check()
    listener = Listener(broker.port)
    assert not listener.messages
    output.open()
    until(lambda: listener.last("line/state") == "stopped")
    output.state(LineState.BUSY)
    output.alarm("drift", "more refusals than usual")
    output.send([make_reading(n) for n in range(1, 51)])
    until(lambda: len(listener.ids()) == 50)
    assert listener.ids() == [f"id-{n}" for n in range(1, 51)]
    assert Reading.from_json(listener.last("line") or "") == make_reading(50)
    until(lambda: listener.last("line/state") == "busy")
    until(lambda: listener.last("line/alarm/drift") == "more refusals than usual")

    broker.stop()
    with pytest.raises(OutputError, match=str(broker.port)):
        output.send([make_reading(51)])
    output.state(LineState.READY)
    listener.subscribed.clear()
    broker.start()
    # The broker has forgotten all; nothing is read, and yet it learns what the line does.
    assert listener.subscribed.wait(WAIT_S)
    until(lambda: listener.last("line/state") == "ready")
    deliver(output, [[make_reading(51)]])
    until(lambda: listener.ids()[-1] == "id-51")

    output.alarm("drift", None)
    until(lambda: listener.last("line/alarm/drift") == "")
    assert output._client is not None  # type: ignore[attr-defined]
    # As when the computer is switched off: the broker publishes the last will.
    output._client._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
    until(lambda: ("line/state", "offline") in listener.messages)
    until(lambda: listener.last("line/state") == "ready")
    output.close()
    until(lambda: listener.last("line/state") == "offline")
    listener.client.loop_stop()
    listener.client.disconnect()


def test_mqtt_delivers_each_reading_at_least_once_and_in_order(
    broker: Mosquitto, make_reading: Make
) -> None:
    output = make_output(MqttOutput(kind="mqtt", host="127.0.0.1", port=broker.port, topic="line"))
    listener = Listener(broker.port)
    batches = [[make_reading(n) for n in range(b, b + 5)] for b in range(0, 500, 5)]
    deliver(output, batches[:30])
    # A broker that stops forgets what it has taken and not yet passed on.
    until(lambda: listener.ids()[-1:] == ["id-149"])
    broker.stop()
    listener.subscribed.clear()
    broker.start()
    assert listener.subscribed.wait(WAIT_S)
    deliver(output, batches[30:])
    until(lambda: bool(listener.ids()) and listener.ids()[-1] == "id-499")
    first = list(dict.fromkeys(listener.ids()))
    assert first == [f"id-{n}" for n in range(500)]
    output.close()
    listener.client.loop_stop()
    listener.client.disconnect()


def test_mqtt_trigger(broker: Mosquitto) -> None:
    config = MqttTrigger(kind="mqtt", host="127.0.0.1", port=broker.port, topic="line/start")
    trigger = make_trigger(config, [])
    listener = Listener(broker.port)

    def answered(payload: str, event: TriggerEvent) -> bool:
        listener.client.publish("line/start", payload, qos=1)
        return trigger.wait(0.5) == event

    until(lambda: answered("part 7", TriggerEvent("part 7")))
    broker.stop()
    broker.start()
    event = TriggerEvent("8", "L24")
    until(lambda: answered('{"part": "8", "expected": "L24"}', event))
    trigger.close()
    listener.client.loop_stop()
    listener.client.disconnect()


def test_opcua_with_a_real_client(make_reading: Make) -> None:
    pytest.importorskip("asyncua")
    from asyncua import ua
    from asyncua.sync import Client

    port = free_port()
    endpoint = f"opc.tcp://127.0.0.1:{port}/line/"
    config = OpcuaOutput(kind="opcua", endpoint=endpoint, handshake=True, acknowledge_s=WAIT_S)
    output = make_output(config)
    trigger = make_trigger(OpcuaTrigger(kind="opcua"), [output])
    output.check()
    output.state(LineState.READY)
    output.open()
    with pytest.raises(OutputError, match=str(port)):
        make_output(config).check()

    seen: list[int] = []
    events: list[tuple[int, str]] = []

    class Program:
        def datachange_notification(self, node: Any, value: int, data: Any) -> None:
            seen.append(value)

        def event_notification(self, event: Any) -> None:
            events.append((event.Sequence, event.ResultId))

    with Client(endpoint) as client:
        index = client.get_namespace_index("urn:industrial-ocr:machine-vision")

        def node(path: str) -> Any:
            return client.get_node(f"ns={index};s=VisionSystem.{path}")

        state = node("VisionStateMachine.CurrentState")
        automatic = node("VisionStateMachine.AutomaticModeStateMachine")
        mode = node("VisionStateMachine.AutomaticModeStateMachine.CurrentState")
        assert state.read_value().Text == "Operational" and mode.read_value().Text == "Ready"
        output.state(LineState.BUSY)
        until(lambda: mode.read_value().Text == "SingleExecution")
        output.state(LineState.ERROR)
        until(lambda: state.read_value().Text == "Error")
        output.alarm("source", "nothing comes")
        until(lambda: node("Alarm").read_value() == "nothing comes")
        output.alarm("source", None)
        until(lambda: node("Alarm").read_value() == "")

        assert automatic.call_method(f"{index}:StartSingleJob", "part 7", "L7") == 0
        assert trigger.wait(WAIT_S) == TriggerEvent("part 7", "L7")
        with pytest.raises(ua.UaError, match="BadUserAccessDenied"):
            node("Alarm").write_value("forged")

        subscription = client.create_subscription(50, Program())
        subscription.subscribe_data_change(node("ResultManagement.LastResult.Sequence"))
        event_type = client.nodes.base_event_type.get_child(f"{index}:ResultReadyEventType")
        subscription.subscribe_events(client.get_node(f"ns={index};s=VisionSystem"), event_type)
        results = node("ResultManagement")
        thread = threading.Thread(
            target=deliver, args=(output, [[make_reading(n, passed=n != 20)] for n in range(1, 21)])
        )
        thread.start()
        for number in range(1, 21):
            until(lambda n=number: node("ResultManagement.LastResult.Sequence").read_value() == n)
            assert node("ResultManagement.LastResult.Text").read_value() == f"L{number}"
            sequence = ua.Variant(number, ua.VariantType.Int64)
            results.call_method(f"{index}:AcknowledgeResult", sequence)
        thread.join()
        until(lambda: len(events) == 20 and seen[-1] == 20)
        assert events == [(n, f"id-{n}") for n in range(1, 21)]
        values = {
            n.read_browse_name().Name: n.read_value()
            for n in node("ResultManagement.LastResult").get_children()
        }
        assert values["ResultState"] == 1 and values["Passed"] is False
        assert values["PartId"] == "part 20" and values["ExternalRecipeId"] == "date"
        assert values["CreationTime"] == datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
        assert Reading.from_json(values["ResultContent"]) == make_reading(20, passed=False)
        subscription.delete()

        output.config = config.model_copy(update={"acknowledge_s": 0.1})  # type: ignore[attr-defined]
        with pytest.raises(OutputError, match="reading 21 was not acknowledged"):
            output.send([make_reading(21)])
        output.open()  # the client stays connected
        assert node("ResultManagement.LastResult.Sequence").read_value() == 21
    output.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("opcua")]
