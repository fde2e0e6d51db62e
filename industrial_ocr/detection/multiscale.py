"""Multi-scale detection: the detector runs again where characters are large or small.

The detector is trained on characters of a certain size. If a character fills its field of view, it
detects the strokes; so large characters are searched in smaller copies of the image. Small
neighboring characters run together; so parts with small strings are magnified and detected again.
Both steps give strings in source pixels; ``suppressed`` keeps each string once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.detector import Detector, network_scale
from industrial_ocr.image.preprocess import to_rgb
from industrial_ocr.results.geometry import bounds, edge_lengths, points_inside, quad_around
from industrial_ocr.results.types import BoxString, CharBox, ImageArray, ScoreMaps

PYRAMID_STEP = 0.45
"""Size of each smaller copy of an image relative to the one before."""

ToStrings = Callable[[ScoreMaps], list[BoxString]]
"""From maps to strings: segmentation and linking."""


def add_large_strings(
    images: Sequence[ImageArray],
    found: Sequence[list[BoxString]],
    detector: Detector,
    config: DetectionConfig,
    to_strings: ToStrings,
) -> list[list[BoxString]]:
    """Adds the strings of large characters, found in smaller copies of each image.

    Args:
        images: (H, W, 3) uint8 RGB each.
        found: strings of each image at its normal scale.
        detector: the network.
        config: ``distant_above`` is the height from which characters are large; 0 changes nothing.
        to_strings: segmentation and linking.
    """
    results = [list(own) for own in found]
    levels: list[tuple[int, _Level]] = []
    for i, image in enumerate(images):
        levels += [(i, level) for level in _pyramid(image, config)]
    every = unscaled_maps([level.pixels for _, level in levels], detector, config)
    for (i, level), maps in zip(levels, every, strict=True):
        strings = to_strings(_in_source(maps, level.pixels, images[i].shape[:2]))
        # Large characters score high in a small copy. Windows, bricks, and words that look
        # like one character score lower.
        large = [s for s in strings if _height(s) >= level.min_height and _score(s) >= 0.6]
        results[i] = suppressed(results[i], large)
    return results


def refine_small_strings(
    images: Sequence[ImageArray],
    found: Sequence[list[BoxString]],
    detector: Detector,
    config: DetectionConfig,
    to_strings: ToStrings,
) -> list[list[BoxString]]:
    """Replaces small strings by those found in a magnified part, if no character is lost.

    Args:
        images: (H, W, 3) uint8 RGB each.
        found: strings of each image so far.
        detector: the network.
        config: ``closer_below``, ``closer_height`` and ``closer_pixels`` say what is magnified.
        to_strings: segmentation and linking.
    """
    results = [list(own) for own in found]
    parts: list[tuple[int, _Part]] = []
    for i, (image, own) in enumerate(zip(images, found, strict=True)):
        parts += [(i, part) for part in _small_parts(image, own, config)]
    crops = [part.magnified(images[i], config) for i, part in parts]
    for (i, part), crop, maps in zip(
        parts, crops, unscaled_maps(crops, detector, config), strict=True
    ):
        x0, y0, x1, y1 = part.rect
        strings = to_strings(_in_source(maps, crop, (y1 - y0, x1 - x0)))
        moved = [_moved(s, x0, y0) for s in strings]
        again = [s for s in moved if any(_overlap(s, old) >= 0.5 for old in part.strings)]
        if sum(len(s.boxes) for s in again) >= part.characters:
            rest = [s for s in results[i] if not any(s is old for old in part.strings)]
            results[i] = suppressed(rest, again)
    return results


def suppressed(strings: Sequence[BoxString], added: Sequence[BoxString]) -> list[BoxString]:
    """Adds strings found at another scale; of two that show the same text, one is kept.

    Of two that share fewer characters, as parts of one line, only one keeps them.

    Args:
        strings: kept so far, no two of them show the same text.
        added: strings found at another scale.
    """
    kept = list(strings)
    for string in added:
        if any(_replaces(other, string) for other in kept):
            continue
        kept = [other for other in kept if not _replaces(string, other)]
        for k, other in enumerate(kept):
            if _alike_height(string, other) and _evidence(string) > _evidence(other):
                kept[k] = _without_shared(other, string)
            elif _alike_height(string, other):
                string = _without_shared(string, other)
        kept.append(string)
    return kept


def _without_shared(string: BoxString, other: BoxString) -> BoxString:
    """The string without the boxes at its ends that lie in the other's boxes or between two."""
    taken = [b.quad for b in other.boxes]
    taken += [quad_around(both) for both in pairwise(taken)]
    within = points_inside(taken, [b.center for b in string.boxes])
    own = np.flatnonzero(~within.any(axis=1)).tolist() or range(len(string.boxes))
    return string.only(range(own[0], own[-1] + 1))


