"""The parent classifier, and the same network with rows for new symbols."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from industrial_ocr.errors import WeightsError
from industrial_ocr.image.preprocess import normalize_crops
from industrial_ocr.inference.manifest import ModelEntry, find_entry
from industrial_ocr.inference.torch_backend import load_model
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.results.types import FloatArray, ImageArray


@dataclass(frozen=True, eq=False)
class Parent:
    """The classifier to start from.

    Attributes:
        entry: its manifest entry.
        model: the network in evaluation mode, on the CPU; the last row of its head is the reject
            class.
        symbols: the classes before the reject class.
        size: side of its crops in pixels.
    """

    entry: ModelEntry
    model: GlyphClassifier
    symbols: tuple[str, ...]
    size: int


def load_parent(name: str | None) -> Parent:
    """Loads a classifier by its name or .safetensors file; None loads the shipped one.

    Raises:
        WeightsError: it is missing or damaged, or has another architecture.
    """
    entry = find_entry("classifier", name)
    if entry.charset is None or entry.input.size is None or len(set(entry.input.size)) > 1:
        raise WeightsError(
            f"{entry.path}: its manifest has no charset or no square input; retraining needs a "
            "classifier of this package"
        )
    model = cast(GlyphClassifier, load_model(entry))
    try:
        head_of(model)
    except (TypeError, AttributeError) as error:
        raise WeightsError(f"{entry.path}: cannot be retrained: {error}") from error
    return Parent(entry, model, tuple(entry.charset), entry.input.size[0])


def head_of(model: GlyphClassifier) -> nn.Linear:
    """The last, linear layer; TypeError if the network ends in something else."""
    net: Any = model.net
    head = net.get_classifier()
    if not isinstance(head, nn.Linear):
        raise TypeError(f"the network ends in {type(head).__name__}, a linear layer was expected")
    return head


def extended(parent: Parent, means: Tensor) -> GlyphClassifier:
    """A copy of the parent with a row for each new symbol before the reject class.

    A new row is the mean feature of the symbol's samples minus that of the known classes, scaled to
    the mean length of the other rows (weight imprinting, Qi et al., CVPR 2018).

    Args:
        parent: the classifier to extend.
        means: (new + 1, F) mean features of each new symbol, and of the known classes.
    """
    model = copy.deepcopy(parent.model)
    head = head_of(model)
    with torch.no_grad():
        directions = means[:-1] - means[-1]
        length = head.weight[:-1].norm(dim=1).mean()
        rows = directions / directions.norm(dim=1, keepdim=True).clamp(min=1e-6) * length
        # The logit is average halfway between the symbol's features and those of the others.
        bias = head.bias[:-1].mean() - (rows * (means[:-1] + means[-1]) / 2).sum(1)
        weights = torch.cat([head.weight[:-1], rows, head.weight[-1:]])
        biases = torch.cat([head.bias[:-1], bias, head.bias[-1:]])
    head.weight, head.bias = nn.Parameter(weights), nn.Parameter(biases)
    head.out_features = len(weights)
    return model.eval()


class DividedClassifier(nn.Module):
    """A classifier divided before its last two stages; the frozen ones run once for each crop.

    Args:
        model: the network. If its children do not run one after the other, the trunk is empty and
            the whole network is trained.
        size: side of the crops in pixels.

    Attributes:
        trunk: crops -> activations; frozen.
        tail: activations -> features.
        head: features -> logits.
    """

    def __init__(self, model: GlyphClassifier, size: int) -> None:
        super().__init__()
        net, self.head = model.net, head_of(model)
        children = [c for _, c in net.named_children() if c is not self.head]
        weighted = [i for i, child in enumerate(children) if any(True for _ in child.parameters())]
        cut = weighted[-min(2, len(weighted))]
        self.trunk = nn.Sequential(*children[:cut])
        self.tail: nn.Module = nn.Sequential(*children[cut:])
        probe = torch.linspace(-1, 1, size * size).reshape(1, 1, size, size)
        model.eval()
        with torch.no_grad():
            try:
                same = torch.allclose(self.head(self.tail(self.trunk(probe))), net(probe))
            except (RuntimeError, TypeError):
                same = False
        if not same:
            self.trunk, self.tail = nn.Sequential(), _Features(net)

    def trained(self) -> list[nn.Parameter]:
        """The weights of tail and head, each once."""
        return list(dict.fromkeys([*self.tail.parameters(), *self.head.parameters()]))

    def forward(self, activations: Tensor) -> Tensor:
        """Activations of ``trunk`` -> (N, classes) logits."""
        logits: Tensor = self.head(self.tail(activations))
        return logits


class _Features(nn.Module):
    """A timm network up to the features before its head."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        net: Any = self.net
        features: Tensor = net.forward_head(net.forward_features(x), pre_logits=True)
        return features


def network_input(crops: ImageArray) -> Tensor:
    """Crops (N, S, S) uint8 -> (N, 1, S, S) float32."""
    return torch.from_numpy(normalize_crops(crops)[:, None])


@torch.inference_mode()
def run(module: nn.Module, inputs: Tensor | ImageArray, batch_size: int = 256) -> Tensor:
    """The outputs of a module for crops or activations, without gradients."""
    parts = []
    for start in range(0, len(inputs), batch_size):
        part = inputs[start : start + batch_size]
        parts.append(module(network_input(part) if isinstance(part, np.ndarray) else part))
    return torch.cat(parts).clone()


def probabilities(model: nn.Module, crops: ImageArray, temperature: float) -> FloatArray:
    """Crops (N, S, S) uint8 -> (N, classes) float32, the reject class last."""
    return torch.softmax(run(model, crops) / temperature, -1).numpy()
