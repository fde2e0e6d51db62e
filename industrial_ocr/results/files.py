"""Writes files that are complete even after a crash; reads files, also inside zip archives."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

BAD_NPZ = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Errors of reading a damaged .npz file, one without an expected array, or another file."""


def write_whole(path: Path, data: str | bytes | memoryview) -> None:
    """Writes a temporary file, waits until it is on disk, and renames it.

    The folder must exist; text is written as UTF-8. On POSIX systems the new name is on disk, too,
    when this returns, if the file system supports this.

    Raises:
        OSError: the file cannot be written; an older file stays unchanged.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with part.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        with suppress(OSError):  # not every network share can
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def write_npz(path: Path, compressed: bool = True, **arrays: Any) -> None:
    """Writes arrays for ``numpy.load`` with ``write_whole``."""
    data = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(data, **arrays)
    write_whole(path, data.getbuffer())


def try_folder(folder: Path) -> None:
    """Creates a folder and tries to write into it; OSError if that fails."""
    trial = folder / ".trial"
    folder.mkdir(parents=True, exist_ok=True)
    trial.write_bytes(b"")
    trial.unlink()


def sha256_of(path: Path) -> str:
    """The sha256 of a file in hex; OSError if it cannot be read."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_whole(path: Path) -> bytes:
    """A file's bytes; ``some.zip/folder/file`` is a file inside an archive.

    Raises:
        OSError: the file is missing or cannot be read, or the archive is damaged.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        archive = next((p for p in path.parents if p.suffix == ".zip" and p.is_file()), None)
        if archive is None:
            raise
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.read(path.relative_to(archive).as_posix())
    except KeyError as error:
        raise FileNotFoundError(f"{path}: {archive} has no such file") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise OSError(f"{archive}: damaged archive: {error}") from error
