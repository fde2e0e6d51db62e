"""Serves a web application in a thread of its own."""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path
from typing import Any

import uvicorn

from industrial_ocr.errors import ConfigError
from industrial_ocr.review.web import LOOPBACK, listen

GRACE_S = 10
"""Seconds that requests have for their answers after ``stop``."""
log = logging.getLogger(__name__)


class HttpServer:
    """A server that listens at once and answers requests from ``start`` until ``stop``.

    Args:
        app: an ASGI application.
        host: name or address to listen on.
        port: port to listen on; 0 takes a free one.
        certificate: PEM file of the TLS certificate.
        key: PEM file of its private key, if it is not in ``certificate``.

    Raises:
        ConfigError: the port, the certificate or the key cannot be used.
    """

    def __init__(
        self,
        app: Any,
        port: int,
        host: str = LOOPBACK,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        # Without log_config=None uvicorn closes the log handlers of the whole process.
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=75,  # the pictures of a line may be many seconds apart
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{certificate}: no certificate with its key: {error}") from error
        self._listener = listen(port, host)
        scheme = "https" if certificate else "http"
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{scheme}://{shown}:{self._listener.getsockname()[1]}/"
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name="http"
        )

    def start(self) -> None:
        """Starts the thread that answers requests."""
        self._thread.start()
        log.info("listening on %s", self.address)

    def stop(self) -> None:
        """Refuses new requests, answers the open ones, and ends; never raises."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(GRACE_S + 5)
        self._listener.close()
