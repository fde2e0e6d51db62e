"""A look from farther off: characters too large for the first look are found in smaller pictures.

A network whose field of view is small sees strokes and corners of a character that fills it, and
no character. The same picture at less than half the size costs a fifth of the first look, and
there such a character is of the size that the network knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.detector import STRIDE, Detector, network_scale
from industrial_ocr.results.geometry import edge_lengths, inside
from industrial_ocr.results.types import BoxString, ImageArray, ScoreMaps

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

GAP = 32
"""Pixels between the pictures that the network sees together."""

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
    every = [_levels(image, config) for image in images]
    far = [k for k, levels in enumerate(every) if levels]
    collages = [_collage([level.pixels for level in every[k]]) for k in far]
    as_they_are = config.model_copy(
        update={"long_side": 1 << 20, "short_side": 1, "mag_ratio": 1.0, "max_shrink": 1.0}
    )
    seen = detector.detect([picture for picture, _ in collages], as_they_are) if far else []
    for k, (_, corners), maps in zip(far, collages, seen, strict=True):
        size = images[k].shape[:2]
        for level, corner in zip(every[k], corners, strict=True):
            own = _part(maps, corner, level.pixels.shape[:2], size)
            large = [
                s for s in boxes(own) if _height(s) >= level.least and _score(s) >= LEAST_SCORE
            ]
            results[k] = _merged(results[k], large)
    return results


@dataclass(frozen=True, eq=False)
class _Level:
    """A picture made smaller, and the height in source pixels from which its characters count."""

    pixels: ImageArray
    least: float


def _levels(image: ImageArray, config: DetectionConfig) -> list[_Level]:
    """The smaller pictures of an image in which there is room for large characters."""
    height, width = image.shape[:2]
    scale = network_scale(height, width, config)
    levels: list[_Level] = []
    pixels, shrunk = image, 1.0
    while min(height, width) * scale >= config.distant_above * ROOM / shrunk:
        shrunk *= STEP
        size = max(1, round(width * scale * shrunk)), max(1, round(height * scale * shrunk))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        levels.append(_Level(pixels, config.distant_above * STEP / (scale * shrunk)))
    return levels


def _collage(pictures: Sequence[ImageArray]) -> tuple[ImageArray, list[tuple[int, int]]]:
    """All in one picture, for one call of the network, and the (x, y) of each: even numbers.

    The first stands on the left, the others below each other on its right, each with its own edge
    around it.
    """
    first, *others = pictures
    x = -(-first.shape[1] // GAP) * GAP + GAP
    corners, y = [(0, 0)], 0
    for picture in others:
        corners.append((x, y))
        y += -(-picture.shape[0] // GAP) * GAP + GAP
    ends = [(c[0] + p.shape[1], c[1] + p.shape[0]) for c, p in zip(corners, pictures, strict=True)]
    width, height = np.max(ends, axis=0)
    canvas = np.full((height, width, 3), first.reshape(-1, 3).mean(0), np.uint8)
    for picture, (left, top), (right, bottom) in zip(pictures, corners, ends, strict=True):
        up, down, before, after = (
            min(GAP // 2, n) for n in (top, height - bottom, left, width - right)
        )
        grown = cv2.copyMakeBorder(picture, up, down, before, after, cv2.BORDER_REPLICATE)
        canvas[top - up : bottom + down, left - before : right + after] = grown
    return canvas, corners


def _part(
    maps: ScoreMaps, corner: tuple[int, int], size: tuple[int, int], source: tuple[int, int]
) -> ScoreMaps:
    """The maps of one picture of a collage, with the way back to its source's pixels."""
    (x, y), (height, width) = (c // STRIDE for c in corner), size
    rows = slice(y, y + -(-height // STRIDE))
    columns = slice(x, x + -(-width // STRIDE))
    scale = (source[1] / width * STRIDE, source[0] / height * STRIDE)
    return ScoreMaps(maps.region[rows, columns], maps.affinity[rows, columns], scale)


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
        np.mean([any(inside(b.quad, s.center) for b in other.boxes) for s in string.boxes])
    )
