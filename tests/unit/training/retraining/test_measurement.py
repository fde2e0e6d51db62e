"""What a retrained classifier calls 0.9 is as sure as what its parent called so."""

from __future__ import annotations

import copy

import pytest
import torch

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.training.retraining.gate import carried_temperature
from industrial_ocr.training.retraining.network import Parent, head_of, load_parent
from industrial_ocr.training.retraining.rehearsal import Rehearsal


@pytest.fixture(scope="module")
def parent() -> Parent:
    return load_parent(None)


def test_a_network_that_did_not_change_keeps_its_temperature(
    parent: Parent, small: Rehearsal
) -> None:
    names = (*parent.symbols, REJECT)
    same = carried_temperature(parent, parent.model, names, small.validation)
    assert same == pytest.approx(parent.entry.temperature, abs=2e-3)


def test_a_network_twice_as_sure_has_twice_the_temperature(
    parent: Parent, small: Rehearsal
) -> None:
    surer = copy.deepcopy(parent.model)
    with torch.no_grad():
        for weight in head_of(surer).parameters():
            weight.mul_(2)
    found = carried_temperature(parent, surer, (*parent.symbols, REJECT), small.validation)
    assert found == pytest.approx(2 * parent.entry.temperature, rel=0.02)
