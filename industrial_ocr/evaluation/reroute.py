"""Computes the results of ``agree`` and ``auto`` from a recorded run, without reading images.

The run must have the readings of two-stage and crnn under a pattern. ``reader.router.settle_all``
decides between them, as in reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from industrial_ocr.config import ConfidenceConfig
from industrial_ocr.errors import DatasetError
from industrial_ocr.evaluation.label_matching import Rules, rules_of
from industrial_ocr.evaluation.records import ReadString, Record, RecordedRun
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.router import NO_LIMITS, RouteTable, choose, paired_codes, settle_all
from industrial_ocr.results.codes import CodeReading, ImageSigns
from industrial_ocr.results.engine import PIPELINES, Engine
from industrial_ocr.results.types import Status

NEW_ROUTES: tuple[Engine, Engine] = (Engine.AGREE, Engine.AUTO)


def _code(read: ReadString, pattern: Pattern) -> CodeReading:
    """A code with the fields that a run records."""
    quad = np.zeros((4, 2)) if read.quad is None else read.quad
    return CodeReading(
        text=read.text,
        pattern=pattern.name or pattern.text,
        status=Status(read.status or "ok"),
        reason="",
        confidence=float(read.confidence or 0.0),
        raw_text=read.raw,
        raw_confidence=0.0,
        characters=(),
        quad=np.asarray(quad, np.float32),
        strings=(),
        direction="horizontal",
        signs=ImageSigns(*read.signs) if read.signs else None,
        missing=read.missing,
        alternatives=read.alternatives,
    )


def settled(
    route: Engine,
    ways: Mapping[Engine, Record],
    pattern: Pattern,
    measured: RouteTable | None = None,
    least: float = 0.0,
) -> Record:
    """The record of an image as ``agree`` or ``auto`` would have read it.

    Args:
        route: ``agree`` or ``auto``.
        ways: records of both engines under the pattern.
        pattern: the pattern.
        measured: routes from ``bench --write-routes``.
        least: smallest joint confidence of two equal readings; 0: no limit at all.
    """
    pairs = paired_codes({w: [_code(c, pattern) for c in r.codes or ()] for w, r in ways.items()})
    limits = ConfidenceConfig(min_code_confidence=least) if least else NO_LIMITS
    found = settle_all(route, pairs, choose(pattern, measured), limits)
    own = Engine.CRNN if found[0].route == Engine.CRNN else Engine.TWO_STAGE
    seconds = sum(r.seconds for r in ways.values())
    base = replace(ways[own], engine=str(route), codes=(), seconds=seconds)
    codes = [s.code for s in found if s.code is not None]
    if not codes:
        return base
    read = tuple(
        ReadString(
            text=c.text,
            confidence=round(c.confidence, 5),
            quad=c.quad.tolist(),
            status=c.status.value,
            raw=c.raw_text,
        )
        for c in codes
    )
    return replace(base, codes=read, status=codes[0].status.value)


def reroute(
    run: RecordedRun,
    rules: Mapping[str, Rules],
    measured: RouteTable | None = None,
    least: float = 0.0,
) -> RecordedRun:
    """The run with computed records of ``agree`` and ``auto``; existing ones are replaced.

    The seconds are the sum of both engines; the time that ``auto`` saves is unknown.

    Args:
        run: a run with records of two-stage and crnn.
        rules: rules by dataset name; ``""`` has those of all others. Only datasets with a pattern
            are computed.
        measured: routes from ``bench --write-routes``.
        least: smallest joint confidence of two equal readings.

    Raises:
        DatasetError: the run does not have both engines under a pattern.
    """
    made = []
    for ways, pattern in _read_both_ways(run, rules):
        made += [settled(route, ways, pattern, measured, least) for route in NEW_ROUTES]
    if not made:
        raise DatasetError(
            "the run has no image that two-stage and crnn both read under a pattern; "
            "make one with bench DATA --engines two-stage,crnn --pattern ..."
        )
    new = {r.key for r in made}
    engines = {**run.about.get("engines", {}), **dict.fromkeys(map(str, NEW_ROUTES), "rerouted")}
    kept = tuple(r for r in run.records if r.key not in new)
    return RecordedRun({**run.about, "engines": engines}, (*kept, *made))


def _read_both_ways(
    run: RecordedRun, rules: Mapping[str, Rules]
) -> Iterator[tuple[dict[Engine, Record], Pattern]]:
    """The records of images that both engines read under a pattern, with that pattern."""
    by_image: dict[tuple[str, str], dict[Engine, Record]] = {}
    for record in run.records:
        for way in PIPELINES:
            if record.engine == way and record.codes is not None and not record.error:
                by_image.setdefault((record.dataset, record.image), {})[way] = record
    for (dataset, _), ways in by_image.items():
        pattern = rules_of(rules, dataset).read_under
        if pattern is not None and len(ways) == len(PIPELINES):
            yield ways, pattern
