"""``industrial-ocr batch`` against one process, and after a kill.

    python benchmarks/batch.py --out benchmarks/results/batch.md

Draws small labels of one code each, and reads them by one process of two threads and by two actors
of one thread, in turns. Then a run is killed with -9 and started again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

ENVIRONMENT = {**os.environ, "RAY_worker_niceness": "0"}
"""By default, Ray's workers have a lower priority than other processes; here all have the same."""
ALONE = """
import json, sys, time
from pathlib import Path
from industrial_ocr import Reader
reader = Reader(threads=2)
files = sorted(Path(sys.argv[1]).iterdir())
reader.recognize([files[0]])
start = time.time()
for file in files:
    reader.recognize([file])
print(json.dumps(time.time() - start))
"""
ACTORS = """
import json, sys, time
from industrial_ocr.cli.batch import _Reading
from industrial_ocr.line.ray_batch import Workers, read_archive
reading = _Reading({"threads": 1}, "crnn", True, None, [])
seen = []
for now in read_archive([sys.argv[1]], sys.argv[2], reading, {}, Workers(actors=2)):
    seen.append((time.time(), now.done))
first, last = seen[1], seen[-1]
print(json.dumps((last[0] - first[0]) / (last[1] - first[1]) * last[1]))
"""


def draw(folder: Path, count: int) -> None:
    """Labels of 220x40 pixels in one of two faces."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        text = "".join(rng.choice(list("ABCDEFGHJKLMNPQRSTUVWXYZ23456789"), 8))
        label = np.full((40, 220), rng.integers(190, 250), np.uint8)
        face = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX)[number % 2]
        cv2.putText(label, text, (14, 30), face, 1, 40, 2, cv2.LINE_AA)
        noise = rng.normal(0, 6, label.shape)
        cv2.imwrite(
            str(folder / f"{number:05d}.png"), np.clip(label + noise, 0, 255).astype(np.uint8)
        )


def run(code: str, *arguments: Path) -> tuple[float, float]:
    """Seconds of a whole process, and those of reading all pictures as it prints them."""
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=ENVIRONMENT,
        check=True,
        stdout=subprocess.PIPE,
    )
    return time.time() - start, float(json.loads(done.stdout.splitlines()[-1]))


def kill_and_resume(pictures: Path, out: Path) -> tuple[int, int, int]:
    """Rows when a run was killed; rows and different pictures after it was started again."""
    command = [sys.executable, "-m", "industrial_ocr.cli", "batch", str(pictures), "--crops"]
    command += ["--actors", "2", "--save-every", "1", "--out", str(out)]
    first = subprocess.Popen(command, env=ENVIRONMENT)
    while len(list(out.glob("part-*"))) < 3:
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = pq.read_table(out).num_rows
    subprocess.run(command, env=ENVIRONMENT, check=True)
    files = pq.read_table(out)["file"].to_pylist()
    return before, len(files), len(set(files))


def main() -> None:
    """Writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = folder / "pictures"
        draw(pictures, args.pictures)
        alone, actors = [], []
        for number in range(args.rounds):
            alone.append(run(ALONE, pictures))
            actors.append(run(ACTORS, pictures, folder / f"round{number}.parquet"))
            print(alone[-1], actors[-1], flush=True)
        before, rows, different = kill_and_resume(pictures, folder / "killed.parquet")
    lines = [
        f"{args.pictures} labels of one code, engine crnn, {os.cpu_count()} cores, "
        f"median of {args.rounds} rounds in turns.",
        "",
        "| | reading (s) | pictures a second | with the start (s) | pictures an hour |",
        "|---|---|---|---|---|",
    ]
    for what, times in (("one process, two threads", alone), ("batch, two actors", actors)):
        whole, reading = (statistics.median(column) for column in zip(*times, strict=True))
        rate = args.pictures / reading
        lines.append(f"| {what} | {reading:.1f} | {rate:.1f} | {whole:.1f} | {3600 * rate:,.0f} |")
    lines += [
        "",
        f"Killed with -9 when {before} pictures were in the results, and started again: {rows} "
        f"rows, {different} different pictures.",
    ]
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
