"""The convolutions of PP-OCRv6's small recognizer in a CRNN."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from industrial_ocr.errors import WeightsError
from industrial_ocr.models.crnn import Crnn
from industrial_ocr.models.lcnet import LcNet
from industrial_ocr.training.start import PPOCR_CONTRAST, start_weights

ENTRY = {"task": "recognizer", "charset": ["a"]}


def _ppocr_file(path, count=54):
    """An ONNX file with convolutions as those of PP-OCR: three input channels, biases added."""
    rng = np.random.default_rng(0)
    nodes, values = [], []
    for i, conv in enumerate(LcNet().convolutions()[:count]):
        shape = list(conv.weight.shape)
        if i == 0:
            shape[1] = 3
        for name, dims in ((f"w{i}", shape), (f"b{i}", [1, shape[0], 1, 1])):
            values.append(numpy_helper.from_array(rng.normal(size=dims).astype(np.float32), name))
        nodes.append(helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"y{i}"]))
        nodes.append(helper.make_node("Add", [f"y{i}", f"b{i}"], [f"x{i + 1}"]))
    x = helper.make_tensor_value_info("x0", TensorProto.FLOAT, None)
    for name, shape in (("w54", (120, 384, 1, 1)), ("head", (120, 6)), ("offsets", (6,))):
        values.append(numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name))
    for name in ("scale", "shift", "mean", "variance"):
        numbers = rng.uniform(1, 2, 120).astype(np.float32)
        values.append(numpy_helper.from_array(numbers, name))
    norm = ["y54", "scale", "shift", "mean", "variance"]
    nodes += [
        helper.make_node("Conv", ["p", "w54"], ["y54"]),
        helper.make_node("BatchNormalization", norm, ["n"]),
        helper.make_node("MatMul", ["n", "head"], ["m"]),
        helper.make_node("Add", ["m", "offsets"], ["z"]),
    ]
    graph = helper.make_graph(nodes, "ppocr", [x], [x], values)
    model = helper.make_model(graph)
    helper.set_model_props(model, {"character": "c\na\nb\nd"})
    onnx.save(model, path)
    return {v.name: numpy_helper.to_array(v) for v in values}


def test_a_frame_stands_for_four_columns_of_a_strip_of_48_rows() -> None:
    model = Crnn(7, hidden=8, variant="lcnet").eval()
    with torch.inference_mode():
        said = model(torch.zeros(2, 1, 48, 80))
    assert said.shape == (20, 2, 7)
    torch.testing.assert_close(said.exp().sum(-1), torch.ones(20, 2))


def test_frozen_parts_are_the_stem_and_the_first_blocks() -> None:
    model = Crnn(7, hidden=8, variant="lcnet")
    model.freeze(3)
    cnn = model.cnn
    assert isinstance(cnn, LcNet)
    trained = [any(p.requires_grad for p in part.parameters()) for part in cnn.blocks]
    assert not any(p.requires_grad for p in cnn.stem.parameters())
    assert trained == [False, False, *[True] * 11]
    assert all(p.requires_grad for p in model.rnn.parameters())


def test_the_published_convolutions_load(tmp_path) -> None:
    values = _ppocr_file(tmp_path / "rec.onnx")
    model = Crnn(3, hidden=8, variant="lcnet")
    start_weights(model, ENTRY, str(tmp_path / "rec.onnx"))
    first, last = (model.cnn.convolutions()[i] for i in (0, -1))
    gray = values["w0"].sum(1, keepdims=True) / PPOCR_CONTRAST
    np.testing.assert_allclose(first.weight.detach(), gray, rtol=1e-5)
    np.testing.assert_array_equal(last.weight.detach(), values["w53"])
    np.testing.assert_array_equal(last.bias.detach(), values["b53"].reshape(-1))


def test_a_bottleneck_adds_the_shortcut_to_the_lstms() -> None:
    model = Crnn(7, hidden=8, variant="lcnet", bottleneck=5).eval()
    x = torch.rand(2, 1, 48, 80)
    with torch.inference_mode():
        frames = model.cnn(x).squeeze(2).permute(2, 0, 1)
        linear = model.shortcut(frames)
        inside = model.rnn(frames) + linear * torch.sigmoid(linear)
        wanted = model.head(inside).log_softmax(-1)
        torch.testing.assert_close(model(x), wanted)
    assert wanted.shape == (20, 2, 7) and model.head.in_features == 5


def test_the_last_layer_can_be_frozen_with_all_convolutions() -> None:
    model = Crnn(7, hidden=8, variant="lcnet", bottleneck=5)
    model.freeze(14)
    assert all(p.requires_grad for p in model.head.parameters())
    model.freeze(15)
    left = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert left == {"rnn", "shortcut"}


def test_a_bottleneck_gets_the_published_last_layer(tmp_path, caplog) -> None:
    values = _ppocr_file(tmp_path / "rec.onnx")
    model = Crnn(5, hidden=8, variant="lcnet", bottleneck=120)
    entry = {"task": "recognizer", "charset": ["a", "b", "x", " "]}
    with caplog.at_level("INFO", "industrial_ocr"):
        start_weights(model, entry, str(tmp_path / "rec.onnx"))
    assert "lacks 1 of 4 symbols" in caplog.text and caplog.text.rstrip().endswith(": x")
    # Of the file's classes blank, c, a, b, d and space; x, which it lacks, is their mean.
    for own, given in ((model.head.weight, values["head"].T), (model.head.bias, values["offsets"])):
        np.testing.assert_array_equal(own.detach()[[0, 1, 2, 4]], given[[0, 2, 3, 5]])
        np.testing.assert_allclose(own.detach()[3], given.mean(0), rtol=1e-5, atol=1e-6)
    x = torch.rand(3, 384)
    plain = x.numpy() @ values["w54"].reshape(120, 384).T
    norm = (plain - values["mean"]) / np.sqrt(values["variance"] + 1e-5)
    with torch.inference_mode():
        shortcut = model.shortcut(x)
    np.testing.assert_allclose(
        shortcut, norm * values["scale"] + values["shift"], rtol=1e-3, atol=1e-4
    )


def test_a_bottleneck_of_another_size_does_not_take_the_published_layer(tmp_path) -> None:
    _ppocr_file(tmp_path / "rec.onnx")
    model = Crnn(3, hidden=8, variant="lcnet", bottleneck=64)
    with pytest.raises(WeightsError, match="bottleneck: 120"):
        start_weights(model, ENTRY, str(tmp_path / "rec.onnx"))


@pytest.mark.parametrize(("variant", "count"), [("paper", 54), ("lcnet", 50)])
def test_another_network_is_refused(tmp_path, variant, count) -> None:
    _ppocr_file(tmp_path / "rec.onnx", count)
    model = Crnn(3, hidden=8, variant=variant)
    with pytest.raises(WeightsError, match="start_from"):
        start_weights(model, ENTRY, str(tmp_path / "rec.onnx"))
