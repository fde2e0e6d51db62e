"""The one training loop: schedule, precision, averaging, checkpoints, validation, export.

A task says what is special: its model, its data, its loss, its metric. Everything here is the
same for the three of them, and everything resumes: batch ``n`` is rendered from seed ``(seed, n)``
whether or not the run was killed in between.
"""

from __future__ import annotations

import contextlib
import copy
import io
import math
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from industrial_ocr.image.preprocess import normalise_crops
from industrial_ocr.inference.device import has_fast_bf16, resolve_device
from industrial_ocr.inference.manifest import ModelEntry
from industrial_ocr.inference.weights import commit_id, save_entry
from industrial_ocr.results.files import write_whole
from industrial_ocr.training.config import TrainConfig
from industrial_ocr.training.start import data_hashes, start_weights

Batch = dict[str, Tensor]
VALIDATION_SEED = 10_000_019
"""Seeds of validation data start here, far from those of training data."""


def crops_input(batch: Batch) -> Tensor:
    """(N, H, W) uint8 crops under ``image`` as (N, 1, H, W) input of a network, on their device."""
    crops = normalise_crops(batch["image"].cpu().numpy())
    tensor = torch.from_numpy(crops).unsqueeze(1).to(batch["image"].device)
    return tensor.contiguous(memory_format=torch.channels_last)


class Task(Protocol):
    """What one training is about."""

    config: TrainConfig
    model: nn.Module
    progress: float
    """Share of the steps that is done; the loop sets it before each loss."""

    def render(self, index: int, seed: int) -> Batch:
        """One batch on the CPU, a function of ``(seed, index)`` alone; runs in workers."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar."""

    def validate(self, model: nn.Module, batches: Iterator[Batch]) -> dict[str, float]:
        """Numbers measured on held-out data; ``score`` is the one to be maximised."""

    def entry(self) -> dict[str, Any]:
        """The manifest's fields that only the task knows: architecture, charset, input."""


class _Batches(Dataset[Batch]):
    """Batch ``index`` of a seed, from ``start`` to ``stop``."""

    def __init__(self, task: Task, seed: int, start: int, stop: int) -> None:
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


def batches(task: Task, seed: int, start: int, stop: int) -> Iterator[Batch]:
    """Renders batches ``start`` to ``stop`` of a seed in worker processes, in order."""
    workers = task.config.workers
    loader: DataLoader[Batch] = DataLoader(
        _Batches(task, seed, start, stop),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_start_worker if workers else None,
    )
    return iter(loader)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth of the peak."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


