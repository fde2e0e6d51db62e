"""Finds pictures in folders, Parquet files and object stores, through fsspec."""

from __future__ import annotations

import glob
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

from industrial_ocr.errors import ConfigError, ImageError
from industrial_ocr.image.load import IMAGE_SUFFIXES, ImageSource

PictureAddress = tuple[str, int]
"""Path or address of a file, and the row if it is a Parquet file; for other files the row is -1."""


def find_pictures(sources: Sequence[str], column: str = "image") -> Iterator[PictureAddress]:
    """The pictures of all sources, in order; paths in a Parquet file are relative to its folder.

    Raises:
        ConfigError: a source does not exist or has no picture.
    """
    for source in sources:
        number = 0
        for file in _files(source):
            found: Iterator[PictureAddress] = iter([(file, -1)])
            if file.lower().endswith(".parquet"):
                found = _rows(file, column)
            for picture in found:
                number += 1
                yield picture
        if not number:
            raise ConfigError(f"{source}: there is no picture")


def _files(source: str) -> list[str]:
    """The pictures and Parquet files of a source, as absolute paths or addresses."""
    import fsspec

    fs, path = fsspec.core.url_to_fs(source)
    found = sorted(fs.glob(path) if glob.has_magic(path) else fs.find(path))
    if found != [path]:
        known = (*IMAGE_SUFFIXES, ".parquet")
        seen = [f for f in found if f.lower().endswith(known)]
        found = [f for f in seen if "/." not in f.removeprefix(path)]
    return found if "file" in fs.protocol else [fs.unstrip_protocol(f) for f in found]


def _rows(file: str, column: str) -> Iterator[PictureAddress]:
    """The pictures in a Parquet file, or those at the paths in it."""
    import pyarrow as pa

    schema = _parquet(file).schema_arrow
    if column not in schema.names:
        names = ", ".join(schema.names)
        raise ConfigError(f"{file}: there is no --column {column}; its columns are {names}")
    if pa.types.is_binary(schema.field(column).type):
        yield from ((file, row) for row in range(_parquet(file).metadata.num_rows))
        return
    folder = file.rpartition("/")[0]
    for path in _parquet(file).read([column])[column].to_pylist():
        yield path if path.startswith("/") or "://" in path else f"{folder}/{path}", -1


@lru_cache(maxsize=1)
def _parquet(file: str) -> Any:
    import fsspec
    import pyarrow.parquet as pq

    fs, path = fsspec.core.url_to_fs(file)
    return pq.ParquetFile(fs.open(path, "rb"))


@lru_cache(maxsize=1)
def _row_group(file: str, group: int, column: str) -> Any:
    return _parquet(file).read_row_group(group, [column])[column]


def open_picture(file: str, row: int, column: str) -> ImageSource:
    """The path or the bytes of a picture."""
    if row < 0 and "://" not in file:
        return file
    if row < 0:
        import fsspec

        with fsspec.open(file, "rb") as opened:
            return bytes(opened.read())
    about = _parquet(file).metadata
    sizes = (about.row_group(n).num_rows for n in range(about.num_row_groups))
    starts = list(accumulate(sizes, initial=0))
    group = bisect_right(starts, row) - 1
    cells = _row_group(file, group, column)
    data: bytes | None = cells[row - starts[group]].as_py()
    if data is None:
        raise ImageError(f"{name_of(file, row)}: the cell is empty")
    return data


def name_of(file: str, row: int) -> str:
    """The name of a picture in the results."""
    return file if row < 0 else f"{file}#{row}"
