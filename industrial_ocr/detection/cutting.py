"""Uses two detectors: one finds the strings of an image, the other cuts them into characters.

A detector that was trained on whole words of photographs finds more strings and fewer false ones.
One that was trained on single characters separates them better. Each string of the first detector
is warped to a level picture with characters of ``closer_height``, which the second one looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.detector import Detector
from industrial_ocr.detection.linking import is_steep
from industrial_ocr.detection.multiscale import ToStrings, maps_as_they_are, suppressed
from industrial_ocr.detection.orientation import string_axis
from industrial_ocr.results.geometry import (
    edge_lengths,
    enclosing_quad,
    expand_quad,
    inside,
    oriented_quad,
    rect_quad,
    warp_quad,
)
from industrial_ocr.results.types import BoxString, CharBox, Direction, FloatArray, ImageArray

PART_MARGIN = (4.0, 0.6)
"""Margin of the magnified part, along and across the string, in heights of its characters. It is
long because the first detector may miss the ends of a string, or find it in pieces."""


@dataclass(frozen=True, eq=False)
class _StringPart:
    """A string of the first detector, and the part of the image that the second one looks at.

    Attributes:
        string: the string.
        quad: (4, 2) the string in source pixels, without a margin.
        height: of its characters in source pixels.
        part: (4, 2) the part, along the string.
        size: (width, height) of the part when magnified.
    """

    string: BoxString
    quad: FloatArray
    height: float
    part: FloatArray
    size: tuple[int, int]

    def placed(self, box: CharBox) -> CharBox:
        """A box of the magnified part in source pixels."""
        width, height = self.size
        along = (self.part[1] - self.part[0]) / width
        across = (self.part[3] - self.part[0]) / height
        turn: NDArray[np.float32] = np.stack([along, across], axis=1)
        shape = turn @ box.shape @ turn.T
        center = self.part[0] + turn @ box.center
        wide, high = 2 * np.sqrt(np.diag(shape))
        quad = oriented_quad(center, (1.0, 0.0), float(wide), float(high))
        return CharBox(quad, box.score, shape.astype(np.float32))


def cut_strings(
    images: Sequence[ImageArray],
    found: Sequence[Sequence[BoxString]],
    cutter: Detector,
    config: DetectionConfig,
    to_strings: ToStrings,
) -> list[list[BoxString]]:
    """Strings of one detector with the characters that another one sees in them.

    Args:
        images: (H, W, 3) uint8 RGB each.
        found: strings of each image.
        cutter: the second detector.
        config: ``closer_height`` is the height of the magnified characters.
        to_strings: segmentation and linking, for the second detector.

    Returns:
        The strings; one in which the second detector sees too little keeps its boxes.
    """
    levels = [[_level(string, config.closer_height) for string in own] for own in found]
    crops = [
        warp_quad(image, level.part, *level.size)
        for image, own in zip(images, levels, strict=True)
        for level in own
    ]
    maps = iter(maps_as_they_are(crops, cutter, config))
    results = []
    for own in levels:
        strings: list[BoxString] = []
        for level in own:
            strings = suppressed(strings, _cut(level, to_strings(next(maps))))
        results.append(strings)
    return results


def _level(string: BoxString, height: float) -> _StringPart:
    """The part of the image around a string, along the string.

    It is upright if the string is steep, since that may be a stack, or has fewer than four boxes:
    then it may be a piece of a string, and its slope is not certain.
    """
    quads = [b.quad for b in string.boxes]
    centers = np.array([b.center for b in string.boxes], np.float64)
    steep = string.direction != "horizontal"
    turned = not steep and len(centers) >= 4
    axis = string_axis(centers) if turned else np.array([1.0, 0.0])
    across = np.array([-axis[1], axis[0]], np.float32)
    own = float(np.median([b.extent(across) for b in string.boxes]))
    quad = enclosing_quad(quads, axis)
    along, over = (m * own for m in (PART_MARGIN[::-1] if steep else PART_MARGIN))
    part = expand_quad(quad, along, over)
    wide, high = edge_lengths(part)
    zoom = min(height / max(own, 1.0), 4096 / max(wide, high))
    return _StringPart(
        string, quad, own, part, (max(8, round(wide * zoom)), max(8, round(high * zoom)))
    )


def _cut(level: _StringPart, seen: Sequence[BoxString]) -> list[BoxString]:
    """The strings of the second detector in the place of a string; that string if they are few.

    A string is kept if half of its boxes, or of those of the first detector's string if that has
    fewer, lie in its band: at most 0.15 heights beyond it. Boxes nearer than 0.6 heights to the
    ends of the part are left out, as they may show half a character. Together the strings must
    have half as many boxes as the one they replace.
    """
    width, height = level.size
    steep = level.string.direction != "horizontal"
    unit = level.height * height / max(edge_lengths(level.part)[1], 1.0)
    whole = rect_quad(0, 0, width, height)
    edges = [-m * unit for m in (PART_MARGIN[::-1] if steep else PART_MARGIN)]
    beside = (0.15 * unit, 0.0) if steep else (0.0, 0.15 * unit)
    band = expand_quad(expand_quad(whole, *edges), *beside)
    clear = expand_quad(whole, *((0, -0.6 * unit) if steep else (-0.6 * unit, 0)))
    cut = []
    for string in seen:
        boxes = [i for i, b in enumerate(string.boxes) if inside(clear, b.center)]
        within = sum(inside(band, string.boxes[i].center) for i in boxes)
        if within and within >= 0.5 * min(len(boxes), len(level.string.boxes)):
            own = tuple(level.placed(string.boxes[i]) for i in boxes)
            spaces = tuple(string.space_after[i] for i in boxes[:-1])
            cut.append(BoxString(own, (*spaces, False), _direction(own)))
    enough = sum(len(s.boxes) for s in cut) >= 0.5 * len(level.string.boxes)
    return cut if enough else [level.string]


def _direction(boxes: Sequence[CharBox]) -> Direction:
    """The direction of a string with these boxes, by the rule of ``linking``."""
    axis = string_axis(np.array([b.center for b in boxes], np.float64))
    return "vertical" if is_steep(axis) else "horizontal"
