"""Learning new rows, and old ones in a new font, without forgetting the others.

First the head alone, on features that stay as they are; then the last stage of the network too,
at a low rate, its batch statistics kept. A third of each batch are views of the user's samples,
every symbol as often, the rest are rehearsal crops of every old class, on which the parent's own
answers are the target besides the label (distillation, Li and Hoiem, ECCV 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.training.adaptation.network import Split, run

Ints = NDArray[np.int64]
BLEND = 0.75
"""Share of the weights after thawing in the result."""
STEP, MOST_RAISED, MOST_LOWERED = 0.1, 1.0, 2.0
"""Steps in which new symbols are let in or held back, and how far at most, in logits."""
CLASS_FALL = 0.1
"""Share of the validation crops of a single old symbol that may be lost to new symbols."""
SHARES, HELD_BACK = (1.0, 0.8, 0.6, 0.4, 0.2), 0.0015
"""Where known symbols are learnt in a new look: how much of the change is kept, and the share of
validation crops that it may cost."""


@dataclass(frozen=True)
class Recipe:
    """How it is learnt; together with the data and the parent it fixes the result.

    Attributes:
        seed: of everything drawn by chance.
        views: of the samples of each symbol, in all, degraded from their pixels.
        prints: of each symbol, in all, of its cut-out ink on other surfaces.
        fresh: rehearsal strings rendered besides the shipped crops, where there are fonts.
        batch_size: crops a step.
        new_share: of views of the samples among them; the rest is rehearsal.
        head_steps: steps with the backbone frozen.
        steps: steps with its last stages thawed.
        head_lr: learning rate of the head while the backbone is frozen.
        lr: peak learning rate after that.
        average: decay of the moving average of the weights that is kept.
        allowed: share of old symbols' crops that may be lost to new symbols.
        label_smoothing: probability spread over the other classes.
        reject_share: of crops without a character among those of rehearsal.
        modesty: how far new symbols are kept from being expected as often as they are learnt, 0 to
            1: more of it loses new symbols, less of it takes old ones for them.
        distillation: share of the parent's answer in the target of a rehearsal crop; the rest is
            its label.
    """

    seed: int = 0
    views: int = 200
    prints: int = 500
    fresh: int = 1200
    batch_size: int = 128
    new_share: float = 0.3
    head_steps: int = 200
    steps: int = 280
    head_lr: float = 3e-3
    lr: float = 7e-4
    average: float = 0.98
    allowed: float = 0.0005
    label_smoothing: float = 0.05
    reject_share: float = 0.2
    distillation: float = 0.8
    modesty: float = 0.4


@dataclass(frozen=True, eq=False)
class Pool:
    """What batches are drawn from: activations of the frozen trunk.

    Attributes:
        x: (N, ...) float32.
        labels: (N,) int64 classes of the new head.
        parent: (N, P) logits of the parent; of rehearsal crops they are a target.
        old: (N,) bool, a rehearsal crop.
        group: (N,) the sample that a view shows, -1 of rehearsal crops.
    """

    x: Tensor
    labels: Tensor
    parent: Tensor
    old: NDArray[np.bool_]
    group: Ints

    def without(self, left_out: Ints) -> NDArray[np.bool_]:
        """Which rows show none of some samples."""
        return ~np.isin(self.group, left_out)


@dataclass(frozen=True, eq=False)
class Learnt:
    """A network that has learnt.

    Attributes:
        model: in evaluation mode.
        steps: done with the last stages thawed.
        interrupted: it was broken off; the weights are those until then.
    """

    model: GlyphClassifier
    steps: int
    interrupted: bool


Step = Callable[[int, int], None]
"""Told how many steps are done, of how many."""


def class_prior(pool: Pool, rows: NDArray[np.bool_], recipe: Recipe) -> Tensor:
    """(classes,) log of how often each class is drawn over how often a symbol should be."""
    classes = int(pool.labels.max()) + 1
    often = np.zeros(classes)
    for own, share in _shares(pool, rows, recipe):
        weights = _class_weights(pool, own, recipe)
        often += share * weights / weights.sum()
    even = _with_rejects(np.ones(classes), recipe.reject_share)
    prior = np.log(np.maximum(often / (even / even.sum()), 1e-3))
    return torch.from_numpy(recipe.modesty * prior).float()


def _shares(pool: Pool, rows: NDArray[np.bool_], recipe: Recipe) -> list[tuple[Ints, float]]:
    """The rows of views and those of rehearsal, as far as there are any, and their shares."""
    parts = [(rows & ~pool.old, recipe.new_share), (rows & pool.old, 1 - recipe.new_share)]
    found = [(np.flatnonzero(own), share) for own, share in parts if own.any()]
    return [(own, share if len(found) > 1 else 1.0) for own, share in found]


def _class_weights(pool: Pool, own: Ints, recipe: Recipe) -> NDArray[np.float64]:
    """(classes,) how often each class is drawn among some rows, of one kind."""
    labels = pool.labels.numpy()
    weights = np.bincount(np.unique(labels[own]), minlength=int(labels.max()) + 1).astype(float)
    return _with_rejects(weights, recipe.reject_share) if pool.old[own].all() else weights


def _with_rejects(weights: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Weights of classes whose last one, of what is no character, has a share of its own."""
    if weights[-1]:
        weights[-1] = 0
        weights[-1] = share / (1 - share) * (weights.sum() or 1.0)
    return weights