def _alike_height(one: BoxString, two: BoxString) -> bool:
    heights = _height(one), _height(two)
    return min(heights) >= 0.6 * max(heights)


def _replaces(one: BoxString, two: BoxString) -> bool:
    """Whether ``two`` is dropped because of ``one``.

    Two strings of similar height show the same text if half the characters of one lie in the
    other's boxes: the string with the larger sum of squared scores stays. If their heights differ,
    ``two`` may be a stroke of ``one`` or a blob over it: it is dropped if half its characters lie
    in boxes of ``one`` and its score is below 0.8 times that of ``one``.
    """
    if not _alike_height(one, two):
        return _share_inside(two, one) >= 0.5 and _score(two) < 0.8 * _score(one)
    return _overlap(one, two) >= 0.5 and _evidence(one) >= _evidence(two)


def unscaled_maps(
    images: Sequence[ImageArray], detector: Detector, config: DetectionConfig
) -> list[ScoreMaps]:
    """The detector's maps of images that have the right scale already."""
    scale_1 = {"long_side": 1 << 20, "short_side": 1, "mag_ratio": 1.0, "max_shrink": 1.0}
    return detector.detect(images, config.model_copy(update=scale_1)) if images else []


def _in_source(maps: ScoreMaps, resized: ImageArray, source: tuple[float, float]) -> ScoreMaps:
    """The maps of a resized image in pixels of its source, whose (height, width) is given."""
    x = maps.scale[0] * source[1] / resized.shape[1]
    y = maps.scale[1] * source[0] / resized.shape[0]
    return ScoreMaps(maps.region, maps.affinity, (x, y))


@dataclass(frozen=True, eq=False)
class _Level:
    """A smaller copy of an image; characters below ``min_height`` source pixels are ignored."""

    pixels: ImageArray
    min_height: float


