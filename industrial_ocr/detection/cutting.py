"""Two detectors: one finds the strings of an image, the other cuts them into characters.

A detector that was trained on whole words of photographs finds more strings and fewer false ones;
one that was trained on single characters knows better where one ends and the next begins. Each
string of the first is warped level, with characters of ``closer_height``, and given to the second.
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

MARGIN = (4.0, 0.6)
"""Of the part that is looked at, along and across the string, in heights of its characters: the
first detector may miss the ends of a string, or find it in pieces."""
SLICED = 0.6
"""Boxes nearer than this to the ends of the part, in heights, may show half a character."""
BAND = 0.15
"""So far across beyond the string its characters may lie, in heights."""
MIN_INSIDE = 0.5
"""A string of the second detector is kept if so many of its boxes lie in the band, as a share of
the boxes of the shorter of both strings."""
MIN_LEVEL = 4
"""A string of fewer boxes may be a piece of one; its slope says little, and it is not turned."""
MIN_SHARE = 0.5
"""The strings of the second detector replace one if they have this share of its boxes."""
MAX_SIDE = 4096
"""Largest side of a magnified string in pixels."""


@dataclass(frozen=True, eq=False)
class _Level:
    """A string of the first detector, and the part of the image that shows it level.

    Attributes:
        string: the string.
        quad: (4, 2) the string in source pixels, without a margin.
        height: of its characters in source pixels.
        part: (4, 2) the part that is looked at.
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


def _level(string: BoxString, height: float) -> _Level:
    """The part of the image around a string; a steep one, perhaps a stack, is not turned."""
    quads = [b.quad for b in string.boxes]
    centers = np.array([b.center for b in string.boxes], np.float64)
    steep = string.direction != "horizontal"
    turned = not steep and len(centers) >= MIN_LEVEL
    axis = string_axis(centers) if turned else np.array([1.0, 0.0])
    across = np.array([-axis[1], axis[0]], np.float32)
    own = float(np.median([b.extent(across) for b in string.boxes]))
    quad = enclosing_quad(quads, axis)
    along, over = (m * own for m in (MARGIN[::-1] if steep else MARGIN))
    part = expand_quad(quad, along, over)
    wide, high = edge_lengths(part)
    zoom = min(height / max(own, 1.0), MAX_SIDE / max(wide, high))
    return _Level(string, quad, own, part, (max(8, round(wide * zoom)), max(8, round(high * zoom))))


def _cut(level: _Level, seen: Sequence[BoxString]) -> list[BoxString]:
    """The strings of the magnified part that show a string, or that string itself."""
    width, height = level.size
    steep = level.string.direction != "horizontal"
    unit = level.height * height / max(edge_lengths(level.part)[1], 1.0)
    whole = rect_quad(0, 0, width, height)
    edges = [-m * unit for m in (MARGIN[::-1] if steep else MARGIN)]
    beside = (BAND * unit, 0.0) if steep else (0.0, BAND * unit)
    band = expand_quad(expand_quad(whole, *edges), *beside)
    clear = expand_quad(whole, *((0, -SLICED * unit) if steep else (-SLICED * unit, 0)))
    cut = []
    for string in seen:
        boxes = [i for i, b in enumerate(string.boxes) if inside(clear, b.center)]
        within = sum(inside(band, string.boxes[i].center) for i in boxes)
        if within and within >= MIN_INSIDE * min(len(boxes), len(level.string.boxes)):
            own = tuple(level.placed(string.boxes[i]) for i in boxes)
            spaces = tuple(string.space_after[i] for i in boxes[:-1])
            cut.append(BoxString(own, (*spaces, False), _direction(own)))
    enough = sum(len(s.boxes) for s in cut) >= MIN_SHARE * len(level.string.boxes)
    return cut if enough else [level.string]


def _direction(boxes: Sequence[CharBox]) -> Direction:
    """Of a string with these boxes, as ``linking`` has it."""
    axis = string_axis(np.array([b.center for b in boxes], np.float64))
    return "vertical" if is_steep(axis) else "horizontal"
