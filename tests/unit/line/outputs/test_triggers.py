from __future__ import annotations

import queue
import ssl
from types import SimpleNamespace

import pytest

from industrial_ocr.line.job_sources import HttpTrigger, MqttTrigger
from industrial_ocr.line.reading import TriggerEvent
from industrial_ocr.line.triggers import MAX_EVENTS, make_trigger, parse_event


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("part 7\n", TriggerEvent("part 7")),
        ("4711", TriggerEvent("4711")),
        ("", TriggerEvent()),
        ('{"part": 4711, "expected": "L24"}', TriggerEvent("4711", "L24")),
        ('{"expected": ""}', TriggerEvent("", "")),
    ],
)
def test_messages(text: str, event: TriggerEvent) -> None:
    assert parse_event(text) == event


def test_events_wait_in_order_up_to_a_limit() -> None:
    trigger = make_trigger(HttpTrigger(kind="http"), [])
    assert trigger.wait(0.01) is None
    for number in range(MAX_EVENTS):
        trigger.put(TriggerEvent(str(number)))
    with pytest.raises(queue.Full):
        trigger.put(TriggerEvent("one too many"))
    assert [trigger.wait(0) for _ in range(2)] == [TriggerEvent("0"), TriggerEvent("1")]
    trigger.close()


@pytest.mark.parametrize("tls", [False, True])
def test_the_connection_to_the_broker_of_a_trigger_is_encrypted(
    tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiomqtt")
    from industrial_ocr.line.outputs import mqtt

    monkeypatch.setattr(mqtt.aiomqtt, "Client", lambda *_, **given: SimpleNamespace(**given))
    made = vars(mqtt.mqtt_client(MqttTrigger(kind="mqtt", host="h", topic="t", tls=tls), None))
    assert isinstance(made["tls_context"], ssl.SSLContext) == tls
