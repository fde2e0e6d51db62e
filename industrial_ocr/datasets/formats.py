"""Common parts of the readers of all formats.

A reader does not stop at a bad row: it adds a ``Problem`` and continues, so that a check can list
all of them.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
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
"""The text of labels that do not count, in ICDAR and in formats based on it."""

NUMBER = r"(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[nN][aA][nN]|[+-]?[iI][nN][fF])"
"""A regular expression for a coordinate. It also accepts nan, which a quad then refuses."""

MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
"""What malformed entries of JSON and XML files raise while they are parsed."""


@dataclass(frozen=True)
class Problem:
    """One problem of a dataset.

    Attributes:
        row: place of the row, "labels.tsv:12"; empty if the problem is not about a row.
        image: name or path in the dataset; empty if the problem is not about an image.
        kind: the kind, for programs.
        message: one line for people, without row and image.
    """

    row: str
    image: str
    kind: ProblemKind
    message: str

    def __str__(self) -> str:
        place = " ".join(filter(None, [self.row, self.image and f"({self.image})"]))
        return f"{place}: {self.message}" if place else self.message


def reason(error: BaseException) -> str:
    """The message of an exception on one line."""
    text = " ".join(str(error).split())
    return f"{text} is missing" if isinstance(error, KeyError) else text or type(error).__name__


class Rows:
    """Collects what a reader finds: samples in order of first appearance, and problems.

    Attributes:
        folder: folder of the label file; image paths are relative to it.
        problems: rows that could not be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = os.path.abspath(folder)
        self.problems: list[Problem] = []
        self._samples: dict[str, Sample] = {}
        self._labels: defaultdict[str, list[Label]] = defaultdict(list)
        # Strings, not Paths: they are several times faster, and there may be 100,000 rows.
        self._found: dict[tuple[str, ...], str] = {}

    def wrong(
        self, row: str, image: str, message: str, kind: ProblemKind = "malformed-row"
    ) -> None:
        """Adds a row that cannot be used to the problems."""
        self.problems.append(Problem(row, image, kind, message))

    def find(self, *written: str, bases: Sequence[str] = ("images", "")) -> str:
        """The absolute path of an image that a label file names.

        Args:
            written: possible spellings of the image's path, the most probable first.
            bases: folders, relative to that of the label file, to which it may be relative.

        Returns:
            the first path that is a file, else the most probable one.
        """
        if written not in self._found:
            self._found[written] = self._search(written, bases)
        return self._found[written]

    def _search(self, written: tuple[str, ...], bases: Sequence[str]) -> str:
        both_slashes = [(w, w.replace("\\", "/")) for w in written]
        spellings = dict.fromkeys(chain.from_iterable(both_slashes))
        likeliest = ""
        for spelling, base in product(spellings, bases):
            place = os.path.normpath(os.path.join(self._root, base, spelling))
            if os.path.isfile(place):
                return place
            if not likeliest and os.path.isdir(os.path.dirname(place)):
                likeliest = place
        return likeliest or os.path.normpath(os.path.join(self._root, written[0]))

    def add(self, path: str, label: Label | None) -> None:
        """Adds an image by its absolute path and, if given, a label of it."""
        if path not in self._samples:
            self._samples[path] = Sample(self._name(path), Path(path), ())
        if label is not None:
            self._label(path, label)

    def add_parsed(
        self, path: str, written: str, row: str, parse: Callable[[], Label], wrong: str = ""
    ) -> None:
        """Adds the label that ``parse`` returns; if its data is malformed, adds a problem.

        The message begins with ``wrong``; ``written`` is the image's path in the dataset.
        """
        try:
            label = parse()
        except MALFORMED as error:
            self.wrong(row, written, f"{wrong}{reason(error)}")
        else:
            self.add(path, label)

    def add_data(self, name: str, data: bytes, label: Label) -> None:
        """Adds an encoded image that is not a file."""
        self._samples[name] = Sample(name, None, (), data)
        self._label(name, label)

    def _label(self, key: str, label: Label) -> None:
        if is_text(label.text) and is_text(label.kind):
            self._labels[key].append(label)
        else:
            self.wrong(label.row, self._samples[key].name, "the label is not valid UTF-8")

    def _name(self, path: str) -> str:
        """The image's path inside the dataset, without ``images/``."""
        root = self._root.rstrip(os.sep) + os.sep
        if not path.startswith(root):
            return path.rpartition(os.sep)[2]
        return path[len(root) :].replace(os.sep, "/").removeprefix("images/")

    def samples(self) -> tuple[Sample, ...]:
        """All samples, under unique names."""
        taken: set[str] = set()
        samples = []
        for key, sample in self._samples.items():
            name = sample.name if sample.name not in taken else Path(key).as_posix()
            taken.add(name)
            samples.append(replace(sample, name=name, labels=tuple(self._labels[key])))
        return tuple(samples)


