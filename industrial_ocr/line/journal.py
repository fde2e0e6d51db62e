"""The journal of a line on disk: no picture is lost or recorded twice, no reading is lost.

It is an SQLite file in WAL mode. A reading and the keys of its pictures are written in one
transaction, synchronized with the disk. So a picture is either recorded or not, also after a kill
or a power failure, and every recorded reading reaches every output.

Tables:
    taken: pictures that are being read.
    pictures: keys of recorded pictures.
    readings: readings that wait for an output, and the last ones.
    outputs: for each output, the sequence number up to which everything is delivered.
    passed: hashes of texts that passed.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from industrial_ocr.errors import LineError
from industrial_ocr.line.pictures import Part, Picture
from industrial_ocr.line.reading import Reading

KEPT_READINGS = 1000
"""Number of delivered readings that are kept."""
KEPT_KEYS = 10_000
"""Number of keys that are kept of pictures that their source no longer has."""
PRUNE_EVERY = 100
"""Number of readings between two removals of old ones."""

_TABLES = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS taken (
  key TEXT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, part TEXT NOT NULL,
  expected TEXT, time TEXT NOT NULL, attempts INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pictures (
  source TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  sha256 TEXT NOT NULL, sequence INTEGER NOT NULL,
  PRIMARY KEY (source, name, size, mtime_ns, sha256)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pictures_by_sequence ON pictures (sequence);
CREATE TABLE IF NOT EXISTS readings (
  sequence INTEGER PRIMARY KEY, reading TEXT NOT NULL, end_byte INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outputs (name TEXT PRIMARY KEY, delivered INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS passed (digest BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_passed (id INTEGER PRIMARY KEY CHECK (id = 1), text TEXT);
"""
_NAMED = "source = ? AND name = ? AND size = ? AND mtime_ns = ?"
_SAME = f"{_NAMED} AND sha256 = ?"


@dataclass(frozen=True)
class Interrupted:
    """A part that was taken, but not recorded before the process ended.

    Attributes:
        names: names of its pictures at their source; empty if none had arrived.
        keys: keys of its pictures and of its trigger.
        sha256: hash of the last picture, in hex; empty if there is none.
        part: name of the part.
        expected: the expected text.
        time: time of its arrival.
    """

    names: tuple[str, ...]
    keys: tuple[str, ...]
    sha256: str
    part: str
    expected: str | None
    time: datetime


