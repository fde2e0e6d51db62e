"""Samples from a folder that holds one folder of close-cut pictures for each symbol.

``datasets.formats_store.symbol_folder`` says how symbols are written as folder names.
"""

from __future__ import annotations

from pathlib import Path

from industrial_ocr.datasets.formats import image_files
from industrial_ocr.datasets.formats_store import SPLITS, folder_symbol, symbol_folders
from industrial_ocr.errors import DatasetError, ImageError
from industrial_ocr.image.load import ImageSource, load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.training.adaptation.samples import GlyphSample, SampleSet, check_symbol


def close_cut(symbol: str, picture: ImageSource, source: str) -> GlyphSample:
    """The sample of a picture cut close to one character; ImageError if it cannot be read."""
    gray = to_gray(load_image(picture))
    return GlyphSample(symbol, gray, rect_quad(0, 0, gray.shape[1], gray.shape[0]), source)


def read_folders(root: Path) -> SampleSet:
    """The samples of a folder of folders.

    If the folders lie in parts of a dataset, as ``train`` and ``val``, only those of ``train`` are
    used. Pictures that cannot be read are problems of the set.

    Raises:
        DatasetError: a folder without pictures, or whose name is no symbol.
    """
    samples: list[GlyphSample] = []
    problems: list[str] = []
    for folder in symbol_folders(root):
        if folder.parent != root and folder.parent.name.lower() not in ("train", "training"):
            problems.append(f"{folder.parent.name}/{folder.name}: left out, kept for measuring")
            continue
        symbol = _symbol_of(folder)
        files = image_files(folder)
        if not files:
            raise DatasetError(
                f"{folder}: the folder of {symbol!r} holds no pictures; put 3 to 15 into it or "
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
            f"{folder}: is called like a part of a dataset, and no symbol; give that folder "
            "itself, or name a token by its code points, as U+0043_U+0045"
        )
    try:
        symbol = folder_symbol(folder.name)
    except (ValueError, OverflowError) as error:
        raise DatasetError(
            f"{folder}: its name stands for no symbol; name it by the symbol, or by its code "
            "points, as U+03A9"
        ) from error
    check_symbol(symbol, str(folder))
    return symbol
