"""The glyph classifier's shape, and its refusal of unknown names."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from industrial_ocr.errors import ConfigError
from industrial_ocr.models.classifier import GlyphClassifier


@pytest.mark.parametrize("options", [{}, {"architecture": "lcnet_050", "drop_rate": 0.1}])
def test_any_timm_model_gives_one_logit_a_class(options: dict[str, Any]) -> None:
    model = GlyphClassifier(75, **options).eval()
    with torch.inference_mode():
        assert model(torch.rand(3, 1, 32, 32)).shape == (3, 75)


def test_unknown_architecture_is_named() -> None:
    with pytest.raises(ConfigError, match="'my_net'"):
        GlyphClassifier(75, "my_net")
