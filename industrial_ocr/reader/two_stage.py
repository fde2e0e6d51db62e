"""The two-stage pipeline, without context: finds character boxes and classifies each on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from industrial_ocr.config import PipelineConfig
from industrial_ocr.decoding.code_reading import read_codes
from industrial_ocr.decoding.free_reading import FreeReading
from industrial_ocr.decoding.homoglyphs import resolve_cases, resolve_homoglyphs, weigh_zeros
from industrial_ocr.decoding.scoring import score_sequence, string_confidence
from industrial_ocr.detection.ink import LineInk
from industrial_ocr.detection.orientation import string_quad
from industrial_ocr.detection.spacing import find_spaces
from industrial_ocr.image.preprocess import edge_width, to_gray
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import Clock, Found, find_strings, finish
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.two_stage_strings import looked_again, read_strings
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import quad_crop
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import (
    BoxString,
    Character,
    CharCandidates,
    ImageArray,
    TextString,
)


def mean_log_probability(candidates: Sequence[CharCandidates]) -> float:
    """Mean log-probability of the best symbols, each at least ln(1e-4)."""
    best = [max(float(c.probabilities[0]), 1e-4) for c in candidates]
    return float(np.log(best).mean())


def read_two_stage(
    images: Sequence[ImageArray],
    models: Models,
    patterns: Sequence[Pattern] = (),
    found: Found | None = None,
) -> list[ReadResult]:
    """Reads images with common batches in every network.

    Args:
        images: (H, W, 3) uint8 RGB or (H, W) gray each.
        models: detector, classifier and settings.
        patterns: codes to look for.
        found: the strings of the images, if they were found already.

    Returns:
        One result per image.
    """
    clock, config = Clock(), models.config
    found = find_strings(images, models.detector, config, clock) if found is None else found
    grays = [to_gray(image) for image in images]
    with clock.stage("classify"):
        readings = read_strings(grays, found, models)
    with clock.stage("second look"):
        readings = looked_again(images, grays, readings, models, clock)
    with clock.stage("decode"):
        views = _views(grays, readings, models, patterns)
    timings = clock.share(len(images))
    return [v.result(image, config, timings) for image, v in zip(images, views, strict=True)]


@dataclass(frozen=True, eq=False)
class View:
    """The readings of one view of an image.

    Attributes:
        strings: each string, and False if it was cut off another string (see
            ``_without_doubtful_ends``).
        codes: under each pattern; None without a pattern.
    """

    strings: Sequence[tuple[TextString, bool]]
    codes: Sequence[CodeReading] | None

    def result(
        self,
        image: ImageArray,
        config: PipelineConfig,
        timings: dict[str, float],
        one_string: bool = False,
    ) -> ReadResult:
        """The finished result; ``one_string`` as in ``finish``."""
        return finish(
            image,
            [s for s, _ in self.strings],
            Engine.TWO_STAGE,
            config,
            timings,
            doubtful=[s for s, sure in self.strings if not sure],
            codes=self.codes,
            one_string=one_string,
        )


def read_view(
    images: Sequence[ImageArray],
    found: Found,
    models: Models,
    clock: Clock,
    patterns: Sequence[Pattern] = (),
) -> list[View]:
    """Classifies and decodes the strings of images of one string each, never upside down."""
    with clock.stage("classify"):
        readings = read_strings(images, found, models, upright=True)
    with clock.stage("decode"):
        return _views(images, readings, models, patterns)


def _views(
    images: Sequence[ImageArray],
    readings: Sequence[Sequence[FreeReading]],
    models: Models,
    patterns: Sequence[Pattern],
) -> list[View]:
    """Decodes the strings of each image."""
    return [
        View(
            _decoded(own, to_gray(image), models.config),
            _codes(image, own, patterns, models) if patterns else None,
        )
        for image, own in zip(images, readings, strict=True)
    ]


def _decoded(
    readings: Sequence[FreeReading], gray: ImageArray, config: PipelineConfig
) -> list[tuple[TextString, bool]]:
    """The texts of an image's strings, as ``View.strings``."""
    texts = []
    parts = chain.from_iterable(_without_doubtful_ends(r, config) for r in readings)
    for part, sure in parts:
        text = _decode(part, gray, config)
        if text is not None:
            texts.append((text, sure))
    return texts


def _codes(
    image: ImageArray,
    readings: Sequence[FreeReading],
    patterns: Sequence[Pattern],
    models: Models,
) -> list[CodeReading]:
    """The codes of one image under each pattern."""
    evidence, limits = [r.evidence for r in readings], models.config.confidence
    found = (read_codes(evidence, p, models.classifier.charset, limits) for p in patterns)
    return [_with_blur(c, image) for c in chain.from_iterable(found)]


