"""Alternative layouts of the text in an image of one string.

* An almost square image may hold a steep line, or two lines: a motorcycle plate, a lot code above
  its date.
* A rectified image may have been level before: the slope was that of other edges in it.
* Narrow characters set closely need more columns than their strip has.

The recognizer reads each layout; one with a clearly higher confidence replaces the usual reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.recognition.rectification import SHORTEST, Rectified, string_band
from industrial_ocr.results.geometry import edge_lengths, rect_quad, warp_quad, with_margin
from industrial_ocr.results.types import FloatArray, ImageArray

NARROWEST = 0.7
"""Least width over height: a narrower image shows one character or a stack."""
WIDEST = 2.6
"""Largest width over height: a wider image has no two readable lines."""
STEEP_MARGINS, LINE_MARGINS = (0.05, 0.0, -0.06), (0.0, -0.06)
"""Margins of the views of a steep line, and of two lines, in line heights."""
MIDDLE = (0.35, 0.65)
"""Two lines are cut apart between these shares of the height."""
GAP = 0.65
"""Most ink in the row of the cut, as a share of the ink of the fainter line."""
WHOLE_MARGINS = (0.0, -0.06, -0.12)
"""Margins of the views of the image before rectification and of a widened one, in its heights."""
NARROW = 0.42
"""An image is widened if its width per character is below this share of its height."""
WIDER = 1.3
MIN_LINES_CONFIDENCE = 0.6
"""Least confidence of two lines: the halves of one line also read as something."""
HEIGHT, LONGEST = 96, 400
"""Height and largest width in pixels of the image in which two lines are cut apart."""


@dataclass(frozen=True, eq=False)
class Layout:
    """One possible layout of the text.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        views: for each view, the quads (4, 2) to read one after the other, in image pixels.
        matrix: (3, 3) affine, from image pixels to those of the rectified image; None for the same.
        least: least confidence that its reading must have.
    """

    image: ImageArray
    views: tuple[list[FloatArray], ...]
    matrix: FloatArray | None = None
    least: float = 0.0

    @property
    def same_line(self) -> bool:
        """Whether it is another view of the whole line, not a steep line or two lines."""
        return self.matrix is not None

    def place(self, quad: FloatArray) -> FloatArray:
        """Maps a quad (4, 2) of its image to pixels of the rectified image."""
        if self.matrix is None:
            return quad
        return np.asarray(quad @ self.matrix[:2, :2].T + self.matrix[:2, 2], np.float32)


def crop_layouts(crop: Rectified, characters: int) -> list[Layout]:
    """The alternative layouts of an image of one string.

    Args:
        crop: the rectified image.
        characters: number of characters of its usual reading.
    """
    image = crop.image
    height, width = image.shape[:2]
    if min(height, width) < 8:
        return []
    found = []
    if NARROWEST * height < width < WIDEST * height:
        gray = to_gray(image)
        band = string_band(gray, NARROWEST) if width < SHORTEST * height else None
        if band is not None:
            steep = tuple([with_margin(band, m)] for m in STEEP_MARGINS)
            found.append(Layout(image, steep))
        lines = two_lines(gray, rect_quad(0, 0, width, height) if band is None else band)
        if lines is not None:
            both = tuple([with_margin(line, m) for line in lines] for m in LINE_MARGINS)
            found.append(Layout(image, both, least=MIN_LINES_CONFIDENCE))
    if crop.source is not None and crop.matrix is not None:
        back = np.linalg.inv(crop.matrix)
        found.append(_whole(crop.source, (back / back[2, 2]).astype(np.float32)))
    if width < NARROW * height * characters:
        size = (round(width * WIDER), height)
        wide = np.asarray(cv2.resize(image, size), np.uint8)
        found.append(_whole(wide, np.diag([width / size[0], 1.0, 1.0]).astype(np.float32)))
    return found


def _whole(image: ImageArray, matrix: FloatArray) -> Layout:
    """The whole image as one line."""
    quad = rect_quad(0, 0, image.shape[1], image.shape[0])
    return Layout(image, tuple([with_margin(quad, m)] for m in WHOLE_MARGINS), matrix)


def two_lines(gray: ImageArray, quad: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Cuts a quad of an (H, W) uint8 image into the quads (4, 2) of two lines, None for one."""
    along, across = edge_lengths(quad)
    width = int(np.clip(HEIGHT * along / max(across, 1e-6), 16, LONGEST))
    band = warp_quad(gray, quad, width, HEIGHT)
    edges = np.abs(np.asarray(cv2.Sobel(band, cv2.CV_32F, 1, 0)))
    rows = edges[:, width // 10 : width - width // 20].mean(1, keepdims=True)
    ink = np.asarray(cv2.GaussianBlur(rows, (1, 7), 0))[:, 0]
    first, last = (int(m * HEIGHT) for m in MIDDLE)
    cut = first + int(ink[first:last].argmin())
    lines = min(np.percentile(ink[:cut], 75), np.percentile(ink[cut:], 75))
    if ink[cut] > GAP * lines or lines <= 0:
        return None
    top_left, top_right, bottom_right, bottom_left = quad
    left = top_left + (bottom_left - top_left) * cut / HEIGHT
    right = top_right + (bottom_right - top_right) * cut / HEIGHT
    return (
        np.array([top_left, top_right, right, left], np.float32),
        np.array([left, right, bottom_right, bottom_left], np.float32),
    )
