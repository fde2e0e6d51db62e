"""Steps of both pipelines: finding the strings, timing the stages, finishing a result."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

import numpy as np

from industrial_ocr.config import ConfidenceConfig, PipelineConfig, suited
from industrial_ocr.decoding.calibration import scaled_odds
from industrial_ocr.decoding.code_rules import status_rank
from industrial_ocr.decoding.confidence import features, fitted_model, own_probability
from industrial_ocr.detection.cutting import cut_strings
from industrial_ocr.detection.detector import Detector
from industrial_ocr.detection.ink import LineInk
from industrial_ocr.detection.linking import link_characters, reading_order, without_blobs
from industrial_ocr.detection.missed_ink import with_missed_ink, with_nested
from industrial_ocr.detection.multiscale import add_large_strings, refine_small_strings
from industrial_ocr.detection.segmentation import character_boxes
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import ConfidenceBasis, Engine
from industrial_ocr.results.geometry import edge_lengths, expand_quad, inside
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import (
    BoxString,
    FloatArray,
    ImageArray,
    ScoreMaps,
    Status,
    TextString,
)

NOT_CALIBRATED = (
    "the confidence of this recognizer is not calibrated; measure it with industrial-ocr calibrate"
)
NAMED_RIVAL = 0.1
"""Least probability of another symbol at which the reason of a status names it."""
SPLIT_VIEWS = 0.7
"""Highest confidence of a string of a whole picture of which half the views read something else.
The fitted model does not know them: two-stage reads 29 of 48 such lines of clean print right, and 4
of the 7 for which the model gives more than 0.9."""
NO_CODE = {
    Engine.TWO_STAGE: "no text is similar to the pattern",
    Engine.CRNN: "no word, or sequence of words, is similar to the pattern",
}
Found = list[list[BoxString]]
"""The strings of each image, not yet read."""


@dataclass
class Clock:
    """Seconds by stage, for a whole batch; the time of a nested stage counts only once."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _within: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time spent inside to the stage ``name``."""
        start, outside, self._within = time.perf_counter(), self._within, 0.0
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.seconds[name] += took - self._within
            self._within = outside + took

    def share(self, images: int) -> dict[str, float]:
        """Seconds by stage per image, and their total."""
        timings = {name: value / max(images, 1) for name, value in self.seconds.items()}
        return {**timings, "total": sum(timings.values())}


def find_strings(
    images: Sequence[ImageArray], detector: Detector, config: PipelineConfig, clock: Clock
) -> Found:
    """Detection, segmentation and linking: the strings of each image, not yet read.

    Large and small characters are detected at another scale, see ``detection.multiscale``. If the
    detector has a finder, that one finds the strings, and the detector cuts their characters.
    """
    finder = detector.finder
    if finder is None:
        found = found_by(detector, images, config, clock)
    else:
        found = found_by(finder, images, suited(config, finder.settings), clock)
        strings_of = partial(strings_of_maps, config=config, clock=clock)
        with clock.stage("cut"):
            found = cut_strings(images, found, detector, config.detection, strings_of)
    with clock.stage("link"):
        ordered = [with_nested(reading_order(without_blobs(own))) for own in found]
        return [
            with_missed_ink(to_gray(image), own) for image, own in zip(images, ordered, strict=True)
        ]


def found_by(
    detector: Detector, images: Sequence[ImageArray], config: PipelineConfig, clock: Clock
) -> Found:
    """The strings that one detector finds, at all scales."""
    strings_of = partial(strings_of_maps, config=config, clock=clock)
    with clock.stage("detect"):
        every = detector.detect(images, config.detection)
    found = [strings_of(maps) for maps in every]
    with clock.stage("distant look"):
        found = add_large_strings(images, found, detector, config.detection, strings_of)
    with clock.stage("closer look"):
        return refine_small_strings(images, found, detector, config.detection, strings_of)


def strings_of_maps(maps: ScoreMaps, config: PipelineConfig, clock: Clock) -> list[BoxString]:
    """Segmentation and linking."""
    rules = config.segmentation
    with clock.stage("segment"):
        boxes = character_boxes(
            maps, rules.text_threshold, rules.low_text, rules.min_char_size, rules.box_ratio
        )
    with clock.stage("link"):
        return link_characters(boxes, maps, rules.link_threshold, config.linking.space_ratio)


