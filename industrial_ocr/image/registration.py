"""Registers pictures of one part to each other: a shift and a small rotation."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.types import FloatArray, ImageArray


def register(
    reference: ImageArray, others: Sequence[ImageArray], text: FloatArray, height: float
) -> list[NDArray[np.float64] | None]:
    """Finds the text of one picture in others.

    The search of Evangelidis and Psarakis 2008 (ECC) starts at the shift with the highest
    correlation. The shift is at most a quarter of the longer side of the text, or two heights of
    its characters if that is more. Characters higher than 16 pixels are first reduced to 16.

    Args:
        reference: (H, W, 3) uint8 RGB.
        others: of any size.
        text: (N, 2) pixels of the reference around the text.
        height: of its characters in pixels.

    Returns:
        For each other picture, the (2, 3) matrix from pixels of the reference to its own; None if
        the correlation of their strokes stays below 0.5: the text is not there.
    """
    low = np.maximum(np.floor(text.min(0) - height / 2), 0).astype(int)
    high = np.ceil(text.max(0) + height / 2).astype(int)
    scale = min(1.0, 16 / height)
    pattern = _strokes(reference[low[1] : high[1], low[0] : high[0]], height, scale)
    reach = int(max(0.25 * max(pattern.shape), 2 * height * scale))
    size = (pattern.shape[1] + 2 * reach, pattern.shape[0] + 2 * reach)
    start = np.column_stack([np.eye(2), scale * low - reach])
    matrices: list[NDArray[np.float64] | None] = []
    for other in others:
        near = cv2.warpAffine(
            _strokes(other, height, scale),
            start,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        matrix = _found(pattern, np.asarray(near, np.float32))
        if matrix is not None:
            matrix[:, 2] = (matrix[:, 2] - reach) / scale + low - matrix[:, :2] @ low
        matrices.append(matrix)
    return matrices


def _strokes(image: ImageArray, height: float, scale: float) -> FloatArray:
    """(h, w) float32, scaled: details as fine as strokes, without slow changes such as glare."""
    gray = to_gray(image).astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(gray, (0, 0), max(k * height, 0.8)) for k in (0.12, 0.6))
    return np.asarray(
        cv2.resize(fine - coarse, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
        np.float32,
    )


def _found(pattern: FloatArray, near: FloatArray) -> NDArray[np.float64] | None:
    """The (2, 3) matrix from pixels of a pattern to those of a larger picture, None if missing."""
    _, best, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(near, pattern, cv2.TM_CCOEFF_NORMED))
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    mask = np.full(near.shape, 255, np.uint8)
    found = shift
    with contextlib.suppress(cv2.error):  # without convergence, the shift alone is taken
        correlation, matrix = cv2.findTransformECC(
            pattern, near, shift.copy(), cv2.MOTION_EUCLIDEAN, stop, mask, 1
        )
        if correlation > best:
            best, found = correlation, np.asarray(matrix, np.float32)
    return found.astype(np.float64) if best >= 0.5 else None
