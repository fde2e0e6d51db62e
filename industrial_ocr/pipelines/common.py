"""What both ways share: finding the strings, timing the stages, finishing a result."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from industrial_ocr.codes import CodeReading
from industrial_ocr.config import ConfidenceConfig, PipelineConfig
from industrial_ocr.stages.closer_look import look_closer
from industrial_ocr.stages.detection import Detector
from industrial_ocr.stages.distant_look import look_from_afar
from industrial_ocr.stages.linking import link_characters, reading_order
from industrial_ocr.stages.segmentation import character_boxes
from industrial_ocr.types import (
    BoxString,
    ImageArray,
    ReadResult,
    ScoreMaps,
    Status,
    TextString,
)

Found = list[list[BoxString]]
"""The strings of each image, not yet read."""


@dataclass
class Clock:
    """Seconds by stage, for a whole batch; a stage within another counts for itself alone."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _within: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds what runs inside to that stage."""
        start, outside, self._within = time.perf_counter(), self._within, 0.0
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.seconds[name] += took - self._within
            self._within = outside + took

    def share(self, images: int) -> dict[str, float]:
        """Each image's share, and their total."""
        timings = {name: value / max(images, 1) for name, value in self.seconds.items()}
        return {**timings, "total": sum(timings.values())}


def find_strings(
    images: Sequence[ImageArray], detector: Detector, config: PipelineConfig, clock: Clock
) -> Found:
    """Detection, segmentation and linking: the strings of each image, not yet read.

    What is large or small is looked at twice, see ``stages.distant_look`` and ``closer_look``.
    """

    def strings_of(maps: ScoreMaps) -> list[BoxString]:
        with clock.stage("segment"):
            rules = config.segmentation
            boxes = character_boxes(maps, rules.text_threshold, rules.low_text, rules.min_char_size)
        with clock.stage("link"):
            return link_characters(boxes, maps, rules.link_threshold, config.linking.space_ratio)

    with clock.stage("detect"):
        every = detector.detect(images, config.detection)
    found = [strings_of(maps) for maps in every]
    with clock.stage("distant look"):
        found = look_from_afar(images, found, detector, config.detection, strings_of)
    with clock.stage("closer look"):
        again = look_closer(images, found, detector, config.detection, strings_of)
    return [reading_order(own) for own in again]


def _own_status(string: TextString, limits: ConfidenceConfig) -> Status:
    sure = (
        string.confidence >= limits.min_confidence
        and min(c.confidence for c in string.characters) >= limits.min_character
    )
    return Status.OK if sure else Status.LOW_CONFIDENCE


def finish(
    image: ImageArray,
    strings: Sequence[TextString],
    engine: str,
    config: PipelineConfig,
    timings: dict[str, float],
    doubtful: Sequence[TextString] = (),
    codes: Sequence[CodeReading] | None = None,
    one_string: bool = False,
) -> ReadResult:
    """The result of one image; strings that are noise are left out, unless they are ``doubtful``.

    Doubtful ones were part of another string; nothing is trimmed from a string unseen. Where codes
    were looked for (``codes`` is not None), the status is that of the code. Of an image that is
    known to be ``one_string`` nothing is noise that could be read at all.
    """
    limits = config.confidence
    known = {id(s) for s in doubtful}
    kept = tuple(
        replace(s, status=_own_status(s, limits))
        for s in strings
        if s.text
        and (id(s) in known or s.confidence >= limits.least(len(s.characters), one_string))
    )
    sure = all(s.status is Status.OK for s in kept)
    status = Status.OK if sure else Status.LOW_CONFIDENCE
    if not kept:
        status = Status.NO_TEXT
    if codes:
        status = codes[0].status
    elif codes is not None and kept:
        status = Status.PATTERN_MISMATCH
    return ReadResult(kept, status, engine, timings, image, tuple(codes or ()))
