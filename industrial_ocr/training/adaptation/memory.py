"""What a retrained classifier remembers its own symbols by: a small rehearsal set beside it.

The shipped set knows the shipped symbols. Whoever retrains a retrained classifier needs crops of
what was added before, or the second symbol would make it forget the first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from industrial_ocr.errors import DatasetError
from industrial_ocr.training.adaptation.network import Parent
from industrial_ocr.training.adaptation.rehearsal import (
    PARTS,
    Crops,
    Rehearsal,
    load_rehearsal,
    mosaic,
)

QUALITY = 80
KEPT = {"training": 40, "validation": 8, "held_out": 24}
"""Views of each symbol of the user's that are kept."""


def memory_file(weights: Path) -> Path:
    """Where the memory of a classifier lies."""
    return weights.with_suffix(".rehearsal.npz")


def save_memory(path: Path, crops: Crops, parent: Parent) -> None:
    """Writes views of the user's samples, dealt out to the parts, and what the parent remembered.

    Raises:
        DatasetError: it cannot be written, or the parent's is damaged.
    """
    parts = _dealt(crops)
    earlier = memory_file(parent.entry.path)
    if earlier.is_file():
        before = load_rehearsal(earlier)
        parts = {n: joined([p, getattr(before, n)]) for n, p in parts.items()}
    symbols = list(dict.fromkeys(parts["training"].symbols.tolist()))
    arrays: dict[str, Any] = {"side": np.array(parent.size), "symbols": np.array(symbols)}
    for name, part in parts.items():
        own = [part.images[part.symbols == s] for s in symbols]
        arrays[f"{name}_counts"] = np.array([len(images) for images in own])
        arrays |= {f"{name}_{i}": mosaic(c, QUALITY) for i, c in enumerate(own) if len(c)}
    try:
        np.savez(path, **arrays)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written: {error}") from error


def _dealt(crops: Crops) -> dict[str, Crops]:
    """The first crops of each symbol for the first part, the next for the second, and so on."""
    place = np.zeros(len(crops), np.int64)
    for symbol in set(crops.symbols.tolist()):
        own = np.flatnonzero(crops.symbols == symbol)
        place[own] = np.random.default_rng(0).permutation(len(own))
    dealt, start = {}, 0
    for part in PARTS:
        dealt[part] = crops.of((place >= start) & (place < start + KEPT[part]))
        start += KEPT[part]
    return dealt


def rehearsal_for(parent: Parent) -> tuple[Rehearsal, tuple[str, ...]]:
    """The crops of all old classes, and the symbols of the parent of which there are none.

    Raises:
        DatasetError: the shipped set, or the parent's own, is damaged.
    """
    sets = [load_rehearsal()]
    own = memory_file(parent.entry.path)
    if own.is_file():
        sets.append(load_rehearsal(own))
    parts = {part: [getattr(s, part) for s in sets] for part in PARTS}
    whole = Rehearsal(
        **{part: joined(several) for part, several in parts.items()},
        sha256="+".join(s.sha256 for s in sets),
    )
    return whole, tuple(s for s in parent.symbols if s not in set(whole.training.symbols))


def joined(several: list[Crops]) -> Crops:
    """Several sets of crops as one."""
    return Crops(
        np.concatenate([c.images for c in several]), np.concatenate([c.symbols for c in several])
    )
