"""Measures each stage as if the stages before it were perfect.

The classifier gets the labeled boxes of the characters, the CRNN those of the strings. The
difference to the whole pipeline is lost by detection, segmentation or linking.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from industrial_ocr.datasets.samples import Dataset, Label, Task
from industrial_ocr.evaluation.label_matching import Rules
from industrial_ocr.evaluation.metrics import Proportion
from industrial_ocr.image.load import load_image
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import bounds, edge_lengths, quad_crop
from industrial_ocr.results.types import FloatArray, ImageArray


def _string_crop(image: ImageArray, quad: FloatArray) -> ImageArray:
    """The crop of a string's labeled box with a margin of 8 % of its height.

    Labeled boxes touch the letters, and the CRNN is trained on crops with a margin.
    """
    x0, y0, x1, y1 = bounds(quad)
    outwards = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    return quad_crop(image, quad + 0.08 * min(x1 - x0, y1 - y0) * outwards)


def _crop_of(image: ImageArray, label: Label, task: Task) -> ImageArray | None:
    """The crop of a label's string; None if its box does not tell the direction of the string.

    An upright box that is taller than wide may have stacked or turned characters.
    """
    if task != "read":
        return image
    if label.quad is None:
        return None
    width, height = edge_lengths(label.quad)
    horizontal = width >= height or len(label.text) < 2
    return _string_crop(image, label.quad) if horizontal else None


def run_oracle(dataset: Dataset, reader: Any, rules: Rules) -> dict[str, Proportion]:
    """Classifies labeled character boxes and reads labeled strings.

    Args:
        dataset: the dataset; its task decides what is measured.
        reader: a ``Reader``.
        rules: how texts are compared.

    Returns:
        The shares that are right, by a description; with a total of 0 if there are no such boxes.
    """
    characters: list[bool] = []
    codes: list[bool] = []
    strings: list[bool] = []
    for sample in dataset.samples:
        image = load_image(sample.source)
        for label in sample.labels:
            truth = rules.normalize(label.text)
            if label.ignore or not truth:
                continue
            boxes = [c for c in label.characters if rules.normalize(c.symbol)]
            if boxes:
                named = reader.classify_boxes(image, [c.quad for c in boxes])
                right = [
                    rules.normalize(candidates.symbols[0]) == rules.normalize(box.symbol)
                    for candidates, box in zip(named, boxes, strict=True)
                ]
                characters += right
                codes.append(all(right))
            crop = _crop_of(image, label, dataset.task)
            if crop is not None and dataset.task != "classify":
                read = reader.recognize([crop], engine=Engine.CRNN)[0]
                strings.append(rules.normalize(read.text) == truth)
    hits = {
        "characters classified in labeled boxes": characters,
        "codes of such characters": codes,
        "labeled strings read by crnn": strings,
    }
    return {what: Proportion(sum(right), len(right)) for what, right in hits.items()}
