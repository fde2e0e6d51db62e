"""A small rehearsal set and a recipe of seconds, so that a whole retraining is a unit test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from industrial_ocr.training.retraining import replay_buffer
from industrial_ocr.training.retraining.rehearsal import LabeledCrops, Rehearsal, load_rehearsal


def some(crops: LabeledCrops, count: int) -> LabeledCrops:
    """The first ``count`` crops of every class."""
    chosen = [np.flatnonzero(crops.symbols == s)[:count] for s in dict.fromkeys(crops.symbols)]
    return crops.of(np.concatenate(chosen))


@pytest.fixture(scope="session")
def small() -> Rehearsal:
    whole = load_rehearsal()
    return Rehearsal(
        some(whole.training, 1), some(whole.validation, 1), some(whole.held_out, 1), whole.sha256
    )


@pytest.fixture
def small_rehearsal(monkeypatch: pytest.MonkeyPatch, small: Rehearsal) -> Rehearsal:
    real = replay_buffer.load_rehearsal
    monkeypatch.setattr(
        replay_buffer, "load_rehearsal", lambda *path: real(*path) if path else small
    )
    return small


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
