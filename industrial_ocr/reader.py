"""The face of the package: loads configuration and weights once, then reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import yaml

from industrial_ocr.charset import Charset
from industrial_ocr.config import PipelineConfig, config_path, load_config, parse_config
from industrial_ocr.decoding.lexicon import Lexicon
from industrial_ocr.device import resolve_device
from industrial_ocr.errors import ConfigError, ImageError, WeightsError
from industrial_ocr.geometry import bounds
from industrial_ocr.image import load_image
from industrial_ocr.manifest import ModelEntry, Task, find_entry
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.models.craft import build_detector, load_published_craft
from industrial_ocr.models.crnn import Crnn, load_published_crnn
from industrial_ocr.pattern import Pattern
from industrial_ocr.pipelines.common import Found
from industrial_ocr.pipelines.crnn_ctc import read_crnn, recognise_crops
from industrial_ocr.pipelines.routed import Routing, read_routed, route_results
from industrial_ocr.pipelines.two_stage import read_two_stage
from industrial_ocr.router import WAYS, RouteTable, Way, parse_routes
from industrial_ocr.stages.classification import Classifier
from industrial_ocr.stages.detection import Detector
from industrial_ocr.stages.recognition import Recognizer
from industrial_ocr.types import ImageArray, ReadResult, as_quad
from industrial_ocr.weights import load_state

PUBLISHED_CRNN_SYMBOLS = tuple("0123456789abcdefghijklmnopqrstuvwxyz")
Engine = Literal["two-stage", "crnn", "agree", "auto"]
Roi = Sequence[float] | Sequence[Sequence[float]]
Patterns = Pattern | str | Sequence[Pattern | str] | None


def _config(source: PipelineConfig | str | Path | dict[str, Any] | None) -> PipelineConfig:
    if isinstance(source, PipelineConfig):
        return source
    if isinstance(source, dict):
        return parse_config(source, PipelineConfig)
    return load_config(config_path("pipeline") if source is None else source, PipelineConfig)


class Reader:
    """Reads serial codes from pictures. Safe to share between threads once it is built.

    Args:
        device: ``auto`` takes CUDA where there is a device, else the CPU.
        config: a ``PipelineConfig``, a dict of its sections, or a YAML file; None takes the
            shipped ``configs/pipeline.yaml``.
        detector: a name from ``industrial-ocr weights``, a ``.safetensors`` file, or a published
            CRAFT checkpoint (``craft_mlt_25k.pth``); None takes the shipped default.
        classifier: the same for the character classifier.
        recognizer: the same for the CRNN; or a checkpoint of crnn.pytorch (``crnn.pth``), which
            knows 0-9a-z only.
        routes: what was measured of the two ways, by pattern, as ``industrial-ocr bench
            --write-routes`` writes it: a YAML file or a table; ``auto`` goes by it.
    Attributes:
        weights: sha256 of the weights in use, by task.
        routes: what was measured of the two ways, by pattern; ``auto`` goes by it.

    Raises:
        ConfigError: an unknown setting, value or device.
        WeightsError: weights that are missing, damaged or of another model.
    """

    def __init__(
        self,
        device: str = "auto",
        config: PipelineConfig | str | Path | dict[str, Any] | None = None,
        detector: str | Path | None = None,
        classifier: str | Path | None = None,
        recognizer: str | Path | None = None,
        routes: RouteTable | str | Path | None = None,
    ) -> None:
        self.config = _config(config)
        self.device = resolve_device(device)
        self.weights: dict[str, str] = {}
        self.routes = _routes(routes)
        self._detector = self._load_detector(detector)
        self._classifier = self._load_classifier(classifier)
        self._recognizer = self._load_recognizer(recognizer)

    def _ready(self, model: torch.nn.Module, entry: ModelEntry) -> torch.nn.Module:
        try:
            model.load_state_dict(load_state(entry))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise WeightsError(f"{entry.path}: does not fit its architecture: {reason}") from error
        self.weights[entry.task] = entry.sha256
        return model.eval().to(self.device).to(memory_format=torch.channels_last)

    def _load_detector(self, name: str | Path | None) -> Detector:
        if _is_published(name):
            published = load_published_craft(str(name)).eval().to(self.device)
            self.weights["detector"] = hashlib.sha256(Path(str(name)).read_bytes()).hexdigest()
            return Detector(published, self.device)
        entry = find_entry("detector", name)
        model = build_detector(**entry.architecture)
        self._ready(model, entry)
        return Detector(model, self.device)

    def _load_classifier(self, name: str | Path | None) -> Classifier:
        entry = find_entry("classifier", name)
        charset = Charset(_symbols(entry, "classifier"))
        model = GlyphClassifier(len(charset) + 1, **entry.architecture)
        size = entry.input.size[0] if entry.input.size else 40
        return Classifier(self._ready(model, entry), charset, size, entry.temperature, self.device)

    def _load_recognizer(self, name: str | Path | None) -> Recognizer:
        if _is_published(name):
            charset = Charset(PUBLISHED_CRNN_SYMBOLS, blank=True)
            model = load_published_crnn(str(name), len(charset)).to(self.device)
            self.weights["recognizer"] = hashlib.sha256(Path(str(name)).read_bytes()).hexdigest()
            return Recognizer(model, charset, 1.0, self.device, own_contrast=False)
        entry = find_entry("recognizer", name)
        charset = Charset(_symbols(entry, "recognizer"), blank=True)
        model = Crnn(charset.classes, **entry.architecture)
        return Recognizer(self._ready(model, entry), charset, entry.temperature, self.device)

    def read(
        self,
        image: Any,
        engine: Engine = "two-stage",
        roi: Roi | None = None,
        pattern: Patterns = None,
    ) -> ReadResult:
        """Finds and reads every string of a picture.

        Args:
            image: path, bytes, PIL image, or numpy array: grey, RGB or RGBA, 8 or 16 bit.
            engine: ``two-stage`` (context-free), ``crnn``, ``agree`` (both must read the same) or
                ``auto`` (see ``router``).
            roi: x0, y0, x1, y1 in pixels: read only there; places stay those of the whole image.
            pattern: what codes look like: a ``Pattern``, a preset's name or a regular expression,
                or several; ``result.codes`` then holds the codes.

        Returns:
            The result; no text is a result too.

        Raises:
            ImageError: the image cannot be read, or the roi lies outside it.
            ConfigError: an unknown engine.
            PatternError: a pattern cannot be compiled, or not spelled with the model's symbols.
        """
        return self.read_batch([image], engine, roi, pattern)[0]

    def read_batch(
        self,
        images: Iterable[Any],
        engine: Engine = "two-stage",
        roi: Roi | None = None,
        pattern: Patterns = None,
    ) -> list[ReadResult]:
        """``read`` for several pictures with common batches; roi and pattern apply to each."""
        _check_engine(engine)
        patterns = _patterns(pattern)
        loaded = [load_image(i) for i in images]
        parts = [_cut(i, roi) for i in loaded]
        pixels = [p for p, _, _ in parts]
        if engine in WAYS:
            results = self._read_way(engine, pixels, None, patterns)
        else:
            results = read_routed(
                pixels,
                self._detector,
                self.config,
                Routing(engine, patterns, self.routes),
                lambda way, some, found: self._read_way(way, some, found, patterns),
            )
        return [
            result if roi is None else result.moved(float(x), float(y), image)
            for result, (_, x, y), image in zip(results, parts, loaded, strict=True)
        ]

    def _read_way(
        self,
        way: Way,
        images: Sequence[ImageArray],
        found: Found | None,
        patterns: Sequence[Pattern],
    ) -> list[ReadResult]:
        """One of the two ways, on strings that were found already or not."""
        if way == "two-stage":
            return read_two_stage(
                images, self._detector, self._classifier, self.config,
                patterns=patterns, found=found,
            )  # fmt: skip
        return read_crnn(images, self._detector, self._recognizer, self.config, patterns, found)

    def recognize(
        self,
        crops: Iterable[Any],
        engine: Engine = "crnn",
        lexicon: Lexicon | None = None,
        pattern: Patterns = None,
    ) -> list[ReadResult]:
        """Reads images that are one string already.

        Args:
            crops: as ``image`` of ``read``; each holds one string, left to right.
            engine: ``crnn`` reads the whole crop at once; ``two-stage`` finds its characters.
            lexicon: the string is one of these words (``crnn`` only).
            pattern: as of ``read``.

        Raises:
            ImageError: a crop cannot be read.
            ConfigError: an unknown engine, or a lexicon for ``two-stage``.
        """
        _check_engine(engine)
        if lexicon is not None and engine != "crnn":
            raise ConfigError("a lexicon is for engine crnn")
        patterns = _patterns(pattern)
        loaded = [load_image(c) for c in crops]
        if engine not in WAYS:
            both = [self.recognize(loaded, way, None, pattern) for way in WAYS]
            routing = Routing(engine, patterns, self.routes)
            return [
                route_results(dict(zip(WAYS, own, strict=True)), routing)
                for own in zip(*both, strict=True)
            ]
        if engine == "crnn":
            return recognise_crops(loaded, self._recognizer, self.config, lexicon, patterns)
        return read_two_stage(loaded, self._detector, self._classifier, self.config, True, patterns)

    def classify_boxes(
        self, image: Any, quads: Sequence[Any]
    ) -> list[tuple[tuple[str, float], ...]]:
        """Names the characters of a picture whose places are known.

        Args:
            image: as of ``read``.
            quads: (4, 2) source pixels each, clockwise from the top-left of the character.

        Returns:
            Per quad the best symbols with their probabilities, best first.
        """
        named = self._classifier.classify(
            [load_image(image)], [[as_quad(q) for q in quads]], self.config.classification
        )[0]
        return [tuple(zip(n.symbols, map(float, n.probabilities), strict=True)) for n in named]

    @property
    def charset(self) -> Charset:
        """The symbols of the recogniser, with the blank."""
        return self._recognizer.charset

    def classify(self, crops: Iterable[Any]) -> list[tuple[tuple[str, float], ...]]:
        """Names images that are one upright character each, cut close to it.

        Args:
            crops: as ``image`` of ``read``.

        Returns:
            Per crop the best symbols with their probabilities, best first.
        """
        loaded = [load_image(c) for c in crops]
        quads = [[self._classifier.whole(i)] for i in loaded]
        named = self._classifier.classify(loaded, quads, self.config.classification)
        return [
            tuple(zip(n[0].symbols, map(float, n[0].probabilities), strict=True)) for n in named
        ]


def _is_published(name: str | Path | None) -> bool:
    return name is not None and Path(name).suffix.lower() in {".pth", ".pt"}


def _symbols(entry: ModelEntry, task: Task) -> tuple[str, ...]:
    if entry.charset is None:
        raise WeightsError(f"{entry.path}: the manifest gives no charset for this {task}")
    return tuple(entry.charset)


def _routes(source: RouteTable | str | Path | None) -> RouteTable:
    if source is None or isinstance(source, Mapping):
        return source or {}
    try:
        values = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{source}: the routing table cannot be read: {error}") from error
    return parse_routes(values, str(source))


def _patterns(given: Patterns) -> tuple[Pattern, ...]:
    """What ``pattern`` of ``read`` holds, compiled."""
    if given is None:
        return ()
    several = [given] if isinstance(given, Pattern | str) else list(given)
    return tuple(p if isinstance(p, Pattern) else Pattern.parse(p) for p in several)


def _check_engine(engine: str) -> None:
    if engine not in get_args(Engine):
        raise ConfigError(f"engine is one of {list(get_args(Engine))}, got {engine!r}")


def _cut(image: ImageArray, roi: Roi | None) -> tuple[ImageArray, int, int]:
    """The part of an image inside a roi, and where it begins."""
    if roi is None:
        return image, 0, 0
    try:
        points = np.asarray(roi, np.float32).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ImageError(f"roi is x0, y0, x1, y1 in pixels, got {roi!r}") from error
    if len(points) not in (2, 4) or not np.isfinite(points).all():
        raise ImageError(f"roi is x0, y0, x1, y1 in pixels, got {roi!r}")
    x0, y0, x1, y1 = bounds(points)
    height, width = image.shape[:2]
    left, top = max(0, int(x0)), max(0, int(y0))
    right, bottom = min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1)))
    if right <= left or bottom <= top:
        raise ImageError(f"roi {roi!r} lies outside the image of {width}x{height} pixels")
    return np.ascontiguousarray(image[top:bottom, left:right]), left, top
