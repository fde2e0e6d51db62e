"""Training from shards: what is learnt, how it is mixed, and that a stopped run goes on exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from industrial_ocr.datasets.shards import ShardedStrings, find_shards, index_of, write_shard
from industrial_ocr.errors import DatasetError
from industrial_ocr.training.config import RecognizerTrainConfig
from industrial_ocr.training.loop import VALIDATION_SEED, batches
from industrial_ocr.training.recognizer import UNPLACED, RecognizerTask
from industrial_ocr.training.rendering import write_strips

pytestmark = pytest.mark.slow


def settings(**changes: Any) -> RecognizerTrainConfig:
    plain = {"width": 0.125, "hidden": 8, "batch_size": 8, "workers": 0, "device": "cpu"}
    return RecognizerTrainConfig(**{**plain, **changes})


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    """90 strips in three shards, in faces that need no font file."""
    out = tmp_path_factory.mktemp("shards")
    *_, done = write_strips(settings(), out, 90, 3, workers=1)
    assert done == 90
    return str(out)


def test_a_stopped_writer_goes_on_and_strips_depend_on_their_number_alone(
    shards: str, tmp_path: Path
) -> None:
    kept = {path.name: path.read_bytes() for path in find_shards(shards)}
    first, *_ = write_strips(settings(), Path(shards), 90, 3, workers=1)
    assert first == 90
    write_shard(tmp_path / "00001.tar", [])
    (tmp_path / "strips.json").write_text((Path(shards) / "strips.json").read_text())
    assert list(write_strips(settings(), tmp_path, 90, 3, workers=1)) == [30, 60, 90]
    for name in ("00000.tar", "00002.tar"):
        assert (tmp_path / name).read_bytes() == kept[name]
    with pytest.raises(DatasetError, match="other settings"):
        list(write_strips(settings(seed=1), tmp_path, 90, 3, workers=1))


def test_batches_are_the_same_with_any_number_of_workers_and_from_any_step(shards: str) -> None:
    alone = RecognizerTask(settings(data=shards))
    several = RecognizerTask(settings(data=shards, workers=2))
    for number, batch in zip(range(5, 9), batches(several, 3, 5, 9), strict=True):
        again = alone.render(number, 3)
        assert all(torch.equal(batch[name], again[name]) for name in again)


def test_labels_keep_spaces_and_have_no_places(shards: str) -> None:
    for spaces in (False, True):
        task = RecognizerTask(settings(data=shards, spaces=spaces))
        batch = task.render(0, 0)
        assert (batch["frame"] == UNPLACED).all()
        assert not batch["photo"].any()
        texts = {
            text for n in range(9) for _, text in ShardedStrings(find_shards(shards), 8).batch(0, n)
        }
        wanted = texts if spaces else {text.replace(" ", "") for text in texts}
        found = {
            task._text(label.tolist())
            for label in torch.split(batch["label"], batch["length"].tolist())
        }
        assert found <= wanted
        assert torch.isfinite(task.loss(task.model, batch))


def test_rendered_strips_are_mixed_in_by_share(shards: str) -> None:
    task = RecognizerTask(settings(data=shards, data_share=0.25, alignment=0.5))
    batch = task.render(0, 0)
    placed = [
        bool((f != UNPLACED).all()) for f in torch.split(batch["frame"], batch["length"].tolist())
    ]
    assert placed == [True] * 6 + [False] * (len(placed) - 6)
    assert torch.isfinite(task.loss(task.model, batch))
    with pytest.raises(ValueError, match="more than the whole batch"):
        settings(data=shards, photo_share=0.5, photos="p", photo_labels="l")


def test_validation_has_strips_of_its_own(shards: str) -> None:
    task = RecognizerTask(settings(data=shards))
    assert task._sharded[True].count == 5
    assert task._sharded[False].count == 85
    names = [np.array(index_of(path)) for path in find_shards(shards)]
    assert sum(map(len, names)) == 90
    assert len(task.render(0, VALIDATION_SEED)["length"]) <= 8


def test_texts_that_no_network_learns_are_an_error(tmp_path: Path) -> None:
    picture = cv2.imencode(".png", np.zeros((8, 50), np.uint8))[1].tobytes()
    write_shard(tmp_path / "own.tar", [(".png", picture, "ДОМ")] * 40)
    task = RecognizerTask(settings(data=str(tmp_path / "own.tar")))
    with pytest.raises(DatasetError, match="symbols"):
        task.render(0, 0)
