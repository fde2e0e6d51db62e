"""Reads images of one string by the CRNN, without a detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice

from industrial_ocr.decoding.lexicon import Lexicon, check_lexicon
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import Clock, finish
from industrial_ocr.reader.crnn import CrnnReading, characters_of, decode_frames, frame_codes
from industrial_ocr.reader.crop_views import agreed_view, folded, with_agreement
from industrial_ocr.reader.models import Models
from industrial_ocr.recognition.crop_layouts import crop_layouts
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.recognition.rectification import Rectified
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import rect_quad, with_margin
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import FloatArray, ImageArray

MIN_SINGLE_VIEW = 0.98
"""If the first view of a crop has at least this confidence, no other view is read."""


def recognize_crops(
    crops: Sequence[Rectified],
    models: Models,
    lexicon: Lexicon | None = None,
    patterns: Sequence[Pattern] = (),
) -> list[ReadResult]:
    """Reads rectified images of one horizontal string each, without a detector."""
    clock, config = Clock(), models.config
    if lexicon is not None:
        check_lexicon(lexicon, models.recognizer.charset)
    words = () if lexicon is None else lexicon.words
    kept = characters_of(patterns).union(*words)
    models = replace(models, recognizer=models.recognizer.keeping(kept))
    read = read_crops(crops, models, clock, lexicon)
    with clock.stage("decode"):
        codes = [frame_codes([own], patterns, config) for own in read]
    timings = clock.share(len(crops))
    return [
        finish(
            crop.image,
            [s],
            Engine.CRNN,
            config,
            timings,
            # A word of the lexicon is an answer even at a low confidence.
            doubtful=[s] if lexicon is not None else [],
            codes=own if patterns else None,
            one_string=True,
            basis=models.recognizer.basis,
        )
        for crop, (s, _), own in zip(crops, read, codes, strict=True)
    ]


def read_crops(
    crops: Sequence[Rectified], models: Models, clock: Clock, lexicon: Lexicon | None = None
) -> list[CrnnReading]:
    """Reads images of one horizontal string each; the majority of several views decides.

    If the confidence is low, other layouts are tried (``recognition.crop_layouts``). Quads are in
    pixels of the rectified images.
    """
    images, recognizer, config = [crop.image for crop in crops], models.recognizer, models.config

    def view(crop: ImageArray, margin: float) -> list[FloatArray]:
        return [with_margin(rect_quad(0, 0, crop.shape[1], crop.shape[0]), margin)]

    first, *others = config.recognition.crop_margins
    with clock.stage("recognize"):
        seen = recognizer.recognize(images, [[view(i, first)] for i in images], config.recognition)
    with clock.stage("decode"):
        grays = [to_gray(image) for image in images]
        read = [_decoded(f, g, models, lexicon)[0] for f, g in zip(seen, grays, strict=True)]
    further = [
        [view(image, margin) for margin in others] if string.confidence < MIN_SINGLE_VIEW else []
        for image, (string, _) in zip(images, read, strict=True)
    ]
    with clock.stage("recognize"):
        seen = recognizer.recognize(images, further, config.recognition)
    with clock.stage("decode"):
        read = [
            _most_agreed([first_view, *_decoded(views, gray, models, lexicon)])
            for first_view, views, gray in zip(read, seen, grays, strict=True)
        ]
    if config.recognition.crop_layouts:
        read = _with_layouts(crops, read, models, clock, lexicon)
    return read


def _decoded(
    views: Sequence[StringFrames], gray: ImageArray, models: Models, lexicon: Lexicon | None
) -> list[CrnnReading]:
    basis, weights = models.recognizer.basis, models.config.confidence.position_weights
    return [(decode_frames(f, "horizontal", gray, lexicon, weights, basis), f) for f in views]


def _most_agreed(views: Sequence[CrnnReading]) -> CrnnReading:
    """The reading on which most views of a crop agree; other readings lower its confidence."""
    best, agreement = agreed_view([string for string, _ in views])
    string, frames = views[best]
    return with_agreement(string, agreement), frames


def _with_layouts(
    crops: Sequence[Rectified],
    read: Sequence[CrnnReading],
    models: Models,
    clock: Clock,
    lexicon: Lexicon | None,
) -> list[CrnnReading]:
    """Replaces doubtful readings by those of another layout, if their confidence is higher."""
    layouts = [
        crop_layouts(crop, len(string.characters)) if string.confidence < MIN_SINGLE_VIEW else []
        for crop, (string, _) in zip(crops, read, strict=True)
    ]
    flat = list(chain.from_iterable(layouts))
    with clock.stage("recognize"):
        images, places = [layout.image for layout in flat], [list(layout.views) for layout in flat]
        frames = models.recognizer.recognize(images, places, models.config.recognition)
    seen = iter(zip(flat, frames, strict=True))
    result = []
    with clock.stage("decode"):
        for crop, first, tried in zip(crops, read, layouts, strict=True):
            best, same_line = first, False
            for layout, views in islice(seen, len(tried)):
                placed = [
                    replace(view, pieces=tuple(layout.place(q) for q in view.pieces))
                    for view in views
                ]
                reading = _most_agreed(_decoded(placed, to_gray(crop.image), models, lexicon))
                if reading[0].confidence > max(layout.min_confidence, best[0].confidence + 0.12):
                    best, same_line = reading, layout.same_line
            if same_line and folded(best[0].text) != folded(first[0].text):
                # Both read the same line, so the difference lowers the confidence.
                own, other = best[0].confidence, first[0].confidence
                best = (with_agreement(best[0], own / (own + other)), best[1])
            result.append(best)
    return result
