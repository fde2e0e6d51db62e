"""Calibration on labeled images: temperatures of the models, then misread rates by threshold.

* The classifier's temperature makes the true characters of the labels likeliest: each label is laid
  over the boxes of the string that fits it best (``decoding.expected``); characters without a box
  of their own do not count.
* The CRNN's makes the labels likeliest as a whole, log p(l|y) per character (``decoding.ctc``).
* With both set, every image is read each way, and counted: a ``MisreadCurve`` a way of reading.

Strings that resemble no label, and labels that no string resembles, say nothing of a temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from scipy.optimize import minimize_scalar

from industrial_ocr.datasets.samples import Dataset, Sample
from industrial_ocr.decoding.calibration import (
    LARGEST_TEMPERATURE,
    LEAST_TEMPERATURE,
    Calibration,
    MisreadCurve,
    curve_name,
    fit_temperature,
    tempered,
)
from industrial_ocr.decoding.ctc import greedy_decode, sequence_log_probability
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.expected import Alignment, align_symbols
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.evaluation.engines import OwnEngine
from industrial_ocr.evaluation.items import Rules, answers
from industrial_ocr.evaluation.metrics import Outcome, outcome
from industrial_ocr.evaluation.records import Record
from industrial_ocr.evaluation.reroute import NEW_ROUTES, settled
from industrial_ocr.evaluation.runner import Job, run_job
from industrial_ocr.image.load import load_image
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.reader.router import WAYS, Way

Floats = NDArray[np.float64]
RESEMBLES = 0.6
"""A string shows a label if this share of its characters is read as the label says."""
LEAST_CHARACTERS, LEAST_STRINGS = 200, 40
"""So many are needed to fit a temperature; with fewer the model keeps the one it has."""
IMPOSSIBLE = -30.0
"""The least log-probability a character of a label counts as: one lost string is not the fit."""

Track = Callable[[Sequence[Any], str], Iterable[Any]]


def untracked(jobs: Sequence[Any], what: str) -> Iterable[Any]:
    """No progress bar."""
    return jobs


@dataclass
class Evidence:
    """What the models said of characters and strings whose truth is known.

    Attributes:
        characters: (C + 1,) log-probabilities each, the reject class last.
        classes: what each shows.
        strings: (T, C) log-probabilities of frames each.
        labels: classes of what each string shows.
    """

    characters: list[Floats] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    strings: list[Floats] = field(default_factory=list)
    labels: list[list[int]] = field(default_factory=list)


def _agreement(alignment: Alignment) -> float:
    """Share of the symbols that are the classifier's best in their boxes, case aside."""
    same = [
        s.candidates is not None and s.candidates.symbols[0].upper() == s.symbol.upper()
        for s in alignment.symbols
    ]
    return sum(same) / len(same)


def _best_alignment(
    evidence: Sequence[StringEvidence], symbols: Sequence[str], charset: Charset
) -> Alignment | None:
    """The label laid over the string that it fits best, None where it fits none."""
    found = [align_symbols(e, symbols, charset) for e in evidence]
    best = max((a for a in found if a is not None), key=lambda a: a.score, default=None)
    return best if best is not None and _agreement(best) >= RESEMBLES else None


def add_characters(
    into: Evidence, evidence: Sequence[StringEvidence], text: str, charset: Charset
) -> None:
    """Adds the characters of one label that have a box of their own."""
    known = "".join(c for c in text if charset.supports(c) and not c.isspace())
    symbols = [charset.symbols[i] for i in charset.encode(known)]
    alignment = _best_alignment(evidence, symbols, charset) if symbols else None
    for aligned in alignment.symbols if alignment is not None else ():
        candidates = aligned.candidates
        if candidates is None or candidates.distribution is None:
            continue
        p = np.append(candidates.distribution.astype(np.float64), candidates.reject)
        into.characters.append(np.log(np.maximum(p, 1e-12)))
        # A label in capitals says nothing of case: what the shape was taken for counts.
        same = {aligned.symbol, aligned.symbol.lower(), aligned.symbol.upper()}
        cases = [i for i, s in enumerate(charset.symbols) if s in same]
        into.classes.append(max(cases, key=lambda i: p[i]))


def add_string(into: Evidence, frames: Sequence[Any], text: str, charset: Charset) -> None:
    """Adds the string that shows one label, if there is one."""
    known = "".join(c for c in text if charset.supports(c) and not c.isspace())
    best, least = None, RESEMBLES
    for table in frames:
        read = "".join(s.symbol for s in greedy_decode(table, charset, 0))
        similar = Levenshtein.normalized_similarity(read.upper(), known.upper())
        if similar >= least:
            best, least = (table, read), similar
    if best is None or not known:
        return
    # As above: the case of each letter that the network itself saw, where only that differs.
    same_length = len(best[1]) == len(known)
    spelled = [
        r if same_length and r.upper() == k.upper() else k
        for k, r in zip(known, best[1] if same_length else known, strict=True)
    ]
    into.strings.append(np.asarray(best[0], np.float64))
    into.labels.append(charset.encode("".join(spelled)))


def gather(
    reader: Any, jobs: Iterable[tuple[Dataset, Sample]], charsets: tuple[Charset, Charset]
) -> Evidence:
    """What the models say of the labeled characters and strings of images.

    Args:
        reader: a ``Reader``.
        jobs: images with their datasets; those that cannot be loaded are left out.
        charsets: the classifier's, and the recognizer's with its blank.
    """
    found = Evidence()
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


