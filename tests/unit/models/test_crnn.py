"""CRNN: the golden arrays of crnn.pytorch, and the paper's own table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from industrial_ocr.errors import ConfigError, WeightsError
from industrial_ocr.models.crnn import FIRST_FRAMES, FRAME_STRIDE, Crnn, load_published_crnn

Weights = Callable[[str], dict[str, Tensor]]
Arrays = Callable[[str], dict[str, np.ndarray]]


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_reference_variant_has_the_published_keys_and_shapes(golden_weights: Weights) -> None:
    expected = {key: value.shape for key, value in golden_weights("crnn").items()}
    own = Crnn(37, variant="crnn.pytorch").state_dict()
    assert {key: value.shape for key, value in own.items()} == expected


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_checkpoint_gives_the_reference_output(
    prefix: str, golden_weights: Weights, golden_arrays: Arrays, tmp_path: Path
) -> None:
    torch.save({prefix + k: v for k, v in golden_weights("crnn").items()}, tmp_path / "crnn.pth")
    model = load_published_crnn(tmp_path / "crnn.pth")
    golden = golden_arrays("crnn")
    with torch.inference_mode():
        log_probs = model(torch.from_numpy(golden["image"])[None, None])
    np.testing.assert_allclose(log_probs[:, 0].numpy(), golden["log_probs"], atol=1e-5)


def test_published_checkpoint_tells_its_own_size(tmp_path: Path) -> None:
    torch.save(Crnn(12, hidden=64, variant="crnn.pytorch").state_dict(), tmp_path / "small.pth")
    model = load_published_crnn(tmp_path / "small.pth")
    assert model(torch.zeros(1, 1, 32, 100)).shape == (26, 1, 12)


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"lacks 'rnn\.1\.embedding\.weight'"):
        load_published_crnn(tmp_path / "other.pth")
    torch.save(Crnn(37, variant="paper").state_dict(), tmp_path / "paper.pth")
    with pytest.raises(WeightsError, match=r"batchnorm"):
        load_published_crnn(tmp_path / "paper.pth")


def test_paper_variant_is_table_1() -> None:
    model = Crnn(37)
    assert _parameters(model) == 8_330_789
    names = [name for name, _ in model.cnn.named_children()]
    assert [n for n in names if n.startswith("batchnorm")] == ["batchnorm4", "batchnorm5"]
    pools = [m for m in model.cnn if isinstance(m, nn.MaxPool2d)]
    windows = [np.broadcast_to(pool.kernel_size, 2).tolist() for pool in pools]
    assert windows == [[2, 2], [2, 2], [2, 1], [2, 1]]


def test_selu_variant_has_31_steps_for_128_pixels() -> None:
    model = Crnn(75, hidden=128, variant="selu").eval()
    with torch.inference_mode():
        assert model(torch.rand(2, 1, 32, 128)).shape == (31, 2, 75)
    convolutions = [m for m in model.cnn if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [32, 64, 128, 128, 256, 256, 64]
    assert convolutions[-1].kernel_size == (2, 2)
    activations = [m for m in model.cnn if isinstance(m, (nn.SELU, nn.ReLU))]
    assert len(activations) == 7 and all(isinstance(m, nn.SELU) for m in activations)
    assert [m.hidden_size for m in model.modules() if isinstance(m, nn.LSTM)] == [128, 128]


def test_width_scales_channels_in_multiples_of_8() -> None:
    for width, first, last in ((0.5, 32, 256), (0.3, 16, 152), (0.125, 8, 64)):
        convolutions = [m for m in Crnn(37, width).cnn if isinstance(m, nn.Conv2d)]
        assert (convolutions[0].out_channels, convolutions[-1].out_channels) == (first, last)
    assert _parameters(Crnn(37, 0.5, hidden=128)) == 2_090_789


@pytest.mark.parametrize("variant", ["paper", "crnn.pytorch"])
def test_frames_and_probabilities_at_any_width(variant: str) -> None:
    model = Crnn(11, width=0.125, hidden=8, variant=variant).eval()
    for width, frames in ((4, 2), (100, 26), (101, 26), (103, 26), (104, 27), (333, 84)):
        with torch.inference_mode():
            log_probs = model(torch.rand(2, 1, 32, width))
        assert log_probs.shape == (frames, 2, 11)
        torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(frames, 2))


@pytest.mark.parametrize("variant", ["paper", "crnn.pytorch", "selu"])
def test_frame_t_is_centerd_on_4t(variant: str) -> None:
    """Pixels that move frame t of the convolutions lie evenly around x = 4 t, counted as named."""
    model = Crnn(11, width=0.25, hidden=8, variant=variant).double().eval()
    x = torch.rand(1, 1, 32, 200, dtype=torch.double, requires_grad=True)
    for module in model.cnn:
        if isinstance(module, nn.MaxPool2d):  # average, so that every pixel of a window counts
            pool = nn.AvgPool2d(module.kernel_size, module.stride, module.padding)
            module.forward = pool.forward
        elif isinstance(module, (nn.ReLU, nn.SELU)):
            module.forward = nn.Identity().forward
    t = 25
    model.cnn(x)[0, :, 0, t - FIRST_FRAMES[variant]].square().sum().backward()
    assert x.grad is not None
    seen = x.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert (seen.min().item() + seen.max().item() + 1) / 2 == FRAME_STRIDE * t


def test_impossible_sizes_are_refused() -> None:
    for bad in ({"classes": 1}, {"width": 0.05}, {"hidden": 0}, {"variant": "resnet"},
                {"bottleneck": 8}):  # fmt: skip
        with pytest.raises(ConfigError, match="got"):
            Crnn(**{"classes": 37} | bad)