class Journal:
    """The journal of one line, safe between threads, used by one process at a time.

    Args:
        folder: folder of ``journal.sqlite3``; it is created if it is missing.
        outputs: names of the outputs. A new output gets the readings that are recorded from now on.
            Outputs that are no longer named are removed.
        remember_texts: whether to keep the hashes of all texts that pass, for ``seen``. A hash
            takes about 40 bytes.

    Attributes:
        forgotten: for each removed output, the number of readings that it had not got.

    Raises:
        LineError: another process uses the journal, or it cannot be opened.
    """

    def __init__(
        self, folder: Path, outputs: Sequence[str] = (), remember_texts: bool = False
    ) -> None:
        self._remember = remember_texts
        self.path = folder / "journal.sqlite3"
        self._write_lock, self._outbox_lock = threading.RLock(), threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / "journal.lock", thread_local=False)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise LineError(
                f"{folder}: another process runs a job with this folder; end it, or give each job "
                "its own folder as `data`"
            ) from error
        except OSError as error:
            raise LineError(f"{folder}: cannot be used for the journal: {error}") from error
        try:
            self._db = self._connect("FULL")
            self._db.executescript(_TABLES)
            # A power failure may undo the last writes of this connection. Then a part is not known
            # to have been taken, or a reading is delivered twice, which does no harm.
            self._notes = self._connect("NORMAL")
            self._outbox = self._connect("NORMAL")  # reads only
            self.forgotten = self._know_outputs(outputs)
        except sqlite3.Error as error:
            self._lock.release()
            raise LineError(
                f"{self.path}: cannot be opened: {error}; free the disk, or move a damaged journal "
                "away to start a new one"
            ) from error

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        db.execute(f"PRAGMA synchronous = {synchronous}")
        return db

    def close(self) -> None:
        """Closes the file and lets other processes use it."""
        with self._write_lock, self._outbox_lock:
            for db in (self._outbox, self._notes, self._db):
                db.close()
            self._lock.release()

    @contextmanager
    def _transaction(self, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """A transaction that is rolled back on any error; other writers wait."""
        with self._write_lock:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _know_outputs(self, names: Sequence[str]) -> dict[str, int]:
        with self._transaction(self._db) as db:
            last = self.last_sequence()
            known = dict(db.execute("SELECT name, delivered FROM outputs"))
            gone = {name: done for name, done in known.items() if name not in names}
            db.executemany("DELETE FROM outputs WHERE name = ?", [(name,) for name in gone])
            db.executemany(
                "INSERT OR IGNORE INTO outputs VALUES (?, ?)", [(name, last) for name in names]
            )
        return {name: last - done for name, done in gone.items() if last > done}

    def known(self, source: str, name: str, size: int, mtime_ns: int) -> bool:
        """Whether a picture with this name, size and time is recorded, with any content."""
        return self._any(f"pictures WHERE {_NAMED}", source, name, size, mtime_ns)

    def recorded(self, picture: Picture) -> bool:
        """Whether this picture is recorded, with the same content."""
        return self._any(f"pictures WHERE {_SAME}", *_columns(picture))

    def _any(self, rows: str, *values: object) -> bool:
        with self._write_lock:
            return self._db.execute(f"SELECT 1 FROM {rows}", values).fetchone() is not None

    def take(self, part: Part) -> int:
        """Notes that a part is being read; one without pictures, that its trigger has come.

        Returns:
            How often it was taken: more than once if the process ended while it was read.
        """
        about = part.name, part.expected, part.time.isoformat()
        rows = [(p.key, p.name, p.sha256, *about) for p in part.pictures]
        rows = rows or [(part.key, "", "", *about)]
        with self._transaction(self._notes) as db:
            db.executemany(
                "INSERT INTO taken VALUES (?, ?, ?, ?, ?, ?, 1) "
                "ON CONFLICT (key) DO UPDATE SET attempts = attempts + 1",
                rows,
            )
            query = "SELECT attempts FROM taken WHERE key = ?"
            return max(db.execute(query, row[:1]).fetchone()[0] for row in rows)

    def interrupted(self) -> list[Interrupted]:
        """The parts that were being read when the process ended, the oldest first."""
        query = "SELECT key, name, sha256, part, expected, time FROM taken ORDER BY time, name"
        with self._write_lock:
            rows = self._db.execute(query).fetchall()
        parts: dict[tuple[str, str], list[tuple[str, ...]]] = {}
        for row in rows:
            parts.setdefault((row[5], row[3]), []).append(row)
        return [
            Interrupted(
                names=tuple(row[1] for row in own if row[1]),
                keys=tuple(row[0] for row in own),
                sha256=own[-1][2],
                part=part,
                expected=own[0][4],
                time=datetime.fromisoformat(time),
            )
            for (time, part), own in parts.items()
        ]

    def finish(
        self, pictures: Sequence[Picture], reading: Reading, taken: Collection[str] = ()
    ) -> Reading:
        """Records the reading and the pictures of a part in one transaction.

        Args:
            pictures: pictures of the part.
            reading: the reading; its ``id`` and ``sequence`` are replaced.
            taken: further keys that are no longer taken, of a trigger or of pictures that are gone.

        Returns:
            The reading with its id and sequence number.

        Raises:
            sqlite3.Error: nothing was recorded, for example because the disk is full.
        """
        keys = [(p.key,) for p in pictures] + [(key,) for key in taken]
        with self._transaction(self._db) as db:
            last, end = db.execute(
                "SELECT sequence, end_byte FROM readings ORDER BY sequence DESC LIMIT 1"
            ).fetchone() or (0, 0)
            sequence = last + 1
            reading = replace(reading, id=str(uuid.uuid4()), sequence=sequence)
            text = reading.to_json()
            db.executemany("DELETE FROM taken WHERE key = ?", keys)
            db.executemany(
                "INSERT INTO pictures VALUES (?, ?, ?, ?, ?, ?)",
                [(*_columns(p), sequence) for p in pictures],
            )
            row = (sequence, text, end + len(text.encode()))
            db.execute("INSERT INTO readings VALUES (?, ?, ?)", row)
            if reading.passed:
                db.execute("INSERT OR REPLACE INTO last_passed VALUES (1, ?)", (reading.text,))
                if self._remember:
                    digest = (_digest(reading.text),)
                    db.execute("INSERT OR IGNORE INTO passed VALUES (?)", digest)
            if sequence % PRUNE_EVERY == 0:
                self._remove_delivered(db, sequence)
        return reading

    def _remove_delivered(self, db: sqlite3.Connection, sequence: int) -> None:
        """Removes old readings that every output has got, and frees their space."""
        (delivered,) = db.execute("SELECT min(delivered) FROM outputs").fetchone()
        have_all = sequence if delivered is None else delivered
        limit = min(have_all, sequence - KEPT_READINGS)
        db.execute("DELETE FROM readings WHERE sequence <= ?", (limit,))
        db.execute("PRAGMA incremental_vacuum(100)").fetchall()

    def forget_pictures(self, still_there: Collection[str]) -> None:
        """Removes the keys of old pictures that their source no longer has.

        Args:
            still_there: names of the pictures that the source still has.
        """
        with self._transaction(self._db) as db:
            old = db.execute(
                "SELECT source, name, size, mtime_ns, sha256 FROM pictures WHERE sequence <= ?",
                (self.last_sequence() - KEPT_KEYS,),
            ).fetchall()
            gone = [row for row in old if row[1] not in still_there]
            db.executemany(f"DELETE FROM pictures WHERE {_SAME}", gone)

    def last_sequence(self) -> int:
        """The sequence number of the last reading; 0 if there is none."""
        with self._write_lock:
            (last,) = self._db.execute("SELECT max(sequence) FROM readings").fetchone()
        return last or 0

    def waiting(self, output: str, limit: int) -> list[Reading]:
        """The next readings for an output, in order, at most ``limit``."""
        query = (
            "SELECT reading FROM readings WHERE sequence > "
            "(SELECT delivered FROM outputs WHERE name = ?) ORDER BY sequence LIMIT ?"
        )
        with self._outbox_lock:
            rows = self._outbox.execute(query, (output, limit)).fetchall()
        return [Reading.from_json(text) for (text,) in rows]

    def delivered(self, output: str, sequence: int) -> None:
        """Notes that an output has everything up to a sequence number.

        Raises:
            sqlite3.Error: it was not noted; the output will get the readings again.
        """
        with self._transaction(self._notes) as db:
            db.execute("UPDATE outputs SET delivered = ? WHERE name = ?", (sequence, output))

    def backlog(self, output: str) -> int:
        """Number of readings that wait for an output."""
        with self._write_lock:
            query = "SELECT delivered FROM outputs WHERE name = ?"
            (delivered,) = self._db.execute(query, (output,)).fetchone()
            return self.last_sequence() - int(delivered)

    def waiting_bytes(self) -> int:
        """Size of the readings that wait for at least one output, in bytes."""
        query = (
            "SELECT (SELECT max(end_byte) FROM readings) - min(end_byte - length(reading)) "
            "FROM (SELECT end_byte, reading FROM readings WHERE sequence > "
            "(SELECT min(delivered) FROM outputs) ORDER BY sequence LIMIT 1)"
        )
        with self._write_lock:
            (size,) = self._db.execute(query).fetchone()
        return size or 0

    def seen(self, text: str) -> bool:
        """Whether a part with this text has passed; needs ``remember_texts``."""
        return self._any("passed WHERE digest = ?", _digest(text))

    def last_passed(self) -> str | None:
        """The text of the last part that passed."""
        with self._write_lock:
            row = self._db.execute("SELECT text FROM last_passed").fetchone()
        return row[0] if row else None


def _columns(picture: Picture) -> tuple[str, str, int, int, str]:
    return picture.source, picture.name, picture.size, picture.mtime_ns, picture.sha256


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
