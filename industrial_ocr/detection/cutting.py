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
from industrial_ocr.detection.linking import as_one_string
from industrial_ocr.detection.multiscale import ToStrings, maps_as_they_are
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
from industrial_ocr.results.types import BoxString, CharBox, FloatArray, ImageArray

MARGIN = 0.6
"""Of the part that is looked at, around the string, in heights of its characters."""
BEYOND = (0.5, 0.15)
"""So far beyond the string, along and across it, a character is still one of it, in heights."""
MIN_SHARE = 0.5
"""The characters of the second detector replace a string from this share of its boxes on."""
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
    return [[_cut(level, to_strings(next(maps))) for level in own] for own in levels]


def _level(string: BoxString, height: float) -> _Level:
    """The part of the image around a string; a steep one, perhaps a stack, is not turned."""
    quads = [b.quad for b in string.boxes]
    centers = np.array([b.center for b in string.boxes], np.float64)
    steep = string.direction != "horizontal"
    axis = np.array([1.0, 0.0]) if steep else string_axis(centers)
    across = np.array([-axis[1], axis[0]], np.float32)
    own = float(np.median([b.extent(across) for b in string.boxes]))
    quad = enclosing_quad(quads, axis)
    part = expand_quad(quad, MARGIN * own, MARGIN * own)
    wide, high = edge_lengths(part)
    zoom = min(height / max(own, 1.0), MAX_SIDE / max(wide, high))
    return _Level(string, quad, own, part, (max(8, round(wide * zoom)), max(8, round(high * zoom))))


def _cut(level: _Level, seen: Sequence[BoxString]) -> BoxString:
    """The characters of a string among those seen in its magnified part."""
    width, height = level.size
    zoom = height / max(edge_lengths(level.part)[1], 1.0)
    edge = MARGIN * level.height * zoom
    along, across = (b * level.height * zoom for b in BEYOND)
    if level.string.direction != "horizontal":
        along, across = across, along
    band = expand_quad(rect_quad(edge, edge, width - edge, height - edge), along, across)
    kept = []
    for string in seen:
        boxes = [i for i, b in enumerate(string.boxes) if inside(band, b.center)]
        if boxes:
            spaces = [string.space_after[i] for i in boxes[:-1]]
            own = tuple(string.boxes[i] for i in boxes)
            kept.append(BoxString(own, (*spaces, False), string.direction))
    joined = as_one_string(kept)
    if not joined or len(joined[0].boxes) < MIN_SHARE * len(level.string.boxes):
        return level.string
    cut = joined[0]
    boxes_there = tuple(level.placed(b) for b in cut.boxes)
    return BoxString(boxes_there, cut.space_after, level.string.direction)
