"""The weights behind the golden arrays, which anyone can make again from their keys."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

GOLDEN = Path(__file__).parents[2] / "golden"


def _weight(key: str, shape: list[int]) -> Tensor:
    r = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.long)
    if key.endswith("running_var"):
        value = r.uniform(0.5, 1.5, shape)
    elif key.endswith("running_mean"):
        value = r.normal(0, 0.1, shape)
    elif len(shape) >= 2:
        value = r.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape)
    elif key.endswith("weight"):
        value = r.uniform(0.8, 1.2, shape)
    else:
        value = r.normal(0, 0.05, shape)
    return torch.from_numpy(value.astype(np.float32))


@pytest.fixture(scope="session")
def golden_weights() -> Callable[[str], dict[str, Tensor]]:
    """``craft`` or ``crnn`` -> the state dict its golden arrays were made with."""

    def make(name: str) -> dict[str, Tensor]:
        shapes = json.loads((GOLDEN / f"{name}_keys.json").read_text())
        return {key: _weight(key, shape) for key, shape in shapes.items()}

    return make


@pytest.fixture(scope="session")
def golden_arrays() -> Callable[[str], dict[str, np.ndarray]]:
    """``craft`` or ``crnn`` -> the arrays of its golden file."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(GOLDEN / f"{name}_golden.npz") as arrays:
            return dict(arrays)

    return load
