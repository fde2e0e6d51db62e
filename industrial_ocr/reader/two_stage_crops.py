"""The two-stage pipeline on images of one string each: the majority of several views decides.

The detector's errors differ with the size of a crop. A text that several views read is right far
more often than one that a single view reads with high confidence (``crop_views``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from industrial_ocr.config import PipelineConfig
from industrial_ocr.decoding.code_rules import confidence_doubt
from industrial_ocr.detection.linking import as_one_string, left_out_line
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.crop_views import agreed_text, folded, with_agreement
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.two_stage import View, read_view
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import FloatArray, ImageArray, Status, UnreadMark


def read_two_stage_crops(
    crops: Sequence[ImageArray], models: Models, patterns: Sequence[Pattern] = ()
) -> list[ReadResult]:
    """Reads images of one string each, left to right; all strings found in one are joined.

    Args:
        crops: (H, W, 3) uint8 RGB each.
        models: detector, classifier and settings, such as the sizes of the views.
        patterns: codes to look for.

    Returns:
        One result per crop: the text of most views, from the best of them. Other readings lower its
        confidence, and so does a second line, which is not read.
    """
    clock, config = Clock(), models.config
    seen: list[list[View]] = [[] for _ in crops]
    left_out: list[list[FloatArray | None]] = [[] for _ in crops]
    for sized, members in _views(crops, config):
        own = [crops[k] for k in members]
        lines = find_strings(own, models.detector, sized, clock)
        found = [as_one_string(strings) for strings in lines]
        views = read_view(own, found, models, clock, patterns)
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
    """The settings of every view, and the indices of its crops."""
    every = list(range(len(crops)))
    large = [k for k in every if min(crops[k].shape[:2]) >= config.detection.crop_large_side]
    views = [(view_config(config, side), every) for side in config.detection.crop_sides]
    if large:
        views.append((view_config(config, config.detection.crop_large_side), large))
    return views


def view_config(config: PipelineConfig, side: int | None = None) -> PipelineConfig:
    """The settings of a view whose short side is ``side``, by default that of the first view."""
    side = side or config.detection.crop_sides[0]
    return config.with_values("detection", short_side=side, shrink_to_short_side=True)


def _agreed(
    views: Sequence[View], config: PipelineConfig, left_out: Sequence[FloatArray | None]
) -> View:
    """The reading of most views of a crop; other readings lower its confidence.

    Args:
        views: of one crop.
        config: every threshold.
        left_out: the line of the same size that each view left out, or None. If most views left one
            out, the strings are doubtful; codes are not, since a pattern says what to read.
    """
    texts = [folded("".join(s.text for s, _ in v.strings)) for v in views]
    sure = [min((s.confidence for s, _ in v.strings), default=0.0) for v in views]
    best, agreement = agreed_text(list(zip(texts, sure, strict=True)))
    strings = [(with_agreement(s, agreement), whole) for s, whole in views[best].strings]
    lines = [quad for quad in left_out if quad is not None]
    if strings and 2 * len(lines) > len(left_out):
        second = UnreadMark(lines[0], len(strings[0][0].characters), 1.0)
        # A second line, which is not read, lowers the agreement of the views to 0.1.
        strings = [(replace(with_agreement(s, 0.1), unread=(second,)), w) for s, w in strings]
    if views[0].codes is None:
        return View(strings, None)
    return View(strings, _agreed_codes([v.codes or () for v in views], config))


def _agreed_codes(
    views: Sequence[Sequence[CodeReading]], config: PipelineConfig
) -> list[CodeReading]:
    """For each pattern the code that most views read; views without a code do not vote."""
    by_pattern: dict[str, list[CodeReading]] = {}
    for codes in views:
        for name in dict.fromkeys(c.pattern for c in codes):
            by_pattern.setdefault(name, []).append(next(c for c in codes if c.pattern == name))
    agreed = []
    for read in by_pattern.values():
        votes = [(f"{c.text} {c.status is _WRONG}", c.confidence) for c in read]
        best, agreement = agreed_text(votes)
        agreed.append(_code_with_agreement(read[best], agreement, config))
    return agreed


_WRONG = Status.PATTERN_MISMATCH
"""A code with this status does not agree with a matching code, even if the texts are equal."""


def _code_with_agreement(
    code: CodeReading, agreement: float, config: PipelineConfig
) -> CodeReading:
    """Lowers the confidence of a code if other views read something else."""
    if agreement == 1:
        return code
    confidence = code.confidence * agreement**0.5
    status, reason = code.status, code.reason
    if status is Status.OK and confidence_doubt(confidence, len(code.text), config.confidence):
        status = Status.LOW_CONFIDENCE
        reason = "the image reads differently at another size"
    return replace(code, confidence=confidence, status=status, reason=reason)
