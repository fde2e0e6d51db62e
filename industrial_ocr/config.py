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
from typing import Annotated, Any, Literal, TypeVar, get_args

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
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from industrial_ocr.errors import ConfigError

Probability = Annotated[float, Field(ge=0, le=1)]
PositionWeights = Literal["none", "exponential"] | tuple[NonNegativeFloat, ...]
Margins = Annotated[tuple[Annotated[float, Field(ge=-0.45, le=1)], ...], Field(min_length=1)]

Precision = Literal["fp32", "bf16", "int8", "auto"]


class Section(BaseModel):
    """A group of settings: frozen; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DetectionConfig(Section):
    """From the image to the score maps.

    Attributes:
        long_side: a larger image is shrunk until its long side has this many pixels,
        max_shrink: but at most by this factor, so that small print stays readable; an image still
            larger than a tile is read in tiles. 1 never shrinks.
        short_side: a smaller image is magnified until its short side has this many pixels.
        shrink_to_short_side: a larger image is also shrunk to this short side.
        crop_sides: short sides of the views of an image of one string, in pixels.
        crop_large_side: short side of one more view, if the image is not smaller: the string may
            be only a small part of it.
        mag_ratio: further magnification; above 1 for small print.
        border: width in source pixels of the border that is added to an image in the color of its
            edge,
        border_below: if its short side has fewer pixels than this.
        tile_size: side of a tile in pixels of the scaled image.
        tile_overlap: overlap of neighboring tiles in the same pixels; a character up to this high
            is whole in one of them.
        batch_size: tiles in one forward pass.
        closer_below: strings with characters lower than this, in pixels of the scaled image, are
            magnified and detected again; 0 never does.
        closer_height: height of their characters when magnified, in pixels.
        closer_pixels: largest area of the magnified parts of an image, in pixels.
        distant_above: characters higher than this, in pixels of the scaled image, are detected in
            smaller copies of it; 0 never does.
        finder: the name of another detector that finds the strings of whole images; the detector of
            the Reader then only cuts them into characters. Empty: one detector does both.
    """

    long_side: PositiveInt = 1280
    max_shrink: Annotated[float, Field(ge=1)] = 2.0
    short_side: PositiveInt = 64
    shrink_to_short_side: bool = False
    crop_sides: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64, 56, 80)
    crop_large_side: PositiveInt = 160
    mag_ratio: PositiveFloat = 1.0
    border: NonNegativeInt = 24
    border_below: NonNegativeInt = 512
    tile_size: PositiveInt = 1280
    tile_overlap: NonNegativeInt = 160
    batch_size: PositiveInt = 4
    closer_below: NonNegativeFloat = 30.0
    closer_height: PositiveFloat = 40.0
    closer_pixels: NonNegativeInt = 3_000_000
    distant_above: NonNegativeFloat = 76.0
    finder: str = ""

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
        min_char_size: boxes whose longer side has fewer source pixels are dropped.
        box_ratio: the sides of the boxes are multiplied by it, for a detector whose maps show
            characters too large or too small.
    """

    text_threshold: Probability = 0.35
    low_text: Probability = 0.25
    link_threshold: Probability = 0.2
    min_char_size: PositiveFloat = 5.0
    box_ratio: PositiveFloat = 1.0


class LinkingConfig(Section):
    """From character boxes to strings.

    Attributes:
        space_ratio: a gap is a space if it exceeds the string's median gap by this many character
            sizes.
    """

    space_ratio: PositiveFloat = 0.35


class ClassificationConfig(Section):
    """Reading single characters.

    Attributes:
        batch_size: crops in one forward pass.
        top_k: candidates kept per character.
        reject_threshold: a box is no character from this probability of the reject class on, unless
            the segmentation is sure of one.
        homoglyphs: choose between 0 and O, 1 and I by their neighbors if the shape is ambiguous
            (the rule: ``decoding.homoglyphs``).
        whole_reject: an image of one character shows none if the reject class is at least this many
            times as likely as the best symbol; 0: never. A single vertical bar still reads as an I
            or 1, with a low probability: nothing tells them apart.
        whole_views: views of an image of one character: (size of the character's box relative to
            the image, shift of its center downwards in image heights).
    """

    batch_size: PositiveInt = 128
    top_k: PositiveInt = 5
    reject_threshold: Probability = 0.5
    homoglyphs: bool = True
    whole_reject: NonNegativeFloat = 1.25
    whole_views: Annotated[tuple[tuple[PositiveFloat, float], ...], Field(min_length=1)] = (
        (1.15, 0.0),
        (1.0, 0.0),
        (0.85, 0.0),
        (0.7, 0.0),
        (0.85, -0.08),
        (0.85, 0.08),
    )


