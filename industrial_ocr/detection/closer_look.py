"""A closer look at small print: strings of small characters are found again, magnified.

A network that looks at a whole picture at one scale parts characters of a license plate in a
street scene no better than an eye from afar: neighbors become one box, and boxes are missing. The
places where such strings were found are few and small, so looking at them again costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.detector import Detector, network_scale
from industrial_ocr.results.geometry import bounds, edge_lengths, inside
from industrial_ocr.results.types import BoxString, CharBox, ImageArray, ScoreMaps

MARGIN = 1.5
"""Character heights around a string that are looked at with it: ends are what is missed first."""
WORTH = 1.4
"""Least magnification on top of the first look's."""
ALIKE = 1.6
"""Strings whose heights differ by less are looked at together where their places meet."""
LEAST, CODE = 2, 4
"""Boxes that a place must have to be worth it, and so many that it goes before those of fewer."""
COVERED = 0.5
"""A string found again is one already had if so many of its characters stand in the other's."""

Boxes = Callable[[ScoreMaps], list[BoxString]]
"""From maps to strings: segmentation and linking."""


@dataclass
class _Place:
    """Part of an image that is looked at again.

    Attributes:
        image: number of the image.
        rect: x0, y0, x1, y1 in source pixels.
        height: of its characters in source pixels.
        strings: numbers of the strings found there at first.
        characters: how many boxes they have.
        score: mean peak of their boxes.
    """

    image: int
    rect: tuple[float, float, float, float]
    height: float
    strings: list[int]
    characters: int
    score: float

    def pixels(self, config: DetectionConfig) -> float:
        """What the network has to look at, in its pixels."""
        x0, y0, x1, y1 = self.rect
        return (x1 - x0) * (y1 - y0) * self.zoom(config) ** 2

    def zoom(self, config: DetectionConfig) -> float:
        """Network pixels per source pixel."""
        return config.closer_height / self.height


def look_closer(
    images: Sequence[ImageArray],
    found: Sequence[list[BoxString]],
    detector: Detector,
    config: DetectionConfig,
    boxes: Boxes,
) -> list[list[BoxString]]:
    """The strings of each image, those of small characters found again where that finds any.

    Args:
        images: (H, W, 3) uint8 RGB each.
        found: strings of each image at the first look.
        detector: the network.
        config: how small is small, and how much may be looked at again.
        boxes: from maps to strings.
    """
    places = [p for i, own in enumerate(found) for p in _places(i, images[i], own, config)]
    crops = [_crop(images[p.image], p, config) for p in places]
    as_they_are = config.model_copy(
        update={"long_side": 1 << 20, "short_side": 1, "mag_ratio": 1.0, "max_shrink": 1.0}
    )
    results = [list(own) for own in found]
    replaced: list[set[int]] = [set() for _ in found]
    every = detector.detect([pixels for pixels, _ in crops], as_they_are) if crops else []
    for place, (_, scale), maps in zip(places, crops, every, strict=True):
        own = found[place.image]
        scaled = (maps.scale[0] / scale[0], maps.scale[1] / scale[1])
        again = boxes(ScoreMaps(maps.region, maps.affinity, scaled))
        x0, y0 = place.rect[:2]
        again = [_moved(s, x0, y0) for s in again]
        first = [own[i] for i in place.strings]
        again = [s for s in again if any(_covered(s, f) or _covered(f, s) for f in first)]
        if sum(len(s.boxes) for s in again) >= sum(len(s.boxes) for s in first):
            results[place.image] += again
            replaced[place.image].update(place.strings)
    return [
        _once([s for i, s in enumerate(own) if i not in gone], len(first) - len(gone))
        for own, first, gone in zip(results, found, replaced, strict=True)
    ]


