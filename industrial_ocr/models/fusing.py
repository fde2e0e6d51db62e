"""Folds batch norms into the convolutions before them."""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Folds, in place, every batch norm that directly follows a convolution.

    The next child of the parent module counts as following, so the network must call its parts in
    that order. A batch norm with an activation of its own is left unchanged.

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
