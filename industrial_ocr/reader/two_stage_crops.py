"""The context-free way on images that are one string each: several views, and what most say.

A detector that sees a crop at another size cuts other characters apart. A text that several views
read is right far more often than what one view is sure of (``crop_views``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from industrial_ocr.config import PipelineConfig
from industrial_ocr.detection.detector import Detector
from industrial_ocr.detection.linking import as_one_string, left_out_line
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.crop_views import agreed_text, doubted
from industrial_ocr.reader.two_stage import View, read_view
from industrial_ocr.recognition.classifier import Classifier
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import FloatArray, ImageArray, Status, UnreadMark

TWO_LINES = 0.1
"""Agreement of views of which most show a second line, which is not read."""


def read_two_stage_crops(
    crops: Sequence[ImageArray],
    detector: Detector,
    classifier: Classifier,
    config: PipelineConfig,
    patterns: Sequence[Pattern] = (),
) -> list[ReadResult]:
    """Reads images that are one string each, left to right: what is found is joined to it.

    Args:
        crops: (H, W, 3) uint8 RGB each.
        detector: finds characters.
        classifier: names them.
        config: every threshold, and the sizes of the views.
        patterns: codes to look for.

    Returns:
        One result a crop: the surest of the views that most agree with. Dissent lowers its
        confidence, and so does a second line, which is not read.
    """
    clock = Clock()
    seen: list[list[View]] = [[] for _ in crops]
    left_out: list[list[FloatArray | None]] = [[] for _ in crops]
    for sized, members in _views(crops, config):
        own = [crops[k] for k in members]
        lines = find_strings(own, detector, sized, clock)
        found = [as_one_string(strings) for strings in lines]
        views = read_view(own, found, classifier, sized, clock, patterns, upright=True)
        for k, view, every, one in zip(members, views, lines, found, strict=True):
            seen[k].append(view)
            left_out[k].append(left_out_line(every, one))
    with clock.stage("decode"):
        agreed = [_agreed(own, config, lines) for own, lines in zip(seen, left_out, strict=True)]
    timings = clock.share(len(crops))
    return [v.result(crop, config, timings, True) for crop, v in zip(crops, agreed, strict=True)]


def _views(
    crops: Sequence[ImageArray], config: PipelineConfig
) -> list[tuple[PipelineConfig, list[int]]]:
    """The settings of every view, and the crops that it is for."""
    every = list(range(len(crops)))
    large = [k for k in every if min(crops[k].shape[:2]) >= config.detection.crop_large_side]
    views = [(view_config(config, side), every) for side in config.detection.crop_sides]
    if large:
        views.append((view_config(config, config.detection.crop_large_side), large))
    return views


def view_config(config: PipelineConfig, side: int | None = None) -> PipelineConfig:
    """The settings of a view at a short side; without one, those of the first view."""
    detection = config.detection.model_copy(
        update={"short_side": side or config.detection.crop_sides[0], "shrink_to_short_side": True}
    )
    return config.model_copy(update={"detection": detection})


def _agreed(
    views: Sequence[View], config: PipelineConfig, left_out: Sequence[FloatArray | None]
) -> View:
    """What most views of a crop say, with the doubt that the others raise.

    Args:
        views: of one crop.
        config: every threshold.
        left_out: a line of the same size that each view left out; where most did so it was not
            read. Codes are what a pattern asks for, whatever else stands there.
    """
    said = [
        (
            "".join("".join(s.text.split()) for s, _ in v.strings).upper(),
            min((s.confidence for s, _ in v.strings), default=0.0),
        )
        for v in views
    ]
    best, agreement = agreed_text(said)
    strings = [(doubted(s, agreement), sure) for s, sure in views[best].strings]
    lines = [quad for quad in left_out if quad is not None]
    if 2 * len(lines) > len(left_out):
        second = UnreadMark(lines[0], len(strings[0][0].characters), 1.0)
        strings = [(replace(doubted(s, TWO_LINES), unread=(second,)), sure) for s, sure in strings]
    if views[0].codes is None:
        return View(strings, None)
    return View(strings, _agreed_codes([v.codes or () for v in views], config))


def _agreed_codes(
    views: Sequence[Sequence[CodeReading]], config: PipelineConfig
) -> list[CodeReading]:
    """Per pattern the code that most views see; a view that sees none has no say."""
    by_pattern: dict[str, list[CodeReading]] = {}
    for codes in views:
        for name in dict.fromkeys(c.pattern for c in codes):
            by_pattern.setdefault(name, []).append(next(c for c in codes if c.pattern == name))
    agreed = []
    for codes_of_it in by_pattern.values():
        said = [(f"{c.text} {c.status is _WRONG}", c.confidence) for c in codes_of_it]
        best, agreement = agreed_text(said)
        agreed.append(_doubted(codes_of_it[best], agreement, config))
    return agreed


_WRONG = Status.PATTERN_MISMATCH
"""A view that sees another text than the pattern wants does not agree with one that sees it."""


def _doubted(code: CodeReading, agreement: float, config: PipelineConfig) -> CodeReading:
    """A code as sure as it is with what other views say held against it."""
    if agreement == 1:
        return code
    confidence = code.confidence * agreement**0.5
    status, reason = code.status, code.reason
    if status is Status.OK and confidence < config.confidence.min_code_confidence:
        status = Status.LOW_CONFIDENCE
        reason = "the picture reads differently at another size"
    return replace(code, confidence=confidence, status=status, reason=reason)
