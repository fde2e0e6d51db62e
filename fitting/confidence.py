"""Fits the confidence of a string: the probability that it is read right.

Both engines read rendered pictures, from clean to damaged print. One logistic regression is fitted
to which strings were right, another one to which were right given the readings of both engines (see
``decoding.confidence``).

    python -m fitting.confidence --fonts FONTS --plain-fonts OTHERS \
        --photos PHOTOS --photo-labels labels.tsv

OTHERS are ordinary fonts that no network has learned from (of the shipped fit: the ``choose``
families of ``benchmarks/clean_print_fonts.tsv``), because the networks are surer of 0 and O in
fonts that they know. Of the photographs (``datasets.photos``), only those held back from training
are read.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from fitting import pictures
from industrial_ocr.datasets.photos import PhotoString, alike, read_strings
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.decoding.confidence import (
    CONFIDENCE_FEATURES,
    CONFIDENCE_WEIGHTS,
    PAIR_FEATURES,
    ConfidenceModel,
    features,
    pair_features,
)
from industrial_ocr.image.load import load_image
from industrial_ocr.reader.reader import Reader
from industrial_ocr.reader.routed import paired, same_text
from industrial_ocr.results.engine import PIPELINES
from industrial_ocr.results.geometry import edge_lengths, expand_quad, inside, warp_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Floats, ImageArray, TextString

SIGNS = {
    **dict.fromkeys(("joint", "sequence", "weakest", "margin", "agreement", *PIPELINES), 1),
    **dict.fromkeys(("inner_marks", "end_marks", "unseen_ends", "rejected", "reject"), -1),
    **dict.fromkeys(("twins", "cases", "twin_doubt", "case_doubt"), -1),
}
"""Sign of each weight: 1 for features in favor of a reading, -1 for features against it."""

Row = tuple[Floats, bool]
"""Features of a reading, and whether it is right."""
Pair = tuple[TextString, TextString, bool, bool]
"""Both engines' readings of one string, and whether each is right."""
Judge = Callable[[TextString], bool | None]
"""Says whether a reading is right; None where that is not known."""
SAME_WIDTH = 1.4
"""A reading and a known string on a photograph are of one place if their widths differ by at most
this factor."""


def is_right(
    string: TextString, printed: Sequence[LabeledString], beyond_ends: float = 0.5
) -> bool:
    """Whether a reading is exactly what is printed in its place, spaces aside.

    The place reaches ``beyond_ends`` heights beyond the ends of the reading; print farther off in
    the same line is another string.
    """
    width, height = edge_lengths(string.quad)
    vertical = string.direction == "vertical"
    more = (0.0, beyond_ends * width) if vertical else (beyond_ends * height, 0.0)
    place = expand_quad(string.quad, *more)
    axis = (string.quad[3 if vertical else 1] - string.quad[0]).astype(np.float64)
    own = [
        (float(center @ axis), symbol) for symbol, center in pictures.printed_within(place, printed)
    ]
    return _says(string, "".join(symbol for _, symbol in sorted(own)))


@dataclass
class Readings:
    """Features of each reading, and whether it is right.

    Attributes:
        rows: of single readings, by the name of their model.
        pairs: both engines' readings of one place, and whether the picture was one string.
    """

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    pairs: list[tuple[Pair, bool]] = field(default_factory=list)

    def add(self, results: Sequence[ReadResult], judge: Judge, one_string: bool) -> None:
        """Adds what the engines, in the order of ``PIPELINES``, read on one picture."""
        for engine, result in zip(PIPELINES, results, strict=True):
            name = f"{engine}-crop" if one_string else engine
            for string in result.strings:
                right = judge(string)
                if right is not None:
                    self.rows[name].append((features(string), right))
        for one, two in paired(results[0].strings, results[1].strings)[0]:
            first, second = judge(one), None if two is None else judge(two)
            if two is not None and first is not None and second is not None:
                self.pairs.append(((one, two, first, second), one_string))

    def extend(self, other: Readings) -> None:
        """Adds what another process read."""
        for name, rows in other.rows.items():
            self.rows[name] += rows
        self.pairs += other.pairs


