"""Classifies the boxes of strings: each in its likeliest orientation, doubtful ones seen twice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.free_reading import FreeReading, read_freely
from industrial_ocr.detection.box_hypotheses import Proposals, propose
from industrial_ocr.detection.cutting import mirrored_strings
from industrial_ocr.detection.missed_ink import with_missed_ink
from industrial_ocr.detection.orientation import other_orientations, usual_orientation
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.reader.common import Clock, Found, strings_of_maps
from industrial_ocr.reader.crop_views import folded
from industrial_ocr.reader.models import Models
from industrial_ocr.results.geometry import points_inside
from industrial_ocr.results.types import BoxString, CharCandidates, FloatArray, ImageArray

LOOK_AGAIN = (math.log(0.5), -0.012)
"""Legibility of the strings that are looked at again: of clean print, a quarter. Less legible ones
are noise."""
_Ways = tuple[int, Sequence[BoxString]]
"""The index of an image, and orientations of one of its strings."""
TURNED_LEAD = 0.08
"""Nats of legibility by which another orientation must be better than the usual one."""


def read_strings(
    images: Sequence[ImageArray], found: Found, models: Models, upright: bool = False
) -> list[list[FreeReading]]:
    """Classifies strings in the likeliest orientation, doubtful ones in all; keeps the best."""
    usual: list[_Ways] = []
    may_be_turned: list[BoxString | None] = []
    for number, strings in enumerate(found):
        for string in strings:
            way = usual_orientation(string)
            flat = way.direction == "horizontal"
            usual.append((number, [way] if flat else [way, *other_orientations(string)]))
            may_be_turned.append(string if flat and not upright else None)
    first = _best_of(images, usual, models)
    further: list[_Ways] = []
    for (number, _), level, reading in zip(usual, may_be_turned, first, strict=True):
        ways: Sequence[BoxString] = []
        # No reading has a legibility above 0, so that none could be better than a very legible one.
        if level is not None and reading is not None and reading.legibility <= -TURNED_LEAD:
            ways = other_orientations(level)
        further.append((number, ways))
    second = _best_of(images, further, models)
    chosen: list[list[FreeReading]] = [[] for _ in images]
    for (number, _), reading, turned in zip(further, first, second, strict=True):
        assert reading is not None
        chosen[number].append(_right_way_up(reading, turned))
    return chosen


def looked_again(
    images: Sequence[ImageArray],
    grays: Sequence[ImageArray],
    readings: Sequence[Sequence[FreeReading]],
    models: Models,
    clock: Clock,
) -> list[list[FreeReading]]:
    """Finds the characters of doubtful strings again, in mirror images; keeps the better reading.

    Args:
        images: (H, W, 3) uint8 RGB or (H, W) gray each.
        grays: the same, (H, W).
        readings: of the strings of each image.
        models: detector, classifier and settings.
        clock: notes the time of each stage.
    """
    doubtful = [[k for k, r in enumerate(own) if _doubtful(r)] for own in readings]
    first = [
        [own[k].evidence.string for k in ks] for own, ks in zip(readings, doubtful, strict=True)
    ]
    strings_of = partial(strings_of_maps, config=models.config, clock=clock)
    detection = models.config.detection
    seen = mirrored_strings(images, first, models.detector, detection, strings_of)
    places: list[list[int]] = []
    found: Found = []
    for gray, own, ks, others in zip(grays, readings, doubtful, seen, strict=True):
        strings = [r.evidence.string for r in own]
        new = {
            k: s
            for k, s in zip(ks, others, strict=True)
            if s is not None and _stands_alone(s, strings[:k] + strings[k + 1 :])
        }
        every = [new.get(k, s) for k, s in enumerate(strings)]
        completed = with_missed_ink(gray, every) if new else []
        places.append(list(new))
        found.append([completed[k] for k in new])
    with clock.stage("classify"):
        second = read_strings(grays, found, models, upright=True)  # turned ones were tried before
    chosen = [list(own) for own in readings]
    for best, ks, again in zip(chosen, places, second, strict=True):
        for k, reading in zip(ks, again, strict=True):
            same = folded(best[k].symbols) == folded(reading.symbols)
            better = max(best[k], reading, key=lambda r: r.legibility)
            best[k] = replace(better, agreement=1.0 if same else 0.5)
    return chosen


def _doubtful(reading: FreeReading) -> bool:
    """Whether a string is looked at again: it is not stacked, and neither clear nor noise."""
    low, high = LOOK_AGAIN
    line = len(reading.string.boxes) > 1 and reading.string.direction != "vertical"
    return line and low < reading.legibility <= high


def _stands_alone(string: BoxString, others: Sequence[BoxString]) -> bool:
    """Whether none of its characters lies in the boxes of other strings."""
    taken = [box.quad for other in others for box in other.boxes]
    return not taken or not points_inside(taken, [box.center for box in string.boxes]).any()


def _right_way_up(usual: FreeReading, turned: FreeReading | None) -> FreeReading:
    """The reading in the usual orientation, unless another one is clearly better."""
    if turned is not None and turned.legibility >= usual.legibility + TURNED_LEAD:
        return turned
    return usual


def _best_of(
    images: Sequence[ImageArray], strings: Sequence[_Ways], models: Models
) -> list[FreeReading | None]:
    """Each string in its most likely orientation; None if it has none to try."""
    grays = [to_gray(image) for image in images]
    cases = [(number, [propose(way, grays[number]) for way in ways]) for number, ways in strings]
    quads: list[list[FloatArray]] = [[] for _ in images]
    for number, own in cases:
        for case in own:
            quads[number] += [b.quad for b in case.boxes]
    named = models.classifier.classify(images, quads, models.config.classification)
    rows = [iter(candidates) for candidates in named]
    best: list[FreeReading | None] = []
    for number, own in cases:
        evidence = (evidence_of(case, rows[number]) for case in own)
        read = [read_freely(e, models.classifier.charset) for e in evidence]
        best.append(max(read, key=lambda r: r.legibility, default=None))
    return best


def evidence_of(case: Proposals, rows: Iterator[CharCandidates]) -> StringEvidence:
    """The evidence of a string from the classifier's ``rows``, in the order of ``case.boxes``."""
    singles = tuple(next(rows) for _ in case.string.boxes)
    merged = {i: (box, next(rows)) for i, box in case.merged.items()}
    split = {i: tuple((half, next(rows)) for half in both) for i, both in case.split.items()}
    return StringEvidence(case.string, singles, merged, split, case.proposed, case.ink)


def string_evidence(
    images: Sequence[ImageArray], found: Found, models: Models, upright: bool = False
) -> list[list[StringEvidence]]:
    """The classifier's evidence for every string, in the orientation in which it reads best.

    If ``upright``, level strings are never read upside down.
    """
    readings = read_strings(images, found, models, upright)
    return [[r.evidence for r in own] for own in readings]
