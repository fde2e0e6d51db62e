"""The way with context: whole strings through the CRNN, CTC decoding, places by frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.config import PipelineConfig, PositionWeights
from industrial_ocr.decoding.code_rules import Limits
from industrial_ocr.decoding.ctc import (
    CtcSymbol,
    align,
    greedy_decode,
    sequence_log_probability,
    spaced,
    spaces_after,
)
from industrial_ocr.decoding.ctc_codes import read_ctc_codes
from industrial_ocr.decoding.ctc_frames import FrameString
from industrial_ocr.decoding.homoglyphs import resolve_homoglyphs
from industrial_ocr.decoding.lexicon import Lexicon, best_word
from industrial_ocr.decoding.scoring import score_sequence, string_confidence
from industrial_ocr.detection.detector import Detector
from industrial_ocr.detection.orientation import orientations, string_quad
from industrial_ocr.detection.spacing import with_spaces
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import Clock, Found, find_strings, finish
from industrial_ocr.reader.crop_views import doubted
from industrial_ocr.recognition.recognizer import Recognizer, StringFrames
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import quad_around
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import (
    BoxString,
    Character,
    CharCandidates,
    Direction,
    FloatArray,
    ImageArray,
    TextString,
)

TURNED = 2.5
"""A level string by itself stands on its head only where that is so many nats likelier: of 5,651
codes that were rendered upright and read right, most of them of characters that have a meaning
turned too, the largest lead of the turned way was 2.2."""
CLEARLY_TURNED = 2.0
"""What a string's lead has beyond this speaks for the other strings of its image being turned."""
DIGIT = 0.62
"""Nats by which 0 is likelier than O, and 1 than I, beyond what the network says: fitted to 1,230
of the former on 1,100 rendered pictures, of which it read 91 wrong before and 77 then."""

Reading = tuple[TextString, StringFrames]


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
        codes = [frame_codes(own, patterns, recognizer.charset, config) for own in read]
    timings = clock.share(len(images))
    return [
        finish(
            image,
            [s for s, _ in own],
            Engine.CRNN,
            config,
            timings,
            codes=said if patterns else None,
        )
        for image, own, said in zip(images, read, codes, strict=True)
    ]


def read_frames(
    images: Sequence[ImageArray],
    found: Found,
    recognizer: Recognizer,
    config: PipelineConfig,
    clock: Clock,
) -> list[list[tuple[TextString, StringFrames]]]:
    """Every string of every image with its frames, the way up in which it reads best."""
    ways = [[orientations(string) for string in own] for own in found]
    with clock.stage("recognize"):
        pieces = [[_pieces(way) for way in chain.from_iterable(own)] for own in ways]
        frames = recognizer.recognize(images, pieces, config.recognition)
    ratio, weights = config.linking.word_space_ratio, config.confidence.position_weights
    read: list[list[Reading]] = []
    with clock.stage("decode"):
        for own, seen in zip(ways, frames, strict=True):
            rows = iter(seen)
            told = [_told(each, rows, recognizer.charset, weights) for each in own]
            read.append([_spaced_by_gaps(*chosen, ratio) for chosen in _right_way_up(told)])
    return read


def _told(
    ways: Sequence[BoxString],
    rows: Iterator[StringFrames],
    charset: Charset,
    weights: PositionWeights,
) -> list[tuple[BoxString, Reading]]:
    """What a string reads as in each of its ways; ``rows`` has the frames of each."""
    told = []
    for way in ways:
        frames = next(rows)
        text = decode_frames(frames, charset, way.direction, weights=weights)
        told.append((way, (text, frames)))
    return told


def _spaced_by_gaps(way: BoxString, reading: Reading, ratio: float) -> Reading:
    """The reading with spaces at wide gaps, if the network does not know the space."""
    text, frames = reading
    return (text if frames.space is not None else with_spaces(text, way, ratio)), frames


def _right_way_up(
    strings: Sequence[Sequence[tuple[BoxString, Reading]]],
) -> list[tuple[BoxString, Reading]]:
    """The way in which each string of an image reads best.

    The ways of a string are held against each other by the log-probability of a string as long as
    its longest reading. A level string's upright way is ``TURNED`` nats ahead, less where others
    of the image are clearly better turned, and more where they are not. The chosen way is as sure
    as the odds against the others allow.

    Args:
        strings: for each its ways of ``orientations``, upright first, and what they read as.
    """
    scores = [_way_scores([reading[0] for _, reading in ways]) for ways in strings]
    level = np.array([w[0][0].direction == "horizontal" and len(w) > 1 for w in strings], bool)
    leads = np.array([s[1] - s[0] if flat else 0.0 for s, flat in zip(scores, level, strict=True)])
    said = np.maximum(leads - CLEARLY_TURNED, 0.0) + np.minimum(leads, 0.0)
    upright = TURNED - np.clip(said.sum() - said, -TURNED, TURNED)
    chosen = []
    for ways, own, ahead in zip(strings, scores, np.where(level, upright, 0.0), strict=True):
        own[0] += ahead
        best = int(own.argmax())
        way, (string, frames) = ways[best]
        share = math.exp(own[best] - float(np.logaddexp.reduce(own)))
        chosen.append((way, (doubted(string, share), frames)))
    return chosen