def _places(
    image: int, pixels: ImageArray, strings: Sequence[BoxString], config: DetectionConfig
) -> list[_Place]:
    """Where an image is looked at again: the surest strings first, as far as the limit allows."""
    height, width = pixels.shape[:2]
    scale = network_scale(height, width, config)
    small = []
    for i, string in enumerate(strings):
        own = float(np.median([edge_lengths(b.quad)[1] for b in string.boxes]))
        if own * scale >= config.closer_below or config.closer_height < WORTH * own * scale:
            continue
        corners = np.concatenate([b.quad for b in string.boxes])
        x0, y0, x1, y1 = bounds(corners)
        grown = MARGIN * own
        rect = (
            max(0.0, np.floor(x0 - grown)), max(0.0, np.floor(y0 - grown)),
            min(float(width), np.ceil(x1 + grown)), min(float(height), np.ceil(y1 + grown)),
        )  # fmt: skip
        score = float(np.mean([b.score for b in string.boxes]))
        small.append(_Place(image, rect, own, [i], len(string.boxes), score))
    left = float(config.closer_pixels)
    chosen = []
    together = [p for p in _joined(small, config) if p.characters >= LEAST]
    for place in sorted(together, key=lambda p: (-min(p.characters, CODE), -p.score)):
        if place.pixels(config) <= left:
            left -= place.pixels(config)
            chosen.append(place)
    return chosen


def _joined(places: list[_Place], config: DetectionConfig) -> list[_Place]:
    """Places of characters of like height that meet, as one that is not too large to look at."""
    rest = list(places)
    done: list[_Place] = []
    while rest:
        place = rest.pop()
        for met in rest:
            both = _union(met, place)
            if _meet(met, place) and both.pixels(config) <= config.closer_pixels:
                rest.remove(met)
                rest.append(both)
                break
        else:
            done.append(place)
    return done


def _union(one: _Place, two: _Place) -> _Place:
    a, b = one.rect, two.rect
    return _Place(
        two.image,
        (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])),
        min(one.height, two.height),
        [*one.strings, *two.strings],
        one.characters + two.characters,
        max(one.score, two.score),
    )


def _meet(a: _Place, b: _Place) -> bool:
    x0, y0, x1, y1 = (
        max(a.rect[0], b.rect[0]), max(a.rect[1], b.rect[1]),
        min(a.rect[2], b.rect[2]), min(a.rect[3], b.rect[3]),
    )  # fmt: skip
    ratio = a.height / b.height
    return x1 > x0 and y1 > y0 and 1 / ALIKE < ratio < ALIKE


def _crop(
    image: ImageArray, place: _Place, config: DetectionConfig
) -> tuple[ImageArray, tuple[float, float]]:
    """The place magnified, and network pixels per source pixel in x and y."""
    x0, y0, x1, y1 = (int(v) for v in place.rect)
    part, zoom = image[y0:y1, x0:x1], place.zoom(config)
    size = (max(1, round((x1 - x0) * zoom)), max(1, round((y1 - y0) * zoom)))
    pixels = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return pixels, (size[0] / (x1 - x0), size[1] / (y1 - y0))


def _moved(string: BoxString, x: float, y: float) -> BoxString:
    """A string of a part of the image, in the image."""
    by = np.array([x, y], np.float32)
    boxes = tuple(CharBox(b.quad + by, b.score, b.shape) for b in string.boxes)
    return BoxString(boxes, string.space_after, string.direction)


def _covered(string: BoxString, other: BoxString) -> bool:
    """Whether ``COVERED`` of a string's characters stand in another's."""
    covered = [any(inside(b.quad, own.center) for b in other.boxes) for own in string.boxes]
    return float(np.mean(covered)) >= COVERED


def _once(strings: list[BoxString], first: int) -> list[BoxString]:
    """Each string once, in reading order: of two that show the same the longer one is kept.

    Args:
        strings: those of the first look that stayed, then those found again.
        first: how many stayed.
    """
    if len(strings) == first:
        return strings
    kept: list[BoxString] = []
    for string in sorted(strings, key=lambda s: -len(s.boxes)):
        if not any(_covered(string, other) for other in kept):
            kept.append(string)
    return kept
