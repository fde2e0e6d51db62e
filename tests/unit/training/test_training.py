"""The loop resumes exactly; the three tasks learn; their targets are what they say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from industrial_ocr.datasets.photos import PhotoString, write_strings
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.detection.detector import IMAGENET_MEAN, network_input
from industrial_ocr.errors import WeightsError
from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.inference.weights import load_state
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.training.classifier import ClassifierTask
from industrial_ocr.training.config import (
    ClassifierTrainConfig,
    DetectorTrainConfig,
    RecognizerTrainConfig,
    TrainConfig,
)
from industrial_ocr.training.detector import DetectorTask, mined_loss, score_targets, weighted_loss
from industrial_ocr.training.loop import VALIDATION_SEED, Batch, Trainer, TrainingTask
from industrial_ocr.training.recognizer import UNPLACED, RecognizerTask, without_spaces

THREADS_AT_FORK = """
import os, cv2, numpy as np
threads = lambda: len(os.listdir("/proc/self/task"))
os.register_at_fork(before=lambda: print(threads() - before))  # hooks run in reverse order
from test_training import Line, settings
from industrial_ocr.training.loop import batches
before = threads()
cv2.setNumThreads(2)
cv2.warpPerspective(np.zeros((2000, 2000, 3), np.uint8), np.eye(3), (2000, 2000))
print(threads() - before)
next(batches(Line(settings(".", workers=1)), 1, 0, 1))
"""


class Line:
    """Learns y = 2x from points."""

    def __init__(self, config: TrainConfig) -> None:
        torch.manual_seed(config.seed)
        self.config, self.progress = config, 0.0
        self.model: nn.Module = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))

    def render(self, index: int, seed: int) -> Batch:
        x = torch.from_numpy(np.random.default_rng((seed, index)).normal(size=(8, 1))).float()
        return {"x": x}

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        result: Tensor = (model(batch["x"]) - 2 * batch["x"]).square().mean()
        return result

    def validate(self, model: nn.Module, batches: Iterator[Batch]) -> dict[str, float]:
        return {"score": -float(np.mean([float(self.loss(model, b)) for b in batches]))}

    def entry(self) -> dict[str, Any]:
        spec = {"size": None, "mean": [0.5], "std": [0.5]}
        return {"task": "detector", "architecture": {}, "charset": None, "input": spec}


@pytest.fixture(autouse=True)
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of these tests is in no manifest's language."""
    monkeypatch.setattr("industrial_ocr.training.loop.add_onnx", lambda entry: entry)


