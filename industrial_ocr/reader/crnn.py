"""The CRNN pipeline: reads whole strings with context, by CTC decoding of their frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from industrial_ocr.config import PipelineConfig, PositionWeights
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
from industrial_ocr.decoding.homoglyphs import resolve_homoglyphs, weigh_unmarked
from industrial_ocr.decoding.lexicon import Lexicon, best_word
from industrial_ocr.decoding.scoring import score_sequence, string_confidence
from industrial_ocr.detection.ink import LineInk
from industrial_ocr.detection.orientation import string_quad
from industrial_ocr.detection.spacing import with_spaces
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import Clock, Found, find_strings, finish
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.orientation_choice import (
    CrnnReading,
    StringWays,
    beside_turned,
    right_way_up,
)
from industrial_ocr.recognition.recognizer import StringFrames, in_one_charset
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import ConfidenceBasis, Engine
from industrial_ocr.results.geometry import centers_meet, inside, quad_around, with_margin
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

DIGIT_NATS = 0.34
"""Added to the log-odds of 0 against O and of 1 against I. Fitted to 2,527 such characters in 1,600
rendered images, whose plain print has fonts that the recognizer has not learned; of the 1,264
held-out ones, 70 are wrong with it and 80 without. It is for our networks only."""
SEEN_NEIGHBOR_NATS = 1.0
"""The evidence of the neighbors of such characters (``homoglyphs``), which the network has seen.
Of 1,269 labels of photographs, 1,154 are read with 0.7, 1,155 with 1.4 and 1,148 without; of 1,426
rendered lines 1,376, 1,375 and 1,370."""


def read_crnn(
    images: Sequence[ImageArray],
    models: Models,
    patterns: Sequence[Pattern] = (),
    found: Found | None = None,
) -> list[ReadResult]:
    """Reads images: finds strings as the two-stage pipeline does, reads each as a whole.

    Args:
        images: (H, W, 3) uint8 RGB each.
        models: detector, recognizer and settings.
        patterns: codes to look for.
        found: the strings of the images, if they were found already.

    Returns:
        One result per image.
    """
    clock, config = Clock(), models.config
    found = find_strings(images, models.detector, config, clock) if found is None else found
    models = replace(models, recognizer=models.recognizer.keeping(characters_of(patterns)))
    read = read_frames(images, found, models, clock)
    with clock.stage("decode"):
        codes = [frame_codes(own, patterns, config) for own in read]
    timings = clock.share(len(images))
    return [
        finish(
            image,
            [s for s, _ in own],
            Engine.CRNN,
            config,
            timings,
            codes=own_codes if patterns else None,
            basis=models.recognizer.basis,
        )
        for image, own, own_codes in zip(images, read, codes, strict=True)
    ]


def read_frames(
    images: Sequence[ImageArray], found: Found, models: Models, clock: Clock
) -> list[list[CrnnReading]]:
    """Every string of every image with its frames, in the orientation in which it reads best."""
    strings = [[StringWays(string) for string in own] for own in found]

    def read_on(asked: Sequence[Sequence[StringWays]]) -> None:
        ways = [list(chain.from_iterable(s.pending() for s in own)) for own in asked]
        with clock.stage("recognize"):
            pieces = [[_pieces(way) for way in own] for own in ways]
            frames = models.recognizer.recognize(images, pieces, models.config.recognition)
        with clock.stage("decode"):
            for image, own, seen in zip(images, asked, frames, strict=True):
                rows, gray = iter(seen), to_gray(image)
                for string in own:
                    read = [_reading_of(way, next(rows), models, gray) for way in string.pending()]
                    string.add(read)

    read_on(strings)
    read_on([[s for s in own if s.may_be_turned()] for own in strings])
    read_on([beside_turned(own) for own in strings])
    return [_without_nested(right_way_up(own)) for own in strings]


def _without_nested(readings: Sequence[CrnnReading]) -> list[CrnnReading]:
    """Drops strings inside a longer one that has a character in their place."""
    kept = []
    for text, frames in readings:
        corners = with_margin(text.quad, -0.1)
        longer = [t for t, _ in readings if len(t.characters) > len(text.characters)]
        around = [t for t in longer if all(inside(t.quad, corner) for corner in corners)]
        read = chain.from_iterable(t.characters for t in around)
        if not any(centers_meet(c.quad, text.quad) for c in read):
            kept.append((text, frames))
    return kept


def _reading_of(
    way: BoxString, frames: StringFrames, models: Models, gray: ImageArray
) -> CrnnReading:
    """The reading of a string of a gray image in one of its orientations."""
    weights = models.config.confidence.position_weights
    basis = models.recognizer.basis
    text = decode_frames(frames, way.direction, gray, weights=weights, basis=basis)
    if frames.space is None:
        text = with_spaces(text, way, gray)
    return text, frames


def characters_of(patterns: Sequence[Pattern]) -> set[str]:
    """The characters of the codes of patterns, and their separators."""
    return set().union(*(p.characters | set(p.separators) for p in patterns))


def frame_codes(
    strings: Sequence[CrnnReading], patterns: Sequence[Pattern], config: PipelineConfig
) -> list[CodeReading]:
    """The codes of one image under each pattern."""
    if not strings or not patterns:
        return []
    charset, frames = frame_strings(strings)
    found = (read_ctc_codes(frames, pattern, charset, config.confidence) for pattern in patterns)
    return list(chain.from_iterable(found))


def frame_strings(strings: Sequence[CrnnReading]) -> tuple[Charset, list[FrameString]]:
    """The strings of one image for the decoder, and the charset of their frames."""
    charset, tables = in_one_charset([f for _, f in strings])
    return charset, [
        FrameString(table, f.span_quad, s.direction, _word_starts(s, f))
        for (s, f), table in zip(strings, tables, strict=True)
    ]


def _word_starts(text: TextString, frames: StringFrames) -> tuple[int, ...]:
    """The first frame of each word of a reading but the first one: the middle of the gap."""
    symbols = greedy_decode(frames.log_probs, frames.charset, 0)
    if len(symbols) != len(text.characters):  # a word of a lexicon
        return ()
    starts, rest = [], text.text
    for before, after, character in zip(symbols, symbols[1:], text.characters, strict=False):
        rest = rest[len(character.symbol) :]
        if rest.startswith(" "):
            starts.append((before.last_frame + after.first_frame + 1) // 2)
            rest = rest.lstrip()
    return tuple(starts)


def _pieces(string: BoxString) -> list[FloatArray]:
    """The quads that are put side by side for the CRNN: a whole line, or each letter of a stack."""
    if string.direction == "vertical":
        return [b.quad for b in string.boxes]
    return [string_quad(string)]


def decode_frames(
    frames: StringFrames,
    direction: Direction,
    gray: ImageArray,
    lexicon: Lexicon | None = None,
    weights: PositionWeights = "none",
    basis: ConfidenceBasis = "fitted",
) -> TextString:
    """CTC decoding with a place and a probability for every character.

    Decodes the likeliest path, or with a lexicon its likeliest word; the characters of a word keep
    the network's probabilities, however low. ``gray``: (H, W) uint8, the image.
    """
    charset = frames.charset
    symbols = greedy_decode(frames.log_probs, charset)
    if lexicon is not None:
        symbols = _as_word(symbols, frames, charset, lexicon)
    # Before twins such as 0 and O are resolved, because it is the probability of the shapes.
    label = [charset.encode(s.symbol)[0] for s in symbols]
    log_probability = sequence_log_probability(frames.log_probs, label)
    places = frame_borders([(s.first_frame, s.last_frame) for s in symbols])
    quads = [frames.span_quad(*place) for place in places]
    if lexicon is None:
        nats = (SEEN_NEIGHBOR_NATS, DIGIT_NATS) if basis == "fitted" else (0.0, 0.0)
        cores = [math.nan] * len(symbols)
        if len(frames.pieces) == 1 and sum(s.symbol in "0O" for s in symbols) > 1:
            cores = LineInk(gray, frames.pieces[0], quads).cores().tolist()
        symbols = _resolved(symbols, frames, cores, *nats)
    characters = tuple(
        Character(s.symbol, quad, s.probability, s.alternatives)
        for s, quad in zip(symbols, quads, strict=True)
    )
    text = spaced(symbols, frames.space if lexicon is None else None)
    scores = score_sequence([c.confidence for c in characters], log_probability, weights)
    quad = frames.pieces[0] if len(frames.pieces) == 1 else quad_around(frames.pieces)
    return TextString(text, string_confidence(scores), quad, characters, direction, scores)


def _resolved(
    symbols: Sequence[CtcSymbol],
    frames: StringFrames,
    cores: Sequence[float],
    neighbors: float,
    digit: float,
) -> list[CtcSymbol]:
    """Resolves twins such as 0 and O by the ink in their middle, then in whole runs."""
    if not symbols:
        return []
    spaces = [False for _ in symbols]
    if frames.space is not None:
        spaces = spaces_after(symbols, frames.space)
    candidates = weigh_unmarked([_as_candidates(symbol) for symbol in symbols], cores)
    named = resolve_homoglyphs(candidates, spaces, neighbors=neighbors, digit=digit)
    return [
        _renamed(symbol, own, *name)
        for symbol, own, name in zip(symbols, candidates, named, strict=True)
    ]


def _as_candidates(symbol: CtcSymbol) -> CharCandidates:
    """A symbol and its alternatives in the classifier's format."""
    others, chances = zip(*symbol.alternatives, strict=True) if symbol.alternatives else ((), ())
    probabilities = np.array([symbol.probability, *chances], np.float32)
    return CharCandidates((symbol.symbol, *others), probabilities, 0.0)