def fit_ctc_temperature(tables: Sequence[Floats], labels: Sequence[Sequence[int]]) -> float:
    """The temperature under which labels are likeliest, log p(l|y) per character."""

    def loss(log_t: float) -> float:
        t = float(np.exp(log_t))
        each = [
            max(sequence_log_probability(tempered(y, t), x) / len(x), IMPOSSIBLE)
            for y, x in zip(tables, labels, strict=True)
        ]
        return -float(np.mean(each))

    limits = (float(np.log(LEAST_TEMPERATURE)), float(np.log(LARGEST_TEMPERATURE)))
    found = minimize_scalar(loss, bounds=limits, method="bounded", options={"maxiter": 24})
    return float(np.exp(found.x))


def fit(found: Evidence, now: dict[str, float]) -> dict[str, float]:
    """Temperatures by task, where there is enough evidence.

    Args:
        found: at the temperatures the models have now.
        now: those.
    """
    fitted = {}
    if len(found.classes) >= LEAST_CHARACTERS:
        change = fit_temperature(np.array(found.characters), found.classes)
        fitted["classifier"] = now["classifier"] * change
    if len(found.labels) >= LEAST_STRINGS:
        fitted["recognizer"] = now["recognizer"] * fit_ctc_temperature(found.strings, found.labels)
    limits = LEAST_TEMPERATURE, LARGEST_TEMPERATURE
    return {k: float(np.clip(v, *limits)) for k, v in fitted.items()}


@dataclass(frozen=True)
class Counted:
    """A reading of a labeled text.

    Attributes:
        confidence: 0 where it would not pass as ``ok`` at any threshold.
        right: it is the label.
    """

    confidence: float
    right: bool


def count(record: Record, rules: Rules, min_character: float) -> Iterator[Counted | None]:
    """The readings of one image's labels; None for a label without one."""
    for answer in answers(record, rules):
        result = outcome(answer.item, 0.0, rules.matching, rules.folding)
        if result is Outcome.MISSED or answer.item.confidence is None:
            yield None
            continue
        strings = [record.strings[i] for i in answer.strings]
        weak = any(p < min_character for s in strings for _, p, _ in s.characters)
        sure = 0.0 if weak and rules.pattern is None else answer.item.confidence
        yield Counted(sure, result is Outcome.CORRECT)


def measure(
    reader: Any, datasets: Sequence[Dataset], rules: dict[str, Rules], track: Track = untracked
) -> dict[str, MisreadCurve]:
    """Reads every image both ways and counts, by ``curve_name``.

    Under a pattern the strings, read without it, count for the curves without one, too.

    Args:
        reader: with ``min_confidence`` 0: the curve has every threshold.
        datasets: labeled images.
        rules: by dataset name, ``""`` for all others.
        track: wraps the jobs, for a progress bar.
    """
    judged = {d.name: rules.get(d.name, rules.get("", Rules())) for d in datasets}
    judged = {n: replace(r, pattern=r.read_under) for n, r in judged.items()}
    patterns = {n: r.pattern for n, r in judged.items() if r.pattern is not None}
    engines = tuple(OwnEngine(way, reader, patterns) for way in WAYS)
    jobs = [Job(d, s, engines) for d in datasets for s in d.samples]
    min_character = reader.config.confidence.min_character
    found: dict[str, list[Counted | None]] = {}

    def add(record: Record, asked: Rules) -> None:
        name = curve_name(record.engine, asked.pattern is not None)
        found.setdefault(name, []).extend(count(record, asked, min_character))

    for job in track(jobs, "reading"):
        asked = judged[job.dataset.name]
        ways: dict[Way, Record] = {
            way: record for way, record in zip(WAYS, run_job(job), strict=True)
        }
        for record in ways.values():
            add(record, replace(asked, pattern=None))
            if asked.pattern is not None:
                add(record, asked)
        if asked.pattern is not None:
            for route in NEW_ROUTES:
                add(settled(route, ways, asked.pattern, reader.routes), asked)
    return {name: _curve(rows) for name, rows in found.items()}


def _curve(rows: Sequence[Counted | None]) -> MisreadCurve:
    read = [r for r in rows if r is not None and r.confidence > 0]
    curve = MisreadCurve.of([r.confidence for r in read], [r.right for r in read], len(rows))
    return curve.thinned()


def calibrate(
    make_reader: Callable[..., Any],
    datasets: Sequence[Dataset],
    rules: dict[str, Rules],
    about: dict[str, Any],
    track: Track = untracked,
) -> Calibration:
    """Fits the temperatures, then measures.

    Args:
        make_reader: ``Reader`` with the weights in question; takes ``calibration``.
        datasets: labeled images, whole pictures or strings.
        rules: how labels count, with the patterns.
        about: goes into the file, for people.
        track: for progress bars.

    Raises:
        DatasetError: no image with a label, or crops of single characters.
    """
    samples = [(d, s) for d in datasets for s in d.samples if s.labels]
    if not samples:
        raise DatasetError("no labeled image to calibrate with")
    alone = [d.name for d in datasets if d.task == "classify"]
    if alone:
        raise DatasetError(f"{alone[0]}: single characters; calibration needs pictures of codes")
    reader = make_reader(calibration=Calibration())
    charsets = reader.classifier_charset, reader.charset
    seen = gather(reader, track(samples, "fitting"), charsets)
    if not len(seen.classes) and not len(seen.labels):
        taken = ", ".join(f"{d.name} ({d.task})" for d in datasets)
        raise DatasetError(
            f"not one string of {taken} is read as it is labeled, so there is nothing to fit to; "
            "pictures with more than the code on them need the task read, crops recognize"
        )
    temperatures = fit(seen, reader.temperatures)
    weights = dict(reader.weights)
    reader = make_reader(calibration=Calibration(temperatures, {}, weights))
    return Calibration(
        temperatures,
        measure(reader, datasets, rules, track),
        weights,
        {
            **about,
            "images": len(samples),
            "characters": len(seen.classes),
            "strings": len(seen.labels),
        },
    )
