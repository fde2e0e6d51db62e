"""Settings: validated models, read from YAML; an unknown key is an error that names the key.

The defaults in this file suffice; ``configs/pipeline.yaml`` repeats them with comments. To add a
setting, add a field to its section: every message, path and suggestion below follows from the
fields.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from industrial_ocr.errors import ConfigError

Probability = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A group of settings: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DetectionConfig(Section):
    """From the image to the score maps.

    Attributes:
        long_side: the image is shrunk until its long side has so many pixels.
        max_shrink: but never by more than this factor, so that small print survives; what is then
            still larger than a tile is read by tiles. 1 never shrinks.
        short_side: a smaller image is magnified until its short side has so many pixels.
        mag_ratio: magnification on top of that; above 1 for small print.
        tile_size: side of a tile in pixels of what the network sees.
        tile_overlap: overlap of neighbouring tiles in the same pixels; a character as high as
            this is whole in one of them.
        batch_size: tiles in one forward pass.
    """

    long_side: PositiveInt = 1280
    max_shrink: Annotated[float, Field(ge=1)] = 2.0
    short_side: PositiveInt = 64
    mag_ratio: PositiveFloat = 1.0
    tile_size: PositiveInt = 1280
    tile_overlap: NonNegativeInt = 160
    batch_size: PositiveInt = 4

    @model_validator(mode="after")
    def _tiles_advance(self) -> DetectionConfig:
        if self.tile_overlap >= self.tile_size:
            raise ValueError(
                f"tile_overlap must be below tile_size, got {self.tile_overlap} "
                f"and {self.tile_size}"
            )
        return self


class SegmentationConfig(Section):
    """From the score maps to character boxes; the thresholds are CRAFT's.

    Attributes:
        text_threshold: the region score that a character's peak must reach.
        low_text: the region score down to which its box extends.
        link_threshold: the affinity score that joins two characters.
        min_char_size: smallest height of a character in source pixels.
    """

    text_threshold: Probability = 0.35
    low_text: Probability = 0.2
    link_threshold: Probability = 0.2
    min_char_size: PositiveFloat = 5.0


class LinkingConfig(Section):
    """From character boxes to strings.

    Attributes:
        space_ratio: a gap between neighbours wider than this times the string's median
            character height is a space.
    """

    space_ratio: PositiveFloat = 0.35


class ClassificationConfig(Section):
    """Reading single characters.

    Attributes:
        batch_size: crops in one forward pass.
        top_k: candidates kept a character.
        reject_threshold: from this probability of the reject class on, a box is no character.
        homoglyphs: 0 and O, 1 and I take the kind of their neighbours where the shape leaves it
            open (the rule: ``decoding.homoglyphs``).
    """

    batch_size: PositiveInt = 128
    top_k: PositiveInt = 5
    reject_threshold: Probability = 0.5
    homoglyphs: bool = True


class RecognitionConfig(Section):
    """Reading whole strings with the CRNN.

    Attributes:
        batch_size: string crops in one forward pass.
        min_width: width in pixels to which a narrower crop (32 high) is padded.
    """

    batch_size: PositiveInt = 16
    min_width: PositiveInt = 100


class ConfidenceConfig(Section):
    """When a reading is doubtful.

    Attributes:
        min_confidence: a string less sure than this makes the status ``low_confidence``.
        min_character: so does a single character less sure than this.
        noise: strings below it are no text and are left out.
        lone: so are single characters by themselves below this.
    """

    min_confidence: Probability = 0.8
    min_character: Probability = 0.5
    noise: Probability = 0.4
    lone: Probability = 0.75


class PipelineConfig(Section):
    """Everything that reading can be told; one section a stage."""

    detection: DetectionConfig = DetectionConfig()
    segmentation: SegmentationConfig = SegmentationConfig()
    linking: LinkingConfig = LinkingConfig()
    classification: ClassificationConfig = ClassificationConfig()
    recognition: RecognitionConfig = RecognitionConfig()
    confidence: ConfidenceConfig = ConfidenceConfig()


class TrainConfig(Section):
    """What every training can be told. Relative paths start at the working directory.

    Attributes:
        seed: of the data, the initial weights and everything else drawn by chance.
        out: folder for checkpoints, logs and the trained weights.
        name: the model's name in the manifest.
        steps: optimiser steps in all; the learning-rate schedule ends there.
        batch_size: samples a step.
        workers: processes that render samples.
        lr: peak learning rate.
        weight_decay: decoupled, as in AdamW.
        warmup_steps: steps over which the learning rate rises to ``lr``.
        ema_decay: of the moving average of the weights that is validated and kept; 0 for none.
        checkpoint_every_s: seconds between checkpoints to resume from.
        validate_every: steps between validations.
        validation_samples: size of the held-out synthetic set.
        patience: validations without a better metric before training stops; 0 never stops.
        device: ``auto`` is CUDA where there is a device.
        precision: ``auto`` is bf16 where the device computes it fast.
        threads: of torch on the CPU; 0 leaves its own choice.
        fonts: folders searched for font files; none: those of the system.
        words: a file with one word a line to render besides codes.
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
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    checkpoint_every_s: PositiveFloat = 300.0
    validate_every: PositiveInt = 500
    validation_samples: PositiveInt = 512
    patience: NonNegativeInt = 0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: NonNegativeInt = 0
    fonts: tuple[Path, ...] = ()
    words: Path | None = None

    def load_words(self) -> tuple[str, ...]:
        """The words of ``words``; ConfigError where it cannot be read or is None."""
        if self.words is None:
            raise ConfigError("words: no file is set")
        try:
            lines = self.words.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"words: cannot read {self.words}: {error}") from error
        return tuple(w for w in lines if len(w) > 1 and w.isascii() and w.isalpha())


