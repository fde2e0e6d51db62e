"""A look from farther off: characters too large for the first look are found in smaller pictures.

A network whose field of view is small sees strokes and corners of a character that fills it, and
no character. The same picture at less than half the size costs a fifth of the first look, and
there such a character is of the size that the network knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from industrial_ocr.config import DetectionConfig
from industrial_ocr.geometry import edge_lengths
from industrial_ocr.stages.detection import Detector, network_scale
from industrial_ocr.types import BoxString, FloatArray, ImageArray, ScoreMaps

STEP = 0.45
"""Each further look is at a picture so much smaller than the one before."""
ROOM = 1.2
"""A picture is looked at again while it has room for characters so much larger than the limit."""
COVERED = 0.5
"""Two looks see the same string if so many characters of one stand in the other's."""
LEAST_SCORE = 0.6
"""Mean peak of a string found from afar: the network is sure of large characters, and what it is
not sure of there are whole words that look like one, windows and bricks."""
SAME_HEIGHT = 0.6
"""Characters lower than this share of those that they stand in are parts of them, or print on
them, not the same ones."""
FRAGMENT = 0.8
"""They are parts where the network is less sure of them than this share of how sure it is of the
large ones."""

Boxes = Callable[[ScoreMaps], list[BoxString]]
"""From maps to strings: segmentation and linking."""


def look_from_afar(
    images: Sequence[ImageArray],
    found: Sequence[list[BoxString]],
    detector: Detector,
    config: DetectionConfig,
    boxes: Boxes,
) -> list[list[BoxString]]:
    """The strings of each image with those of large characters, no string twice.

    Args:
        images: (H, W, 3) uint8 RGB each.
        found: strings of each image at the first look.
        detector: the network.
        config: from which height on characters are large.
        boxes: from maps to strings.
    """
    results = [list(own) for own in found]
    if not config.distant_above:
        return results
    scales = [network_scale(i.shape[0], i.shape[1], config) for i in images]
    shrunk = 1.0
    while True:
        room = config.distant_above * ROOM / shrunk
        left = [
            k for k, (i, s) in enumerate(zip(images, scales, strict=True))
            if min(i.shape[:2]) * s >= room
        ]  # fmt: skip
        if not left:
            return results
        shrunk *= STEP
        smaller = config.model_copy(update={"mag_ratio": config.mag_ratio * shrunk})
        every = detector.detect([images[k] for k in left], smaller)
        for k, maps in zip(left, every, strict=True):
            least = config.distant_above * STEP / (scales[k] * shrunk)
            large = [s for s in boxes(maps) if _height(s) >= least and _score(s) >= LEAST_SCORE]
            results[k] = _merged(results[k], large)


def _height(string: BoxString) -> float:
    """Median height of its characters in source pixels."""
    return float(np.median([max(edge_lengths(b.quad)) for b in string.boxes]))


def _score(string: BoxString) -> float:
    return float(np.mean([b.score for b in string.boxes]))


def _weight(string: BoxString) -> float:
    """How much there is of it: more characters count, and sure ones count more."""
    return float(np.square([b.score for b in string.boxes]).sum())


def _merged(near: Sequence[BoxString], far: Sequence[BoxString]) -> list[BoxString]:
    """Both, without what is seen twice and without strokes of large characters."""
    kept = list(near)
    for string in far:
        gone: list[BoxString] = []
        seen = False
        for other in kept:
            inside = _share_inside(other, string)
            if max(inside, _share_inside(string, other)) < COVERED:
                continue
            if _height(other) >= SAME_HEIGHT * _height(string):
                if _weight(other) >= _weight(string):
                    seen = True
                    break
                gone.append(other)
            elif inside >= COVERED and _score(other) < FRAGMENT * _score(string):
                gone.append(other)
        if not seen:
            kept = [s for s in kept if not any(s is g for g in gone)] + [string]
    return kept


def _share_inside(string: BoxString, other: BoxString) -> float:
    """The share of a string's characters that stand in another's."""
    return float(
        np.mean([any(_holds(b.quad, s.center) for b in other.boxes) for s in string.boxes])
    )


def _holds(quad: FloatArray, point: FloatArray) -> bool:
    return cv2.pointPolygonTest(quad, (float(point[0]), float(point[1])), False) >= 0
