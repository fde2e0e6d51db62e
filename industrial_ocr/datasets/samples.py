"""Datasets, samples and labels, the same for every format."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from industrial_ocr.results.types import FloatArray, HasQuad, MayHaveQuad

Task = Literal["read", "recognize", "classify"]
"""``read``: whole images in which codes are found; ``recognize``: crops of one string each;
``classify``: crops of one character each."""


@dataclass(frozen=True, eq=False)
class LabeledCharacter(HasQuad):
    """One character and where it is: ``quad`` is (4, 2) float32 source pixels."""

    symbol: str
    quad: FloatArray


@dataclass(frozen=True, eq=False)
class Label(MayHaveQuad):
    """One text of an image.

    Attributes:
        text: the text; empty if the image shows nothing legible.
        quad: (4, 2) float32 source pixels; None if it is not labeled.
        characters: labeled boxes of single characters.
        ignore: whether the label counts neither as found nor as missed (``###`` of ICDAR).
        kind: class of the label; empty if the dataset has no classes.
        lexicon: words for reading under a lexicon; the text is one of them.
        row: place of the label in its file, for messages ("labels.tsv:12").
    """

    text: str
    quad: FloatArray | None = None
    characters: tuple[LabeledCharacter, ...] = ()
    ignore: bool = False
    kind: str = ""
    row: str = ""
    lexicon: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sample:
    """One image and all its labels.

    Attributes:
        name: name of the image, unique in its dataset.
        path: the file; None if the image is in a database (then ``data`` holds it).
        labels: the labels, in the order of the label file.
        data: the encoded image (PNG, JPEG ...) if there is no file.
    """

    name: str
    path: Path | None
    labels: tuple[Label, ...]
    data: bytes | None = None

    @property
    def row(self) -> str:
        """Place of the sample in its label file; empty if it has no label."""
        return self.labels[0].row if self.labels else ""

    @property
    def source(self) -> Path | bytes:
        """The source of the image for ``image.load.load_image``."""
        if self.path is not None:
            return self.path
        if self.data is not None:
            return self.data
        raise ValueError(f"sample {self.name} has neither a path nor data")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A folder, file or database of labeled images.

    Attributes:
        name: short name for tables; usually the folder's name.
        root: the folder, file or database.
        format: one of ``load.READERS``.
        task: task of the images.
        samples: the samples, in the order of the label file.
    """

    name: str
    root: Path
    format: str
    task: Task
    samples: tuple[Sample, ...]

    @property
    def labels(self) -> list[Label]:
        """The labels of all samples."""
        return list(chain.from_iterable(sample.labels for sample in self.samples))
