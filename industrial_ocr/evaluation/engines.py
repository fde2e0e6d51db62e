"""The engines that a benchmark compares, behind one interface: ours and those of other packages.

Every engine gets the same pixels: RGB uint8 as ``image.load.load_image`` gives them. The engines of
other packages are in ``other_engines``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Any, Protocol

import numpy as np

from industrial_ocr.datasets.samples import Task
from industrial_ocr.decoding.lexicon import Lexicon
from industrial_ocr.errors import EngineError
from industrial_ocr.evaluation import other_engines
from industrial_ocr.evaluation.records import EngineReading, ReadString
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import ImageArray, TextString

LEXICON_ENGINE = "crnn+lexicon"
"""Name of the engine that a lexicon adds."""


class BenchmarkEngine(Protocol):
    """The interface of an engine.

    Attributes:
        name: name of the engine on the command line.
        version: version of its package.
        datasets: names of the datasets that it reads; None for all.
    """

    name: str
    version: str
    datasets: frozenset[str] | None

    def read(self, image: ImageArray, task: Task) -> EngineReading:
        """Reads a whole picture, or a crop of a single string or character."""


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
        missing=code.missing,
        alternatives=tuple((text, round(p, 5)) for text, p in code.alternatives),
    )


class OwnEngine:
    """One of this package's engines, by its name, with patterns of codes by dataset."""

    datasets: frozenset[str] | None = None

    def __init__(
        self, name: str, reader: Any, patterns: Mapping[str, Pattern] | None = None
    ) -> None:
        from industrial_ocr import __version__

        self.name = str(name)
        self.version = __version__
        self.reader = reader
        self._patterns = dict(patterns or {})
        self.pattern: Pattern | None = None

    def use(self, dataset: str, image: str) -> None:
        """Takes the pattern of a dataset."""
        self.pattern = self._patterns.get(dataset)

    def _result(self, image: ImageArray, task: Task) -> Any:
        options = {"engine": self.name, "pattern": self.pattern}
        if task == "read":
            return self.reader.read(image, **options)
        return self.reader.recognize([image], **options)[0]

    def read(self, image: ImageArray, task: Task) -> EngineReading:
        """``Reader.read`` or ``recognize``; two-stage classifies a single character."""
        if task == "classify" and self.name == Engine.TWO_STAGE:
            named, seconds = other_engines.timed(lambda: self.reader.classify([image])[0])
            if named is None:
                return EngineReading((), seconds=seconds)
            confidence = round(float(named.probabilities[0]), 5)
            return EngineReading((ReadString(named.symbols[0], confidence),), seconds=seconds)
        result, seconds = other_engines.timed(lambda: self._result(image, task))
        strings = tuple(_own_string(s) for s in result.strings)
        codes = None if self.pattern is None else tuple(_own_code(c) for c in result.codes)
        return EngineReading(strings, result.status.value, seconds, dict(result.timings), codes)


class LexiconEngine(OwnEngine):
    """The crnn with lexicons of images by dataset; it reads only datasets that have lexicons."""

    def __init__(self, reader: Any, lexicons: Mapping[str, Mapping[str, Lexicon]]) -> None:
        super().__init__(LEXICON_ENGINE, reader)
        self.lexicons = lexicons
        self.datasets = frozenset(lexicons)
        self.lexicon: Lexicon | None = None

    def use(self, dataset: str, image: str) -> None:
        """Takes the lexicon of an image; patterns are only for the plain engine."""
        self.lexicon = self.lexicons[dataset][image]

    def _result(self, image: ImageArray, task: Task) -> Any:
        return self.reader.recognize([image], engine=Engine.CRNN, lexicon=self.lexicon)[0]


OWN_ENGINES = tuple(engine.value for engine in Engine)
OTHER_ENGINES: dict[str, Callable[[], BenchmarkEngine]] = {
    "rapidocr": other_engines.RapidOcrEngine,
    "rapidocr-openvino": lambda: other_engines.RapidOcrEngine("openvino"),
    "tesseract": other_engines.TesseractEngine,
    "easyocr": other_engines.EasyOcrEngine,
    "paddleocr": other_engines.PaddleOcrEngine,
}
ENGINE_NAMES = (*OWN_ENGINES, *OTHER_ENGINES)


def check_engine_names(names: list[str]) -> None:
    """Raises EngineError for an unknown or repeated name."""
    known = ", ".join(ENGINE_NAMES)
    if not names:
        raise EngineError(f"no engine given; there are: {known}")
    for name in names:
        if name not in ENGINE_NAMES:
            raise EngineError(f"engine {name!r} is unknown; there are: {known}")
        if names.count(name) > 1:
            raise EngineError(f"engine {name!r} is given twice")


def make_engines(
    names: list[str], make_reader: Callable[[], Any], patterns: Mapping[str, Pattern] | None = None
) -> tuple[list[BenchmarkEngine], dict[str, str]]:
    """Makes engines by name; ours share one Reader, which is made only if it is needed.

    Returns:
        The engines that could be made, in order, and for each of the others the reason why not.

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