class DetectorTrainConfig(TrainConfig):
    """Training of the CRAFT detector.

    Attributes:
        backbone: ``vgg16_bn`` is the published architecture; any other a timm model.
        decoder_channels: of a light detector's levels at stride 2, 4, 8 and 16.
        backbone_options: further arguments of ``timm.create_model`` for it.
        scene_size: side of the square training scenes in pixels, a multiple of 32.
        copies: each scene is shown so often in its batch, turned by quarters and inverted.
        positive_weight: of the pixels of characters and links in the squared error.
        mining_start: share of the training after which hard negatives are mined; 0 is CRAFT's.
        negative_ratio: hard negative pixels mined for each positive one (CRAFT: 3).
    """

    out: Path = Path("runs/detector")
    name: str = "detector"
    backbone: str = "resnet18"
    backbone_options: dict[str, Any] = Field(default_factory=dict)
    decoder_channels: tuple[PositiveInt, ...] = (16, 40, 64, 96)
    scene_size: PositiveInt = 384
    copies: PositiveInt = 1
    positive_weight: PositiveFloat = 10.0
    mining_start: Probability = 0.7
    negative_ratio: PositiveFloat = 3.0


class ClassifierTrainConfig(TrainConfig):
    """Training of the character classifier.

    Attributes:
        backbone: any timm model.
        crop_size: side of the square character crops in pixels.
        label_smoothing: probability spread over the other classes.
        reject_share: share of the samples that are no character.
        rejects: file of ``python -m industrial_ocr.training.rejects`` with a detector's mistakes.
    """

    out: Path = Path("runs/classifier")
    name: str = "classifier"
    batch_size: PositiveInt = 256
    validation_samples: PositiveInt = 8192
    backbone: str = "resnet10t"
    crop_size: PositiveInt = 40
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    reject_share: Probability = 0.15
    rejects: Path | None = None


class RecognizerTrainConfig(TrainConfig):
    """Training of the CRNN.

    Attributes:
        variant: ``paper`` is the network of arXiv 1507.05717, ``crnn.pytorch`` that of the
            repository of that name, whose checkpoints it loads.
        width: multiplies the channels of the convolutions; 1 is the paper's network.
        max_width: of the training strips in pixels, 100 at least; they are 32 high.
        word_share: how many of the training texts are dictionary words.
        hidden: units of each LSTM direction.
        optimizer: ``adadelta`` as in the paper (with an ``lr`` near 1: it scales its own steps)
            or ``adam``.
        rho: decay of ADADELTA's averages.
        clip: largest norm of the gradient; 0 for none.
        alignment: weight of the frame-wise loss beside CTC; 0 is the paper's training.
    """

    out: Path = Path("runs/recognizer")
    name: str = "recognizer"
    batch_size: PositiveInt = 64
    validation_samples: PositiveInt = 2048
    variant: Literal["paper", "crnn.pytorch"] = "paper"
    width: PositiveFloat = 1.0
    max_width: PositiveInt = 256
    word_share: Probability = 0.6
    hidden: PositiveInt = 256
    optimizer: Literal["adadelta", "adam"] = "adam"
    rho: Annotated[float, Field(gt=0, lt=1)] = 0.9
    clip: NonNegativeFloat = 1.0
    alignment: NonNegativeFloat = 0.0


