"""The archive: what is kept, what goes first, and a full disk."""

import json
import os
import shutil
import subprocess
from datetime import datetime, timezone

import numpy as np
import pytest

from industrial_ocr.line.archive import Archive, annotated
from industrial_ocr.line.job import ArchiveConfig
from industrial_ocr.line.pictures import Picture
from industrial_ocr.line.reading import Reading


def reading(sequence: int, passed: bool, day: int = 1) -> Reading:
    return Reading(
        id=str(sequence), sequence=sequence, job="job", job_hash="0", weights={}, picture="p",
        picture_sha256="0", part="", time=datetime(2025, 1, day, 12, tzinfo=timezone.utc),
        text="A1", raw_text="A1", status="ok", passed=passed, reasons=(), confidence=0.9,
        characters=({"symbol": "A", "quad": [[2, 2], [9, 2], [9, 9], [2, 9]]},),
    )  # fmt: skip


def picture(size: int = 1000):
    return Picture("folder:/in", "a.jpg", bytes(size), mtime_ns=1)


def archive(tmp_path, **changes):
    problems = []
    config = ArchiveConfig(path=tmp_path / "kept", **{"min_free_mb": 0} | changes)
    now = datetime(2025, 1, 10, tzinfo=timezone.utc).timestamp()
    return Archive(config, problems.append, clock=lambda: now), problems


def kept(tmp_path) -> set[str]:
    root = tmp_path / "kept"
    return {str(p.relative_to(root).parent) + "/" + p.stem for p in root.rglob("*.jpg")}


def test_failed_ones_only_by_default(tmp_path):
    keeper, _ = archive(tmp_path)
    keeper.add(reading(1, passed=True), [picture()])
    keeper.add(reading(2, passed=False), [picture(), picture()])
    folder = tmp_path / "kept" / "failed" / "2025-01-01"
    names = ["000000002-2.jpg", "000000002.jpg", "000000002.json"]
    assert sorted(p.name for p in folder.iterdir()) == names
    record = json.loads((folder / "000000002.json").read_text())
    assert record["sequence"] == 2 and record["files"] == ["000000002.jpg", "000000002-2.jpg"]


def test_those_that_passed_go_first_and_the_oldest_of_them(tmp_path):
    keeper, _ = archive(tmp_path, keep="all", max_mb=0.05, max_days=30)
    keeper.add(reading(1, passed=False), [picture(10_000)])
    for sequence in (2, 3, 4, 5):
        keeper.add(reading(sequence, passed=True), [picture(10_000)])
    names = {name.rpartition("/")[2] for name in kept(tmp_path)}
    assert names == {"000000001", "000000003", "000000004", "000000005"}
    fresh, _ = archive(tmp_path, keep="all", max_mb=0.05)  # after a restart
    fresh.add(reading(6, passed=False), [picture(10_000)])
    names = {name.rpartition("/")[2] for name in kept(tmp_path)}
    assert names == {"000000001", "000000004", "000000005", "000000006"}


def test_old_days_go(tmp_path):
    keeper, _ = archive(tmp_path, keep="all", max_days=5, failed_days=8)
    for day in (1, 4, 7):
        for passed in (True, False):
            keeper.add(reading(2 * day + passed, passed, day), [picture()])
    later, _ = archive(tmp_path, keep="all", max_days=5, failed_days=8)
    later.add(reading(50, True, 10), [picture()])
    days = {name.rpartition("/")[0] for name in kept(tmp_path)}
    assert days == {
        "failed/2025-01-04", "failed/2025-01-07", "passed/2025-01-07", "passed/2025-01-10",
    }  # fmt: skip


def test_frames_are_kept_as_png_and_annotated_on_demand(tmp_path):
    keeper, _ = archive(tmp_path)
    frame = np.full((20, 20, 3), 200, np.uint8)
    keeper.add(reading(7, passed=False), [Picture("camera:0", "1", frame, 1)])
    record = tmp_path / "kept" / "failed" / "2025-01-01" / "000000007.json"
    image = annotated(record)
    assert tuple(image[15, 15]) == (200, 200, 200)
    assert image[2, 5, 0] > image[2, 5, 1]  # a red box


def test_it_stops_while_little_is_free(tmp_path):
    keeper, problems = archive(tmp_path, min_free_mb=1e9)
    keeper.add(reading(1, passed=False), [picture()])
    assert kept(tmp_path) == set()
    assert "MB are free" in problems[0]


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None,
    reason="needs root to mount a small disk",
)
def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "kept"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let mount a tmpfs")
    try:
        keeper, problems = archive(tmp_path)
        keeper.add(reading(1, passed=False), [picture(30_000)])
        keeper.add(reading(2, passed=False), [picture(60_000)])
        assert {n.rpartition("/")[2] for n in kept(tmp_path)} == {"000000001"}  # no half file
        keeper.add(reading(3, passed=False), [picture(1_000)])
        assert problems[0] is None and "No space left" in problems[1] and problems[2] is None
    finally:
        subprocess.run(["umount", str(disk)], check=True)