def _pyramid(image: ImageArray, config: DetectionConfig) -> list[_Level]:
    """Smaller and smaller copies of an image, while it has room for even larger characters."""
    height, width = image.shape[:2]
    scale = network_scale(height, width, config)
    levels: list[_Level] = []
    pixels, shrunk = image, 1.0
    while config.distant_above and min(height, width) * scale >= (
        1.2 * config.distant_above / shrunk
    ):
        shrunk *= PYRAMID_STEP
        size = max(1, round(width * scale * shrunk)), max(1, round(height * scale * shrunk))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        levels.append(_Level(pixels, config.distant_above * PYRAMID_STEP / (scale * shrunk)))
    return levels


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of an image with strings of small characters.

    Attributes:
        rect: x0, y0, x1, y1 in source pixels.
        height: of the characters in source pixels.
        strings: the strings found in it so far.
    """

    rect: tuple[float, float, float, float]
    height: float
    strings: tuple[BoxString, ...]

    @property
    def characters(self) -> int:
        """The number of boxes of all its strings."""
        return sum(len(s.boxes) for s in self.strings)

    @property
    def priority(self) -> tuple[int, float]:
        """Sort key: the number of characters up to four, then the best score of a string."""
        return min(self.characters, 4), max(_score(s) for s in self.strings)

    def pixels(self, config: DetectionConfig) -> float:
        """Its area in pixels when magnified."""
        x0, y0, x1, y1 = self.rect
        return (x1 - x0) * (y1 - y0) * (config.closer_height / self.height) ** 2

    def meets(self, other: _Part) -> bool:
        """Whether two parts overlap and their characters have similar heights."""
        a, b = self.rect, other.rect
        across = min(a[2], b[2]) > max(a[0], b[0])
        down = min(a[3], b[3]) > max(a[1], b[1])
        return across and down and 1 / 1.6 < self.height / other.height < 1.6

    def joined(self, other: _Part) -> _Part:
        """The part around both."""
        rect = bounds(np.reshape([self.rect, other.rect], (4, 2)))
        return _Part(rect, min(self.height, other.height), (*self.strings, *other.strings))

    def magnified(self, image: ImageArray, config: DetectionConfig) -> ImageArray:
        """Its pixels, scaled so that its characters are ``closer_height`` pixels high."""
        x0, y0, x1, y1 = (int(v) for v in self.rect)
        zoom = config.closer_height / self.height
        size = (max(1, round((x1 - x0) * zoom)), max(1, round((y1 - y0) * zoom)))
        # In color, as OpenCV rounds otherwise in gray: both kinds of image give the same pixels.
        crop = cv2.resize(to_rgb(image[y0:y1, x0:x1]), size, interpolation=cv2.INTER_CUBIC)
        return np.asarray(crop, np.uint8)


def _small_parts(
    image: ImageArray, strings: Sequence[BoxString], config: DetectionConfig
) -> list[_Part]:
    """The parts of an image to magnify, by priority, within ``closer_pixels`` in all."""
    height, width = image.shape[:2]
    scale = network_scale(height, width, config)
    small = []
    for string in strings:
        own = float(np.median([edge_lengths(b.quad)[1] for b in string.boxes]))
        magnified_enough = config.closer_height >= 1.4 * own * scale
        if own * scale >= config.closer_below or not magnified_enough:
            continue
        x0, y0, x1, y1 = bounds(np.concatenate([b.quad for b in string.boxes]))
        margin = 1.5 * own  # characters at the ends are missed most often
        left, top = max(0.0, np.floor(x0 - margin)), max(0.0, np.floor(y0 - margin))
        right = min(float(width), np.ceil(x1 + margin))
        bottom = min(float(height), np.ceil(y1 + margin))
        small.append(_Part((left, top, right, bottom), own, (string,)))
    worth = [p for p in _joined(small, config) if p.characters > 1]
    budget = float(config.closer_pixels)
    chosen = []
    for part in sorted(worth, key=lambda p: p.priority, reverse=True):
        if part.pixels(config) <= budget:
            budget -= part.pixels(config)
            chosen.append(part)
    return chosen


def _joined(parts: Sequence[_Part], config: DetectionConfig) -> list[_Part]:
    """Joins parts that meet, unless the joined part exceeds ``closer_pixels``."""
    rest = list(parts)
    done: list[_Part] = []
    while rest:
        part = rest.pop()
        for other in rest:
            both = other.joined(part)
            if other.meets(part) and both.pixels(config) <= config.closer_pixels:
                rest.remove(other)
                rest.append(both)
                break
        else:
            done.append(part)
    return done


def _moved(string: BoxString, x: float, y: float) -> BoxString:
    step = np.array([x, y], np.float32)
    boxes = tuple(CharBox(b.quad + step, b.score, b.shape) for b in string.boxes)
    return BoxString(boxes, string.space_after, string.direction)


def _height(string: BoxString) -> float:
    """Median of the longer sides of its boxes in source pixels."""
    return float(np.median([max(edge_lengths(b.quad)) for b in string.boxes]))


def _score(string: BoxString) -> float:
    return float(np.mean([b.score for b in string.boxes]))


def _evidence(string: BoxString) -> float:
    """Sum of squared scores: it grows with the number of boxes and with their scores."""
    return float(np.square([b.score for b in string.boxes]).sum())


def _share_inside(string: BoxString, other: BoxString) -> float:
    """The share of a string's characters whose centers lie in the other's boxes."""
    within = points_inside([b.quad for b in other.boxes], [b.center for b in string.boxes])
    return float(within.any(axis=1).mean())


def _overlap(one: BoxString, two: BoxString) -> float:
    """The larger of both shares of characters that lie in the other string's boxes."""
    return max(_share_inside(one, two), _share_inside(two, one))
