"""Images that are one string, read by the CRNN without looking for it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from industrial_ocr.config import PipelineConfig
from industrial_ocr.decoding.lexicon import Lexicon
from industrial_ocr.geometry import rect_quad, with_margin
from industrial_ocr.pattern import Pattern
from industrial_ocr.pipelines.common import Clock, finish
from industrial_ocr.pipelines.crnn_ctc import (
    ENGINE,
    SURE,
    Reading,
    decode_frames,
    frame_codes,
    looked_again,
)
from industrial_ocr.pipelines.crop_views import agreed_view, doubted
from industrial_ocr.stages.crop_layouts import crop_layouts
from industrial_ocr.stages.recognition import Recognizer
from industrial_ocr.types import FloatArray, ImageArray, ReadResult

CLEARLY = 0.05
"""Another layout must read so much more surely to be believed."""


def recognise_crops(
    crops: Sequence[ImageArray],
    recognizer: Recognizer,
    config: PipelineConfig,
    lexicon: Lexicon | None = None,
    patterns: Sequence[Pattern] = (),
) -> list[ReadResult]:
    """Reads images that are one horizontal string each, without looking for it."""
    clock = Clock()
    read = read_crops(crops, recognizer, config, clock, lexicon)
    with clock.stage("decode"):
        codes = [frame_codes([own], patterns, recognizer.charset, config) for own in read]
    timings = clock.share(len(crops))
    return [
        finish(
            crop, [s], ENGINE, config, timings,
            # A word of the lexicon is an answer however little the frames speak for it.
            doubtful=[s] if lexicon is not None else [],
            codes=own if patterns else None, one_string=True,
        )
        for crop, (s, _), own in zip(crops, read, codes, strict=True)
    ]  # fmt: skip


def read_crops(
    crops: Sequence[ImageArray],
    recognizer: Recognizer,
    config: PipelineConfig,
    clock: Clock,
    lexicon: Lexicon | None = None,
) -> list[Reading]:
    """Images that are one horizontal string each: of several views the one that most agree with.

    Where that leaves doubt, the text may lie otherwise (``stages.crop_layouts``).
    """

    def view(crop: ImageArray, margin: float) -> list[FloatArray]:
        return [with_margin(rect_quad(0, 0, crop.shape[1], crop.shape[0]), margin)]

    first, *others = config.recognition.crop_margins
    with clock.stage("recognise"):
        seen = recognizer.recognise(crops, [[view(c, first)] for c in crops], config.recognition)
    with clock.stage("decode"):
        once = [[(decode_frames(f, recognizer.charset, "horizontal", lexicon), f)] for (f,) in seen]
    further = [[[view(c, m) for m in others]] for c in crops]
    read = [
        own[0] for own in looked_again(crops, once, further, recognizer, config, clock, lexicon)
    ]
    if config.recognition.crop_layouts:
        read = _laid_otherwise(crops, read, recognizer, config, clock, lexicon)
    return read


def _laid_otherwise(
    crops: Sequence[ImageArray],
    read: Sequence[Reading],
    recognizer: Recognizer,
    config: PipelineConfig,
    clock: Clock,
    lexicon: Lexicon | None,
) -> list[Reading]:
    """Readings, or where they are not sure and another layout reads more surely, those of it."""
    layouts = [
        crop_layouts(c) if own[0].confidence < SURE else []
        for c, own in zip(crops, read, strict=True)
    ]
    with clock.stage("recognise"):
        views = [[v for layout in own for v in layout.views] for own in layouts]
        frames = recognizer.recognise(crops, views, config.recognition)
    result = []
    with clock.stage("decode"):
        for best, own, seen in zip(read, layouts, frames, strict=True):
            rest = iter(seen)
            for layout in own:
                said = [
                    (decode_frames(f, recognizer.charset, "horizontal", lexicon), f)
                    for f in islice(rest, len(layout.views))
                ]
                chosen, agreement = agreed_view([s for s, _ in said])
                string, its_frames = said[chosen]
                string = doubted(string, agreement)
                least = max(layout.least, best[0].confidence + CLEARLY)
                best = (string, its_frames) if string.confidence > least else best
            result.append(best)
    return result
