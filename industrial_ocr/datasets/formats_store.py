"""Readers of datasets without a label file: LMDB databases, and one folder per symbol."""

from __future__ import annotations

import importlib
import os
import re
import unicodedata
from pathlib import Path
from typing import Any

from industrial_ocr.datasets.formats import Rows, image_files, reason
from industrial_ocr.datasets.samples import Label
from industrial_ocr.datasets.shards import encoded_string, find_shards, index_of
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.load import IMAGE_SUFFIXES

_NAMES = {
    "/": "slash",
    "\\": "backslash",
    ".": "dot",
    ":": "colon",
    "*": "asterisk",
    "?": "question",
    '"': "quote",
    "<": "less",
    ">": "greater",
    "|": "pipe",
}
_SYMBOLS = {name: symbol for symbol, name in _NAMES.items()}
_CODE_POINT_NAME = re.compile(r"U\+[0-9A-Fa-f]{4,6}(?:_U\+[0-9A-Fa-f]{4,6})*")
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|COM\d|LPT\d)", re.IGNORECASE)


def symbol_folder(symbol: str) -> str:
    """The folder name of a symbol: the symbol itself if every file system keeps it unchanged.

    Marks that a path cannot contain have a name (``slash``, ``dot``). ``a_lower`` is ``a``, because
    some file systems do not distinguish it from ``A``. Other symbols that a file system may change
    are code points (``U+00C5``; ``U+0043_U+0065`` for the token ``Ce``).
    """
    if symbol in _NAMES:
        return _NAMES[symbol]
    if len(symbol) == 1 and symbol.isascii() and symbol.islower():
        return f"{symbol}_lower"
    plain = (
        symbol.isprintable()
        and not any(c in _NAMES or c.isspace() or c.lower() == c != c.upper() for c in symbol)
        and not symbol.startswith("U+")
        and all(c.isascii() or not (unicodedata.decomposition(c) or c.isupper()) for c in symbol)
        and not _RESERVED.fullmatch(symbol)
        and folder_symbol(symbol) == symbol
    )
    return symbol if plain else "_".join(f"U+{ord(c):04X}" for c in symbol)


def folder_symbol(name: str) -> str:
    """The symbol that a folder name stands for (see ``symbol_folder``); ValueError if none."""
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    if len(name) == 7 and name.endswith(("_lower", "_upper")):
        return name[0].lower() if name.endswith("_lower") else name[0].upper()
    if _CODE_POINT_NAME.fullmatch(name):
        return "".join(chr(int(code[2:], 16)) for code in name.split("_"))
    return unicodedata.normalize("NFC", name)


def symbol_folders(folder: Path) -> list[Path]:
    """The folders of symbols in a folder or in its parts (``train``, ``val`` ...), sorted.

    Hidden folders and the one that macOS adds to archives are left out.
    """
    found: list[Path] = []
    for each in _visible_folders(folder):
        inside = _visible_folders(each) if each.name.lower() in SPLITS else []
        found += inside or [each]
    return found


def _visible_folders(folder: Path) -> list[Path]:
    inside = (p for p in folder.iterdir() if p.is_dir() and p.name != "__MACOSX")
    return sorted(p for p in inside if not p.name.startswith("."))


SPLITS = frozenset({"train", "training", "dev", "val", "valid", "validation", "test", "testing"})
"""Names of folders that are parts of a dataset."""


def read_imagefolder(folder: Path, rows: Rows) -> None:
    """Reads one folder of images per symbol; for the names see ``symbol_folder``."""
    for stray in sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES):
        rows.wrong(stray.name, stray.name, "the image is not in the folder of a symbol")
    for each in symbol_folders(folder):
        try:
            symbol = folder_symbol(each.name)
        except (ValueError, OverflowError):
            rows.wrong(each.name, "", f"the name of the folder {each.name!r} is not a symbol")
            continue
        for image in image_files(each):
            row = image.relative_to(folder).as_posix()
            rows.add(os.path.abspath(image), Label(symbol, row=row))


def read_webdataset(source: Path, rows: Rows) -> None:
    """Reads a shard or a folder of shards (``datasets.shards``) into memory."""
    for shard in find_shards(str(source)):
        for number, place in enumerate(index_of(shard)):
            name = f"{shard.stem}/{number:07d}"
            try:
                data, text = encoded_string(shard, place)
            except UnicodeDecodeError:
                rows.wrong(name, name, "the label is not valid UTF-8")
                continue
            rows.add_data(name, data, Label(text, row=name))


def import_lmdb() -> Any:
    """The package lmdb; DatasetError says how to install it."""
    try:
        return importlib.import_module("lmdb")
    except ImportError as error:
        message = 'LMDB datasets need one more package: pip install "industrial-ocr[bench]"'
        raise DatasetError(message) from error


def read_lmdb(path: Path, rows: Rows) -> None:
    """Reads a database of CRNN's training code or of deep-text-recognition-benchmark.

    Its keys are ``image-%09d`` and ``label-%09d``, counted from 1, and ``num-samples``.
    """
    lmdb, folder = import_lmdb(), path.parent
    try:
        # Without a lock, a database on a read-only disk can be opened, too.
        with (
            lmdb.open(str(folder), readonly=True, lock=False, readahead=False) as database,
            database.begin() as transaction,
        ):
            entries = database.stat()["entries"]
            _read_records(transaction.get, entries, folder, rows)
    except lmdb.Error as error:
        raise DatasetError(f"{folder}: not a readable LMDB: {reason(error)}") from error


def _read_records(get: Any, entries: int, folder: Path, rows: Rows) -> None:
    count = get(b"num-samples")
    if count is None or not bytes(count).isdigit():
        raise DatasetError(f"{folder}: the LMDB has no number at its key num-samples: {count!r}")
    if int(count) > entries:
        message = f"says {int(count)}, but the database has {entries} entries"
        rows.wrong("num-samples", "", message)
    for number in range(1, min(int(count), entries) + 1):
        name, row = f"image-{number:09d}", f"label-{number:09d}"
        image, label = get(name.encode()), get(row.encode())
        if image is None:
            rows.wrong(row, name, f"the database has no {name}", "missing-image")
        elif label is None:
            rows.wrong(row, name, f"the database has no {row}")
        else:
            text = label.decode("utf-8", errors="surrogateescape")
            rows.add_data(name, bytes(image), Label(text, row=row))
