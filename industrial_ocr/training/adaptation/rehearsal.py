"""Crops of the symbols that a classifier knows already, so that it does not forget them.

They lie in ``data/rehearsal.npz``, rendered by ``make_rehearsal``: one JPEG mosaic a class and
part, since single files of 40x40 pixels are mostly headers. The parts share no font family: what
training has seen tells nothing about the gate.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.errors import DatasetError
from industrial_ocr.results.types import ImageArray

SHIPPED = Path(__file__).parent / "data" / "rehearsal.npz"
COLUMNS = 8
"""Crops in a row of a mosaic."""
PARTS = ("training", "validation", "held_out")
FAMILIES = 5
"""Of so many font families one is for validation and one is held out, by its name."""


def part_of(family: str) -> str:
    """The part of the set that a font family belongs to."""
    place = zlib.crc32(family.encode()) % FAMILIES
    return {0: "held_out", 1: "validation"}.get(place, "training")


@dataclass(frozen=True, eq=False)
class Crops:
    """Labeled crops as the classifier sees them.

    Attributes:
        images: (N, S, S) uint8 gray.
        symbols: (N,) what each shows, ``REJECT`` for no character.
    """

    images: ImageArray
    symbols: NDArray[np.str_]

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or len(self.images) != len(self.symbols):
            raise ValueError(
                f"one symbol a crop (N, S, S), got {self.images.shape} and {len(self.symbols)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def of(self, rows: NDArray[np.generic]) -> Crops:
        """Some of them, by index or mask."""
        return Crops(self.images[rows], self.symbols[rows])

    def known(self, symbols: tuple[str, ...]) -> Crops:
        """Those that show one of the symbols."""
        return self.of(np.isin(self.symbols, symbols))


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What an old class looks like.

    Attributes:
        training: to learn from.
        validation: to choose the best weights by, of other fonts.
        held_out: to measure on, of other fonts again.
        sha256: of the file.
    """

    training: Crops
    validation: Crops
    held_out: Crops
    sha256: str


def mosaic(crops: ImageArray, quality: int) -> NDArray[np.uint8]:
    """(N, S, S) uint8 crops as the bytes of one JPEG, row by row."""
    count, side, _ = crops.shape
    rows = -(-count // COLUMNS)
    padded = np.full((rows * COLUMNS, side, side), 128, np.uint8)
    padded[:count] = crops
    sheet = padded.reshape(rows, COLUMNS, side, side).swapaxes(1, 2)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    good, data = cv2.imencode(".jpg", sheet.reshape(rows * side, COLUMNS * side), options)
    if not good:
        raise DatasetError("the rehearsal crops cannot be written as JPEG")
    return np.asarray(data, np.uint8).ravel()


def unpack(data: NDArray[np.uint8], count: int, side: int) -> ImageArray:
    """The (count, side, side) crops of ``mosaic``; ValueError where they are not in there."""
    sheet = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if sheet is None or sheet.shape[1] != COLUMNS * side or sheet.shape[0] % side:
        raise ValueError("a mosaic cannot be decoded")
    tiles = sheet.reshape(-1, side, COLUMNS, side).swapaxes(1, 2).reshape(-1, side, side)
    if len(tiles) < count:
        raise ValueError(f"a mosaic has {len(tiles)} crops, {count} were expected")
    return np.ascontiguousarray(tiles[:count], np.uint8)


def load_rehearsal(path: Path = SHIPPED) -> Rehearsal:
    """The rehearsal set of a file.

    Raises:
        DatasetError: the file is missing or no rehearsal set.
    """
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        with np.load(path, allow_pickle=False) as found:
            symbols, side = found["symbols"], int(found["side"])
            training, validation, held_out = (_part(found, part, symbols, side) for part in PARTS)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path}: no rehearsal set ({error}); install the package again or make one with "
            "python -m industrial_ocr.training.adaptation.make_rehearsal"
        ) from error
    return Rehearsal(training, validation, held_out, sha256)


def _part(found: np.lib.npyio.NpzFile, part: str, symbols: NDArray[np.str_], side: int) -> Crops:
    counts = found[f"{part}_counts"]
    images = [
        unpack(found[f"{part}_{i}"], int(count), side) for i, count in enumerate(counts) if count
    ]
    return Crops(np.concatenate(images), np.repeat(symbols, counts))
