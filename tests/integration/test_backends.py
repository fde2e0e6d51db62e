"""The networks give the same on every backend, and a reader on each of them reads the same."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from industrial_ocr import Reader
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.errors import ConfigError, MissingPackageError, WeightsError
from industrial_ocr.image.preprocess import detector_input, normalize_crops
from industrial_ocr.inference import loading
from industrial_ocr.inference.loading import Loader
from industrial_ocr.inference.manifest import find_entry

pytestmark = pytest.mark.slow

BACKENDS = ("torch", "onnxruntime", "openvino")
LABEL = Path(__file__).resolve().parents[2] / "examples" / "label.png"
SHAPES = {
    "detector": [(1, 2, 64, 96), (3, 2, 160, 128)],
    "classifier": [(1, 1, 40, 40), (7, 1, 40, 40)],
    "recognizer": [(1, 1, 48, 100), (5, 1, 48, 340)],
}


@pytest.fixture(scope="module")
def readers() -> dict[str, Reader]:
    return {backend: Reader(backend=backend, threads=1) for backend in BACKENDS}


@pytest.mark.parametrize("task", SHAPES)
def test_outputs_are_those_of_torch(task: str) -> None:
    networks = [getattr(Loader(backend=b), task)(None).network for b in BACKENDS]
    rng = np.random.default_rng(3)
    for shape in SHAPES[task]:
        batch = rng.normal(size=shape).astype(np.float32)
        expected, *others = [network(batch) for network in networks]
        for output in others:
            assert output.dtype == np.float32
            np.testing.assert_allclose(output, expected, atol=2e-4)


@pytest.mark.parametrize("task", ["detector", "classifier"])
def test_int8_outputs_are_near_those_of_float32(task: str) -> None:
    strip = StripRenderer(heights=(30.0, 31.0)).render((12, 1), "AB12CD").image
    gray = cv2.resize(cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY), (192, 64))
    crops = np.stack([gray[12:52, x : x + 40] for x in range(0, 152, 8)])
    inputs = {"detector": detector_input(gray)[None], "classifier": normalize_crops(crops)[:, None]}
    outputs = [
        getattr(Loader(backend=backend, precision=precision), task)(None).network(inputs[task])
        for backend in BACKENDS[1:]
        for precision in ("fp32", "int8")
    ]
    differences = [np.abs(outputs[i + 1] - outputs[i]).max() for i in (0, 2)]
    assert min(differences) > 0
    assert max(differences) < {"detector": 0.1, "classifier": 0.5}[task]


def test_auto_is_int8_on_a_cpu_where_the_model_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [Loader(backend=b, precision="auto") for b in BACKENDS[1:]]
    detector, classifier, recognizer = map(find_entry, ("detector", "classifier", "recognizer"))
    for loader in chosen:
        assert [loader._precision_of(e) for e in (detector, classifier)] == ["int8", "int8"]
    bare = classifier.model_copy(update={"int8": ""})
    assert [chosen[0]._precision_of(e) for e in (bare, recognizer)] == ["fp32", "fp32"]
    for has_bf16, expected in ((True, "bf16"), (False, "fp32")):
        name = "industrial_ocr.inference.openvino_backend.has_bf16"
        monkeypatch.setattr(name, lambda device, has=has_bf16: has)
        assert [chosen[1]._precision_of(e) for e in (bare, recognizer)] == [expected, expected]


def test_the_recognizer_has_bf16_on_openvino_and_never_int8() -> None:
    recognizer = find_entry("recognizer")
    for precision, expected in (("bf16", "bf16"), ("int8", "fp32"), ("fp32", "fp32")):
        assert Loader(backend="openvino", precision=precision)._precision_of(recognizer) == expected
    assert Loader(backend="torch", precision="bf16")._precision_of(recognizer) == "fp32"


def test_200_pictures_read_the_same(readers: dict[str, Reader]) -> None:
    renderer = StripRenderer(heights=(14.0, 40.0))
    strips = [renderer.render((11, i)).image for i in range(200)]
    texts = []
    for reader in readers.values():
        crnn = reader.recognize(strips[:150], engine="crnn")
        two_stage = reader.recognize(strips[150:], engine="two-stage")
        texts.append([result.text for result in [*crnn, *two_stage]])
    assert texts[1] == texts[0]
    assert texts[2] == texts[0]
    assert sum(map(bool, texts[0])) > 150


def after_reading(backend: str, told: str) -> str:
    """What an expression shows in a new process that has read a picture."""
    code = (
        "import sys; from industrial_ocr import Reader; "
        f"Reader(backend={backend!r}).read({str(LABEL)!r}); print({told})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_nothing_of_torch_is_imported_to_read_on_a_cpu() -> None:
    heavy = "torch", "timm", "albumentations", "safetensors"
    assert after_reading("onnxruntime", f"[m for m in {heavy} if m in sys.modules]") == "[]"


def test_openvino_sends_no_usage_data() -> None:
    told = "'openvino' in sys.modules, [m for m in sys.modules if 'openvino_telemetry.' in m]"
    assert after_reading("openvino", told) == "True []"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_reader_can_be_pickled(backend: str, readers: dict[str, Reader]) -> None:
    copy = pickle.loads(pickle.dumps(readers[backend]))
    assert copy.backend == backend
    assert copy.read(LABEL).text == readers[backend].read(LABEL).text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_forked_child_reads_and_ends(backend: str) -> None:
    code = (
        "import os, sys; from industrial_ocr import Reader\n"
        f"reader = Reader(backend={backend!r}, threads=2)\n"
        f"text = reader.read({str(LABEL)!r}).text\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        f"    sys.exit(0 if reader.read({str(LABEL)!r}).text == text else 3)\n"
        "print(os.waitpid(pid, 0)[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.strip() == "0"


def test_networks_are_loaded_when_they_are_needed() -> None:
    reader = Reader(backend="onnxruntime")
    reader.read(LABEL, engine="two-stage")
    assert reader._classifier._network._session is not None
    assert reader._recognizer._network._session is None


def test_a_backend_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name="openvino")

    monkeypatch.setattr(loading, "import_module", missing)
    with pytest.raises(MissingPackageError, match=r"industrial-ocr\[openvino\]"):
        Loader(backend="openvino")


def test_auto_takes_onnx_runtime_where_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    assert Loader().backend == "onnxruntime"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "tensorrt"}, "backend must be one of"),
        ({"backend": "openvino", "device": "cuda"}, "runs on the CPU"),
        ({"backend": "onnxruntime", "precision": "bf16"}, "use backend 'openvino'"),
        ({"backend": "torch", "precision": "int8"}, "torch has no precision int8"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"device": "tpu"}, "unknown or not available"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Reader(**options)


def test_int8_of_weights_without_an_int8_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    find_entry = loading.find_entry
    monkeypatch.setattr(
        loading, "find_entry", lambda *a: find_entry(*a).model_copy(update={"int8": ""})
    )
    with pytest.raises(WeightsError, match=r"craft-fast.*has no int8 file"):
        Reader(backend="onnxruntime", precision="int8")


def test_weights_without_an_onnx_file_need_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    find_entry = loading.find_entry
    monkeypatch.setattr(
        loading, "find_entry", lambda *a: find_entry(*a).model_copy(update={"onnx": ""})
    )
    reader = Reader(backend="onnxruntime")
    assert reader.read(LABEL, engine="two-stage").text
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="has no ONNX file"):
        Reader(backend="onnxruntime").read(LABEL)
