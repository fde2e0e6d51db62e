"""An HTTP receiver, which gets a POST of JSON per reading."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

import httpx

from industrial_ocr.errors import ConfigError
from industrial_ocr.line.job_outputs import WebhookOutput
from industrial_ocr.line.outputs.base import Output, OutputError, RefusedError
from industrial_ocr.line.reading import Reading

REFUSALS = (400, 409, 413, 415, 422)
"""Status codes that reject the reading itself; others, such as 401 or 503, may be repaired."""


class Webhook(Output):
    """Posts each reading with its id as ``Idempotency-Key``; a status of 2xx confirms it.

    Raises:
        ConfigError: the address is not one of HTTP, or the variable of a header is not set.
    """

    batch = 1

    def __init__(self, config: WebhookOutput) -> None:
        self.config, self.where = config, config.url
        self.url = httpx.URL(config.url)
        if self.url.scheme not in ("http", "https") or not self.url.host:
            raise ConfigError(f"{config.url}: not an address such as https://host/path")
        unset = [name for name in config.header_env.values() if name not in os.environ]
        if unset:
            raise ConfigError(f"headers of {self.url.host}: not set: {', '.join(unset)}")
        self._headers = {h: os.environ[name] for h, name in config.header_env.items()}
        self._headers["Content-Type"] = "application/json"
        self._client: httpx.Client | None = None

    def open(self) -> None:
        self.close()
        self.check()
        # The proxy in the environment is not used: the receiver is in the plant's network.
        self._client = httpx.Client(
            timeout=self.config.timeout_s, headers=self._headers, trust_env=False
        )

    def send(self, readings: Sequence[Reading]) -> None:
        if self._client is None:
            raise self.failure("not open")
        for reading in readings:
            body = reading.to_json().encode()
            with self.failing(httpx.HTTPError):
                answer = self._client.post(
                    self.url, content=body, headers={"Idempotency-Key": reading.id}
                )
            if not answer.is_success:
                kind = RefusedError if answer.status_code in REFUSALS else OutputError
                raise kind(f"{self.where}: answered {answer.status_code}")

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def check(self) -> None:
        port = self.url.port or (443 if self.url.scheme == "https" else 80)
        with self.failing(OSError):
            socket.create_connection((self.url.host, port), self.config.timeout_s).close()
