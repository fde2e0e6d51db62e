"""The job files of examples/jobs: checked with other connections, and tried on a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from line_services import MOSQUITTO, POSTGRES, Mosquitto, Postgres, free_port
from typer.testing import CliRunner

from industrial_ocr.cli.app import app
from industrial_ocr.line.job_check import check_job

EXAMPLES = Path(__file__).parents[2] / "examples"
JOBS = sorted((EXAMPLES / "jobs").glob("*.yaml"))


def local(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The job with connections, paths and ports of this machine; everything else is kept."""
    (folder / "in").mkdir()
    outputs = [output for output in job["outputs"] if output["kind"] in ("modbus", "opcua", "csv")]
    for output in outputs:
        if output["kind"] == "modbus":
            output.update(host="127.0.0.1", port=free_port())
        if output["kind"] == "opcua":
            output["endpoint"] = f"opc.tcp://127.0.0.1:{free_port()}/"
    job |= {
        "data": "journal",
        "source": {"kind": "folder", "path": "in"},
        "outputs": [*outputs, {"kind": "sql"}],
        "page": {"port": free_port()},
    }
    if job.get("trigger", {}).get("kind") == "mqtt":
        job["trigger"] = {"kind": "http"}
    job["archive"]["path"] = "archive"
    return job


@pytest.mark.slow
@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.stem)
def test_the_check_finds_nothing_wrong_but_the_connections(file: Path, tmp_path: Path) -> None:
    job = local(yaml.safe_load(file.read_text()), tmp_path)
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    assert check_job(tmp_path / "job.yaml") == []


@pytest.mark.slow
@pytest.mark.skipif(MOSQUITTO is None or POSTGRES is None, reason="needs mosquitto and PostgreSQL")
def test_broker_and_database_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker, database = Mosquitto(tmp_path), Postgres()
    monkeypatch.setenv("DATABASE", database.url)
    at_broker = {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port, "topic": "a"}
    job = {
        "version": 1,
        "name": "test",
        "data": "journal",
        "source": {"kind": "folder", "path": "."},
        "trigger": at_broker,
        "read": {"bundle": "nowhere"},
        "outputs": [at_broker, {"kind": "sql", "url_env": "DATABASE"}],
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    try:
        broker.start()
        database.start()
        there = check_job(tmp_path / "job.yaml")
        broker.stop()
        database.stop()
        away = check_job(tmp_path / "job.yaml")
    finally:
        broker.stop()
        database.close()
    assert [problem.partition(":")[0] for problem in there] == ["read"]
    names = [problem.partition(":")[0] for problem in away]
    assert names == ["read", "trigger", "outputs.0.mqtt", "outputs.1.sql"]


TRIED = {
    "date_on_package": (["label.png"], "EXP08/2027", {"expiry": "08/2027", "date": "2027-08-31"}),
    "container_gate": (["container.png"], "TRHU1700369", {}),
    "chip_tray": (["chip.png", "--expected", "SN74LS193N", "--part", "U7"], "SN74LS193N", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.stem)
def test_what_would_be_sent_of_a_picture(file: Path) -> None:
    (picture, *options), text, fields = TRIED[file.stem]
    before = set(file.parent.iterdir())
    arguments = ["job", "try", str(file), str(EXAMPLES / picture), *options]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    reading = json.loads(shown.stdout)
    assert (reading["text"], reading["status"], reading["fields"]) == (text, "ok", fields)
    assert len(reading["characters"]) == len(text) and len(reading["job_hash"]) == 64
    # The date on the label will be past one day.
    assert reading["passed"] or reading["reasons"][0].startswith("the date 2027-08-31 is past")
    assert set(file.parent.iterdir()) == before


@pytest.mark.slow
def test_a_picture_that_cannot_be_read_is_told_as_on_the_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    job = EXAMPLES / "jobs" / "chip_tray.yaml"
    shown = CliRunner().invoke(app, ["job", "try", str(job), str(bad)])
    reading = json.loads(shown.stdout)
    assert shown.exit_code == 1 and reading["status"] == "error" and not reading["passed"]
