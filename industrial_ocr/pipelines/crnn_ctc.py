"""The way with context: whole strings through the CRNN, CTC decoding, places by frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from industrial_ocr.charset import Charset
from industrial_ocr.codes import CodeReading
from industrial_ocr.config import PipelineConfig
from industrial_ocr.decoding.code_rules import Limits
from industrial_ocr.decoding.ctc import CtcSymbol, align, greedy_decode, sequence_log_probability
from industrial_ocr.decoding.ctc_codes import FrameString, read_ctc_codes
from industrial_ocr.decoding.lexicon import Lexicon, best_word
from industrial_ocr.decoding.scoring import score_sequence, string_confidence
from industrial_ocr.geometry import enclosing_quad, expand_quad, rect_quad
from industrial_ocr.pattern import Pattern
from industrial_ocr.pipelines.common import Clock, Found, find_strings, finish
from industrial_ocr.stages.detection import Detector
from industrial_ocr.stages.orientation import orientations, string_quad
from industrial_ocr.stages.recognition import Recognizer, StringFrames
from industrial_ocr.types import (
    BoxString,
    Character,
    Direction,
    FloatArray,
    ImageArray,
    ReadResult,
    TextString,
)

ENGINE = "crnn"
MARGIN = 0.12
"""Added around a string's quad before it is read, in heights: the network is trained with some."""


def read_crnn(
    images: Sequence[ImageArray],
    detector: Detector,
    recognizer: Recognizer,
    config: PipelineConfig,
    patterns: Sequence[Pattern] = (),
    found: Found | None = None,
) -> list[ReadResult]:
    """Reads images: strings found as in the two-stage way, each read as a whole.

    Args:
        images: (H, W, 3) uint8 RGB each.
        detector: finds the strings.
        recognizer: reads them.
        config: every threshold.
        patterns: codes to look for.
        found: the strings of the images, where they were found already.

    Returns:
        One result an image.
    """
    clock = Clock()
    found = find_strings(images, detector, config, clock) if found is None else found
    read = read_frames(images, found, recognizer, config, clock)
    with clock.stage("decode"):
        codes = [_codes(own, patterns, recognizer.charset, config) for own in read]
    timings = clock.share(len(images))
    return [
        finish(
            image,
            [s for s, _ in own],
            ENGINE,
            config,
            timings,
            codes=found if patterns else None,
        )
        for image, own, found in zip(images, read, codes, strict=True)
    ]


def read_frames(
    images: Sequence[ImageArray],
    found: Found,
    recognizer: Recognizer,
    config: PipelineConfig,
    clock: Clock,
) -> list[list[tuple[TextString, StringFrames]]]:
    """Every string of every image with its frames, the way up in which it reads best."""
    ways = [[(i, w) for i, s in enumerate(own) for w in orientations(s)] for own in found]
    with clock.stage("recognise"):
        pieces = [[_pieces(w) for _, w in own] for own in ways]
        frames = recognizer.recognise(images, pieces, config.recognition)
    read = []
    with clock.stage("decode"):
        for own, seen in zip(ways, frames, strict=True):
            best: dict[int, tuple[TextString, StringFrames]] = {}
            for (i, way), f in zip(own, seen, strict=True):
                string = decode_frames(f, recognizer.charset, way.direction)
                if i not in best or string.confidence > best[i][0].confidence + 0.02:
                    best[i] = string, f
            read.append([best[i] for i in sorted(best)])
    return read


def _codes(
    strings: Sequence[tuple[TextString, StringFrames]],
    patterns: Sequence[Pattern],
    charset: Charset,
    config: PipelineConfig,
) -> list[CodeReading]:
    """The codes of one image under each pattern."""
    sure = config.confidence
    limits = Limits(sure.min_confidence, sure.min_character, sure.min_code)
    frames = [FrameString(f.log_probs, f.span_quad, s.direction) for s, f in strings]
    return [c for p in patterns for c in read_ctc_codes(frames, p, charset, limits)]


