"""What ``job check`` finds before any network is loaded."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from industrial_ocr.cli.app import app
from industrial_ocr.line.job_check import check_job


def write(folder: Path, **settings: Any) -> Path:
    """A job file whose bundle is missing, so that no network is loaded."""
    (folder / "in").mkdir()
    least = {
        "version": 1,
        "name": "test",
        "data": "journal",
        "source": {"kind": "folder", "path": "in"},
        "read": {"bundle": "nowhere"},
    }
    file = folder / "job.yaml"
    file.write_text(yaml.safe_dump(least | settings))
    return file


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


also_taken = taken


@pytest.fixture
def free() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_every_connection_is_tried_and_each_problem_is_a_line(
    tmp_path: Path, taken: int, also_taken: int, free: int
) -> None:
    (tmp_path / "file").touch()
    file = write(
        tmp_path,
        data="file/journal",
        source={"kind": "folder", "path": "nowhere"},
        trigger={"kind": "mqtt", "host": "127.0.0.1", "port": free, "topic": "a"},
        read={"bundle": "nowhere", "patterns": ["[A-Z", "vni"]},
        expect={"table": "parts.csv"},
        passes={"date": {"field": "exp", "format": "%m/%Y"}},
        outputs=[
            {"kind": "mqtt", "host": "127.0.0.1", "port": free, "topic": "a"},
            {"kind": "tcp", "host": "127.0.0.1", "port": taken, "format": "{txt}"},
            {"kind": "tcp", "host": "127.0.0.1", "port": taken},
            {"kind": "modbus", "port": taken},
            {"kind": "jsonl", "path": "nowhere/r.jsonl"},
            {"kind": "webhook", "url": "http://127.0.0.1", "header_env": {"X": "NOT_SET"}},
        ],
        page={"port": also_taken, "token_env": "NOT_SET", "certificate": "a.pem", "key": "a.key"},
    )
    # fmt: off
    starts = [
        "data", "source", "read", "read", "read", "read", "expect", "trigger", "outputs.0.mqtt",
        "outputs.1.tcp", "outputs.3.modbus", "outputs.4.jsonl", "outputs.5.webhook", "page", "page",
        "page",
    ]
    # fmt: on
    shown = CliRunner().invoke(app, ["job", "check", str(file)])
    lines = shown.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == starts, shown.output
    assert shown.exit_code == 1
    assert "did you mean vin" in shown.stdout and "no pattern has the group exp" in shown.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"in", "file", "job.yaml"}


def test_settings_that_cannot_work_are_told_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, trigger={"kind": "http"}, archive={"path": "a", "keep": "none"})
    problems = check_job(file)
    assert [problem.partition(":")[0] for problem in problems] == ["archive.keep", "page"]
    assert check_job(tmp_path / "no.yaml") == [f"{tmp_path}/no.yaml: no such configuration file"]


def test_what_is_there_is_no_problem(tmp_path: Path, taken: int, free: int) -> None:
    (tmp_path / "text.txt").write_text("A\n")
    file = write(
        tmp_path,
        source={"kind": "folder", "path": "in", "after": "move", "moved_to": "done"},
        expect={"file": "text.txt"},
        outputs=[
            {"kind": "tcp", "host": "127.0.0.1", "port": taken},
            {"kind": "modbus", "port": free},
            {"kind": "sql"},
        ],
        archive={"path": "archive"},
    )
    (problem,) = check_job(file)
    assert problem.startswith("read: ") and "not a bundle" in problem
    assert {path.name for path in tmp_path.iterdir()} == {"in", "job.yaml", "text.txt"}


@pytest.mark.parametrize(("frames", "wrong"), [(1, 0), (0, 1)])
def test_a_camera_must_bring_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, wrong: int
) -> None:
    import cv2
    import numpy as np

    video = tmp_path / "line.avi"
    if frames:
        writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
        writer.write(np.zeros((48, 64, 3), np.uint8))
        writer.release()
    monkeypatch.setenv("CAMERA", str(video))
    file = write(tmp_path, source={"kind": "camera", "device_env": "CAMERA", "newest": False})
    problems = [p for p in check_job(file) if p.startswith("source: ")]
    assert len(problems) == wrong
