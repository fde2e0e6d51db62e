"""Crops of the symbols of a retraining, in a file beside the weights.

The shipped rehearsal set has only the shipped symbols. If a retrained classifier is retrained
again, its replay buffer keeps it from forgetting the symbols that were added before.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from industrial_ocr.training.retraining.network import Parent
from industrial_ocr.training.retraining.rehearsal import (
    PARTS,
    LabeledCrops,
    Rehearsal,
    joined,
    load_rehearsal,
    save_rehearsal,
)


def replay_file(weights: Path) -> Path:
    """The file of a classifier's replay buffer."""
    return weights.with_suffix(".rehearsal.npz")


def save_replay(path: Path, crops: LabeledCrops, parent: Parent) -> None:
    """Writes some crops of each symbol, and those in the parent's replay buffer.

    Raises:
        DatasetError: the file cannot be written, or the parent's replay buffer is damaged.
    """
    parts = _divided(crops)
    earlier = replay_file(parent.entry.path)
    if earlier.is_file():
        before = load_rehearsal(earlier)
        old = (before.training, before.validation, before.held_out)
        parts = [joined(pair) for pair in zip(parts, old, strict=True)]
    save_rehearsal(path, parts, quality=80)


def _divided(crops: LabeledCrops, counts: tuple[int, int, int] = (40, 8, 24)) -> list[LabeledCrops]:
    """``counts`` random crops of each symbol for the ``PARTS``."""
    place = np.zeros(len(crops), np.int64)
    for symbol in set(crops.symbols.tolist()):
        own = np.flatnonzero(crops.symbols == symbol)
        place[own] = np.random.default_rng(0).permutation(len(own))
    ends = np.cumsum(counts)
    return [
        crops.of((place >= end - n) & (place < end)) for n, end in zip(counts, ends, strict=True)
    ]


def rehearsal_for(parent: Parent) -> tuple[Rehearsal, tuple[str, ...]]:
    """The crops of all known classes, and the symbols of the parent without crops.

    Raises:
        DatasetError: the shipped set or the parent's replay buffer is damaged.
    """
    sets = [load_rehearsal()]
    own = replay_file(parent.entry.path)
    if own.is_file():
        sets.append(load_rehearsal(own))
    training, validation, held_out = (joined([getattr(s, part) for s in sets]) for part in PARTS)
    whole = Rehearsal(training, validation, held_out, "+".join(s.sha256 for s in sets))
    return whole, tuple(s for s in parent.symbols if s not in set(training.symbols))
