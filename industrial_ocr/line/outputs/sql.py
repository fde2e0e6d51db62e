"""An SQLite or PostgreSQL database; SQLAlchemy writes to it, Alembic upgrades its schema."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from industrial_ocr.errors import ConfigError
from industrial_ocr.line.job_outputs import SqlOutput
from industrial_ocr.line.outputs.base import TIMEOUT_S, Output, OutputError
from industrial_ocr.line.reading import Reading

DEFAULT_URL = "sqlite:///readings.db"
VERSION_TABLE = "readings_version"

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_TYPES = dict.fromkeys(("weights", "reasons", "characters", "fields"), _JSON)
READINGS = sa.table(
    "readings",
    *(sa.column(f.name, _TYPES.get(f.name)) for f in fields(Reading) if f.name != "time"),
    sa.column("time", sa.DateTime(timezone=True)),
)
"""The columns that are written; ``migrations`` make the table."""
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
# Only one migration at a time: Alembic passes the connection to its scripts in a global variable.
_MIGRATING = threading.Lock()


class Database(Output):
    """Inserts readings into the table ``readings``; a reading that is sent twice is one row.

    The column ``time`` is in UTC. ``open`` upgrades the schema.

    Raises:
        ConfigError: the address cannot be used.
    """

    def __init__(self, config: SqlOutput) -> None:
        self.url = _url(config)
        self.where = self.url.render_as_string(hide_password=True)
        self._engine = sa.create_engine(
            self.url,
            connect_args={"timeout": int(TIMEOUT_S)},
            poolclass=sa.NullPool,
            hide_parameters=True,
        )
        if self.url.get_backend_name() == "sqlite":
            sa.event.listen(self._engine, "connect", _durable)
        self._insert = _INSERT[self._engine.dialect.name](READINGS).on_conflict_do_nothing()
        self._migrations = Config()
        self._migrations.set_main_option(
            "script_location", "industrial_ocr.line.outputs:migrations"
        )
        self._connection: sa.Connection | None = None

    def open(self) -> None:
        self.close()
        try:
            with self.failing(SQLAlchemyError, OSError):
                self._connection = self._engine.connect()
                with self._connection.begin():
                    self._refuse_newer(self._connection)
                    with _MIGRATING:
                        self._migrations.attributes["connection"] = self._connection
                        command.upgrade(self._migrations, "head")
        except OutputError:
            self.close()
            raise

    def send(self, readings: Sequence[Reading]) -> None:
        if self._connection is None:
            raise self.failure("not open")
        rows = [asdict(r) | {"time": r.time.astimezone(timezone.utc)} for r in readings]
        with self.failing(SQLAlchemyError, OSError), self._connection.begin():
            self._connection.execute(self._insert, rows)

    def close(self) -> None:
        if self._connection is not None:
            # Sends nothing to the server, which may not answer.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def check(self) -> None:
        if self.url.get_backend_name() == "sqlite":
            path = Path(self.url.database or "")
            if not path.exists():
                if not os.access(path.parent, os.W_OK):
                    raise OutputError(f"{path.parent}: does not exist or cannot be written")
                return
        with self.failing(SQLAlchemyError, OSError), self._engine.connect() as connection:
            self._refuse_newer(connection)

    def _refuse_newer(self, connection: sa.Connection) -> None:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        there = context.get_current_revision()
        known = {s.revision for s in ScriptDirectory.from_config(self._migrations).walk_revisions()}
        if there is not None and there not in known:
            raise self.failure(
                f"a newer industrial_ocr made its schema {there}; install that version, or use "
                "another database"
            )

    def failure(self, error: object) -> OutputError:
        cause = getattr(error, "orig", None) or error
        return super().failure(" ".join(str(cause).split()))


def _url(config: SqlOutput) -> sa.URL:
    text = config.url or DEFAULT_URL
    if config.url_env is not None:
        if config.url_env not in os.environ:
            raise ConfigError(f"the variable {config.url_env}, the database's address, is not set")
        text = os.environ[config.url_env]
    try:
        url = sa.make_url(text)
    except ArgumentError as error:
        raise ConfigError(f"{text}: not an address such as {DEFAULT_URL}") from error
    name = url.get_backend_name()
    if name not in _INSERT:
        raise ConfigError(f"{name}: the database must be sqlite or postgresql")
    if name == "postgresql":
        if url.username is None:
            raise ConfigError(f"{text}: the user is missing: postgresql://USER@HOST/DATABASE")
        url = url.set(drivername="postgresql+pg8000")
    return url


def _durable(connection: Any, record: object) -> None:
    """Committed rows survive a power failure, and others can read while rows are written."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
