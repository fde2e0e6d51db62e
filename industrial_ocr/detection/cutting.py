"""Looks again at strings that were found, each warped to a level picture of its own.

``cut_strings`` uses two detectors: one that was trained on whole words of photographs finds more
strings and fewer false ones; one that was trained on single characters separates them better.
``mirrored_strings`` has the same detector see each string again, in a mirror image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.detector import Detector
from industrial_ocr.detection.linking import is_steep
from industrial_ocr.detection.multiscale import ToStrings, suppressed, unscaled_maps
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
"""Margin of the magnified area along and across the string, in heights of its characters. Along the
string it is large, because the first detector may miss its ends or find it in pieces."""


@dataclass(frozen=True, eq=False)
class _StringPart:
    """A string of the first detector, and the area of the image that the second one looks at.

    Attributes:
        string: the string.
        height: of its characters in source pixels.
        area: (4, 2) in source pixels, along the string.
        size: (width, height) of the area when magnified.
        mirrored: the area is magnified as its mirror image: its corners begin at the top right.
    """

    string: BoxString
    height: float
    area: FloatArray
    size: tuple[int, int]
    mirrored: bool

    def placed(self, box: CharBox) -> CharBox:
        """Maps a box of the magnified area to source pixels."""
        width, height = self.size
        along = (self.area[1] - self.area[0]) / width
        across = (self.area[3] - self.area[0]) / height
        turn: NDArray[np.float32] = np.stack([along, across], axis=1)
        shape = turn @ box.shape @ turn.T
        center = self.area[0] + turn @ box.center
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
    results = []
    for own in _cut_each(images, found, cutter, config, to_strings, mirrored=False):
        strings: list[BoxString] = []
        for cut in own:
            strings = suppressed(strings, cut)
        results.append(strings)
    return results


def mirrored_strings(
    images: Sequence[ImageArray],
    found: Sequence[Sequence[BoxString]],
    detector: Detector,
    config: DetectionConfig,
    to_strings: ToStrings,
) -> list[list[BoxString | None]]:
    """Strings as the detector sees them in mirror images of their places.

    Args:
        images: (H, W, 3) uint8 RGB each.
        found: strings of each image that are not vertical.
        detector: the network.
        config: ``closer_height`` is the height of the magnified characters.
        to_strings: segmentation and linking.

    Returns:
        One for each string; None where the detector sees too little, or several strings.
    """
    cuts = _cut_each(images, found, detector, config, to_strings, mirrored=True)
    return [
        [cut[0] if len(cut) == 1 and cut[0] is not s else None for s, cut in zip(*own, strict=True)]
        for own in zip(found, cuts, strict=True)
    ]


def _cut_each(
    images: Sequence[ImageArray],
    found: Sequence[Sequence[BoxString]],
    cutter: Detector,
    config: DetectionConfig,
    to_strings: ToStrings,
    mirrored: bool,
) -> list[list[list[BoxString]]]:
    """What replaces each string of each image, see ``_cut``."""
    parts = [[_part_of(s, config.closer_height, mirrored) for s in own] for own in found]
    crops = [
        warp_quad(image, part.area, *part.size)
        for image, own in zip(images, parts, strict=True)
        for part in own
    ]
    maps = iter(unscaled_maps(crops, cutter, config))
    return [[_cut(part, to_strings(next(maps))) for part in own] for own in parts]


def _part_of(string: BoxString, height: float, mirrored: bool) -> _StringPart:
    """A string with the area around it, which is turned with the string.

    The area of a steep string stays upright, because that may be a stack; so does that of fewer
    than four boxes, whose slope is uncertain.
    """
    quads = [b.quad for b in string.boxes]
    centers = np.array([b.center for b in string.boxes], np.float64)
    steep = string.direction != "horizontal"
    turned = not steep and len(centers) >= 4
    axis = string_axis(centers) if turned else np.array([1.0, 0.0])
    across = np.array([-axis[1], axis[0]], np.float32)
    own = float(np.median([b.extent(across) for b in string.boxes]))
    along, over = (m * own for m in (PART_MARGIN[::-1] if steep else PART_MARGIN))
    area = expand_quad(enclosing_quad(quads, axis), along, over)
    wide, high = edge_lengths(area)
    zoom = min(height / max(own, 1.0), 4096 / max(wide, high))
    size = max(8, round(wide * zoom)), max(8, round(high * zoom))
    return _StringPart(string, own, area[[1, 0, 3, 2]] if mirrored else area, size, mirrored)


def _cut(part: _StringPart, seen: Sequence[BoxString]) -> list[BoxString]:
    """The strings of the second detector that replace a string; itself if they have few boxes.

    A string is used if enough of its boxes lie in the band of the old string, at most 0.15 heights
    outside it: half of its boxes, or half as many as the old string has, if that is fewer. Boxes
    nearer than 0.6 heights to the ends of the area are left out, as they may show half a character.
    Together the new strings must have half as many boxes as the old one.
    """
    width, height = part.size
    steep = part.string.direction != "horizontal"
    unit = part.height * height / max(edge_lengths(part.area)[1], 1.0)
    whole = rect_quad(0, 0, width, height)
    edges = [-m * unit for m in (PART_MARGIN[::-1] if steep else PART_MARGIN)]
    beside = (0.15 * unit, 0.0) if steep else (0.0, 0.15 * unit)
    band = expand_quad(expand_quad(whole, *edges), *beside)
    clear = expand_quad(whole, *((0, -0.6 * unit) if steep else (-0.6 * unit, 0)))
    cut = []
    for string in seen:
        if part.mirrored:
            string = _reversed(string)
        boxes = [i for i, b in enumerate(string.boxes) if inside(clear, b.center)]
        within = sum(inside(band, string.boxes[i].center) for i in boxes)
        if within and within >= 0.5 * min(len(boxes), len(part.string.boxes)):
            own = tuple(part.placed(string.boxes[i]) for i in boxes)
            spaces = tuple(string.space_after[i] for i in boxes[:-1])
            cut.append(BoxString(own, (*spaces, False), _direction(own)))
    enough = sum(len(s.boxes) for s in cut) >= 0.5 * len(part.string.boxes)
    return cut if enough else [part.string]


def _reversed(string: BoxString) -> BoxString:
    """A string of a mirror image, from its other end."""
    spaces = (*string.space_after[-2::-1], False)
    return BoxString(string.boxes[::-1], spaces, string.direction)


def _direction(boxes: Sequence[CharBox]) -> Direction:
    """The direction of a string with these boxes, by the rule of ``linking``."""
    axis = string_axis(np.array([b.center for b in boxes], np.float64))
    return "vertical" if is_steep(axis) else "horizontal"
