"""JSON lines and CSV: files that are only appended to."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from industrial_ocr.line.job_outputs import CsvOutput, JsonlOutput
from industrial_ocr.line.outputs.base import Output, OutputError
from industrial_ocr.line.reading import Reading

CSV_COLUMNS = tuple(f.name for f in dataclasses.fields(Reading) if f.name != "characters")


class _AppendedFile(Output):
    """A file of lines; they are on the disk when ``send`` returns.

    Attributes:
        head: header line with its line end.
        start: first bytes of every file that this class has written.
        end: line end; it occurs nowhere else.
    """

    head: ClassVar[bytes]
    start: ClassVar[bytes]
    end: ClassVar[bytes]

    def __init__(self, config: JsonlOutput | CsvOutput) -> None:
        self.path = config.path
        self.where = str(config.path)
        self._present: set[str] = set()

    @abstractmethod
    def _line(self, reading: Reading) -> bytes:
        """The line of a reading, with its line end."""

    @abstractmethod
    def _id(self, line: bytes) -> str:
        """The id in a line; any text if the line has none."""

    def open(self) -> None:
        """Removes a line that a crash left incomplete; notes which readings the file has."""
        self.check()
        self._present = set()
        if not self.path.exists():
            return
        with self.failing(OSError), self.path.open("r+b") as file:
            if not self.start.startswith(file.read(len(self.start))):
                raise self.failure("holds other lines than ours; move it away")
            size = file.seek(0, os.SEEK_END)
            # The readings that may be sent again are at the end.
            first = file.seek(max(size - 4_000_000, 0))
            whole, end, rest = file.read().rpartition(self.end)
            if rest:
                file.truncate(first + len(whole) + len(end))
                os.fsync(file.fileno())
        self._present = {self._id(line) for line in whole.split(self.end)}

    def send(self, readings: Sequence[Reading]) -> None:
        lines = [self._line(r) for r in readings if r.id not in self._present]
        with self.failing(OSError), self.path.open("ab") as file:
            head = b"" if file.tell() else self.head
            file.write(head + b"".join(lines))
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        self._present = set()

    def check(self) -> None:
        if not self.path.parent.is_dir():
            raise OutputError(f"{self.path.parent}: no such folder; create it or mount it")
        target = self.path if self.path.exists() else self.path.parent
        if self.path.is_dir() or not os.access(target, os.W_OK):
            raise self.failure("cannot be written")

    def failure(self, error: object) -> OutputError:
        return super().failure(getattr(error, "strerror", None) or error)


class JsonLines(_AppendedFile):
    """One JSON object per line, with all fields of ``Reading``."""

    head = b""
    start = b'{"id": "'
    end = b"\n"

    def _line(self, reading: Reading) -> bytes:
        return reading.to_json().encode() + self.end

    def _id(self, line: bytes) -> str:
        try:
            return str(json.loads(line)["id"])
        except (ValueError, KeyError, TypeError):
            return ""


def _row(values: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(v.replace("\r", "") if isinstance(v, str) else v for v in values)
    return text.getvalue().encode()


class CsvFile(_AppendedFile):
    """A header and one row per reading, with all fields but ``characters``.

    ``reasons`` are joined by semicolons; ``fields`` and ``weights`` are JSON. Rows end with CR LF;
    line breaks inside a value are LF.
    """

    head = start = _row(CSV_COLUMNS)
    end = b"\r\n"

    def _line(self, reading: Reading) -> bytes:
        data = reading.to_dict()
        data["reasons"] = "; ".join(reading.reasons)
        for name in ("fields", "weights"):
            data[name] = json.dumps(data[name], ensure_ascii=False)
        return _row(data[name] for name in CSV_COLUMNS)

    def _id(self, line: bytes) -> str:
        return line.partition(b",")[0].decode(errors="replace")
