"""Keeps pictures and their readings until they are too old or the archive is too large.

``FOLDER/failed/2025-01-31/000000042.png`` is the picture of a failed part with sequence number 42,
and ``000000042.json`` is its reading; parts that passed are in ``FOLDER/passed``. Further pictures
of a burst are ``000000042-2.png`` and so on. Files of a source are kept unchanged.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from industrial_ocr.image.load import IMAGE_SUFFIXES, load_image
from industrial_ocr.line.job import ArchiveConfig
from industrial_ocr.line.pictures import Picture
from industrial_ocr.line.reading import Reading
from industrial_ocr.results.types import ImageArray
from industrial_ocr.results.viz import draw_outline

KINDS = ("passed", "failed")
"""Folders of the archive; the first one is emptied first."""


class Archive:
    """The archive of one line, used by one thread; a full disk does not stop the line.

    Args:
        config: section of the job.
        on_problem: called with a message when a picture cannot be kept, and with None when one can.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        config: ArchiveConfig,
        on_problem: Callable[[str | None], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._on_problem, self._clock = config, on_problem, clock
        self._random = random.Random()
        self._bytes = -1  # not counted yet
        self._next_age_check = 0.0

    def add(self, reading: Reading, pictures: Sequence[Picture]) -> None:
        """Keeps the pictures of a reading, if the job says so."""
        if not self._wanted(reading):
            return
        try:
            if self._bytes < 0:
                self._bytes = sum(_size(path) for kind in KINDS for path in self._files(kind))
            self._remove_old()
            self._write(reading, pictures)
            self._remove_largest()
        except OSError as error:
            self._on_problem(f"no pictures are archived: {error}")
        else:
            self._on_problem(None)

    def _wanted(self, reading: Reading) -> bool:
        keep = self._config.keep
        if keep == "all" or not reading.passed:
            return True
        return keep == "sampled" and self._random.random() < self._config.sample

    def _write(self, reading: Reading, pictures: Sequence[Picture]) -> None:
        kind = "passed" if reading.passed else "failed"
        folder = self._config.path / kind / reading.time.strftime("%Y-%m-%d")
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free / 1e6
        if free < self._config.min_free_mb:
            raise OSError(f"{folder}: {free:.0f} MB are free; the journal needs them")
        stem = f"{reading.sequence:09d}"
        written: list[Path] = []
        try:
            for number, picture in enumerate(pictures, 1):
                suffix, data = _as_file(picture)
                path = folder / (stem + (f"-{number}" if number > 1 else "") + suffix)
                written.append(path)
                path.write_bytes(data)
            written.append(folder / f"{stem}.json")
            about = reading.to_dict() | {"files": [path.name for path in written[:-1]]}
            written[-1].write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        except OSError:
            for path in written:
                path.unlink(missing_ok=True)
            raise
        self._bytes += sum(map(_size, written))

    def _remove_old(self) -> None:
        """Removes days that are too old, once an hour."""
        now = self._clock()
        if now < self._next_age_check:
            return
        self._next_age_check = now + 3600
        for kind, days in zip(
            KINDS, (self._config.max_days, self._config.failed_days), strict=True
        ):
            last_kept = time.strftime("%Y-%m-%d", time.localtime(now - days * 86_400))
            for folder in self._days(kind):
                if folder.name < last_kept:
                    self._bytes -= sum(map(_size, folder.iterdir()))
                    shutil.rmtree(folder)

    def _remove_largest(self) -> None:
        """Removes the oldest pictures if all together are too large; those of failed parts last."""
        limit = self._config.max_mb * 1e6
        if self._bytes <= limit:
            return
        for kind in KINDS:
            for path in self._files(kind):
                if self._bytes <= 0.95 * limit:  # so that this is not needed at every picture
                    return
                self._bytes -= _size(path)
                path.unlink()
            for folder in self._days(kind):
                if not any(folder.iterdir()):
                    folder.rmdir()

    def _days(self, kind: str) -> list[Path]:
        """The folders of a kind, the oldest first."""
        folder = self._config.path / kind
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def _files(self, kind: str) -> Iterator[Path]:
        """The files of a kind, the oldest first."""
        for folder in self._days(kind):
            yield from sorted(folder.iterdir())


def annotated(record: Path) -> ImageArray:
    """An archived picture with the boxes of its reading, (H, W, 3) uint8 RGB.

    Args:
        record: the JSON file of the reading; its picture is in the same folder.

    Raises:
        OSError: the file or the picture is missing.
        ImageError: the picture cannot be read.
    """
    about = json.loads(record.read_text(encoding="utf-8"))
    image = load_image(record.parent / about["files"][0])
    color = (0, 150, 60) if about["passed"] else (215, 30, 30)
    width = max(1, round(max(image.shape[:2]) / 1000))
    for character in about["characters"]:
        if character.get("quad") is not None:
            draw_outline(image, np.asarray(character["quad"]), color, width)
    return image


def _as_file(picture: Picture) -> tuple[str, bytes]:
    """Suffix and content of the file of a picture."""
    if isinstance(picture.data, bytes):
        suffix = Path(picture.name).suffix.lower()
        return (suffix if suffix in IMAGE_SUFFIXES else _suffix(picture.data)), picture.data
    file = io.BytesIO()
    Image.fromarray(picture.data).save(file, "PNG", compress_level=1)
    return ".png", file.getvalue()


def _suffix(data: bytes) -> str:
    """The suffix for this format; ``.bin`` if the data is not a picture."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return f".{image.format}".lower()
    except Exception:  # Pillow raises many kinds of errors for damaged files
        return ".bin"


def _size(path: Path) -> int:
    return os.stat(path).st_size
