"""Shards: what is written is found again, in an order that depends on seed and number alone."""

from __future__ import annotations

import io
import tarfile
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest

from industrial_ocr.datasets.shards import (
    ShardedStrings,
    encoded_string,
    find_shards,
    index_of,
    write_shard,
)
from industrial_ocr.errors import DatasetError


def picture(number: int) -> bytes:
    """A PNG whose width is ``number``."""
    return cv2.imencode(".png", np.full((8, number, 3), 99, np.uint8))[1].tobytes()


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Three of 100 strings; string n is n + 1 pixels wide and says so."""
    for shard in range(3):
        numbers = range(100 * shard, 100 * shard + 100)
        strings = [(".png", picture(n + 1), f"N{n + 1} é") for n in numbers]
        assert write_shard(tmp_path / f"{shard:05d}.tar", strings) == 100
    return find_shards(str(tmp_path))


def test_what_is_written_is_found_again_with_and_without_the_index(shards: list[Path]) -> None:
    for _ in range(2):
        data, text = encoded_string(shards[1], index_of(shards[1])[7])
        assert (data, text) == (picture(108), "N108 é")
        assert shards[1].with_suffix(".index.npy").exists()
    write_shard(shards[1], [(".jpg", picture(5), "new"), (".png", picture(6), "long text")])
    assert len(index_of(shards[1])) == 2  # the old index is not believed


def test_only_pairs_of_a_picture_and_a_text_count(tmp_path: Path) -> None:
    path = tmp_path / "own.tar"
    with tarfile.open(path, "w") as tar:
        for name in (
            "a.txt",
            "a.jpg",
            "b.png",
            "c.json",
            "c.png",
            "c.txt",
            "d/e.f.png",
            "d/e.f.txt",
        ):
            about = tarfile.TarInfo(name)
            about.size = 3
            tar.addfile(about, io.BytesIO(b"abc"))
    assert index_of(path)[:, 1].tolist() == [3, 3, 3]
    with pytest.raises(DatasetError, match="not an uncompressed"):
        broken = tmp_path / "broken.tar"
        broken.write_bytes(b"\x1f\x8b" + bytes(range(256)) * 9)
        index_of(broken)


def test_an_epoch_has_each_string_once_and_any_batch_is_found_at_once(shards: list[Path]) -> None:
    strings = ShardedStrings(shards, size=5, buffer=60)
    assert strings.count == 285  # the last 15 are held back
    epoch = [[text for _, text in strings.batch(3, n)] for n in range(57)]
    assert sorted(chain.from_iterable(epoch)) == sorted(f"N{n + 1} é" for n in range(285))
    again = ShardedStrings(shards, size=5, buffer=60)
    assert [text for _, text in again.batch(3, 40)] == epoch[40]
    assert all(image.shape[1] == int(text[1:-2]) for image, text in again.batch(3, 40))
    later = [[text for _, text in strings.batch(3, n)] for n in range(57, 114)]
    assert sorted(chain.from_iterable(later)) == sorted(chain.from_iterable(epoch))
    assert later != epoch


def test_training_and_validation_have_no_string_in_common(shards: list[Path]) -> None:
    held_out = ShardedStrings(shards, size=5, held_out=True)
    found = chain.from_iterable(held_out.batch(0, n) for n in range(3))
    assert {text for _, text in found} == {f"N{n + 1} é" for n in range(285, 300)}


def test_damaged_strings_are_left_out(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", [(".png", picture(4), "a"), (".png", b"no", "b")] * 30)
    strings = ShardedStrings(find_shards(str(tmp_path / "*.tar")), size=57)
    assert {text for _, text in strings.batch(0, 0)} == {"a"}
