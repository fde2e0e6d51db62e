"""First weights and data files of a training."""

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
        WeightsError: they are missing, damaged, of another architecture or of other symbols. But a
            recognizer may begin with one that does not know the space, has no residual blocks or
            has smaller LSTMs; at first it reads as that one does.
    """
    found = find_entry(entry["task"], source)
    state = load_state(found)
    wanted = entry["charset"]
    if found.charset is not None and list(found.charset) != list(wanted):
        if list(wanted) != [*found.charset, SPACE]:
            raise WeightsError(f"start_from: {found.path} knows other symbols than this training")
        state = _with_space(state)
    own = model.state_dict()
    new = {k: v for k, v in own.items() if k.startswith("cnn.residual") and k not in state}
    state = _with_units(state, own)
    try:
        model.load_state_dict({**state, **new})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(
            f"start_from: {found.path} is of another architecture: {reason}"
        ) from error


def _with_units(state: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """A recognizer's weights with more LSTM units (Net2Net, Chen et al. 2015, arXiv 1511.05641).

    The new units have the input weights of ``own``; no old unit and no class uses them yet.
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
    """A recognizer's weights with one more class, of a low logit everywhere."""
    weight, bias = state["rnn.1.embedding.weight"], state["rnn.1.embedding.bias"]
    return {
        **state,
        "rnn.1.embedding.weight": torch.cat([weight, torch.zeros_like(weight[:1])]),
        "rnn.1.embedding.bias": torch.cat([bias, torch.full_like(bias[:1], -4.0)]),
    }