def recognise_crops(
    crops: Sequence[ImageArray],
    recognizer: Recognizer,
    config: PipelineConfig,
    lexicon: Lexicon | None = None,
    patterns: Sequence[Pattern] = (),
) -> list[ReadResult]:
    """Reads images that are one horizontal string each, without looking for it."""
    clock = Clock()
    with clock.stage("recognise"):
        frames = whole_frames(crops, recognizer, config)
    with clock.stage("decode"):
        strings = [decode_frames(f, recognizer.charset, "horizontal", lexicon) for f in frames]
        codes = [
            _codes([(s, f)], patterns, recognizer.charset, config)
            for s, f in zip(strings, frames, strict=True)
        ]
    timings = clock.share(len(crops))
    return [
        finish(
            crop, [s], ENGINE, config, timings,
            # A word of the lexicon is an answer however little the frames speak for it.
            doubtful=[s] if lexicon is not None else [],
            codes=own if patterns else None,
        )
        for crop, s, own in zip(crops, strings, codes, strict=True)
    ]  # fmt: skip


def whole_frames(
    crops: Sequence[ImageArray], recognizer: Recognizer, config: PipelineConfig
) -> list[StringFrames]:
    """The frames of images that are one horizontal string each."""
    whole = [[[rect_quad(0, 0, c.shape[1], c.shape[0])]] for c in crops]
    return [own[0] for own in recognizer.recognise(crops, whole, config.recognition)]


def _pieces(string: BoxString) -> list[FloatArray]:
    """What is set side by side for the CRNN: a whole line, or each letter of a stack."""
    if string.direction == "vertical":
        heights = [float(np.linalg.norm(b.quad[3] - b.quad[0])) for b in string.boxes]
        margin = MARGIN * float(np.median(heights))
        return [expand_quad(b.quad, margin, margin) for b in string.boxes]
    quad = string_quad(string)
    margin = MARGIN * float(np.linalg.norm(quad[3] - quad[0]))
    return [expand_quad(quad, margin, margin)]


def decode_frames(
    frames: StringFrames, charset: Charset, direction: Direction, lexicon: Lexicon | None = None
) -> TextString:
    """CTC decoding with a place and a probability for every character.

    Greedy; with a lexicon its likeliest word instead, whose characters keep the probability that
    the network gave them, however low.
    """
    symbols = greedy_decode(frames.log_probs, charset)
    if lexicon is not None:
        symbols = _as_word(symbols, frames, charset, lexicon)
    places = _frame_borders([(s.first_frame, s.last_frame) for s in symbols])
    characters = tuple(
        Character(s.symbol, frames.span_quad(*place), s.probability, s.alternatives)
        for s, place in zip(symbols, places, strict=True)
    )
    text = "".join(c.symbol for c in characters)
    classes = charset.encode(text)
    log_probability = sequence_log_probability(frames.log_probs, classes)
    scores = score_sequence([c.confidence for c in characters], log_probability)
    axis = frames.pieces[0][1] - frames.pieces[0][0]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    quad = frames.pieces[0] if len(frames.pieces) == 1 else enclosing_quad(frames.pieces, axis)
    return TextString(text, string_confidence(scores), quad, characters, direction, scores)


def _as_word(
    symbols: list[CtcSymbol], frames: StringFrames, charset: Charset, lexicon: Lexicon
) -> list[CtcSymbol]:
    """The frames of the likeliest word, spelt in the case that the network saw."""
    greedy = "".join(s.symbol for s in symbols)
    word, _ = best_word(frames.log_probs, greedy, lexicon, charset)
    if (greedy if lexicon.case else greedy.upper()) == word:
        return symbols
    try:
        return align(frames.log_probs, charset.encode(word), charset)
    except ValueError:  # longer than the strip has frames
        return symbols


def _frame_borders(spans: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """Widens CTC's narrow spikes: each reaches half-way to its neighbours, at most 2.5 frames."""
    places = []
    for i, (first, last) in enumerate(spans):
        left = (spans[i - 1][1] + first) / 2 + 0.5 if i else first - 2.0
        right = (last + spans[i + 1][0]) / 2 - 0.5 if i + 1 < len(spans) else last + 2.0
        places.append((max(left, first - 2.5), min(right, last + 2.5)))
    return places
