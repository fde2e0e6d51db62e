"""``industrial-ocr serve`` against its own OpenAPI document: nothing that is sent breaks it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

schemathesis = pytest.importorskip("schemathesis")
pytest.importorskip("prometheus_client")
import httpx  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

from industrial_ocr import Reader  # noqa: E402
from industrial_ocr.line.http_server import HttpServer  # noqa: E402
from industrial_ocr.line.serve import ReadService, ServeConfig  # noqa: E402

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"
KEY = {"Authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    service = ReadService(Reader(config="fast", threads=1), ServeConfig(api_key="secret"))
    server = HttpServer(service.app, 0)
    server.start()
    yield server.address
    server.stop()
    service.close()


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        ("/read", "POST", GenerationMode.POSITIVE),
        ("/read", "POST", GenerationMode.NEGATIVE),
        ("/verify", "POST", GenerationMode.POSITIVE),
        ("/verify", "POST", GenerationMode.NEGATIVE),
        ("/readyz", "GET", GenerationMode.POSITIVE),
        ("/metrics", "GET", GenerationMode.POSITIVE),
    ],
)
def test_every_answer_is_documented_and_none_is_a_failure(
    address: str, path: str, method: str, mode: GenerationMode
) -> None:
    api = schemathesis.openapi.from_url(f"{address}openapi.json")

    @given(api[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=30, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def send(case: Any) -> None:
        # A schema cannot say which bytes are a picture or which pattern can be compiled.
        response = case.call(headers=KEY, timeout=120)
        case.validate_response(response, excluded_checks=[positive_data_acceptance])
        assert response.status_code < 500 or response.status_code == 503

    send()


def test_what_was_taken_in_is_answered_before_the_end() -> None:
    command = [sys.executable, "-m", "industrial_ocr.cli", "serve", "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        data = (EXAMPLES / "chip.png").read_bytes()
        answers: list[int] = []
        asking = threading.Thread(
            target=lambda: answers.append(
                httpx.post(f"{address}read", content=data, timeout=120).status_code
            )
        )
        asking.start()
        while "in_work 1.0" not in httpx.get(f"{address}metrics", timeout=60).text:
            assert not answers
        process.send_signal(signal.SIGTERM)
        asking.join()
        assert process.wait(60) == 0 and answers == [200]


def test_a_real_picture(address: str) -> None:
    data = (EXAMPLES / "chip.png").read_bytes()
    reply = httpx.post(f"{address}read", content=data, headers=KEY, timeout=60)
    (row,) = reply.json()
    assert row["text"].splitlines()[0] == "SN74LS193N"
    files = [("images", ("chip.png", data)), ("images", ("broken.png", data[:300]))]
    first, broken = httpx.post(f"{address}read", files=files, headers=KEY, timeout=60).json()
    assert first["file"] == "chip.png" and first["strings"] == row["strings"]
    assert broken["file"] == "broken.png" and "damaged" in broken["error"]