def _with_blur(code: CodeReading, image: ImageArray) -> CodeReading:
    """The code with the blur of its part of the image."""
    if code.signs is None:
        return code
    blur = edge_width(quad_crop(to_gray(image), code.quad)) / max(code.signs.height, 1.0)
    return replace(code, signs=replace(code.signs, blur=blur))


def _without_doubtful_ends(
    reading: FreeReading, config: PipelineConfig
) -> list[tuple[FreeReading, bool]]:
    """Cuts off the unreadable words at both ends of a string.

    A bolt before a code is often collinear with it and of its size, but so is a faint check digit
    after it: each word that is cut off becomes a string of its own, marked as doubtful (False).
    """
    string, candidates = reading.string, reading.candidates
    edges = [0, *(i + 1 for i, space in enumerate(string.space_after) if space), len(candidates)]
    pieces = list(zip(edges[:-1], edges[1:], strict=True))
    limit = float(np.log(config.confidence.min_character))
    good = [i for i, (a, b) in enumerate(pieces) if mean_log_probability(candidates[a:b]) >= limit]
    if not good or len(good) == len(pieces):
        return [(reading, True)]
    first, last = pieces[good[0]][0], pieces[good[-1]][1]
    cut = [(p, False) for p in pieces[: good[0]]]
    cut += [((first, last), True), *((p, False) for p in pieces[good[-1] + 1 :])]
    return [(reading.part(a, b), sure) for (a, b), sure in cut]


SURE_CHARACTER = 0.97
"""A box that the classifier rejects shows a character if this is so likely over all segmentations:
a round O, which alone could be a hole, between letters."""


def _decode(reading: FreeReading, gray: ImageArray, config: PipelineConfig) -> TextString | None:
    """The text of a string: the best symbol of every box; rejected boxes lower the confidence.

    ``gray``: (H, W) uint8, the image.
    """
    string, candidates = reading.string, reading.candidates
    limit = config.classification.reject_threshold
    shown = [
        taken and (c.reject < limit or posterior >= SURE_CHARACTER)
        for taken, c, posterior in zip(
            reading.character, candidates, reading.posterior, strict=True
        )
    ]
    kept = [i for i, taken in enumerate(shown) if taken]
    if not kept:
        return None
    named = [(c.symbols[0], float(c.probabilities[0])) for c in candidates]
    line, symbols = reading.shown()
    ink = LineInk.of(gray, line)
    found = iter(find_spaces(line, symbols, ink))
    spaces = [taken and next(found) for taken in reading.character]
    inside = BoxString(
        tuple(string.boxes[i] for i in kept),
        tuple(spaces[i] for i in kept),
        string.direction,
    )
    if config.classification.homoglyphs:
        if len(kept) < len(line.boxes):
            ink = LineInk.of(gray, inside)
        sizes = np.full((len(candidates), 2), np.nan, np.float32)
        cores = np.full(len(candidates), np.nan, np.float32)
        if inside.direction != "vertical":
            sizes[kept], cores[kept] = ink.sizes(), ink.cores()
        candidates = weigh_zeros(candidates, sizes[:, 0].tolist(), cores.tolist())
        named = resolve_homoglyphs(candidates, string.space_after)
        named = resolve_cases(named, candidates, sizes[:, 1].tolist())
    characters: list[Character] = []
    rejected: list[tuple[int, Character]] = []
    certainty: list[float] = []
    text = ""
    for i in range(kept[0], kept[-1] + 1):
        gap = " " if spaces[i] and i != kept[-1] else ""
        symbol, probability = named[i]
        ranked = zip(candidates[i].symbols, map(float, candidates[i].probabilities), strict=True)
        others = tuple(pair for pair in ranked if pair[0] != symbol)
        reject = candidates[i].reject
        character = Character(symbol, string.boxes[i].quad, probability, others, reject)
        if not shown[i]:
            rejected.append((len(characters), character))
            certainty.append(reading.posterior[i] if not reading.character[i] else reject)
            text += gap
            continue
        characters.append(character)
        certainty.append(probability * reading.posterior[i])
        text += symbol + gap
    scores = score_sequence(certainty, weights=config.confidence.position_weights)
    return TextString(
        " ".join(text.split()),
        string_confidence(scores),
        string_quad(inside),
        tuple(characters),
        string.direction,
        scores,
        tuple(rejected),
        agreement=reading.agreement,
    )
