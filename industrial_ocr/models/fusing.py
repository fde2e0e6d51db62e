"""The same network in less time: batch norms folded, convolutions of few pixels as matrices."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Folds, in place, every batch norm that directly follows a convolution.

    Followed is what the parent module names next; networks that call their parts in another order
    are not for this. A batch norm with an activation of its own is left as it is.

    Args:
        model: in evaluation mode, not to be trained any more.

    Returns:
        The same model.
    """
    for parent in list(model.modules()):
        for (name, one), (following, two) in pairwise(list(parent.named_children())):
            owner = parent
            while isinstance(one, nn.Sequential) and len(one):  # a stem of several convolutions
                owner, (name, one) = one, list(one.named_children())[-1]
            if not isinstance(one, nn.Conv2d) or not isinstance(two, nn.BatchNorm2d):
                continue
            if type(two) is nn.BatchNorm2d and two.num_features == one.out_channels:
                setattr(owner, name, fuse_conv_bn_eval(one, two))
                setattr(parent, following, nn.Identity())
    return model


SMALLEST, FEW_PIXELS = 128, 4
"""Channels and pixels of a map from which and up to which a matrix is faster than a convolution."""


def small_maps_as_matrices(model: nn.Module, sample: Tensor) -> nn.Module:
    """Replaces, in place, convolutions over maps of a few pixels by one matrix product each.

    On a map of 2x2 pixels five of the nine taps of a 3x3 convolution fall outside, and what is
    left is a plain matrix from all inputs to all outputs, which libraries multiply faster.

    Args:
        model: in evaluation mode, not to be trained any more.
        sample: an input of the size that it will get; batches of any number.

    Returns:
        The same model. Of inputs of another size it gives what it gave before.
    """
    sizes: dict[nn.Module, tuple[int, int]] = {}
    hooks = [
        module.register_forward_pre_hook(
            lambda own, inputs: sizes.__setitem__(own, tuple(inputs[0].shape[2:]))
        )
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.inference_mode():
        model(sample)
    for hook in hooks:
        hook.remove()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child in sizes and _suits(child, sizes[child]):
                setattr(parent, name, _MatrixConv(child, sizes[child]))
    return model


def _suits(conv: nn.Conv2d, size: tuple[int, int]) -> bool:
    plain = conv.groups == 1 and conv.dilation == (1, 1) and conv.padding_mode == "zeros"
    large = conv.in_channels >= SMALLEST and conv.kernel_size != (1, 1)
    return plain and large and size[0] * size[1] <= FEW_PIXELS and not isinstance(conv.padding, str)


class _MatrixConv(nn.Module):
    """A convolution over maps of one size, as a matrix from (row, column, channel) to the same."""

    def __init__(self, conv: nn.Conv2d, size: tuple[int, int]) -> None:
        super().__init__()
        self.conv, self.size = conv, size
        steps, margins = cast(Any, conv.stride), cast(Any, conv.padding)
        kernel = conv.kernel_size
        self.out = tuple((size[k] + 2 * margins[k] - kernel[k]) // steps[k] + 1 for k in range(2))
        weight = conv.weight.detach()
        matrix = weight.new_zeros(*self.out, conv.out_channels, *size, conv.in_channels)
        for row in range(self.out[0]):
            for column in range(self.out[1]):
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        y, x = row * steps[0] + i - margins[0], column * steps[1] + j - margins[1]
                        if 0 <= y < size[0] and 0 <= x < size[1]:
                            matrix[row, column, :, y, x] = weight[:, :, i, j]
        outputs = self.out[0] * self.out[1] * conv.out_channels
        self.register_buffer("matrix", matrix.reshape(outputs, -1), persistent=False)
        bias = None if conv.bias is None else conv.bias.detach().repeat(self.out[0] * self.out[1])
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        if tuple(x.shape[2:]) != self.size:
            return cast(Tensor, self.conv(x))
        flat = x.permute(0, 2, 3, 1).reshape(len(x), -1)
        out = F.linear(flat, cast(Tensor, self.matrix), cast(Tensor | None, self.bias))
        return out.reshape(len(x), *self.out, -1).permute(0, 3, 1, 2)
