"""An MQTT broker."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

import aiomqtt

from industrial_ocr.errors import ConfigError
from industrial_ocr.line.job_fields import MqttSection
from industrial_ocr.line.job_outputs import MqttOutput
from industrial_ocr.line.outputs.base import TIMEOUT_S, Output
from industrial_ocr.line.outputs.loop import LoopThread
from industrial_ocr.line.reading import LineState, Reading

RECONNECT_S = 2.0
"""Seconds between two attempts to connect."""
OFFLINE = "offline"
ERRORS = (aiomqtt.MqttError, OSError, ValueError)
"""Errors of a client that cannot connect or has lost its connection."""


def mqtt_client(config: MqttSection, will: aiomqtt.Will | None) -> aiomqtt.Client:
    """A client that is not yet connected; it must be made in the event loop in which it runs."""
    client = aiomqtt.Client(
        config.host,
        config.port,
        username=config.user,
        password=mqtt_password(config),
        will=will,
        timeout=TIMEOUT_S,
        keepalive=15,
        tls_context=ssl.create_default_context() if config.tls else None,
    )
    client.pending_calls_threshold = 1_000_000  # no warning: a batch is published at once
    return client


def mqtt_password(config: MqttSection) -> str | None:
    """The password in the variable ``password_env``.

    Raises:
        ConfigError: the variable is not set.
    """
    if config.password_env is not None and config.password_env not in os.environ:
        raise ConfigError(f"the variable {config.password_env}, MQTT's password, is not set")
    return os.environ[config.password_env] if config.password_env else None


class MqttPublisher(Output):
    """Publishes readings as JSON to ``topic``; the broker acknowledges each of them (QoS 1).

    Retained messages are the state of the line at ``topic``/state and the alarms at
    ``topic``/alarm/NAME, which are empty when they have ended. If the connection breaks, the last
    will sets the state to ``offline``. The client stays connected while nothing is read.

    Raises:
        ConfigError: the password's variable is not set.
    """

    def __init__(self, config: MqttOutput) -> None:
        mqtt_password(config)
        self.config, self.where = config, f"MQTT broker {config.host}:{config.port}"
        self._retained = {f"{config.topic}/state": LineState.STOPPED.value}
        self._loop: LoopThread | None = None
        self._tried = asyncio.Event()
        self._client: aiomqtt.Client | None = None
        self._lost: asyncio.Future[None] | None = None
        self._problem = "not connected"

    def open(self) -> None:
        if self._loop is None:
            self._tried = asyncio.Event()
            self._loop = LoopThread(f"mqtt {self.config.host}")
            self._loop.start(self._stay_connected())
        with self.failing(TimeoutError):
            self._loop.run(self._tried.wait(), 3 * TIMEOUT_S)
        if self._client is None:
            raise self.failure(self._problem)

    def send(self, readings: Sequence[Reading]) -> None:
        if self._loop is None:
            raise self.failure(self._problem)
        with self.failing(*ERRORS):
            self._loop.run(self._publish_all(readings), 2 * TIMEOUT_S)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()
        self._loop = self._client = None

    def state(self, state: LineState) -> None:
        self._retain("state", state.value)

    def alarm(self, name: str, message: str | None) -> None:
        self._retain(f"alarm/{name}", message or "")

    def check(self) -> None:
        with closing(LoopThread("mqtt check")) as loop, self.failing(*ERRORS):
            loop.run(_connect_once(self.config), 2 * TIMEOUT_S)

    async def _stay_connected(self) -> None:
        will = aiomqtt.Will(f"{self.config.topic}/state", OFFLINE, qos=1, retain=True)
        while True:
            try:
                async with mqtt_client(self.config, will) as client:
                    await self._serve(client)
            except ERRORS as error:
                self._problem = str(error)
            self._client = None
            self._tried.set()
            await asyncio.sleep(RECONNECT_S)

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Publishes the retained messages; returns when the connection breaks."""
        try:
            for topic, payload in list(self._retained.items()):
                await client.publish(topic, payload, qos=1, retain=True)
            self._client, self._lost = client, asyncio.ensure_future(_until_lost(client))
            self._tried.set()
            await self._lost
            self._problem = "the connection broke"
        except asyncio.CancelledError:  # after a proper end the broker does not send the last will
            with suppress(aiomqtt.MqttError):
                state = f"{self.config.topic}/state"
                await client.publish(state, OFFLINE, qos=1, retain=True, timeout=1.0)
            raise

    async def _publish_all(self, readings: Sequence[Reading]) -> None:
        """Publishes in order; waits until all are acknowledged or the connection breaks."""
        client, lost = self._client, self._lost
        if client is None or lost is None:
            raise aiomqtt.MqttError(self._problem)
        topic = self.config.topic
        sent = asyncio.gather(*(client.publish(topic, r.to_json(), qos=1) for r in readings))
        ends: set[asyncio.Future[Any]] = {sent, lost}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not sent.done():
            sent.cancel()
            raise aiomqtt.MqttError("the connection broke")
        sent.result()

    def _retain(self, name: str, payload: str) -> None:
        topic = f"{self.config.topic}/{name}"
        self._retained[topic] = payload
        loop = self._loop
        if loop is not None:
            loop.start(self._publish_retained(topic, payload))

    async def _publish_retained(self, topic: str, payload: str) -> None:
        if self._client is not None:
            with suppress(aiomqtt.MqttError, OSError):  # published when it is connected again
                await self._client.publish(topic, payload, qos=1, retain=True)


async def _connect_once(config: MqttOutput) -> None:
    async with mqtt_client(config, will=None):
        pass


async def _until_lost(client: aiomqtt.Client) -> None:
    with suppress(aiomqtt.MqttError):
        async for _ in client.messages:
            pass
