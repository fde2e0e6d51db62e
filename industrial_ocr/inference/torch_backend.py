"""Runs networks on torch: on GPUs, and for published checkpoints and weights without ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from industrial_ocr.errors import ConfigError, WeightsError
from industrial_ocr.inference.manifest import ModelEntry, NetworkTask
from industrial_ocr.inference.weights import load_state
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.models.craft import CraftLight, build_detector, load_published_craft
from industrial_ocr.models.crnn import Crnn, load_published_crnn
from industrial_ocr.models.fusing import fold_batch_norms
from industrial_ocr.results.types import FloatArray

Model = TypeVar("Model", bound=nn.Module)


def resolve_device(name: str) -> torch.device:
    """The device for a name; ``auto`` is CUDA if there is a GPU, else the CPU.

    Raises:
        ConfigError: the device is unknown or not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"device {name!r} is unknown or not available here; use 'auto', 'cpu' or 'cuda'"
        ) from error
    return device


def has_bf16(device: str | torch.device) -> bool:
    """Whether a device is faster in bfloat16 than in float32: most GPUs, and CPUs with AMX."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_amx_tile_supported())


class TorchSession:
    """A network on torch.

    Args:
        model: a network with one input and one output.
        device: device on which it runs.
        bf16: whether to compute in bfloat16. The head of a detector stays in float32: with steps of
            1/256, the peaks of its maps would become plateaus.
    """

    survives_fork = True

    def __init__(self, model: nn.Module, device: torch.device, bf16: bool) -> None:
        folded = fold_batch_norms(model.eval())
        self._model = folded.to(device).to(memory_format=torch.channels_last)
        self._device = device
        self._dtype = torch.bfloat16 if bf16 else torch.float32
        self._model.to(self._dtype)
        if isinstance(model, CraftLight):
            model.head.float()

    @torch.inference_mode()
    def run(self, batch: FloatArray) -> FloatArray:
        """(N, C, H, W) float32 -> the network's output, float32."""
        tensor = torch.from_numpy(batch).to(self._device, self._dtype)
        output: Tensor = self._model(tensor.contiguous(memory_format=torch.channels_last))
        result: FloatArray = output.float().cpu().numpy()
        return result


def load_session(entry: ModelEntry, device: torch.device, bf16: bool) -> TorchSession:
    """A model of a manifest.

    Raises:
        WeightsError: its file is missing, damaged or of another architecture.
    """
    return TorchSession(load_model(entry), device, bf16)


def load_published(task: NetworkTask, path: str | Path, device: torch.device) -> TorchSession:
    """A published checkpoint: ``craft_mlt_25k.pth`` of CRAFT, or ``crnn.pth`` of crnn.pytorch.

    Raises:
        WeightsError: it is missing, damaged or of another architecture.
    """
    load = load_published_craft if task == "detector" else load_published_crnn
    return TorchSession(_built(lambda: load(path)), device, bf16=False)


def published_craft(path: str | Path) -> dict[str, Tensor]:
    """The weights of a published CRAFT checkpoint; raises as ``load_published``."""
    return _built(lambda: load_published_craft(path)).state_dict()


def load_model(entry: ModelEntry) -> nn.Module:
    """The network of a manifest's entry with its weights, in evaluation mode, on the CPU.

    Raises:
        WeightsError: its file is missing, damaged or of another architecture.
    """
    state = load_state(entry)
    try:
        model = _built(lambda: build_model(entry))
        model.load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(
            f"{entry.path}: its weights do not fit its architecture; perhaps they are of another "
            f"version of this package: {reason}"
        ) from error
    return model.eval()


def build_model(entry: ModelEntry) -> nn.Module:
    """The network of a manifest's entry with fresh weights."""
    if entry.task == "detector":
        return build_detector(**entry.architecture)
    outputs = len(entry.symbols) + 1  # the reject class or the blank
    if entry.task == "classifier":
        return GlyphClassifier(outputs, **entry.architecture)
    return Crnn(outputs, **entry.architecture)


def _built(build: Callable[[], Model]) -> Model:
    """A network in float32 on the CPU, also if the program has set other defaults of torch."""
    with torch.device("cpu"):
        return build().to(torch.float32)
