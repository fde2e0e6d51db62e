"""Measures how a reader reads pictures of a line, and rendered codes of the line's symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np
from rapidfuzz.distance import Levenshtein

from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.decoding.ctc import greedy_decode
from industrial_ocr.detection.linking import as_one_string
from industrial_ocr.image.load import load_image
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.reader import Reader
from industrial_ocr.reader.two_stage import read_view
from industrial_ocr.reader.two_stage_crops import view_config
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.training.line.gate import (
    LineReading,
    Score,
    Spelling,
    crop_reading,
    reading_of,
    runs,
)
from industrial_ocr.training.line.learning import CodeText
from industrial_ocr.training.line.sources import read_picture
from industrial_ocr.training.line.strings import LinePicture, LineString, string_frames

GENERAL_SEED = 7_000_003
"""Seed of the rendered codes for measuring; no training uses it."""
STRINGS_PER_BATCH = 32

T = TypeVar("T")
Tracked = Callable[[Sequence[T], str], Iterable[T]]
"""Takes items and the name of a stage; yields the items and reports the progress."""


def score_pictures(
    reader: Reader,
    engine: Engine,
    pictures: Iterable[LinePicture],
    spelling: Spelling,
    pattern: Pattern | None,
) -> Score:
    """The readings of pictures of the line by one engine."""
    found: list[LineReading] = []
    for picture in pictures:
        source, name = picture.sample.source, picture.sample.name
        result = read_picture(reader, source, engine, pattern, picture.one_string)
        judge = crop_reading if picture.one_string else reading_of
        readings = [judge(name, t, result, spelling, pattern) for t in picture.texts]
        found += [replace(r, series=picture.series) for r in readings]
    return Score(tuple(found))


def rendered_codes(codes: CodeText, fonts: Sequence[str], count: int) -> list[LineString]:
    """``count`` rendered codes made of the line's symbols."""
    renderer, found = StripRenderer(tuple(fonts)), []
    for i in range(count):
        text = codes.draw(np.random.default_rng((GENERAL_SEED, i)))
        image = renderer.render((GENERAL_SEED, i), text).image
        whole = rect_quad(0, 0, image.shape[1], image.shape[0])
        found.append(LineString(f"rendered {i}", text, image, whole))
    return found


def score_strings(
    reader: Reader,
    engine: Engine,
    strings: Sequence[LineString],
    spelling: Spelling,
    tracked: Tracked[Any],
) -> Score:
    """The readings of strings by one engine in a single view, as in training."""
    texts: list[str] = []
    for start in tracked(
        range(0, len(strings), STRINGS_PER_BATCH), f"reading strings, {engine.value}"
    ):
        texts += _single_look(reader, engine, strings[start : start + STRINGS_PER_BATCH])
    readings = []
    for string, text in zip(strings, texts, strict=True):
        truth, said = spelling.normalize(string.text), spelling.normalize(text)
        readings.append(LineReading(string.name, truth, said, 1.0, bool(said)))
    return Score(tuple(readings))


def _single_look(reader: Reader, engine: Engine, strings: Sequence[LineString]) -> list[str]:
    models = reader.models
    if engine == Engine.CRNN:
        tables = string_frames(models, strings)
        return ["".join(s.symbol for s in greedy_decode(t, reader.charset, 0)) for t in tables]
    config, images = view_config(models.config), [s.image for s in strings]
    found = [as_one_string(f) for f in find_strings(images, models.detector, config, Clock())]
    views = read_view(images, found, models, Clock())
    return ["".join(s.text for s, _ in v.strings) for v in views]


def rapidocr_score(pictures: Sequence[LinePicture], spelling: Spelling) -> Score | None:
    """The readings of RapidOCR, all of them accepted; None if it is not installed.

    A crop is given only to its recognizer, as in the benchmark.
    """
    if find_spec("rapidocr") is None:
        return None
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})
    found = []
    for picture in pictures:
        pixels, whole = load_image(picture.sample.source)[..., ::-1], not picture.one_string
        answer = engine(np.ascontiguousarray(pixels), use_det=whole, use_cls=whole, use_rec=True)
        said = [spelling.normalize(t) for t in getattr(answer, "txts", None) or ()]
        joined = ["".join(run) for run in runs(said)] or [""]
        for label in picture.texts:
            truth = spelling.normalize(label)
            parts = [spelling.part(text, truth) for text in joined]
            nearest = min(parts, key=lambda p: Levenshtein.distance(p, truth))
            found.append(LineReading(picture.sample.name, truth, nearest, 1.0, bool(nearest)))
    return Score(tuple(found))
