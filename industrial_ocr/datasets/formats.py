"""What the readers of every format share.

A reader never stops at a bad row: it notes the row as a ``Problem`` and goes on, so that a check
can list them all.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike

from industrial_ocr.datasets.samples import Label, Sample
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.load import IMAGE_SUFFIXES
from industrial_ocr.results.types import FloatArray

ProblemKind = Literal[
    "malformed-row",
    "no-samples",
    "no-label",
    "several-labels",
    "missing-image",
    "unreadable-image",
    "empty-label",
    "outside-charset",
    "box-outside-image",
    "degenerate-box",
    "duplicate-row",
    "duplicate-image",
]

IGNORE = "###"
"""ICDAR's text for "not to be counted"; its followers took it over."""

NUMBER = r"(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[nN][aA][nN]|[+-]?[iI][nN][fF])"
"""A regular expression for a coordinate. It takes nan too, so that a quad can refuse it by name."""

MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
"""What taking apart a malformed entry of a JSON or XML file raises."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a dataset.

    Attributes:
        row: where it stands, "labels.tsv:12"; empty where it is about no row.
        image: the image's name or path as the dataset writes it; empty where it is about none.
        kind: for counting.
        message: for people, one line, without row and image.
    """

    row: str
    image: str
    kind: ProblemKind
    message: str

    def __str__(self) -> str:
        place = " ".join(filter(None, [self.row, self.image and f"({self.image})"]))
        return f"{place}: {self.message}" if place else self.message


def reason(error: BaseException) -> str:
    """One line on what an exception complains about."""
    text = " ".join(str(error).split())
    return f"{text} is missing" if isinstance(error, KeyError) else text or type(error).__name__


@dataclass
class _Entry:
    """A sample while its labels come in."""

    path: str | None
    name: str
    data: bytes | None
    labels: list[Label] = field(default_factory=list)


class Rows:
    """Collects what a reader finds: samples in order of first appearance, and problems.

    Attributes:
        folder: where the label file lies; image paths are relative to it.
        problems: rows that could not be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = os.path.abspath(folder)
        self.problems: list[Problem] = []
        self._entries: dict[str, _Entry] = {}
        self._found: dict[tuple[str, ...], str] = {}

    def wrong(
        self, row: str, image: str, message: str, kind: ProblemKind = "malformed-row"
    ) -> None:
        """Notes a row that cannot be used."""
        self.problems.append(Problem(row, image, kind, message))

    def find(self, *written: str, bases: Sequence[str] = ("images", "")) -> str:
        """The file of an image as a label file writes it.

        Args:
            written: spellings of the image's path, the likeliest first.
            bases: folders, relative to the label file's, that it may be relative to.

        Returns:
            the absolute path of the first that is a file, else of the likeliest place.
        """
        if written not in self._found:
            self._found[written] = self._search(written, bases)
        return self._found[written]

    def _search(self, written: tuple[str, ...], bases: Sequence[str]) -> str:
        # Strings, not Paths: they are several times faster, and there may be 100,000 rows.
        likeliest = ""
        for spelling in dict.fromkeys(s for w in written for s in (w, w.replace("\\", "/"))):
            for base in bases:
                place = os.path.normpath(os.path.join(self._root, base, spelling))
                if os.path.isfile(place):
                    return place
                if not likeliest and os.path.isdir(os.path.dirname(place)):
                    likeliest = place
        return likeliest or os.path.normpath(os.path.join(self._root, written[0]))

    def add(self, path: str, label: Label | None) -> None:
        """Adds an image by its absolute path and, where there is one, a label of it."""
        entry = self._entries.get(path)
        if entry is None:
            entry = self._entries[path] = _Entry(path, self._name(path), None)
        self._label(entry, label)

    def add_data(self, name: str, data: bytes, label: Label) -> None:
        """Adds an encoded image that is no file."""
        self._entries[name] = _Entry(None, name, data)
        self._label(self._entries[name], label)

    def _label(self, entry: _Entry, label: Label | None) -> None:
        if label is None:
            return
        if is_text(label.text) and is_text(label.kind):
            entry.labels.append(label)
        else:
            self.wrong(label.row, entry.name, "the label is not valid UTF-8")

    def _name(self, path: str) -> str:
        """The image's path inside the dataset; ``images/`` goes without saying."""
        root = self._root.rstrip(os.sep) + os.sep
        if not path.startswith(root):
            return path.rpartition(os.sep)[2]
        return path[len(root) :].replace(os.sep, "/").removeprefix("images/")

    def samples(self) -> tuple[Sample, ...]:
        """All samples, under unique names."""
        taken: set[str] = set()
        samples = []
        for key, entry in self._entries.items():
            name = entry.name if entry.name not in taken else Path(key).as_posix()
            taken.add(name)
            path = None if entry.path is None else Path(entry.path)
            samples.append(Sample(name, path, tuple(entry.labels), entry.data))
        return tuple(samples)