@cache
def _reader() -> Reader:
    return Reader(threads=1)


def collect(asked: argparse.Namespace, numbers: range) -> Readings:
    """Reads rendered pictures with both engines, and as many photographs."""
    readings = Readings()
    for image, printed, one_string in pictures.asked_pictures(asked, numbers):
        readings.add(_both(image, one_string), partial(is_right, printed=printed), one_string)
    if asked.photos is not None:
        windows = _held_out(asked.photos, asked.photo_labels)
        for path, strings in windows[numbers.start : numbers.stop]:
            pixels = load_image(path)
            readings.add(_both(pixels, False), partial(is_right_there, strings=strings), False)
            for string in strings:
                width, height = edge_lengths(string.quad)
                quad = expand_quad(string.quad, 0.05 * height, 0.05 * height)
                crop = warp_quad(pixels, quad, max(8, round(width)), max(8, round(height)))
                readings.add(_both(crop, True), partial(_says_there, text=string.text), True)
    return readings


def _both(image: ImageArray, one_string: bool) -> list[ReadResult]:
    """The results of both engines, in the order of ``PIPELINES``."""
    reader = _reader()
    if one_string:
        return [reader.recognize([image], engine=engine)[0] for engine in PIPELINES]
    return [reader.read(image, engine=engine) for engine in PIPELINES]


@cache
def _held_out(photos: Path, labels: Path) -> list[tuple[Path, list[PhotoString]]]:
    """Photographs that were not trained on, and the strings that are known on each."""
    strings: dict[str, list[PhotoString]] = defaultdict(list)
    for string in read_strings(labels):
        if string.held_out:
            strings[string.file].append(string)
    return [(photos / "images" / file, own) for file, own in sorted(strings.items())]


def _says(string: TextString, text: str) -> bool:
    return "".join(string.text.split()) == "".join(text.split())


def _says_there(string: TextString, text: str) -> bool | None:
    """Whether a reading says what another reader found in its place on a photograph.

    None if they differ only in characters of one shape: which of them is right is not known.
    """
    return True if _says(string, text) else None if alike(string.text, text) else False


def is_right_there(string: TextString, strings: Sequence[PhotoString]) -> bool | None:
    """Whether a reading says what is known to stand in its place; None where that is not known.

    It is not known of a reading that says the string and more: the other reader often finds only a
    part of a line.
    """
    middle, width = string.quad.mean(0), edge_lengths(string.quad)[0]
    for own in strings:
        ratio = width / edge_lengths(own.quad)[0]
        together = inside(own.quad, middle) and inside(string.quad, own.quad.mean(0))
        if together and 1 / SAME_WIDTH < ratio < SAME_WIDTH:
            right = _says_there(string, own.text)
            longer = "".join(own.text.split()) in "".join(string.text.split())
            return None if longer and not right else right
    return None


