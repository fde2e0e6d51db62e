"""Found and missed boxes: one-to-one matching by IoU, precision, recall and hmean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.results.geometry import bounds, box_iou


@dataclass(frozen=True)
class DetectionCounts:
    """Boxes of one image, or of many: counts can be added.

    ``matched`` counts the predictions with a labeled box of their own.
    """

    matched: int = 0
    predicted: int = 0
    truth: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.matched <= min(self.predicted, self.truth):
            raise ValueError(f"matched is at most predicted and truth, and not below 0: {self}")

    def __add__(self, other: DetectionCounts) -> DetectionCounts:
        return DetectionCounts(
            self.matched + other.matched, self.predicted + other.predicted, self.truth + other.truth
        )

    @property
    def precision(self) -> float:
        """Matched over predicted, 0 for no predictions."""
        return self.matched / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Matched over labeled, 0 for no labels."""
        return self.matched / self.truth if self.truth else 0.0

    @property
    def hmean(self) -> float:
        """Harmonic mean of precision and recall; 0 if both are 0."""
        both = self.predicted + self.truth
        return 2 * self.matched / both if both else 0.0


def match_boxes(
    predicted: Sequence[ArrayLike],
    truth: Sequence[ArrayLike],
    iou: float = 0.5,
    ignored: Sequence[ArrayLike] = (),
) -> DetectionCounts:
    """Pairs predictions and labels one to one, highest IoU first, and counts the pairs.

    The protocol is that of ICDAR 2015 (Karatzas et al. 2015, challenge 4, task 1), but the IoU is
    that of the quads' upright bounds, which tolerates wrongly turned boxes. As in ICDAR, a
    prediction with more than half of its area in an ignored region is dropped before the matching.

    Args:
        predicted: (4, 2) quads, or other polygons (K, 2).
        truth: quads of the labels.
        iou: smallest IoU of a match, above 0.
        ignored: regions in which predictions are neither right nor wrong.
    """
    found, labels, regions = _bounds(predicted), _bounds(truth), _bounds(ignored)
    hidden = (_covered(found, regions) > 0.5).any(axis=1)
    overlaps = box_iou(found[~hidden], labels)
    rows, columns = np.nonzero(overlaps >= iou)
    # The sort is stable: with equal IoUs the first prediction takes the first label.
    order = np.argsort(-overlaps[rows, columns], kind="stable")
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
    return DetectionCounts(len(used_rows), len(overlaps), len(labels))


def _bounds(quads: Sequence[ArrayLike]) -> NDArray[np.float32]:
    """(N, 4) upright boxes around quads, as x0, y0, x1, y1."""
    return np.array([bounds(q) for q in quads], np.float32).reshape(-1, 4)


def _covered(boxes: NDArray[np.float32], regions: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, M) share of each box that lies in each region, 0 for a box without area."""
    b, r = boxes[:, None].astype(np.float64), regions[None].astype(np.float64)
    sides = np.minimum(b[..., 2:], r[..., 2:]) - np.maximum(b[..., :2], r[..., :2])
    common = np.prod(np.clip(sides, 0, None), axis=-1)
    size = np.prod(b[..., 2:] - b[..., :2], axis=-1)
    share: NDArray[np.float64] = common / np.maximum(size, 1e-9)
    return share