def finish(
    image: ImageArray,
    strings: Sequence[TextString],
    engine: Engine,
    config: PipelineConfig,
    timings: dict[str, float],
    doubtful: Sequence[TextString] = (),
    codes: Sequence[CodeReading] | None = None,
    one_string: bool = False,
    basis: ConfidenceBasis = "fitted",
) -> ReadResult:
    """The result of one image: gives strings their unread marks, confidence and status.

    Strings of very low confidence are noise and go to ``left_out``; in an image of ``one_string``
    a lower confidence is enough. ``doubtful`` strings stay: each is a part of another string, which
    must not lose any. If codes were searched (``codes`` is not None), the status is that of the
    best code. The confidence is that of ``decoding.confidence`` if ``basis`` is ``fitted``, else
    the network's own; if it is ``raw``, never compared with labels, nothing is ``ok``.
    """
    limits = config.confidence
    known = {id(s) for s in doubtful}
    read = [s for s in strings if s.text]
    kept = [
        s
        for s in read
        if id(s) in known or s.confidence >= limits.least(len(s.characters), one_string)
    ]
    left_out = tuple(s for s in read if not any(s is k for k in kept))
    odds = limits.odds.get(engine.value, (1.0, 0.0))
    unknown = NOT_CALIBRATED if basis == "raw" else ""
    judged = tuple(
        doubted(s, _doubt(s, limits, one_string) or unknown)
        for s in _judged(image, kept, engine, one_string, codes or (), basis, odds)
    )
    reason = first_doubt(judged)
    status = Status.LOW_CONFIDENCE if reason else Status.OK
    if not kept:
        status, reason = Status.NO_TEXT, "no text was found"
        if left_out:
            surest = max(left_out, key=lambda s: s.confidence)
            reason = f"{surest.text!r}: the confidence is so low that it counts as noise"
    if codes is not None and kept:
        status, reason = Status.PATTERN_MISMATCH, NO_CODE[engine]
    codes = [_compared_with_ink(c, judged, one_string) for c in codes or ()]
    if unknown:
        codes = [_doubtful_code(c, unknown) for c in codes]
    if codes:
        codes = sorted(codes, key=lambda c: status_rank(c.status))
        status, reason = codes[0].status, codes[0].reason
    return ReadResult(
        judged, status, engine, timings, image, tuple(codes), reason=reason, left_out=left_out
    )


def _judged(
    image: ImageArray,
    strings: Sequence[TextString],
    engine: Engine,
    one_string: bool,
    codes: Sequence[CodeReading],
    basis: ConfidenceBasis,
    odds: tuple[float, float],
) -> tuple[TextString, ...]:
    """Strings with their unread marks and the probability that they are right."""
    if not strings:
        return ()
    gray = to_gray(image)
    coded = [c.character.quad for c in chain.from_iterable(code.characters for code in codes)]
    marked = []
    for string in strings:
        others = [o.quad for o in strings if o is not string] + coded
        marked.append(_with_ink(gray, string, others))
    if basis != "fitted":
        return tuple(replace(s, confidence=own_probability(s)) for s in marked)
    model = fitted_model(engine, one_string)
    sure = model.probability(np.stack([features(s) for s in marked]))
    if odds != (1.0, 0.0):
        sure = scaled_odds(sure, odds)
    if not one_string:
        sure = np.minimum(sure, [SPLIT_VIEWS if s.agreement <= 0.5 else 1.0 for s in marked])
    return tuple(replace(s, confidence=float(p)) for s, p in zip(marked, sure, strict=True))


def _with_ink(gray: ImageArray, string: TextString, others: Sequence[FloatArray]) -> TextString:
    """A line with its unread marks and unseen ends; a stack has none."""
    if string.direction == "vertical":
        return string
    read = [c.quad for c in string.characters]
    ink = LineInk(gray, string.quad, read)
    known = ink
    if string.rejected:
        known = LineInk(gray, string.quad, [*read, *(c.quad for _, c in string.rejected)])
    marks = known.unread_marks(others)
    return replace(string, unread=(*marks, *string.unread), unseen_ends=ink.unseen_ends())


