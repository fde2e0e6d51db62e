"""SQLite; PostgreSQL is in tests/integration."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from industrial_ocr.errors import ConfigError
from industrial_ocr.line.job_outputs import SqlOutput
from industrial_ocr.line.outputs import OutputError
from industrial_ocr.line.outputs.sql import VERSION_TABLE, Database
from industrial_ocr.line.reading import Reading

Make = Callable[..., Reading]


def database(path: Path) -> Database:
    return Database(SqlOutput(kind="sql", url=f"sqlite:///{path}"))


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_repeated_reading_is_one_row(tmp_path: Path, make_reading: Make) -> None:
    path = tmp_path / "plant.db"
    output = database(path)
    output.open()
    output.send([make_reading(1), make_reading(2)])
    output.open()
    output.send([make_reading(2), make_reading(3, text="changed")])
    output.send([make_reading(3)])
    output.close()
    assert rows(path, "select id, text from readings order by sequence") == [
        ("id-1", "L1"), ("id-2", "L2"), ("id-3", "changed"),
    ]  # fmt: skip


def test_columns(tmp_path: Path, make_reading: Make) -> None:
    path = tmp_path / "plant.db"
    output = database(path)
    output.open()
    time = datetime(2026, 3, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    output.send([make_reading(1, time=time, reasons=("too late",), expected="L2", passed=False)])
    columns = "time, reasons, characters, weights, passed, expected, job_hash, latency"
    assert rows(path, f"select {columns} from readings") == [
        (
            "2026-03-01 12:00:00.000000",
            '["too late"]',
            '[{"symbol": "L", "confidence": 0.98}]',
            '{"detector": "cd34"}',
            0,
            "L2",
            "ab12",
            0.0,
        )
    ]
    assert rows(path, "pragma journal_mode") == [("wal",)]
    output.close()


def test_the_migrations_make_what_the_code_writes(tmp_path: Path) -> None:
    output = database(tmp_path / "plant.db")
    output.open()
    output.close()
    made = [name for _, name, *_ in rows(tmp_path / "plant.db", "pragma table_info(readings)")]
    assert sorted(map(str, made)) == sorted(f.name for f in fields(Reading))


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plant.db"
    output = database(path)
    output.open()
    output.close()
    connection = sqlite3.connect(path)
    connection.execute(f"update {VERSION_TABLE} set version_num = '9999'")
    connection.commit()
    connection.close()
    for call in (output.open, output.check):
        with pytest.raises(OutputError, match="a newer industrial_ocr made its schema 9999"):
            call()


def test_two_databases_are_migrated_at_once(tmp_path: Path, make_reading: Make) -> None:
    outputs = [database(tmp_path / f"{i}.db") for i in range(4)]
    threads = [threading.Thread(target=o.open) for o in outputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for output in outputs:
        output.send([make_reading(1)])
        output.close()
    kept = [rows(tmp_path / f"{i}.db", "SELECT count(*) FROM readings") for i in range(4)]
    assert kept == [[(1,)]] * 4


def test_check_leaves_no_file(tmp_path: Path) -> None:
    database(tmp_path / "plant.db").check()
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="does not exist or cannot be written"):
        database(tmp_path / "share" / "plant.db").check()


@pytest.mark.parametrize(
    "url", ["plant", "oracle://plant", "mysql://plant/db", "postgresql://db/plant"]
)
def test_addresses_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigError):
        Database(SqlOutput(kind="sql", url=url))


def test_the_address_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="PLANT_DB, the database's address, is not set"):
        Database(SqlOutput(kind="sql", url_env="PLANT_DB"))
    monkeypatch.setenv("PLANT_DB", "postgresql://plant:secret@db/plant")
    output = Database(SqlOutput(kind="sql", url_env="PLANT_DB"))
    assert output.url.drivername == "postgresql+pg8000"
    with pytest.raises(OutputError) as error:
        output.open()
    assert "secret" not in str(error.value)
