"""Written data sets: labels that fit their pictures, whatever the number of workers."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from industrial_ocr.datasets.synthesis.writer import Kind, labeled_picture, write_dataset
from industrial_ocr.errors import DatasetError


@pytest.mark.parametrize("kind", ["scenes", "strings", "crops"])
def test_labels_fit_their_pictures(kind: Kind, tmp_path: Path) -> None:
    labels = list(write_dataset(tmp_path, kind, 6, 5, (), 160, 1))
    lines = (tmp_path / "labels.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == labels
    for label in labels:
        image = cv2.imread(str(tmp_path / label["file"]), cv2.IMREAD_UNCHANGED)
        assert image is not None
        strings = label.get("strings", [label] if kind == "strings" else [])
        assert kind != "scenes" or image.shape == (160, 160, 3)
        assert kind != "crops" or (image.shape == (40, 40) and isinstance(label["symbol"], str))
        for string in strings:
            said = "".join(c["symbol"] + " " * c["space_after"] for c in string["characters"])
            assert said == string["text"]
            for character in string["characters"]:
                center = np.array(character["quad"]).mean(0)
                assert (center >= 0).all() and (center <= image.shape[1::-1]).all()
        shown = labeled_picture(tmp_path, label)
        assert shown.dtype == np.uint8 and shown.shape[2] == 3


@pytest.mark.slow
def test_a_picture_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    few, many, other = (tmp_path / n for n in ("few", "many", "other"))
    three = list(write_dataset(few, "crops", 3, 7, (), 64, 1))
    assert list(write_dataset(many, "crops", 5, 7, (), 64, 2))[:3] == three
    list(write_dataset(other, "crops", 3, 8, (), 64, 1))
    data = {f: [(f / x["file"]).read_bytes() for x in three] for f in (few, many, other)}
    assert data[few] == data[many]
    assert data[few] != data[other]


def test_labels_are_not_overwritten_and_bad_folders_are_named(tmp_path: Path) -> None:
    list(write_dataset(tmp_path / "out", "crops", 1, 0, (), 64, 1))
    before = (tmp_path / "out" / "labels.jsonl").read_bytes()
    with pytest.raises(DatasetError, match=r"labels\.jsonl"):
        list(write_dataset(tmp_path / "out", "crops", 1, 1, (), 64, 1))
    assert (tmp_path / "out" / "labels.jsonl").read_bytes() == before
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "labels.tsv").write_text("a.png\tA\n")
    with pytest.raises(DatasetError, match=r"labels\.tsv: is there already"):
        list(write_dataset(tmp_path / "own", "codes", 1, 0, (), 160, 1, "[A-Z]{4}"))
    assert (tmp_path / "own" / "labels.tsv").read_text() == "a.png\tA\n"
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="file"):
        list(write_dataset(tmp_path / "file", "crops", 1, 0, (), 64, 1))
    with pytest.raises(DatasetError, match="nowhere"):
        list(write_dataset(tmp_path / "new", "crops", 1, 0, (str(tmp_path / "nowhere"),), 64, 1))
    assert not (tmp_path / "new").exists()
