"""The runner with a reader that answers at once: what is read, recorded, delivered and kept."""

import json
import os
import threading
import time
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from industrial_ocr.config import PipelineConfig, parse_config
from industrial_ocr.line.job import Job
from industrial_ocr.line.journal import Journal
from industrial_ocr.line.pictures import Picture, make_part
from industrial_ocr.line.reading import LineState, TriggerEvent
from industrial_ocr.line.runner import MAX_ATTEMPTS, Runner
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, SequenceScores, Status, TextString

QUAD = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], np.float32)
SCORES = SequenceScores(0.99, -0.01, 0.99, 0.99, -0.01)


class FakeReader:
    """Reads the number in the first pixel as A and this number."""

    weights = {"recognizer": "0" * 64}

    def __init__(self, before=lambda number: None) -> None:
        self.before = before

    def read(self, image, **options) -> ReadResult:
        number = int(image[0, 0, 0])
        self.before(number)
        string = TextString(f"A{number}", 0.99, QUAD, (), "horizontal", SCORES)
        return ReadResult((string,), Status.OK, Engine.CRNN, {}, image)

    def read_frames(self, images, **options) -> ReadResult:
        return self.read(images[-1])


def content(number: int) -> bytes:
    """A gray picture of 4 x 4 pixels."""
    return b"P5 4 4 255\n" + bytes([number] * 16)


