"""A real HTTP and a real TCP server."""

from __future__ import annotations

import json
import queue
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from industrial_ocr.errors import ConfigError
from industrial_ocr.line.delivery import Delivery
from industrial_ocr.line.job_outputs import TcpOutput, WebhookOutput
from industrial_ocr.line.journal import Journal
from industrial_ocr.line.outputs import OutputError, make_output
from industrial_ocr.line.reading import Reading

Make = Callable[..., Reading]


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept

    def do_POST(self) -> None:  # noqa: N802 (its name there)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(self.server.answer)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def http() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.received, server.answer = [], 204  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhook(
    http: ThreadingHTTPServer, make_reading: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("httpx")
    monkeypatch.setenv("PLANT_KEY", "Bearer 123")
    url = f"http://127.0.0.1:{http.server_port}/codes"
    config = WebhookOutput(kind="webhook", url=url, header_env={"Authorization": "PLANT_KEY"})
    output = make_output(config)
    output.check()
    assert not http.received  # type: ignore[attr-defined]
    output.open()
    output.send([make_reading(1, text="Ω"), make_reading(2)])
    (headers, first), (_, second) = http.received  # type: ignore[attr-defined]
    assert headers["Idempotency-Key"] == "id-1"
    assert headers["Authorization"] == "Bearer 123"
    assert headers["Content-Type"] == "application/json"
    assert Reading.from_json(json.dumps(first)) == make_reading(1, text="Ω")
    assert second["sequence"] == 2
    http.answer = 302  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match="answered 302"):
        output.send([make_reading(3)])
    output.close()


def test_refused_reading_is_put_aside(
    http: ThreadingHTTPServer, make_reading: Make, tmp_path: Path
) -> None:
    pytest.importorskip("httpx")
    journal = Journal(tmp_path, ["webhook"])
    url = f"http://127.0.0.1:{http.server_port}/codes"
    http.answer = 503  # type: ignore[attr-defined]
    problems: queue.Queue[str | None] = queue.Queue()
    output = make_output(WebhookOutput(kind="webhook", url=url))
    delivery = Delivery("webhook", output, journal, problems.put)
    for number in (1, 2):
        journal.finish((), make_reading(number))
    delivery.start()
    assert "answered 503" in (problems.get(timeout=10) or "")
    assert journal.backlog("webhook") == 2
    http.answer = 422  # type: ignore[attr-defined]
    while "put aside" not in (problem := problems.get(timeout=10) or ""):
        assert "answered 503" in problem
    delivery.close()
    assert journal.backlog("webhook") == 0
    aside = (tmp_path / "refused-webhook.jsonl").read_text().splitlines()
    assert [Reading.from_json(line).sequence for line in aside] == [1, 2]
    journal.close()


def test_webhook_settings() -> None:
    pytest.importorskip("httpx")
    with pytest.raises(ConfigError, match="not an address such as https://"):
        make_output(WebhookOutput(kind="webhook", url="plant/codes"))
    with pytest.raises(ConfigError, match="not set: NO_SUCH_KEY"):
        config = {"X-Key": "NO_SUCH_KEY"}
        make_output(WebhookOutput(kind="webhook", url="http://plant/", header_env=config))


class Terminal(socketserver.StreamRequestHandler):
    """Answers every line, and hangs up after the third."""

    def handle(self) -> None:
        for _ in range(3):
            line = self.rfile.readline()
            if not line:
                return
            self.server.lines.append(line.decode())  # type: ignore[attr-defined]
            self.wfile.write(self.server.answer)  # type: ignore[attr-defined]


@pytest.fixture
def terminal() -> Iterator[socketserver.ThreadingTCPServer]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Terminal)
    server.lines, server.answer = [], b"ACK\n"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_tcp_lines_are_acknowledged(
    terminal: socketserver.ThreadingTCPServer, make_reading: Make
) -> None:
    port = terminal.server_address[1]
    output = make_output(TcpOutput(kind="tcp", host="127.0.0.1", port=port, acknowledged="ACK"))
    output.open()
    output.send([make_reading(1), make_reading(2, text="A\r\nB", passed=False)])
    assert terminal.lines == ["1;L1;1;0.970\n", "2;A B;0;0.970\n"]  # type: ignore[attr-defined]
    terminal.answer = b"NAK\n"  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match="instead of b'ACK'"):
        output.send([make_reading(3)])
    terminal.answer = b"ACK\n"  # type: ignore[attr-defined]
    output.open()
    output.send([make_reading(3)])
    assert len(terminal.lines) == 4  # type: ignore[attr-defined]
    output.close()


def test_tcp_notices_that_the_server_has_hung_up(
    terminal: socketserver.ThreadingTCPServer, make_reading: Make
) -> None:
    port = terminal.server_address[1]
    output = make_output(TcpOutput(kind="tcp", host="127.0.0.1", port=port))
    output.open()
    with pytest.raises(OutputError, match="closed the connection|reset|pipe"):
        for number in range(1, 1_000_000):
            output.send([make_reading(number)])
    output.open()
    output.send([make_reading(9)])
    output.close()


@pytest.mark.parametrize("text", ["{code}\n", "{text", "{confidence:d}"])
def test_tcp_formats_that_cannot_be_used(text: str) -> None:
    with pytest.raises(ConfigError, match="fields are id, sequence"):
        make_output(TcpOutput(kind="tcp", host="127.0.0.1", port=1, format=text))


@pytest.mark.usefixtures("nothing_left")
def test_receivers_that_are_away(free_port: int, make_reading: Make) -> None:
    pytest.importorskip("httpx")
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("aiomqtt")
    from industrial_ocr.line.job_outputs import MqttOutput, SqlOutput

    configs = (
        WebhookOutput(kind="webhook", url=f"http://127.0.0.1:{free_port}/"),
        TcpOutput(kind="tcp", host="127.0.0.1", port=free_port),
        SqlOutput(kind="sql", url=f"postgresql://plant@127.0.0.1:{free_port}/plant"),
        MqttOutput(kind="mqtt", host="127.0.0.1", port=free_port, topic="line"),
    )
    for config in configs:
        output = make_output(config)
        for _ in range(3):
            for call in (output.check, output.open):
                with pytest.raises(OutputError, match=str(free_port)):
                    call()
            with pytest.raises(OutputError):
                output.send([make_reading(1)])
        output.close()


@pytest.mark.usefixtures("nothing_left")
def test_a_broker_that_does_not_answer(make_reading: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and says nothing, as behind some firewalls."""
    pytest.importorskip("aiomqtt")
    from industrial_ocr.line.job_outputs import MqttOutput
    from industrial_ocr.line.outputs import mqtt

    monkeypatch.setattr(mqtt, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        output = make_output(MqttOutput(kind="mqtt", host="127.0.0.1", port=port, topic="line"))
        for _ in range(3):
            with pytest.raises(OutputError, match="timed out"):
                output.open()
            output.close()
