"""CRAFT: the published network to the last bit of its golden arrays, and the light one's shape."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from industrial_ocr.errors import ConfigError, WeightsError
from industrial_ocr.models.craft import CraftLight, CraftVGG, build_detector, load_published_craft

Weights = Callable[[str], dict[str, Tensor]]
Arrays = Callable[[str], dict[str, np.ndarray]]


class _RunsCode:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("should-never-exist",)


@pytest.fixture(scope="module")
def published(golden_weights: Weights) -> CraftVGG:
    model = CraftVGG()
    model.load_state_dict(golden_weights("craft"))
    return model.eval()


def _golden_input(golden: dict[str, np.ndarray]) -> Tensor:
    return torch.from_numpy(golden["resized_normalised"]).permute(2, 0, 1)[None]


def test_vgg_has_the_published_keys_and_shapes(golden_weights: Weights) -> None:
    expected = {key: value.shape for key, value in golden_weights("craft").items()}
    assert {key: value.shape for key, value in CraftVGG().state_dict().items()} == expected


def test_vgg_outputs_equal_the_reference(published: CraftVGG, golden_arrays: Arrays) -> None:
    golden = golden_arrays("craft")
    with torch.inference_mode():
        region, affinity = published(_golden_input(golden))[0].numpy()
    np.testing.assert_allclose(region, golden["region"], atol=1e-4)
    np.testing.assert_allclose(affinity, golden["affinity"], atol=1e-4)


def test_vgg_scores_are_the_clamped_maps(published: CraftVGG, golden_arrays: Arrays) -> None:
    golden = golden_arrays("craft")
    with torch.inference_mode():
        scores = published.scores(_golden_input(golden))[0].numpy()
    expected = np.stack([golden["region"], golden["affinity"]]).clip(0, 1)
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_published_checkpoint_loads_with_and_without_prefix(
    golden_weights: Weights, golden_arrays: Arrays, tmp_path: Path
) -> None:
    golden, weights = golden_arrays("craft"), golden_weights("craft")
    old = {f"module.{k}": v for k, v in weights.items() if "num_batches" not in k}
    for name, state in {"plain": weights, "parallel": old}.items():
        torch.save(state, tmp_path / name)
        model = load_published_craft(tmp_path / name)
        assert not model.training
        with torch.inference_mode():
            region = model(_golden_input(golden))[0, 0].numpy()
        np.testing.assert_allclose(region, golden["region"], atol=1e-4)


@pytest.mark.slow
def test_unusable_checkpoints_say_what_to_do(
    golden_weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = golden_weights("craft")
    torch.save(weights, "whole.pth")
    content = Path("whole.pth").read_bytes()
    Path("truncated.pth").write_bytes(content[: len(content) // 2])
    Path("empty.pth").touch()
    Path("text.pth").write_text("<html>not found</html>")
    torch.save({"a": _RunsCode()}, "code.pth")
    torch.save([1, 2], "list.pth")
    torch.save({k: v for k, v in weights.items() if "upconv1" not in k}, "lacking.pth")
    torch.save(weights | {"more": torch.zeros(1)}, "extra.pth")
    torch.save(weights | {"conv_cls.8.bias": torch.zeros(3)}, "shape.pth")
    cases = {
        "absent.pth": "put the file there",
        "truncated.pth": "download it again",
        "empty.pth": "download it again",
        "text.pth": "download it again",
        "code.pth": "more than tensors",
        "list.pth": "state dict",
        "lacking.pth": r"lacks 12 keys such as .*upconv1",
        "extra.pth": "unknown 1 keys such as .*more",
        "shape.pth": r"other shapes 1 keys such as .*conv_cls\.8\.bias",
    }
    for name, message in cases.items():
        with pytest.raises(WeightsError, match=f"^{name}: .*{message}"):
            load_published_craft(name)
    assert not Path("should-never-exist").exists()


@pytest.mark.parametrize("backbone", ["mobilenetv4_conv_small_050", "convnext_atto"])
@pytest.mark.parametrize("channels", [1, 3])
def test_light_gives_half_resolution_from_first_stride_2_or_4(backbone: str, channels: int) -> None:
    model = CraftLight(backbone, in_channels=channels, decoder_channels=(8, 8, 16, 16)).eval()
    with torch.inference_mode():
        assert model(torch.rand(2, channels, 64, 96)).shape == (2, 2, 32, 48)


def test_light_starts_near_no_text() -> None:
    torch.manual_seed(0)
    model = CraftLight("mobilenetv4_conv_small_050").eval()
    with torch.inference_mode():
        maps = model(torch.rand(1, 1, 64, 64))
    assert maps.min() > 0.01
    assert maps.max() < 0.04


def test_light_scores_are_its_clamped_maps() -> None:
    model = CraftLight("mobilenetv4_conv_small_050").eval()
    torch.nn.init.normal_(model.head.weight, std=5.0)
    x = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        maps, scores = model(x), model.scores(x)
    assert maps.min() < 0 or maps.max() > 1
    torch.testing.assert_close(scores, maps.clamp(0, 1))


def test_light_learns_at_every_level() -> None:
    torch.manual_seed(0)
    model = CraftLight("mobilenetv4_conv_small_050").train()
    model(torch.rand(2, 1, 64, 64)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_build_detector_refuses_what_it_cannot_build() -> None:
    assert isinstance(build_detector("vgg16_bn"), CraftVGG)
    assert isinstance(build_detector("lcnet_050", in_channels=3), CraftLight)
    with pytest.raises(ConfigError, match="in_channels"):
        build_detector("vgg16_bn", in_channels=1)
    with pytest.raises(ConfigError, match="no model 'resnet_of_my_own'"):
        build_detector("resnet_of_my_own")
    with pytest.raises(ConfigError, match=r"strides .* it has \[16, 16, 16\]"):
        build_detector("vit_tiny_patch16_224")
    with pytest.raises(ConfigError, match="decoder_channels"):
        build_detector("lcnet_050", decoder_channels=(8, 8))
