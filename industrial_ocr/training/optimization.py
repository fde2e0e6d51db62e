"""Optimizer, learning-rate schedule and weight average of all trainings, based on timm."""

from __future__ import annotations

import torch
from timm.optim import param_groups_weight_decay
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV3
from torch import nn

from industrial_ocr.training.config import TrainConfig


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer of a training; biases and normalization layers do not decay."""
    slow = getattr(config, "convolution_lr", 1.0)
    parts = {"rest": model} if slow == 1 else dict(model.named_children())
    groups = []
    for name, part in parts.items():
        # Decaying weights come first: checkpoints of version 0.1 have them in this order.
        for group in param_groups_weight_decay(part, config.weight_decay)[::-1]:
            # timm's schedule multiplies a group's rate by its ``lr_scale``.
            groups.append({**group, "lr_scale": slow if name == "cnn" else 1.0})
    if config.optimizer == "adadelta":
        return torch.optim.Adadelta(groups, lr=config.lr, rho=config.rho)
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


def cosine_schedule(
    optimizer: torch.optim.Optimizer, steps: int, warmup: int, floor: float
) -> CosineLRScheduler:
    """Linear warm-up from zero, then half a cosine down to ``floor`` times the peak rate.

    Call ``step_update(n)`` before step ``n``, counted from 1.
    """
    return CosineLRScheduler(
        optimizer,
        t_initial=max(2, steps - warmup),  # timm warns about a cycle of one step
        lr_min=floor * optimizer.param_groups[0]["lr"],
        warmup_t=warmup,
        warmup_prefix=True,
        t_in_epochs=False,
    )


def average_of(model: nn.Module, decay: float) -> ModelEmaV3:
    """The moving average of a model's weights and statistics.

    Call ``update(model, n)`` after step ``n``, counted from 1; its decay grows as (n - 1) / (n + 8)
    up to ``decay``, so that the first weights are soon forgotten.
    """
    average = ModelEmaV3(model, decay=decay, use_warmup=True, warmup_gamma=9.0, warmup_power=1.0)
    return average.requires_grad_(False)
