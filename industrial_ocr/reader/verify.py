"""Verifies the expected text in an image by one engine or by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from industrial_ocr.decoding.box_verification import verify_boxes
from industrial_ocr.decoding.ctc_frames import FrameString
from industrial_ocr.decoding.ctc_verification import verify_frames
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.verification import expected_symbols
from industrial_ocr.detection.ink import LineInk
from industrial_ocr.detection.linking import as_one_string
from industrial_ocr.detection.orientation import string_quad
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.reader.arguments import known_engine
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.crnn import frame_strings, read_frames
from industrial_ocr.reader.crnn_crops import read_crops
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.two_stage_crops import view_config
from industrial_ocr.reader.two_stage_strings import string_evidence
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.recognition.rectification import Rectified
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import inside, line_quad
from industrial_ocr.results.types import FloatArray, ImageArray, Verdict
from industrial_ocr.results.verdicts import Verification

VERIFY_ENGINES = (Engine.TWO_STAGE, Engine.CRNN, Engine.AGREE)
"""The engines that verify."""


@dataclass(frozen=True, eq=False)
class Observed:
    """The evidence from one image, independent of the expected text.

    Attributes:
        boxes: the classifier's evidence for every string, None if it was not used.
        frames: the CRNN's frames of every string, None if it was not used.
        charset: of the frames, with the blank.
        strings: (4, 2) quads of all strings that were found.
        gray: (H, W) uint8, the image.
    """

    boxes: Sequence[StringEvidence] | None
    frames: Sequence[FrameString] | None
    charset: Charset
    strings: Sequence[FloatArray]
    gray: ImageArray


def observe(image: ImageArray, engine: Engine, models: Models, clock: Clock) -> Observed:
    """Finds the strings of an image once and runs one engine or both on them."""
    found = find_strings([image], models.detector, models.config, clock)
    boxes: Sequence[StringEvidence] | None = None
    frames: Sequence[FrameString] | None = None
    charset = models.recognizer.charset
    if engine != Engine.CRNN:
        with clock.stage("classify"):
            (boxes,) = string_evidence([image], found, models)
    if engine != Engine.TWO_STAGE:
        (read,) = read_frames([image], found, models, clock)
        frames = []
        if read:
            charset, frames = frame_strings(read)
    return Observed(boxes, frames, charset, [string_quad(s) for s in found[0]], to_gray(image))


def image_evidence(
    image: ImageArray, models: Models, one_string: bool = False
) -> tuple[list[StringEvidence], list[StringFrames]]:
    """The outputs of classifier and CRNN for an image's strings, see ``Reader.evidence``."""
    config, clock = models.config, Clock()
    found = find_strings(
        [image], models.detector, view_config(config) if one_string else config, clock
    )
    if one_string:
        found = [as_one_string(own) for own in found]
    (boxes,) = string_evidence([image], found, models, upright=one_string)
    if one_string:
        ((_, frames),) = read_crops([Rectified(image)], models, clock)
        return boxes, [frames]
    (read,) = read_frames([image], found, models, clock)
    return boxes, [frames for _, frames in read]


def judge(seen: Observed, expected: str, models: Models, part: bool = False) -> Verification:
    """The verdict of one engine, or of both, on the expected text."""
    verdicts = []
    if seen.boxes is not None:
        verdicts.append(verify_boxes(seen.boxes, expected, models.classifier.charset, part))
    if seen.frames is not None:
        verdicts.append(verify_frames(seen.frames, expected, seen.charset, part))
    verdicts = [_unless_unread(seen, v, part) if v.passed else v for v in verdicts]
    return agreed(*verdicts) if len(verdicts) == 2 else verdicts[0]


def verify_image(
    image: ImageArray,
    expected: str,
    engine: Engine | str,
    models: Models,
    part: bool = False,
) -> Verification:
    """The verdict on one image.

    Args:
        image: (H, W, 3) uint8 RGB.
        expected: the text that must be printed; its spaces may differ from the printed ones.
        engine: ``two-stage``, ``crnn`` or ``agree``.
        models: the models and their settings.
        part: the text may be a part of a longer word.

    Raises:
        ConfigError: an unknown engine, an empty text, or symbols that a model lacks.
    """
    engine = known_engine(engine, VERIFY_ENGINES)
    # A text that cannot be verified is refused before any network runs.
    for charset in models.charsets(engine):
        expected_symbols(expected, charset)
    clock = Clock()
    models = replace(models, recognizer=models.recognizer.keeping(expected))
    seen = observe(image, engine, models, clock)
    with clock.stage("decode"):
        verdict = judge(seen, expected, models, part)
    return replace(verdict, image=image, timings=clock.share(1))


def _unless_unread(seen: Observed, verdict: Verification, part: bool) -> Verification:
    """Turns a pass into ``cannot_tell`` if there is an unread mark in or beside the text.

    Each line of the text is looked at by itself. If the text may be a ``part`` of a word, what
    stands beside it does not matter.
    """
    quads = [c.quad for c in verdict.characters if c.quad is not None]
    first = 0
    for line in _lines(quads, seen.strings):
        others = [s for s in seen.strings if not any(inside(s, q.mean(0)) for q in line)]
        for mark in LineInk(seen.gray, line_quad(line), line).unread_marks(others):
            if part and mark.before in (0, len(line)):
                continue
            place = replace(mark, before=first + mark.before).place(len(quads))
            reason = f"a mark {place} is not expected"
            return replace(verdict, verdict=Verdict.CANNOT_TELL, reason=reason)
        first += len(line)
    return verdict


def _lines(quads: Sequence[FloatArray], strings: Sequence[FloatArray]) -> list[list[FloatArray]]:
    """The characters of each line, in order: neighbors in the same one of the ``strings``."""

    def string_of(quad: FloatArray) -> int:
        middle = quad.mean(0)
        return next((k for k, s in enumerate(strings) if inside(s, middle)), -1)

    return [list(line) for _, line in groupby(quads, string_of)]


def agreed(one: Verification, two: Verification) -> Verification:
    """Combines two verdicts: both must pass, and one failure is a failure.

    Returns:
        The evidence of the engine that decides, with both verdicts in ``ways``.
    """
    order = (Verdict.FAIL, Verdict.CANNOT_TELL, Verdict.PASS)
    decides = min((one, two), key=lambda v: order.index(v.verdict))
    reason = f"{decides.engine}: {decides.reason}"
    if one.verdict is two.verdict is Verdict.PASS:
        reason = "both engines read every character as expected"
    return replace(decides, engine=Engine.AGREE, reason=reason, ways=(one, two))
