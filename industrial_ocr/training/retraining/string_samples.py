"""Samples from whole pictures and the strings on them.

A string is used only if it clearly matches its label: every symbol has a box, every box has a
symbol, and at least half of the known symbols are read right. Other strings are listed as problems.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from industrial_ocr.datasets.samples import Dataset, Label, Sample
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.expected import Alignment, align_symbols
from industrial_ocr.detection.linking import as_one_string
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.two_stage_crops import view_config
from industrial_ocr.reader.two_stage_strings import string_evidence
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.retraining.samples import (
    GlyphSample,
    SampleSet,
    check_symbol,
    close_cut,
    sample_at,
)


def symbols_of(text: str, known: Sequence[str], tokens: Sequence[str]) -> tuple[str, ...]:
    """The symbols of a label: the longest known symbol or token first, else single characters."""
    others = dict.fromkeys(c for c in text if not c.isspace())
    charset = Charset(tuple(dict.fromkeys((*known, *tokens, *others))))
    return tuple(charset.symbol(c) for c in charset.encode(text))


def read_strings(dataset: Dataset, tokens: Sequence[str], models: Models) -> SampleSet:
    """Samples of all characters of a dataset whose places are certain; the others are problems.

    Args:
        dataset: whole pictures, crops of strings, or crops of characters.
        tokens: symbols of several characters.
        models: holds the detector and the classifier.
    """
    samples: list[GlyphSample] = []
    problems: list[str] = []
    for item in dataset.samples:
        labels = [label for label in item.labels if label.text.strip() and not label.ignore]
        try:
            if dataset.task == "classify":
                samples += [_single(item, label, tokens, models) for label in labels]
            else:
                one_string = dataset.task == "recognize"
                found, wrong = _of_picture(item, labels, one_string, tokens, models)
                samples += found
                problems += wrong
        except (ImageError, DatasetError) as error:
            problems.append(str(error))
    return SampleSet(tuple(samples), tuple(problems))


def _single(item: Sample, label: Label, tokens: Sequence[str], models: Models) -> GlyphSample:
    """The sample of a picture of one character."""
    symbols = symbols_of(label.text, models.classifier.charset.symbols, tokens)
    if len(symbols) != 1:
        raise DatasetError(f"{item.name}: {label.text!r} is no single symbol")
    check_symbol(symbols[0], item.name)
    return close_cut(symbols[0], item.source, item.name)


def _of_picture(
    item: Sample, labels: Sequence[Label], one_string: bool, tokens: Sequence[str], models: Models
) -> tuple[list[GlyphSample], list[str]]:
    """The samples of all labels of a picture, and the problems."""
    image = load_image(item.source)
    gray = to_gray(image)
    charset = models.classifier.charset
    samples: list[GlyphSample] = []
    problems: list[str] = []
    strings: list[StringEvidence] | None = None
    for label in labels:
        where = f"{item.name} {label.text!r}"
        if label.characters:
            for own in label.characters:
                check_symbol(own.symbol, where)
                samples.append(sample_at(own.symbol, gray, own.quad, where))
            continue
        symbols = symbols_of(label.text, charset.symbols, tokens)
        for symbol in symbols:
            check_symbol(symbol, where)
        if strings is None:
            strings = _evidence(image, one_string, models)
        found = _best_alignment(strings, symbols, charset)
        wrong = _objection(found, symbols, charset)
        if found is None or wrong:
            problems.append(f"{where}: {wrong}")
            continue
        samples += [
            sample_at(s.symbol, gray, s.hypothesis.box.quad, where)
            for s in found.symbols
            if s.hypothesis
        ]
    return samples, problems


def _evidence(image: ImageArray, one_string: bool, models: Models) -> list[StringEvidence]:
    config = view_config(models.config) if one_string else models.config
    found = find_strings([image], models.detector, config, Clock())
    if one_string:
        found = [as_one_string(own) for own in found]
    (evidence,) = string_evidence([image], found, models)
    return evidence


def _best_alignment(
    strings: Sequence[StringEvidence], symbols: Sequence[str], charset: Charset
) -> Alignment | None:
    """The best alignment with one string, or with two that follow each other."""
    runs = [[s] for s in strings] + [list(pair) for pair in zip(strings, strings[1:], strict=False)]
    found = [a for a in (align_symbols(run, symbols, charset) for run in runs) if a is not None]
    return max(found, key=lambda a: (_share_read(a, charset), a.score), default=None)


def _share_read(found: Alignment, charset: Charset) -> float:
    """Share of the known symbols that have a probability of at least 0.3 in their place."""
    index = {s: i for i, s in enumerate(charset.symbols)}
    known = [(s.hypothesis, index[s.symbol]) for s in found.symbols if s.symbol in index]
    if not known:
        return float(all(s.hypothesis for s in found.symbols))
    return float(np.mean([h is not None and h.probabilities[i] >= 0.3 for h, i in known]))


def _objection(found: Alignment | None, symbols: Sequence[str], charset: Charset) -> str:
    """Why an alignment is not certain; empty if it is."""
    if found is None:
        return "no text was found on the picture"
    if _share_read(found, charset) < 0.5:
        return "no detected string is similar to the label"
    missing = [s.symbol for s in found.symbols if s.hypothesis is None]
    if missing:
        return f"there is no box for {' '.join(missing)}"
    # A box that the detector did not find itself counts only if it shows a character.
    over = [s for s in found.skipped if s.hypothesis.box.score > 0 or s.log_odds > 0]
    extra = sum(s.adjoining + s.inside for s in over)
    if extra:
        return f"there are {extra} more boxes than the label has symbols ({len(symbols)})"
    return ""
