"""The training loop of all three networks, with precision, checkpoints, validation and export.

A task defines its model, data, loss and metric. A stopped run resumes exactly: batch ``n`` is
always rendered from the seed ``(seed, n)``.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from industrial_ocr.errors import WeightsError
from industrial_ocr.image.preprocess import normalize_crops
from industrial_ocr.inference.export import add_onnx
from industrial_ocr.inference.forking import keep_forks_usable
from industrial_ocr.inference.manifest import ModelEntry
from industrial_ocr.inference.torch_backend import has_bf16, resolve_device
from industrial_ocr.inference.weights import commit_id, save_entry
from industrial_ocr.results.files import write_whole
from industrial_ocr.training.config import TrainConfig
from industrial_ocr.training.optimization import average_of, cosine_schedule, make_optimizer
from industrial_ocr.training.start import data_hashes, start_weights

log = logging.getLogger(__name__)

Batch = dict[str, Tensor]
VALIDATION_SEED = 10_000_019
"""Seed of the validation data; no training uses it."""


def crops_input(batch: Batch) -> Tensor:
    """The crops under ``image``, (N, H, W) uint8, as a network's (N, 1, H, W) float32 input."""
    crops = normalize_crops(batch["image"].cpu().numpy())
    tensor = torch.from_numpy(crops).unsqueeze(1).to(batch["image"].device)
    return tensor.contiguous(memory_format=torch.channels_last)


class TrainingTask(Protocol):
    """One network to train."""

    model: nn.Module
    progress: float
    """Share of the steps that is done; the loop sets it before each loss."""

    @property
    def config(self) -> TrainConfig:
        """Its settings."""

    def render(self, index: int, seed: int) -> Batch:
        """A batch on the CPU that depends on ``(seed, index)`` alone; runs in worker processes."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar."""

    def validate(self, model: nn.Module, batches: Iterator[Batch]) -> dict[str, float]:
        """Metrics on held-out data; the weights with the highest ``score`` are kept."""

    def entry(self) -> dict[str, Any]:
        """The task's fields of the manifest entry: task, architecture, charset, input."""


class _Batches(Dataset[Batch]):
    """Batch ``index`` of a seed, from ``start`` to ``stop``."""

    def __init__(self, task: TrainingTask, seed: int, start: int, stop: int) -> None:
        self._task, self._seed, self._start, self._stop = task, seed, start, stop

    def __len__(self) -> int:
        return max(0, self._stop - self._start)

    def __getitem__(self, index: int) -> Batch:
        return self._task.render(self._start + index, self._seed)


def _start_worker(_: int) -> None:
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def batches(task: TrainingTask, seed: int, start: int, stop: int) -> Iterator[Batch]:
    """Renders batches ``start`` to ``stop`` of a seed in worker processes, in order."""
    workers = task.config.workers
    if workers:
        keep_forks_usable()
    loader: DataLoader[Batch] = DataLoader(
        _Batches(task, seed, start, stop),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_start_worker if workers else None,
    )
    return iter(loader)


