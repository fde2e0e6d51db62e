"""The gallery of the report: pictures with codes not read right, and the engines' readings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike
from rapidfuzz.distance import Levenshtein

from industrial_ocr.datasets.samples import Label
from industrial_ocr.errors import ImageError
from industrial_ocr.evaluation.error_attribution import attribute_error
from industrial_ocr.evaluation.label_matching import MatchedLabel
from industrial_ocr.evaluation.metrics import ReadOutcome
from industrial_ocr.evaluation.records import ReadString
from industrial_ocr.evaluation.report_figures import Style
from industrial_ocr.evaluation.summary import LabelKey, Summary
from industrial_ocr.image.load import load_image
from industrial_ocr.results.geometry import bounds, rect_quad
from industrial_ocr.results.types import FloatArray
from industrial_ocr.results.viz import data_uri, draw_outline

LONGEST_SIDE = 420
"""Longest side of a picture on the page, in pixels."""
GAP = 8
"""Pixels between a picture as it is and the same one with boxes."""

Sources = Mapping[tuple[str, str], Path | bytes]
"""Sources of images for ``image.load.load_image``, by dataset and image name."""


def window(width: int, height: int, quads: Sequence[ArrayLike]) -> tuple[int, int, int, int]:
    """The part of a picture to show: x0, y0, x1, y1 in pixels, with a margin around the quads.

    The whole picture is shown if it is small, has no quads, or if the quads cover a quarter of it.

    Args:
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        quads: quads, each (4, 2).
    """
    whole = (0, 0, width, height)
    if not quads or max(width, height) <= LONGEST_SIDE:
        return whole
    x0, y0, x1, y1 = bounds(np.concatenate([np.asarray(q, np.float32) for q in quads]))
    if not (x1 - x0) * (y1 - y0) < 0.25 * width * height:
        return whole
    margin = max(0.35 * max(x1 - x0, y1 - y0), 40.0)
    left, top = max(0, math.floor(x0 - margin)), max(0, math.floor(y0 - margin))
    right, bottom = min(width, math.ceil(x1 + margin)), min(height, math.ceil(y1 + margin))
    return (left, top, right, bottom) if left < right and top < bottom else whole


def failure_picture(
    source: Path | bytes,
    truth: Sequence[ArrayLike],
    engines: Sequence[tuple[Style, Sequence[ReadString]]],
) -> str:
    """The picture as it is, and again with labels and readings drawn; empty if it cannot be loaded.

    It shows the surroundings of the labels, or of the readings if no label has a place. Labels are
    green with a white edge. Strings of engines have frames with a dark edge, a little outside of
    each other; their characters have thin frames.
    """
    try:
        image = load_image(source)
    except ImageError:
        return ""
    read = [s.quad for s in chain.from_iterable(own for _, own in engines) if s.quad is not None]
    x0, y0, x1, y1 = window(image.shape[1], image.shape[0], truth or read)
    cut = image[y0:y1, x0:x1]
    scale = min(LONGEST_SIDE / max(cut.shape[:2]), 6.0)
    size = (max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    plain = np.ascontiguousarray(cv2.resize(cut, size, interpolation=method), np.uint8)
    image = plain.copy()

    def outline(quad: ArrayLike, color: str, width: int, apart: float = 0.0) -> None:
        """Draws a line in the color ``#rrggbb`` ``apart`` pixels outside a quad of the source."""
        points = (np.asarray(quad, np.float64).reshape(-1, 2) - (x0, y0)) * scale
        points += apart * np.sign(points - points.mean(0))
        points = np.clip(np.nan_to_num(points), -10_000, 10_000)  # for OpenCV's short integers
        red, green, blue = bytes.fromhex(color[1:])
        draw_outline(image, points, (red, green, blue), width)

    for style, strings in engines:
        for _, _, quad in chain.from_iterable(string.characters for string in strings):
            outline(quad, style.color, 1)
    for place in truth:
        outline(place, "#ffffff", 4)
        outline(place, "#00aa44", 2)
    for i, (style, strings) in enumerate(engines):
        for own in (s.quad for s in strings if s.quad is not None):
            outline(own, "#000000", 3, 3.0 * (i + 1))
            outline(own, style.color, 2, 3.0 * (i + 1))
    beside = int(2 * plain.shape[0] > plain.shape[1])  # a flat picture stands above its copy
    shape = (plain.shape[0], GAP, 3) if beside else (GAP, plain.shape[1], 3)
    return data_uri(np.concatenate([plain, np.full(shape, 255, np.uint8), image], axis=beside))


