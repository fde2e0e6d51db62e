"""The labeled strings of a production line, and their places on the pictures.

A crop of one string is used as a whole. On a whole picture, a label belongs to the detected string
whose reading has the smallest edit distance to it, or else to the one for which the recognizer
gives the label the highest probability; a box of the label restricts the search. If the detected
string is longer than the label, the most similar part is cut out. A label without a place is left
out and reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from industrial_ocr.datasets.samples import Dataset, Label, Sample
from industrial_ocr.decoding.ctc import sequence_log_probability
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.crnn import CrnnReading, read_frames
from industrial_ocr.reader.models import Models
from industrial_ocr.recognition.recognizer import StringFrames, strip
from industrial_ocr.recognition.rectification import rectified
from industrial_ocr.results.geometry import (
    area,
    bounds,
    edge_lengths,
    enclosing_quad,
    inside,
    rect_quad,
    unit_vector,
    warp_quad,
)
from industrial_ocr.results.types import FloatArray, ImageArray
from industrial_ocr.review.collecting import picture_digest
from industrial_ocr.training.line.sources import DIGEST

MIN_SIMILARITY = 0.5
"""A label is placed on a string whose reading has at least this similarity to it (0 to 1)."""
MIN_LOG_PROBABILITY = -2.0
"""A label is also placed on a string that gives it at least this log-probability per character.
Wrong labels have -4 and less."""
STACK_ROWS = 64
"""Height in pixels of a strip of letters that stand under each other in the picture."""


@dataclass(frozen=True, eq=False)
class LineString:
    """A labeled string and its picture.

    Attributes:
        name: name of the picture.
        text: the label.
        image: (H, W, 3) uint8, the string with a margin.
        quad: (4, 2) float32, the box of the string in pixels of ``image``.
    """

    name: str
    text: str
    image: ImageArray
    quad: FloatArray


@dataclass(frozen=True, eq=False)
class LinePicture:
    """A picture of a line and the strings on it.

    Attributes:
        sample: the picture.
        one_string: whether it is a crop of one string.
        texts: its labels that the recognizer can spell.
        strings: the strings of those labels that have a place on the picture.
        pixels: hash of the pixels; of the source picture if this one is from the review page.
        series: number of its series, None before the pictures are divided.
    """

    sample: Sample
    one_string: bool
    texts: tuple[str, ...]
    strings: tuple[LineString, ...]
    pixels: str
    series: int | None = None


def strings_of(pictures: Iterable[LinePicture]) -> list[LineString]:
    """All strings of the pictures."""
    return list(chain.from_iterable(p.strings for p in pictures))


@dataclass(frozen=True, eq=False)
class LineData:
    """All pictures of a line.

    Attributes:
        pictures: those with a usable label.
        problems: labels and pictures that were left out, with the reason, one sentence each.
        sha256: hash of the pictures and labels.
    """

    pictures: tuple[LinePicture, ...]
    problems: tuple[str, ...]
    sha256: str

    def joined(self, more: LineData) -> LineData:
        """This data and further data together."""
        both = hashlib.sha256((self.sha256 + more.sha256).encode()).hexdigest()
        return LineData((*self.pictures, *more.pictures), (*self.problems, *more.problems), both)


def spelled(text: str) -> str:
    """A text without white space."""
    return "".join(text.split())


def gather(
    dataset: Dataset,
    models: Models,
    contains: bool = False,
    progress: Iterable[Sample] | None = None,
) -> LineData:
    """The pictures of a dataset with the places of their labels.

    Args:
        dataset: crops of one string, or whole pictures.
        models: the networks of a reader, which find the strings.
        contains: labels may be parts of longer strings; crops are then searched, too.
        progress: the samples of the dataset, wrapped to show progress.

    Raises:
        DatasetError: the pictures show single characters.
    """
    if dataset.task == "classify":
        raise DatasetError(
            f"{dataset.root}: these are pictures of single characters; adapt needs strings, "
            "industrial-ocr retrain takes characters"
        )
    pictures, problems, digest = [], [], hashlib.sha256(str(contains).encode())
    one_string = dataset.task == "recognize"
    charset = models.recognizer.charset
    for sample in progress if progress is not None else dataset.samples:
        labels = []
        for label in sample.labels:
            if label.ignore or not spelled(label.text):
                continue
            missing = [c for c in spelled(label.text) if not charset.supports(c)]
            if missing:
                problems.append(
                    f"{sample.name} {label.text!r}: the recognizer does not know "
                    f"{' '.join(dict.fromkeys(missing))}"
                )
                continue
            labels.append(label)
        if not labels:
            continue
        try:
            image = load_image(sample.source)
        except ImageError as error:
            problems.append(str(error))
            continue
        digest.update(repr((sample.name, [x.text for x in labels])).encode() + image.tobytes())
        labels = labels[:1] if one_string else labels
        if one_string and not contains:
            found, wrong = _whole(sample, labels[0], image)
        else:
            found, wrong = _placed(sample, labels, image, models)
        problems += wrong
        texts = tuple(label.text for label in labels)
        answered = dataset.format == "review"
        pixels = sample.name[:DIGEST] if answered else picture_digest(image)
        pictures.append(LinePicture(sample, one_string, texts, tuple(found), pixels))
    return LineData(tuple(pictures), tuple(problems), digest.hexdigest())


def _whole(
    sample: Sample, label: Label, image: ImageArray
) -> tuple[list[LineString], Sequence[str]]:
    """A whole crop as a string, made level as the reader does it."""
    level = rectified(image).image
    height, width = level.shape[:2]
    return _fitting(LineString(sample.name, label.text, level, rect_quad(0, 0, width, height)))


def _fitting(string: LineString) -> tuple[list[LineString], Sequence[str]]:
    """The string, or a problem if it is too narrow: CTC needs a frame for each character."""
    width, height = edge_lengths(string.quad)
    text = spelled(string.text)
    repeats = sum(a == b for a, b in zip(text, text[1:], strict=False))
    # A strip of 32 rows needs 6 columns for each character, and 4 more between two equal ones.
    if height < 4 or 32 * width / height < 6 * len(text) + 4 * repeats:
        return [], [f"{string.name} {string.text!r}: its picture is too small for the label"]
    return [string], []


def _placed(
    sample: Sample, labels: Sequence[Label], image: ImageArray, models: Models
) -> tuple[list[LineString], list[str]]:
    found = find_strings([image], models.detector, models.config, Clock())
    (readings,) = read_frames([image], found, models, Clock())
    strings: list[LineString] = []
    problems: list[str] = []
    corner = np.array(image.shape[1::-1], np.float32)
    for label in labels:
        box = None if label.quad is None else np.clip(label.quad, 0, corner)
        if box is not None and area(box) < 1:
            problems.append(f"{sample.name} {label.text!r}: its box is outside the picture")
            continue
        near = [r for r in readings if box is None or inside(box, r[0].quad.mean(0))]
        best = best_reading(label.text, near, models.recognizer.charset)
        if best is not None:
            own, wrong = _fitting(_cut(sample, label, image, part_of(best, label.text)))
        elif box is not None and np.greater(*edge_lengths(box)):
            own, wrong = _fitting(_cut(sample, label, image, (box,)))
        else:
            own, wrong = [], [f"{sample.name} {label.text!r}: no similar string was found"]
        strings += own
        problems += wrong
    return strings, problems


def part_of(reading: CrnnReading, text: str) -> Sequence[FloatArray]:
    """The boxes of the characters in the part of a reading that is most similar to a text."""
    string, frames = reading
    said = "".join(c.symbol for c in string.characters)
    part = fuzz.partial_ratio_alignment(spelled(text).upper(), said.upper())
    if part is None or len(said) <= len(spelled(text)):
        return frames.pieces
    own = [c.quad for c in string.characters[part.dest_start : part.dest_end]]
    return own if len(frames.pieces) > 1 else [enclosing_quad(own, _axis(string.quad))]


def _axis(quad: FloatArray) -> NDArray[np.float64]:
    return unit_vector(np.asarray(quad[1] - quad[0], np.float64))


def best_reading(
    text: str, readings: Sequence[CrnnReading], charset: Charset
) -> CrnnReading | None:
    """The reading most similar to a label, else that of the string where it is most probable."""
    text = spelled(text)
    if not readings:
        return None

    def similarity(reading: CrnnReading) -> tuple[float, float]:
        """Similarity of the most similar part, then of the whole reading."""
        said = spelled(reading[0].text).upper()
        whole = float(Levenshtein.normalized_similarity(said, text.upper()))
        part = fuzz.partial_ratio(text.upper(), said) / 100 if len(said) > len(text) else whole
        return part, whole

    best = max(readings, key=similarity)
    if similarity(best)[0] >= MIN_SIMILARITY:
        return best
    classes = charset.encode(text)
    scores = [
        sequence_log_probability(frames.log_probs, classes) / len(classes) for _, frames in readings
    ]
    likeliest = int(np.argmax(scores))
    return readings[likeliest] if scores[likeliest] >= MIN_LOG_PROBABILITY else None


def _cut(
    sample: Sample, label: Label, image: ImageArray, pieces: Sequence[FloatArray]
) -> LineString:
    """The string with a margin as wide as it is high; letters under each other are put in a row."""
    if len(pieces) > 1:
        gray, _ = strip(to_gray(image), pieces, STACK_ROWS)
        laid = np.repeat(gray[..., None], 3, axis=2)
        whole = rect_quad(0, 0, laid.shape[1], laid.shape[0])
        return LineString(sample.name, label.text, laid, whole)
    quad = pieces[0]
    x0, y0, x1, y1 = bounds(quad)
    room = edge_lengths(quad)[1]
    left, top = max(0, int(x0 - room)), max(0, int(y0 - room))
    part = image[top : int(y1 + room) + 1, left : int(x1 + room) + 1]
    moved = (quad - np.array([left, top])).astype(np.float32)
    return LineString(sample.name, label.text, np.ascontiguousarray(part), moved)


def frames_of(models: Models, strings: Sequence[LineString]) -> list[StringFrames]:
    """The recognizer's frames of each string, read in one view."""
    frames = models.recognizer.recognize(
        [s.image for s in strings], [[[s.quad]] for s in strings], models.config.recognition
    )
    return [f for (f,) in frames]


def string_frames(models: Models, strings: Sequence[LineString]) -> list[NDArray[np.float64]]:
    """(T, C) log-probabilities of the recognizer for each string."""
    return [np.asarray(f.log_probs, np.float64) for f in frames_of(models, strings)]


def thumbnail(string: LineString) -> FloatArray:
    """(12 * 48,) float32, a small gray copy of the string, zero mean and unit length."""
    small = warp_quad(to_gray(string.image), string.quad, 48, 12).astype(np.float32)
    plain = (small - small.mean()).reshape(-1)
    return np.asarray(plain / max(float(np.linalg.norm(plain)), 1e-6), np.float32)