class Trainer:
    """Runs one task.

    Args:
        task: what to train.
        max_seconds: stop in good order after so long, to be resumed later; 0 for no limit.
    """

    def __init__(self, task: Task, max_seconds: float = 0.0) -> None:
        self.task, self.config = task, task.config
        self.out = Path(self.config.out)
        self.out.mkdir(parents=True, exist_ok=True)
        if self.config.threads:
            torch.set_num_threads(self.config.threads)
        self.device = resolve_device(self.config.device)
        fast = self.config.precision == "auto" and has_fast_bf16(self.device)
        self.bf16 = self.config.precision == "bf16" or fast
        if self.config.start_from is not None:
            start_weights(task.model, task.entry(), self.config.start_from)
        self.model = task.model.to(self.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimizer = self._optimizer()
        self.step, self.best, self.stale = 0, -math.inf, 0
        self._deadline = time.monotonic() + max_seconds if max_seconds else math.inf
        self._stop = False

    def _optimizer(self) -> torch.optim.Optimizer:
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        plain = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        if getattr(self.config, "optimizer", "adam") == "adadelta":
            rho = getattr(self.config, "rho", 0.9)
            return torch.optim.Adadelta(groups, lr=self.config.lr, rho=rho)
        return torch.optim.AdamW(groups, lr=self.config.lr, fused=True)

    @property
    def checkpoint(self) -> Path:
        """The file a run resumes from."""
        return self.out / "checkpoint.pt"

    def save(self) -> None:
        """Writes the checkpoint so that a kill at any moment leaves a whole one."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": {"step": self.step, "best": self.best, "stale": self.stale},
        }
        data = io.BytesIO()
        torch.save(state, data)  # in memory: where the disk is full, torch raises no OSError
        write_whole(self.checkpoint, data.getbuffer())

    def resume(self) -> None:
        """Goes on from the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        progress = state["progress"]
        self.step, self.best, self.stale = progress["step"], progress["best"], progress["stale"]

    def run(self) -> float:
        """Trains to the end, the time limit or a signal; returns the best validation score."""
        from torch.utils.tensorboard import SummaryWriter

        self.resume()
        previous = signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_stop", True))
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[news]}"),
        )  # fmt: skip
        try:
            with (
                SummaryWriter(str(self.out)) as log,
                Progress(*columns, refresh_per_second=1, speed_estimate_period=600) as progress,
            ):
                bar = progress.add_task(
                    self.config.name, total=self.config.steps, completed=self.step, news=""
                )
                self._train(log, lambda news: progress.update(bar, completed=self.step, news=news))
        finally:
            signal.signal(signal.SIGTERM, previous)
        return self.best

    def _train(self, log: Any, show: Any) -> None:
        saved = time.monotonic()
        shown, news = 0.0, ""
        for batch in batches(self.task, self.config.seed, self.step, self.config.steps):
            shown = 0.98 * shown + 0.02 * self._learn(batch) if shown else self._learn(batch)
            self.step += 1
            if self.step % 20 == 0:
                log.add_scalar("train/loss", shown, self.step)
            if self.step % self.config.validate_every == 0 or self.step == self.config.steps:
                metrics = self.validate()
                for name, value in metrics.items():
                    log.add_scalar(f"validation/{name}", value, self.step)
                news = " ".join(f"{k} {v:.4f}" for k, v in metrics.items())
                if not sys.stdout.isatty():
                    print(f"step {self.step} loss {shown:.4f} {news}", flush=True)
                if self.config.patience and self.stale >= self.config.patience:
                    self._stop = True
            show(f"loss {shown:.4f} {news}")
            out_of_time = time.monotonic() > self._deadline
            if (
                time.monotonic() - saved > self.config.checkpoint_every_s
                or out_of_time
                or self._stop
            ):
                self.save()
                saved = time.monotonic()
            if self._stop or out_of_time:
                return
        self.save()

    def _learn(self, batch: Batch) -> float:
        self.model.train()
        rate = learning_rate(self.config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        moved = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
        self.task.progress = self.step / self.config.steps
        with self._autocast():
            loss = self.task.loss(self.model, moved)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(
            self.model.parameters(), getattr(self.config, "clip", 1.0) or math.inf
        )
        if torch.isfinite(norm):
            self.optimizer.step()
            self._update_average()
        return float(loss.detach())

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        if not self.bf16:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for mean, now in zip(
            self.average.state_dict().values(), self.model.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)

    def validate(self) -> dict[str, float]:
        """Measures the averaged weights and keeps them if they are the best so far."""
        self.average.eval()
        count = max(1, self.config.validation_samples // self.config.batch_size)
        moved = (
            {k: v.to(self.device) for k, v in batch.items()}
            for batch in batches(self.task, VALIDATION_SEED, 0, count)
        )
        with torch.inference_mode(), self._autocast():
            metrics = self.task.validate(self.average, moved)
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
            exclude={"out", "fonts", "words", "device", "harvest", "photos", "photo_labels"},
        )
        own = self.task.entry()
        entry = ModelEntry(
            name=self.config.name,
            sha256="",
            recipe={**recipe, **data_hashes(self.config, own["task"]), "step": self.step},
            seed=self.config.seed,
            commit=commit_id(),
            licence="MIT",
            metrics={k: round(v, 5) for k, v in metrics.items()},
            **own,
        )
        save_entry(self.out, entry, self.average.state_dict(), half=True)
