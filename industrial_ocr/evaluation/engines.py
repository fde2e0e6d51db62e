"""The engines that a benchmark compares, behind one interface: ours and those of other packages.

Every engine gets the same pixels: RGB uint8 as ``image.load.load_image`` gives them. Another
package is imported only when its engine is asked for; if it is not installed, an ``EngineError``
says how to install it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np

from industrial_ocr.datasets.samples import Task
from industrial_ocr.decoding.lexicon import Lexicon
from industrial_ocr.errors import EngineError
from industrial_ocr.evaluation.records import EngineReading, ReadString
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.types import ImageArray, TextString, as_quad


class BenchmarkEngine(Protocol):
    """What the runner needs of an engine.

    Attributes:
        name: as it is asked for.
        version: of the package behind it.
        datasets: names of those that it reads, None for all.
    """

    name: str
    version: str
    datasets: frozenset[str] | None

    def read(self, image: ImageArray, task: Task) -> EngineReading:
        """Reads a whole picture, or one that is a single string or character already."""


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its seconds."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def _own_string(string: TextString) -> ReadString:
    characters = tuple(
        (c.symbol, round(c.confidence, 4), np.round(c.quad, 1).tolist()) for c in string.characters
    )
    quad = np.round(string.quad, 1).tolist()
    return ReadString(string.text, round(string.confidence, 5), quad, characters)


def _own_code(code: CodeReading) -> ReadString:
    return ReadString(
        text=code.text,
        confidence=round(code.confidence, 5),
        quad=np.round(code.quad, 1).tolist(),
        status=code.status.value,
        raw=code.raw_text,
        signs=() if code.signs is None else tuple(round(s, 4) for s in astuple(code.signs)),
    )


class OwnEngine:
    """One of this package's engines.

    Args:
        name: of ``OWN_ENGINES``.
        reader: a ``Reader``.
        patterns: what codes look like, by dataset.
    """

    datasets: frozenset[str] | None = None

    def __init__(
        self, name: str, reader: Any, patterns: Mapping[str, Pattern] | None = None
    ) -> None:
        from industrial_ocr import __version__

        self.name = name
        self.version = __version__
        self.reader = reader
        self._patterns = dict(patterns or {})
        self.pattern: Pattern | None = None

    def use(self, dataset: str) -> None:
        """Takes the pattern of a dataset."""
        self.pattern = self._patterns.get(dataset)

    def _result(self, image: ImageArray, task: Task) -> Any:
        options = {"engine": self.name, "pattern": self.pattern}
        if task == "read":
            return self.reader.read(image, **options)
        return self.reader.recognize([image], **options)[0]

    def read(self, image: ImageArray, task: Task) -> EngineReading:
        """``Reader.read`` or ``recognize``; two-stage classifies a single character."""
        if task == "classify" and self.name == "two-stage":
            candidates, seconds = _timed(lambda: self.reader.classify([image])[0])
            named = tuple(ReadString(symbol, round(p, 5)) for symbol, p in candidates[:1])
            return EngineReading(named, seconds=seconds)
        result, seconds = _timed(lambda: self._result(image, task))
        strings = tuple(_own_string(s) for s in result.strings)
        codes = None if self.pattern is None else tuple(_own_code(c) for c in result.codes)
        return EngineReading(strings, result.status.value, seconds, dict(result.timings), codes)


class LexiconEngine(OwnEngine):
    """The crnn under a lexicon, by dataset; it reads only datasets that have one."""

    def __init__(self, reader: Any, lexicons: Mapping[str, Lexicon]) -> None:
        super().__init__("crnn+lexicon", reader)
        self.lexicons = lexicons
        self.datasets = frozenset(lexicons)
        self.lexicon: Lexicon | None = None

    def use(self, dataset: str) -> None:
        """Takes the lexicon of a dataset; patterns go to the plain engine."""
        self.lexicon = self.lexicons[dataset]

    def _result(self, image: ImageArray, task: Task) -> Any:
        return self.reader.recognize([image], engine="crnn", lexicon=self.lexicon)[0]


class OtherEngine(ABC):
    """An engine of another package, which is imported when the engine is made."""

    name: str
    version: str
    datasets: frozenset[str] | None = None

    def _import(self, module: str, install: str) -> Any:
        """A module; EngineError that says how to install it."""
        try:
            return importlib.import_module(module)
        except ImportError as error:
            raise EngineError(f"engine {self.name} is not installed: {install}") from error

    def read(self, image: ImageArray, task: Task) -> EngineReading:
        """What the package reads, with the time of its call alone."""
        found, seconds = _timed(lambda: self._call(image, task))
        return EngineReading(tuple(self._strings(found)), seconds=seconds)

    @abstractmethod
    def _call(self, image: ImageArray, task: Task) -> Any:
        """The call of the package."""

    @abstractmethod
    def _strings(self, found: Any) -> Iterator[ReadString]:
        """What the call gave as strings."""


class RapidOcrEngine(OtherEngine):
    """RapidOCR with the models inside its package and its default settings.

    Crops go to its recognizer alone: its detector would often miss a word that fills the picture.

    Args:
        runtime: ``onnxruntime``, its default, or ``openvino``.
        threads: of the runtime; None leaves RapidOCR's own setting.
    """

    THREAD_OPTIONS: ClassVar[Mapping[str, Sequence[str]]] = {
        "onnxruntime": ("intra_op_num_threads", "inter_op_num_threads"),
        "openvino": ("inference_num_threads",),
    }

    def __init__(self, runtime: str = "onnxruntime", threads: int | None = None) -> None:
        self.name = "rapidocr" if runtime == "onnxruntime" else f"rapidocr-{runtime}"
        install = "pip install 'industrial-ocr[bench]'"
        rapidocr = self._import("rapidocr", install)
        self.version = importlib.metadata.version("rapidocr")
        params: dict[str, Any] = {"Global.log_level": "error"}
        if runtime != "onnxruntime":
            self._import(runtime, f"{install} {runtime}")
            self.version += f", {runtime} {importlib.metadata.version(runtime)}"
            for stage in ("Det", "Cls", "Rec"):
                params[f"{stage}.engine_type"] = rapidocr.EngineType(runtime)
        if threads is not None:
            for option in self.THREAD_OPTIONS[runtime]:
                params[f"EngineConfig.{runtime}.{option}"] = threads
        self._engine = rapidocr.RapidOCR(params=params)

    def _call(self, image: ImageArray, task: Task) -> Any:
        whole = task == "read"
        # All three are named each time: RapidOCR keeps what an earlier call switched off.
        return self._engine(image[..., ::-1], use_det=whole, use_cls=whole, use_rec=True)

    def _strings(self, found: Any) -> Iterator[ReadString]:
        boxes = getattr(found, "boxes", None)
        for i, (text, score) in enumerate(zip(found.txts or (), found.scores or (), strict=True)):
            if text.strip():
                quad = None if boxes is None else np.asarray(boxes[i]).tolist()
                yield ReadString(text, float(score), quad)


class TesseractEngine(OtherEngine):
    """Tesseract 5 with English data, in the page modes that its manual advises.

    Pictures are sparse text (11), crops one line (7) or one character (10); small crops are
    enlarged to 48 px. Words of one line are joined by spaces; a line's confidence is that of its
    weakest word.
    """

    name = "tesseract"

    def __init__(self) -> None:
        program = "apt install tesseract-ocr"
        install = f"pip install 'industrial-ocr[bench]' and {program}"
        self._tesseract = self._import("pytesseract", install)
        if shutil.which("tesseract") is None:
            raise EngineError(f"engine tesseract needs the program of that name: {program}")
        self.version = str(self._tesseract.get_tesseract_version())

    def _call(self, image: ImageArray, task: Task) -> Any:
        page_mode = {"read": 11, "recognize": 7, "classify": 10}[task]
        scale = 1.0 if task == "read" else 48 / image.shape[0]
        if scale > 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
        output = self._tesseract.Output.DICT
        return self._tesseract.image_to_data(image, config=f"--psm {page_mode}", output_type=output)

    def _strings(self, found: Any) -> Iterator[ReadString]:
        lines: dict[tuple[int, int, int], list[int]] = {}
        for i, text in enumerate(found["text"]):
            if text.strip():
                key = (found["block_num"][i], found["par_num"][i], found["line_num"][i])
                lines.setdefault(key, []).append(i)
        for words in lines.values():
            x0 = float(min(found["left"][i] for i in words))
            y0 = float(min(found["top"][i] for i in words))
            x1 = float(max(found["left"][i] + found["width"][i] for i in words))
            y1 = float(max(found["top"][i] + found["height"][i] for i in words))
            confidence = min(max(float(found["conf"][i]), 0.0) for i in words) / 100
            text = " ".join(found["text"][i].strip() for i in words)
            yield ReadString(text, confidence, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


class EasyOcrEngine(OtherEngine):
    """EasyOCR, English, its defaults, as installed by the user with its models already on disk."""

    name = "easyocr"

    def __init__(self) -> None:
        easyocr = self._import("easyocr", "pip install easyocr")
        self.version = importlib.metadata.version("easyocr")
        self._engine = easyocr.Reader(["en"], verbose=False)

    def _call(self, image: ImageArray, task: Task) -> Any:
        if task == "read":
            return self._engine.readtext(image[..., ::-1])
        height, width = image.shape[:2]
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return self._engine.recognize(gray, [[0, width, 0, height]], [])

    def _strings(self, found: Any) -> Iterator[ReadString]:
        for quad, text, score in found:
            yield ReadString(text, float(score), as_quad(quad).tolist())


class PaddleOcrEngine(OtherEngine):
    """PaddleOCR 3, as installed by the user with its models already on disk."""

    name = "paddleocr"

    def __init__(self) -> None:
        paddleocr = self._import("paddleocr", "pip install paddleocr")
        self.version = importlib.metadata.version("paddleocr")
        self._engine = paddleocr.PaddleOCR(
            use_doc_orientation_classify=False,
            use_doc_unwarping=False,
            use_textline_orientation=True,
        )
        self._recognizer = paddleocr.TextRecognition()

    def _call(self, image: ImageArray, task: Task) -> Any:
        engine = self._engine if task == "read" else self._recognizer
        return engine.predict(image[..., ::-1])[0]

    def _strings(self, found: Any) -> Iterator[ReadString]:
        if "rec_text" in found:  # of the recognizer alone
            yield ReadString(found["rec_text"], float(found["rec_score"]))
            return
        rows = zip(found["rec_texts"], found["rec_scores"], found["rec_polys"], strict=True)
        for text, score, quad in rows:
            yield ReadString(text, float(score), as_quad(quad).tolist())


OWN_ENGINES = ("two-stage", "crnn", "agree", "auto")
OTHER_ENGINES: dict[str, Callable[[], BenchmarkEngine]] = {
    "rapidocr": RapidOcrEngine,
    "rapidocr-openvino": lambda: RapidOcrEngine("openvino"),
    "tesseract": TesseractEngine,
    "easyocr": EasyOcrEngine,
    "paddleocr": PaddleOcrEngine,
}
ENGINE_NAMES = (*OWN_ENGINES, *OTHER_ENGINES)


def check_engine_names(names: list[str]) -> None:
    """EngineError for an unknown or repeated name, with the names there are."""
    known = ", ".join(ENGINE_NAMES)
    if not names:
        raise EngineError(f"no engine given; there are: {known}")
    for name in names:
        if name not in ENGINE_NAMES:
            raise EngineError(f"engine {name!r} is unknown; there are: {known}")
        if names.count(name) > 1:
            raise EngineError(f"engine {name!r} is given twice")


def make_engines(
    names: list[str],
    make_reader: Callable[[], Any],
    patterns: Mapping[str, Pattern] | None = None,
) -> tuple[list[BenchmarkEngine], dict[str, str]]:
    """Engines by name, in that order; ours share one Reader.

    Args:
        names: of ``ENGINE_NAMES``.
        make_reader: called once, if any of our own engines is asked for.
        patterns: of our own engines, by dataset.

    Returns:
        The engines that could be made, and for each of the others one line that says why not.

    Raises:
        EngineError: an unknown name.
    """
    check_engine_names(names)
    reader = make_reader() if any(n in OWN_ENGINES for n in names) else None
    engines: list[BenchmarkEngine] = []
    missing: dict[str, str] = {}
    for name in names:
        if name in OWN_ENGINES:
            engines.append(OwnEngine(name, reader, patterns))
            continue
        try:
            engines.append(OTHER_ENGINES[name]())
        except EngineError as error:
            missing[name] = str(error)
    return engines, missing
