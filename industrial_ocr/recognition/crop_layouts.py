"""Other ways in which the text of an image of one string may lie.

* An image nearly as high as it is wide holds a line that runs steeply through it, or two lines: the
  plate of a motorcycle, a lot code over its date.
* What was made level may have been level before: its edges were those of something else.
* Narrow characters set closely need more columns than 32 rows give them.

Which of them, is for the recognizer to say: it reads each, and a layout that reads clearly more
surely is believed.
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
"""Widths in heights of the image: what is narrower is one character, or a stack."""
WIDEST = 2.6
"""What is wider has no two lines that could be read."""
STEEP_MARGINS, LINE_MARGINS = (0.05, 0.0, -0.06), (0.0, -0.06)
"""Of the views of a steep line, and of two lines, in their heights."""
MIDDLE = (0.35, 0.65)
"""Two lines part there, in heights of both."""
GAP = 0.65
"""How much ink, of that of either line, may stand where they part."""
AS_IT_IS_MARGINS = (0.0, -0.06, -0.12)
"""Of the views of the image before it was made level, and of one made wider, in its heights."""
NARROW = 0.42
"""Columns a character, in heights of the image, below which it is made wider."""
WIDER = 1.3
LEAST_LINES = 0.6
"""How sure the reading of two lines must be: halves of one line read as something, too."""
HEIGHT, LONGEST = 96, 400
"""Pixels, of the picture in which lines are parted."""


@dataclass(frozen=True, eq=False)
class Layout:
    """One way in which the text may lie.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        views: per view the quads (4, 2) that are read in a row, in its pixels.
        matrix: (3, 3), affine: its pixels to those of the level image; None for that itself.
        least: confidence that its reading must have.
    """

    image: ImageArray
    views: tuple[list[FloatArray], ...]
    matrix: FloatArray | None = None
    least: float = 0.0

    @property
    def same_line(self) -> bool:
        """Whether it is the line of the level image seen otherwise, not another one."""
        return self.matrix is not None

    def place(self, quad: FloatArray) -> FloatArray:
        """A quad (4, 2) of its image, in pixels of the level image."""
        if self.matrix is None:
            return quad
        return np.asarray(quad @ self.matrix[:2, :2].T + self.matrix[:2, 2], np.float32)


def crop_layouts(crop: Rectified, characters: int) -> list[Layout]:
    """The other layouts of an image of one string.

    Args:
        crop: the image, made level.
        characters: how many were read of it.
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
            found.append(Layout(image, both, least=LEAST_LINES))
    if crop.source is not None and crop.matrix is not None:
        back = np.linalg.inv(crop.matrix)
        found.append(_whole(crop.source, (back / back[2, 2]).astype(np.float32)))
    if width < NARROW * height * characters:
        size = (round(width * WIDER), height)
        wide = np.asarray(cv2.resize(image, size), np.uint8)
        found.append(_whole(wide, np.diag([width / size[0], 1.0, 1.0]).astype(np.float32)))
    return found


def _whole(image: ImageArray, matrix: FloatArray) -> Layout:
    """All of an image as one line."""
    quad = rect_quad(0, 0, image.shape[1], image.shape[0])
    return Layout(image, tuple([with_margin(quad, m)] for m in AS_IT_IS_MARGINS), matrix)


def two_lines(gray: ImageArray, quad: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """The quads (4, 2) of the two lines into which a quad of a (H, W) uint8 image falls, if any."""
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
