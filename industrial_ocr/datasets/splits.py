"""Dev and test parts of a dataset, the same on every machine and for every version of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

from industrial_ocr.datasets.samples import Dataset

Split = Literal["dev", "test"]


def split_of(name: str) -> Split:
    """The part of an image, by the sha256 of its file name without folders.

    About half of all images are in each part. The part of an image does not change when other
    images are added or removed, or when the dataset is moved or converted to another format
    that keeps file names.
    """
    file_name = PurePosixPath(name.replace("\\", "/")).name
    return "dev" if hashlib.sha256(file_name.encode()).digest()[0] < 128 else "test"


def part_of(dataset: Dataset, split: Split) -> Dataset:
    """The samples of one part, in the order of the dataset."""
    samples = tuple(s for s in dataset.samples if split_of(s.name) == split)
    return replace(dataset, samples=samples)
