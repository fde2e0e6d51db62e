"""Looks a labeled dataset over: every image is decoded, every label held against its image."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from industrial_ocr.datasets.datasets import row_of
from industrial_ocr.datasets.formats import Problem, ProblemKind, signed_area
from industrial_ocr.datasets.samples import Dataset, Label, Sample
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import load_image
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import bounds, edge_lengths
from industrial_ocr.results.types import FloatArray, ImageArray

TOLERANCE = 1.0
"""Pixels by which a box may stick out of its image: drawn boxes end on the last pixel or after."""

Progress = Callable[[int, int], None]
"""Called with the images done and the images in all."""


@dataclass(frozen=True)
class CheckReport:
    """What is wrong with a dataset, and what it consists of.

    Attributes:
        dataset: its name.
        problems: by row where they stem from reading, then in the order of the samples.
        images: samples.
        labels: without the ignored ones.
        ignored: labels that do not count.
        boxes: labels that have a quad.
        symbols: how often each character occurs in the labels that count.
    """

    dataset: str
    problems: tuple[Problem, ...]
    images: int
    labels: int
    ignored: int
    boxes: int
    symbols: dict[str, int]

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    @cached_property
    def counts(self) -> dict[str, int]:
        """Problems by kind, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())


@dataclass(frozen=True)
class _Pixels:
    """What decoding an image told: its hash and size, or why it failed."""

    digest: bytes = b""
    width: int = 0
    height: int = 0
    kind: ProblemKind | None = None
    message: str = ""


def check_dataset(
    dataset: Dataset,
    charset: Charset | None = None,
    progress: Progress | None = None,
    problems: Sequence[Problem] = (),
) -> CheckReport:
    """Lists everything that is wrong with a dataset; a bad row never raises.

    Args:
        dataset: of ``datasets.read_dataset``, which gives the problems of its rows too.
        charset: texts beyond it are problems; any text goes if None.
        progress: called after each image.
        problems: those that reading found; they come first in the report.
    """
    found = list(problems)
    if not dataset.samples:
        found.append(Problem("", "", "no-samples", "the dataset has no samples"))
    seen: dict[bytes, Sample] = {}
    for number, (sample, pixels) in enumerate(_decode_all(dataset.samples), 1):
        if pixels.kind is not None:
            found.append(Problem(row_of(sample), sample.name, pixels.kind, pixels.message))
        found += _check_labels(sample, dataset, charset)
        if pixels.digest:
            found += _check_boxes(sample, pixels)
            found += _check_twin(sample, seen.setdefault(pixels.digest, sample))
        if progress is not None:
            progress(number, len(dataset.samples))
    labels = [label for sample in dataset.samples for label in sample.labels]
    counted = [label for label in labels if not label.ignore]
    return CheckReport(
        dataset=dataset.name,
        problems=tuple(found),
        images=len(dataset.samples),
        labels=len(counted),
        ignored=len(labels) - len(counted),
        boxes=sum(label.quad is not None for label in labels),
        symbols=dict(sorted(Counter("".join(label.text for label in counted)).items())),
    )


def _decode_all(samples: Sequence[Sample]) -> Iterator[tuple[Sample, _Pixels]]:
    """Every sample with what its image told, in order; Pillow and hashlib let threads run."""
    workers = min(8, (os.cpu_count() or 1) + 2)
    with ThreadPoolExecutor(workers, "check") as pool:
        yield from zip(samples, pool.map(_decode, samples), strict=True)


def _decode(sample: Sample) -> _Pixels:
    try:
        data = sample.path.read_bytes() if sample.path is not None else sample.data
    except (FileNotFoundError, ValueError):
        return _Pixels(kind="missing-image", message=f"no such image file: {sample.path}")
    except OSError as error:
        return _Pixels(kind="unreadable-image", message=f"cannot be read: {error.strerror}")
    if data is None:
        return _Pixels(kind="missing-image", message="neither a file nor data")
    try:
        height, width = load_image(data).shape[:2]
    except ImageError as error:
        # The message begins with "image bytes (123 bytes): "; the sample's name says more.
        return _Pixels(kind="unreadable-image", message=str(error).partition(": ")[2])
    return _Pixels(hashlib.sha256(data).digest(), width, height)


def _check_labels(sample: Sample, dataset: Dataset, charset: Charset | None) -> Iterator[Problem]:
    """What can be wrong with labels whatever the image is."""
    if dataset.task != "read" and not sample.labels:
        yield Problem("", sample.name, "no-label", "the image has no label")
    if dataset.task != "read" and len({label.text for label in sample.labels}) > 1:
        texts = ", ".join(repr(label.text) for label in sample.labels)
        message = f"one text is expected in an image to {dataset.task}, got {texts}"
        yield Problem(row_of(sample), sample.name, "several-labels", message)
    seen: dict[object, Label] = {}
    for label in sample.labels:
        place = None if label.quad is None else label.quad.tobytes()
        first = seen.setdefault((label.text, place, label.kind), label)
        if first is not label:
            message = f"repeats the label {label.text!r} of {first.row or 'this image'}"
            yield Problem(label.row, sample.name, "duplicate-row", message)
        if label.ignore:
            continue
        if not label.text.strip():
            yield Problem(label.row, sample.name, "empty-label", "the label is empty")
        foreign = _foreign(label.text, charset)
        if foreign:
            message = f"{label.text!r} has characters outside the charset: {foreign}"
            yield Problem(label.row, sample.name, "outside-charset", message)


