"""Other ways in which the text of an image of one string may lie, where it is short for its height.

An image nearly as high as it is wide holds a line that runs steeply through it, or two lines: the
plate of a motorcycle, a lot code over its date. Which of them, is for the recogniser to say: it
reads each, and the layout that reads more surely is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from industrial_ocr.geometry import edge_lengths, rect_quad, warp_quad, with_margin
from industrial_ocr.preprocess import to_grey
from industrial_ocr.stages.rectification import SHORTEST, string_band
from industrial_ocr.types import FloatArray, ImageArray

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
LEAST_LINES = 0.6
"""How sure the reading of two lines must be: halves of one line read as something, too."""
HEIGHT, LONGEST = 96, 400
"""Pixels, of the picture in which lines are parted."""


@dataclass(frozen=True, eq=False)
class Layout:
    """One way in which the text may lie.

    Attributes:
        views: per view the quads (4, 2) that are read in a row, in pixels of the image.
        least: confidence that its reading must have.
    """

    views: tuple[list[FloatArray], ...]
    least: float = 0.0


def crop_layouts(image: ImageArray) -> list[Layout]:
    """The other layouts of an image of one string that is level already, if it is wide enough.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    if min(height, width) < 8 or not NARROWEST * height < width < WIDEST * height:
        return []
    grey = to_grey(image)
    band = string_band(grey, NARROWEST) if width < SHORTEST * height else None
    found = []
    if band is not None:
        steep = tuple([with_margin(band, m)] for m in STEEP_MARGINS)
        found.append(Layout(steep))
    lines = two_lines(grey, rect_quad(0, 0, width, height) if band is None else band)
    if lines is not None:
        both = tuple([with_margin(line, m) for line in lines] for m in LINE_MARGINS)
        found.append(Layout(both, LEAST_LINES))
    return found


def two_lines(grey: ImageArray, quad: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """The quads (4, 2) of the two lines into which a quad of a (H, W) uint8 image falls, if any."""
    along, across = edge_lengths(quad)
    width = int(np.clip(HEIGHT * along / max(across, 1e-6), 16, LONGEST))
    band = warp_quad(grey, quad, width, HEIGHT)
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
