"""Samples from the answers of the review page (``review.answers``)."""

from __future__ import annotations

import json
from pathlib import Path

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.types import as_quad
from industrial_ocr.review.answers import FILE_NAME, Answer, answer_of, standing
from industrial_ocr.review.items import ITEMS
from industrial_ocr.training.adaptation.samples import (
    GlyphSample,
    SampleSet,
    check_symbol,
    sample_at,
)


def read_corrections(file: Path) -> SampleSet:
    """The samples of a ``corrections.jsonl`` with its folder ``items`` beside it.

    Raises:
        DatasetError: the file cannot be read. Broken lines and items are problems of the set.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error}") from error
    problems, answers = [], []
    for number, line in enumerate(lines, 1):
        answer = answer_of(line)
        if answer is not None:
            answers.append(answer)
        elif line.strip():
            problems.append(f"{file.name}:{number}: no answer of the review page")
    samples = []
    for own in standing(answers).values():
        if own[-1].action == "skip":
            continue
        try:
            samples.append(_sample(file.parent / ITEMS, own[-1]))
        except (DatasetError, ImageError, OSError, ValueError, TypeError, KeyError) as error:
            text = f"{type(error).__name__} {error}" if isinstance(error, KeyError) else str(error)
            problems.append(f"item {own[-1].id}: {text}")
    return SampleSet(tuple(samples), tuple(problems), uncertain=True)


def _sample(folder: Path, answer: Answer) -> GlyphSample:
    """The sample of one answer; raises many kinds of errors if its item is missing or broken."""
    symbol = answer.symbol if answer.action == "label" else REJECT
    source = f"item {answer.id}"
    if symbol != REJECT:
        check_symbol(symbol, source)
    item = json.loads((folder / f"{answer.id}.json").read_bytes())
    gray = to_gray(load_image(folder / f"{answer.id}.png"))
    return sample_at(symbol, gray, as_quad(item["quad"]), source)


def corrections_file(path: Path) -> Path | None:
    """The corrections file that a path is or holds; None if neither."""
    if path.is_file() and path.suffix.lower() == ".jsonl":
        return path
    inside = path / FILE_NAME
    return inside if inside.is_file() else None
