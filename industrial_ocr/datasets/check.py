"""Checks a labeled dataset: decodes every image and compares every label with its image."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2

from industrial_ocr.datasets.formats import Problem, signed_area
from industrial_ocr.datasets.samples import Dataset, Label, Sample
from industrial_ocr.errors import ImageError
from industrial_ocr.image.load import load_image
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import bounds, edge_lengths
from industrial_ocr.results.types import FloatArray

_DecodedImage = tuple[bytes, int, int]
"""Hash of an image, and its width and height in pixels."""


def check_dataset(
    dataset: Dataset,
    charset: Charset | None = None,
    progress: Callable[[int, int], None] | None = None,
    problems: Sequence[Problem] = (),
) -> list[Problem]:
    """Lists everything that is wrong with a dataset; a bad row never raises.

    Args:
        dataset: from ``load.read_dataset``, which also gives the problems of its rows.
        charset: texts with other characters are problems; None allows any text.
        progress: called after each image with the number of images done and of all images.
        problems: those that reading found.

    Returns:
        first the problems of reading, then those of the samples, in order.
    """
    found = list(problems)
    if not dataset.samples:
        found.append(Problem("", "", "no-samples", "the dataset has no samples"))
    first_of: dict[bytes, Sample] = {}
    for number, (sample, image) in enumerate(_decode_all(dataset.samples), 1):
        if isinstance(image, Problem):
            found.append(image)
        found += _check_labels(sample, dataset.task, charset)
        if not isinstance(image, Problem):
            digest, width, height = image
            found += _check_boxes(sample, width, height)
            found += _check_duplicate(sample, first_of.setdefault(digest, sample))
        if progress is not None:
            progress(number, len(dataset.samples))
    return found


def _decode_all(samples: Sequence[Sample]) -> Iterator[tuple[Sample, _DecodedImage | Problem]]:
    """Every sample with its decoded image or its problem, in order; decodes in threads."""
    # Pillow and hashlib release the GIL.
    workers = min(8, (os.cpu_count() or 1) + 2)
    with ThreadPoolExecutor(workers, "check") as pool:
        yield from zip(samples, pool.map(_decode, samples), strict=True)


def _decode(sample: Sample) -> _DecodedImage | Problem:
    try:
        data = sample.path.read_bytes() if sample.path is not None else sample.data
    except (FileNotFoundError, ValueError):
        message = f"no such image file: {sample.path}"
        return Problem(sample.row, sample.name, "missing-image", message)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        return Problem(sample.row, sample.name, "unreadable-image", message)
    if data is None:
        return Problem(sample.row, sample.name, "missing-image", "neither a file nor data")
    try:
        height, width = load_image(data).shape[:2]
    except ImageError as error:
        # The message begins with "image bytes (123 bytes): "; the sample's name says more.
        message = str(error).partition(": ")[2]
        return Problem(sample.row, sample.name, "unreadable-image", message)
    return hashlib.sha256(data).digest(), width, height


def _check_labels(sample: Sample, task: str, charset: Charset | None) -> Iterator[Problem]:
    """Problems of labels that do not depend on the pixels."""
    if task != "read" and not sample.labels:
        yield Problem("", sample.name, "no-label", "the image has no label")
    if task != "read" and len({label.text for label in sample.labels}) > 1:
        texts = ", ".join(repr(label.text) for label in sample.labels)
        message = f"one text is expected in an image to {task}, got {texts}"
        yield Problem(sample.row, sample.name, "several-labels", message)
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
        if charset is not None and not charset.supports(label.text):
            unknown = [repr(c) for c in dict.fromkeys(label.text) if not charset.supports(c)]
            message = f"{label.text!r} has characters outside the charset: {' '.join(unknown)}"
            yield Problem(label.row, sample.name, "outside-charset", message)


def _check_boxes(sample: Sample, width: int, height: int) -> Iterator[Problem]:
    for label in sample.labels:
        boxes = [] if label.quad is None else [(f"box of {label.text!r}", label.quad)]
        boxes += [(f"box of character {c.symbol!r}", c.quad) for c in label.characters]
        for what, quad in boxes:
            points = " ".join(f"{x:g},{y:g}" for x, y in quad.tolist())
            wrong = _degenerate(quad)
            if wrong:
                message = f"{what}: {wrong}: {points}"
                yield Problem(label.row, sample.name, "degenerate-box", message)
            x0, y0, x1, y1 = bounds(quad)
            # One pixel is allowed: some tools end a box on the last pixel, others after it.
            if min(x0, y0, width - x1, height - y1) < -1:
                message = f"{what} leaves the image of {width}x{height}: {points}"
                yield Problem(label.row, sample.name, "box-outside-image", message)


def _degenerate(quad: FloatArray) -> str:
    """Why no crop can be cut from a quad; empty if it can."""
    # Boxes below half a pixel come from images that were reduced after labeling.
    if min(edge_lengths(quad)) < 0.5 or abs(signed_area(quad)) < 0.25:
        return "has no area"
    if signed_area(quad) < 0:
        return "its corners run anticlockwise"
    return "" if cv2.isContourConvex(quad.reshape(-1, 1, 2)) else "is not convex"


def _check_duplicate(sample: Sample, first: Sample) -> Iterator[Problem]:
    """The problem of a file that occurs twice, with a note if its labels differ."""
    if first is sample:
        return
    message = f"the same file as {first.name}"
    ours, theirs = [x.text for x in sample.labels], [x.text for x in first.labels]
    if ours != theirs:
        message += f", which is labeled {theirs}, not {ours}"
    yield Problem(sample.row, sample.name, "duplicate-image", message)
