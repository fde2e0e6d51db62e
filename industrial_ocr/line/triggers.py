"""Triggers, which tell that a part has arrived: from the page, MQTT, Modbus or OPC UA."""

from __future__ import annotations

import asyncio
import json
import logging
import queue
from collections.abc import Sequence

from industrial_ocr.errors import require
from industrial_ocr.line.job_sources import HttpTrigger, ModbusTrigger, MqttTrigger, OpcuaTrigger
from industrial_ocr.line.outputs import Output
from industrial_ocr.line.reading import TriggerEvent

MAX_EVENTS = 100
"""Largest number of events that wait for the runner; further ones are refused."""

log = logging.getLogger(__name__)


class Trigger:
    """A queue of events, safe between threads; the page puts events from HTTP into it."""

    def __init__(self) -> None:
        self._events: queue.Queue[TriggerEvent] = queue.Queue(MAX_EVENTS)

    def put(self, event: TriggerEvent) -> None:
        """Adds an event.

        Raises:
            queue.Full: ``MAX_EVENTS`` events wait already.
        """
        self._events.put_nowait(event)

    def wait(self, timeout_s: float) -> TriggerEvent | None:
        """The next event; None if none comes in time."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Closes its connection, if it has one; never raises."""


class MqttMessages(Trigger):
    """Messages on an MQTT topic; it connects again after the connection was lost.

    Raises:
        ConfigError: the password's variable is not set.
    """

    def __init__(self, config: MqttTrigger) -> None:
        from industrial_ocr.line.outputs.loop import LoopThread
        from industrial_ocr.line.outputs.mqtt import mqtt_password

        super().__init__()
        mqtt_password(config)
        self.config = config
        self._loop = LoopThread(f"mqtt trigger {config.host}")
        self._loop.start(self._listen())

    def close(self) -> None:
        self._loop.close()

    async def _listen(self) -> None:
        import aiomqtt

        from industrial_ocr.line.outputs.mqtt import RECONNECT_S, mqtt_client

        while True:
            try:
                async with mqtt_client(self.config, will=None) as client:
                    await client.subscribe(self.config.topic, qos=1)
                    async for message in client.messages:
                        self._received(message.payload)
            except (aiomqtt.MqttError, OSError) as error:
                log.warning("trigger: %s:%s: %s", self.config.host, self.config.port, error)
            await asyncio.sleep(RECONNECT_S)

    def _received(self, payload: object) -> None:
        text = payload.decode(errors="replace") if isinstance(payload, bytes) else str(payload)
        try:
            self.put(parse_event(text))
        except queue.Full:
            log.error("trigger: %d parts wait already; a message was dropped", MAX_EVENTS)


def parse_event(text: str) -> TriggerEvent:
    """Reads a message: the name of the part, or JSON with ``part`` and ``expected``."""
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return TriggerEvent(text.strip())
    expected = data.get("expected")
    return TriggerEvent(str(data.get("part", "")), None if expected is None else str(expected))


def make_trigger(
    config: HttpTrigger | MqttTrigger | ModbusTrigger | OpcuaTrigger, outputs: Sequence[Output]
) -> Trigger:
    """Makes the trigger that a section of the job describes.

    Args:
        config: the section.
        outputs: outputs of the job, not yet open; one of them has the coil or the method, which
            the validation of the job makes sure of.

    Raises:
        ConfigError: an environment variable is not set.
        MissingPackageError: a package is not installed.
    """
    if isinstance(config, MqttTrigger):
        require("line", "aiomqtt")
        return MqttMessages(config)
    trigger = Trigger()
    if isinstance(config, ModbusTrigger):
        from industrial_ocr.line.outputs.modbus import ModbusServer

        next(o for o in outputs if isinstance(o, ModbusServer)).watch(config.coil, trigger.put)
    elif isinstance(config, OpcuaTrigger):
        from industrial_ocr.line.outputs.opcua import OpcuaServer

        next(o for o in outputs if isinstance(o, OpcuaServer)).watch(trigger.put)
    return trigger