class RecognitionConfig(Section):
    """Reading whole strings with the CRNN.

    Attributes:
        batch_size: string crops in one forward pass.
        min_width: width in pixels to which a narrower strip is padded.
        crop_margins: margins of the views of an image of one string, in its heights. If the first
            view is doubtful, all are read and the majority decides; (0,) reads only the image.
        crop_layouts: if the reading of an image of one string is doubtful, other layouts of its
            text are tried (``recognition.crop_layouts``).
        division: a string longer than ``piece_aspect`` is read in pieces: ``blanks`` ends them at
            columns without ink, ``windows`` lets them overlap; ``none`` squeezes very long strings
            (``recognition.division``).
        piece_aspect: largest width of a piece, in heights.
    """

    batch_size: PositiveInt = 16
    min_width: PositiveInt = 100
    crop_margins: Margins = (0.0, -0.06, -0.12, 0.1)
    crop_layouts: bool = True
    division: Literal["none", "blanks", "windows"] = "none"
    piece_aspect: Annotated[float, Field(ge=3)] = 8.75


class ConfidenceConfig(Section):
    """When a reading is doubtful.

    Attributes:
        min_confidence: a string with a lower confidence gets the status ``low_confidence``.
        min_character: so does a string with a character of lower confidence.
        min_code_confidence: under a pattern, so does a code whose confidence per character is
            lower.
        min_code: so does a code for which the product of its characters' confidences is lower:
            eight characters at 0.95 are all right two times in three.
        noise: a string of four or more characters with a lower confidence is no text and is left
            out.
        lone: the same for a single character. The limits of two and three characters lie between
            ``lone`` and ``noise``: noise is often read as a short text.
        crop_noise: replaces both in an image of one string.
        position_weights: of the characters in the score ``weighted`` of a string: ``none``,
            ``exponential`` (each counts 0.8 times as much as the one before it), or one weight per
            position; longer strings repeat the last one.
        odds: by engine (``two-stage``, ``crnn``) a scale and a shift of the log-odds of the fitted
            confidence, as ``industrial-ocr adapt`` fits them to a line.
    """

    min_confidence: Probability = 0.9
    min_character: Probability = 0.5
    min_code_confidence: Probability = 0.85
    min_code: Probability = 0.7
    noise: Probability = 0.4
    lone: Probability = 0.9
    crop_noise: Probability = 0.2
    position_weights: PositionWeights = "none"
    odds: dict[str, tuple[float, float]] = Field(default_factory=dict)

    @field_validator("position_weights", mode="wrap")
    @classmethod
    def _known_weights(cls, value: object, check: ValidatorFunctionWrapHandler) -> PositionWeights:
        try:
            weights: PositionWeights = check(tuple(value) if isinstance(value, list) else value)
        except ValidationError:
            weights = (0.0,)
        if not isinstance(weights, str) and not any(weights):
            raise ValueError(
                "must be none, exponential or a list of weights of at least 0, one of them above "
                f"0, got {value!r}"
            )
        return weights

    def least(self, characters: int, one_string: bool = False) -> float:
        """The least confidence at which a string of this many characters is text."""
        if one_string:
            return self.crop_noise
        share = min(max(characters - 1, 0) / 3, 1.0)
        return self.lone + (self.noise - self.lone) * share


class CollectingConfig(Section):
    """Which characters are kept for a person to look at (the rules: ``review.uncertainty``).

    Attributes:
        min_confidence: characters with a lower confidence are kept.
        min_margin: so are characters whose lead over the runner-up is smaller.
        limit_mb: largest size of the folder in megabytes (10^6 bytes); the oldest are deleted.
    """

    min_confidence: Probability = 0.75
    min_margin: Probability = 0.3
    limit_mb: Annotated[float, Field(ge=1)] = 200.0


class PipelineConfig(Section):
    """All settings of reading; one section per stage.

    Attributes:
        precision: of the computations of the networks. ``fp32`` gives the same result
            on every machine, except for rounding; with ``bf16`` (bfloat16) and ``int8`` (8-bit
            integers, on a CPU) confidences differ by a few hundredths; ``auto`` is the fastest that
            the backend, the device and the model have.
        rectify_crops: make an image of one string level and upright before it is read.
    """

    precision: Precision = "fp32"
    rectify_crops: bool = True
    detection: DetectionConfig = DetectionConfig()
    segmentation: SegmentationConfig = SegmentationConfig()
    linking: LinkingConfig = LinkingConfig()
    classification: ClassificationConfig = ClassificationConfig()
    recognition: RecognitionConfig = RecognitionConfig()
    confidence: ConfidenceConfig = ConfidenceConfig()
    collecting: CollectingConfig = CollectingConfig()

    def with_values(self, section: str, **values: Any) -> PipelineConfig:
        """The same settings with other values in one section; these are not validated."""
        changed = getattr(self, section).model_copy(update=values)
        return self.model_copy(update={section: changed})


