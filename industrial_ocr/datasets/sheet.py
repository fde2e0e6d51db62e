"""A contact sheet of a labeled dataset."""

from __future__ import annotations

import cv2
import numpy as np

from industrial_ocr.datasets.samples import Dataset, Sample
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import load_image
from industrial_ocr.results import viz
from industrial_ocr.results.types import ImageArray

_BOX_COLOR, _IGNORED_COLOR = (200, 30, 30), (150, 150, 150)
_FONT = (cv2.FONT_HERSHEY_SIMPLEX, 0.4)


def contact_sheet(
    dataset: Dataset, columns: int = 8, limit: int = 64, cell: int = 160
) -> ImageArray:
    """The first ``limit`` images of a dataset with their boxes, and their texts below them.

    Each image is scaled to a square of ``cell`` pixels; one that cannot be decoded is replaced by a
    message.

    Returns:
        (H, W, 3) uint8 RGB, ``columns`` images a row.

    Raises:
        DatasetError: the dataset has no samples.
        ValueError: no column.
    """
    cards = [_card(sample, cell) for sample in dataset.samples[:limit]]
    if not cards:
        raise DatasetError(f"{dataset.root}: the dataset has no samples to show")
    return viz.contact_sheet(cards, min(columns, len(cards)))


def _card(sample: Sample, cell: int) -> ImageArray:
    """One image with its boxes and a line of text below: (cell + 22, cell, 3)."""
    card = np.full((cell + 22, cell, 3), 255, np.uint8)
    try:
        image = load_image(sample.source)
    except (ImageError, ValueError):
        _write(card, "unreadable", cell // 2)
    else:
        small = _with_boxes(image, sample, cell)
        height, width = small.shape[:2]
        top, left = (cell - height) // 2, (cell - width) // 2
        card[top : top + height, left : left + width] = small
    texts = ["(ignored)" if label.ignore else label.text or "(empty)" for label in sample.labels]
    _write(card, " | ".join(texts), cell + 15)
    return card


def _with_boxes(image: ImageArray, sample: Sample, cell: int) -> ImageArray:
    """The image scaled to a longer side of ``cell`` pixels, with all boxes."""
    scale = cell / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    for label in sample.labels:
        quads = [] if label.quad is None else [label.quad]
        quads += [character.quad for character in label.characters]
        for quad in quads:
            # Far corners would overflow OpenCV's fixed-point coordinates.
            points = np.round(np.clip(quad * scale, -cell, 2 * cell)).astype(np.int32)
            cv2.polylines(small, [points], True, _IGNORED_COLOR if label.ignore else _BOX_COLOR)
    return np.asarray(small, np.uint8)


def _write(card: ImageArray, text: str, baseline: int) -> None:
    """Writes a line of text, cut to the width of the card."""
    # OpenCV's font has only ASCII; other characters are shown as escapes.
    line = text.encode("ascii", "backslashreplace").decode()[: card.shape[1]]
    while line and cv2.getTextSize(line, *_FONT, 1)[0][0] > card.shape[1] - 4:
        line = line[:-1]
    cv2.putText(card, line, (2, baseline), *_FONT, (20, 20, 20), 1, cv2.LINE_AA)
