"""Reads the samples of any of the four kinds of sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from industrial_ocr.datasets.datasets import read_dataset
from industrial_ocr.datasets.formats_store import symbol_folders
from industrial_ocr.errors import DatasetError
from industrial_ocr.training.adaptation.corrections import corrections_file, read_corrections
from industrial_ocr.training.adaptation.folders import read_folders
from industrial_ocr.training.adaptation.font_samples import FONT_SUFFIXES, read_font
from industrial_ocr.training.adaptation.samples import SampleSet
from industrial_ocr.training.adaptation.string_samples import read_strings

if TYPE_CHECKING:
    from industrial_ocr.reader.verify import Models


def split_symbols(text: str) -> tuple[str, ...]:
    """The symbols of ``--symbols``: characters side by side, or tokens separated by spaces."""
    parts = text.split()
    return tuple(dict.fromkeys(parts if len(parts) > 1 else text.strip()))


def read_samples(
    path: Path, symbols: Sequence[str], pictures: int, seed: int, models: Callable[[], Models]
) -> SampleSet:
    """The samples of a folder of folders, labeled pictures, a font or a corrections file.

    Args:
        path: file or folder.
        symbols: to render from a font; in labels, tokens of several characters.
        pictures: of each symbol from a font.
        seed: of rendering.
        models: loads the models that find strings; called only for labeled pictures.

    Raises:
        DatasetError: it is none of them, or nothing in it can be used.
    """
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    corrections = corrections_file(path)
    if corrections is not None:
        found = read_corrections(corrections)
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
    """Whether a folder holds one folder for each symbol, and no label file."""
    label_files = {".tsv", ".csv", ".txt", ".xml", ".json", ".mdb"}
    labeled = any(p.suffix.lower() in label_files for p in root.iterdir() if p.is_file())
    return bool(symbol_folders(root)) and not labeled
