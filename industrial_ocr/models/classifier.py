"""The glyph classifier: any timm network on small gray crops."""

from __future__ import annotations

from typing import Any, cast

import timm
from torch import Tensor, nn

from industrial_ocr.errors import ConfigError


class GlyphClassifier(nn.Module):
    """A timm image classifier with one gray channel.

    Args:
        classes: number of outputs.
        architecture: a name of ``timm.list_models()``.
        options: of ``timm.create_model``, such as ``drop_rate``.

    Raises:
        ConfigError: timm does not know the architecture.
    """

    def __init__(
        self, classes: int, architecture: str = "mobilenetv4_conv_small_050", **options: Any
    ) -> None:
        super().__init__()
        if not timm.is_model(architecture):
            raise ConfigError(
                f"timm knows no model {architecture!r}; timm.list_models() lists them"
            )
        self.net = timm.create_model(
            architecture, pretrained=False, in_chans=1, num_classes=classes, **options
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) float -> (N, classes) logits."""
        return cast(Tensor, self.net(x))