def _renamed(
    symbol: CtcSymbol, candidates: CharCandidates, name: str, probability: float
) -> CtcSymbol:
    """Replaces a symbol by ``name``; the other candidates become its alternatives."""
    if name == symbol.symbol:
        return symbol
    ranked = zip(candidates.symbols, map(float, candidates.probabilities), strict=True)
    others = tuple(pair for pair in ranked if pair[0] != name)
    return replace(symbol, symbol=name, probability=probability, alternatives=others)


def _as_word(
    symbols: list[CtcSymbol], frames: StringFrames, charset: Charset, lexicon: Lexicon
) -> list[CtcSymbol]:
    """The symbols of the likeliest word, aligned with the frames; ``symbols`` if they spell it."""
    read = "".join(s.symbol for s in symbols)
    word = best_word(frames.log_probs, read, lexicon, charset)
    if not word or (read if lexicon.case else read.upper()) == word:
        return symbols
    return align(frames.log_probs, charset.encode(word), charset)


def frame_borders(spans: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """Widens CTC's narrow peaks: each reaches half-way to its neighbors, at most 2.5 frames."""
    places = []
    for i, (first, last) in enumerate(spans):
        left = (spans[i - 1][1] + first) / 2 + 0.5 if i else first - 2.0
        right = (last + spans[i + 1][0]) / 2 - 0.5 if i + 1 < len(spans) else last + 2.0
        places.append((max(left, first - 2.5), min(right, last + 2.5)))
    return places