def drawn(
    pool: Pool, rows: NDArray[np.bool_], rng: np.random.Generator, recipe: Recipe
) -> Iterator[Ints]:
    """Endless batches of row numbers, views and rehearsal in their shares, classes balanced."""
    labels = pool.labels.numpy()
    parts = []
    for own, share in _shares(pool, rows, recipe):
        by_class = {c: own[labels[own] == c] for c in np.unique(labels[own])}
        weights = _class_weights(pool, own, recipe)
        parts.append((by_class, weights / weights.sum(), round(share * recipe.batch_size)))
    while True:
        batch = []
        for by_class, chance, size in parts:
            classes = rng.choice(len(chance), size, p=chance)
            batch.append([by_class[c][int(rng.integers(len(by_class[c])))] for c in classes])
        yield np.concatenate(batch).astype(np.int64)


def loss_of(logits: Tensor, pool: Pool, rows: Ints, prior: Tensor, recipe: Recipe) -> Tensor:
    """Cross entropy to smoothed labels, of rehearsal crops mostly to what the parent answers.

    A few new symbols fill a third of every batch, but not of what is read: the loss sees logits
    that are raised by the log of how often their class is drawn (logit adjustment, Menon et al.,
    ICLR 2021), so that the network itself does not learn to expect them. Where all that is learnt
    are new looks of known symbols, that holds for their views alone: what the parent answers to a
    rehearsal crop stands as it is, or a 0 would lose its old looks to the letter.
    """
    labels, old = pool.labels[rows], torch.from_numpy(pool.old[rows])
    target = F.one_hot(labels, logits.shape[1]).float()
    smooth = recipe.label_smoothing
    target[~old] = target[~old] * (1 - smooth) + smooth / logits.shape[1]
    known = pool.parent.shape[1] - 1
    raised = prior.expand_as(logits).clone()
    if logits.shape[1] == known + 1:
        raised[old] = 0.0
    parent = torch.softmax(pool.parent[rows][old], -1)
    answer = torch.zeros_like(target[old])
    answer[:, :known], answer[:, -1] = parent[:, :known], parent[:, -1]
    target[old] = recipe.distillation * answer + (1 - recipe.distillation) * target[old]
    loss: Tensor = -(target * F.log_softmax(logits + raised, -1)).sum(-1).mean()
    return loss


def learn_head(
    features: Tensor,
    head: nn.Linear,
    pool: Pool,
    rows: NDArray[np.bool_],
    recipe: Recipe,
    told: Step | None = None,
) -> None:
    """Trains the head alone on (N, F) features of the pool."""  # fmt: skip
    rng = np.random.default_rng((recipe.seed, 1))
    optimizer = torch.optim.AdamW(head.parameters(), lr=recipe.head_lr, weight_decay=1e-2)
    batches, prior = drawn(pool, rows, rng, recipe), class_prior(pool, rows, recipe)
    for step in range(recipe.head_steps):
        _set_rate(optimizer, recipe.head_lr, step, recipe.head_steps)
        at = next(batches)
        loss = loss_of(head(features[at]), pool, at, prior, recipe)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if told is not None:
            told(step + 1, recipe.head_steps)


