"""Validated settings of the three trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from industrial_ocr.config import Probability, Section


class TrainConfig(Section):
    """Settings of every training. Relative paths start at the working directory.

    Attributes:
        seed: seed of the data, the initial weights and all other random numbers.
        out: folder for checkpoints, logs and the trained weights.
        name: the model's name in the manifest.
        steps: number of optimizer steps; the learning-rate schedule ends there.
        batch_size: samples in a batch.
        workers: number of processes that render samples.
        lr: peak learning rate.
        weight_decay: decoupled weight decay, as in AdamW.
        warmup_steps: steps over which the learning rate rises to ``lr``.
        optimizer: ``adam`` is AdamW; ``adadelta`` is that of the CRNN paper, with an ``lr`` near 1.
        rho: decay of ADADELTA's averages.
        clip: largest norm of the gradient; 0 for none.
        ema_decay: decay of the moving average of the weights, which is validated and kept; 0 for
            none.
        checkpoint_every_s: seconds between checkpoints to resume from.
        validate_every: steps between validations.
        validation_samples: size of the held-out synthetic set.
        patience: validations without a better metric before training stops; 0 never stops.
        device: ``auto`` is CUDA if there is a device.
        precision: ``auto`` is bf16 if the device computes it fast.
        threads: number of threads of PyTorch on the CPU; 0 leaves its own choice.
        fonts: folders that are searched for font files; none: those of the system.
        plain: share of plain print in the rendered samples (``datasets.synthesis.plain``).
        start_from: initial weights instead of random ones: a name of ``industrial-ocr weights`` or
            a .safetensors file, of the same architecture and charset. A recognizer of variant
            ``lcnet`` also takes PP-OCRv6's small recognizer, ``pp-ocrv6`` or its ONNX file, and of
            it the convolutions and, with a ``bottleneck``, the last layer.
    """

    seed: NonNegativeInt = 0
    out: Path = Path("runs/train")
    name: str = "model"
    steps: PositiveInt = 10_000
    batch_size: PositiveInt = 16
    workers: NonNegativeInt = 2
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 1e-2
    warmup_steps: NonNegativeInt = 200
    optimizer: Literal["adadelta", "adam"] = "adam"
    rho: Annotated[float, Field(gt=0, lt=1)] = 0.9
    clip: NonNegativeFloat = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    checkpoint_every_s: PositiveFloat = 300.0
    validate_every: PositiveInt = 500
    validation_samples: PositiveInt = 512
    patience: NonNegativeInt = 0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: NonNegativeInt = 0
    fonts: tuple[Path, ...] = ()
    plain: Probability = 0.0
    start_from: str | None = None


class DetectorTrainConfig(TrainConfig):
    """Training of the CRAFT detector.

    Attributes:
        backbone: ``vgg16_bn`` is the published architecture; every other name is a timm model.
        decoder_channels: channels of a light detector's levels at stride 2, 4, 8 and 16.
        backbone_options: further arguments of ``timm.create_model`` for the backbone.
        scene_size: side of the square training scenes in pixels, a multiple of 32.
        copies: views of each scene in its batch; all but one are turned, mirrored or inverted.
        magnified: share of the rendered scenes that are small ones, magnified.
        positive_weight: weight of the pixels of characters and links in the squared error.
        mining_start: share of the steps after which hard negatives are mined (CRAFT: 0).
        negative_ratio: hard negative pixels mined for each positive one (CRAFT: 3).
        photos: folder of photographs (``datasets.photos``).
        photo_maps: what to learn on them: a folder of
            ``python -m industrial_ocr.training.teacher_maps``.
        photo_share: share of the scenes that are parts of photographs.
        photo_sources: table of their sources and licenses, named in the manifest.
    """

    out: Path = Path("runs/detector")
    name: str = "detector"
    backbone: str = "resnet18"
    backbone_options: dict[str, Any] = Field(default_factory=dict)
    decoder_channels: tuple[PositiveInt, ...] = (16, 40, 64, 96)
    scene_size: PositiveInt = 384
    copies: PositiveInt = 1
    magnified: Probability = 0.0
    positive_weight: PositiveFloat = 10.0
    mining_start: Probability = 0.7
    negative_ratio: PositiveFloat = 3.0
    photos: Path | None = None
    photo_maps: Path | None = None
    photo_sources: Path | None = None
    photo_share: Probability = 0.0

    @model_validator(mode="after")
    def _photos_have_maps(self) -> DetectorTrainConfig:
        if self.photo_share and (self.photos is None or self.photo_maps is None):
            raise ValueError("photo_share needs photos and photo_maps")
        return self


class ClassifierTrainConfig(TrainConfig):
    """Training of the character classifier.

    Attributes:
        backbone: any timm model.
        crop_size: side of the square character crops in pixels.
        label_smoothing: probability spread over the other classes.
        reject_share: share of the samples without a character.
        counter_share: share of the strings that are digits of a mechanical counter; a digit that
            is turning to the next one counts as no character.
        harvest: file of ``python -m industrial_ocr.training.harvest``: crops of right and wrong
            boxes of a detector.
        photo_crops: file of ``python -m industrial_ocr.training.photo_crops``: crops of characters
            on photographs, and of boxes that show none.
        photo_share: share of each batch that comes from ``photo_crops``.
        photo_sources: table of the photographs' sources and licenses, named in the manifest.
    """

    out: Path = Path("runs/classifier")
    name: str = "classifier"
    batch_size: PositiveInt = 256
    validation_samples: PositiveInt = 8192
    backbone: str = "resnet10t"
    crop_size: PositiveInt = 40
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    reject_share: Probability = 0.15
    counter_share: Probability = 0.0
    harvest: Path | None = None
    photo_crops: Path | None = None
    photo_sources: Path | None = None
    photo_share: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _photos_have_crops(self) -> ClassifierTrainConfig:
        if self.photo_share and self.photo_crops is None:
            raise ValueError("photo_share needs photo_crops")
        return self


class RecognizerTrainConfig(TrainConfig):
    """Training of the CRNN.

    Attributes:
        variant: ``paper`` is the network of arXiv 1507.05717, ``crnn.pytorch`` that of the
            repository of that name, whose checkpoints it loads; ``lcnet`` has the convolutions of
            PP-OCRv6's small recognizer; ``selu`` is the small network of many tutorials.
        width: multiplies the channels of the convolutions; 1 is the published network.
        max_width: largest width of the training strips in pixels, at least 100; they are 32 pixels
            high, 48 for ``lcnet``.
        charset: file of the symbols in class order, one per line; None takes those of codes.
        corpus: file of words with their counts, one per line, from which whole lines are rendered
            (``datasets.synthesis.lines``); None renders codes and words.
        word_share: share of the training texts that are dictionary words; with 1, plain print shows
            only words, too.
        loose: share of the strips with a wide margin that shows the surroundings of the string.
        lettering: share of the words that are set in lettering fonts, which are only for words.
        spaces: whether the space is the last class of the network.
        hidden: number of units of each LSTM direction.
        bottleneck: inputs of the last layer of ``lcnet`` (``Crnn``); 0 for the LSTMs' output. It is
            120 for the last layer of PP-OCRv6's small recognizer.
        frozen: number of the first convolutions that are not trained (``Crnn.freeze``).
        convolution_lr: factor of the learning rate of the convolutions; below 1 for convolutions of
            another network into which its batch norms were folded.
        alignment: weight of the frame-wise loss beside the CTC loss; 0 is the paper's training.
        data: shards of labeled strips (``datasets.shards``): a file, a folder or a glob.
        data_share: share of each batch that comes from ``data``; the rest is rendered. The last
            twentieth of the strips is only for validation.
        data_buffer: number of strips that are shuffled together; the order of the shards is
            shuffled, too.
        photos: folder of photographs (``datasets.photos``).
        photo_labels: file of ``python -m industrial_ocr.training.photo_labels`` with the chosen
            strings on the photographs and their texts.
        photo_share: share of each batch that comes from photographs.
        photo_sources: table of the photographs' sources and licenses, named in the manifest.
    """

    out: Path = Path("runs/recognizer")
    name: str = "recognizer"
    batch_size: PositiveInt = 64
    validation_samples: PositiveInt = 2048
    variant: Literal["paper", "crnn.pytorch", "lcnet", "selu"] = "paper"
    width: PositiveFloat = 1.0
    max_width: PositiveInt = 256
    charset: Path | None = None
    corpus: Path | None = None
    word_share: Probability = 0.6
    loose: Probability = 0.0
    lettering: Probability = 0.0
    spaces: bool = False
    hidden: PositiveInt = 256
    bottleneck: NonNegativeInt = 0
    frozen: NonNegativeInt = 0
    convolution_lr: PositiveFloat = 1.0
    alignment: NonNegativeFloat = 0.0
    data: str | None = None
    data_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    data_buffer: PositiveInt = 20_000
    photos: Path | None = None
    photo_labels: Path | None = None
    photo_sources: Path | None = None
    photo_share: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _photos_have_labels(self) -> RecognizerTrainConfig:
        if self.photo_share and (self.photos is None or self.photo_labels is None):
            raise ValueError("photo_share needs photos and photo_labels")
        if self.data is not None and self.photo_share + self.data_share > 1:
            raise ValueError("photo_share and data_share are more than the whole batch")
        return self
