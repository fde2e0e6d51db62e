"""Alternative layouts of the text in an image of one string.

* An almost square image may hold a steep line, or two lines: a motorcycle plate, a lot code above
  its date.
* A rectified image may have been level before: other edges in it had the slope.
* Narrow characters set closely need more columns than their strip has.

The recognizer reads each layout; one with a clearly higher confidence replaces the usual reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.recognition.rectification import MIN_ASPECT, Rectified, string_band
from industrial_ocr.results.geometry import edge_lengths, rect_quad, warp_quad, with_margin
from industrial_ocr.results.types import FloatArray, ImageArray

STEEP_MARGINS, LINE_MARGINS = (0.05, 0.0, -0.06), (0.0, -0.06)
"""Margins of the views of a steep line, and of two lines, in line heights."""
WHOLE_MARGINS = (0.0, -0.06, -0.12)
"""Margins of the views of the image before rectification and of a widened one, in its heights."""
MIN_LINES_CONFIDENCE = 0.6
"""Least confidence of two lines, because even the halves of a single line read as some text."""


@dataclass(frozen=True, eq=False)
class Layout:
    """One possible layout of the text.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        views: for each view, the quads (4, 2) to read one after the other, in image pixels.
        matrix: (3, 3) affine, from image pixels to those of the rectified image; None for the same.
        min_confidence: least confidence that its reading must have.
    """

    image: ImageArray
    views: tuple[list[FloatArray], ...]
    matrix: FloatArray | None = None
    min_confidence: float = 0.0

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
    # A narrower image shows one character or a stack; a wider one has no room for two lines.
    min_aspect, max_aspect = 0.7, 2.6
    if min_aspect * height < width < max_aspect * height:
        gray = to_gray(image)
        band = string_band(gray, min_aspect) if width < MIN_ASPECT * height else None
        if band is not None:
            steep = tuple([with_margin(band, m)] for m in STEEP_MARGINS)
            found.append(Layout(image, steep))
        lines = two_lines(gray, rect_quad(0, 0, width, height) if band is None else band)
        if lines is not None:
            both = tuple([with_margin(line, m) for line in lines] for m in LINE_MARGINS)
            found.append(Layout(image, both, min_confidence=MIN_LINES_CONFIDENCE))
    if crop.source is not None and crop.matrix is not None:
        back = np.linalg.inv(crop.matrix)
        found.append(_whole(crop.source, (back / back[2, 2]).astype(np.float32)))
    if width < 0.42 * height * characters:
        size = (round(width * 1.3), height)
        wide = np.asarray(cv2.resize(image, size), np.uint8)
        found.append(_whole(wide, np.diag([width / size[0], 1.0, 1.0]).astype(np.float32)))
    return found


def _whole(image: ImageArray, matrix: FloatArray) -> Layout:
    """The whole image as one line."""
    quad = rect_quad(0, 0, image.shape[1], image.shape[0])
    return Layout(image, tuple([with_margin(quad, m)] for m in WHOLE_MARGINS), matrix)


def two_lines(gray: ImageArray, quad: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Cuts a quad of an (H, W) uint8 image into the quads (4, 2) of two lines, None for one.

    The cut is the row near the middle with the least ink, at most 0.65 of the fainter line's.
    """
    along, across = edge_lengths(quad)
    height = 96
    width = int(np.clip(height * along / max(across, 1e-6), 16, 400))
    band = warp_quad(gray, quad, width, height)
    edges = np.abs(np.asarray(cv2.Sobel(band, cv2.CV_32F, 1, 0)))
    rows = edges[:, width // 10 : width - width // 20].mean(1, keepdims=True)
    ink = np.asarray(cv2.GaussianBlur(rows, (1, 7), 0))[:, 0]
    first, last = int(0.35 * height), int(0.65 * height)
    cut = first + int(ink[first:last].argmin())
    lines = min(np.percentile(ink[:cut], 75), np.percentile(ink[cut:], 75))
    if ink[cut] > 0.65 * lines or lines <= 0:
        return None
    top_left, top_right, bottom_right, bottom_left = quad
    left = top_left + (bottom_left - top_left) * cut / height
    right = top_right + (bottom_right - top_right) * cut / height
    return (
        np.array([top_left, top_right, right, left], np.float32),
        np.array([left, right, bottom_right, bottom_left], np.float32),
    )