def is_text(text: str) -> bool:
    """False if the text was decoded from bytes that are not UTF-8 (it has lone surrogates)."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def read_text(path: Path) -> str:
    """The text of a label file; bytes that are not UTF-8 become surrogates, see ``is_text``.

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
    """Places ("labels.tsv:12") and texts of all lines of a label file that are not blank.

    Lines that are not UTF-8 are added to the problems.
    """
    # Not splitlines(): it also splits at form feeds and U+2028, which a label may contain.
    for number, line in enumerate(read_text(path).split("\n"), 1):
        line = line.removesuffix("\r")
        row = f"{path.name}:{number}"
        if not is_text(line):
            rows.wrong(row, "", "is not valid UTF-8")
        elif line.strip():
            yield row, line


_SEPARATOR_ROW = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)


def csv_separator(text: str) -> tuple[str, str]:
    """The separator of a CSV, and its text from the header on.

    The separator is that of a first row ``sep=;``, as Excel writes it, else the most frequent of
    comma, semicolon and tab in the header.
    """
    first, _, rest = text.partition("\n")
    if named := _SEPARATOR_ROW.fullmatch(first.strip("\r ")):
        return named[1], rest
    return max(",;\t", key=first.count), text


_TSV_FIELD = re.compile(r'"((?:[^"]|"")*)"(?=\t|$)|([^\t]*)')


def tsv_fields(line: str) -> list[str]:
    """The fields of a TSV line; a field that is quoted as a whole loses its quotes."""
    fields, place = [], 0
    while place <= len(line):
        match = _TSV_FIELD.match(line, place)
        assert match is not None  # the second alternative matches everything
        fields.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        place = match.end() + 1
    return fields


def tsv_field(text: str) -> str:
    """The text as a field that ``tsv_fields`` reads back."""
    return '"' + text.replace('"', '""') + '"' if tsv_fields(text) != [text] else text


def read_json_list(path: Path) -> list[Any]:
    """The list in a JSON file; DatasetError, with the line of a syntax error, if there is none."""
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not JSON: {reason(error)}") from error
    if not isinstance(content, list):
        raise DatasetError(f"{path}: expected a list, got a {type(content).__name__}")
    return content


def polygon_quad(points: ArrayLike) -> FloatArray:
    """A polygon as a quad: four points stay as they are, others become their smallest rectangle.

    The first corner of that rectangle is chosen so that the first edge runs to the right, because
    an outline does not say in which direction its text runs.

    Args:
        points: (N, 2) pixels, N at least 3.

    Raises:
        ValueError: fewer points, or points that are not finite.
    """
    outline = np.asarray(points, np.float32)
    if outline.ndim != 2 or outline.shape[1] != 2 or len(outline) < 3:
        raise ValueError(f"an outline must be 3 or more points (x, y), got shape {outline.shape}")
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
    """Area of (N, 2) corners in pixels; negative if they run anticlockwise on the screen."""
    x, y = np.asarray(quad, np.float64).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def image_files(folder: Path) -> list[Path]:
    """Image files below a folder by their suffix, sorted, without hidden files and folders."""
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        visible = (name for name in files if not name.startswith("."))
        found += [
            Path(where, name)
            for name in visible
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        ]
    return sorted(found)


def ignorable(text: str) -> tuple[str, bool]:
    """The text of a label, and whether it says that the label is to be ignored."""
    return ("", True) if text == IGNORE else (text, False)
