"""The ``Reader``: loads configuration and weights once, then reads images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from industrial_ocr.config import PipelineConfig, Precision, parse_config, suited
from industrial_ocr.decoding.calibration import Calibration
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.lexicon import Lexicon
from industrial_ocr.detection.detector import Detector
from industrial_ocr.errors import ConfigError, ImageError
from industrial_ocr.image.load import image_list, load_image
from industrial_ocr.image.preprocess import without_color
from industrial_ocr.inference.bundle import open_bundle
from industrial_ocr.inference.forking import keep_forks_usable
from industrial_ocr.inference.loading import Backend, Loader
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.patterns.presets import Preset
from industrial_ocr.reader.arguments import (
    Patterns,
    Roi,
    asked_calibration,
    check_misread_rate,
    compiled_patterns,
    in_pieces,
    known_engine,
    known_routes,
    own_presets,
    reading_config,
    roi_part,
)
from industrial_ocr.reader.bundled import TASKS, bundled_options, export_files, setting_files
from industrial_ocr.reader.frames import read_together
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.pipelines import EngineRun
from industrial_ocr.reader.router import RouteTable
from industrial_ocr.reader.verify import image_evidence, verify_image
from industrial_ocr.recognition.classifier import Classifier, shows_none
from industrial_ocr.recognition.division import LineRecognizer
from industrial_ocr.recognition.recognizer import StringFrames
from industrial_ocr.recognition.rectification import Rectified, rectified
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import CharCandidates, as_quad
from industrial_ocr.results.verdicts import Verification


class Reader:
    """Reads serial codes from images. Safe to share between threads and after a fork.

    Every network is loaded when it is first needed.

    Args:
        device: ``auto``, ``cpu``, or a device of torch such as ``cuda``.
        backend: what the networks run on: ``torch``, ``onnxruntime`` or ``openvino``. ``auto``
            takes torch on a GPU if both are there, else OpenVINO if it is installed, else ONNX
            Runtime.
        threads: number of threads for a network and for OpenCV (in the whole process); None leaves
            it to the libraries, which take one per core.
        precision: replaces that of the configuration: ``fp32``, ``bf16``, ``int8`` or ``auto``.
        config: a ``PipelineConfig``, a dict of its sections, a YAML file, or one of the shipped
            ``configs``: the default ``pipeline``; ``fast``, which takes about half the time and
            is slightly less accurate; or ``accurate``, which finds strings with the published CRAFT
            and is made for a GPU.
        detector: a name from ``industrial-ocr weights``, a ``.safetensors`` file, a published CRAFT
            checkpoint, or ``craft-mlt-25k``, the authors' one for many languages (see
            ``inference.craft_mlt``); None takes the shipped default.
        classifier: the same for the character classifier.
        recognizer: the same for the CRNN; or a checkpoint of crnn.pytorch (``crnn.pth``), which
            knows 0-9a-z only; or any CTC recognizer as an ONNX file (see ``inference.ctc_onnx``);
            or ``pp-ocrv6`` of PP-OCR with 18,707 symbols (extra ``ppocr``). No reading of the last
            two is ``ok`` before ``industrial-ocr calibrate`` has measured their confidence.
        routes: accuracy of both engines by pattern, as written by ``industrial-ocr bench
            --write-routes``: a YAML file or a table; ``auto`` uses it to choose.
        calibration: from ``industrial-ocr calibrate``: temperatures of the models, and misread
            rates measured with them. None takes the shipped calibration if ``max_misread_rate`` is
            given, else only the manifest's temperatures.
        max_misread_rate: largest share of wrong readings among those with status ``ok``, on images
            like those of the calibration; it replaces ``min_confidence`` of the configuration.
        patterns: further named patterns for ``pattern`` of ``read``: a YAML file, or the result of
            ``load_presets``.

    Attributes:
        weights: sha256 of the weights in use, by task.
        backend: ``torch``, ``onnxruntime`` or ``openvino``.
        device: ``cpu`` or a device of torch.
        routes: accuracy of both engines by pattern; ``auto`` uses it to choose.

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
        self.routes = known_routes(routes)
        self._presets = own_presets(patterns)
        self._calibration = asked_calibration(calibration, max_misread_rate)
        loader = Loader(
            device, backend, threads, self.config.precision, self._calibration.by_weights()
        )
        self.backend, self.device = loader.backend, loader.device
        self._networks = loader.networks
        chosen, finder = loader.detector(detector), self.config.detection.finder
        second = Detector(*loader.detector(finder, "finder")) if finder else None
        self._detector = Detector(*chosen, finder=second)
        self.config = suited(self.config, chosen.settings)
        self._classifier = Classifier(*loader.classifier(classifier))
        self._recognizer = LineRecognizer(*loader.recognizer(recognizer))
        self.weights = loader.weights
        self._misread_rate = max_misread_rate
        check_misread_rate(max_misread_rate, self._calibration, self.weights, calibration is None)

    def load(self) -> Reader:
        """Loads every network now, so that a damaged file is noticed and the first read is fast.

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
            path: the folder or the .zip. It must stay in place while the Reader is used.
            overrides: arguments of ``Reader`` that replace those of the bundle.

        Raises:
            WeightsError: it is no bundle, or one of its files is missing or was changed.
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

    def export(
        self,
        out: str | Path,
        archive: bool = False,
        *,
        every_backend: bool = False,
        documents: Mapping[str, bytes] | None = None,
    ) -> list[Path]:
        """Writes a bundle: a folder with hashes, from which a Reader reads as this one does.

        It holds the networks, the configuration, and the calibration, misread rate, routes and
        named patterns that were given. It does not hold the device and the number of threads.

        Args:
            out: the folder. If it ends in .zip, only an archive of that name is written.
            archive: also write ``out``.zip next to the folder.
            every_backend: include the networks for torch, which can be trained further. They are
                always included if the Reader runs on torch.
            documents: further files by name. They get hashes; no reader uses them.

        Returns:
            The paths written.

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
        if self.config.detection.finder:
            raise ConfigError(
                f"detection.finder {self.config.detection.finder}: a bundle holds one detector; "
                "export without a finder"
            )
        files = setting_files(self.config, self._calibration, self.routes, self._presets)
        names = {task: self._options[task] for task in TASKS}
        return export_files(
            out,
            archive,
            files | dict(documents or {}),
            names,
            self.backend,
            self.config.precision,
            self._misread_rate,
            every_backend or self.backend == "torch",
        )

    def _run(self, engine: Engine | str, pattern: Patterns) -> EngineRun:
        """A run with the least confidence that keeps the misread rate."""
        engine = known_engine(engine)
        patterns = compiled_patterns(pattern, self._presets)
        models = self.models
        if self._misread_rate is not None:
            least = self._calibration.threshold(engine, bool(patterns), self._misread_rate)
            limits = dict.fromkeys(("min_confidence", "min_code_confidence"), min(least, 1.0))
            models = replace(models, config=self.config.with_values("confidence", **limits))
        return EngineRun(engine, patterns, models, self.routes)

    def read(
        self,
        image: Any,
        *,
        engine: Engine | str = Engine.AUTO,
        roi: Roi | None = None,
        pattern: Patterns = None,
    ) -> ReadResult:
        """Finds and reads every string of an image.

        Args:
            image: path, bytes, PIL image, or numpy array: gray, RGB or RGBA, 8 or 16 bit.
            engine: ``two-stage`` (context-free), ``crnn``, ``agree`` (both must read the same) or
                ``auto``: without a pattern, both read and each string gets the likelier reading;
                with one, the engine that suits the pattern reads first (see ``router``).
            roi: x0, y0, x1, y1 in pixels: only this part is read; quads refer to the whole image.
            pattern: what codes look like: a ``Pattern``, a preset's name or a regular expression,
                or several; ``result.codes`` then holds the codes. ``auto`` and ``agree`` then
                give the strings of one engine with its own confidence, so that they may differ
                from those without a pattern.

        Returns:
            The result, also if there is no text.

        Raises:
            ImageError: the image cannot be read, or the roi lies outside it.
            ConfigError: an unknown engine.
            PatternError: a pattern cannot be compiled, or needs symbols that the model lacks.
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
        """``read`` for several images, in common batches; the options apply to each image."""
        run = self._run(engine, pattern)
        loaded = [load_image(i) for i in image_list(images)]
        parts = [roi_part(i, roi, self.config.detection) for i in loaded]
        results = run.read([without_color(pixels) for pixels, _, _ in parts])
        return [
            result.moved(float(x), float(y), image)
            for result, (_, x, y), image in zip(results, parts, loaded, strict=True)
        ]

    def read_frames(
        self,
        images: Iterable[Any],
        *,
        engine: Engine | str = Engine.AUTO,
        roi: Roi | None = None,
        pattern: Patterns = None,
    ) -> ReadResult:
        """Reads several pictures of one part as one (see ``frames``).

        The evidence of all pictures for each character is combined; blurred or covered pictures
        count little. ``reason`` of the result tells how many pictures give the same reading alone,
        ``agreement`` of a string how far they agree on it. If a picture clearly has another text,
        the status is ``disagreement``.

        Args:
            images: as ``image`` of ``read``; the text may be shifted by a quarter of its length and
                turned by some degrees. A single picture is read as by ``read``.
            engine: as in ``read``.
            roi: as in ``read``, the same for each picture.
            pattern: as in ``read``.

        Returns:
            The result. Its ``image`` is the picture with the best reading; quads are in its pixels.

        Raises:
            ImageError: there is no picture.
        """
        run = self._run(engine, pattern)
        loaded = [load_image(i) for i in image_list(images)]
        if not loaded:
            raise ImageError("expected at least one picture of the part, got an empty list")
        if len(loaded) == 1:
            return self.read(loaded[0], engine=engine, roi=roi, pattern=run.patterns or None)
        parts = [roi_part(i, roi, self.config.detection) for i in loaded]
        result, reference = read_together([pixels for pixels, _, _ in parts], run)
        _, x, y = parts[reference]
        return result.moved(float(x), float(y), loaded[reference])

    def pattern(self, text: str) -> Pattern:
        """Compiles a name or an expression, as ``pattern`` of ``read`` does.

        Raises:
            PatternError: no such name, or an expression that cannot be compiled.
        """
        return compiled_patterns(text, self._presets)[0]

    def recognize(
        self,
        crops: Iterable[Any],
        *,
        engine: Engine | str = Engine.CRNN,
        lexicon: Lexicon | None = None,
        pattern: Patterns = None,
        division: Literal["blanks", "windows"] | None = None,
    ) -> list[ReadResult]:
        """Reads images of one string each.

        Args:
            crops: as ``image`` of ``read``; each holds one string, left to right, at most about 25
                degrees from level.
            engine: ``crnn`` reads the whole crop at once; ``two-stage`` finds its characters.
            lexicon: the string is one of these words (``crnn`` only).
            pattern: as in ``read``.
            division: reads lines of any length, in pieces between blanks or in overlapping windows
                (``recognition.division``), each in one view (``crnn`` only); None as configured.

        Raises:
            ImageError: a crop cannot be read, or ``crops`` is one image instead of a list.
            ConfigError: an engine is unknown or does not take a lexicon or a division, or the
                recognizer lacks a character of the lexicon.
        """
        run = self._run(engine, pattern)
        if (lexicon or division) and engine != Engine.CRNN:
            raise ConfigError(f"a lexicon or a division needs engine crnn, got {engine}")
        if division is not None:
            run.models = replace(run.models, config=in_pieces(run.models.config, division))
        loaded = [load_image(c) for c in image_list(crops)]
        level = [rectified(i) if self.config.rectify_crops else Rectified(i) for i in loaded]
        results = run.recognize(level, lexicon)
        return [
            r if own.matrix is None else r.placed(own.place, image)
            for r, own, image in zip(results, level, loaded, strict=True)
        ]

    def verify(
        self,
        image: Any,
        expected: str,
        *,
        roi: Roi | None = None,
        engine: Engine | str = Engine.TWO_STAGE,
        part: bool = False,
    ) -> Verification:
        """Verifies that the expected text is printed in an image (see ``decoding.verification``).

        Args:
            image: as in ``read``.
            expected: the text, which may run over neighboring strings; its spaces may differ from
                the printed ones.
            roi: as in ``read``.
            engine: ``two-stage``, ``crnn``, or ``agree``: both must pass.
            part: the text may be a part of a longer word.

        Raises:
            ImageError: the image cannot be read, or the roi lies outside it.
            ConfigError: an unknown engine, an empty text, or one with symbols no model knows.
        """
        loaded = load_image(image)
        pixels, x, y = roi_part(loaded, roi, self.config.detection)
        verdict = verify_image(pixels, expected, engine, self.models, part)
        return verdict.moved(float(x), float(y), loaded)

    def evidence(
        self, image: Any, one_string: bool = False
    ) -> tuple[list[StringEvidence], list[StringFrames]]:
        """The outputs of classifier and CRNN for an image's strings, before decoding.

        Args:
            image: as in ``read``.
            one_string: the image holds one string, left to right.

        Returns:
            For each string, the classifier's candidates for its boxes, and the CRNN's frames, in
            pixels of the image with the border that ``read`` adds (``DetectionConfig.border``).
        """
        pixels = load_image(image)
        if not one_string:
            pixels, _, _ = roi_part(pixels, None, self.config.detection)
        return image_evidence(pixels, self.models, one_string)

    @property
    def models(self) -> Models:
        """The models and the settings, for code that calls the pipelines directly."""
        return Models(self._detector, self._classifier, self._recognizer, self.config)

    def classify_boxes(self, image: Any, quads: Sequence[Any]) -> list[CharCandidates]:
        """Classifies characters at known places; returns the best symbols for each of them.

        Args:
            image: as in ``read``.
            quads: (4, 2) source pixels each, clockwise from the top-left of the character.

        Raises:
            ImageError: the image cannot be read, or a quad is not (4, 2) numbers.
        """
        try:
            places = [as_quad(quad) for quad in quads]
        except (TypeError, ValueError) as error:
            raise ImageError(f"quads: {error}") from error
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
        """The temperatures of the classifier and of the recognizer, by task."""
        return {
            "classifier": self._classifier.temperature,
            "recognizer": self._recognizer.temperature,
        }

    def classify(self, crops: Iterable[Any]) -> list[CharCandidates | None]:
        """Classifies images of one upright character each; see ``read`` for their types.

        Returns:
            For each crop, the best symbols with their probabilities; None if it shows no
            recognizable character (``classification.whole_reject``).

        Raises:
            ImageError: a crop cannot be read, or ``crops`` is one image instead of a list.
        """
        loaded = [load_image(c) for c in image_list(crops)]
        config = self.config.classification
        named = self._classifier.classify_whole(loaded, config)
        return [None if shows_none(n, config.whole_reject) else n for n in named]