def _set_rate(optimizer: torch.optim.Optimizer, peak: float, step: int, steps: int) -> None:
    """A tenth of warm-up, then half a cosine down to a twentieth."""
    warm = max(1, steps // 10)
    done = min(1.0, max(0, step - warm) / max(1, steps - warm))
    share = (step + 1) / warm if step < warm else 0.05 + 0.475 * (1 + np.cos(np.pi * done))
    for group in optimizer.param_groups:
        group["lr"] = peak * share


def thaw(
    split: Split,
    pool: Pool,
    rows: NDArray[np.bool_],
    recipe: Recipe,
    told: Step | None = None,
) -> None:
    """Trains tail and head, and leaves the moving average of the weights; so does an interruption.

    No step is chosen by a score: the pictures that would have to be kept out for it are missed more
    in learning than the choice gains, as the rate falls to nothing.
    """
    rng = np.random.default_rng((recipe.seed, 2))
    own = split.thawed()
    optimizer = torch.optim.AdamW(own, lr=recipe.lr, weight_decay=1e-2)
    average = [p.detach().clone() for p in own]
    batches, prior = drawn(pool, rows, rng, recipe), class_prior(pool, rows, recipe)
    try:
        for step in range(recipe.steps):
            _set_rate(optimizer, recipe.lr, step, recipe.steps)
            at = next(batches)
            loss = loss_of(split(pool.x[at]), pool, at, prior, recipe)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(own, 1.0)
            optimizer.step()
            decay = min(recipe.average, (1 + step) / (10 + step))
            average = [a.lerp(p.detach(), 1 - decay) for a, p in zip(average, own, strict=True)]
            if told is not None:
                told(step + 1, recipe.steps)
    finally:
        _put(own, average)


@torch.no_grad()
def _put(weights: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)


def blend(split: Split, before: Sequence[Tensor]) -> None:
    """Leaves weights between those before thawing and those after, ``BLEND`` of the way.

    There more of the old is kept than of the new is lost (Wortsman et al., CVPR 2022); on
    photographs, which no rehearsal crop is, more than rendered crops show.
    """
    own = split.thawed()
    after = [p.detach().clone() for p in own]
    _put(own, [b.lerp(a, BLEND) for b, a in zip(before, after, strict=True)])


def _worst_fall(was: NDArray[np.bool_], now: NDArray[np.bool_], labels: Ints) -> float:
    """The largest share of a class's crops that was right and no longer is, one crop forgiven."""
    falls = [
        (int(was[own].sum()) - int(now[own].sum()) - 1) / int(own.sum())
        for own in (labels == c for c in np.unique(labels))
    ]
    return max(falls, default=0.0)


def hold_back(
    split: Split, start: Sequence[Tensor], x: Tensor, labels: Ints, parent: Ints
) -> float:
    """Takes back as much of what was learnt as old crops ask for.

    Known symbols in a new look have no rows of their own that could be lowered (see ``settle``): a
    new 0 may cost old letters O. Between the parent's weights and those learnt there are some that
    read most of the new look and lose hardly any of the old.

    Args:
        split: of the network that has learnt.
        start: the parent's weights of ``split.thawed()``.
        x: activations of validation crops of old symbols.
        labels: (N,) their classes.
        parent: (N,) what the parent named them.

    Returns:
        The share of the change that is kept, of ``SHARES``; the least one if none suffices.
    """
    was, own = parent == labels, split.thawed()
    after = [p.detach().clone() for p in own]
    for share in SHARES:
        _put(own, [a.lerp(b, share) for a, b in zip(start, after, strict=True)])
        now = run(split, x).argmax(1).numpy() == labels
        if now.mean() >= was.mean() - HELD_BACK and _worst_fall(was, now, labels) <= CLASS_FALL:
            break
    return share


def settle(
    head: nn.Linear, features: Tensor, labels: Ints, parent: Ints, new: slice, allowed: float
) -> float:
    """Sets the bias of all new rows as high as old crops allow.

    They are raised as far as may be, then lowered until hardly any old crop is taken for a new
    symbol that the parent named right.

    Args:
        head: of the network that has learnt.
        features: (N, F) of validation crops of old symbols.
        labels: (N,) their classes.
        parent: (N,) what the parent named them, in classes of the new head.
        new: rows of the new symbols.
        allowed: share of the crops that may be lost in all; of a single class ``CLASS_FALL``.

    Returns:
        By how much they were raised, negative if lowered.
    """
    was = parent == labels
    bias = head.bias.detach()[new].clone()
    with torch.no_grad():
        for step in range(round((MOST_RAISED + MOST_LOWERED) / STEP) + 1):
            raised = MOST_RAISED - step * STEP
            head.bias[new] = bias + raised
            now = run(head, features).argmax(1).numpy() == labels
            if now.mean() >= was.mean() - allowed and _worst_fall(was, now, labels) <= CLASS_FALL:
                break
    return raised