def logistic(
    table: Floats,
    right: NDArray[np.bool_],
    signs: Sequence[int] | None = None,
    penalty: float = 1.0,
) -> tuple[Floats, float]:
    """Weights (K,) and bias of a logistic regression with a small quadratic penalty.

    Args:
        table: (N, K) standardized features.
        right: (N,) booleans.
        signs: that each weight may have, 0 for any.
        penalty: of the squared weights, in nats, beside the log loss of all readings.
    """
    limits = {1: (0.0, None), -1: (None, 0.0), 0: (None, None)}
    signs = signs or np.zeros(table.shape[1], int).tolist()
    bounds = [limits[s] for s in (*signs, 0)]
    sign = np.where(right, 1.0, -1.0)

    def loss(theta: Floats) -> tuple[float, Floats]:
        odds = sign * (table @ theta[:-1] + theta[-1])
        wrong = -sign / (1 + np.exp(np.clip(odds, -50, 50)))
        gradient = np.append(table.T @ wrong + 2 * penalty * theta[:-1], wrong.sum())
        value = np.logaddexp(0, -odds).sum() + penalty * float(theta[:-1] @ theta[:-1])
        return float(value), gradient

    found = minimize(loss, np.zeros(table.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[:-1], float(found.x[-1])


def fit(rows: Sequence[Row], names: Sequence[str] = CONFIDENCE_FEATURES) -> ConfidenceModel:
    """The model of readings with these features, by name."""
    table, right = np.stack([r for r, _ in rows]), np.array([good for _, good in rows])
    mean, scale = table.mean(0), np.maximum(table.std(0), 1e-3)
    weights, bias = logistic((table - mean) / scale, right, [SIGNS.get(f, 0) for f in names])
    return ConfidenceModel(mean, scale, weights, bias)


def pair_rows(
    pairs: Sequence[tuple[Pair, bool]], models: Mapping[str, ConfidenceModel]
) -> dict[str, list[Row]]:
    """Features of both engines' readings of a string together, by the names of their models."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for (one, two, one_right, two_right), one_string in pairs:
        end = "-crop" if one_string else ""
        sure = [
            float(models[engine + end].probability(features(s)))
            for engine, s in zip(PIPELINES, (one, two), strict=True)
        ]
        row = pair_features(two, *sure)
        if same_text(one, two):
            rows["same"].append((row, one_right))
        else:
            rows[f"apart-{PIPELINES[0]}"].append((row, one_right))
            rows[f"apart-{PIPELINES[1]}"].append((row, two_right))
    return rows


def print_held_out(name: str, own: Sequence[Row], names: Sequence[str]) -> None:
    """Fits a model to the first half of the readings and prints its results on the other half.

    They are the share of right readings by confidence, and the shares of right and wrong readings
    that pass several thresholds.
    """
    half = len(own) // 2
    sure = fit(own[:half], names).probability(np.stack([row for row, _ in own[half:]]))
    right = np.array([good for _, good in own[half:]])
    print(f"{name}: {len(right)} readings not fitted, {100 * right.mean():.1f} % right")
    edges = (0.0, 0.5, 0.8, 0.9, 0.97, 0.99, 1.01)
    for low, high in pairwise(edges):
        part = (sure >= low) & (sure < high)
        if part.any():
            share = 100 * right[part].mean()
            print(f"  {low:.2f} to {min(high, 1):.2f}: {part.sum()} readings, {share:.1f} % right")
    for least in (0.8, 0.85, 0.9, 0.95, 0.97):
        passed = sure >= least
        good, bad = 100 * (passed & right).mean(), 100 * (passed & ~right).mean()
        print(f"  from {least}: {good:.1f} % pass right, {bad:.2f} % wrong")


def _to_dict(model: ConfidenceModel, names: Sequence[str], readings: int) -> dict[str, Any]:
    """A model as JSON has it."""
    parts = {
        part: dict(zip(names, np.round(getattr(model, part), 5).tolist(), strict=True))
        for part in ("mean", "scale", "weights")
    }
    return parts | {"bias": round(model.bias, 5), "readings": readings}


def main() -> None:
    """Fits and writes the models that reading uses."""
    parser = pictures.arguments(__doc__, 2400, CONFIDENCE_WEIGHTS)
    parser.add_argument("--photos", type=Path, help="folder of photographs")
    parser.add_argument("--photo-labels", type=Path, help="of training.photo_labels")
    asked = parser.parse_args()
    readings = Readings()
    for some in pictures.map_pictures(collect, asked):
        readings.extend(some)
    models, table = {}, {}
    for name, own in sorted(readings.rows.items()):
        print_held_out(name, own, CONFIDENCE_FEATURES)
        models[name] = fit(own)
        table[name] = _to_dict(models[name], CONFIDENCE_FEATURES, len(own))
    for name, own in pair_rows(readings.pairs, models).items():
        print_held_out(name, own, PAIR_FEATURES)
        table[name] = _to_dict(fit(own, PAIR_FEATURES), PAIR_FEATURES, len(own))
    fitted_on = {
        "pictures": asked.pictures,
        "seed": asked.seed,
        "fonts": pictures.font_record(asked.fonts),
        "plain_fonts": pictures.font_record(asked.plain_fonts or asked.fonts),
    }
    content = {"fitted_on": fitted_on, "models": table}
    asked.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