def is_text(text: str) -> bool:
    """False where ``text`` stands for bytes that are no UTF-8 (lone surrogates)."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def read_text(path: Path) -> str:
    """A label file's text; bytes that are no UTF-8 become surrogates, for ``is_text`` to find.

    Raises:
        DatasetError: the file cannot be read or is UTF-16.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {reason(error)}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DatasetError(f"{path}: is UTF-16; save it as UTF-8")
    return data.decode("utf-8-sig", errors="surrogateescape")


def text_lines(path: Path, rows: Rows) -> Iterator[tuple[str, str]]:
    """The lines of a label file that are not blank, each with its place ("labels.tsv:12").

    Lines that are no UTF-8 are noted as problems.
    """
    # Not splitlines(): it also breaks at form feeds and U+2028, which may stand in a label.
    for number, line in enumerate(read_text(path).split("\n"), 1):
        line = line.removesuffix("\r")
        row = f"{path.name}:{number}"
        if not is_text(line):
            rows.wrong(row, "", "is not valid UTF-8")
        elif line.strip():
            yield row, line


_TSV_FIELD = re.compile(r'"((?:[^"]|"")*)"(?=\t|$)|([^\t]*)')


def tsv_fields(line: str) -> list[str]:
    """The fields of a line of a TSV; one that is quoted as a whole is taken out of its quotes."""
    fields, place = [], 0
    while place <= len(line):
        match = _TSV_FIELD.match(line, place)
        assert match is not None  # the second alternative fits everything
        fields.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        place = match.end() + 1
    return fields


def tsv_field(text: str) -> str:
    """The text as ``tsv_fields`` reads it back."""
    return '"' + text.replace('"', '""') + '"' if tsv_fields(text) != [text] else text


def read_json_list(path: Path) -> list[Any]:
    """A JSON file that holds a list; DatasetError names the line where it does not."""
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: no JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: no JSON: {reason(error)}") from error
    if not isinstance(content, list):
        raise DatasetError(f"{path}: a list was expected, got a {type(content).__name__}")
    return content


def polygon_quad(points: ArrayLike) -> FloatArray:
    """Points of a polygon as a quad: four as they are, others by their smallest rectangle.

    The rectangle's first corner is the one from which the next edge runs most to the right: an
    outline alone does not say which way its text runs.

    Args:
        points: (N, 2) pixels, N of 3 or more.

    Raises:
        ValueError: fewer points, or none that are finite.
    """
    outline = np.asarray(points, np.float32)
    if outline.ndim != 2 or outline.shape[1] != 2 or len(outline) < 3:
        raise ValueError(f"an outline is 3 or more points of x and y, got shape {outline.shape}")
    if not np.isfinite(outline).all():
        raise ValueError("an outline's points must be finite numbers")
    if len(outline) == 4:
        return outline
    corners = np.asarray(cv2.boxPoints(cv2.minAreaRect(outline)), np.float32)
    if signed_area(corners) < 0:
        corners = corners[::-1]
    rightward = np.roll(corners, -1, axis=0)[:, 0] - corners[:, 0]
    return np.roll(corners, -int(rightward.argmax()), axis=0)


def signed_area(quad: ArrayLike) -> float:
    """Area of (N, 2) corners in pixels, negative where they run anticlockwise on the screen."""
    x, y = np.asarray(quad, np.float64).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def image_files(folder: Path) -> list[Path]:
    """Image files below a folder by their suffix, sorted; hidden ones are left out."""
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        found += [
            Path(where, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        ]
    return sorted(found)


def ignorable(texts: Iterable[str]) -> tuple[str, bool]:
    """The text of a label and whether it says that the label is to be ignored."""
    text = " ".join(texts)
    return ("", True) if text == IGNORE else (text, False)
