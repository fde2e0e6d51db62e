"""Runs the pipelines of an engine, and joins their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from industrial_ocr.decoding.lexicon import Lexicon
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import Found
from industrial_ocr.reader.crnn import read_crnn
from industrial_ocr.reader.crnn_crops import recognize_crops
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.routed import Routing, read_routed, route_results, total_timings
from industrial_ocr.reader.router import RouteTable
from industrial_ocr.reader.two_stage import read_two_stage
from industrial_ocr.reader.two_stage_crops import read_two_stage_crops
from industrial_ocr.recognition.rectification import Rectified
from industrial_ocr.results.engine import PIPELINES, Engine
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import ImageArray, Status

READ_BY = {Engine.TWO_STAGE: read_two_stage, Engine.CRNN: read_crnn}
"""The pipelines: images, models, patterns and, if they are known, strings -> results."""


class EngineRun:
    """Reads by one engine, which is one pipeline or both.

    Args:
        engine: the engine. ``auto`` leaves the CRNN out if it lacks a character of the patterns,
            such as a newly taught glyph.
        patterns: patterns of the codes.
        models: models and settings.
        routes: accuracy of both pipelines by pattern.

    Attributes:
        patterns: as given.
        models: as given.
        pipelines: the pipelines of the engine.
    """

    def __init__(
        self, engine: Engine, patterns: tuple[Pattern, ...], models: Models, routes: RouteTable
    ) -> None:
        self.patterns, self.models = patterns, models
        missing = (pattern.missing(models.recognizer.charset) for pattern in patterns)
        self._lacking = sorted(set(chain.from_iterable(missing))) if engine == Engine.AUTO else []
        self.pipelines: tuple[Engine, ...] = PIPELINES
        if self._lacking or engine in PIPELINES:
            self.pipelines = (Engine.TWO_STAGE if self._lacking else engine,)
            return
        unknown = set(models.classifier.charset.symbols) - set(models.recognizer.charset.symbols)
        self._routing = Routing(
            engine,
            patterns,
            routes,
            models.config.confidence,
            frozenset(unknown),
            models.recognizer.basis,
        )

    def joined(self, results: Mapping[Engine, ReadResult]) -> ReadResult:
        """The result of the engine, from the results of its pipelines for one image."""
        if len(self.pipelines) > 1:
            return route_results(dict(results), self._routing)
        (result,) = results.values()
        if self._lacking:
            reason = f"crnn does not know {' '.join(self._lacking)}, which the pattern needs"
            if result.status is not Status.OK:
                reason = f"{reason}; {result.reason}"
            return replace(result, route=Engine.TWO_STAGE, reason=reason)
        return result

    def read(self, images: Sequence[ImageArray]) -> list[ReadResult]:
        """Finds and reads the strings of images, (H, W, 3) uint8 RGB or (H, W) gray each."""

        def run(
            pipeline: Engine, some: Sequence[ImageArray], found: Found | None
        ) -> list[ReadResult]:
            return READ_BY[pipeline](some, self.models, self.patterns, found)

        if len(self.pipelines) > 1:
            return read_routed(images, self.models, self._routing, run)
        (pipeline,) = self.pipelines
        return [self.joined({pipeline: result}) for result in run(pipeline, images, None)]

    def recognize(self, crops: Sequence[Rectified], lexicon: Lexicon | None) -> list[ReadResult]:
        """Reads images of one string each; the lexicon is for the CRNN."""
        results = []
        for pipeline in self.pipelines:
            if pipeline == Engine.CRNN:
                read = recognize_crops(crops, self.models, lexicon, self.patterns)
            else:
                images = [crop.image for crop in crops]
                read = read_two_stage_crops(images, self.models, self.patterns)
            results.append(read)
        joined = []
        for own in zip(*results, strict=True):
            result = self.joined(dict(zip(self.pipelines, own, strict=True)))
            joined.append(replace(result, timings=total_timings([r.timings for r in own])))
        return joined
