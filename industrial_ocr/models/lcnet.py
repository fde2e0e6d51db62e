"""The convolutions of PP-OCRv6's small recognizer (PaddleOCR, Apache-2.0), for a CRNN.

A network of the LCNet family (Cui et al. 2021, arXiv 2109.15099): depthwise convolutions, some with
squeeze and excitation, each followed by two pointwise ones. Its published weights have the batch
norms folded in, so there are none here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = (
    # channels in and out, stride of the rows, squeeze and excitation
    (96, 96, 1, True),
    (96, 96, 1, False),
    (96, 96, 1, False),
    (96, 192, 2, False),
    (192, 192, 1, True),
    (192, 192, 1, False),
    (192, 192, 1, True),
    (192, 192, 1, False),
    (192, 192, 1, True),
    (192, 192, 1, False),
    (192, 384, 2, False),
    (384, 384, 1, True),
    (384, 384, 1, False),
)


class LcNet(nn.Module):
    """Gray strips to features: (N, 1, 48, W) -> (N, 384, 1, W / 4), W a multiple of 4."""

    channels = 384

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Stem()
        self.blocks = nn.Sequential(*(_Block(*sizes) for sizes in BLOCKS))

    def forward(self, x: Tensor) -> Tensor:
        """The mean of the last three rows of features."""
        features: Tensor = self.blocks(self.stem(x))
        return features.mean(2, keepdim=True)

    def convolutions(self) -> list[nn.Conv2d]:
        """All convolutions in the order in which they are computed, as ONNX files have them."""
        return [m for m in self.modules() if isinstance(m, nn.Conv2d)]


class _Stem(nn.Module):
    """(N, 1, H, W) -> (N, 96, H / 4, W / 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 48, 3, stride=2, padding=1)
        self.conv2a = nn.Conv2d(48, 24, 2)
        self.conv2b = nn.Conv2d(24, 48, 2)
        self.conv3 = nn.Conv2d(96, 48, 3, stride=2, padding=1)
        self.conv4 = nn.Conv2d(48, 96, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.conv1(x))
        # A window of 2 x 2 looks at a pixel, the one right of it and those below.
        beyond = F.pad(first, (0, 1, 0, 1))
        deep = F.relu(self.conv2a(beyond))
        deep = F.relu(self.conv2b(F.pad(deep, (0, 1, 0, 1))))
        both = torch.cat([F.max_pool2d(beyond, 2, stride=1), deep], 1)
        return F.relu(self.conv4(F.relu(self.conv3(both))))


class _Block(nn.Module):
    """A depthwise convolution, then two pointwise ones, with a shortcut where sizes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int, excites: bool) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(inputs, inputs, 3, (stride, 1), padding=1, groups=inputs)
        self.excitation = _Excitation(inputs) if excites else None
        self.expand = nn.Conv2d(inputs, 2 * inputs, 1)
        self.project = nn.Conv2d(2 * inputs, outputs, 1)
        self.shortcut = inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        x = self.spatial(x)
        if self.excitation is not None:
            x = self.excitation(x)
        y: Tensor = self.project(F.gelu(self.expand(x)))
        return x + y if self.shortcut else y


class _Excitation(nn.Module):
    """Weighs channels by their means over the strip (Hu et al. 2017, arXiv 1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x * F.hardsigmoid(self.excite(means))
