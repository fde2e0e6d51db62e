"""Loads a labeled dataset of any format; detects the format and the task."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path

from PIL import Image

from industrial_ocr.datasets.formats import Problem, Rows, image_files, reason
from industrial_ocr.datasets.formats_export import read_cvat, read_label_studio
from industrial_ocr.datasets.formats_store import (
    folder_symbol,
    read_imagefolder,
    read_lmdb,
    read_webdataset,
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

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _InputFormat:
    """A format that can be read.

    Attributes:
        read: adds the samples of a label file or folder to the rows.
        looked_for: description of such a dataset for messages.
        suffix: suffix of its label file; empty if it has none.
        patterns: globs that find its label file in a folder, the most specific first.
        begins_with: the first bytes of the label file, as far as they are fixed.
        holds: bytes that must be among the first 4096 of the label file.
    """

    read: Callable[[Path, Rows], None]
    looked_for: str
    suffix: str = ""
    patterns: tuple[str, ...] = ()
    begins_with: bytes = b""
    holds: bytes = b""


READERS = {
    "tsv": _InputFormat(read_tsv, "labels.tsv", ".tsv", ("labels.tsv",)),
    "lmdb": _InputFormat(read_lmdb, "data.mdb", ".mdb", ("data.mdb",)),
    "webdataset": _InputFormat(read_webdataset, "shards (*.tar)", ".tar"),
    "paddle": _InputFormat(
        read_paddle, "Label.txt or rec_gt*.txt", ".txt", ("Label.txt", "rec_gt.txt", "rec_gt*.txt")
    ),
    "cvat": _InputFormat(
        read_cvat,
        "annotations.xml or one *.xml",
        ".xml",
        ("annotations.xml", "*.xml"),
        holds=b"<annotations",
    ),
    "label-studio": _InputFormat(
        read_label_studio, "one *.json with a list", ".json", ("*.json",), begins_with=b"["
    ),
    "csv": _InputFormat(read_csv, "labels.csv or one *.csv", ".csv", ("labels.csv", "*.csv")),
    "icdar": _InputFormat(
        read_icdar, "gt_NAME.txt or NAME.txt for an image, beside it or in gt/ or labels/"
    ),
    "imagefolder": _InputFormat(read_imagefolder, "folders named by one symbol each, with images"),
}
"""The formats by name, in the order in which a folder is tried."""

_GENERIC_NAMES = {"labels", "label", "annotations", "rec_gt", "gt", "data", "train", "val", "test"}


def load_dataset(
    path: str | os.PathLike[str], format: str | None = None, task: Task | None = None
) -> Dataset:
    """Loads a labeled dataset; no image is decoded, the headers of a few may be read.

    Args:
        path: a folder, a label file or an LMDB.
        format: one of ``READERS``; detected if None.
        task: task of the images; if None, see ``infer_task``.

    Raises:
        DatasetError: there is no such dataset, or rows cannot be used; the message has the first
            problem and their number, ``check.check_dataset`` lists all.
    """
    dataset, problems = read_dataset(path, format, task)
    problems += [
        Problem(s.row, s.name, "missing-image", f"no such image file: {s.path}")
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
    path: str | os.PathLike[str], format: str | None = None, task: Task | None = None
) -> tuple[Dataset, list[Problem]]:
    """Like ``load_dataset``, but returns the rows that cannot be used instead of raising.

    It does not look for missing image files; ``check.check_dataset`` does.

    Raises:
        DatasetError: there is no dataset, or its label file as a whole is unusable.
    """
    root = Path(path)
    try:
        format, source = _locate(root, format)
        rows = Rows(source if source.is_dir() else source.parent)
        READERS[format].read(source, rows)
    except (OSError, RecursionError) as error:
        raise DatasetError(f"{root}: cannot be read: {reason(error)}") from error
    samples = rows.samples()
    dataset = Dataset(_short_name(root), root, format, task or infer_task(samples, format), samples)
    log.info("%s: %s, %d images to %s", root, format, len(samples), dataset.task)
    return dataset, rows.problems


def infer_task(samples: tuple[Sample, ...], format: str) -> Task:
    """The task of images, inferred from their labels and sizes.

    The task is ``classify`` for folders of symbols. It is ``read`` if labels have boxes or an image
    has several labels. It is ``classify`` if all labels have one character. Else it is ``read`` if
    most images are as large as whole images, and otherwise ``recognize``.
    """
    if format == "imagefolder":
        return "classify"
    # A repeated row is an error, which the check reports, not a second text in the image.
    several = any(len({label.text for label in s.labels}) > 1 for s in samples)
    labels = list(chain.from_iterable(sample.labels for sample in samples))
    texts = [label.text for label in labels]
    if several or any(label.quad is not None for label in labels):
        return "read"
    if not any(texts):
        return "recognize" if texts else "read"
    if all(len(text) <= 1 for text in texts):
        return "classify"
    return "read" if _are_whole_images(samples) else "recognize"


def _are_whole_images(samples: tuple[Sample, ...]) -> bool:
    """Whether most of a few images are large and not long, unlike crops of strings."""
    step = max(1, len(samples) // 8)
    votes = []
    for sample in samples[::step][:8]:
        source = sample.path if sample.path is not None else BytesIO(sample.data or b"")
        try:
            with Image.open(source) as image:
                width, height = image.size
        except (OSError, Image.DecompressionBombError):
            continue  # the check reports it
        votes.append(width * height >= 150_000 and width < 3 * height)
    return sum(votes) * 2 > len(votes)


def _short_name(path: Path) -> str:
    resolved = path.resolve()
    if resolved.is_dir():
        return resolved.name
    return resolved.parent.name if resolved.stem.lower() in _GENERIC_NAMES else resolved.stem


def _locate(path: Path, format: str | None) -> tuple[str, Path]:
    """The format of the dataset at ``path``, and the file or folder for its reader."""
    if format is not None and format not in READERS:
        raise DatasetError(f"unknown dataset format {format!r}; known: {', '.join(READERS)}")
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    if path.is_file():
        return _locate_file(path, format)
    tried = list(READERS) if format is None else [format]
    for name in tried:
        source = _source(path, name, format is not None)
        if source is not None:
            return name, source
    listed = "; ".join(f"{READERS[name].looked_for} ({name})" for name in tried)
    raise DatasetError(
        f"{path}: no labeled dataset recognized; write labels.tsv beside the images, "
        f"with one line image<TAB>text for each; looked for {listed}"
    )


def _locate_file(path: Path, format: str | None) -> tuple[str, Path]:
    by_suffix = {entry.suffix: name for name, entry in READERS.items() if entry.suffix}
    format = format or by_suffix.get(path.suffix.lower())
    if format is None:
        known = " ".join(by_suffix)
        raise DatasetError(f"{path}: a label file ends in one of {known}; else name its format")
    if not READERS[format].suffix:
        raise DatasetError(f"{path}: a dataset of format {format} must be a folder")
    return format, path


def _source(folder: Path, format: str, named: bool) -> Path | None:
    """The file or folder for the reader of a format; None if the folder has another format.

    ``named`` is whether the user named the format; less evidence is then enough.
    """
    if format == "webdataset":
        return folder if any(folder.glob("*.tar")) else None
    if format == "imagefolder":
        return folder if _is_imagefolder(folder, named) else None
    if format == "icdar":
        return folder if any(truth for _, truth in icdar_files(folder)[0]) else None
    entry = READERS[format]
    for pattern in entry.patterns:
        # A glob finds every XML or JSON file; the first bytes tell whether it is a dataset.
        found = sorted(p for p in folder.glob(pattern) if p.is_file() and _head_fits(p, entry))
        if len(found) > 1:
            names = ", ".join(p.name for p in found[:5])
            raise DatasetError(f"{folder}: several {format} label files, name one: {names}")
        if found:
            return found[0]
    return None


def _head_fits(path: Path, entry: _InputFormat) -> bool:
    if not entry.begins_with and not entry.holds:
        return True
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith(entry.begins_with) and entry.holds in head


def _is_imagefolder(folder: Path, named: bool) -> bool:
    filled = [f for f in symbol_folders(folder) if image_files(f)]
    if named:
        return bool(filled)
    try:
        symbols = [folder_symbol(f.name) for f in filled]
    except (ValueError, OverflowError):
        return False
    # Longer symbols exist (CE), but folders with longer names are rarely symbols.
    return 2 * sum(len(s) == 1 for s in symbols) > len(symbols)