def _way_scores(readings: Sequence[TextString]) -> NDArray[np.float64]:
    """(W,) log-probability of a string in each of its ways, at the length of the longest."""
    length = max(len(r.characters) for r in readings)
    return length * np.log([max(r.confidence, 1e-12) for r in readings])


def frame_codes(
    strings: Sequence[tuple[TextString, StringFrames]],
    patterns: Sequence[Pattern],
    charset: Charset,
    config: PipelineConfig,
) -> list[CodeReading]:
    """The codes of one image under each pattern."""
    sure = config.confidence
    limits = Limits(sure.min_code_confidence, sure.min_character, sure.min_code)
    frames = [FrameString(f.log_probs, f.span_quad, s.direction) for s, f in strings]
    found = (read_ctc_codes(frames, pattern, charset, limits) for pattern in patterns)
    return list(chain.from_iterable(found))


def _pieces(string: BoxString) -> list[FloatArray]:
    """What is set side by side for the CRNN: a whole line, or each letter of a stack."""
    if string.direction == "vertical":
        return [b.quad for b in string.boxes]
    return [string_quad(string)]


def decode_frames(
    frames: StringFrames,
    charset: Charset,
    direction: Direction,
    lexicon: Lexicon | None = None,
    weights: PositionWeights = "none",
) -> TextString:
    """CTC decoding with a place and a probability for every character.

    The likeliest path; with a lexicon its likeliest word instead, whose characters keep the
    probability that the network gave them, however low.
    """
    symbols = greedy_decode(frames.log_probs, charset)
    if lexicon is not None:
        symbols = _as_word(symbols, frames, charset, lexicon)
    # Of the shapes that were seen: which of two twins stands there is another question.
    label = [charset.encode(s.symbol)[0] for s in symbols]
    log_probability = sequence_log_probability(frames.log_probs, label)
    if lexicon is None:
        symbols = _resolved(symbols, frames)
    places = _frame_borders([(s.first_frame, s.last_frame) for s in symbols])
    characters = tuple(
        Character(s.symbol, frames.span_quad(*place), s.probability, s.alternatives)
        for s, place in zip(symbols, places, strict=True)
    )
    text = spaced(symbols, frames.space if lexicon is None else None)
    scores = score_sequence([c.confidence for c in characters], log_probability, weights)
    quad = frames.pieces[0] if len(frames.pieces) == 1 else quad_around(frames.pieces)
    return TextString(text, string_confidence(scores), quad, characters, direction, scores)


def _resolved(symbols: Sequence[CtcSymbol], frames: StringFrames) -> list[CtcSymbol]:
    """The symbols with 0 and O of a run told apart as one (``homoglyphs``).

    The network has seen the neighbors, so they count no second time.
    """
    if not symbols:
        return []
    spaces = [False for _ in symbols]
    if frames.space is not None:
        spaces = spaces_after(symbols, frames.space)
    candidates = [_as_candidates(symbol) for symbol in symbols]
    named = resolve_homoglyphs(candidates, spaces, neighbors=0.0, digit=DIGIT)
    return [_renamed(symbol, *name) for symbol, name in zip(symbols, named, strict=True)]


def _as_candidates(symbol: CtcSymbol) -> CharCandidates:
    """A symbol and its alternatives as the classifier would give them."""
    others, chances = zip(*symbol.alternatives, strict=True) if symbol.alternatives else ((), ())
    probabilities = np.array([symbol.probability, *chances], np.float32)
    return CharCandidates((symbol.symbol, *others), probabilities, 0.0)


def _renamed(symbol: CtcSymbol, name: str, probability: float) -> CtcSymbol:
    """The symbol under another name, its own among the alternatives."""
    if name == symbol.symbol:
        return symbol
    others = tuple(a for a in symbol.alternatives if a[0] != name)
    alternatives = ((symbol.symbol, symbol.probability), *others)
    return replace(symbol, symbol=name, probability=probability, alternatives=alternatives)


def _as_word(
    symbols: list[CtcSymbol], frames: StringFrames, charset: Charset, lexicon: Lexicon
) -> list[CtcSymbol]:
    """The frames of the likeliest word, spelled in the case that the network saw."""
    read = "".join(s.symbol for s in symbols)
    word = best_word(frames.log_probs, read, lexicon, charset)
    if not word or (read if lexicon.case else read.upper()) == word:
        return symbols
    return align(frames.log_probs, charset.encode(word), charset)


def _frame_borders(spans: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """Widens CTC's narrow spikes: each reaches half-way to its neighbors, at most 2.5 frames."""
    places = []
    for i, (first, last) in enumerate(spans):
        left = (spans[i - 1][1] + first) / 2 + 0.5 if i else first - 2.0
        right = (last + spans[i + 1][0]) / 2 - 0.5 if i + 1 < len(spans) else last + 2.0
        places.append((max(left, first - 2.5), min(right, last + 2.5)))
    return places
