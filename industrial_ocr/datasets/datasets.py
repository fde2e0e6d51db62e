"""Loads a labeled dataset of any known format: finds out which it is and what it is for."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image

from industrial_ocr.datasets.formats import Problem, Rows, image_files, reason
from industrial_ocr.datasets.formats_export import read_cvat, read_label_studio
from industrial_ocr.datasets.formats_store import (
    folder_symbol,
    read_imagefolder,
    read_lmdb,
    symbol_folders,
)
from industrial_ocr.datasets.formats_text import (
    icdar_files,
    read_csv,
    read_icdar,
    read_paddle,
    read_tsv,
)
from industrial_ocr.datasets.samples import Dataset, Sample, Task
from industrial_ocr.errors import DatasetError

READERS: dict[str, Callable[[Path, Rows], None]] = {
    "tsv": read_tsv,
    "lmdb": read_lmdb,
    "paddle": read_paddle,
    "cvat": read_cvat,
    "label-studio": read_label_studio,
    "csv": read_csv,
    "icdar": read_icdar,
    "imagefolder": read_imagefolder,
}
"""The reader of each format, in the order in which a folder is tried."""

LOOKED_FOR = {
    "tsv": "labels.tsv",
    "lmdb": "data.mdb",
    "paddle": "Label.txt or rec_gt*.txt",
    "cvat": "annotations.xml or one *.xml",
    "label-studio": "one *.json that holds a list",
    "csv": "labels.csv or one *.csv",
    "icdar": "gt_NAME.txt or NAME.txt for an image, beside it or in gt/ or labels/",
    "imagefolder": "folders named by one symbol each, with images",
}
"""What makes a folder a dataset of each format."""

_SUFFIXES = {
    ".tsv": "tsv",
    ".mdb": "lmdb",
    ".txt": "paddle",
    ".xml": "cvat",
    ".json": "label-studio",
    ".csv": "csv",
}
_PATTERNS = {
    "tsv": ("labels.tsv",),
    "paddle": ("Label.txt", "rec_gt.txt", "rec_gt*.txt"),
    "cvat": ("annotations.xml", "*.xml"),
    "label-studio": ("*.json",),
    "csv": ("labels.csv", "*.csv"),
}
LOOKED_AT = 8
PICTURE_PIXELS, LONG = 150_000, 3.0
"""Images of so many pixels and less than so many times as wide as high are whole pictures."""
_FOLDER_FORMATS = ("icdar", "imagefolder")
_COMMON_NAMES = {"labels", "label", "annotations", "rec_gt", "gt", "data", "train", "val", "test"}


def load_dataset(
    path: str | os.PathLike[str],
    format: str | None = None,
    task: Task | None = None,
    name: str | None = None,
) -> Dataset:
    """Loads a labeled dataset; of a few images the header is looked at.

    Args:
        path: a folder, a label file or an LMDB.
        format: one of ``READERS``; found out from what is there if None.
        task: what the images are for. If None: symbol folders are to be classified; boxes or
            several labels an image make whole pictures to be read; labels of one character each
            are to be classified; others are read where the images are as large as pictures, else
            recognized.
        name: for tables; the folder's name if None.

    Raises:
        DatasetError: no such dataset, or rows that cannot be used: it names the first and says
            how many there are; ``check.check_dataset`` lists all.
    """
    dataset, problems = read_dataset(path, format, task, name)
    problems += [
        Problem(row_of(s), s.name, "missing-image", f"no such image file: {s.path}")
        for s in dataset.samples
        if s.path is not None and not os.path.isfile(s.path)
    ]
    if problems:
        number = f"{len(problems)} problems, the first: " if len(problems) > 1 else ""
        hint = " (industrial-ocr dataset check lists all)" if len(problems) > 1 else ""
        raise DatasetError(f"{dataset.root}: {number}{problems[0]}{hint}")
    if not dataset.samples:
        raise DatasetError(f"{dataset.root}: the dataset ({dataset.format}) has no samples")
    return dataset


def read_dataset(
    path: str | os.PathLike[str],
    format: str | None = None,
    task: Task | None = None,
    name: str | None = None,
) -> tuple[Dataset, list[Problem]]:
    """Like ``load_dataset``, but hands over the rows that cannot be used instead of raising.

    Missing image files are not looked for; ``check.check_dataset`` does that.

    Raises:
        DatasetError: there is no dataset, or its label file as a whole is unusable.
    """
    root = Path(path)
    try:
        format, source = _locate(root, format)
        rows = Rows(source if source.is_dir() else source.parent)
        READERS[format](source, rows)
    except (OSError, RecursionError) as error:
        raise DatasetError(f"{root}: cannot be read: {reason(error)}") from error
    samples = rows.samples()
    chosen = task or infer_task(samples, format)
    return Dataset(name or _short_name(root), root, format, chosen, samples), rows.problems


def row_of(sample: Sample) -> str:
    """Where a sample stands in its label file; empty where it has no label."""
    return sample.labels[0].row if sample.labels else ""


def infer_task(samples: tuple[Sample, ...], format: str) -> Task:
    """What images are for, judged by their labels, then by their sizes; see ``load_dataset``."""
    if format == "imagefolder":
        return "classify"
    labels = [label for sample in samples for label in sample.labels]
    # The same row twice is a slip for the check to find, not a second text in the picture.
    several = any(len({label.text for label in s.labels}) > 1 for s in samples)
    if several or any(label.quad is not None for label in labels):
        return "read"
    if not any(label.text for label in labels):
        return "recognize" if labels else "read"
    if all(len(label.text) <= 1 for label in labels):
        return "classify"
    return "read" if _are_pictures(samples) else "recognize"


def _are_pictures(samples: tuple[Sample, ...]) -> bool:
    """Whether images with one text each look like whole pictures rather than cut-out strings.

    By the headers of a few: crops of strings are small or long. It is a guess; ``task`` says.
    """
    step = max(1, len(samples) // LOOKED_AT)
    votes = []
    for sample in samples[::step][:LOOKED_AT]:
        source = sample.path if sample.path is not None else BytesIO(sample.data or b"")
        try:
            with Image.open(source) as image:
                width, height = image.size
        except (OSError, Image.DecompressionBombError):
            continue  # the check tells of it
        votes.append(width * height >= PICTURE_PIXELS and width < LONG * height)
    return sum(votes) * 2 > len(votes)


def _short_name(path: Path) -> str:
    resolved = path.resolve()
    if resolved.is_dir() or resolved.stem.lower() in _COMMON_NAMES:
        return resolved.name if resolved.is_dir() else resolved.parent.name
    return resolved.stem


def _locate(path: Path, format: str | None) -> tuple[str, Path]:
    """The format of what lies at ``path``, and the file or folder that its reader takes."""
    if format is not None and format not in READERS:
        raise DatasetError(f"unknown dataset format {format!r}; known: {', '.join(READERS)}")
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    if path.is_file():
        return _locate_file(path, format)
    for each in READERS if format is None else (format,):
        source = _source(path, each, format is not None)
        if source is not None:
            return each, source
    tried = LOOKED_FOR if format is None else {format: LOOKED_FOR[format]}
    listed = "; ".join(f"{what} ({name})" for name, what in tried.items())
    raise DatasetError(f"{path}: no labeled dataset recognized; looked for {listed}")


def _locate_file(path: Path, format: str | None) -> tuple[str, Path]:
    format = format or _SUFFIXES.get(path.suffix.lower())
    if format is None:
        known = " ".join(_SUFFIXES)
        raise DatasetError(f"{path}: a label file ends in one of {known}; else name its format")
    if format in _FOLDER_FORMATS:
        raise DatasetError(f"{path}: a dataset of format {format} is a folder")
    return format, path.parent if format == "lmdb" else path


def _source(folder: Path, format: str, asked: bool) -> Path | None:
    """What the reader of a format takes in a folder; None where the folder is of another.

    ``asked``: the user named the format, so that a guess need not be cautious.
    """
    if format == "lmdb":
        return folder if (folder / "data.mdb").is_file() else None
    if format == "imagefolder":
        return folder if _is_imagefolder(folder, asked) else None
    if format == "icdar":
        return folder if any(truth for _, truth in icdar_files(folder)[0]) else None
    for pattern in _PATTERNS[format]:
        # A wildcard finds any XML or JSON, the head of the file says whether it is a dataset.
        found = sorted(p for p in folder.glob(pattern) if p.is_file() and _head_fits(p, format))
        if len(found) > 1:
            names = ", ".join(p.name for p in found[:5])
            raise DatasetError(f"{folder}: several {format} label files, name one: {names}")
        if found:
            return found[0]
    return None


def _head_fits(path: Path, format: str) -> bool:
    if format not in ("cvat", "label-studio"):
        return True
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return b"<annotations" in head if format == "cvat" else head.startswith(b"[")


def _is_imagefolder(folder: Path, asked: bool) -> bool:
    filled = [f for f in symbol_folders(folder) if image_files(f)]
    if asked:
        return bool(filled)
    try:
        symbols = [folder_symbol(f.name) for f in filled]
    except (ValueError, OverflowError):
        return False
    # Longer symbols exist (CE), but folders called train and test are likelier.
    return 2 * sum(len(s) == 1 for s in symbols) > len(symbols)