def write(folder: Path, *numbers: int) -> None:
    """Pictures that are renamed into place."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / ".new").write_bytes(content(number))
        os.replace(folder / ".new", folder / f"{number:03d}.pgm")


def make_job(tmp_path: Path, **changes) -> Job:
    data = {
        "version": 1,
        "name": "job",
        "data": str(tmp_path / "data"),
        "source": {"kind": "folder", "path": str(tmp_path / "in"), "stable_s": 0.02},
        "outputs": [{"kind": "jsonl", "path": str(tmp_path / "out.jsonl")}],
    }
    return parse_config(data | changes, Job)


def delivered(tmp_path: Path) -> list[dict]:
    with suppress(FileNotFoundError):
        return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    return []


def until(condition, timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@contextmanager
def running(job: Job, reader=None):
    """A runner in a thread of its own."""
    runner = Runner(job, reader or FakeReader())
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        runner.stop()
        thread.join()


def run_until(tmp_path: Path, count: int, reader=None, **changes) -> list[dict]:
    """Runs a job until so many readings are delivered; returns them."""
    with running(make_job(tmp_path, **changes), reader):
        until(lambda: len(delivered(tmp_path)) >= count)
    return delivered(tmp_path)


def texts(readings: list[dict]) -> list[str]:
    return [r["text"] for r in readings]


def test_pictures_of_a_folder_once_and_in_order_over_restarts(tmp_path):
    write(tmp_path / "in", 1, 2)
    run_until(tmp_path, 2)
    write(tmp_path / "in", 3, 4)
    readings = run_until(tmp_path, 4)
    assert texts(readings) == ["A1", "A2", "A3", "A4"]
    assert [r["sequence"] for r in readings] == [1, 2, 3, 4]
    assert all(r["passed"] and r["job_hash"] == make_job(tmp_path).hash for r in readings)
    assert readings[0]["picture"] == "001.pgm"


def test_a_bad_picture_is_recorded_and_the_line_goes_on(tmp_path):
    def before(number):
        if number == 2:
            raise ValueError("broken")

    write(tmp_path / "in", 1, 2, 3)
    (tmp_path / "in" / "000.pgm").write_bytes(b"no picture")
    readings = run_until(tmp_path, 4, FakeReader(before))
    status = {r["picture"]: r["status"] for r in readings}
    assert status == {"000.pgm": "error", "001.pgm": "ok", "002.pgm": "error", "003.pgm": "ok"}
    reasons = {r["picture"]: r["reasons"] for r in readings}
    assert reasons["002.pgm"] == ["ValueError: broken"]


def test_a_part_that_takes_too_long_is_recorded_and_the_next_one_waits_for_it(tmp_path):
    release = threading.Event()

    def before(number):
        if number == 1:
            release.wait(30)

    write(tmp_path / "in", 1, 2)
    job = make_job(tmp_path, read={"timeout_s": 0.1})
    with running(job, FakeReader(before)) as runner:
        until(lambda: len(delivered(tmp_path)) == 1)
        until(lambda: runner.monitor.snapshot()["state"] == LineState.ERROR.value)
        release.set()
        until(lambda: len(delivered(tmp_path)) == 2)
    assert [r["status"] for r in delivered(tmp_path)] == ["timeout", "ok"]


def test_stop_finishes_the_picture_in_hand(tmp_path):
    reads, release = threading.Event(), threading.Event()

    def before(number):
        reads.set()
        release.wait(30)

    write(tmp_path / "in", 1, 2)
    with running(make_job(tmp_path), FakeReader(before)) as runner:
        assert reads.wait(30)
        runner.stop()
        release.set()
    assert texts(delivered(tmp_path)) == ["A1"]


def test_what_ended_the_process_again_and_again_is_recorded_as_an_error(tmp_path):
    write(tmp_path / "in", 1, 2)
    job = make_job(tmp_path)
    path = tmp_path / "in" / "001.pgm"
    name = f"folder:{path.parent.resolve()}"
    killer = Picture(name, "001.pgm", content(1), path.stat().st_mtime_ns)
    for _ in range(MAX_ATTEMPTS):
        journal = Journal(job.data)
        journal.take(make_part([killer], "", None))
        journal.close()
    readings = run_until(tmp_path, 2)
    assert [r["status"] for r in readings] == ["error", "ok"]
    assert "ended 3 times" in readings[0]["reasons"][0]


def test_an_interrupted_part_keeps_its_trigger_and_one_that_is_gone_is_recorded(tmp_path):
    write(tmp_path / "in", 1)
    job = make_job(tmp_path, expect={"with_trigger": True}, trigger={"kind": "http"}, page={})
    path = tmp_path / "in" / "001.pgm"
    name = f"folder:{path.parent.resolve()}"
    there = Picture(name, "001.pgm", content(1), path.stat().st_mtime_ns)
    gone = Picture("camera:0", "000000007", content(9), 5)
    journal = Journal(job.data, ["jsonl"])
    noon = datetime(2025, 1, 31, 12, tzinfo=timezone.utc)
    journal.take(make_part([gone], "part 1", None, noon))
    journal.take(make_part([there], "part 2", "A1", noon.replace(hour=13)))
    journal.close()
    runner = Runner(job.model_copy(update={"page": None}), FakeReader())
    runner.stop()
    runner.run()
    lost, read = delivered(tmp_path)
    assert (lost["part"], lost["status"], lost["picture"]) == ("part 1", "error", "000000007")
    assert (read["part"], read["expected"], read["passed"]) == ("part 2", "A1", True)


def test_a_trigger_is_recorded_even_if_the_process_ends_before_its_picture_comes(tmp_path):
    (tmp_path / "in").mkdir()
    job = make_job(tmp_path)
    journal = Journal(job.data, ["jsonl"])
    journal.take(make_part((), "part 1", None))
    journal.close()
    (reading,) = run_until(tmp_path, 1)
    assert (reading["part"], reading["status"], reading["picture"]) == ("part 1", "error", "")


def test_a_trigger_without_a_picture_is_a_time_out(tmp_path):
    (tmp_path / "in").mkdir()
    job = make_job(tmp_path, trigger={"kind": "http"}, page={}, read={"timeout_s": 0.1})
    with running(job.model_copy(update={"page": None})) as runner:
        runner.trigger.put(TriggerEvent("part 1", None))
        until(lambda: len(delivered(tmp_path)) == 1)
    (reading,) = delivered(tmp_path)
    assert (reading["part"], reading["status"], reading["picture"]) == ("part 1", "timeout", "")


def test_a_burst_is_one_reading_and_all_its_pictures_are_recorded(tmp_path):
    write(tmp_path / "in", 1, 2, 3, 4, 5)
    readings = run_until(tmp_path, 2, read={"frames": 3, "timeout_s": 0.5})
    assert texts(readings) == ["A3", "A5"]  # the last burst has the two pictures that came
    write(tmp_path / "in", 6)
    assert texts(run_until(tmp_path, 3, read={"frames": 3, "timeout_s": 0.5}))[2:] == ["A6"]


def test_nothing_is_read_while_too_much_waits_for_an_output(tmp_path):
    write(tmp_path / "in", *range(1, 21))
    (tmp_path / "out.jsonl").mkdir()  # cannot be written
    with running(make_job(tmp_path, spool_mb=0.003)) as runner:
        until(lambda: "spool" in alarms(runner))
        assert runner.monitor.snapshot()["state"] == LineState.ERROR.value
        assert "output_jsonl" in alarms(runner)
        assert sum(runner.monitor.snapshot()["counts"]["by_status"].values()) < 20
        (tmp_path / "out.jsonl").rmdir()
        until(lambda: len(delivered(tmp_path)) == 20)
        until(lambda: not alarms(runner))
    assert texts(delivered(tmp_path)) == [f"A{n}" for n in range(1, 21)]


def alarms(runner: Runner) -> dict[str, str]:
    return {a["name"]: a["message"] for a in runner.monitor.snapshot()["alarms"]}


@pytest.mark.parametrize("after", ["move", "delete"])
def test_recorded_pictures_are_put_away_and_archived(tmp_path, after):
    write(tmp_path / "in", 1, 2)
    source = {"kind": "folder", "path": str(tmp_path / "in"), "after": after, "stable_s": 0.02}
    if after == "move":
        source["moved_to"] = str(tmp_path / "moved")
    archive = {"path": str(tmp_path / "kept"), "keep": "all", "min_free_mb": 0}
    run_until(tmp_path, 2, source=source, archive=archive)
    assert list((tmp_path / "in").iterdir()) == []
    if after == "move":
        assert sorted(p.name for p in (tmp_path / "moved").iterdir()) == ["001.pgm", "002.pgm"]
    (kept,) = (tmp_path / "kept" / "passed").iterdir()
    assert (kept / "000000002.pgm").read_bytes() == content(2)
    assert json.loads((kept / "000000002.json").read_text())["text"] == "A2"


def test_uncertain_characters_are_collected_for_review(tmp_path):
    class Unsure(FakeReader):
        config = PipelineConfig()

        def read(self, image, **options) -> ReadResult:
            characters = (Character("O", QUAD, 0.5, (("0", 0.49),)),)
            string = TextString("O", 0.5, QUAD, characters, "horizontal", SCORES)
            return ReadResult((string,), Status.OK, Engine.TWO_STAGE, {}, image)

    write(tmp_path / "in", 1)
    run_until(tmp_path, 1, Unsure(), collect={"path": str(tmp_path / "uncertain")})
    (item,) = (tmp_path / "uncertain" / "items").glob("*.json")
    assert json.loads(item.read_text())["source"] == "001.pgm"


def test_posted_pictures_survive_a_restart(tmp_path):
    job = make_job(tmp_path, source={"kind": "http"}, page={}).model_copy(update={"page": None})
    runner = Runner(job, FakeReader())
    runner.source.put(content(1), "part 1", None)
    runner._opened.close()  # as if it were killed
    with running(job) as runner:
        runner.source.put(content(2), "part 2", "A9")
        until(lambda: len(delivered(tmp_path)) == 2)
    first, second = delivered(tmp_path)
    assert (first["text"], first["part"]) == ("A1", "part 1")
    assert (second["text"], second["part"]) == ("A2", "part 2")
    assert list((tmp_path / "data" / "posted").iterdir()) == []
