"""The command ``industrial-ocr serve``."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from industrial_ocr.cli import options, output
from industrial_ocr.errors import require

KEY_VARIABLE = "INDUSTRIAL_OCR_API_KEY"


@options.grouped
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = 8770,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Another host name that clients use for this machine; repeatable."),
    ] = None,
    waiting: Annotated[
        int, typer.Option(min=1, help="Largest number of open requests; others get 503.")
    ] = 32,
    max_mb: Annotated[
        float, typer.Option(min=0.001, help="Largest size of a request in MB.")
    ] = 16.0,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds until a request gets 503.")
    ] = 30.0,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM file with the certificate for HTTPS.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file with its private key.")] = None,
    json_log: options.JsonLog = False,
    *,
    runtime: options.Runtime,
    networks: options.Networks,
) -> None:
    """Reads pictures that are sent over HTTP; /openapi.json describes the requests.

    If the variable INDUSTRIAL_OCR_API_KEY is set, clients must send it as a bearer token.
    """
    with output.one_line_errors(output.WRONG_USAGE):
        require("serve", "fastapi", "uvicorn", "prometheus_client", "python_multipart")
        from industrial_ocr.line.http_server import HttpServer
        from industrial_ocr.line.json_log import show_json_logs
        from industrial_ocr.line.serve import ReadService, ServeConfig
        from industrial_ocr.review.web import is_loopback

        if json_log:
            show_json_logs()
        api_key = os.environ.get(KEY_VARIABLE, "")
        config = ServeConfig(api_key, host, tuple(name or ()), waiting, max_mb, timeout)
        reader = options.make_reader(**vars(runtime), **vars(networks)).load()
        service = ReadService(reader, config)
        server = HttpServer(service.app, port, host, certificate, key)
    typer.echo(server.address)
    if not api_key and not is_loopback(host):
        output.note(
            f"anybody on the network can send pictures: set {KEY_VARIABLE} to require a key"
        )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    server.start()
    ended.wait()
    server.stop()  # answers the admitted requests
    service.close()
