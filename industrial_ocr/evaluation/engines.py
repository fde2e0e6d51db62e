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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple
from typing import Any, Protocol

import cv2
import numpy as np

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

    def read(self, image: ImageArray) -> EngineReading:
        """Finds and reads every string of a picture."""

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """Reads a picture that is one string, or one character, already."""


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

    def _timed(self, call: Callable[[], Any]) -> EngineReading:
        start = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - start
        strings = tuple(_own_string(s) for s in result.strings)
        codes = None if self.pattern is None else tuple(_own_code(c) for c in result.codes)
        return EngineReading(strings, result.status.value, seconds, dict(result.timings), codes)

    def read(self, image: ImageArray) -> EngineReading:
        """``Reader.read``."""
        return self._timed(lambda: self.reader.read(image, engine=self.name, pattern=self.pattern))

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """``Reader.recognize``; a single character goes to ``Reader.classify`` (two-stage)."""
        if one_character and self.name == "two-stage":
            return _timed(lambda: self.reader.classify([image])[0][:1], _classified)
        return self._timed(
            lambda: self.reader.recognize([image], engine=self.name, pattern=self.pattern)[0]
        )


def _classified(candidates: Iterable[tuple[str, float]]) -> Iterator[ReadString]:
    for symbol, probability in candidates:
        yield ReadString(symbol, round(probability, 5))


class LexiconEngine(OwnEngine):
    """The crnn under a lexicon, on the datasets that have one.

    Args:
        reader: a ``Reader``.
        lexicons: by dataset.
    """

    NAME = "crnn+lexicon"

    def __init__(self, reader: Any, lexicons: Mapping[str, Lexicon]) -> None:
        super().__init__("crnn", reader)
        self.name = self.NAME
        self.lexicons = lexicons
        self.datasets = frozenset(lexicons)
        self.lexicon: Lexicon | None = None

    def use(self, dataset: str) -> None:
        """Takes the lexicon of a dataset; patterns go to the plain engine."""
        self.lexicon = self.lexicons[dataset]

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """``Reader.recognize`` under the lexicon."""
        return self._timed(
            lambda: self.reader.recognize([image], engine="crnn", lexicon=self.lexicon)[0]
        )


def _timed(
    call: Callable[[], Any], strings: Callable[[Any], Iterable[ReadString]]
) -> EngineReading:
    """Times a call of another package; ``strings`` converts what it gives, outside of the time."""
    start = time.perf_counter()
    found = call()
    seconds = time.perf_counter() - start
    return EngineReading(tuple(strings(found)), seconds=seconds)


