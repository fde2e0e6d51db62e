"""Found and missed boxes: one-to-one matching by IoU, precision, recall and hmean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.results.geometry import bounds, box_iou

_MOSTLY = 0.5
"""Share of a prediction's box above which an ignored region hides it, as in ICDAR 2015."""


@dataclass(frozen=True)
class DetectionCounts:
    """Boxes of one image, or of many: counts can be added.

    Attributes:
        matched: predictions with a labeled box of their own.
        predicted: all predictions that count.
        truth: all labeled boxes.
    """

    matched: int = 0
    predicted: int = 0
    truth: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.matched <= min(self.predicted, self.truth):
            raise ValueError(f"matched is at most predicted and truth, and not below 0: {self}")

    def __add__(self, other: DetectionCounts) -> DetectionCounts:
        return DetectionCounts(
            self.matched + other.matched,
            self.predicted + other.predicted,
            self.truth + other.truth,
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
        """Harmonic mean of precision and recall, 0 where both are."""
        both = self.predicted + self.truth
        return 2 * self.matched / both if both else 0.0


@dataclass(frozen=True)
class BoxMatches:
    """Which prediction found which label.

    Attributes:
        pairs: (place in ``predicted``, place in ``truth``), highest IoU first.
        counts: of this image.
    """

    pairs: tuple[tuple[int, int], ...]
    counts: DetectionCounts


def match_boxes(
    predicted: Sequence[ArrayLike],
    truth: Sequence[ArrayLike],
    iou: float = 0.5,
    ignored: Sequence[ArrayLike] = (),
) -> BoxMatches:
    """Pairs predictions and labels one to one, highest IoU first.

    The protocol of ICDAR 2015 (Karatzas et al. 2015, challenge 4, task 1), but IoU is that of the
    quads' upright bounds, which is kinder than theirs to boxes that are turned the wrong way.
    Predictions of which more than half lies in one ignored region are dropped before the
    matching, as there: a label inside such a region is not found by them.

    Args:
        predicted: (4, 2) quads, or other polygons (K, 2).
        truth: the labels to be found.
        iou: the least that is a match, above 0.
        ignored: regions where finding something is neither right nor wrong.

    Raises:
        ValueError: an IoU outside (0, 1].
    """
    if not 0 < iou <= 1:
        raise ValueError(f"an IoU is above 0 and at most 1, got {iou}")
    found, labels = _boxes(predicted), _boxes(truth)
    hidden = np.any(_covered(found, _boxes(ignored)) > _MOSTLY, axis=1, keepdims=True)
    overlaps = box_iou(found, labels)
    rows, columns = np.nonzero((overlaps >= iou) & ~hidden)
    # Stable, so that of equal IoUs the first prediction takes the first label.
    order = np.argsort(-overlaps[rows, columns], kind="stable")
    pairs: list[tuple[int, int]] = []
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            pairs.append((row, column))
    counts = DetectionCounts(len(pairs), int(np.count_nonzero(~hidden)), len(labels))
    return BoxMatches(tuple(pairs), counts)


def _boxes(quads: Sequence[ArrayLike]) -> NDArray[np.float32]:
    """(N, 4) x0, y0, x1, y1."""
    return np.array([bounds(q) for q in quads], np.float32).reshape(-1, 4)


def _covered(boxes: NDArray[np.float32], regions: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, M) share of each box that lies in each region, 0 for a box without area."""
    b, r = boxes[:, None].astype(np.float64), regions[None].astype(np.float64)
    sides = np.minimum(b[..., 2:], r[..., 2:]) - np.maximum(b[..., :2], r[..., :2])
    common = np.prod(np.clip(sides, 0, None), axis=-1)
    size = np.prod(b[..., 2:] - b[..., :2], axis=-1)
    share: NDArray[np.float64] = common / np.maximum(size, 1e-9)
    return share
