"""Labels from other sources: answers of the review page, and confident readings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from industrial_ocr.config import CollectingConfig
from industrial_ocr.datasets.formats import image_files
from industrial_ocr.datasets.samples import Dataset, Label, Sample
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import ImageSource
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import PIPELINES, Engine
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Status
from industrial_ocr.review.answers import FILE_NAME, ReviewAnswer, read_answers, standing
from industrial_ocr.review.collecting import Collector
from industrial_ocr.review.items import ITEMS, ItemFolder, ReviewItem

SHOWN = 8
"""Smallest number of neighboring characters that an item's picture shows on either side."""
DIGEST = 24
"""Number of characters of an item's id that are the hash of its source picture."""
CONFIRM_EVERY = 10
"""One in so many confident readings is put on the review page for confirmation."""


def is_answered(folder: Path) -> bool:
    """Whether a folder belongs to the review page and has answers."""
    return (folder / FILE_NAME).is_file() and (folder / ITEMS).is_dir()


def answered_strings(folder: Path) -> Dataset:
    """The strings in a folder of the review page whose uncertain characters were all answered.

    Raises:
        DatasetError: there is no such string.
    """
    answers = {key: own[-1] for key, own in standing(read_answers(folder)).items()}
    by_string: dict[tuple[str, str], list[ReviewItem]] = defaultdict(list)
    for item in ItemFolder(folder).list().values():
        by_string[item.id[:DIGEST], item.text].append(item)
    samples = []
    for (_, read), items in sorted(by_string.items()):
        text = _corrected(read, items, answers)
        whole = [i for i in items if i.position <= SHOWN and len(read) - i.position <= SHOWN + 1]
        if text and whole:
            item = min(whole, key=lambda i: i.id)
            path = folder / ITEMS / f"{item.id}.png"
            samples.append(Sample(path.name, path, (Label(text),)))
    if not samples:
        raise DatasetError(
            f"{folder}: no string has answers for all of its uncertain characters; "
            f"answer them with industrial-ocr review {folder}"
        )
    return Dataset(folder.name, folder, "review", "read", tuple(samples))


def _corrected(
    read: str, items: Sequence[ReviewItem], answers: dict[str, ReviewAnswer]
) -> str | None:
    """The text corrected by all answers; None if an uncertain character was not answered."""
    text = read
    for item in sorted(items, key=lambda i: -i.position):
        answer = answers.get(item.id)
        if answer is None or answer.action == "skip":
            return None
        said = answer.symbol if answer.action == "label" else ""
        text = text[: item.position] + said + text[item.position + len(item.symbol) :]
    return text


@dataclass(frozen=True, eq=False)
class SelfLabeled:
    """Pictures whose confident readings serve as labels.

    Attributes:
        samples: the pictures, labeled with their readings.
        shown: number of these samples on the review page.
    """

    samples: tuple[Sample, ...]
    shown: int


def self_labeled(
    reader: Reader, files: Iterable[Path], pattern: Pattern, one_string: bool, confirm: Path
) -> SelfLabeled:
    """The pictures on which both engines read the same codes, all with the status ``ok``.

    The labels are the codes with the separators and the case that were read without the pattern.
    A code that reads otherwise without the pattern is left out if it may have separators.
    One in ``CONFIRM_EVERY`` is copied to the folder ``confirm`` for the review page, with its
    character of lowest confidence.
    """
    samples: list[Sample] = []
    shown = 0
    for file in files:
        try:
            results = [
                read_picture(reader, file, engine, pattern, one_string) for engine in PIPELINES
            ]
        except ImageError:
            continue
        codes = _agreed(results)
        printed = [(_printed(c, pattern), None if one_string else c.quad) for c in codes]
        labels = tuple(Label(text, quad) for text, quad in printed if text)
        if not labels:
            continue
        samples.append(Sample(f"{file.parent.name}/{file.name}", file, labels))
        if len(samples) % CONFIRM_EVERY == 1:
            weakest = min(c.character.confidence for c in codes[0].characters)
            rules = CollectingConfig(min_confidence=min(1.0, weakest + 1e-6), min_margin=0.0)
            shown += bool(Collector(confirm, rules=rules).add(results[-1], file))
    return SelfLabeled(tuple(samples), shown)


def read_picture(
    reader: Reader, source: ImageSource, engine: Engine, pattern: Pattern | None, one_string: bool
) -> ReadResult:
    """The reading of a whole picture, or of a crop of one string."""
    if one_string:
        return reader.recognize([source], engine=engine, pattern=pattern)[0]
    return reader.read(source, engine=engine, pattern=pattern)


def _agreed(results: Sequence[ReadResult]) -> list[CodeReading]:
    """The codes of all results if they are equal and ``ok``, else none."""
    texts = [[c.text for c in r.codes if c.status is Status.OK] for r in results]
    if not texts[0] or any(sorted(t) != sorted(texts[0]) for t in texts):
        return []
    return [c for c in results[-1].codes if c.status is Status.OK]


def _printed(code: CodeReading, pattern: Pattern) -> str:
    """The code as it is printed, with its separators; empty if this is not known."""
    if pattern.normalize(code.raw_text) == code.text:
        return code.raw_text
    as_printed = not pattern.ignore_case and {*pattern.separators} <= {" "}
    return code.text if as_printed else ""


def unlabeled_files(folder: Path) -> list[Path]:
    """The pictures of a folder; DatasetError if there are none."""
    files = image_files(folder) if folder.is_dir() else []
    if not files:
        raise DatasetError(f"{folder}: there are no pictures in this folder")
    return files
