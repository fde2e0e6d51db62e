"""ONNX files: half the space where nothing is lost by it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from industrial_ocr.inference.export import _halved, _without_traces, add_onnx
from industrial_ocr.inference.manifest import InputSpec, ModelEntry
from industrial_ocr.inference.torch_backend import load_model
from industrial_ocr.inference.weights import save_entry
from industrial_ocr.models.crnn import Crnn


def _sum_of(first: np.ndarray, second: np.ndarray) -> onnx.ModelProto:
    values = [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")]
    nodes = [
        helper.make_node("Add", ["x", "first"], ["y"]),
        helper.make_node("Add", ["y", "second"], ["z"]),
    ]
    shape = [len(first)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "sum", [x], [z], values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def test_only_weights_that_float16_holds_exactly_are_stored_in_it() -> None:
    exact = np.arange(2000, dtype=np.float32) / 4  # up to 499.75: eleven bits at most
    inexact = np.full(2000, 0.1, np.float32)
    model = _halved(_sum_of(exact, inexact))
    kinds = {v.name: v.data_type for v in model.graph.initializer}
    assert kinds == {"first.half": TensorProto.FLOAT16, "second": TensorProto.FLOAT}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {"x": np.zeros(2000, np.float32)})
    np.testing.assert_array_equal(found, exact + inexact)


def test_files_do_not_say_where_they_were_traced() -> None:
    model = _sum_of(np.ones(3, np.float32), np.ones(3, np.float32))
    for part in (model.graph, model.graph.node[0]):
        part.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File /home/someone/a.py")
    assert b"someone" in model.SerializeToString()
    assert b"someone" not in _without_traces(model).SerializeToString()


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["paper", "crnn.pytorch", "lcnet", "selu"])
def test_every_variant_of_the_crnn_reads_the_same_from_its_onnx_file(
    variant: str, tmp_path: Path
) -> None:
    rows = 48 if variant == "lcnet" else 32
    entry = ModelEntry(
        name="small",
        task="recognizer",
        architecture={"variant": variant, "width": 0.25, "hidden": 8},
        charset=("A", "B"),
        input=InputSpec(size=(rows, 100), mean=(0.5,), std=(0.5,)),
    )
    torch.manual_seed(1)
    model = Crnn(3, **entry.architecture)
    saved = add_onnx(save_entry(tmp_path, entry, model.state_dict(), half=True))
    session = onnxruntime.InferenceSession(saved.onnx_path)
    for batch, width in ((1, 100), (3, 128)):
        x = torch.randn(batch, 1, rows, width)
        with torch.inference_mode():
            expected = load_model(saved)(x).numpy()
        (found,) = session.run(None, {"input": x.numpy()})
        np.testing.assert_allclose(found, expected, atol=1e-4)
