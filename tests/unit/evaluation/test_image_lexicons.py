"""Lexicons of single images: from a column, a folder of files, one file, or all labels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from industrial_ocr.datasets.convert import convert_dataset
from industrial_ocr.datasets.load import load_dataset
from industrial_ocr.decoding.lexicon import lexicon_finder
from industrial_ocr.errors import DatasetError
from industrial_ocr.evaluation.session import _lexicons, plan_run
from industrial_ocr.patterns.charset import Charset

READER = SimpleNamespace(charset=Charset(blank=True))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two words, each with two that it may be."""
    folder = tmp_path / "words"
    (folder / "images").mkdir(parents=True)
    (folder / "words").mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(folder / "images" / f"{name}.png"), np.full((20, 60), 200, np.uint8))
    (folder / "labels.tsv").write_text("a.png\tDOOR\tlexicon:DOOR,FLOOR\nb.png\tTEN\tlexicon:TEN\n")
    (folder / "words" / "a.txt").write_text("door\npoor\n")
    (folder / "words" / "b.txt").write_text("ten\ntin\n")
    return folder


def words(data: Path, lexicon: str) -> dict[str, tuple[str, ...]]:
    plan = plan_run([data], None, {"lexicon": lexicon, "task": "recognize"}, None, 0, [])
    (found,) = _lexicons(plan, READER).values()
    return {name: own.words for name, own in found.items()}


def test_each_image_has_its_own_words(data: Path) -> None:
    assert words(data, "column") == {"a.png": ("DOOR", "FLOOR"), "b.png": ("TEN",)}
    assert words(data, str(data / "words")) == {"a.png": ("DOOR", "POOR"), "b.png": ("TEN", "TIN")}
    one = words(data, str(data / "words" / "b.txt"))
    assert one == dict.fromkeys(("a.png", "b.png"), ("TEN", "TIN"))
    assert words(data, "labels") == dict.fromkeys(("a.png", "b.png"), ("DOOR", "TEN"))


def test_a_missing_lexicon_is_named(data: Path) -> None:
    (data / "words" / "b.txt").unlink()
    with pytest.raises(DatasetError, match="b.txt"):
        words(data, str(data / "words"))
    (data / "labels.tsv").write_text("a.png\tDOOR\nb.png\tTEN\n")
    with pytest.raises(DatasetError, match=r"labels.tsv:1: there is no column lexicon"):
        words(data, "column")


def test_an_empty_column_is_named_and_unknown_words_are_left_out(data: Path) -> None:
    (data / "labels.tsv").write_text(
        "a.png\tDOOR\tlexicon:DOOR,D\u00f6R\nb.png\tTEN\tlexicon:TEN\n"
    )
    assert words(data, "column")["a.png"] == ("DOOR",)
    for column in ("lexicon:", "lexicon:,", "lexicon:\u00f6"):
        (data / "labels.tsv").write_text(f"a.png\tDOOR\tlexicon:DOOR\nb.png\tTEN\t{column}\n")
        with pytest.raises(DatasetError, match=r"labels.tsv:2"):
            words(data, "column")


def test_folders_below_the_images_are_kept_or_left_out(data: Path) -> None:
    (data / "words" / "sub").mkdir()
    (data / "words" / "sub" / "b.txt").write_text("other\n")
    find = lexicon_finder(data / "words", READER.charset)
    assert find("sub/b.png").words == ("OTHER",)
    assert find("sub/a.png").words == ("DOOR", "POOR")


def test_a_lexicon_survives_in_tsv_and_is_a_loss_elsewhere(data: Path, tmp_path: Path) -> None:
    dataset = load_dataset(data)
    convert_dataset(dataset, "tsv", tmp_path / "tsv")
    back = load_dataset(tmp_path / "tsv")
    assert [label.lexicon for label in back.labels] == [("DOOR", "FLOOR"), ("TEN",)]
    with pytest.raises(DatasetError, match="2 lexicons"):
        convert_dataset(dataset, "webdataset", tmp_path / "tar")
    convert_dataset(dataset, "webdataset", tmp_path / "tar", lossy=True)
    shards = load_dataset(tmp_path / "tar")
    assert shards.format == "webdataset"
    assert [label.text for label in shards.labels] == ["DOOR", "TEN"]
    assert shards.samples[0].data == (data / "images" / "a.png").read_bytes()
