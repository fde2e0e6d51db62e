"""Crops of the symbols that a classifier knows already, so that it does not forget them.

The shipped set is ``data/rehearsal.npz``, rendered by ``fitting/rehearsal.py``. Each class and part
is one JPEG mosaic, since files of 40x40 pixels are mostly headers. The parts share no font family.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.errors import DatasetError
from industrial_ocr.results.files import BAD_NPZ, sha256_of, write_npz
from industrial_ocr.results.types import ImageArray

SHIPPED_REHEARSAL = Path(__file__).parent / "data" / "rehearsal.npz"
PARTS = ("training", "validation", "held_out")
MOSAIC_COLUMNS = 8


def part_of(family: str) -> str:
    """The part of a font family, from a hash of its name; validation and held-out are 1/5 each."""
    return {0: "held_out", 1: "validation"}.get(zlib.crc32(family.encode()) % 5, "training")


@dataclass(frozen=True, eq=False)
class LabeledCrops:
    """Labeled crops as the classifier sees them.

    Attributes:
        images: (N, S, S) uint8 gray.
        symbols: (N,) symbols of the crops; ``REJECT`` for no character.
    """

    images: ImageArray
    symbols: NDArray[np.str_]

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or len(self.images) != len(self.symbols):
            raise ValueError(
                f"expected crops (N, S, S) and N symbols, got {self.images.shape} "
                f"and {len(self.symbols)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def of(self, rows: NDArray[np.generic]) -> LabeledCrops:
        """The crops selected by indices or a mask."""
        return LabeledCrops(self.images[rows], self.symbols[rows])

    def known(self, symbols: Sequence[str]) -> LabeledCrops:
        """The crops of these symbols."""
        return self.of(np.isin(self.symbols, symbols))


def joined(several: Sequence[LabeledCrops]) -> LabeledCrops:
    """Several sets of crops as one."""
    return LabeledCrops(
        np.concatenate([c.images for c in several]), np.concatenate([c.symbols for c in several])
    )


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Crops of known classes.

    Attributes:
        training: crops for training.
        validation: crops on which every choice is made.
        held_out: crops on which the result is measured; nothing is chosen on them.
        sha256: hash of the file.
    """

    training: LabeledCrops
    validation: LabeledCrops
    held_out: LabeledCrops
    sha256: str


def mosaic(crops: ImageArray, quality: int) -> NDArray[np.uint8]:
    """The bytes of one JPEG with the crops (N, S, S) uint8 side by side, row by row."""
    count, side, _ = crops.shape
    rows = -(-count // MOSAIC_COLUMNS)
    padded = np.full((rows * MOSAIC_COLUMNS, side, side), 128, np.uint8)
    padded[:count] = crops
    sheet = padded.reshape(rows, MOSAIC_COLUMNS, side, side).swapaxes(1, 2)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    good, data = cv2.imencode(".jpg", sheet.reshape(rows * side, MOSAIC_COLUMNS * side), options)
    if not good:
        raise DatasetError("the rehearsal crops cannot be written as JPEG")
    return np.asarray(data, np.uint8).ravel()


def unpack(data: NDArray[np.uint8], count: int, side: int) -> ImageArray:
    """The (count, side, side) crops of a mosaic; ValueError if they are not in it."""
    sheet = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if sheet is None or sheet.shape[1] != MOSAIC_COLUMNS * side or sheet.shape[0] % side:
        raise ValueError("a mosaic cannot be decoded")
    tiles = sheet.reshape(-1, side, MOSAIC_COLUMNS, side).swapaxes(1, 2).reshape(-1, side, side)
    if len(tiles) < count:
        raise ValueError(f"a mosaic has {len(tiles)} crops, {count} were expected")
    return np.ascontiguousarray(tiles[:count], np.uint8)


def save_rehearsal(path: Path, parts: Sequence[LabeledCrops], quality: int) -> None:
    """Writes the crops of the three ``PARTS``; every symbol must be in the first.

    Raises:
        DatasetError: the file cannot be written.
    """
    symbols = list(dict.fromkeys(parts[0].symbols.tolist()))
    side = parts[0].images.shape[1]
    arrays: dict[str, Any] = {"side": np.array(side), "symbols": np.array(symbols)}
    for name, part in zip(PARTS, parts, strict=True):
        own = [part.images[part.symbols == s] for s in symbols]
        arrays[f"{name}_counts"] = np.array([len(images) for images in own])
        arrays |= {f"{name}_{i}": mosaic(c, quality) for i, c in enumerate(own) if len(c)}
    try:
        write_npz(path, compressed=False, **arrays)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written: {error}") from error


def load_rehearsal(path: Path = SHIPPED_REHEARSAL) -> Rehearsal:
    """Reads a rehearsal set.

    Raises:
        DatasetError: the file is missing or is not a rehearsal set.
    """
    try:
        sha256 = sha256_of(path)
        with np.load(path, allow_pickle=False) as found:
            symbols, side = found["symbols"], int(found["side"])
            training, validation, held_out = (_part(found, part, symbols, side) for part in PARTS)
    except BAD_NPZ as error:
        raise DatasetError(
            f"{path}: not a rehearsal set ({error}); install the package again"
        ) from error
    return Rehearsal(training, validation, held_out, sha256)


def _part(
    found: np.lib.npyio.NpzFile, part: str, symbols: NDArray[np.str_], side: int
) -> LabeledCrops:
    counts = found[f"{part}_counts"]
    images = [
        unpack(found[f"{part}_{i}"], int(count), side) for i, count in enumerate(counts) if count
    ]
    return LabeledCrops(np.concatenate(images), np.repeat(symbols, counts))
