"""CRAFT, the character detector: the published network and a light one for CPUs.

Baek et al. 2019, "Character Region Awareness for Text Detection" (arXiv 1904.01941). Both
networks turn an image into two maps at half its resolution: channel 0 ``region`` (the center of a
character) and channel 1 ``affinity`` (the middle between two linked characters).
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from industrial_ocr.errors import ConfigError, WeightsError


class CraftVGG(nn.Module):
    """The published CRAFT: VGG16 with batch norm and a U-shaped decoder (section 3.1, figure 2).

    State-dict keys and outputs are those of the authors' clovaai/CRAFT-pytorch, so its checkpoint
    files load (``load_published_craft``). Expects RGB, normalized by ImageNet's mean and standard
    deviation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.basenet = _Vgg16Taps()
        self.upconv1 = _DoubleConv(1024 + 512, 512, 256)
        self.upconv2 = _DoubleConv(256 + 512, 256, 128)
        self.upconv3 = _DoubleConv(128 + 256, 128, 64)
        self.upconv4 = _DoubleConv(64 + 128, 64, 32)
        self.conv_cls = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 16, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 16, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 2, 1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Image to raw maps.

        Args:
            x: (N, 3, H, W) float, H and W multiples of 32.

        Returns:
            (N, 2, H/2, W/2) region and affinity, about 0 to 1 but not clamped, as published.
        """
        relu2, relu3, relu4, norm5, context = self.basenet(x)
        y = self.upconv1(torch.cat([context, norm5], dim=1))
        y = self.upconv2(torch.cat([_resize(y, relu4), relu4], dim=1))
        y = self.upconv3(torch.cat([_resize(y, relu3), relu3], dim=1))
        y = self.upconv4(torch.cat([_resize(y, relu2), relu2], dim=1))
        return cast(Tensor, self.conv_cls(y))

    def scores(self, x: Tensor) -> Tensor:
        """The maps within [0, 1]: (N, 3, H, W) -> (N, 2, H/2, W/2)."""
        return cast(Tensor, self(x)).clamp(0, 1)


class CraftLight(nn.Module):
    """CRAFT's two maps from a light timm backbone and a thin decoder.

    The decoder follows the feature pyramid of Lin et al. 2017 (arXiv 1612.03144, section 3): 1x1
    laterals, doubling by interpolation, sums, one 3x3 convolution a level. Channels are few at the
    fine levels, which cost the most: half resolution has 64 times the pixels of stride 16.

    Args:
        backbone: any timm model with ``features_only`` whose features come at strides
            (2,) 4, 8, 16, 32. One that starts at 4 gets a small strided convolution of its own
            for the half-resolution level.
        in_channels: 1 for gray, 3 for RGB.
        decoder_channels: of the levels at stride 2, 4, 8 and 16.
        backbone_options: further arguments of ``timm.create_model``, such as narrower channels.

    Raises:
        ConfigError: timm does not know the backbone, or its features have other strides.
    """

    def __init__(
        self,
        backbone: str = "mobilenetv4_conv_small",
        in_channels: int = 1,
        decoder_channels: Sequence[int] = (16, 40, 64, 96),
        backbone_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if len(decoder_channels) != 4:
            raise ConfigError(
                f"decoder_channels is one width for each of the strides 2, 4, 8 and 16, "
                f"got {list(decoder_channels)}"
            )
        self.backbone, strides, widths = _timm_features(
            backbone, in_channels, dict(backbone_options or {})
        )
        self.stem: nn.Module | None = None
        if strides[0] == 4:
            self.stem = _conv_norm_relu(in_channels, decoder_channels[0], stride=2)
            widths = [decoder_channels[0], *widths]
        *fine, deepest = widths
        coarser = [*decoder_channels[1:], deepest]
        self.laterals = nn.ModuleList(
            nn.Conv2d(width, out, 1) for width, out in zip(fine, decoder_channels, strict=True)
        )
        self.narrows = nn.ModuleList(
            nn.Conv2d(width, out, 1, bias=False)
            for width, out in zip(coarser, decoder_channels, strict=True)
        )
        self.blocks = nn.ModuleList(_conv_norm_relu(out, out) for out in decoder_channels)
        self.head = nn.Conv2d(decoder_channels[0], 2, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.constant_(cast(Tensor, self.head.bias), 0.02)  # most of an image is no text
        # The feature maps take this layout from the weights; it halves the time on a CPU.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Image to maps, in training and in evaluation alike.

        The output is linear, as in the published network: the paper's squared error would hardly
        move a sigmoid that starts near zero.

        Args:
            x: (N, in_channels, H, W) float, H and W multiples of 32.

        Returns:
            (N, 2, H/2, W/2) region and affinity, unbounded; ``scores`` clips them to 0..1.
        """
        features = self.backbone(x)
        if self.stem is not None:
            features = [self.stem(x), *features]
        y = features[-1]
        levels = list(zip(features[:-1], self.laterals, self.narrows, self.blocks, strict=True))
        for feature, lateral, narrow, block in reversed(levels):
            # The 1x1 convolution comes before the upsampling, which gives the same for a quarter
            # of the work.
            coarse = F.interpolate(narrow(y), size=feature.shape[-2:])
            y = block(lateral(feature).add_(coarse))
        # Always in float32: steps of 1/256 in bfloat16 would turn peaks into plateaus.
        return cast(Tensor, self.head(y.to(self.head.weight.dtype)))

    def scores(self, x: Tensor) -> Tensor:
        """The maps as probabilities: (N, in_channels, H, W) -> (N, 2, H/2, W/2) in [0, 1]."""
        return cast(Tensor, self(x)).clamp(0, 1)


