"""Trains a classifier on new symbols, or known ones in a new font, without forgetting the others.

First the head is trained on frozen features, then also the last stages of the network, at a low
learning rate and with fixed batch statistics. Every choice is made on validation crops of the known
symbols.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.training.messages import Progress
from industrial_ocr.training.optimization import average_of, cosine_schedule
from industrial_ocr.training.retraining.config import FinetuneRecipe
from industrial_ocr.training.retraining.feature_cache import FeatureCache
from industrial_ocr.training.retraining.network import DividedClassifier, extended, head_of, run
from industrial_ocr.training.retraining.rehearsal import LabeledCrops
from industrial_ocr.training.retraining.samples import GlyphSample
from industrial_ocr.training.retraining.sampling import (
    Bools,
    Indices,
    Pool,
    adaptation_loss,
    batches,
    class_prior,
)

UNMEASURED = "?"
"""Reading of a sample that is the only one of its symbol and cannot be cross-validated."""


@dataclass(frozen=True, eq=False)
class Finetuned:
    """The result of ``finetune``.

    Attributes:
        model: the network, in evaluation mode.
        steps: number of steps for which the last stages were trained.
        interrupted: whether Ctrl-C ended the training early.
    """

    model: GlyphClassifier
    steps: int
    interrupted: bool


Steps = Callable[[int, int], None]
"""Called with the number of steps that are done, and of all steps."""


def train_head(
    features: Tensor,
    head: nn.Linear,
    pool: Pool,
    rows: Bools,
    recipe: FinetuneRecipe,
    progress: Steps,
) -> None:
    """Trains only the head, on the features (N, F) of the pool."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=recipe.head_lr, weight_decay=1e-2)
    for step, loss in _losses(head, features, pool, rows, recipe, optimizer, recipe.head_steps, 1):
        loss.backward()
        optimizer.step()
        progress(step, recipe.head_steps)


def train_last_stages(
    split: DividedClassifier,
    pool: Pool,
    rows: Bools,
    recipe: FinetuneRecipe,
    progress: Steps,
    deadline: float = math.inf,
) -> None:
    """Trains tail and head; the result is the average of their weights, also when interrupted.

    No step is selected by a score. A selection would need held-out samples, which costs more than
    it gains, because the learning rate ends near zero.
    """
    trained = split.trained()
    optimizer = torch.optim.AdamW(trained, lr=recipe.lr, weight_decay=1e-2)
    average = average_of(split, recipe.average)
    try:
        for step, loss in _losses(split, pool.x, pool, rows, recipe, optimizer, recipe.steps, 2):
            if time.monotonic() > deadline:
                break
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            average.update(split, step)
            progress(step, recipe.steps)
    finally:
        split.load_state_dict(average.module.state_dict())