def _imported(module: str, engine: str, install: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EngineError(f"engine {engine} is not installed: {install}") from error


class RapidOcrEngine:
    """RapidOCR with the models inside its package and its default settings.

    Crops go to its recognizer alone: its detector would often miss a word that fills the picture.

    Args:
        runtime: ``onnxruntime``, its default, or ``openvino``.
    """

    datasets: frozenset[str] | None = None

    def __init__(self, runtime: str = "onnxruntime") -> None:
        self.name = "rapidocr" if runtime == "onnxruntime" else f"rapidocr-{runtime}"
        install = "pip install 'industrial-ocr[bench]'"
        rapidocr = _imported("rapidocr", self.name, install)
        self.version = importlib.metadata.version("rapidocr")
        params: dict[str, Any] = {"Global.log_level": "error"}
        if runtime != "onnxruntime":
            _imported(runtime, self.name, f"{install} {runtime}")
            self.version += f", {runtime} {importlib.metadata.version(runtime)}"
            for stage in ("Det", "Cls", "Rec"):
                params[f"{stage}.engine_type"] = rapidocr.EngineType(runtime)
        self._engine = rapidocr.RapidOCR(params=params)

    @staticmethod
    def _strings(found: Any) -> Iterator[ReadString]:
        boxes = getattr(found, "boxes", None)
        for i, (text, score) in enumerate(zip(found.txts or (), found.scores or (), strict=True)):
            if text.strip():
                quad = None if boxes is None else np.asarray(boxes[i]).tolist()
                yield ReadString(text, float(score), quad)

    def read(self, image: ImageArray) -> EngineReading:
        """Detection, orientation and recognition."""
        # All three are named each time: RapidOCR keeps what an earlier call switched off.
        return _timed(
            lambda: self._engine(image[..., ::-1], use_det=True, use_cls=True, use_rec=True),
            self._strings,
        )

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """Recognition alone."""
        return _timed(
            lambda: self._engine(image[..., ::-1], use_det=False, use_cls=False, use_rec=True),
            self._strings,
        )


class TesseractEngine:
    """Tesseract 5 with English data: sparse text (page mode 11) in pictures, one line (7) in crops.

    Both are what its manual advises for such images. Words of one line are joined by spaces; a
    line's confidence is that of its weakest word.
    """

    name = "tesseract"
    datasets: frozenset[str] | None = None

    def __init__(self) -> None:
        program = "apt install tesseract-ocr"
        install = f"pip install 'industrial-ocr[bench]' and {program}"
        self._tesseract = _imported("pytesseract", self.name, install)
        if shutil.which("tesseract") is None:
            raise EngineError(f"engine tesseract needs the program of that name: {program}")
        self.version = str(self._tesseract.get_tesseract_version())

    def _run(self, image: ImageArray, page_mode: int) -> EngineReading:
        return _timed(
            lambda: self._tesseract.image_to_data(
                image, config=f"--psm {page_mode}", output_type=self._tesseract.Output.DICT
            ),
            self._strings,
        )

    @staticmethod
    def _strings(data: Mapping[str, list[Any]]) -> Iterator[ReadString]:
        lines: dict[tuple[int, int, int], list[int]] = {}
        for i, text in enumerate(data["text"]):
            if text.strip():
                key = (data["block_num"][i], data["par_num"][i], data["line_num"][i])
                lines.setdefault(key, []).append(i)
        for words in lines.values():
            x0 = float(min(data["left"][i] for i in words))
            y0 = float(min(data["top"][i] for i in words))
            x1 = float(max(data["left"][i] + data["width"][i] for i in words))
            y1 = float(max(data["top"][i] + data["height"][i] for i in words))
            confidence = min(max(float(data["conf"][i]), 0.0) for i in words) / 100
            text = " ".join(data["text"][i].strip() for i in words)
            yield ReadString(text, confidence, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]])

    def read(self, image: ImageArray) -> EngineReading:
        """Page mode 11: as much text as possible in no particular order."""
        return self._run(image, 11)

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """Page mode 7, one line, or 10, one character; small crops are enlarged to 48 px."""
        scale = max(48 / image.shape[0], 1.0)
        if scale > 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
        return self._run(image, 10 if one_character else 7)


class EasyOcrEngine:
    """EasyOCR, English, as installed by the user with its models already on disk."""

    name = "easyocr"
    datasets: frozenset[str] | None = None

    def __init__(self) -> None:
        easyocr = _imported("easyocr", self.name, "pip install easyocr")
        self.version = importlib.metadata.version("easyocr")
        self._engine = easyocr.Reader(["en"], verbose=False)

    @staticmethod
    def _strings(found: Any) -> Iterator[ReadString]:
        for quad, text, score in found:
            yield ReadString(text, float(score), as_quad(quad).tolist())

    def read(self, image: ImageArray) -> EngineReading:
        """``readtext`` with its defaults."""
        return _timed(lambda: self._engine.readtext(image[..., ::-1]), self._strings)

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """``recognize`` on the whole crop."""
        height, width = image.shape[:2]
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        whole = [[0, width, 0, height]]
        return _timed(lambda: self._engine.recognize(gray, whole, []), self._strings)


class PaddleOcrEngine:
    """PaddleOCR 3, as installed by the user with its models already on disk."""

    name = "paddleocr"
    datasets: frozenset[str] | None = None

    def __init__(self) -> None:
        paddleocr = _imported("paddleocr", self.name, "pip install paddleocr")
        self.version = importlib.metadata.version("paddleocr")
        self._engine = paddleocr.PaddleOCR(
            use_doc_orientation_classify=False,
            use_doc_unwarping=False,
            use_textline_orientation=True,
        )
        self._recognizer = paddleocr.TextRecognition()

    @staticmethod
    def _strings(found: Any) -> Iterator[ReadString]:
        rows = zip(found["rec_texts"], found["rec_scores"], found["rec_polys"], strict=True)
        for text, score, quad in rows:
            yield ReadString(text, float(score), as_quad(quad).tolist())

    def read(self, image: ImageArray) -> EngineReading:
        """The whole pipeline."""
        return _timed(lambda: self._engine.predict(image[..., ::-1])[0], self._strings)

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """The recognizer alone."""
        return _timed(
            lambda: self._recognizer.predict(image[..., ::-1])[0],
            lambda found: [ReadString(found["rec_text"], float(found["rec_score"]))],
        )


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
