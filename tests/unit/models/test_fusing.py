"""Networks with batch norms folded answer as before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.models.craft import CraftVGG, build_detector
from industrial_ocr.models.crnn import Crnn
from industrial_ocr.models.fusing import fold_batch_norms

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "light detector": (lambda: build_detector("resnet18", in_channels=2), (1, 2, 64, 96)),
    "published detector": (CraftVGG, (1, 3, 64, 64)),
    "classifier": (lambda: GlyphClassifier(12, "resnet10t"), (2, 1, 40, 40)),
    "crnn": (lambda: Crnn(12, width=0.25, hidden=32, variant="crnn.pytorch"), (2, 1, 32, 100)),
    "crnn of the paper": (lambda: Crnn(12, width=0.25, hidden=32), (2, 1, 32, 100)),
}


def _lived_in(model: nn.Module) -> nn.Module:
    """Batch norms with statistics and scales as after a training."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.3)
            part.running_mean = torch.randn_like(part.bias) * 0.3
            part.running_var = torch.rand_like(part.bias) + 0.5
    return model.eval()


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_the_answers_stay(name: str) -> None:
    torch.manual_seed(3)
    make, shape = NETWORKS[name]
    model, x = _lived_in(make()), torch.randn(shape)
    before = model(x)
    count = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert count
    after = fold_batch_norms(model)(x)
    assert not any(type(m) is nn.BatchNorm2d for m in model.modules())
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


def test_what_does_not_follow_a_convolution_stays() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3))
    fold_batch_norms(model.eval())
    assert [type(m) for m in model] == [nn.BatchNorm2d, nn.Conv2d, nn.ReLU, nn.BatchNorm2d]