class Trainer:
    """Trains the network of one task.

    Args:
        task: the training task.
        max_seconds: time limit in seconds, after which a checkpoint is written; 0 for no limit.
    """

    def __init__(self, task: TrainingTask, max_seconds: float = 0.0) -> None:
        self.task, self.config = task, task.config
        self.out = Path(self.config.out)
        self.out.mkdir(parents=True, exist_ok=True)
        if self.config.threads:
            torch.set_num_threads(self.config.threads)
        self.device = resolve_device(self.config.device)
        fast = self.config.precision == "auto" and has_bf16(self.device)
        self.bf16 = self.config.precision == "bf16" or fast
        if self.config.start_from is not None:
            start_weights(task.model, task.entry(), self.config.start_from)
        self.model = task.model.to(self.device).to(memory_format=torch.channels_last)
        self.average = average_of(self.model, self.config.ema_decay)
        self.optimizer = make_optimizer(self.model, self.config)
        self.schedule = cosine_schedule(
            self.optimizer, self.config.steps, self.config.warmup_steps, floor=0.01
        )
        self.step, self.best, self.stale = 0, -math.inf, 0
        self._deadline = time.monotonic() + max_seconds if max_seconds else math.inf
        self._stop = False

    @property
    def checkpoint(self) -> Path:
        """The file from which a run resumes."""
        return self.out / "checkpoint.pt"

    def save(self) -> None:
        """Writes the checkpoint; if the process is killed, the old or the new one is complete."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": {"step": self.step, "best": self.best, "stale": self.stale},
        }
        data = io.BytesIO()
        torch.save(state, data)  # in memory: if the disk is full, torch raises no OSError
        write_whole(self.checkpoint, data.getbuffer())

    def resume(self) -> None:
        """Continues from the checkpoint if there is one.

        Raises:
            WeightsError: the checkpoint is damaged or of another recipe.
        """
        if not self.checkpoint.exists():
            return
        try:
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.module.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            progress = state["progress"]
            self.step, self.best, self.stale = progress["step"], progress["best"], progress["stale"]
        except (RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as error:
            raise WeightsError(
                f"{self.checkpoint}: damaged, or of another recipe: name another --out"
            ) from error

    def run(self, show: Callable[[str], None] = lambda news: None) -> float:
        """Trains to the end, the time limit or a SIGTERM.

        Args:
            show: called after every step with the loss and the last validation scores.

        Returns:
            The best validation score.
        """
        from torch.utils.tensorboard import SummaryWriter

        self.resume()
        previous = signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_stop", True))
        try:
            with SummaryWriter(str(self.out)) as board:
                self._train(board, show)
        finally:
            signal.signal(signal.SIGTERM, previous)
        return self.best

    def _train(self, board: Any, show: Callable[[str], None]) -> None:
        saved = time.monotonic()
        smoothed, news = 0.0, ""
        for batch in batches(self.task, self.config.seed, self.step, self.config.steps):
            loss = self._learn(batch)
            smoothed = 0.98 * smoothed + 0.02 * loss if smoothed else loss
            if self.step % 20 == 0:
                board.add_scalar("train/loss", smoothed, self.step)
            if self.step % self.config.validate_every == 0 or self.step == self.config.steps:
                news = self._validated(board, smoothed)
            show(f"loss {smoothed:.4f} {news}")
            stop = self._stop or time.monotonic() > self._deadline
            if stop or time.monotonic() - saved > self.config.checkpoint_every_s:
                self.save()
                saved = time.monotonic()
            if stop:
                return
        self.save()

    def _validated(self, board: Any, loss: float) -> str:
        """Validates, logs, and stops the run if ``patience`` is exhausted; returns the metrics."""
        metrics = self.validate()
        for name, value in metrics.items():
            board.add_scalar(f"validation/{name}", value, self.step)
        news = " ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        log.info("step %d loss %.4f %s", self.step, loss, news)
        if self.config.patience and self.stale >= self.config.patience:
            self._stop = True
        return news

    def _learn(self, batch: Batch) -> float:
        """Makes one step, unless the gradient is not finite; returns the loss."""
        self.model.train()
        self.task.progress = self.step / self.config.steps
        self.step += 1
        self.schedule.step_update(self.step)
        moved = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
        with self._autocast():
            loss = self.task.loss(self.model, moved)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip or math.inf)
        if torch.isfinite(norm):
            self.optimizer.step()
            self.average.update(self.model, self.step)
        return float(loss.detach())

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        if not self.bf16:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def validate(self) -> dict[str, float]:
        """Measures the averaged weights and writes them if they are the best so far."""
        self.average.eval()
        count = max(1, self.config.validation_samples // self.config.batch_size)
        moved = (
            {k: v.to(self.device) for k, v in batch.items()}
            for batch in batches(self.task, VALIDATION_SEED, 0, count)
        )
        with torch.inference_mode(), self._autocast():
            metrics = self.task.validate(self.average.module, moved)
        if metrics["score"] > self.best:
            self.best, self.stale = metrics["score"], 0
            self.export(metrics)
        else:
            self.stale += 1
        return metrics

    def export(self, metrics: dict[str, float]) -> None:
        """Writes the averaged weights as safetensors with their manifest entry."""
        recipe = self.config.model_dump(
            mode="json",
            exclude={
                *("out", "fonts", "device", "harvest", "data", "photos", "photo_labels"),
                *("corpus", "charset", "photo_maps", "photo_crops"),
            },
        )
        own = self.task.entry()
        entry = ModelEntry(
            name=self.config.name,
            sha256="",
            recipe={**recipe, **data_hashes(self.config, own["task"]), "step": self.step},
            seed=self.config.seed,
            commit=commit_id(),
            license="MIT",
            metrics={k: round(v, 5) for k, v in metrics.items()},
            **own,
        )
        add_onnx(save_entry(self.out, entry, self.average.module.state_dict(), half=True))