def doubted(string: TextString, reason: str) -> TextString:
    """A string that is doubtful for a reason, or ``ok`` without one."""
    status = Status.LOW_CONFIDENCE if reason else Status.OK
    return replace(string, status=status, reason=reason)


def first_doubt(strings: Iterable[TextString]) -> str:
    """The first doubtful string and the reason for its status; empty if there is none."""
    return next((f"{s.text!r}: {s.reason}" for s in strings if s.reason), "")


def low_confidence(string: TextString, limits: ConfidenceConfig) -> str:
    """Why the confidence of a string or of a character is too low, empty if neither is."""
    if string.confidence >= limits.min_confidence:
        weakest = min(string.characters, key=lambda c: c.confidence)
        if weakest.confidence >= limits.min_character:
            return ""
        return f"the confidence of {weakest.symbol!r} is only {weakest.confidence:.2f}"
    # Names the likeliest misread.
    pairs = [(*c.alternatives[0], c.symbol) for c in string.characters if c.alternatives]
    rival, chance, symbol = max(pairs, key=lambda pair: pair[1], default=("", 0.0, ""))
    misread = f"; {symbol!r} may be {rival!r}" if chance >= NAMED_RIVAL else ""
    return f"the confidence is below {limits.min_confidence:g}{misread}"


def _doubt(string: TextString, limits: ConfidenceConfig, one_string: bool) -> str:
    """Why a string is doubtful, empty if it is not.

    An unread mark lowers the confidence. One as clear as the print makes a string doubtful by
    itself if it stands at an end or is as tall as a letter; a small one inside may be a point of a
    dot matrix. In an image of one string it does not, as it may be part of a frame.
    """
    unsure = string.confidence < limits.min_confidence
    marks = string.unread
    if not unsure:
        ends = (0, len(string.characters))
        clear = [m for m in marks if m.strength >= 0.8 and (m.tall or m.before in ends)]
        marks = () if one_string else tuple(clear)
    if marks:
        clearest = max(marks, key=lambda m: m.strength)
        return f"a mark {clearest.place(len(string.characters))} was not read"
    return low_confidence(string, limits)


def _compared_with_ink(
    code: CodeReading, strings: Sequence[TextString], one_string: bool
) -> CodeReading:
    """Makes an ok code doubtful if a character may be missing.

    That is so if there is an unread mark in its place or next to it, and if the ink at its ends
    cannot be seen and a longer code would match, too. But:

    * nothing is missing in a code that passes its check if the pattern has no longer ones;
    * a small mark is no doubt where dashes or points may separate the groups of the code;
    * in an image of one string, nothing is cut off: what is tall beyond the ends is a frame.
    """
    if not code.characters or (code.checked and not code.may_be_longer):
        return code
    beside = expand_quad(code.quad, edge_lengths(code.quad)[1], 0.0)
    middles = [c.character.quad.mean(0) for c in code.characters]
    axis = middles[-1] - middles[0]
    for mark in chain.from_iterable(s.unread for s in strings):
        center = mark.quad.mean(0)
        before = sum(bool((m - center) @ axis < 0) for m in middles)
        frame = one_string and before in (0, len(middles))
        if inside(beside, center) and not (frame if mark.tall else code.ignores_marks):
            place = replace(mark, before=before).place(len(middles))
            return _incomplete(code, f"a mark {place} was not read")
    unseen = any(s.unseen_ends and inside(beside, s.quad.mean(0)) for s in strings)
    if code.may_be_longer and unseen and not one_string:
        return _incomplete(code, "its ends touch something else: a character may be missing")
    return code


def _incomplete(code: CodeReading, reason: str) -> CodeReading:
    """Notes that a character may be missing, and makes an ok code doubtful."""
    return _doubtful_code(replace(code, missing=reason), reason)


def _doubtful_code(code: CodeReading, reason: str) -> CodeReading:
    """Makes an ok code doubtful."""
    if code.status is not Status.OK:
        return code
    return replace(code, status=Status.LOW_CONFIDENCE, reason=reason)