def settings(out: Path, **changes: Any) -> TrainConfig:
    plain: dict[str, Any] = {
        "out": out, "name": "line", "steps": 40, "batch_size": 8, "workers": 0, "lr": 0.02,
        "warmup_steps": 5, "validate_every": 10, "validation_samples": 16, "device": "cpu",
    }  # fmt: skip
    return TrainConfig(**{**plain, **changes})


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_workers_are_forked_without_threads_of_opencv() -> None:
    """A worker that ends the threads of OpenCV of its parent sometimes hangs."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS_AT_FORK],
        cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    used, *at_forks = done.stdout.split()
    assert used == "1" and set(at_forks) == {"0"}, (done.stdout, done.stderr[-2000:])


@pytest.mark.slow
def test_a_killed_run_resumes_to_exactly_the_same_weights(tmp_path: Path) -> None:
    whole = Trainer(Line(settings(tmp_path / "a")))
    whole.run()

    class Dies(Line):
        def render(self, index: int, seed: int) -> Batch:
            if index == 23 and seed == self.config.seed:
                raise KeyboardInterrupt
            return super().render(index, seed)

    config = settings(tmp_path / "b", checkpoint_every_s=1e-9)
    with pytest.raises(KeyboardInterrupt):
        Trainer(Dies(config)).run()
    resumed = Trainer(Line(config))
    resumed.resume()
    assert resumed.step == 23
    best = resumed.run()
    assert best == whole.best
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(whole.average.parameters(), resumed.average.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_biases_do_not_decay_and_come_last(tmp_path: Path) -> None:
    """Checkpoints of version 0.1 have their parameters in this order."""
    groups = Trainer(Line(settings(tmp_path, weight_decay=0.1))).optimizer.param_groups
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0]
    assert [[p.ndim for p in g["params"]] for g in groups] == [[2, 2], [1, 1]]


def test_a_time_limit_stops_in_order(tmp_path: Path) -> None:
    trainer = Trainer(Line(settings(tmp_path, steps=10**6)), max_seconds=0.2)
    trainer.run()
    assert 0 < trainer.step < 10**6
    again = Trainer(Line(settings(tmp_path, steps=10**6)))
    again.resume()
    assert again.step == trainer.step


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    trainer = Trainer(Line(settings(tmp_path)))
    trainer.save()
    other = Line(settings(tmp_path))
    other.model = nn.Linear(1, 1)
    with pytest.raises(WeightsError, match="name another --out"):
        Trainer(other).resume()
    trainer.checkpoint.write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="name another --out"):
        trainer.resume()


def test_patience_stops_early(tmp_path: Path) -> None:
    task = Line(settings(tmp_path, steps=1000, lr=1e-12, patience=2, ema_decay=0.0))
    task.validate = lambda model, batches: {"score": 0.0}  # type: ignore[method-assign,assignment]
    trainer = Trainer(task)
    trainer.run()
    assert trainer.step == 30


def test_learning_rate_rises_then_falls(tmp_path: Path) -> None:
    trainer = Trainer(Line(settings(tmp_path, steps=100, warmup_steps=10, lr=1.0)))
    rates = []
    for step in range(1, 101):
        trainer.schedule.step_update(step)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0)
    assert rates[9:] == sorted(rates[9:], reverse=True) and rates[-1] < 0.02


def test_the_best_weights_are_exported_with_their_entry(tmp_path: Path) -> None:
    trainer = Trainer(Line(settings(tmp_path)))
    trainer.run()
    entry = find_entry("detector", tmp_path / "line.safetensors")
    assert entry.metrics["score"] == pytest.approx(trainer.best, abs=1e-4)
    assert entry.recipe["steps"] == 40 and entry.license == "MIT" and entry.seed == 0
    assert set(load_state(entry)) == set(trainer.model.state_dict())


def _tiny(tmp_path: Path) -> dict[str, TrainingTask]:
    plain: dict[str, Any] = {"workers": 0, "device": "cpu", "out": tmp_path}
    narrow = {"stem_type": "deep", "stem_width": 8, "channels": [16, 32, 32, 32]}
    return {
        "detector": DetectorTask(
            DetectorTrainConfig(
                **plain, batch_size=2, scene_size=128, copies=2, backbone_options=narrow,
                decoder_channels=(8, 16, 16, 16), positive_weight=10.0,
            )
        ),
        "classifier": ClassifierTask(
            ClassifierTrainConfig(
                **plain, batch_size=12, crop_size=32, backbone="mobilenetv4_conv_small_050"
            )
        ),
        "recognizer": RecognizerTask(
            RecognizerTrainConfig(
                **plain, batch_size=4, width=0.125, hidden=16, max_width=128, alignment=0.5
            )
        ),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["detector", "classifier", "recognizer"])
def test_each_task_learns_a_batch(name: str, tmp_path: Path) -> None:
    task = _tiny(tmp_path)[name]
    batch, same = task.render(3, 0), task.render(3, 0)
    assert all(torch.equal(batch[k], same[k]) for k in batch)
    assert len(batch["image"]) == task.config.batch_size
    optimizer = torch.optim.Adam(task.model.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = task.loss(task.model, batch)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]
    with torch.inference_mode():
        metrics = task.validate(task.model.eval(), iter([batch]))
    assert 0 <= metrics["score"] <= 1
    assert task.entry()["task"] == name


def test_recognizer_labels_fit_their_frames(tmp_path: Path) -> None:
    batch = _tiny(tmp_path)["recognizer"].render(0, 0)
    assert int(batch["length"].sum()) == len(batch["label"]) == len(batch["frame"])
    assert batch["image"].shape[2] % 4 == 0 and batch["image"].shape[2] >= 100
    assert int(batch["frame"].max()) <= batch["image"].shape[2] // 4


def test_strips_of_photographs_are_a_share_of_the_batches(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    strings = []
    for i in range(12):
        picture = np.full((40, 100, 3), 180, np.uint8)
        picture[14:26, 20:60:8] = 30
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), picture)
        quad = rect_quad(18, 12, 62, 28)
        strings.append(PhotoString(f"{i}.png", "wagons", f"{i}.jpg", quad, "II III"))
    write_strings(tmp_path / "labels.tsv", strings)
    config = RecognizerTrainConfig(
        workers=0, device="cpu", out=tmp_path, batch_size=6, width=0.125, hidden=16, max_width=128,
        alignment=0.5, spaces=True, photos=tmp_path, photo_labels=tmp_path / "labels.tsv",
        photo_share=0.35,
    )  # fmt: skip
    task = RecognizerTask(config)
    batch = task.render(0, 0)
    assert batch["photo"].tolist() == [True, True, False, False, False, False]
    labels = torch.split(batch["label"], batch["length"].tolist())
    assert [task._text(label.tolist()) for label in labels[:2]] == ["IIIII"] * 2
    assert (batch["frame"][:10] == UNPLACED).all() and (batch["frame"][10:] >= 0).all()
    loss = task.loss(task.model, batch)
    loss.backward()
    assert torch.isfinite(loss)
    with torch.inference_mode():
        metrics = task.validate(task.model.eval(), iter([task.render(0, VALIDATION_SEED)]))
    assert "exact_of_photos" in metrics
    with pytest.raises(ValueError, match="photo_labels"):
        RecognizerTrainConfig(photo_share=0.3, photos=tmp_path)


def test_for_a_photograph_a_space_is_as_good_as_a_blank() -> None:
    log_probs = torch.log_softmax(torch.randn(5, 2, 6), -1)
    said = without_spaces(log_probs).exp()
    assert torch.allclose(said.sum(-1), torch.ones(5, 2))
    assert torch.allclose(said[..., 0], log_probs.exp()[..., [0, 5]].sum(-1))
    assert torch.allclose(said[..., 1:5], log_probs.exp()[..., 1:5])


@pytest.mark.parametrize("backbone", ["vgg16_bn", "resnet18"])
def test_a_detector_learns_the_input_with_which_it_reads(backbone: str, tmp_path: Path) -> None:
    published = backbone == "vgg16_bn"
    plain: dict[str, Any] = {"workers": 0, "device": "cpu", "out": tmp_path, "copies": 1}
    task = DetectorTask(
        DetectorTrainConfig(**plain, backbone=backbone, batch_size=1, scene_size=64)
    )
    gray = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    task._scene = lambda *_: (gray, np.zeros((3, 32, 32), np.uint8))  # type: ignore[method-assign]
    image = task.render(0, 0)["image"][0].numpy()
    np.testing.assert_allclose(image, network_input(gray, published))
    wanted = IMAGENET_MEAN.tolist() if published else [0.5, 0.5]
    assert task.entry()["input"]["mean"] == wanted


def pair(space: bool) -> LabeledString:
    quads = np.stack([rect_quad(20, 20, 40, 60), rect_quad(44, 20, 64, 60)])
    return LabeledString("AB", ("A", "B"), quads, (space, False), "horizontal")


def test_targets_peak_at_the_centers_and_fall_to_the_edges() -> None:
    region, affinity = score_targets((pair(False),), (80, 80))
    assert region.shape == (40, 40)
    assert region[20, 15] > 0.95 and region[20, 27] > 0.95
    assert region[20, 10] == pytest.approx(np.exp(-2), abs=0.08)
    assert region[5, 5] == 0
    assert affinity[20, 21] > 0.9


def test_there_is_no_affinity_across_a_space() -> None:
    _, affinity = score_targets((pair(True),), (80, 80))
    assert affinity.max() == 0


def test_characters_beyond_the_border_do_not_fail() -> None:
    quads = np.stack([rect_quad(-30, -30, -5, -5), rect_quad(70, 70, 120, 120)])
    string = LabeledString("AB", ("A", "B"), quads, (False, False), "horizontal")
    region, _ = score_targets((string,), (80, 80))
    assert region[-1, -1] > 0


def test_losses_of_perfect_and_of_empty_pictures() -> None:
    target = torch.zeros(2, 2, 40, 40)
    target[0, :, 10:20, 10:20] = 1
    assert float(mined_loss(target, target, 3.0)) == 0
    assert float(weighted_loss(target, target, 10.0)) == 0
    nothing = torch.zeros(1, 2, 40, 40)
    wrong = nothing.clone()
    wrong[..., 5, 5] = 1
    assert float(mined_loss(wrong, nothing, 3.0)) > 0
    missed = float(weighted_loss(nothing, target[:1], 10.0))
    assert missed > float(weighted_loss(nothing, target[:1], 1.0))
