"""What is seen of a line from outside: metrics, last readings, alarms, drift, health."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("prometheus_client")
from industrial_ocr.line.drift import GROUP, Drift  # noqa: E402
from industrial_ocr.line.job import Job  # noqa: E402
from industrial_ocr.line.json_log import JsonFormatter  # noqa: E402
from industrial_ocr.line.monitor import PICTURE_SIDE, STUCK_S, Monitor  # noqa: E402
from industrial_ocr.line.reading import LineState, Reading  # noqa: E402

IMAGE = np.full((900, 1600, 3), 120, np.uint8)


def make_reading(sequence: int, passed: bool = True, **more: Any) -> Reading:
    quad = [[10, 10], [60, 10], [60, 80], [10, 80]]
    given: dict[str, Any] = {
        "id": f"id-{sequence}", "sequence": sequence, "job": "tray", "job_hash": "ab",
        "weights": {}, "picture": f"{sequence}.png", "picture_sha256": "00", "part": "",
        "time": datetime(2026, 1, 1, tzinfo=timezone.utc), "text": f"CODE{sequence}",
        "raw_text": "", "status": "ok" if passed else "low_confidence", "passed": passed,
        "reasons": () if passed else ("the code is doubtful",), "confidence": 0.97,
        "characters": ({"symbol": "C", "quad": quad},), "latency": 0.08, **more,
    }  # fmt: skip
    return Reading(**given)


def make_job(folder: Path, **alarms: Any) -> Job:
    settings = {"version": 1, "name": "tray", "data": folder, "alarms": alarms, "page": {}}
    return Job.model_validate(settings | {"source": {"kind": "http"}})


def test_readings_are_counted_and_kept_in_bounds(tmp_path: Path) -> None:
    monitor = Monitor(make_job(tmp_path), keep=3)
    for n in range(1, 11):
        monitor.reading(make_reading(n, passed=n != 2), IMAGE)
    shown = monitor.snapshot()
    assert shown["counts"] == {
        "passed": 9, "refused": 1, "by_status": {"ok": 9, "low_confidence": 1},
    }  # fmt: skip
    assert [row["sequence"] for row in shown["last"]] == [10, 9, 8]
    assert [row["sequence"] for row in shown["refused"]] == [2]
    assert monitor.picture("id-7") is None
    picture = monitor.picture("id-2")
    assert picture is not None and picture[:3] == b"\xff\xd8\xff" and len(picture) < 30_000
    from industrial_ocr.image.load import load_image

    pixels = load_image(picture)
    assert pixels.shape[:2] == (360, PICTURE_SIDE)
    red = pixels[..., 0].astype(int) - pixels[..., 1] > 60
    rows, columns = np.nonzero(red)  # of the box, 0.4 times as large
    assert (rows.min(), columns.min()) == pytest.approx((4, 4), abs=3)
    assert (rows.max(), columns.max()) == pytest.approx((32, 24), abs=3)
    json.dumps(shown)


def test_metrics_never_hold_a_code(tmp_path: Path) -> None:
    monitor = Monitor(make_job(tmp_path))
    monitor.reading(make_reading(1))
    monitor.reading(make_reading(2, passed=False, latency=0.3))
    monitor.backlog("sql", 4)
    monitor.alarm("archive", "the disk is full")
    text = monitor.metrics().decode()
    for line in (
        'industrial_ocr_readings_total{passed="true",status="ok"} 1.0',
        'industrial_ocr_readings_total{passed="false",status="low_confidence"} 1.0',
        'industrial_ocr_latency_seconds_bucket{le="0.1"} 1.0',
        "industrial_ocr_latency_seconds_count 2.0",
        'industrial_ocr_backlog{output="sql"} 4.0',
        'industrial_ocr_alarm{alarm="archive"} 1.0',
        'industrial_ocr_line_state{industrial_ocr_line_state="stopped"} 1.0',
    ):
        assert line in text.splitlines()
    assert "CODE" not in text


def test_an_alarm_is_told_once_when_it_begins_and_once_when_it_ends(tmp_path: Path) -> None:
    told: list[tuple[str, str | None]] = []
    now = [100.0]
    job = make_job(tmp_path, stalled_s=5)
    monitor = Monitor(job, on_alarm=lambda *a: told.append(a), clock=lambda: now[0])
    now[0] = 106.0
    monitor.beat()
    monitor.beat()
    assert [a["name"] for a in monitor.snapshot()["alarms"]] == ["source"]
    monitor.reading(make_reading(1))
    assert told == [("source", "the source has brought no picture for 5 seconds"), ("source", None)]
    assert monitor.snapshot()["alarms"] == []


def test_health_and_readiness(tmp_path: Path) -> None:
    now = [0.0]
    monitor = Monitor(make_job(tmp_path), clock=lambda: now[0])
    assert monitor.ready() == "the line is in state stopped" and monitor.healthy() is None
    monitor.state(LineState.READY)
    monitor.beat()
    assert monitor.ready() is None
    now[0] = STUCK_S + 1
    assert "no sign of life" in str(monitor.healthy())
    monitor.state(LineState.ERROR)
    assert monitor.ready() == "the line is in state error"


def watched(drift: Drift, count: int, share: float, confidence: float, seed: int) -> list[str]:
    """The alarms after so many readings with this share of refusals and mean confidence."""
    rng = np.random.default_rng(seed)
    for n in range(count):
        drift.add(n, bool(rng.random() >= share), float(rng.normal(confidence, 0.03)))
    return sorted(drift.alarms)


def test_drift_is_noticed_and_nothing_else() -> None:
    drift = Drift(500)
    assert watched(drift, 20_000, 0.02, 0.93, seed=0) == []
    assert watched(drift, 400, 0.12, 0.93, seed=1) == ["refusals"]
    assert watched(drift, 5_000, 0.02, 0.93, seed=2) == []
    assert watched(drift, 400, 0.02, 0.91, seed=3) == ["confidence"]
    assert len(drift.points) == 200 and drift.points[-1].confidence_level == 1
    assert drift.points[-1].sequence - drift.points[-2].sequence == GROUP


def test_the_baseline_is_kept_for_the_next_run_of_the_same_job(tmp_path: Path) -> None:
    job = make_job(tmp_path, baseline=40)
    first = Monitor(job)
    for n in range(40):
        first.reading(make_reading(n))
    kept = first.snapshot()["drift"]["baseline"]
    assert kept is not None
    assert Monitor(job).snapshot()["drift"]["baseline"] == kept
    other = make_job(tmp_path, baseline=41)
    assert Monitor(other).snapshot()["drift"]["baseline"] is None


def test_messages_as_json() -> None:
    record = logging.LogRecord("industrial_ocr", logging.WARNING, "", 1, "disk %s", ("full",), None)
    record.fields = {"sequence": 7}
    entry = json.loads(JsonFormatter().format(record))
    assert (entry["message"], entry["level"], entry["sequence"]) == ("disk full", "warning", 7)
