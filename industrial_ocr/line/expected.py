"""Finds the text that must be printed on a part."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from industrial_ocr.datasets.formats import csv_separator
from industrial_ocr.errors import ConfigError
from industrial_ocr.line.job import Expected


class ExpectedTexts:
    """Finds the expected text of each part; files are read again when they have changed."""

    def __init__(self, config: Expected | None) -> None:
        self._config = config
        self._read: tuple[tuple[int, int, int], str, Mapping[str, str]] | None = None

    def check(self) -> None:
        """Reads the file or the table; raises ConfigError if it cannot be used."""
        if self._config is not None and (path := self._config.file or self._config.table):
            self._content(path)

    def text(self, part: str, sent: str | None) -> str | None:
        """The expected text; None if the job expects none.

        Args:
            part: name of the part.
            sent: the text that came with the trigger or the picture.

        Raises:
            ConfigError: no text was sent, the file cannot be read, or the table lacks the part.
        """
        config = self._config
        if config is None:
            return None
        if config.text is not None:
            return config.text
        if config.with_trigger:
            if not sent:
                raise ConfigError("no expected text came with the trigger")
            return sent
        if config.file is not None:
            return self._content(config.file)[0]
        assert config.table is not None
        rows = self._content(config.table)[1]
        if part not in rows:
            raise ConfigError(f"{config.table}: no row has {part!r} in the column {config.key}")
        return rows[part]

    def _content(self, path: Path) -> tuple[str, Mapping[str, str]]:
        """The first line and the rows of a file; from memory if the file has not changed."""
        assert self._config is not None
        try:
            stat = path.stat()
            state = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if self._read is None or self._read[0] != state:
                content = path.read_text(encoding="utf-8-sig")
                rows = {} if self._config.table is None else _rows(content, self._config)
                line = content.partition("\n")[0].strip()
                if not line:
                    raise ConfigError(f"{path}: its first line is empty")
                self._read = state, line, rows
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        return self._read[1:]


def _rows(content: str, config: Expected) -> dict[str, str]:
    """The texts of a table by part."""
    separator, table = csv_separator(content)
    reader = csv.DictReader(io.StringIO(table, newline=""), delimiter=separator, restval="")
    for name in (config.key, config.column):
        if name not in (reader.fieldnames or ()):
            raise ConfigError(f"{config.table}: has no column {name!r}")
    return {row[config.key].strip(): row[config.column].strip() for row in reader}