def _losses(
    model: nn.Module,
    inputs: Tensor,
    pool: Pool,
    rows: Bools,
    recipe: FinetuneRecipe,
    optimizer: torch.optim.Optimizer,
    steps: int,
    stream: int,
) -> Iterator[tuple[int, Tensor]]:
    """Yields the number of each step, from 1, and its loss.

    It also sets the learning rate and clears the gradients. ``stream`` seeds the random numbers, so
    that two trainings do not have the same ones.
    """
    schedule = cosine_schedule(optimizer, steps, max(1, steps // 10), floor=0.05)
    drawn = batches(pool, rows, np.random.default_rng((recipe.seed, stream)), recipe)
    prior = class_prior(pool, rows, recipe)
    for step in range(1, steps + 1):
        schedule.step_update(step)
        optimizer.zero_grad(set_to_none=True)
        at = next(drawn)
        yield step, adaptation_loss(model(inputs[at]), pool, at, prior, recipe)


@torch.no_grad()
def interpolate(split: DividedClassifier, before: Sequence[Tensor], share: float) -> None:
    """Sets the weights to the mean of ``before`` and the trained ones, which have weight ``share``.

    Such weights keep most of the accuracy on known symbols and lose little on new ones (Wortsman et
    al., CVPR 2022). The gain is larger on photographs than on the rendered rehearsal crops.
    """
    for weight, start in zip(split.trained(), before, strict=True):
        weight.copy_(start.lerp(weight, share))


def _old_are_kept(
    was: Bools, now: Bools, labels: Indices, allowed: float, class_loss: float
) -> bool:
    """Whether at most a share ``allowed`` of the N crops read right before is read wrong now.

    A single class may lose a share ``class_loss`` of its crops and one more.
    """
    falls = []
    for label in np.unique(labels):
        own = labels == label
        falls.append((int(was[own].sum()) - int(now[own].sum()) - 1) / int(own.sum()))
    return bool(now.mean() >= was.mean() - allowed) and max(falls, default=0.0) <= class_loss


def limit_change(
    split: DividedClassifier,
    start: Sequence[Tensor],
    x: Tensor,
    labels: Indices,
    parent: Indices,
    recipe: FinetuneRecipe,
) -> float:
    """Reduces the change of the weights until few crops of the known symbols are lost.

    It is for known symbols in a new font: a new 0 may cost crops of the letter O. For new symbols,
    ``set_new_biases`` is used instead. Returns the share of the change that is kept, at least 0.2.

    Args:
        split: the trained network.
        start: the parent's weights of ``split.trained()``.
        x: activations of validation crops of known symbols.
        labels: (N,) classes of these crops.
        parent: (N,) classes that the parent reads.
        recipe: holds the largest losses, of all symbols and of a single one.
    """
    was = parent == labels
    after = [p.detach().clone() for p in split.trained()]
    for share in (1.0, 0.8, 0.6, 0.4, 0.2):
        with torch.no_grad():
            for weight, a, b in zip(split.trained(), start, after, strict=True):
                weight.copy_(a.lerp(b, share))
        now = run(split, x).argmax(1).numpy() == labels
        if _old_are_kept(was, now, labels, recipe.known_loss, recipe.class_loss):
            break
    return share


def set_new_biases(
    head: nn.Linear,
    features: Tensor,
    labels: Indices,
    parent: Indices,
    new: slice,
    allowed: float,
    class_loss: float,
) -> float:
    """Changes the biases of new symbols so that few crops of known symbols are read as new ones.

    Values from 1.0 down to -2.0 are tried; the one that was added is returned.

    Args:
        head: the head of the trained network.
        features: (N, F) features of validation crops of known symbols.
        labels: (N,) classes of these crops.
        parent: (N,) classes that the parent reads.
        new: rows of the new symbols.
        allowed: largest share of the crops that may be lost.
        class_loss: largest share of the crops of one class that may be lost.
    """
    was = parent == labels
    bias = head.bias.detach()[new].clone()
    for raised in np.linspace(1.0, -2.0, 31):
        with torch.no_grad():
            head.bias[new] = bias + float(raised)
        now = run(head, features).argmax(1).numpy() == labels
        if _old_are_kept(was, now, labels, allowed, class_loss):
            break
    return float(raised)


def imprinted(cache: FeatureCache, rows: Bools) -> GlyphClassifier:
    """The network extended by new symbols; their rows are mean features of the pool's ``rows``."""
    labels, first = cache.pool.labels.numpy(), len(cache.parent.symbols)
    overall = cache.features[cache.pool.old & rows].mean(0)
    means = []
    for label in range(first, first + len(cache.new)):
        own = rows & (labels == label)
        means.append(cache.features[own].mean(0) if own.any() else overall)
    return extended(cache.parent, torch.stack([*means, overall]))


def folds_of(
    samples: Sequence[GlyphSample], alike: Sequence[tuple[int, int]], folds: int
) -> Indices:
    """(N,) fold of each sample: symbols are spread evenly, near-duplicates stay together."""
    fold = np.zeros(len(samples), np.int64)
    pairs = dict(alike)
    seen: dict[str, int] = {}
    for i, sample in enumerate(samples):
        if i in pairs and pairs[i] < i:
            fold[i] = fold[pairs[i]]
            continue
        fold[i] = seen.get(sample.symbol, 0) % folds
        seen[sample.symbol] = seen.get(sample.symbol, 0) + 1
    return fold


def cross_validated(
    cache: FeatureCache,
    alike: Sequence[tuple[int, int]],
    recipe: FinetuneRecipe,
    progress: Progress,
) -> NDArray[np.str_]:
    """(N,) reading of each sample by a head trained without it, or ``UNMEASURED``."""
    folds = 4
    fold = folds_of(cache.samples, alike, folds)
    symbols = np.array([s.symbol for s in cache.samples])
    names = np.array(cache.names)
    read = np.full(len(fold), UNMEASURED, dtype=f"U{max(map(len, cache.names))}")
    features = run(cache.split.tail, cache.plain_x)
    short = replace(recipe, head_steps=max(1, recipe.head_steps // 2))
    for number in range(folds):
        others = set(symbols[fold != number].tolist())
        own = [int(i) for i in np.flatnonzero(fold == number) if symbols[i] in others]
        if own:
            rows = cache.pool.without(np.flatnonzero(fold == number))
            head = head_of(imprinted(cache, rows))
            train_head(cache.features, head, cache.pool, rows, short, lambda *_: None)
            read[own] = names[run(head, features[own]).argmax(1).numpy()]
        progress("cross-validating", number + 1, folds)
    return read


def finetune(
    cache: FeatureCache,
    rows: Bools,
    validation: LabeledCrops,
    recipe: FinetuneRecipe,
    progress: Progress,
    deadline: float = math.inf,
) -> Finetuned:
    """Trains the head, then the last stages; Ctrl-C ends this and keeps the weights.

    The training of the last stages also ends at ``deadline``, a time of ``time.monotonic``.
    """
    model = imprinted(cache, rows)
    split = DividedClassifier(model, cache.parent.size)
    start = [p.detach().clone() for p in split.trained()]
    steps, interrupted = 0, False

    head_steps = partial(progress, "training the head")

    def last_steps(done: int, total: int) -> None:
        nonlocal steps
        steps = done
        progress("training the last stages", done, total)

    try:
        head_steps(0, recipe.head_steps)
        train_head(cache.features, split.head, cache.pool, rows, recipe, head_steps)
        before = [p.detach().clone() for p in split.trained()]
        train_last_stages(split, cache.pool, rows, recipe, last_steps, deadline)
        if steps:
            interpolate(split, before, recipe.blend)
    except KeyboardInterrupt:
        interrupted = True
    _balance(cache, split, start, validation, recipe)
    return Finetuned(model.eval(), steps, interrupted)


def _balance(
    cache: FeatureCache,
    split: DividedClassifier,
    start: Sequence[Tensor],
    validation: LabeledCrops,
    recipe: FinetuneRecipe,
) -> None:
    """Reduces the change until few validation crops of known symbols are lost."""
    old = validation.known(cache.parent.symbols)
    x = run(split.trunk, old.images)
    class_of = {s: i for i, s in enumerate(cache.names)}
    labels = np.array([class_of[s] for s in old.symbols])
    first = len(cache.parent.symbols)
    parent = run(cache.split, x).argmax(1).numpy()
    parent[parent == first] = len(cache.names) - 1  # the reject class is last here
    if cache.new:
        features = run(split.tail, x)
        new = slice(first, -1)
        set_new_biases(split.head, features, labels, parent, new, recipe.allowed, recipe.class_loss)
    else:
        limit_change(split, start, x, labels, parent, recipe)
