"""The gallery of the report: what engines lost, picture by picture, with what they found there."""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from rapidfuzz.distance import Levenshtein

from industrial_ocr.datasets.samples import Label
from industrial_ocr.errors import ImageError
from industrial_ocr.evaluation.blame import lost_stage
from industrial_ocr.evaluation.items import Answer
from industrial_ocr.evaluation.metrics import VERBATIM, Outcome, compared_pair, outcome
from industrial_ocr.evaluation.readings import ReadString
from industrial_ocr.evaluation.report_figures import Style
from industrial_ocr.evaluation.summary import Summary
from industrial_ocr.image.load import load_image
from industrial_ocr.results.geometry import bounds, rect_quad
from industrial_ocr.results.types import FloatArray, ImageArray

MOST_FAILURES = 60
"""Pictures in the gallery of one dataset."""
STRINGS_SHOWN = 6
LABEL_COLOR = "#00aa44"
LONGEST_SIDE = 420
QUALITY = 70
MOST_ENLARGED = 6.0
SMALL_PART = 0.25
"""Labels that cover less than this share of a photograph are cut out of it."""
SURROUNDINGS = 0.35
"""What is kept around them, in their longer side."""

_FRACTION_BITS = 3
_FARTHEST = 10_000

Sources = Mapping[tuple[str, str], Path | bytes]
Key = tuple[str, int]
"""Image, and which of its labels."""


@dataclass(frozen=True)
class Given:
    """One engine's answer in the gallery.

    Attributes:
        engine: name.
        pieces: (kind, text) of the reading: "same", "wrong" or "missing".
        confidence: for the table.
        outcome: at the engine's threshold.
        lost: the stage, "-" where the reading is right.
        note: why there is no reading.
    """

    engine: str
    pieces: tuple[tuple[str, str], ...] = ()
    confidence: str = "-"
    outcome: str = "not run"
    lost: str = "-"
    note: str = ""


@dataclass(frozen=True)
class Failure:
    """One image of the gallery.

    Attributes:
        image: name.
        picture: data URI, empty where there is none.
        labels: truth and the engines' answers, of every label that one of them lost.
        others: number of labels that all engines read right.
    """

    image: str
    picture: str
    labels: tuple[tuple[str, tuple[Given, ...]], ...]
    others: int


def result_of(answer: Answer, summary: Summary, threshold: float) -> Outcome:
    """What became of an answer at a threshold."""
    return outcome(answer.item, threshold, summary.rules.matching, summary.rules.folding)