def suited(config: PipelineConfig, settings: Mapping[str, Mapping[str, Any]]) -> PipelineConfig:
    """A configuration for a model with settings of its own.

    Args:
        config: of the user.
        settings: of the model, by section. Each replaces a setting that still has its default.
    """
    sections = {}
    for name, own in settings.items():
        section, usual = getattr(config, name), getattr(PipelineConfig(), name)
        free = {k: v for k, v in own.items() if getattr(section, k) == getattr(usual, k)}
        sections[name] = {**section.model_dump(), **free}
    return parse_config({**config.model_dump(), **sections}, PipelineConfig, "settings of a model")


C = TypeVar("C", bound=Section)


def load_config(path: str | os.PathLike[str], model: type[C]) -> C:
    """Reads a YAML file; keys that it leaves out keep their defaults.

    Raises:
        ConfigError: what ``read_config`` or ``parse_config`` refuses.
    """
    return parse_config(read_config(path), model, source=str(path))


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The keys of a YAML file with their values, not yet validated.

    Raises:
        ConfigError: a missing or unreadable file, bad YAML, or no keys with values.
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
    if not isinstance(data, dict | None):
        raise ConfigError(f"{path}: expected keys with values, got {type(data).__name__}")
    return data or {}


def parse_config(data: object, model: type[C], source: str = "configuration") -> C:
    """Validates plain data (dicts, lists, numbers, strings) strictly: ``yes`` is no number.

    Raises:
        ConfigError: an unknown key or an impossible value; one line that names ``source``, the
            key with its full dotted path and, for an unknown one, the nearest known key.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{source}: expected keys with values, got {type(data).__name__}")
    try:
        # Via JSON, whose strict mode still accepts a list for a tuple and a string for a path.
        text = json.dumps(_without_empty_sections(data, model), default=str)
        return model.model_validate_json(text, strict=True)
    except (TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):
            raise ConfigError(f"{source}: {error}") from error
        problems = [_describe(e["loc"], e, model) for e in error.errors()]
        raise ConfigError(f"{source}: {'; '.join(problems)}", problems) from error


def shipped_folder(name: str) -> Path:
    """A shipped folder: inside the package in a wheel, next to it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def config_path(name: str) -> Path:
    """A shipped configuration by name: ``pipeline``, ``train/detector`` (``.yaml`` optional).

    Raises:
        ConfigError: there is no such configuration; the message lists the known ones.
    """
    folder = shipped_folder("configs")
    path = folder / (name if name.endswith(".yaml") else f"{name}.yaml")
    if path.is_file():
        return path
    known = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.yaml"))
    raise ConfigError(f"{name}: no such shipped configuration; there are: {', '.join(known)}")


def _describe(loc: tuple[int | str, ...], problem: Mapping[str, Any], model: type[Section]) -> str:
    """One problem found by pydantic as a message with the key's full path."""
    key = ".".join(map(str, loc))
    if problem["type"] == "missing":
        return f"{key}: is missing"
    if problem["type"] != "extra_forbidden":
        message = str(problem["msg"])
        if problem["type"] in ("value_error", "assertion_error"):  # our own messages, complete
            return f"{key}: {message.partition(', ')[2]}" if key else message.partition(", ")[2]
        return f"{key}: {message[:1].lower()}{message[1:]}, got {problem['input']!r}"
    nearest = _nearest_key(key, model)
    return f"unknown key {key}" + (f"; did you mean {nearest}?" if nearest else "")


def _nearest_key(key: str, model: type[Section]) -> str | None:
    """The known key that an unknown one probably means, by the last name of its path.

    The same name in any section comes first, then one that begins with it or is near it: in this
    section, then in any.
    """
    section, _, name = re.sub(r"\.\d+", "", key).rpartition(".")  # without places in lists
    paths = list(_key_paths(model))
    siblings = {p.rpartition(".")[2]: p for p in paths if p.rpartition(".")[0] == section}
    anywhere = {p.rpartition(".")[2]: p for p in reversed(paths)}
    if name in anywhere:
        return anywhere[name]
    for choice in (siblings, anywhere):
        begun = [known for known in choice if known.startswith(name)]
        close = begun or difflib.get_close_matches(name, choice, n=1)
        if close:
            return choice[close[0]]
    return None


def _without_empty_sections(data: Mapping[Any, Any], model: type[Section]) -> dict[Any, Any]:
    """Drops null sections: ``detection:`` with all its keys commented out means defaults."""
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
    for name, field in model.model_fields.items():
        yield prefix + name
        for section in sections_in(field.annotation):
            kind = section.model_fields.get("kind")
            names = [name] if kind is None else [name, *get_args(kind.annotation)]
            yield from _key_paths(section, f"{prefix}{'.'.join(names)}.")


def sections_in(annotation: Any) -> list[type[Section]]:
    """The sections that an annotation names: one, several kinds of one, or those of a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections_in(part)]


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
