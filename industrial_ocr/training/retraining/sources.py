"""Reads samples from sources of four kinds.

* A folder with one folder of tight crops for each symbol
  (``datasets.formats_store.symbol_folder`` says how symbols are written as folder names).
* The answers of the review page (``review.answers``).
* A font file (``font_samples``).
* Labeled pictures (``string_samples``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from industrial_ocr.datasets.formats import image_files
from industrial_ocr.datasets.formats_store import SPLITS, folder_symbol, symbol_folders
from industrial_ocr.datasets.load import read_dataset
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.datasets.synthesis.faces import FONT_SUFFIXES
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import IMAGE_SUFFIXES, load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.types import as_quad
from industrial_ocr.review.answers import FILE_NAME, ReviewAnswer, parse_answer, standing
from industrial_ocr.review.items import ITEMS
from industrial_ocr.training.retraining.font_samples import read_font
from industrial_ocr.training.retraining.samples import (
    GlyphSample,
    SampleSet,
    check_symbol,
    close_cut,
    sample_at,
)
from industrial_ocr.training.retraining.string_samples import read_strings

if TYPE_CHECKING:
    from industrial_ocr.reader.models import Models


def split_symbols(text: str) -> tuple[str, ...]:
    """The symbols of ``--symbols``: characters side by side, or tokens separated by spaces."""
    parts = text.split()
    return tuple(dict.fromkeys(parts if len(parts) > 1 else text.strip()))


def read_samples(
    path: Path, symbols: Sequence[str], pictures: int, seed: int, models: Callable[[], Models]
) -> SampleSet:
    """Reads the samples of any source.

    Args:
        path: file or folder of the source.
        symbols: symbols to render with a font; for labels, symbols of several characters.
        pictures: number of pictures of each symbol of a font.
        seed: seed of rendering.
        models: loads the networks that find strings; called only for labeled pictures.

    Raises:
        DatasetError: the source has another kind, or nothing in it can be used.
    """
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    if path.suffix.lower() == ".jsonl":
        found = read_corrections(path)
    elif (path / FILE_NAME).is_file():
        found = read_corrections(path / FILE_NAME)
    elif path.suffix.lower() in FONT_SUFFIXES:
        found = read_font(path, symbols, pictures, seed)
    elif path.is_dir() and _is_folders(path):
        found = read_folders(path)
    else:
        dataset, wrong = read_dataset(path)
        found = read_strings(dataset, [s for s in symbols if len(s) > 1], models())
        found = SampleSet(found.samples, (*map(str, wrong), *found.problems))
    if not found.samples:
        first = f", the first: {found.problems[0]}" if found.problems else ""
        raise DatasetError(f"{path}: no picture can be used; {len(found.problems)} problems{first}")
    return found


def _is_folders(root: Path) -> bool:
    """Whether a folder has one folder for each symbol, and no label file."""
    label_files = {".tsv", ".csv", ".txt", ".xml", ".json", ".mdb"}
    labeled = any(p.suffix.lower() in label_files for p in root.iterdir() if p.is_file())
    return bool(symbol_folders(root)) and not labeled


def read_folders(root: Path) -> SampleSet:
    """The samples of a folder of folders.

    If the dataset has parts, as ``train`` and ``val``, only ``train`` is used. Pictures that cannot
    be read are problems of the set.

    Raises:
        DatasetError: a folder has no pictures, or its name is not a symbol.
    """
    samples: list[GlyphSample] = []
    problems: list[str] = []
    for folder in symbol_folders(root):
        if folder.parent != root and folder.parent.name.lower() not in ("train", "training"):
            problems.append(f"{folder.parent.name}/{folder.name}: left out; it is for measuring")
            continue
        symbol = _symbol_of(folder)
        files = image_files(folder)
        if not files:
            raise DatasetError(
                f"{folder}: the folder of {symbol!r} has no pictures; put 3 to 15 into it or "
                "remove it"
            )
        for file in files:
            try:
                samples.append(close_cut(symbol, file, file.relative_to(root).as_posix()))
            except ImageError as error:
                problems.append(str(error))
    return SampleSet(tuple(samples), tuple(problems))


def _symbol_of(folder: Path) -> str:
    if folder.name.lower() in {*SPLITS, "images"}:
        raise DatasetError(
            f"{folder}: this is the name of a part of a dataset, not a symbol; give that folder "
            "itself, or name a symbol by its code points, as U+0043_U+0045"
        )
    try:
        symbol = folder_symbol(folder.name)
    except (ValueError, OverflowError) as error:
        raise DatasetError(
            f"{folder}: its name is not a symbol; name it by the symbol, or by its code points, as "
            "U+03A9"
        ) from error
    check_symbol(symbol, str(folder))
    own = any(p.suffix.lower() in IMAGE_SUFFIXES for p in folder.iterdir())
    if len(symbol) > 1 and not own and image_files(folder):
        raise DatasetError(
            f"{folder}: its pictures are in folders of their own, so it is hardly a symbol; give "
            "that folder itself"
        )
    return symbol


def read_corrections(file: Path) -> SampleSet:
    """The samples of a file ``corrections.jsonl`` with its folder ``items`` beside it.

    Damaged lines and items are problems of the set.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error}") from error
    problems, answers = [], []
    for number, line in enumerate(lines, 1):
        answer = parse_answer(line)
        if answer is not None:
            answers.append(answer)
        elif line.strip():
            problems.append(f"{file.name}:{number}: not an answer of the review page")
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


def _sample(folder: Path, answer: ReviewAnswer) -> GlyphSample:
    """The sample of one answer; raises errors of many kinds if its item is missing or damaged."""
    symbol = answer.symbol if answer.action == "label" else REJECT
    source = f"item {answer.id}"
    if symbol != REJECT:
        check_symbol(symbol, source)
    item = json.loads((folder / f"{answer.id}.json").read_bytes())
    gray = to_gray(load_image(folder / f"{answer.id}.png"))
    return sample_at(symbol, gray, as_quad(item["quad"]), source)
