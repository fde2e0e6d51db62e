"""Rectifies images of one string before they are read: level line, upright letters.

A line photographed from the side is sloped and slanted. The slope is estimated by the vertical
shear after which the image's edges, averaged along each row, have the most energy (Postl 1986,
"Detection of linear oblique structures and skew scan in digitized documents"); the slant likewise
along the columns. The string then fills the full height of the recognizer's strip.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.geometry import edge_lengths, expand_quad, rect_quad, warp_quad
from industrial_ocr.results.types import FloatArray, ImageArray

MEASURED_HEIGHT = 48
"""Height in pixels of the image in which slope and slant are measured."""
MIN_ASPECT = 1.5
"""Least width over height: a narrower image may show one character, and its strokes would be taken
for the slope of a line."""
SLOPES = np.linspace(-0.45, 0.45, 37)
"""Slopes to try, in rows per column."""
SLANTS = np.linspace(-0.6, 0.6, 25)
"""Slants to try, in columns per row."""


@dataclass(frozen=True, eq=False)
class Rectified:
    """A rectified image of one string.

    Attributes:
        image: (H, W, 3) uint8.
        matrix: (3, 3), from its pixels to those of ``source``; None if nothing was changed.
        source: the image before rectification; None if nothing was changed.
    """

    image: ImageArray
    matrix: FloatArray | None = None
    source: ImageArray | None = None

    def place(self, quad: FloatArray) -> FloatArray:
        """Maps a quad (4, 2) to pixels of the image before rectification."""
        if self.matrix is None:
            return quad
        moved = cv2.perspectiveTransform(np.asarray(quad, np.float32)[None], self.matrix)
        return np.asarray(moved[0], np.float32)


def rectified(image: ImageArray) -> Rectified:
    """Makes the line of an image of one string level and its letters upright.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        The rectified image; the image itself if neither slope nor slant is clear.
    """
    quad = string_band(to_gray(image))
    if quad is None:
        return Rectified(image)
    quad = expand_quad(quad, 0.0, 0.05 * edge_lengths(quad)[1])
    width, height = (max(4, round(side)) for side in edge_lengths(quad))
    matrix = cv2.getPerspectiveTransform(rect_quad(0, 0, width, height), quad)
    return Rectified(warp_quad(image, quad, width, height), matrix.astype(np.float32), image)


def string_band(gray: ImageArray, min_aspect: float = MIN_ASPECT) -> FloatArray | None:
    """The quad (4, 2) along the only line of an image; None if neither slope nor slant is clear.

    A slope or slant is clear if it is not too small and raises the energy 1.3 times (a slant of a
    sloping line: 1.15 times).

    Args:
        gray: (H, W) uint8.
        min_aspect: least width over height; a narrower image gives None. So does one of more than
            40 heights, whose line is taken to be level.
    """
    height, width = gray.shape
    if min(height, width) < 4 or not min_aspect * height <= width <= 40 * height:
        return None
    sized = _sized(gray)
    slopes = SLOPES[np.abs(SLOPES) * sized.shape[1] < 1.2 * MEASURED_HEIGHT]
    slope, sharper = _sharpest(cv2.Sobel(sized, cv2.CV_32F, 0, 1), slopes, rows=True)
    sloping = sharper >= 1.3 and abs(slope) * width >= 0.1 * height
    slope = slope if sloping else 0.0
    rise = slope * width
    high = max(0.45 * height, height - 0.9 * abs(rise))
    left, right = (height - rise) / 2, (height + rise) / 2
    quad = np.array(
        [
            [0, left - high / 2],
            [width, right - high / 2],
            [width, right + high / 2],
            [0, left + high / 2],
        ],
        np.float32,
    )
    columns = max(8, round(width * MEASURED_HEIGHT / high))
    band = warp_quad(gray, quad, columns, MEASURED_HEIGHT)
    across = cv2.Sobel(_sized(band), cv2.CV_32F, 1, 0)
    slant, sharper = _sharpest(across, SLANTS, rows=False)
    if sharper >= (1.15 if sloping else 1.3) and abs(slant) >= 0.06:
        step = np.array([1.0, slope]) * slant * high / 2
        return np.asarray(quad + [-step, -step, step, step], np.float32)
    return quad if sloping else None


def _sized(gray: ImageArray) -> FloatArray:
    """(MEASURED_HEIGHT, W) float32 of zero mean and unit contrast, at most 600 wide."""
    width = int(np.clip(round(gray.shape[1] * MEASURED_HEIGHT / gray.shape[0]), 8, 600))
    size = (width, MEASURED_HEIGHT)
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray((small - small.mean()) / (small.std() + 1e-3), np.float32)


def _sharpest(
    edges: NDArray[np.generic], shears: NDArray[np.float64], rows: bool
) -> tuple[float, float]:
    """The shear after which the means of an image's rows (or columns) have the most energy.

    Args:
        edges: (H, W) float32 derivative across the rows (or columns).
        shears: rows per column (or columns per row); 0 is one of them.
        rows: True for rows, False for columns.

    Returns:
        The shear, and its energy relative to that without shear.
    """
    height, width = edges.shape
    energies = []
    for shear in shears:
        matrix = (
            np.array([[1, 0, 0], [shear, 1, -shear * width / 2]], np.float32)
            if rows
            else np.array([[1, shear, -shear * height / 2], [0, 1, 0]], np.float32)
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        sheared = cv2.warpAffine(np.asarray(edges), matrix, (width, height), flags=flags)
        energies.append(float((np.asarray(sheared).mean(axis=int(rows)) ** 2).sum()))
    best = int(np.argmax(energies))
    plain = energies[int(np.abs(shears).argmin())]
    return float(shears[best]), energies[best] / max(plain, 1e-9)
