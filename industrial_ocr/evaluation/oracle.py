"""How good each stage would be if the ones before it were perfect.

With the labeled character boxes given, only the classifier can err; with the labeled boxes of the
strings given, only the CRNN (or, for crops, nothing comes before it). What the whole way reads less
than that is what detection, segmentation and linking lose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from industrial_ocr.datasets.samples import Dataset, Label, Sample
from industrial_ocr.evaluation.items import Rules
from industrial_ocr.evaluation.metrics import Proportion
from industrial_ocr.image.load import load_image
from industrial_ocr.results.geometry import bounds, edge_lengths, warp_quad
from industrial_ocr.results.types import ImageArray

MARGIN = 0.08
"""Labeled boxes of strings touch the letters; the CRNN is trained with a margin, in heights."""


@dataclass(frozen=True)
class OracleResult:
    """What was right with perfect boxes.

    Attributes:
        characters: classified right, of those labeled with a box.
        codes: all characters of a label right.
        strings: read right by the CRNN, of those whose own box is labeled.
    """

    characters: Proportion
    codes: Proportion
    strings: Proportion


def _upright_crop(image: ImageArray, label: Label) -> ImageArray:
    """The labeled box of a string with a margin, cut out."""
    assert label.quad is not None
    x0, y0, x1, y1 = bounds(label.quad)
    margin = MARGIN * min(x1 - x0, y1 - y0)
    quad = label.quad + margin * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    width, height = edge_lengths(quad)
    return warp_quad(image, quad, max(8, round(width)), max(8, round(height)))


def _lies(label: Label) -> bool:
    """Whether the string runs from left to right, as far as its box tells."""
    if label.quad is None:
        return False
    width, height = edge_lengths(label.quad)
    return width >= height or len(label.text) < 2


def run_oracle(
    dataset: Dataset, reader: Any, rules: Rules, images: Iterable[Sample]
) -> OracleResult:
    """Classifies labeled character boxes, reads labeled strings.

    Args:
        dataset: tells the task.
        reader: a ``Reader``.
        rules: how texts are compared.
        images: samples of the dataset, perhaps in a progress bar.

    Returns:
        Counts; of 0 where the dataset has no such boxes. Strings taller than wide are left out:
        upright boxes do not tell whether they are stacked or turned.
    """
    right = {"characters": 0, "codes": 0, "strings": 0}
    total = dict(right)
    for sample in images:
        image = load_image(sample.source)
        for label in sample.labels:
            wanted = rules.fold(label.text)
            if label.ignore or not wanted:
                continue
            known = [c for c in label.characters if rules.fold(c.symbol)]
            if known:
                named = reader.classify_boxes(image, [c.quad for c in known])
                hits = [
                    rules.fold(n[0][0]) == rules.fold(c.symbol)
                    for n, c in zip(named, known, strict=True)
                ]
                right["characters"] += sum(hits)
                total["characters"] += len(hits)
                right["codes"] += all(hits)
                total["codes"] += 1
            crop = image if dataset.task != "read" else None
            if crop is None and _lies(label):
                crop = _upright_crop(image, label)
            if crop is not None and dataset.task != "classify":
                read = reader.recognize([crop], engine="crnn")[0]
                right["strings"] += rules.fold(read.text) == wanted
                total["strings"] += 1
    return OracleResult(*(Proportion(right[k], total[k]) for k in total))
