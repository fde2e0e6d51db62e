"""The page's server: what it shows, whom it refuses, and what it takes."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("prometheus_client")
from fastapi.testclient import TestClient  # noqa: E402
from test_monitor import IMAGE, make_job, make_reading  # noqa: E402

from industrial_ocr.errors import ConfigError  # noqa: E402
from industrial_ocr.line import page  # noqa: E402
from industrial_ocr.line.job import Job, PageConfig  # noqa: E402
from industrial_ocr.line.monitor import Monitor  # noqa: E402
from industrial_ocr.line.reading import LineState, TriggerEvent  # noqa: E402
from industrial_ocr.line.sources import PostedPictures  # noqa: E402
from industrial_ocr.line.triggers import Trigger  # noqa: E402

HOST = "http://127.0.0.1:8780"
TOKEN = {"Authorization": "Bearer secret"}


class Line:
    """What the page asks of a runner, with nothing behind it."""

    def __init__(self, folder: Path) -> None:
        self.source = PostedPictures(folder / "posted", limit=2)
        self.trigger = Trigger()
        self.paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


@pytest.fixture
def monitor(tmp_path: Path) -> Monitor:
    given = make_job(tmp_path).model_dump() | {"trigger": {"kind": "http"}}
    return Monitor(Job.model_validate(given))


def client(monitor: Monitor, line: Line, **config: Any) -> TestClient:
    app = page.create_page(monitor, line, PageConfig(**config))
    return TestClient(app, base_url=HOST, raise_server_exceptions=False)


@pytest.fixture
def guarded(monitor: Monitor, line: Line, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("PAGE_TOKEN", "secret")
    yield client(monitor, line, token_env="PAGE_TOKEN")


def test_readings_and_their_pictures(monitor: Monitor, line: Line) -> None:
    monitor.reading(make_reading(1, passed=False, text="<b>"), IMAGE)
    tab = client(monitor, line)
    state = tab.get("/api/state").json()
    assert state["last"][0]["text"] == "<b>" and state["controls"]["token"] is False
    reply = tab.get("/pictures/id-1.jpg")
    assert reply.headers["content-type"] == "image/jpeg" and reply.content[:2] == b"\xff\xd8"
    assert tab.get("/pictures/id-2.jpg").status_code == 404
    assert "industrial_ocr_readings_total" in tab.get("/metrics").text
    assert "innerHTML" not in tab.get("/").text


def test_health(monitor: Monitor, line: Line) -> None:
    tab = client(monitor, line)
    assert tab.get("/healthz").status_code == 200
    assert tab.get("/readyz").status_code == 503
    monitor.state(LineState.READY)
    assert tab.get("/readyz").json() == {"detail": "ok"}


def test_pictures_and_triggers_without_a_token_on_this_machine(
    monitor: Monitor, line: Line
) -> None:
    tab = client(monitor, line)
    query = {"part": "7", "expected": "A1"}
    assert tab.post("/pictures", content=b"PNG", params=query).status_code == 202
    picture = line.source.next(0)
    assert picture is not None and (picture.data, picture.part) == (b"PNG", "7")
    assert tab.post("/trigger", params=query).status_code == 202
    assert line.trigger.wait(0) == TriggerEvent("7", "A1")
    assert tab.post("/pictures").status_code == 422
    assert tab.post("/pause").status_code == 403 and not line.paused


def test_with_a_token_nothing_is_taken_without_it(guarded: TestClient, line: Line) -> None:
    for path in ("/pictures", "/trigger", "/pause", "/resume"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer é"}):
            raw = {name: value.encode() for name, value in headers.items()}
            assert guarded.post(path, content=b"PNG", headers=raw).status_code == 401
    assert line.source.next(0) is None and line.trigger.wait(0) is None and not line.paused
    assert guarded.post("/pause", headers=TOKEN).json() == {"paused": True} and line.paused
    assert guarded.get("/api/state").json()["paused"] is True
    assert guarded.post("/resume", headers=TOKEN).status_code == 200 and not line.paused
    assert guarded.post("/pictures", content=b"PNG", headers=TOKEN).status_code == 202


def test_what_does_not_fit_is_refused(
    monitor: Monitor, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = client(monitor, line)
    monkeypatch.setattr(page, "MAX_PICTURE_BYTES", 100)
    assert tab.post("/pictures", content=bytes(101)).status_code == 413
    for status in (202, 202, 503):  # two may wait
        reply = tab.post("/pictures", content=b"PNG")
        assert reply.status_code == status
    assert int(reply.headers["retry-after"]) > 0
    monkeypatch.setattr(line.trigger, "_events", queue.Queue(1))
    assert [tab.post("/trigger").status_code for _ in range(2)] == [202, 503]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "192.168.0.9:8780"}, 202),  # an address is no name that could be rebound
        ({"Host": "line-3.plant:8780"}, 202),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": HOST}, 202),
        ({}, 202),
    ],
)
def test_other_sites_are_refused(
    monitor: Monitor, line: Line, headers: dict[str, str], status: int
) -> None:
    tab = client(monitor, line, names=["line-3.plant"])
    assert tab.post("/trigger", headers=headers).status_code == status


def test_from_the_network_a_token_is_needed(monitor: Monitor, line: Line) -> None:
    tab = client(monitor, line, host="0.0.0.0")
    assert tab.get("/api/state").status_code == 200
    assert tab.post("/trigger").status_code == 403


def test_another_source_and_trigger_take_nothing(tmp_path: Path, line: Line) -> None:
    given = make_job(tmp_path).model_dump() | {"source": {"kind": "camera", "device": 0}}
    other = SimpleNamespace(source=None, trigger=None, paused=False)
    tab = TestClient(
        page.create_page(Monitor(Job.model_validate(given)), other, PageConfig()),  # type: ignore[arg-type]
        base_url=HOST,
    )
    assert tab.post("/pictures", content=b"PNG").status_code == 409
    assert tab.post("/trigger").status_code == 409


def test_a_token_that_is_not_set_is_an_error(monitor: Monitor, line: Line) -> None:
    with pytest.raises(ConfigError, match="NO_SUCH_TOKEN"):
        client(monitor, line, token_env="NO_SUCH_TOKEN")


def test_jobs_of_the_folder(tmp_path: Path) -> None:
    text = "version: 1\nname: {}\ndata: x\nsource: {{kind: http}}\npage: {{}}\n"
    for name in ("tray", "gate"):
        (tmp_path / f"{name}.yaml").write_text(text.format(name))
    (tmp_path / "other.yaml").write_text("a: 1\n")
    assert page.known_jobs(tmp_path / "gate.yaml") == [
        {"file": "gate.yaml", "name": "gate", "active": True},
        {"file": "tray.yaml", "name": "tray", "active": False},
    ]
