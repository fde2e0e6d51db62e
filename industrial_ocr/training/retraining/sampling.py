"""Batches of new samples and rehearsal crops, and the loss on them.

One part of each batch shows views of the user's samples, each symbol equally often. The rest are
rehearsal crops of all known classes; their target is mostly the parent's output (learning without
forgetting, Li and Hoiem, ECCV 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from industrial_ocr.training.retraining.config import FinetuneRecipe

Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pool:
    """All crops from which batches are drawn.

    Attributes:
        x: (N, ...) float32 activations of the frozen stages.
        labels: (N,) int64 classes of the new head, the reject class last.
        parent: (N, P) logits of the parent, which are part of the target of rehearsal crops.
        old: (N,) whether each crop counts as a rehearsal crop.
        group: (N,) index of the sample of a view; -1 for rehearsal crops.
    """

    x: Tensor
    labels: Tensor
    parent: Tensor
    old: Bools
    group: Indices

    def without(self, left_out: Indices) -> Bools:
        """Mask of the rows that show none of these samples."""
        return ~np.isin(self.group, left_out)


@dataclass(frozen=True, eq=False)
class _RowGroup:
    """The views or the rehearsal crops of some rows, with their share and class weights."""

    rows: Indices
    share: float
    weights: NDArray[np.float64]


def _parts(pool: Pool, rows: Bools, recipe: FinetuneRecipe) -> list[_RowGroup]:
    labels = pool.labels.numpy()
    classes = int(labels.max()) + 1
    # Rows, their share, and those of rejects and of the neighbors of new samples among them.
    kinds = [
        (rows & ~pool.old, recipe.new_share, recipe.new_reject_share, 0.0),
        (rows & pool.old, 1 - recipe.new_share, recipe.reject_share, recipe.neighbor_share),
    ]
    kinds = [kind for kind in kinds if kind[0].any()]
    parts = []
    for own, share, rejects, neighbors in kinds:
        weights = np.bincount(np.unique(labels[own]), minlength=classes).astype(float)
        if neighbors:
            weights = _with_neighbors(weights, _misread_as(pool, rows), neighbors)
        if rejects:
            weights = _with_rejects(weights, rejects)
        whole = share if len(kinds) > 1 else 1.0
        parts.append(_RowGroup(np.flatnonzero(own), whole, weights / weights.sum()))
    return parts


def _misread_as(pool: Pool, rows: Bools) -> NDArray[np.float64]:
    """(classes,) number of samples of other classes that the parent reads as each known symbol."""
    labels, own = pool.labels.numpy(), rows & ~pool.old
    read, known = pool.parent.numpy()[own].argmax(1), pool.parent.shape[1] - 1
    wrong = read[(read != labels[own]) & (read < known)]
    return np.bincount(wrong, minlength=int(labels.max()) + 1).astype(float)


def _with_neighbors(
    weights: NDArray[np.float64], misread: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Class weights of which a share goes to the classes of frequent misreadings."""
    misread = misread * (weights > 0)
    if not misread.any():
        return weights
    return (1 - share) * weights / weights.sum() + share * misread / misread.sum()


def _with_rejects(weights: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Class weights in which the reject class, if it has crops, has this share."""
    if weights[-1]:
        weights[-1] = 0
        weights[-1] = share / (1 - share) * (weights.sum() or 1.0)
    return weights


def class_prior(pool: Pool, rows: Bools, recipe: FinetuneRecipe) -> Tensor:
    """(classes,) log of the ratio in which each class is drawn too often, times a factor.

    The factor is the recipe's ``logit_adjustment``.
    """
    drawn = sum(part.share * part.weights for part in _parts(pool, rows, recipe))
    even = _with_rejects(np.ones(int(pool.labels.max()) + 1), recipe.reject_share)
    prior = np.log(np.maximum(drawn / (even / even.sum()), 1e-3))
    return torch.from_numpy(recipe.logit_adjustment * prior).float()


def batches(
    pool: Pool, rows: Bools, rng: np.random.Generator, recipe: FinetuneRecipe
) -> Iterator[Indices]:
    """Endless batches of row numbers, with the shares of views and rehearsal, classes balanced."""
    labels = pool.labels.numpy()
    parts = []
    for part in _parts(pool, rows, recipe):
        by_class = {c: part.rows[labels[part.rows] == c] for c in np.unique(labels[part.rows])}
        parts.append((by_class, part.weights, round(part.share * recipe.batch_size)))
    while True:
        batch = []
        for by_class, chance, size in parts:
            classes = rng.choice(len(chance), size, p=chance)
            batch.append([by_class[c][int(rng.integers(len(by_class[c])))] for c in classes])
        yield np.concatenate(batch).astype(np.int64)


def adaptation_loss(
    logits: Tensor, pool: Pool, rows: Indices, prior: Tensor, recipe: FinetuneRecipe
) -> Tensor:
    """Cross entropy with smoothed labels; for rehearsal crops mostly with the parent's output.

    A few new symbols fill a third of each batch, but will be read much less often. So that the
    network does not expect them too often, the loss adds the prior of each class to its logit
    (logit adjustment, Menon et al., ICLR 2021). If all samples show known symbols, the logits of
    rehearsal crops are not adjusted.

    Args:
        logits: (N, classes) logits of the rows.
        pool: all crops.
        rows: (N,) row numbers.
        prior: (classes,) from ``class_prior``.
        recipe: holds the label smoothing and the share of distillation.
    """
    labels, old = pool.labels[rows], torch.from_numpy(pool.old[rows])
    classes, known = logits.shape[1], pool.parent.shape[1] - 1
    target = F.one_hot(labels, classes).float()
    smooth = recipe.label_smoothing
    target[~old] = target[~old] * (1 - smooth) + smooth / classes
    adjustment = prior.expand_as(logits).clone()
    if classes == known + 1:
        adjustment[old] = 0.0
    parent = torch.softmax(pool.parent[rows][old], -1)
    answer = torch.zeros_like(target[old])
    answer[:, :known], answer[:, -1] = parent[:, :known], parent[:, -1]
    target[old] = recipe.distillation * answer + (1 - recipe.distillation) * target[old]
    loss: Tensor = -(target * F.log_softmax(logits + adjustment, -1)).sum(-1).mean()
    return loss
