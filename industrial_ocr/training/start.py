"""Finds the initial weights and the data files of a training."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from industrial_ocr.datasets.shards import find_shards
from industrial_ocr.errors import WeightsError
from industrial_ocr.inference.ctc_onnx import PPOCR, known_file
from industrial_ocr.inference.manifest import NetworkTask, find_entry
from industrial_ocr.inference.weights import load_state
from industrial_ocr.models.lcnet import LcNet
from industrial_ocr.patterns.charset import SPACE
from industrial_ocr.results.files import sha256_of
from industrial_ocr.training.config import TrainConfig

log = logging.getLogger(__name__)

PPOCR_CONTRAST = 2.5
"""Contrast of our strips divided by that of PP-OCR's strips, whose pixels are -1 to 1."""


def data_hashes(config: TrainConfig, task: NetworkTask) -> dict[str, str]:
    """The hashes of the data files and initial weights on which a recipe depends."""
    found = {}
    for name in ("harvest", "photo_crops", "photo_labels", "corpus"):
        path = getattr(config, name, None)
        if path is not None:
            found[f"{name}_sha256"] = sha256_of(Path(path))
    if data := getattr(config, "data", None):
        found["data_sha256"] = _sizes_sha256(find_shards(data))
    if maps := getattr(config, "photo_maps", None):
        found["photo_maps_sha256"] = _sizes_sha256(sorted(maps.glob("*.png")))
    if config.start_from is not None:
        file = _ppocr_file(config.start_from)
        known = sha256_of(file) if file else find_entry(task, config.start_from).sha256
        found["start_sha256"] = known
    return found


def _sizes_sha256(files: Iterable[Path]) -> str:
    """The hash of the names and sizes of files."""
    sizes = [f"{file.name} {file.stat().st_size}\n" for file in files]
    return hashlib.sha256("".join(sizes).encode()).hexdigest()


def start_weights(model: nn.Module, entry: dict[str, Any], source: str) -> None:
    """Loads the initial weights of a model.

    Args:
        model: the model, with the architecture in ``entry``.
        entry: its fields of the manifest, from ``TrainingTask.entry``.
        source: a model's name, a .safetensors file, or PP-OCRv6's small recognizer.

    Raises:
        WeightsError: the weights are missing or damaged, or have another architecture or other
            symbols.
    """
    if (file := _ppocr_file(source)) is not None:
        from google.protobuf.message import DecodeError  # a part of onnx

        wrong = (DecodeError, KeyError, IndexError, ValueError, TypeError, RuntimeError)
        try:
            _load_ppocr(model, file, entry["charset"])
        except OSError as error:
            raise WeightsError(f"start_from: {file} cannot be read: {error}") from error
        except wrong as error:
            raise WeightsError(f"start_from: {file} is not PP-OCRv6's small recognizer") from error
        return
    found = find_entry(entry["task"], source)
    if found.charset is not None and list(found.charset) != list(entry["charset"]):
        raise WeightsError(f"start_from: {found.path} knows other symbols than this training")
    try:
        model.load_state_dict(load_state(found))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(
            f"start_from: {found.path} is of another architecture: {reason}"
        ) from error


def _ppocr_file(source: str) -> Path | None:
    """The file of a recognizer of PP-OCR, by its name or path; None for other weights."""
    if source in PPOCR:
        return known_file(source)
    return Path(source) if Path(source).suffix.lower() == ".onnx" else None


def _load_ppocr(model: nn.Module, path: Path, symbols: Sequence[str]) -> None:
    """Fills a CRNN's ``LcNet`` with the first convolutions of PP-OCRv6's small recognizer.

    Its input has three channels from -1 to 1. Our gray strip stands for all three; its contrast is
    normalized to 1, which is about 2.5 times as much. With a bottleneck, the
    model gets the last layer, too.
    """
    import onnx
    from onnx import numpy_helper

    cnn = model.cnn
    if not isinstance(cnn, LcNet):
        raise WeightsError("start_from: an ONNX file needs variant lcnet")
    file = onnx.load(path)
    graph = file.graph
    values = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    biases = {n.input[0]: n.input[1] for n in graph.node if n.op_type == "Add"}
    layers = [n for n in graph.node if n.op_type == "Conv"]
    convolutions = cnn.convolutions()
    if len(layers) < len(convolutions):
        raise ValueError(f"{len(layers)} convolutions")
    for own, layer in zip(convolutions, layers, strict=False):
        weight, bias = values[layer.input[1]], values[biases[layer.output[0]]]
        if own is cnn.stem.conv1:
            weight = weight.sum(1, keepdim=True) / PPOCR_CONTRAST
        if own.weight.shape != weight.shape:
            raise ValueError(f"weights {tuple(weight.shape)}")
        own.weight.data.copy_(weight)
        if own.bias is not None:
            own.bias.data.copy_(bias.flatten())
    if model.shortcut is not None:
        _load_ppocr_head(model, file, values, layers[len(convolutions)], symbols)


def _load_ppocr_head(
    model: nn.Module, file: Any, values: dict[str, Tensor], layer: Any, symbols: Sequence[str]
) -> None:
    """Fills the layers around a bottleneck with the same ones of PP-OCR's recognizer.

    Args:
        model: the model.
        file: the ONNX model.
        values: its weights by name.
        layer: its first convolution after those of the ``LcNet``, which has a batch norm.
        symbols: the symbols of our classes; those that PP-OCR lacks get the mean of its classes, so
            that their logits are low in every frame at first.
    """
    shortcut, last = cast(nn.Linear, model.shortcut), cast(nn.Linear, model.head)
    nodes = file.graph.node
    (norm,) = (n for n in nodes if n.input[:1] == layer.output)
    scale, shift, mean, variance = (values[name] for name in norm.input[1:])
    factor = scale / (variance + 1e-5).sqrt()
    head = [n for n in nodes if n.op_type == "MatMul"][-1]
    (bias,) = (n.input[1] for n in nodes if n.input[:1] == head.output)
    weights = values[head.input[1]].T
    if shortcut.out_features != weights.shape[1]:
        raise WeightsError(f"start_from: an ONNX file needs bottleneck: {weights.shape[1]}")
    known = {p.key: p.value for p in file.metadata_props}["character"].splitlines()
    classes = {symbol: i for i, symbol in enumerate([*known, SPACE], 1)}
    missing = [symbol for symbol in symbols if symbol not in classes]
    if missing:
        log.info(
            "start_from: PP-OCR lacks %d of %d symbols, which start as the mean of its classes: %s",
            len(missing),
            len(symbols),
            " ".join(missing),
        )
    rows = [0, *(classes.get(symbol, len(weights)) for symbol in symbols)]
    shortcut.weight.data.copy_(values[layer.input[1]].flatten(1) * factor[:, None])
    shortcut.bias.data.copy_(shift - mean * factor)
    for own, given in ((last.weight, weights), (last.bias, values[bias])):
        own.data.copy_(torch.cat([given, given.mean(0, keepdim=True)])[rows])
