"""Exports trained weights to ONNX files in the same folder.

    python -m industrial_ocr.inference.export MANIFEST_FOLDER

Training and retraining call ``add_onnx`` when they write weights. The command exports every model
of a folder again.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from industrial_ocr.errors import WeightsError
from industrial_ocr.inference.manifest import ModelEntry, load_models
from industrial_ocr.inference.torch_backend import load_model
from industrial_ocr.inference.weights import save_onnx

OPSET = 20
"""Operator set of ONNX; ONNX Runtime reads it since 1.17, OpenVINO since 2024.1."""


def add_onnx(entry: ModelEntry) -> ModelEntry:
    """Exports a model of a manifest and adds the ONNX file to the manifest.

    Args:
        entry: the entry, as from ``save_entry``.

    Returns:
        The entry with the name and the hash of the ONNX file.

    Raises:
        WeightsError: the weights are damaged, or the folder cannot be written.
    """
    return save_onnx(entry, onnx_bytes(entry))


def onnx_bytes(entry: ModelEntry) -> bytes:
    """The ONNX file of a model; it computes in float32, for any batch and picture size.

    Batch norms are not folded into the convolutions, so that the weights can be stored as float16;
    the backends fold them when they load the file.
    """
    model = load_model(entry)
    if entry.task == "recognizer":
        _use_onnx_lstm(model)
    dynamic = torch.export.Dim.DYNAMIC
    free = {0: dynamic, 2: dynamic, 3: dynamic}
    if entry.task == "classifier":
        free = {0: dynamic}
    elif entry.task == "recognizer":
        free = {0: dynamic, 3: dynamic}
    size = entry.input.size or (64, 96)  # any size serves for tracing
    example = torch.zeros(2, len(entry.input.mean), *size)
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=(free,),
                input_names=["input"],
                output_names=["output"],
                verbose=False,
                optimize=False,
            )
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
    assert program is not None
    optimizer.inline(program.model)
    optimizer.fold_constants(program.model)
    optimizer.remove_unused_nodes(program.model)
    return _without_traces(_halved(program.model_proto)).SerializeToString()


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores weights in place as float16, with a Cast to float32, if that does not change them."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if np.array_equal(half.astype(np.float32), values):
            name, stored = tensor.name, f"{tensor.name}.half"
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, stored))
            casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Removes in place where each node was traced, since these are paths of a machine."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
    return model


class _OnnxLstm(nn.Module):
    """A bidirectional ``nn.LSTM`` as one ONNX operator, instead of hundreds of traced ones.

    The order of the gates is input, output, forget, cell in ONNX; input, forget, cell, output in
    torch.
    """

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.hidden = lstm.hidden_size
        self.register_buffer("weight", self._stacked(lstm, "weight_ih"))
        self.register_buffer("recurrence", self._stacked(lstm, "weight_hh"))
        biases = [self._stacked(lstm, "bias_ih"), self._stacked(lstm, "bias_hh")]
        self.register_buffer("bias", torch.cat(biases, dim=1))

    @staticmethod
    def _stacked(lstm: nn.LSTM, name: str) -> Tensor:
        directions = []
        for direction in ("l0", "l0_reverse"):
            gates = getattr(lstm, f"{name}_{direction}").detach().chunk(4)
            directions.append(torch.cat([gates[0], gates[3], gates[1], gates[2]]))
        return torch.stack(directions)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(T, N, inputs) -> (T, N, 2 hidden)."""
        inputs: Any = (x, self.weight, self.recurrence, self.bias)
        y = torch.onnx.ops.symbolic(
            "LSTM",
            inputs,
            attrs={"hidden_size": self.hidden, "direction": "bidirectional"},
            dtype=x.dtype,
            shape=(x.shape[0], 2, x.shape[1], self.hidden),
        )
        return y.permute(0, 2, 1, 3).flatten(2), None


def _use_onnx_lstm(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.LSTM):
                setattr(parent, name, _OnnxLstm(child))


def main() -> None:
    """Exports every model of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with a manifest")
    args = parser.parse_args()
    try:
        for entry in load_models(args.folder):
            saved = add_onnx(entry)
            print(f"{saved.task} {saved.name}: {saved.onnx_path}")
    except WeightsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
