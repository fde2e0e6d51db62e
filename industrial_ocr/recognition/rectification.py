"""Images of one string made level and upright before they are read.

A line photographed from the side runs up or down through its image, and leans. The slope is that
by which the rows of the image differ most, its edges gathered along them (Postl 1986, "Detection
of linear oblique structures and skew scan in digitized documents"); the slant likewise by its
columns. A network that reads strips of 32 rows then has all of them for the string.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.geometry import edge_lengths, expand_quad, rect_quad, warp_quad
from industrial_ocr.results.types import FloatArray, ImageArray

HEIGHT = 48
"""Rows on which slope and slant are measured."""
LONGEST = 600
"""Columns of it at most."""
SLOPES = np.linspace(-0.45, 0.45, 37)
"""Rows a column."""
SLANTS = np.linspace(-0.6, 0.6, 25)
"""Columns a row."""
SLOPED = 1.3
"""How much sharper the rows must become for a slope to be believed."""
SLANTED, LEANING = 1.3, 1.15
"""Likewise the columns of a slant, where the line is level and where it is not."""
LEAST_RISE, LEAST_SLANT = 0.1, 0.06
"""What is less, in heights of the image from end to end, or columns a row, is left as it is."""
TIGHT = 0.9
"""How much of what a sloping line rises its band is lower than the image."""
LOWEST = 0.45
"""Height of the band at least, in heights of the image."""
SHORTEST = 1.5
"""Heights of the image: what is shorter than so many may be one character, whose own strokes would
be taken for the line's."""
MARGIN = 0.05
"""Kept around the band, in its heights."""


@dataclass(frozen=True, eq=False)
class Rectified:
    """An image of one string, level.

    Attributes:
        image: (H, W, 3) uint8.
        matrix: (3, 3), its pixels to those of the image it was made of; None for the same image.
        source: the image it was made of; None for the same image.
    """

    image: ImageArray
    matrix: FloatArray | None = None
    source: ImageArray | None = None

    def place(self, quad: FloatArray) -> FloatArray:
        """A quad (4, 2) of it, in pixels of the image it was made of."""
        if self.matrix is None:
            return quad
        moved = cv2.perspectiveTransform(np.asarray(quad, np.float32)[None], self.matrix)
        return np.asarray(moved[0], np.float32)


def rectified(image: ImageArray) -> Rectified:
    """An image that is one string, left to right, with its line level and its letters upright.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        The image itself where neither slope nor slant is plain to see.
    """
    quad = string_band(to_gray(image))
    if quad is None:
        return Rectified(image)
    quad = expand_quad(quad, 0.0, MARGIN * edge_lengths(quad)[1])
    width, height = (max(4, round(side)) for side in edge_lengths(quad))
    matrix = cv2.getPerspectiveTransform(rect_quad(0, 0, width, height), quad)
    return Rectified(warp_quad(image, quad, width, height), matrix.astype(np.float32), image)


def string_band(gray: ImageArray, shortest: float = SHORTEST) -> FloatArray | None:
    """The quad (4, 2) along the only line of an image; None where that is all of it.

    Args:
        gray: (H, W) uint8.
        shortest: least width, in its heights, of an image that is looked at.
    """
    height, width = gray.shape
    if min(height, width) < 4 or width < shortest * height:
        return None
    sized = _sized(gray)
    slopes = SLOPES[np.abs(SLOPES) * sized.shape[1] < 1.2 * HEIGHT]
    slope, sharper = _sharpest(cv2.Sobel(sized, cv2.CV_32F, 0, 1), slopes, rows=True)
    sloping = sharper >= SLOPED and abs(slope) * width >= LEAST_RISE * height
    slope = slope if sloping else 0.0
    rise = slope * width
    high = max(LOWEST * height, height - TIGHT * abs(rise))
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
    band = warp_quad(gray, quad, max(8, round(width * HEIGHT / high)), HEIGHT)
    across = cv2.Sobel(_sized(band), cv2.CV_32F, 1, 0)
    slant, sharper = _sharpest(across, SLANTS, rows=False)
    if sharper >= (LEANING if sloping else SLANTED) and abs(slant) >= LEAST_SLANT:
        step = np.array([1.0, slope]) * slant * high / 2
        return np.asarray(quad + [-step, -step, step, step], np.float32)
    return quad if sloping else None


def _sized(gray: ImageArray) -> FloatArray:
    """(HEIGHT, W) float32 of zero mean and unit contrast."""
    width = int(np.clip(round(gray.shape[1] * HEIGHT / gray.shape[0]), 8, LONGEST))
    small = cv2.resize(gray, (width, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray((small - small.mean()) / (small.std() + 1e-3), np.float32)


def _sharpest(
    edges: NDArray[np.generic], shears: NDArray[np.float64], rows: bool
) -> tuple[float, float]:
    """The shear after which an image's rows, or columns, have the most energy; and how much more.

    Args:
        edges: (H, W) float32 derivative across the rows, or the columns.
        shears: rows a column, or columns a row; 0 is one of them.
        rows: whether rows are meant.

    Returns:
        The shear, and its energy over that without any.
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