def _foreign(text: str, charset: Charset | None) -> str:
    """The characters of a text that a charset lacks, each once."""
    if charset is None or charset.supports(text):
        return ""
    alone = [c for c in dict.fromkeys(text) if not charset.supports(c)]
    return " ".join(map(repr, alone))


def _check_boxes(sample: Sample, pixels: _Pixels) -> Iterator[Problem]:
    for label in sample.labels:
        boxes = [] if label.quad is None else [(f"box of {label.text!r}", label.quad)]
        boxes += [(f"box of character {c.symbol!r}", c.quad) for c in label.characters]
        for what, quad in boxes:
            wrong = _degenerate(quad)
            if wrong:
                message = f"{what}: {wrong}: {_numbers(quad)}"
                yield Problem(label.row, sample.name, "degenerate-box", message)
            x0, y0, x1, y1 = bounds(quad)
            if min(x0, y0, pixels.width - x1, pixels.height - y1) < -TOLERANCE:
                size = f"{pixels.width}x{pixels.height}"
                message = f"{what} leaves the image of {size}: {_numbers(quad)}"
                yield Problem(label.row, sample.name, "box-outside-image", message)


def _degenerate(quad: FloatArray) -> str:
    """Why no crop can be cut from a quad; empty where one can."""
    # Below half a pixel nothing is left of a box that was drawn on an image shrunk since.
    if min(edge_lengths(quad)) < 0.5 or abs(signed_area(quad)) < 0.25:
        return "has no area"
    if signed_area(quad) < 0:
        return "its corners run anticlockwise"
    return "" if cv2.isContourConvex(quad.reshape(-1, 1, 2)) else "is not convex"


def _numbers(quad: FloatArray) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in quad.tolist())


def _check_twin(sample: Sample, first: Sample) -> Iterator[Problem]:
    """Two samples of the same bytes count twice, and perhaps against each other."""
    if first is sample:
        return
    message = f"the same file as {first.name}"
    ours, theirs = ([label.text for label in s.labels] for s in (sample, first))
    if ours != theirs:
        message += f", which is labeled {theirs}, not {ours}"
    yield Problem(row_of(sample), sample.name, "duplicate-image", message)


_BACKGROUND, _CELL, _INK, _FRAME, _IGNORED = 245, 255, 20, (200, 30, 30), (150, 150, 150)
_FONT, _LINE = cv2.FONT_HERSHEY_SIMPLEX, 22


def contact_sheet(
    dataset: Dataset, columns: int = 8, limit: int = 64, cell: int = 160
) -> ImageArray:
    """The first images of a dataset with their boxes, and their texts underneath.

    Args:
        dataset: any; what cannot be decoded says so in its place.
        columns: images side by side.
        limit: most images shown.
        cell: side of an image's place in pixels; small images are enlarged to fill it.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: the dataset has no samples.
        ValueError: a number below 1.
    """
    if min(columns, limit, cell) < 1:
        raise ValueError(f"columns, limit and cell are 1 or more: {columns}, {limit}, {cell}")
    samples = dataset.samples[:limit]
    if not samples:
        raise DatasetError(f"{dataset.root}: the dataset has no samples to show")
    columns = min(columns, len(samples))
    rows = -(-len(samples) // columns)
    gap, tall = 4, cell + _LINE
    size = (gap + rows * (tall + gap), gap + columns * (cell + gap), 3)
    sheet = np.full(size, _BACKGROUND, np.uint8)
    for index, sample in enumerate(samples):
        row, column = divmod(index, columns)
        y, x = gap + row * (tall + gap), gap + column * (cell + gap)
        sheet[y : y + tall, x : x + cell] = _card(sample, cell)
    return sheet


def _card(sample: Sample, cell: int) -> ImageArray:
    """One image with its boxes, its texts underneath: (cell + _LINE, cell, 3)."""
    card = np.full((cell + _LINE, cell, 3), _CELL, np.uint8)
    try:
        image = load_image(sample.source)
    except (ImageError, ValueError):
        _write(card, "unreadable", cell // 2)
    else:
        scale = cell / max(image.shape[:2])
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        small = cv2.resize(image, size, interpolation=shrink)
        for label in sample.labels:
            quads = [] if label.quad is None else [label.quad]
            quads += [character.quad for character in label.characters]
            for quad in quads:
                # Far corners would overflow OpenCV's fixed-point coordinates.
                points = np.round(np.clip(quad * scale, -cell, 2 * cell)).astype(np.int32)
                cv2.polylines(small, [points], True, _IGNORED if label.ignore else _FRAME)
        top, left = (cell - size[1]) // 2, (cell - size[0]) // 2
        card[top : top + size[1], left : left + size[0]] = small
    texts = ["(ignored)" if label.ignore else label.text or "(empty)" for label in sample.labels]
    _write(card, " | ".join(texts), cell + _LINE - 7)
    return card


def _write(card: ImageArray, text: str, baseline: int) -> None:
    """Writes a line, in smaller letters and then cut where it is too wide."""
    # OpenCV's strokes cover ASCII only; an escape at least tells two labels apart.
    line = text.encode("ascii", "backslashreplace").decode()
    scale, room = 0.5, card.shape[1] - 4
    width = cv2.getTextSize(line, _FONT, scale, 1)[0][0]
    if width > room:
        scale = max(0.35, scale * room / width)
    while len(line) > 3 and cv2.getTextSize(line, _FONT, scale, 1)[0][0] > room:
        line = line[: max(1, len(line) - 4)] + ".."
    cv2.putText(card, line, (2, baseline), _FONT, scale, (_INK,) * 3, 1, cv2.LINE_AA)