def data_uri(image: ImageArray) -> str:
    """A picture as a JPEG inside the page."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def window(width: int, height: int, quads: Sequence[ArrayLike]) -> tuple[int, int, int, int]:
    """What is shown of a picture: x0, y0, x1, y1 around the quads, or all of it.

    All where there are no quads, the picture is small itself, or they fill much of it.
    """
    whole = (0, 0, width, height)
    if not quads or max(width, height) <= LONGEST_SIDE:
        return whole
    x0, y0, x1, y1 = bounds(np.concatenate([np.asarray(q, np.float32) for q in quads]))
    if not (x1 - x0) * (y1 - y0) < SMALL_PART * width * height:
        return whole
    margin = max(SURROUNDINGS * max(x1 - x0, y1 - y0), 40.0)
    left, top = max(0, math.floor(x0 - margin)), max(0, math.floor(y0 - margin))
    right, bottom = min(width, math.ceil(x1 + margin)), min(height, math.ceil(y1 + margin))
    return (left, top, right, bottom) if left < right and top < bottom else whole


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


class _Pen:
    """Draws quads of a photograph on the cut and scaled picture."""

    def __init__(self, image: ImageArray, left: int, top: int, scale: float) -> None:
        self.image = image
        self._corner = np.array([left, top], np.float64)
        self._scale = scale

    def _points(self, quad: ArrayLike, apart: float) -> NDArray[np.int32]:
        points = (np.asarray(quad, np.float64).reshape(-1, 2) - self._corner) * self._scale
        points += apart * np.sign(points - points.mean(0))
        points = np.clip(np.nan_to_num(points), -_FARTHEST, _FARTHEST)
        return np.round(points * (1 << _FRACTION_BITS)).astype(np.int32)

    def outline(self, quad: ArrayLike, color: str, width: int, apart: float = 0.0) -> None:
        """A closed line, ``apart`` pixels outside of the quad."""
        cv2.polylines(self.image, [self._points(quad, apart)], True, _rgb(color), width,
                      cv2.LINE_AA, _FRACTION_BITS)  # fmt: skip


def failure_picture(
    source: Path | bytes,
    truth: Sequence[ArrayLike],
    engines: Sequence[tuple[Style, Sequence[ReadString]]],
) -> str:
    """What engines found, drawn on the picture; empty where it cannot be loaded.

    Labels are green with a white edge; the frames of engines stand a little outside of each other
    with a dark edge, their characters are thin.
    """
    try:
        image = load_image(source)
    except ImageError:
        return ""
    x0, y0, x1, y1 = window(image.shape[1], image.shape[0], truth)
    cut = image[y0:y1, x0:x1]
    scale = min(LONGEST_SIDE / max(cut.shape[:2]), MOST_ENLARGED)
    size = (max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    pen = _Pen(np.ascontiguousarray(cv2.resize(cut, size, interpolation=method)), x0, y0, scale)
    for style, strings in engines:
        for _, _, quad in (c for s in strings for c in s.characters):
            pen.outline(quad, style.color, 1)
    for place in truth:
        pen.outline(place, "#ffffff", 4)
        pen.outline(place, LABEL_COLOR, 2)
    for i, (style, strings) in enumerate(engines):
        for own in (s.quad for s in strings if s.quad is not None):
            pen.outline(own, "#000000", 3, 3.0 * (i + 1))
            pen.outline(own, style.color, 2, 3.0 * (i + 1))
    return data_uri(pen.image)


def marked(truth: str, reading: str) -> tuple[tuple[str, str], ...]:
    """A reading in pieces, by one cheapest alignment with the truth.

    Returns:
        (kind, text) each: "same", "wrong" (another character, or one too many) and "missing",
        whose text stands in the truth only.
    """
    pieces = []
    for op in Levenshtein.opcodes(truth, reading):
        if op.tag == "delete":
            pieces.append(("missing", truth[op.src_start : op.src_end]))
        else:
            kind = "same" if op.tag == "equal" else "wrong"
            pieces.append((kind, reading[op.dest_start : op.dest_end]))
    return tuple(pieces)


def by_label(summary: Summary) -> dict[Key, Answer]:
    """Answers by image and number of the label."""
    seen: Counter[str] = Counter()
    found = {}
    for answer in summary.answers:
        found[answer.item.image, seen[answer.item.image]] = answer
        seen[answer.item.image] += 1
    return found


def choose(failing: Sequence[Sequence[str]], most: int = MOST_FAILURES) -> set[str]:
    """Images by turns of the engines, in an order that has nothing to do with their names."""
    mixed = (sorted(own, key=lambda n: sha256(repr(n).encode()).digest()) for own in failing)
    turns = dict.fromkeys(n for turn in zip_longest(*mixed) for n in turn if n is not None)
    return set(list(turns)[:most])


def _given(answer: Answer | None, summary: Summary) -> Given:
    if answer is None:
        return Given(summary.engine)
    result = result_of(answer, summary, summary.threshold)
    truth, reading = summary.rules.folding.pair(answer.item.truth, answer.item.reading)
    right = result_of(answer, summary, 0.0) is Outcome.CORRECT
    pieces: tuple[tuple[str, str], ...] = ()
    if right:
        pieces = (("same", reading),)
    elif reading:
        pieces = marked(*compared_pair(truth, reading, summary.rules.matching, VERBATIM))
    note = ""
    if answer.record.error:
        note = answer.record.error
    elif not reading:
        texts = [s.text for s in answer.record.strings if s.text]
        more = f" and {len(texts) - STRINGS_SHOWN} more" if len(texts) > STRINGS_SHOWN else ""
        note = "read: " + ", ".join(texts[:STRINGS_SHOWN]) + more if texts else "read nothing"
    lost = lost_stage(answer, summary.rules)
    confidence = answer.item.confidence
    sure = "-" if confidence is None or math.isnan(confidence) else f"{confidence:.3f}"
    return Given(summary.engine, pieces, sure, result.value, lost or "-", note)


def _place(label: Label) -> list[FloatArray]:
    if label.quad is not None:
        return [label.quad]
    if label.characters:
        return [rect_quad(*bounds([c.quad for c in label.characters]))]
    return []


def _failure(
    image: str, keys: Sequence[Key], own: Sequence[tuple[Summary, dict[Key, Answer]]],
    lost: set[Key], source: Path | bytes | None, styles: Mapping[str, Style],
) -> Failure:  # fmt: skip
    labels, places = [], []
    for key in keys:
        if key not in lost:
            continue
        answer = next(answers[key] for _, answers in own if key in answers)
        rows = tuple(_given(answers.get(key), s) for s, answers in own)
        labels.append((answer.item.truth, rows))
        places += _place(answer.label)
    picture = ""
    if source is not None:
        records = [(s.engine, a[k].record) for s, a in own for k in keys[:1] if k in a]
        drawn = [(styles[engine], record.strings) for engine, record in records]
        picture = failure_picture(source, places, drawn)
    return Failure(image, picture, tuple(labels), len(keys) - len(labels))


def gallery(
    own: Sequence[Summary], sources: Sources, styles: Mapping[str, Style]
) -> tuple[tuple[Failure, ...], int]:
    """The images of one dataset on which any engine is not right at its threshold.

    Returns:
        At most ``MOST_FAILURES``, in the order of the run, and how many more there are.
    """
    found = [(s, by_label(s)) for s in own]
    failing: list[list[str]] = []
    lost: set[Key] = set()
    keys: dict[str, list[Key]] = {}
    for summary, answers in found:
        wrong = [k for k, a in answers.items()
                 if result_of(a, summary, summary.threshold) is not Outcome.CORRECT]  # fmt: skip
        failing.append(list(dict.fromkeys(image for image, _ in wrong)))
        lost.update(wrong)
        for key in answers:
            if key not in keys.setdefault(key[0], []):
                keys[key[0]].append(key)
    chosen = choose(failing, MOST_FAILURES)
    shown = tuple(
        _failure(i, keys[i], found, lost, sources.get((own[0].dataset, i)), styles)
        for i in keys
        if i in chosen
    )
    return shown, len({i for i, _ in lost}) - len(shown)
