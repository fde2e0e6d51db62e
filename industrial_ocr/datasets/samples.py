"""What a labeled dataset is made of, whatever format it came in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from industrial_ocr.results.types import FloatArray, as_quad

Task = Literal["read", "recognize", "classify"]
"""``read``: whole pictures in which codes are found; ``recognize``: crops that are one string;
``classify``: crops that are one character."""


@dataclass(frozen=True, eq=False)
class LabeledCharacter:
    """One character and where it is.

    Attributes:
        symbol: the character.
        quad: (4, 2) float32 source pixels.
    """

    symbol: str
    quad: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "quad", as_quad(self.quad))


@dataclass(frozen=True, eq=False)
class Label:
    """One text of a picture.

    Attributes:
        text: what is written; empty where the picture shows nothing legible.
        quad: (4, 2) float32 source pixels, None where nobody drew it.
        characters: boxes of single characters, as far as labeled.
        ignore: not to be counted, neither found nor missed (``###`` of ICDAR).
        kind: the label's class where the dataset has classes, else empty.
        row: where the label stands in its file, for messages ("labels.tsv:12").
    """

    text: str
    quad: FloatArray | None = None
    characters: tuple[LabeledCharacter, ...] = ()
    ignore: bool = False
    kind: str = ""
    row: str = ""

    def __post_init__(self) -> None:
        if self.quad is not None:
            object.__setattr__(self, "quad", as_quad(self.quad))


@dataclass(frozen=True, eq=False)
class Sample:
    """One image and all its labels.

    Attributes:
        name: the image's name inside its dataset, unique there.
        path: the file, None where the image lives inside a database (then ``data`` holds it).
        labels: in the order of the label file.
        data: the encoded image (PNG, JPEG ...) where it is no file.
    """

    name: str
    path: Path | None
    labels: tuple[Label, ...]
    data: bytes | None = None

    @property
    def source(self) -> Path | bytes:
        """What ``image.load.load_image`` takes."""
        if self.path is not None:
            return self.path
        if self.data is not None:
            return self.data
        raise ValueError(f"sample {self.name} has neither a path nor data")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A folder, file or database of labeled images.

    Attributes:
        name: short, for tables: the folder's name.
        root: where it was read from.
        format: the reader's name: "tsv", "csv", "icdar", "paddle", "label-studio", "cvat", "lmdb",
            "imagefolder".
        task: what its images are for.
        samples: in the order of the label file.
    """

    name: str
    root: Path
    format: str
    task: Task
    samples: tuple[Sample, ...]
