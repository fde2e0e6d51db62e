"""A quantized network: which layers are in 8 bits, and that it answers as before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from industrial_ocr.inference import export
from industrial_ocr.inference.manifest import find_entry, load_manifest
from industrial_ocr.inference.weights import load_state, save_entry, save_onnx
from industrial_ocr.results.types import FloatArray
from industrial_ocr.training import quantize
from industrial_ocr.training.quantize import add_int8, int8_bytes, rendered_batches

RNG = np.random.default_rng(4)


def three_layers() -> bytes:
    """Three convolutions of 3 x 3 with a rectifier after each of the first two."""
    weights = [RNG.normal(0, 0.3, shape).astype(np.float32)
               for shape in ((4, 1, 3, 3), (4, 4, 3, 3), (2, 4, 3, 3))]  # fmt: skip
    nodes, name = [], "input"
    for i in range(3):
        out = "output" if i == 2 else f"conv{i}"
        nodes.append(helper.make_node("Conv", [name, f"w{i}"], [out], f"conv{i}", pads=[1] * 4))
        name = f"relu{i}"
        if i < 2:
            nodes.append(helper.make_node("Relu", [out], [name], name))
    sizes = ["n", 1, "h", "w"], ["n", 2, "h", "w"]
    ends = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, size)
        for end, size in zip(("input", "output"), sizes, strict=True)
    ]
    constants = [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    graph = helper.make_graph(nodes, "three", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def answer(data: bytes, batch: FloatArray) -> FloatArray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    output: FloatArray = session.run(None, {"input": batch})[0]
    return output


def test_all_layers_but_the_first_and_the_last_are_in_8_bits() -> None:
    batches = [RNG.normal(size=(1, 1, 12, 16)).astype(np.float32) for _ in range(8)]
    whole = three_layers()
    small = int8_bytes(whole, batches)
    graph = onnx.load_from_string(small).graph
    kinds = {out: node.op_type for node in graph.node for out in node.output}
    weights = {node.name: kinds.get(node.input[1], "constant")
               for node in graph.node if node.op_type == "Conv"}  # fmt: skip
    assert weights == {"conv0": "constant", "conv1": "DequantizeLinear", "conv2": "constant"}
    quantized = [numpy_helper.to_array(t) for t in graph.initializer if t.data_type == 3]
    assert max(np.abs(q.astype(int)).max() for q in quantized if q.ndim == 4) == 64  # 7 bits
    before, after = (answer(data, batches[0]) for data in (whole, small))
    assert 0 < np.abs(after - before).max() < 0.05 * np.abs(before).max()


@pytest.mark.slow
def test_the_shipped_classifier_quantized_anew_answers_as_in_float32(tmp_path: Path) -> None:
    shipped = find_entry("classifier")
    entry = save_entry(tmp_path, shipped.model_copy(update={"file": ""}), load_state(shipped))
    entry = save_onnx(entry, shipped.onnx_path.read_bytes())
    batches = rendered_batches(entry, [])
    assert len(batches) == 1024 and batches[0].shape == (1, 1, 40, 40)
    saved = add_int8(entry, batches[:100])
    assert load_manifest(tmp_path).models == (saved,)
    data = saved.int8_path.read_bytes()
    assert saved.int8_sha256 == hashlib.sha256(data).hexdigest()
    assert len(data) < 0.6 * shipped.onnx_path.stat().st_size  # which is in float16
    batch = np.concatenate(batches[100:300])
    best = [answer(d, batch).argmax(1) for d in (shipped.onnx_path.read_bytes(), data)]
    assert (best[0] == best[1]).mean() > 0.95


@pytest.mark.parametrize("main", [export.main, quantize.main])
def test_a_folder_without_models_is_named_in_one_line(
    main: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["main", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"there is no manifest\.json with models"):
        main()


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "channels"), [("vgg16_bn", 3), ("resnet18", 2)])
def test_ranges_of_a_detector_are_measured_on_its_own_kind_of_input(
    architecture: str, channels: int
) -> None:
    shipped = find_entry("detector")
    entry = shipped.model_copy(update={"architecture": {"architecture": architecture}})
    batches = rendered_batches(entry, [])
    assert {batch.shape[1] for batch in batches} == {channels}