def marked(truth: str, reading: str) -> tuple[tuple[str, str], ...]:
    """Divides a reading into pieces by its alignment with the truth.

    Returns:
        (kind, text) of each piece. The kind is "same", "wrong" (another or an additional character)
        or "missing", whose text is only in the truth.
    """
    pieces = []
    for op in Levenshtein.opcodes(truth, reading):
        if op.tag == "delete":
            pieces.append(("missing", truth[op.src_start : op.src_end]))
        else:
            kind = "same" if op.tag == "equal" else "wrong"
            pieces.append((kind, reading[op.dest_start : op.dest_end]))
    return tuple(pieces)


def choose(failing: Sequence[Sequence[str]], most: int) -> set[str]:
    """Chooses images of the engines in turn, in an order that does not depend on their names."""
    mixed = [sorted(own, key=lambda n: sha256(repr(n).encode()).digest()) for own in failing]
    turns: dict[str, None] = {}
    for turn in zip_longest(*mixed):
        turns |= dict.fromkeys(n for n in turn if n is not None)
    return set(list(turns)[:most])


def _note(label: MatchedLabel, reading: str, most: int = 6) -> str:
    """The reason for a missing reading, with up to ``most`` strings that were read instead."""
    if label.record.error or reading:
        return label.record.error
    texts = [s.text for s in label.record.strings if s.text]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return "read: " + ", ".join(texts[:most]) + more if texts else "read nothing"


def _answer(label: MatchedLabel | None, summary: Summary) -> dict[str, Any]:
    """A row of the template: the answer of one engine for a label; None if it was not run."""
    if label is None:
        empty = {"confidence": "-", "outcome": "not run", "lost": "-", "note": ""}
        return {"engine": summary.engine, "pieces": (), **empty}
    rules, confidence = summary.rules, label.prediction.confidence
    truth, reading = rules.comparison.pair(label.prediction.truth, label.prediction.reading)
    pieces: tuple[tuple[str, str], ...] = ()
    if label.outcome(rules) is ReadOutcome.CORRECT:
        pieces = (("same", reading),)
    elif reading:
        nearest = rules.comparison.nearest_pair(label.prediction.truth, label.prediction.reading)
        pieces = marked(*nearest)
    return {
        "engine": summary.engine,
        "pieces": pieces,
        "confidence": "-" if confidence is None else f"{confidence:.3f}",
        "outcome": label.outcome(rules, summary.threshold).value,
        "lost": attribute_error(label, rules) or "-",
        "note": _note(label, reading),
    }


def _place(label: Label) -> list[FloatArray]:
    if label.quad is not None:
        return [label.quad]
    if label.characters:
        return [rect_quad(*bounds([c.quad for c in label.characters]))]
    return []


LabelsOfEngine = tuple[Summary, dict[LabelKey, MatchedLabel]]


def _failure(
    image: str,
    keys: Sequence[LabelKey],
    engines: Sequence[LabelsOfEngine],
    lost: set[LabelKey],
    source: Path | bytes | None,
    styles: Mapping[str, Style],
) -> dict[str, Any]:
    """An image of the template: each label that any engine lost, with the answers of all."""
    labels, places = [], []
    for key in keys:
        if key in lost:
            known = next(own[key] for _, own in engines if key in own)
            rows = [_answer(own.get(key), summary) for summary, own in engines]
            labels.append((known.prediction.truth, rows))
            places += _place(known.label)
    picture = ""
    if source is not None:
        drawn = [
            (styles[summary.engine], own[keys[0]].record.strings)
            for summary, own in engines
            if keys[0] in own
        ]
        picture = failure_picture(source, places, drawn)
    return {
        "image": image,
        "picture": picture,
        "labels": labels,
        "others": len(keys) - len(labels),  # labels that all engines read right
    }


def gallery(
    own: Sequence[Summary], sources: Sources, styles: Mapping[str, Style], most: int = 60
) -> tuple[list[dict[str, Any]], int]:
    """The images of one dataset on which any engine is not right at its threshold.

    Returns:
        At most ``most`` images in the order of the run, and the number of further ones.
    """
    engines = [(s, s.by_label()) for s in own]
    failing: list[list[str]] = []
    lost: set[LabelKey] = set()
    keys: dict[str, list[LabelKey]] = {}
    for summary, labels in engines:
        wrong = []
        for key, label in labels.items():
            if label.outcome(summary.rules, summary.threshold) is not ReadOutcome.CORRECT:
                wrong.append(key)
            if key not in keys.setdefault(key[0], []):
                keys[key[0]].append(key)
        failing.append(list(dict.fromkeys(image for image, _ in wrong)))
        lost.update(wrong)
    chosen = choose(failing, most)
    shown = [
        _failure(i, keys[i], engines, lost, sources.get((own[0].dataset, i)), styles)
        for i in keys
        if i in chosen
    ]
    return shown, len({i for i, _ in lost}) - len(shown)
