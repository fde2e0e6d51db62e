"""Calibrates on labeled images: temperatures of the networks, then misread rates by threshold.

* The temperature of the classifier maximizes the probability of the true characters. Each label is
  aligned with the boxes of the most similar string (``decoding.expected``); characters without a
  box of their own do not count.
* The temperature of the CRNN maximizes the probability of the labels, log p(l|y) per character
  (``decoding.ctc``).
* With both temperatures, every image is read by each engine, and the readings are counted in a
  ``MisreadCurve`` for each engine.

Strings without a similar label, and labels without a similar string, are left out of the fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from industrial_ocr.datasets.samples import Dataset, Sample
from industrial_ocr.decoding.calibration import (
    LARGEST_TEMPERATURE,
    LEAST_TEMPERATURE,
    Calibration,
    MisreadCurve,
    curve_name,
    fit_ctc_temperature,
    fit_temperature,
)
from industrial_ocr.decoding.ctc import greedy_decode
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.expected import AlignedSymbol, align_symbols
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.evaluation.engines import OwnEngine
from industrial_ocr.evaluation.label_matching import Rules, match_labels, rules_of
from industrial_ocr.evaluation.metrics import ReadOutcome
from industrial_ocr.evaluation.records import Record
from industrial_ocr.evaluation.reroute import NEW_ROUTES, settled
from industrial_ocr.evaluation.runner import ImageJob, run_job
from industrial_ocr.image.load import load_image
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.results.engine import PIPELINES, Engine
from industrial_ocr.results.types import Floats

MIN_AGREEMENT = 0.6
"""A string belongs to a label if at least this share of its characters is read right."""

Track = Callable[[Sequence[Any], str], Iterable[Any]]


@dataclass
class CalibrationData:
    """Outputs of the networks for characters and strings whose labels are known.

    Attributes:
        characters: for each character (C + 1,) log-probabilities, the reject class last.
        classes: true class of each character.
        strings: for each string (T, C) log-probabilities of its frames.
        labels: true classes of each string.
    """

    characters: list[Floats] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    strings: list[Floats] = field(default_factory=list)
    labels: list[list[int]] = field(default_factory=list)


def _known(text: str, charset: Charset) -> str:
    """The characters of a label that are in a charset."""
    return "".join(c for c in text if charset.supports(c) and not c.isspace())


def _best_alignment(
    strings: Sequence[StringEvidence], symbols: Sequence[str], charset: Charset
) -> Sequence[AlignedSymbol]:
    """The symbols aligned with the most similar string; none if no string is similar."""
    found = [align_symbols([e], symbols, charset) for e in strings]
    best = max((a for a in found if a is not None), key=lambda a: a.score, default=None)
    if best is None:
        return ()
    read = [(s.symbol, s.hypothesis.candidates.symbols[0]) for s in best.symbols if s.hypothesis]
    same = sum(symbol.upper() == other.upper() for symbol, other in read)
    return best.symbols if same / len(best.symbols) >= MIN_AGREEMENT else ()


def add_characters(
    into: CalibrationData, strings: Sequence[StringEvidence], text: str, charset: Charset
) -> None:
    """Adds the characters of one label that have a box of their own."""
    symbols = [charset.symbols[i] for i in charset.encode(_known(text, charset))]
    for aligned in _best_alignment(strings, symbols, charset) if symbols else ():
        own = aligned.hypothesis
        if own is None or own.candidates.distribution is None:
            continue
        p = np.append(own.candidates.distribution.astype(np.float64), own.candidates.reject)
        into.characters.append(np.log(np.maximum(p, 1e-12)))
        # A label in capitals does not tell the case: that of the reading counts.
        same = {aligned.symbol, aligned.symbol.lower(), aligned.symbol.upper()}
        cases = [i for i, s in enumerate(charset.symbols) if s in same]
        into.classes.append(max(cases, key=lambda i: p[i]))


def add_string(
    into: CalibrationData, strings: Sequence[StringFrames], text: str, charset: Charset
) -> None:
    """Adds the string of one label, if there is one.

    A symbol without a column in its frames (``recognition.recognizer``) is removed from the label.
    """
    known = _known(text, charset)
    best, best_read, highest = None, "", MIN_AGREEMENT
    for frames in strings:
        read = "".join(s.symbol for s in greedy_decode(frames.log_probs, frames.charset, 0))
        similar = Levenshtein.normalized_similarity(read.upper(), known.upper())
        if similar >= highest:
            best, best_read, highest = frames, read, similar
    if best is None or not known:
        return
    known = _known(known, best.charset)
    if len(best_read) == len(known):
        # As above: if only the case differs, that of the reading counts.
        pairs = zip(known, best_read, strict=True)
        known = "".join(r if r.upper() == k.upper() else k for k, r in pairs)
    into.strings.append(np.asarray(best.log_probs, np.float64))
    into.labels.append(best.charset.encode(known))


def gather(
    reader: Any, jobs: Iterable[tuple[Dataset, Sample]], charsets: tuple[Charset, Charset]
) -> CalibrationData:
    """Collects the outputs of the networks for the labeled characters and strings of images.

    Args:
        reader: a ``Reader``.
        jobs: images with their datasets; those that cannot be loaded are left out.
        charsets: the charset of the classifier, and that of the recognizer with the blank.
    """
    found = CalibrationData()
    for dataset, sample in jobs:
        try:
            image = load_image(sample.source)
        except ImageError:
            continue
        boxes, frames = reader.evidence(image, one_string=dataset.task != "read")
        for label in sample.labels:
            if not label.ignore and label.text.strip():
                add_characters(found, boxes, label.text, charsets[0])
                add_string(found, frames, label.text, charsets[1])
    return found


def fit(found: CalibrationData, now: dict[str, float]) -> dict[str, float]:
    """Temperatures by task; with fewer than 200 characters or 40 strings one is unchanged.

    ``found`` was read at the temperatures ``now``.
    """
    fitted = {}
    if len(found.classes) >= 200:
        change = fit_temperature(np.array(found.characters), found.classes)
        fitted["classifier"] = now["classifier"] * change
    if len(found.labels) >= 40:
        fitted["recognizer"] = now["recognizer"] * fit_ctc_temperature(found.strings, found.labels)
    limits = LEAST_TEMPERATURE, LARGEST_TEMPERATURE
    return {k: float(np.clip(v, *limits)) for k, v in fitted.items()}


CountedReading = tuple[float, bool]
"""Confidence of a reading, 0 if no threshold would make it ``ok``, and whether it is right."""


def count(record: Record, rules: Rules, min_character: float) -> list[CountedReading | None]:
    """The readings of one image's labels; None for a label without one.

    Without a pattern, a reading with a character below ``min_character`` is never ``ok``.
    """
    counted: list[CountedReading | None] = []
    for label in match_labels(record, rules):
        result, confidence = label.outcome(rules), label.prediction.confidence
        if result is ReadOutcome.MISSED or confidence is None:
            counted.append(None)
            continue
        if rules.pattern is None:
            for i in label.strings:
                if any(p < min_character for _, p, _ in record.strings[i].characters):
                    confidence = 0.0
        counted.append((confidence, result is ReadOutcome.CORRECT))
    return counted


def measure(
    reader: Any, datasets: Sequence[Dataset], rules: dict[str, Rules], track: Track
) -> dict[str, MisreadCurve]:
    """Reads every image with both engines; returns the misread curves by ``curve_name``.

    With a pattern, the strings that were read without it also count, for the curves without a
    pattern.

    Args:
        reader: a ``Reader`` with ``min_confidence`` 0, so that the curves have every threshold.
        datasets: labeled images.
        rules: rules by dataset name; ``""`` has those of all others.
        track: wraps the jobs to show progress.
    """
    judged = {d.name: rules_of(rules, d.name) for d in datasets}
    judged = {n: replace(r, pattern=r.read_under) for n, r in judged.items()}
    patterns = {n: r.pattern for n, r in judged.items() if r.pattern is not None}
    engines = tuple(OwnEngine(way, reader, patterns) for way in PIPELINES)
    jobs: list[ImageJob] = []
    for dataset in datasets:
        jobs += [ImageJob(dataset, sample, engines) for sample in dataset.samples]
    min_character = reader.config.confidence.min_character
    counted: dict[str, list[CountedReading | None]] = {}

    def add(record: Record, own: Rules) -> None:
        name = curve_name(record.engine, own.pattern is not None)
        counted.setdefault(name, []).extend(count(record, own, min_character))

    for job in track(jobs, "reading"):
        own = judged[job.dataset.name]
        ways: dict[Engine, Record] = dict(zip(PIPELINES, run_job(job), strict=True))
        for record in ways.values():
            add(record, replace(own, pattern=None))
            if own.pattern is not None:
                add(record, own)
        if own.pattern is not None:
            for route in NEW_ROUTES:
                add(settled(route, ways, own.pattern, reader.routes), own)
    return {name: _curve(rows) for name, rows in counted.items()}


def _curve(rows: Sequence[CountedReading | None]) -> MisreadCurve:
    read = [r for r in rows if r is not None and r[0] > 0]
    return MisreadCurve.of([p for p, _ in read], [right for _, right in read], len(rows)).thinned()


def calibrate(
    make_reader: Callable[..., Any],
    datasets: Sequence[Dataset],
    rules: dict[str, Rules],
    about: dict[str, Any],
    track: Track = lambda jobs, what: jobs,
) -> Calibration:
    """Fits the temperatures, then measures the misread curves.

    Args:
        make_reader: makes a ``Reader`` with the weights to calibrate; takes ``calibration``.
        datasets: labeled images, whole pictures or strings.
        rules: rules for labels and patterns, by dataset name.
        about: description that is written to the file.
        track: wraps jobs to show progress.

    Raises:
        DatasetError: there is no image with a label, or the images show single characters.
    """
    samples: list[tuple[Dataset, Sample]] = []
    for dataset in datasets:
        if dataset.task == "classify":
            raise DatasetError(
                f"{dataset.name}: single characters; calibration needs pictures of codes"
            )
        samples += [(dataset, sample) for sample in dataset.samples if sample.labels]
    if not samples:
        raise DatasetError("there is no labeled image for the calibration")
    reader = make_reader(calibration=Calibration())
    charsets = reader.classifier_charset, reader.charset
    seen = gather(reader, track(samples, "fitting"), charsets)
    if not seen.classes and not seen.labels:
        taken = ", ".join(f"{d.name} ({d.task})" for d in datasets)
        raise DatasetError(
            f"no string of {taken} is similar to its label, so that nothing can be fitted; "
            "whole pictures need --task read, crops of one string --task recognize"
        )
    temperatures = fit(seen, reader.temperatures)
    weights = dict(reader.weights)
    reader = make_reader(calibration=Calibration(temperatures, {}, weights))
    curves = measure(reader, datasets, rules, track)
    counts = {"images": len(samples), "characters": len(seen.classes), "strings": len(seen.labels)}
    return Calibration(temperatures, curves, weights, {**about, **counts})
