"""The runner against the real thing: killed, its services away, its disk full."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "line.py"


def shows(*arguments: str) -> str:
    """What the benchmark reports; it ends with 1 if something is wrong."""
    command = [sys.executable, str(SCRIPT), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    return ended.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None,
    reason="needs the Debian package mosquitto",
)
def test_killed_three_times_with_the_broker_away_every_picture_once():
    report = shows("kills", "--pictures", "200", "--kills", "3", "--small")
    assert "200 rows" in report and "200 readings" in report


@pytest.mark.slow
@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="needs root to mount a small disk"
)
def test_a_full_disk_stops_the_archive_first_and_loses_nothing():
    command = ["unshare", "--mount", "true"]
    if shutil.which("unshare") and subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let mount a tmpfs")
    assert "archive, journal" in shows("disk")
