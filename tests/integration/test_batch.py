"""``industrial-ocr batch`` with Ray: each picture once, also after a kill, and bad ones as rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="needs the extra ray")
pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra ray")
pytest.importorskip("ray", reason="needs the extra ray")

from industrial_ocr.errors import ConfigError  # noqa: E402
from industrial_ocr.line.ray_pictures import find_pictures, open_picture  # noqa: E402


def code(number: int) -> bytes:
    """A PNG of one code."""
    image = np.full((40, 200), 255, np.uint8)
    cv2.putText(image, f"AX{number:04d}", (12, 30), cv2.FONT_HERSHEY_SIMPLEX, 1, 0, 2)
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """20 pictures and a damaged one in folders, 10 as bytes in a Parquet file of 4 row groups."""
    folder = tmp_path / "archive"
    for n in range(20):
        (folder / f"day{n % 2}").mkdir(parents=True, exist_ok=True)
        (folder / f"day{n % 2}" / f"{n}.png").write_bytes(code(n))
    (folder / "damaged.png").write_bytes(b"no picture")
    table = pa.table({"id": range(10), "image": [code(n) for n in range(20, 30)]})
    pq.write_table(table, folder / "old.parquet", row_group_size=3)
    return folder


def test_pictures_are_found_in_folders_and_in_cells(archive: Path, tmp_path: Path) -> None:
    found = list(find_pictures([str(archive)]))
    assert len(found) == len(set(found)) == 31
    assert [open_picture(*p, "image") for p in found if p[1] >= 0] == [
        code(n) for n in range(20, 30)
    ]
    table = pa.table({"path": ["archive/day0/0.png", str(archive / "day1/1.png")]})
    pq.write_table(table, tmp_path / "list.parquet")
    named = find_pictures([str(tmp_path / "list.parquet")], "path")
    assert list(named) == [(str(archive / f"day{n}/{n}.png"), -1) for n in range(2)]
    with pytest.raises(ConfigError, match="--column image; its columns are path"):
        list(find_pictures([str(tmp_path / "list.parquet")]))
    with pytest.raises(ConfigError, match="no picture"):
        list(find_pictures([str(archive / "day2")]))


def batch(archive: Path, out: Path, *more: str) -> list[str]:
    command = [sys.executable, "-m", "industrial_ocr.cli", "batch", str(archive), "--out", str(out)]
    return [*command, "--crops", "--actors", "2", "--save-every", "0", *more]


@pytest.mark.slow
def test_each_picture_is_read_once_though_the_run_was_killed(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.parquet"
    # Ray gives way to all other processes by default, on a busy machine without end.
    fair = {**os.environ, "RAY_worker_niceness": "0"}
    first = subprocess.Popen(batch(archive, out), env=fair)
    while not list(out.glob("part-*")) and first.poll() is None:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    kept = {part: part.read_bytes() for part in out.glob("part-*")}
    assert kept
    again = subprocess.run(batch(archive, out), env=fair, capture_output=True, text=True)
    assert again.returncode == 1
    assert "31 images" in again.stderr
    assert "1 of them with an error" in again.stderr
    assert all(part.read_bytes() == data for part, data in kept.items())
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == len({row["file"] for row in rows}) == 31
    (bad,) = [row for row in rows if row["error"]]
    assert bad["file"].endswith("damaged.png")
    assert "not an image" in bad["error"]
    read = sorted(row["text"] for row in rows if not row["error"])
    assert sum(text == f"AX{n:04d}" for n, text in enumerate(read)) >= 27
    other = subprocess.run(
        batch(archive, out, "--pattern", "AX[0-9]{4}"), env=fair, capture_output=True, text=True
    )
    assert other.returncode == 2
    assert "other settings" in other.stderr