def build_detector(architecture: str, **options: Any) -> CraftVGG | CraftLight:
    """A detector with fresh weights.

    Args:
        architecture: ``vgg16_bn`` for the published network, else a timm backbone.
        options: of ``CraftLight``; the published network has none.

    Raises:
        ConfigError: an unknown backbone, or options for the published network.
    """
    if architecture != "vgg16_bn":
        return CraftLight(architecture, **options)
    if options:
        raise ConfigError(f"vgg16_bn is the published network and takes no {sorted(options)}")
    return CraftVGG()


def load_published_craft(path: str | Path) -> CraftVGG:
    """The published network with the weights of a checkpoint file (``craft_mlt_25k.pth`` ...).

    Returns:
        The model in evaluation mode, on the CPU.

    Raises:
        WeightsError: the file is missing, is no plain checkpoint, or is of another network.
    """
    model = CraftVGG()
    fill(model, read_checkpoint(path), path)
    return model.eval()


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The state dict of a ``.pth`` file on the CPU, without the ``module.`` of DataParallel.

    Only tensors are unpickled (``weights_only``): a checkpoint cannot run code here.

    Raises:
        WeightsError: the file is missing, damaged, needs code to load, or holds no state dict.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be opened; put the file there: {error}") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds more than tensors or is damaged; download it again, or save its "
            "state_dict alone with torch.save where you trust the file"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"{path}: damaged or no checkpoint, download it again") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: a state dict (name to tensor) was expected; save that alone")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def fill(model: nn.Module, state: dict[str, Tensor], path: str | Path) -> None:
    """Loads ``state`` into ``model``; both must have the same keys and shapes.

    Raises:
        WeightsError: keys or shapes differ; names the file and the first keys.
    """
    own = model.state_dict()
    # Files older than PyTorch 0.4.1 lack the counters, which evaluation does not use.
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    extra = [k for k in state if k not in own]
    differing = [k for k, v in state.items() if k in own and v.shape != own[k].shape]
    for what, keys in (("lacks", missing), ("has unknown", extra), ("has other shapes", differing)):
        if keys:
            raise WeightsError(
                f"{path}: is no checkpoint of {type(model).__name__}, it {what} "
                f"{len(keys)} keys such as {keys[:3]}; give the file published for this network"
            )
    model.load_state_dict(state, strict=False)


class _Vgg16Taps(nn.Module):
    """The convolutions of VGG16-BN (Simonyan and Zisserman 2015, table 1 D) with five outputs.

    Layers keep their number in torchvision's ``features``, which the published keys contain. The
    reference code ends each slice before a ReLU, but that ReLU works in place, so all outputs
    except the last are rectified. Here the slices end after the ReLU, with the same outputs.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512):
            if width:
                layers += [
                    nn.Conv2d(channels, width, 3, padding=1),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
                channels = width
            else:
                layers.append(nn.MaxPool2d(2))
        for number, (start, stop) in enumerate(((0, 13), (13, 20), (20, 30), (30, 39)), start=1):
            part = nn.Sequential()
            for i in range(start, stop):
                part.add_module(str(i), layers[i])
            self.add_module(f"slice{number}", part)
        self.slice5 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(512, 1024, 3, padding=6, dilation=6),
            nn.Conv2d(1024, 1024, 1),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> features at strides 2, 4, 8, 16, 16."""
        features = []
        for number in range(1, 6):
            x = self.get_submodule(f"slice{number}")(x)
            features.append(x)
        return features


class _DoubleConv(nn.Module):
    """A 1x1 and a 3x3 convolution, each with batch norm and ReLU."""

    def __init__(self, channels: int, middle: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, middle, 1),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, out, 3, padding=1),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(x))


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _conv_norm_relu(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


def _timm_features(
    name: str, in_channels: int, options: dict[str, Any]
) -> tuple[nn.Module, list[int], list[int]]:
    """A timm backbone that returns its features, with their strides and widths."""
    if not timm.is_model(name):
        raise ConfigError(f"timm knows no model {name!r}; timm.list_models() lists them")
    backbone = timm.create_model(
        name, pretrained=False, features_only=True, in_chans=in_channels, **options
    )
    info = cast(Any, backbone).feature_info
    strides = list(info.reduction())
    if strides not in ([2, 4, 8, 16, 32], [4, 8, 16, 32]):
        raise ConfigError(
            f"{name}: features at strides (2,) 4, 8, 16, 32 are needed, it has {strides}"
        )
    return backbone, strides, list(info.channels())
