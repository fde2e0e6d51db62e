"""The dev and test parts of a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from industrial_ocr.datasets.manifests import read_manifest
from industrial_ocr.datasets.samples import Dataset, Sample
from industrial_ocr.datasets.splits import part_of, split_of
from industrial_ocr.errors import DatasetError
from industrial_ocr.evaluation.session import plan_run


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


def test_a_run_of_one_part_has_the_first_images_of_that_part(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(20)]
    for name in names:
        (tmp_path / name).write_bytes(b"not decoded")
    (tmp_path / "labels.tsv").write_text("".join(f"{name}\tAB\n" for name in names))
    for split, limit in (("all", 0), ("dev", 0), ("test", 3)):
        plan = plan_run([tmp_path], None, {}, None, limit, [], split)  # type: ignore[arg-type]
        wanted = [n for n in names if split in ("all", split_of(n))][: limit or None]
        assert [s.name for s in plan.datasets[0].samples] == wanted


def test_a_manifest_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "digests.tsv").write_bytes(b"\xff\t" + b"0" * 64)
    with pytest.raises(DatasetError, match="the manifest cannot be read"):
        read_manifest(tmp_path / "digests.tsv")
