"""What a training begins with besides its settings: first weights and data files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from industrial_ocr.errors import WeightsError
from industrial_ocr.inference.manifest import Task, find_entry
from industrial_ocr.inference.weights import load_state
from industrial_ocr.patterns.charset import SPACE
from industrial_ocr.training.config import TrainConfig

_HEAD = "rnn.1.embedding"
_BLOCKS = "cnn.residual"
UNLIKELY = -4.0
"""Logit of a class that is new to a network; those of the others are several units apart."""


def data_hashes(config: TrainConfig, task: Task) -> dict[str, str]:
    """The hashes of the data files and first weights that a recipe depends on."""
    found = {}
    for name in ("harvest", "photo_labels"):
        path = getattr(config, name, None)
        if path is not None:
            found[f"{name}_sha256"] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    if config.start_from is not None:
        found["start_sha256"] = find_entry(task, config.start_from).sha256
    return found


def start_weights(model: nn.Module, entry: dict[str, Any], source: str) -> None:
    """Loads a model's first weights.

    Args:
        model: of the architecture in ``entry``.
        entry: of ``Task.entry``.
        source: a model's name or a .safetensors file.

    Raises:
        WeightsError: they are missing, damaged, of another architecture or of other symbols. A
            recogniser that is to learn the space may begin with one that does not know it, one
            with residual blocks with one that has none, and one with larger LSTMs with one whose
            LSTMs are smaller; it reads at first as that one does.
    """
    found = find_entry(entry["task"], source)
    state = load_state(found)
    wanted = entry["charset"]
    if found.charset is not None and list(found.charset) != list(wanted):
        if list(wanted) != [*found.charset, SPACE]:
            raise WeightsError(f"start_from: {found.path} knows other symbols than this training")
        state = _with_space(state)
    own = model.state_dict()
    new = {k: v for k, v in own.items() if k.startswith(_BLOCKS) and k not in state}
    state = _with_units(state, own)
    try:
        model.load_state_dict({**state, **new})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(
            f"start_from: {found.path} is of another architecture: {reason}"
        ) from error


def _with_units(state: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """A recogniser's weights with units added to its LSTMs (Chen et al. 2015, arXiv 1511.05641).

    The new units see all there is, with the weights of ``own``, but no old unit and no class
    hears them yet.
    """
    recurrent = "rnn.0.rnn.weight_hh_l0"
    if recurrent not in state or recurrent not in own:
        return state
    few, many = state[recurrent].shape[1], own[recurrent].shape[1]
    if few >= many:
        return state
    grown = dict(state)
    for name in own:
        if not name.startswith("rnn.") or name not in state:
            continue
        old, new = state[name], own[name].clone()
        kind = name.split(".", 2)[2]
        if kind.startswith("rnn."):
            gates_old, gates_new = old.unflatten(0, (4, few)), new.unflatten(0, (4, many))
            if old.ndim > 1:
                gates_new[:, :few] = 0
                gates_new[:, :few, : old.shape[1]] = gates_old
            else:
                gates_new[:, :few] = gates_old
        elif kind == "embedding.weight":
            sides_old, sides_new = old.unflatten(1, (2, few)), new.unflatten(1, (2, many))
            sides_new[: len(old)] = 0
            sides_new[: len(old), :, :few] = sides_old
        else:
            new[: len(old)] = old
        grown[name] = new
    return grown


def _with_space(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A recogniser's weights with a last class that is nowhere likely yet."""
    weight, bias = state[f"{_HEAD}.weight"], state[f"{_HEAD}.bias"]
    return {
        **state,
        f"{_HEAD}.weight": torch.cat([weight, torch.zeros_like(weight[:1])]),
        f"{_HEAD}.bias": torch.cat([bias, torch.full_like(bias[:1], UNLIKELY)]),
    }
