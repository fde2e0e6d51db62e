"""The face of the package: loads configuration and weights once, then reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from industrial_ocr.config import (
    PipelineConfig,
    Precision,
    config_path,
    load_config,
    parse_config,
)
from industrial_ocr.decoding.calibration import SHIPPED_CALIBRATION, Calibration, load_calibration
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.lexicon import Lexicon
from industrial_ocr.detection.detector import Detector
from industrial_ocr.detection.linking import as_one_string
from industrial_ocr.errors import ConfigError, ImageError
from industrial_ocr.image.load import image_list, load_image
from industrial_ocr.image.preprocess import on_ground
from industrial_ocr.inference.bundle import open_bundle
from industrial_ocr.inference.forking import keep_forks_usable
from industrial_ocr.inference.loading import Backend, Loader
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.patterns.presets import Preset, load_presets
from industrial_ocr.reader.arguments import known_engine
from industrial_ocr.reader.bundled import TASKS, bundled_options, export_files, setting_files
from industrial_ocr.reader.common import Clock, Found, find_strings
from industrial_ocr.reader.crnn import read_crnn, read_frames
from industrial_ocr.reader.crnn_crops import read_crops, recognize_crops
from industrial_ocr.reader.routed import Routing, read_routed, route_results, without_crnn
from industrial_ocr.reader.router import RouteTable, load_routes
from industrial_ocr.reader.two_stage import read_two_stage, string_evidence
from industrial_ocr.reader.two_stage_crops import read_two_stage_crops, view_config
from industrial_ocr.reader.verify import Models, verify_image
from industrial_ocr.recognition.classifier import Classifier, shows_none
from industrial_ocr.recognition.recognizer import Recognizer
from industrial_ocr.recognition.rectification import Rectified, rectified
from industrial_ocr.results.engine import PIPELINES, Engine
from industrial_ocr.results.geometry import bounds
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import CharCandidates, FloatArray, ImageArray, as_quad
from industrial_ocr.results.verdicts import Verification

Roi = Sequence[float] | Sequence[Sequence[float]]
Patterns = Pattern | str | Sequence[Pattern | str] | None
SHIPPED = ("pipeline", "fast")
"""The configurations that are known by name; ``pipeline`` is the default."""


def reading_config(
    source: PipelineConfig | str | Path | dict[str, Any] | None = None,
) -> PipelineConfig:
    """Settings as ``Reader`` takes them.

    Raises:
        ConfigError: no such file or name, an unknown setting or value.
    """
    if isinstance(source, PipelineConfig):
        return source
    if isinstance(source, dict):
        return parse_config(source, PipelineConfig)
    if source is None or str(source) in SHIPPED:
        source = config_path("pipeline" if source is None else str(source))
    if not Path(source).suffix and not Path(source).exists():
        raise ConfigError(
            f"config: {str(source)!r} is neither a file nor one of {', '.join(SHIPPED)}"
        )
    return load_config(source, PipelineConfig)


class Reader:
    """Reads serial codes from pictures. Safe to share between threads and after a fork.

    Every network is loaded when it is first needed.

    Args:
        device: ``auto``, ``cpu``, or a device of torch such as ``cuda``.
        backend: what the networks run on: ``torch``, ``onnxruntime`` or ``openvino``. ``auto``
            takes torch on a GPU if both are there, else OpenVINO if it is installed, else ONNX
            Runtime.
        threads: at most so many for a network and for OpenCV (that of the whole process); None
            leaves it to the libraries, which take one a core.
        precision: of the configuration, if given: ``fp32``, ``bf16``, ``int8`` or
            ``auto``.
        config: a ``PipelineConfig``, a dict of its sections, a YAML file, or one of the shipped
            ``configs``: the default ``pipeline``, or ``fast``, about half the time for a little
            less.
        detector: a name from ``industrial-ocr weights``, a ``.safetensors`` file, or a published
            CRAFT checkpoint (``craft_mlt_25k.pth``); None takes the shipped default.
        classifier: the same for the character classifier.
        recognizer: the same for the CRNN; or a checkpoint of crnn.pytorch (``crnn.pth``), which
            knows 0-9a-z only.
        routes: what was measured of the two ways, by pattern, as ``industrial-ocr bench
            --write-routes`` writes it: a YAML file or a table; ``auto`` goes by it.
        calibration: of ``industrial-ocr calibrate``: temperatures of the models and the misread
            rates measured with them; None takes those of the shipped weights where
            ``max_misread_rate`` asks for them, and the manifest's temperatures otherwise.
        max_misread_rate: at most this share of the readings that pass as ``ok`` is wrong, on
            pictures like those that the calibration was measured on; it replaces
            ``min_confidence``. None: the configuration says when a reading is doubtful.
        patterns: named patterns of your own, which ``pattern`` of ``read`` then knows beside the
            shipped ones: a YAML file, or what ``load_presets`` gives.

    Attributes:
        weights: sha256 of the weights in use, by task.
        backend: ``torch``, ``onnxruntime`` or ``openvino``.
        device: ``cpu`` or a device of torch.
        routes: what was measured of the two ways, by pattern; ``auto`` goes by it.

    Raises:
        ConfigError: an unknown setting, value or device.
        WeightsError: weights that are missing, damaged or of another model.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        backend: Backend = "auto",
        threads: int | None = None,
        precision: Precision | None = None,
        config: PipelineConfig | str | Path | dict[str, Any] | None = None,
        detector: str | Path | None = None,
        classifier: str | Path | None = None,
        recognizer: str | Path | None = None,
        routes: RouteTable | str | Path | None = None,
        calibration: Calibration | str | Path | None = None,
        max_misread_rate: float | None = None,
        patterns: Mapping[str, Preset] | str | Path | None = None,
    ) -> None:
        self._options = {k: v for k, v in locals().items() if k != "self"}
        keep_forks_usable()
        self.config = reading_config(config)
        if precision is not None:
            self.config = parse_config(
                {**self.config.model_dump(), "precision": precision}, PipelineConfig
            )
        self.routes = _routes(routes)
        self._presets = _presets(patterns)
        self._calibration = _calibration(calibration, max_misread_rate)
        loader = Loader(
            device, backend, threads, self.config.precision, self._calibration.by_weights()
        )
        self.backend, self.device = loader.backend, loader.device
        self._networks = loader.networks
        self._detector = Detector(*loader.detector(detector))
        self._classifier = Classifier(*loader.classifier(classifier))
        self._recognizer = Recognizer(*loader.recognizer(recognizer))
        self.weights = loader.weights
        self._misread_rate = max_misread_rate
        self._check_misread_rate(calibration is None)

    def load(self) -> Reader:
        """Loads every network now, so that a damaged one shows, and the first read is quick.

        Raises:
            WeightsError: a file is missing, damaged or of another network.
        """
        for network in self._networks:
            network.load()
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Reader, **self._options), ()

    @classmethod
    def from_bundle(cls, path: str | Path, **overrides: Any) -> Reader:
        """A Reader from a bundle, as ``export`` writes it.

        Args:
            path: the folder or the .zip. It must stay where it is while the Reader is used.
            overrides: arguments of ``Reader`` that go before what the bundle says.

        Raises:
            WeightsError: it is no bundle, or a file of it is missing or was changed.
            ConfigError: a setting that this version does not know, or a wrong override.
        """
        bundle = open_bundle(path)
        bundle.check()
        reader = cls(**(bundled_options(bundle) | overrides))
        if reader.backend == "torch" and not bundle.holds_safetensors:
            raise ConfigError(
                f"{path}: the bundle was written for {bundle.manifest.backend} and holds no "
                "networks for torch; export it with backend torch"
            )
        return reader

    def export(self, out: str | Path, archive: bool = False) -> list[Path]:
        """Writes a bundle: all that reads as this Reader does, in one folder with hashes.

        It holds the networks, the configuration, and what was given of calibration, misread rate,
        routes and named patterns. Device and threads are the computer's own.

        Args:
            out: the folder; ends it in .zip, only an archive of that name is written.
            archive: write ``out``.zip beside the folder, too.

        Returns:
            What was written.

        Raises:
            ConfigError: it exists already, a model is a published checkpoint, or the calibration
                was measured with other weights.
            WeightsError: a model has no ONNX file, or the bundle cannot be written.
        """
        if not self._calibration.fits(self.weights):
            raise ConfigError(
                "the calibration was measured with other weights than these; "
                "industrial-ocr calibrate DATA measures these ones"
            )
        files = setting_files(self.config, self._calibration, self.routes, self._presets)
        names = {task: self._options[task] for task in TASKS}
        rate = self._misread_rate
        return export_files(out, archive, files, names, self.backend, self.config.precision, rate)

    def _check_misread_rate(self, shipped: bool) -> None:
        """Whether a misread rate was asked for that no way of reading can keep."""
        rate = self._misread_rate
        if rate is None:
            return
        if not 0 < rate < 1:
            raise ConfigError(f"max_misread_rate is a share between 0 and 1, got {rate}")
        if not self._calibration.fits(self.weights):
            whose = "the shipped calibration" if shipped else "the calibration"
            raise ConfigError(
                f"max_misread_rate: {whose} was measured with other weights than these; "
                "industrial-ocr calibrate DATA measures these ones"
            )
        self._calibration.check_rate(rate)

    def _config_for(self, engine: str, with_pattern: bool) -> PipelineConfig:
        """The configuration with the least confidence that keeps the misread rate."""
        if self._misread_rate is None:
            return self.config
        least = self._calibration.threshold(engine, with_pattern, self._misread_rate)
        names = ("min_confidence", "min_code_confidence")
        update = dict.fromkeys(names, min(least, 1.0))
        confidence = self.config.confidence.model_copy(update=update)
        return self.config.model_copy(update={"confidence": confidence})

    def read(
        self,
        image: Any,
        *,
        engine: Engine | str = Engine.AUTO,
        roi: Roi | None = None,
        pattern: Patterns = None,
    ) -> ReadResult:
        """Finds and reads every string of a picture.

        Args:
            image: path, bytes, PIL image, or numpy array: gray, RGB or RGBA, 8 or 16 bit.
            engine: ``two-stage`` (context-free), ``crnn``, ``agree`` (both must read the same) or
                ``auto``: both ways, and of every string the surer reading (without a pattern), or
                the way that suits the pattern (see ``router``).
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
        return self.read_batch([image], engine=engine, roi=roi, pattern=pattern)[0]

    def read_batch(
        self,
        images: Iterable[Any],
        *,
        engine: Engine | str = Engine.AUTO,
        roi: Roi | None = None,
        pattern: Patterns = None,
    ) -> list[ReadResult]:
        """``read`` for several pictures with common batches; the options apply to each."""
        engine = known_engine(engine)
        patterns = _patterns(pattern, self._presets)
        config = self._config_for(engine, bool(patterns))
        loaded = [load_image(i) for i in image_list(images)]
        parts = [self._surrounded(i, roi) for i in loaded]
        pixels = [p for p, _, _ in parts]
        lacking = self._unknown_to_crnn(patterns) if engine == Engine.AUTO else []
        if lacking:
            results = self._read_way(Engine.TWO_STAGE, pixels, None, patterns, config)
            results = without_crnn(results, lacking)
        elif engine in PIPELINES:
            results = self._read_way(engine, pixels, None, patterns, config)
        else:
            results = read_routed(
                pixels,
                self._detector,
                config,
                self._routing(engine, patterns, config),
                lambda way, some, found: self._read_way(way, some, found, patterns, config),
            )
        return [
            result.moved(float(x), float(y), image)
            for result, (_, x, y), image in zip(results, parts, loaded, strict=True)
        ]

    def _surrounded(self, image: ImageArray, roi: Roi | None) -> tuple[ImageArray, int, int]:
        """The part of an image inside a roi, a small one on ground of its own, and its origin."""
        part, x, y = _cut(image, roi)
        detection = self.config.detection
        margin = detection.border if min(part.shape[:2]) < detection.border_below else 0
        return on_ground(part, margin), x - margin, y - margin

    def _routing(
        self, route: Engine, patterns: tuple[Pattern, ...], config: PipelineConfig
    ) -> Routing:
        unknown = set(self._classifier.charset.symbols) - set(self._recognizer.charset.symbols)
        sure = config.confidence
        least = sure.min_code_confidence if patterns else sure.min_confidence
        return Routing(
            route, patterns, self.routes, least, frozenset(unknown), sure.position_weights
        )

    def _unknown_to_crnn(self, patterns: Sequence[Pattern]) -> list[str]:
        """Characters of codes that the CRNN can never read, as of a glyph taught later."""
        missing = (pattern.missing(self._recognizer.charset) for pattern in patterns)
        return sorted(set(chain.from_iterable(missing)))

    def _read_way(
        self,
        way: Engine,
        images: Sequence[ImageArray],
        found: Found | None,
        patterns: Sequence[Pattern],
        config: PipelineConfig,
    ) -> list[ReadResult]:
        """One of the two ways, on strings that were found already or not."""
        if way == Engine.TWO_STAGE:
            return read_two_stage(
                images,
                self._detector,
                self._classifier,
                config,
                patterns=patterns,
                found=found,
            )
        return read_crnn(images, self._detector, self._recognizer, config, patterns, found)

    def pattern(self, text: str) -> Pattern:
        """A pattern that ``read`` takes, compiled: a name or an expression, as ``Pattern.parse``.

        Raises:
            PatternError: no such name, or an expression that cannot be compiled.
        """
        return _patterns(text, self._presets)[0]

    def recognize(
        self,
        crops: Iterable[Any],
        *,
        engine: Engine | str = Engine.CRNN,
        lexicon: Lexicon | None = None,
        pattern: Patterns = None,
    ) -> list[ReadResult]:
        """Reads images that are one string already.

        Args:
            crops: as ``image`` of ``read``; each holds one string, left to right, at most about 25
                degrees from level.
            engine: ``crnn`` reads the whole crop at once; ``two-stage`` finds its characters.
            lexicon: the string is one of these words (``crnn`` only).
            pattern: as of ``read``.

        Raises:
            ImageError: a crop cannot be read, or it is one image and no list of them.
            ConfigError: an unknown engine, or a lexicon for ``two-stage``.
        """
        engine = known_engine(engine)
        if lexicon is not None and engine != Engine.CRNN:
            raise ConfigError("a lexicon is for engine crnn")
        patterns = _patterns(pattern, self._presets)
        config = self._config_for(engine, bool(patterns))
        loaded = [load_image(c) for c in image_list(crops)]
        level = [rectified(i) if config.rectify_crops else Rectified(i) for i in loaded]
        results = self._recognize(level, engine, lexicon, patterns, config)
        return [
            r if own.matrix is None else r.placed(own.place, image)
            for r, own, image in zip(results, level, loaded, strict=True)
        ]

    def _recognize(
        self,
        loaded: Sequence[Rectified],
        engine: Engine,
        lexicon: Lexicon | None,
        patterns: tuple[Pattern, ...],
        config: PipelineConfig,
    ) -> list[ReadResult]:
        lacking = self._unknown_to_crnn(patterns) if engine == Engine.AUTO else []
        if lacking:
            results = self._recognize(loaded, Engine.TWO_STAGE, None, patterns, config)
            return without_crnn(results, lacking)
        if engine not in PIPELINES:
            both = [self._recognize(loaded, way, None, patterns, config) for way in PIPELINES]
            routing = self._routing(engine, patterns, config)
            return [
                route_results(dict(zip(PIPELINES, own, strict=True)), routing)
                for own in zip(*both, strict=True)
            ]
        if engine == Engine.CRNN:
            return recognize_crops(loaded, self._recognizer, config, lexicon, patterns)
        images = [crop.image for crop in loaded]
        return read_two_stage_crops(images, self._detector, self._classifier, config, patterns)

    def verify(
        self,
        image: Any,
        expected: str,
        *,
        roi: Roi | None = None,
        engine: Engine | str = Engine.TWO_STAGE,
        part: bool = False,
    ) -> Verification:
        """Says whether a text that must be printed on a picture is (see ``decoding.verification``).

        Args:
            image: as of ``read``.
            expected: the text, which may run over neighboring strings; spaces need not be given
                as printed.
            roi: as of ``read``.
            engine: ``two-stage``, ``crnn``, or ``agree``: both must pass.
            part: the text may be a part of a longer word.

        Raises:
            ImageError: the image cannot be read, or the roi lies outside it.
            ConfigError: an unknown engine, an empty text, or one with symbols no model knows.
        """
        loaded = load_image(image)
        pixels, x, y = self._surrounded(loaded, roi)
        verdict = verify_image(pixels, expected, engine, self.models, part)
        return verdict.moved(float(x), float(y), loaded)

    def evidence(
        self, image: Any, one_string: bool = False
    ) -> tuple[list[StringEvidence], list[FloatArray]]:
        """What both models say of a picture's strings before anything is decided.

        Args:
            image: as of ``read``.
            one_string: it is one string, left to right.

        Returns:
            Per string what the classifier says of its boxes, and (T, C) log-probabilities of the
            CRNN's frames.
        """
        pixels = load_image(image)
        config = view_config(self.config) if one_string else self.config
        found = find_strings([pixels], self._detector, config, Clock())
        if one_string:
            found = [as_one_string(own) for own in found]
        (boxes,) = string_evidence(
            [pixels], found, self._classifier, self.config, upright=one_string
        )
        if one_string:
            ((_, frames),) = read_crops([Rectified(pixels)], self._recognizer, self.config, Clock())
            return boxes, [frames.log_probs]
        (read,) = read_frames([pixels], found, self._recognizer, self.config, Clock())
        return boxes, [frames.log_probs for _, frames in read]

    @property
    def models(self) -> Models:
        """What looks at pictures, for those who ask the ways themselves."""
        return Models(self._detector, self._classifier, self._recognizer, self.config)

    def classify_boxes(self, image: Any, quads: Sequence[Any]) -> list[CharCandidates]:
        """Names the characters of a picture whose places are known.

        Args:
            image: as of ``read``.
            quads: (4, 2) source pixels each, clockwise from the top-left of the character.

        Returns:
            Per quad the best symbols with their probabilities.
        """
        places = [as_quad(quad) for quad in quads]
        (named,) = self._classifier.classify(
            [load_image(image)], [places], self.config.classification
        )
        return named

    @property
    def charset(self) -> Charset:
        """The symbols of the recognizer, with the blank."""
        return self._recognizer.charset

    @property
    def classifier_charset(self) -> Charset:
        """The symbols of the classifier."""
        return self._classifier.charset

    @property
    def temperatures(self) -> dict[str, float]:
        """What the logits of the classifier and of the recognizer are divided by, by task."""
        return {
            "classifier": self._classifier.temperature,
            "recognizer": self._recognizer.temperature,
        }

    def classify(self, crops: Iterable[Any]) -> list[CharCandidates | None]:
        """Names images that are one upright character each, cut more or less close to it.

        Args:
            crops: as ``image`` of ``read``.

        Returns:
            Per crop the best symbols with their probabilities; None where it shows no character
            that can be told (``classification.whole_reject``).

        Raises:
            ImageError: a crop cannot be read, or it is one image and no list of them.
        """
        loaded = [load_image(c) for c in image_list(crops)]
        config = self.config.classification
        named = self._classifier.classify_whole(loaded, config)
        return [None if shows_none(n, config.whole_reject) else n for n in named]


def _routes(source: RouteTable | str | Path | None) -> RouteTable:
    if source is None or isinstance(source, Mapping):
        return source or {}
    return load_routes(source)


def _presets(source: Mapping[str, Preset] | str | Path | None) -> dict[str, Preset]:
    if source is None or isinstance(source, Mapping):
        return dict(source or {})
    return load_presets(source)


def _calibration(
    source: Calibration | str | Path | None, misread_rate: float | None
) -> Calibration:
    """What was given; the shipped one where a misread rate is asked for, else none."""
    if isinstance(source, Calibration):
        return source
    if source is None:
        return Calibration() if misread_rate is None else load_calibration(SHIPPED_CALIBRATION)
    return load_calibration(source)


def _patterns(given: Patterns, own: Mapping[str, Preset]) -> tuple[Pattern, ...]:
    """What ``pattern`` of ``read`` holds, compiled; a name of ``own`` goes before a shipped one."""
    if given is None:
        return ()
    several = [given] if isinstance(given, Pattern | str) else list(given)
    presets = {**load_presets(), **own} if own else None
    return tuple(p if isinstance(p, Pattern) else Pattern.parse(p, presets) for p in several)


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
    if len(points) == 2 and (points[1] <= points[0]).any():
        raise ImageError(
            f"roi is x0, y0, x1, y1 with x0 < x1 and y0 < y1, got {roi!r}; of x, y, width and "
            "height give x, y, x + width, y + height"
        )
    x0, y0, x1, y1 = bounds(points)
    height, width = image.shape[:2]
    left, top = max(0, int(x0)), max(0, int(y0))
    right, bottom = min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1)))
    if right <= left or bottom <= top:
        raise ImageError(f"roi {roi!r} lies outside the image of {width}x{height} pixels")
    return np.ascontiguousarray(image[top:bottom, left:right]), left, top
