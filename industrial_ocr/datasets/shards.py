"""Shards of labeled strings: tar files in webdataset's layout, together larger than memory.

A shard has pairs of ``NAME.png`` (or another picture) and ``NAME.txt``, the text in UTF-8. An index
beside each shard has the places of its strings, so that every string can be read directly. The
package webdataset (1.0, BSD) reads shards as streams instead: the order then depends on the number
of workers, and a continued training would have to read the stream again from the start.
"""

from __future__ import annotations

import io
import logging
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from glob import glob, has_magic
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import IMAGE_SUFFIXES, load_image
from industrial_ocr.results.files import write_whole
from industrial_ocr.results.types import ImageArray

log = logging.getLogger(__name__)

Table = NDArray[np.int64]
"""(N, 4): place and size of a picture, and of its text, in bytes."""
Encoded = tuple[str, bytes, str]
"""Suffix of a picture, its file, and its text."""


def write_shard(path: Path, strings: Iterable[Encoded]) -> int:
    """Writes a shard atomically; returns the number of strings.

    Raises:
        OSError: the shard cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    number = 0
    try:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, (suffix, picture, text) in enumerate(strings, 1):
                for end, data in ((suffix, picture), (".txt", text.encode())):
                    about = tarfile.TarInfo(f"{number - 1:07d}{end}")
                    about.size = len(data)
                    tar.addfile(about, io.BytesIO(data))
                tar.members.clear()  # type: ignore[attr-defined]  # else all headers are kept
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return number


def find_shards(source: str) -> list[Path]:
    """The shards of a file, a folder or a glob, sorted by name.

    Raises:
        DatasetError: there is none.
    """
    path = Path(source)
    if path.is_dir():
        found = sorted(path.glob("*.tar"))
    else:
        found = sorted(map(Path, glob(source, recursive=True))) if has_magic(source) else [path]
    if not found or not all(p.is_file() for p in found):
        raise DatasetError(
            f"{source}: no shard (.tar) there; industrial-ocr dataset convert DATA webdataset OUT "
            "writes shards of labeled images"
        )
    return found


def index_of(path: Path) -> Table:
    """The index of a shard, from the file beside it if that belongs to it.

    Raises:
        DatasetError: the shard is not a tar file, or is compressed.
    """
    kept = path.with_suffix(".index.npy")
    size = path.stat().st_size
    try:
        table: Table = np.load(kept, mmap_mode="r", allow_pickle=False)
        if table.shape[1:] == (4,) and table[0, 0] == size:
            return table[1:]
    except (OSError, ValueError, IndexError):
        pass
    log.info("%s: making the index", path)
    table = np.array([(size, 0, 0, 0), *_scan(path)], np.int64)
    data = io.BytesIO()
    np.save(data, table)
    try:
        write_whole(kept, data.getvalue())
    except OSError as error:
        log.warning("%s cannot be written, so every start makes the index again: %s", kept, error)
    return table[1:]


def _scan(path: Path) -> Iterator[tuple[int, int, int, int]]:
    try:
        with tarfile.open(path, "r:") as tar:
            files = ((m.name, m.offset_data, m.size) for m in _members(tar) if m.isfile())
            for one, two in pairwise(files):
                name, _, end = one[0].rpartition(".")
                other, _, other_end = two[0].rpartition(".")
                if name != other:
                    continue
                if end == "txt":
                    one, two, end, other_end = two, one, other_end, end
                if other_end == "txt" and f".{end.lower()}" in IMAGE_SUFFIXES:
                    yield *one[1:], *two[1:]
    except tarfile.TarError as error:
        raise DatasetError(f"{path}: not an uncompressed tar file: {error}") from error


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]
        yield member


@lru_cache(maxsize=64)
def _opened(path: Path) -> BinaryIO:
    return path.open("rb", buffering=0)


def encoded_string(path: Path, row: Sequence[int]) -> tuple[bytes, str]:
    """The file of a picture and its text, by a row of ``index_of``.

    Raises:
        UnicodeDecodeError: the text is not UTF-8.
    """
    file = _opened(path).fileno()  # pread does not move the position, which processes share
    place, size, text_place, text_size = map(int, row)
    text = os.pread(file, text_size, text_place).decode("utf-8")
    return os.pread(file, size, place), text.strip("\r\n")


class ShardedStrings:
    """Batches of the strings of shards; a batch depends only on the seed and its number.

    The last twentieth of the strings is for validation. In every epoch, the order of the shards and
    that of the strings in a moving buffer is another one.

    Args:
        shards: shards from ``find_shards``.
        size: number of strings in a batch.
        buffer: number of strings that are shuffled together.
        held_out: whether to take the strings for validation instead of those for training.

    Raises:
        DatasetError: the shards have too few strings.

    Attributes:
        size: number of strings in a batch.
        count: number of strings in an epoch.
    """

    def __init__(
        self, shards: Sequence[Path], size: int, buffer: int = 20_000, held_out: bool = False
    ) -> None:
        self.size = size
        counts = [len(index_of(path)) for path in shards]
        total = sum(counts)
        border = total - -(-total // 20)
        low, high = (border, total) if held_out else (0, border)
        self._pieces: list[tuple[Path, int, int]] = []
        start = 0
        for path, count in zip(shards, counts, strict=True):
            first, last = max(low - start, 0), min(high - start, count)
            if first < last:
                self._pieces.append((path, first, last))
            start += count
        self.count = high - low
        if total < 2:
            raise DatasetError(f"{shards[0]} and so on: {total} strings are too few for a training")
        self._batches = max(1, self.count // size)
        self._block = max(1, buffer // size)
        self._now: tuple[tuple[int, int, int], Table] | None = None

    def batch(self, seed: int, number: int) -> list[tuple[ImageArray, str]]:
        """The pictures, (H, W, 3) uint8, and texts of a batch, without damaged ones."""
        epoch, at = divmod(number, self._batches)
        block = (seed, epoch, at // self._block)
        if self._now is None or self._now[0] != block:
            self._now = block, self._ordered(*block)
        found = []
        for piece, row in self._now[1][at % self._block]:
            path = self._pieces[piece][0]
            try:
                data, text = encoded_string(path, _index(path)[row])
                found.append((load_image(data), text))
            except (ImageError, UnicodeDecodeError) as error:
                log.warning("%s: string %d is left out: %s", path, row, error)
        return found

    def _ordered(self, seed: int, epoch: int, block: int) -> Table:
        """(batches, size, 2): piece and row of each string of a block."""
        low = block * self._block
        high = min(low + self._block, self._batches)
        rows = self._sequence(seed, epoch, low * self.size, high * self.size)
        lengths = np.array([_index(self._pieces[p][0])[row, 3] for p, row in rows])
        rng = np.random.default_rng((seed, epoch, block, 1))
        shuffled = rng.permutation(len(rows))
        batches = []
        step = 8 * self.size  # sorted by length, so that short strings are not padded to long ones
        for start in range(0, len(rows), step):
            window = shuffled[start : start + step]
            by_length = window[np.argsort(lengths[window], kind="stable")]
            own = np.resize(by_length, (max(1, len(window) // self.size), self.size))
            batches.append(rng.permutation(own))
        ordered: Table = rows[np.concatenate(batches)]
        return ordered

    def _sequence(self, seed: int, epoch: int, low: int, high: int) -> Table:
        """(N, 2): piece and row of the strings ``low`` to ``high`` of an epoch."""
        found = []
        start = 0
        for piece in np.random.default_rng((seed, epoch)).permutation(len(self._pieces)):
            _, first, last = self._pieces[piece]
            rows = np.arange(max(first, first + low - start), min(last, first + high - start))
            found.append(np.stack([np.full_like(rows, piece), rows], 1))
            start += last - first
        return np.concatenate(found)


@lru_cache(maxsize=256)
def _index(path: Path) -> Table:
    return index_of(path)
