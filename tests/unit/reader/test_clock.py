"""Times by stage add up to the whole, however stages are nested."""

from __future__ import annotations

import time

import pytest

from industrial_ocr.reader.common import Clock


def test_a_stage_within_another_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = Clock()

    def work(seconds: float) -> None:
        now[0] += seconds

    with clock.stage("look"):
        work(1)
        with clock.stage("segment"):
            work(2)
            with clock.stage("deep"):
                work(16)
        work(4)
        with clock.stage("segment"):
            work(8)
    with clock.stage("decode"):
        work(32)
    assert clock.seconds == {"look": 5, "segment": 10, "deep": 16, "decode": 32}
    assert clock.share(2)["total"] == pytest.approx(63 / 2)
