"""The server of page and service: TLS, and what it says when it cannot start."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")
import httpx  # noqa: E402
from fastapi import FastAPI, HTTPException, Request  # noqa: E402

from industrial_ocr.errors import ConfigError  # noqa: E402
from industrial_ocr.line.http_server import HttpServer  # noqa: E402
from industrial_ocr.review.web import limited_body  # noqa: E402


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "line.pem", tmp_path / "line.key"
    subject = ["-subj", "/CN=line", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    app = FastAPI()
    app.get("/")(lambda: "ok")
    server = HttpServer(app, 0, certificate=certificate, key=key)
    server.start()
    try:
        assert server.address.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(certificate))
        assert httpx.get(server.address, verify=trusted, timeout=60).json() == "ok"
    finally:
        server.stop()


def test_a_certificate_that_is_none_and_a_port_in_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="certificate"):
        HttpServer(FastAPI(), 0, certificate=tmp_path / "none.pem")
    server = HttpServer(FastAPI(), 0)
    port = int(server.address.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConfigError, match=str(port)):
        HttpServer(FastAPI(), port)
    server.stop()


def test_a_client_that_goes_away_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    seen: list[int] = []

    @app.post("/")
    async def take(request: Request) -> None:
        try:
            await limited_body(request, 1000)
        except HTTPException as error:
            seen.append(error.status_code)
            raise

    server = HttpServer(app, 0)
    server.start()
    host, port = server.address.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    while not seen:
        pass
    server.stop()
    assert seen == [400] and not [r for r in caplog.records if r.levelname == "ERROR"]
