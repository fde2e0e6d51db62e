"""The journal: everything is recorded once, in order, and reaches every output."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from industrial_ocr.errors import LineError
from industrial_ocr.line import journal as journal_module
from industrial_ocr.line.journal import Journal
from industrial_ocr.line.pictures import Picture, make_part
from industrial_ocr.line.reading import Reading

NOON = datetime(2025, 1, 31, 12, tzinfo=timezone.utc)


def picture(name: str):
    return Picture("folder:/in", name, name.encode(), mtime_ns=1)


def reading(text: str = "A1", passed: bool = True) -> Reading:
    return Reading(
        id="", sequence=0, job="job", job_hash="0", weights={}, picture="p", picture_sha256="0",
        part="", time=NOON, text=text, raw_text=text, status="ok", passed=passed, reasons=(),
        confidence=0.99,
    )  # fmt: skip


def record(journal: Journal, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        journal.finish([picture(f"{number}.png")], reading(f"A{number}"))


def kept(journal: Journal) -> list[Reading]:
    """The readings in the journal, the oldest first."""
    with closing(sqlite3.connect(journal.path)) as db:
        rows = db.execute("SELECT reading FROM readings ORDER BY sequence").fetchall()
    return [Reading.from_json(text) for (text,) in rows]


def test_numbers_are_gapless_over_restarts_and_ids_unique(tmp_path):
    ids = []
    for _ in range(2):
        journal = Journal(tmp_path)
        ids += [journal.finish((), reading()).id for _ in range(3)]
        assert [r.sequence for r in kept(journal)] == list(range(1, len(ids) + 1))
        journal.close()
    assert len(set(ids)) == 6


def test_a_picture_cannot_be_recorded_twice(tmp_path):
    journal = Journal(tmp_path)
    record(journal, 1)
    assert journal.recorded(picture("0.png")) and not journal.recorded(picture("1.png"))
    assert journal.known("folder:/in", "0.png", size=5, mtime_ns=1)
    with pytest.raises(Exception, match="UNIQUE"):
        record(journal, 1)
    assert journal.last_sequence() == 1  # and the number was not used up


def test_outputs_get_everything_in_order_and_apart_from_each_other(tmp_path):
    journal = Journal(tmp_path, ["sql", "mqtt"])
    record(journal, 5)
    journal.delivered("sql", journal.waiting("sql", 3)[-1].sequence)
    assert [r.text for r in journal.waiting("sql", 10)] == ["A3", "A4"]
    assert journal.backlog("sql") == 2 and journal.backlog("mqtt") == 5
    journal.close()
    journal = Journal(tmp_path, ["sql", "csv"])  # mqtt is gone, csv is new
    assert journal.forgotten == {"mqtt": 5}
    assert journal.backlog("sql") == 2 and journal.backlog("csv") == 0


def test_what_waits_is_counted_in_bytes(tmp_path):
    journal = Journal(tmp_path, ["sql", "mqtt"])
    record(journal, 4)
    sizes = [len(r.to_json().encode()) for r in kept(journal)]
    journal.delivered("sql", 4)
    assert journal.waiting_bytes() == sum(sizes)
    journal.delivered("mqtt", 3)
    assert journal.waiting_bytes() == sizes[-1]
    journal.delivered("mqtt", 4)
    assert journal.waiting_bytes() == 0


def test_interrupted_parts_come_back_with_what_the_trigger_said(tmp_path):
    journal = Journal(tmp_path)
    part = make_part([picture("a.png"), picture("b.png")], "part 7", "X1", NOON)
    assert journal.take(part) == 1
    journal.close()
    journal = Journal(tmp_path)
    (left,) = journal.interrupted()
    assert (left.names, left.part, left.expected, left.time) == (
        ("a.png", "b.png"), "part 7", "X1", NOON,
    )  # fmt: skip
    assert journal.take(part) == 2
    journal.finish(part.pictures, reading())
    assert journal.interrupted() == []


def test_history_of_what_passed(tmp_path):
    journal = Journal(tmp_path, remember_texts=True)
    assert journal.last_passed() is None
    journal.finish((), reading("A1"))
    journal.finish((), reading("B2", passed=False))
    assert journal.seen("A1") and not journal.seen("B2")
    assert journal.last_passed() == "A1"


def test_old_readings_go_and_keys_stay_while_the_picture_may_come_again(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "KEPT_READINGS", 5)
    monkeypatch.setattr(journal_module, "KEPT_KEYS", 10)
    monkeypatch.setattr(journal_module, "PRUNE_EVERY", 10)
    journal = Journal(tmp_path, ["sql"])
    record(journal, 30)
    assert len(kept(journal)) == 30  # all of them wait
    journal.delivered("sql", 30)
    record(journal, 10, start=30)
    assert len(kept(journal)) == 10  # 31 to 40 wait
    journal.delivered("sql", 40)
    journal.forget_pictures({"0.png"})
    assert journal.recorded(picture("0.png")) and not journal.recorded(picture("1.png"))
    assert journal.recorded(picture("30.png")) and not journal.recorded(picture("29.png"))


def test_a_part_can_be_taken_while_another_thread_reads_what_to_deliver(tmp_path):
    journal = Journal(tmp_path, ["sql"])
    record(journal, 2)
    halfway = journal._outbox.execute("SELECT reading FROM readings")
    halfway.fetchone()
    record(journal, 1, start=2)
    assert journal.take(make_part([picture("3.png")], "", None)) == 1
    journal.delivered("sql", 2)


def test_one_process_at_a_time(tmp_path):
    journal = Journal(tmp_path)
    code = f"from industrial_ocr.line.journal import Journal; Journal(__import__('pathlib').Path({str(tmp_path)!r}))"  # noqa: E501
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "another process runs a job with this folder" in ended.stderr
    journal.close()


def test_a_damaged_journal_is_told(tmp_path: Path):
    (tmp_path / "journal.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(LineError, match=r"journal.sqlite3: cannot be opened.*move a damaged"):
        Journal(tmp_path)
