"""Any CTC network in an ONNX file is a recognizer: its symbols, frames, spaces and places."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from industrial_ocr import Reader
from industrial_ocr.config import RecognitionConfig
from industrial_ocr.errors import ConfigError, WeightsError
from industrial_ocr.inference import ctc_onnx
from industrial_ocr.inference.ctc_onnx import other_recognizer
from industrial_ocr.inference.loading import Loader
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.recognition.recognizer import (
    Recognizer,
    StringFrames,
    in_one_charset,
)
from industrial_ocr.results.geometry import rect_quad


def write_network(path: Path, symbols: str | None, classes: int) -> Path:
    """A network whose frame of 8 columns is class 1 where they are bright, else the blank.

    All other classes are far below both.
    """
    weight = np.full((classes, 3, 48, 8), 0, np.float32)
    weight[0], weight[1] = -0.1, 0.1
    bias = np.full(classes, -100, np.float32)
    bias[:2] = 0
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], strides=[48, 8]),
        helper.make_node("Squeeze", ["c", "axis"], ["s"]),
        helper.make_node("Transpose", ["s"], ["t"], perm=[0, 2, 1]),
        helper.make_node("Softmax", ["t"], ["y"], axis=-1),
    ]
    made = helper.make_graph(
        nodes,
        "ctc",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 48, "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "T", classes])],
        [
            onnx.numpy_helper.from_array(weight, "w"),
            onnx.numpy_helper.from_array(bias, "b"),
            onnx.numpy_helper.from_array(np.array([2], np.int64), "axis"),
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if symbols is not None:
        helper.set_model_props(model, {"character": symbols})
    path.write_bytes(model.SerializeToString())
    return path


def test_the_list_of_symbols_says_whether_there_is_a_space(tmp_path: Path) -> None:
    path = write_network(tmp_path / "two.onnx", "I\nB", 4)
    entry = other_recognizer(path)
    assert entry is not None and entry.symbols == ("I", "B", " ")
    assert entry.architecture["stride"] == 8 and entry.architecture["batch_first"]
    own = Loader(backend="onnxruntime").recognizer(path)
    assert own.charset.symbols == ("I", "B") and own.knows_space and own.basis == "raw"
    write_network(path, "I\nB", 3)
    assert not Loader(backend="onnxruntime").recognizer(path).knows_space


def test_symbols_stand_in_a_text_file_where_the_network_does_not_name_them(tmp_path: Path) -> None:
    path = write_network(tmp_path / "plain.onnx", None, 3)
    with pytest.raises(WeightsError, match="plain.txt"):
        other_recognizer(path)
    path.with_suffix(".txt").write_text("I\nB\n", encoding="utf-8")
    entry = other_recognizer(path)
    assert entry is not None and entry.symbols == ("I", "B")
    path.with_suffix(".txt").write_text("I\n", encoding="utf-8")
    other_recognizer(path)  # with the space
    path.with_suffix(".txt").write_bytes(b"\xff")
    with pytest.raises(WeightsError, match="cannot be read"):
        other_recognizer(path)
    other_recognizer(write_network(path, "I\nB", 3))  # the text file is not needed
    write_network(path, None, 3)
    path.with_suffix(".txt").write_text("I\nB\nC\n", encoding="utf-8")
    with pytest.raises(WeightsError, match="3 classes"):
        other_recognizer(path)


def test_a_frame_lies_where_its_pixels_are(tmp_path: Path) -> None:
    path = write_network(tmp_path / "two.onnx", "I\nB", 4)
    recognizer = Recognizer(*Loader(backend="onnxruntime").recognizer(path))
    image = np.zeros((48, 96, 3), np.uint8)
    image[:, 40:48] = 255
    quad = rect_quad(0, 0, 96, 48)
    ((frames,),) = recognizer.recognize([image], [[[quad]]], RecognitionConfig())
    assert len(frames.log_probs) == 12
    assert np.flatnonzero(frames.log_probs.argmax(1)).tolist() == [5]
    assert frames.span_quad(5, 5)[:, 0].tolist() == pytest.approx([40, 48, 48, 40])


def some_of_many(x: np.ndarray) -> np.ndarray:
    """2,000 classes: 0.9 for the blank, a little for 1,500, hardly anything for the others."""
    p = np.full((x.shape[-1] // 4 + 1, len(x), 2000), 1e-12, np.float32)
    p[..., 0], p[..., 1500], p[..., 1600] = 0.9, 1e-5, 1e-7
    return np.log(p)


def test_frames_of_many_classes_keep_the_symbols_that_matter() -> None:
    charset = Charset(tuple(chr(i) for i in range(0x4E00, 0x4E00 + 1999)), blank=True)
    recognizer = Recognizer(some_of_many, charset, 1.0)
    strings = [[[rect_quad(0, 0, 96, 32)]]]
    image = np.zeros((32, 96, 3), np.uint8)
    ((frames,),) = recognizer.recognize([image], strings, RecognitionConfig())
    assert frames.charset.symbols == (charset.symbol(1500),)
    wanted = charset.symbol(1700)
    ((asked,),) = recognizer.keeping(wanted).recognize([image], strings, RecognitionConfig())
    assert asked.charset.symbols == (wanted, charset.symbol(1500))
    together, tables = in_one_charset([frames, asked])
    assert together.symbols == (charset.symbol(1500), wanted)
    np.testing.assert_allclose(tables[1][:, [0, 2, 1]], asked.log_probs)


def test_strings_of_one_charset_keep_their_frames() -> None:
    charset = Charset(("A",), blank=True)
    own = StringFrames(np.zeros((3, 2), np.float32), (), (), charset)
    same, tables = in_one_charset([own, own])
    assert same is charset and tables[0] is own.log_probs


PPOCR = pytest.mark.skipif(find_spec("rapidocr") is None, reason="rapidocr is not installed")


def test_another_file_than_the_known_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctc_onnx, "_rapidocr_models", lambda: tmp_path)
    (tmp_path / ctc_onnx.PPOCR["pp-ocrv6"].file).write_bytes(b"another")
    with pytest.raises(WeightsError, match="path of its ONNX file"):
        other_recognizer("pp-ocrv6")


@PPOCR
@pytest.mark.slow
def test_pp_ocr_reads_under_our_patterns_and_promises_nothing(tmp_path: Path) -> None:
    import cv2

    image = np.full((64, 420, 3), 255, np.uint8)
    cv2.putText(image, "CSQU3054383", (12, 46), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 3)
    reader = Reader(recognizer="pp-ocrv6", backend="onnxruntime")
    (plain,) = reader.recognize([image])
    assert plain.text == "CSQU3054383"
    assert plain.status == "low_confidence" and "not calibrated" in plain.reason
    (coded,) = reader.recognize([image], pattern="iso6346")
    assert coded.codes[0].text == "CSQU3054383" and coded.codes[0].status == "low_confidence"
    lefts = [float(c.character.quad[:, 0].min()) for c in coded.codes[0].characters]
    assert lefts == sorted(lefts) and 0 <= lefts[0] < 30 and 300 < lefts[-1] < 340
    (both,) = reader.recognize([image], pattern="iso6346", engine="agree")
    assert both.codes[0].text == "CSQU3054383" and both.status == "ok"
    with pytest.raises(ConfigError, match="other weights"):
        Reader(recognizer="pp-ocrv6", max_misread_rate=0.01)
    bundle = tmp_path / "bundle"
    reader.export(bundle)
    (again,) = Reader.from_bundle(bundle).recognize([image])
    assert again.text == plain.text
    with pytest.raises(ConfigError, match="exists only as ONNX"):
        reader.export(tmp_path / "every", every_backend=True)
