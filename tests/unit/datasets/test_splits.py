"""The dev and test parts of a dataset."""

from __future__ import annotations

from pathlib import Path

from industrial_ocr.datasets.samples import Dataset, Sample
from industrial_ocr.datasets.splits import part_of, split_of


def test_the_part_follows_from_the_file_name_alone() -> None:
    expected = ["dev", "test", "dev", "test", "test", "test", "dev", "dev"]
    assert [split_of(f"{n}.png") for n in range(8)] == expected
    assert split_of("0.png") == split_of("train/0.png") == split_of("x\\y\\0.png")


def test_the_parts_are_about_equal_and_make_up_the_dataset() -> None:
    samples = tuple(Sample(f"{n}.png", None, ()) for n in range(1000))
    dataset = Dataset("set", Path(), "tsv", "read", samples)
    dev, test = part_of(dataset, "dev"), part_of(dataset, "test")
    assert 450 < len(dev.samples) < 550
    assert sorted(s.name for s in (*dev.samples, *test.samples)) == sorted(s.name for s in samples)