C = TypeVar("C", bound=Section)


def load_config(path: str | os.PathLike[str], model: type[C]) -> C:
    """Reads a YAML file; what it leaves out has its default, an empty file is all defaults.

    Raises:
        ConfigError: a missing or unreadable file, bad YAML, or what ``parse_config`` refuses.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such configuration file") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        data = yaml.load(text, _Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: bad YAML: {' '.join(str(error).split())}") from error
    return parse_config({} if data is None else data, model, source=str(path))


def parse_config(data: object, model: type[C], source: str = "configuration") -> C:
    """Validates plain data (dicts, lists, numbers, strings) strictly: ``yes`` is no number.

    Raises:
        ConfigError: an unknown key or an impossible value; one line that names ``source``, the
            key with its full dotted path and, for an unknown one, the nearest known key.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{source}: expected keys with values, got {type(data).__name__}")
    try:
        # By way of JSON, whose strict mode still takes a list for a tuple, a string for a path.
        text = json.dumps(_without_empty_sections(data, model), default=str)
        return model.model_validate_json(text, strict=True)
    except (TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):
            raise ConfigError(f"{source}: {error}") from error
        problems = "; ".join(_describe(e["loc"], e, model) for e in error.errors())
        raise ConfigError(f"{source}: {problems}") from error


def shipped_folder(name: str) -> Path:
    """A folder that a wheel carries inside the package and a checkout beside it."""
    package = Path(__file__).resolve().parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def config_path(name: str) -> Path:
    """A shipped configuration by name: ``pipeline``, ``train/detector`` (``.yaml`` optional).

    Raises:
        ConfigError: there is none of that name; the message lists those there are.
    """
    folder = shipped_folder("configs")
    path = folder / (name if name.endswith(".yaml") else f"{name}.yaml")
    if path.is_file():
        return path
    known = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.yaml"))
    raise ConfigError(f"{name}: no such shipped configuration; there are: {', '.join(known)}")


def _describe(loc: tuple[int | str, ...], problem: Mapping[str, Any], model: type[Section]) -> str:
    """One problem of pydantic's as words with the key's full path."""
    key = ".".join(map(str, loc))
    if problem["type"] != "extra_forbidden":
        message = str(problem["msg"])
        if problem["type"] in ("value_error", "assertion_error"):  # our own, which say it all
            return f"{key}: {message.partition(', ')[2]}" if key else message.partition(", ")[2]
        return f"{key}: {message[:1].lower()}{message[1:]}, got {problem['input']!r}"
    nearest = _nearest_key(key, model)
    return f"unknown key {key}" + (f"; did you mean {nearest}?" if nearest else "")


def _nearest_key(key: str, model: type[Section]) -> str | None:
    """The known key that an unknown one probably means: names are compared, not whole paths.

    The same name in another section comes first, then the nearest in this one, then anywhere.
    """
    section, _, name = key.rpartition(".")
    paths = list(_key_paths(model))
    siblings = {p.rpartition(".")[2]: p for p in paths if p.rpartition(".")[0] == section}
    anywhere = {p.rpartition(".")[2]: p for p in reversed(paths)}
    if name in anywhere:
        return anywhere[name]
    for choice in (siblings, anywhere):
        close = difflib.get_close_matches(name, choice, n=1)
        if close:
            return choice[close[0]]
    return None


def _without_empty_sections(data: Mapping[Any, Any], model: type[Section]) -> dict[Any, Any]:
    """``detection:`` with every key below it commented out is null in YAML and means defaults."""
    kept: dict[Any, Any] = {}
    for key, value in data.items():
        section = _section_of(model, key)
        if section is None:
            kept[key] = value
        elif value is not None:
            is_mapping = isinstance(value, Mapping)
            kept[key] = _without_empty_sections(value, section) if is_mapping else value
    return kept


def _key_paths(model: type[Section], prefix: str = "") -> Iterator[str]:
    """Every known key as a dotted path, sections included."""
    for name in model.model_fields:
        yield prefix + name
        section = _section_of(model, name)
        if section is not None:
            yield from _key_paths(section, f"{prefix}{name}.")


def _section_of(model: type[BaseModel], name: str) -> type[Section] | None:
    """The model behind a key if it is a section, else None."""
    field = model.model_fields.get(name)
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [k.value for k, _ in node.value if k.tag != "tag:yaml.org,2002:merge"]
        twice = next((k for i, k in enumerate(keys) if k in keys[:i]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {twice} is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
