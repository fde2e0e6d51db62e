"""CRNN, the string recognizer.

Shi, Bai and Yao 2015, "An End-to-End Trainable Neural Network for Image-based Sequence
Recognition" (arXiv 1507.05717): convolutions, two bidirectional LSTMs, and CTC over the frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from industrial_ocr.errors import ConfigError, WeightsError
from industrial_ocr.models.craft import fill, read_checkpoint
from industrial_ocr.models.lcnet import LcNet

Variant = Literal["paper", "crnn.pytorch", "lcnet", "selu"]

STRIP_HEIGHTS: dict[Variant, int] = {"paper": 32, "crnn.pytorch": 32, "lcnet": 48, "selu": 32}
"""Rows of the strips that a network reads."""
FRAME_STRIDE = 4
"""Input pixels from frame to frame; frame ``t`` looks at a window centered on x = 4 t."""

FIRST_FRAMES: dict[Variant, int] = {"paper": 0, "crnn.pytorch": 0, "lcnet": 0, "selu": 1}
"""Number of the first frame: a network that does not pad its last convolution has no frame 0."""

_BATCH_NORMS = {"paper": (4, 5), "crnn.pytorch": (2, 4, 6), "selu": (4, 5)}


class Crnn(nn.Module):
    """Table 1 of the paper; 8.3 million parameters with its 37 classes.

    ``paper``: batch norm after the 5th and the 6th convolution, and 1x2 windows (1 wide, 2 high)
    in the 3rd and the 4th pooling. ``crnn.pytorch``: as in meijieru/crnn.pytorch, whose
    checkpoints load: batch norm after the 3rd, 5th and 7th, and pooling windows of 2x2 with a
    stride of 1x2 over a padded width.

    Table 1 taken literally leaves W/4 - 1 frames, the paper's text says W/4, its authors' code
    and crnn.pytorch give W/4 + 1. Both variants here give W/4 + 1, the ``paper`` one by padding
    the last convolution by a column on either side: characters at the edges keep their frames.

    ``lcnet`` replaces the seven convolutions by those of PP-OCRv6's small recognizer; strips have
    48 rows and give W/4 frames. ``width`` does not apply.

    ``selu`` is the small network of many tutorials: 32, 64, 128, 128, 256, 256 and 64 channels,
    SELU (Klambauer et al. 2017, arXiv 1706.02515) for ReLU, pooling and batch norms as in
    ``paper``, and no padding in the last convolution. It leaves Table 1's W/4 - 1 frames: 31 for
    128 pixels. ``hidden`` is 128 there.

    ``bottleneck`` is for charsets of thousands of symbols, with ``lcnet``: a linear layer from few
    numbers a frame to the classes, which are the sum of the LSTMs' output and of one layer on the
    convolutions, as in PP-OCRv6.

    Args:
        classes: outputs, the CTC blank (class 0) included.
        width: multiplies the channels of the convolutions, rounded down to a multiple of 8.
        hidden: units of each LSTM direction.
        variant: see above.
        bottleneck: inputs of the last layer; 0 for the output of the LSTMs.

    Raises:
        ConfigError: an impossible size or an unknown variant.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        hidden: int = 256,
        variant: Variant = "paper",
        bottleneck: int = 0,
    ) -> None:
        super().__init__()
        if variant not in STRIP_HEIGHTS:
            raise ConfigError(f"variant is one of {sorted(STRIP_HEIGHTS)}, got {variant!r}")
        bases = (64, 128, 256, 256, 512, 512, 512)
        if variant == "selu":
            bases = (32, 64, 128, 128, 256, 256, 64)
        channels = [int(base * width) // 8 * 8 for base in bases]
        if classes < 2 or hidden < 1 or min(channels) < 8:
            raise ConfigError(
                "a CRNN needs 2 classes, 1 hidden unit and a width of 0.125 at least, "
                f"got classes={classes}, hidden={hidden}, width={width}"
            )
        if bottleneck and variant != "lcnet":
            raise ConfigError(f"a bottleneck needs variant 'lcnet', got {variant!r}")
        self.variant = variant
        own = variant == "lcnet"
        self.cnn = LcNet() if own else _convolutions(channels, variant)
        self.rnn = nn.Sequential(
            _BidirectionalLstm(LcNet.channels if own else channels[-1], hidden, hidden),
            _BidirectionalLstm(hidden, hidden, bottleneck or classes),
        )
        self.shortcut = nn.Linear(LcNet.channels, bottleneck) if bottleneck else None
        self.head = nn.Linear(bottleneck, classes) if bottleneck else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Gray strings to log-probabilities of every class in every frame.

        Args:
            x: (N, 1, 32, W) float, normalized to mean 0; the paper uses W >= 100. Variant
                ``lcnet``: (N, 1, 48, W).

        Returns:
            (T, N, classes) with T = W // 4 + 1 (``lcnet``: W / 4, ``selu``: W // 4 - 1), as
            ``torch.nn.functional.ctc_loss`` takes it.
        """
        features = self.cnn(x)
        frames = features.squeeze(2).permute(2, 0, 1)
        said = self.rnn(frames)
        if self.shortcut is not None:
            said = said + F.silu(self.shortcut(frames))
        return F.log_softmax(self.head(said), dim=-1)

    def freeze(self, count: int) -> None:
        """Excludes the first convolutions from training.

        Args:
            count: number of convolutions to freeze, with their batch norms; for ``lcnet``, of
                parts: the stem, 13 blocks and, with a bottleneck, the last layer.
        """
        if isinstance(self.cnn, LcNet):
            parts = [self.cnn.stem, *self.cnn.blocks, self.head]
            for part in parts[:count]:
                part.requires_grad_(False)
            return
        for i in range(count):
            for name, module in self.cnn.named_children():
                if name in (f"conv{i}", f"batchnorm{i}"):
                    module.requires_grad_(False)


def load_published_crnn(path: str | Path) -> Crnn:
    """A checkpoint of crnn.pytorch (``crnn.pth`` ...); its tensors give the network's size.

    Args:
        path: the checkpoint file.

    Returns:
        The model in evaluation mode, on the CPU.

    Raises:
        WeightsError: the file is missing, is no plain checkpoint or is of another network.
    """
    state = read_checkpoint(path)
    try:
        classes = len(state["rnn.1.embedding.weight"])
        hidden = state["rnn.0.rnn.weight_hh_l0"].shape[1]
    except (KeyError, IndexError, TypeError) as error:
        raise WeightsError(
            f"{path}: is no checkpoint of crnn.pytorch, it lacks {error}; "
            "give a file with the keys of that repository"
        ) from error
    model = Crnn(classes, hidden=hidden, variant="crnn.pytorch")
    fill(model, state, path)
    return model.eval()


def _convolutions(channels: list[int], variant: Variant) -> nn.Sequential:
    """(N, 1, 32, W) -> (N, channels[-1], 1, frames); names are those of crnn.pytorch."""
    selu = variant == "selu"
    # Kernel, stride and padding are (height, width) here; the paper writes them the other way.
    tall = nn.MaxPool2d((2, 1))
    if variant == "crnn.pytorch":
        tall = nn.MaxPool2d((2, 2), (2, 1), (0, 1))
    pools = {0: nn.MaxPool2d(2), 1: nn.MaxPool2d(2), 3: tall, 5: tall}
    cnn = nn.Sequential()
    before = 1
    for i, out in enumerate(channels):
        last = i == len(channels) - 1
        conv = nn.Conv2d(before, out, 3, padding=1)
        if last:
            conv = nn.Conv2d(before, out, 2, padding=(0, 1) if variant == "paper" else 0)
        if selu:  # LeCun's initialization, which keeps SELU's outputs normalized
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
        cnn.add_module(f"conv{i}", conv)
        if i in _BATCH_NORMS[variant]:
            cnn.add_module(f"batchnorm{i}", nn.BatchNorm2d(out))
        cnn.add_module(f"relu{i}", nn.SELU(inplace=True) if selu else nn.ReLU(inplace=True))
        if i in pools:
            cnn.add_module(f"pooling{i}", pools[i])
        before = out
    return cnn


class _BidirectionalLstm(nn.Module):
    """One LSTM in both directions (section 2.2) and a linear layer over their outputs."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(inputs, hidden, bidirectional=True)
        self.embedding = nn.Linear(2 * hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(T, N, inputs) -> (T, N, outputs)."""
        both, _ = self.rnn(x)
        return cast(Tensor, self.embedding(both))
