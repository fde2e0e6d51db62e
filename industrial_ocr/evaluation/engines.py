"""The engines a benchmark compares, behind one small interface: ours and the rivals.

Every engine gets the same pixels: RGB uint8 as ``image.load.load_image`` gives them. A rival is
imported only when it is asked for; one that is not installed is an ``EngineError`` that says how to
get it.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Any, Protocol

import cv2
import numpy as np

from industrial_ocr.errors import EngineError
from industrial_ocr.evaluation.readings import EngineReading, ReadString
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.types import ImageArray, TextString, as_quad


class Engine(Protocol):
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
    quad = np.round(code.quad, 1).tolist()
    confidence = round(code.confidence, 5)
    signs = () if code.signs is None else tuple(round(s, 4) for s in astuple(code.signs))
    return ReadString(code.text, confidence, quad, (), code.status.value, code.raw_text, signs)


class OwnEngine:
    """One of this package's ways to read.

    Args:
        name: of ``OWN``.
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

    def _call(self, what: Callable[[], Any]) -> EngineReading:
        start = time.perf_counter()
        result = what()
        seconds = time.perf_counter() - start
        strings = tuple(_own_string(s) for s in result.strings)
        codes = None if self.pattern is None else tuple(_own_code(c) for c in result.codes)
        return EngineReading(strings, result.status.value, seconds, dict(result.timings), codes)

    def read(self, image: ImageArray) -> EngineReading:
        """See ``Reader.read``."""
        return self._call(lambda: self.reader.read(image, engine=self.name, pattern=self.pattern))

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """``Reader.recognize``; a single character goes to ``Reader.classify`` (two-stage)."""
        if not one_character or self.name != "two-stage":
            return self._call(
                lambda: self.reader.recognize([image], engine=self.name, pattern=self.pattern)[0]
            )
        start = time.perf_counter()
        named = self.reader.classify([image])[0]
        seconds = time.perf_counter() - start
        return EngineReading(
            tuple(ReadString(symbol, round(p, 5)) for symbol, p in named[:1]), seconds=seconds
        )


class RapidOcrEngine:
    """RapidOCR with the models inside its package, its own default settings.

    Crops go to its recognizer alone: its detector would often miss a word that fills the picture.
    """

    datasets: frozenset[str] | None = None

    name = "rapidocr"

    def __init__(self) -> None:
        try:
            from rapidocr import RapidOCR
        except ImportError as error:
            raise EngineError(
                "engine rapidocr is not installed: pip install 'industrial-ocr[bench]'"
            ) from error
        self.version = importlib.metadata.version("rapidocr")
        self._engine = RapidOCR(params={"Global.log_level": "error"})

    def _strings(self, found: Any) -> tuple[ReadString, ...]:
        texts, scores = found.txts or (), found.scores or ()
        boxes = getattr(found, "boxes", None)
        quads = [None] * len(texts) if boxes is None else [np.asarray(b).tolist() for b in boxes]
        return tuple(
            ReadString(t, float(s), q)
            for t, s, q in zip(texts, scores, quads, strict=True)
            if t.strip()
        )

    def read(self, image: ImageArray) -> EngineReading:
        """Detection, orientation and recognition."""
        start = time.perf_counter()
        # Said each time: what one call leaves out, RapidOCR leaves out of the next ones too.
        found = self._engine(image[..., ::-1], use_det=True, use_cls=True, use_rec=True)
        seconds = time.perf_counter() - start
        return EngineReading(self._strings(found), seconds=seconds)

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """Recognition alone."""
        start = time.perf_counter()
        found = self._engine(image[..., ::-1], use_det=False, use_cls=False, use_rec=True)
        seconds = time.perf_counter() - start
        return EngineReading(self._strings(found), seconds=seconds)


class TesseractEngine:
    """Tesseract 5 with English data: sparse text (page mode 11) in pictures, one line (7) in crops.

    Both are what its manual advises for such images. Words of one line are joined by spaces; a
    line's confidence is that of its weakest word.
    """

    datasets: frozenset[str] | None = None

    name = "tesseract"

    def __init__(self) -> None:
        try:
            import pytesseract
        except ImportError as error:
            raise EngineError(
                "engine tesseract is not installed: pip install 'industrial-ocr[bench]' "
                "and apt install tesseract-ocr"
            ) from error
        if shutil.which("tesseract") is None:
            raise EngineError(
                "engine tesseract needs the program of that name: apt install tesseract-ocr"
            )
        self._tesseract = pytesseract
        self.version = str(pytesseract.get_tesseract_version())

    def _run(self, image: ImageArray, page_mode: int) -> EngineReading:
        start = time.perf_counter()
        data = self._tesseract.image_to_data(
            image, config=f"--psm {page_mode}", output_type=self._tesseract.Output.DICT
        )
        seconds = time.perf_counter() - start
        lines: dict[tuple[int, int, int], list[int]] = {}
        for i, text in enumerate(data["text"]):
            if text.strip():
                key = (data["block_num"][i], data["par_num"][i], data["line_num"][i])
                lines.setdefault(key, []).append(i)
        strings = tuple(self._line(data, words) for words in lines.values())
        return EngineReading(strings, seconds=seconds)

    @staticmethod
    def _line(data: Mapping[str, list[Any]], words: list[int]) -> ReadString:
        x0 = min(data["left"][i] for i in words)
        y0 = min(data["top"][i] for i in words)
        x1 = max(data["left"][i] + data["width"][i] for i in words)
        y1 = max(data["top"][i] + data["height"][i] for i in words)
        confidence = min(max(float(data["conf"][i]), 0.0) for i in words) / 100
        quad = [[float(x), float(y)] for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
        return ReadString(" ".join(data["text"][i].strip() for i in words), confidence, quad)

    def read(self, image: ImageArray) -> EngineReading:
        """Page mode 11: as much text as possible in no particular order."""
        return self._run(image, 11)

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """Page mode 7, one line, or 10, one character; small crops are enlarged to 48 px."""
        height = image.shape[0]
        if height < 48:
            scale = 48 / height
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
        return self._run(image, 10 if one_character else 7)


class EasyOcrEngine:
    """EasyOCR, English, as installed by the user with its models already on disk."""

    datasets: frozenset[str] | None = None

    name = "easyocr"

    def __init__(self) -> None:
        try:
            import easyocr
        except ImportError as error:
            raise EngineError("engine easyocr is not installed: pip install easyocr") from error
        self.version = importlib.metadata.version("easyocr")
        self._engine = easyocr.Reader(["en"], verbose=False)

    def read(self, image: ImageArray) -> EngineReading:
        """``readtext`` with its defaults."""
        start = time.perf_counter()
        found = self._engine.readtext(image[..., ::-1])
        seconds = time.perf_counter() - start
        strings = tuple(
            ReadString(text, float(score), as_quad(quad).tolist()) for quad, text, score in found
        )
        return EngineReading(strings, seconds=seconds)

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """``recognize`` on the whole crop."""
        height, width = image.shape[:2]
        start = time.perf_counter()
        found = self._engine.recognize(
            cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), [[0, width, 0, height]], []
        )
        seconds = time.perf_counter() - start
        return EngineReading(
            tuple(ReadString(text, float(score)) for _, text, score in found), seconds=seconds
        )


class PaddleOcrEngine:
    """PaddleOCR 3, as installed by the user with its models already on disk."""

    datasets: frozenset[str] | None = None

    name = "paddleocr"

    def __init__(self) -> None:
        try:
            from paddleocr import PaddleOCR, TextRecognition
        except ImportError as error:
            raise EngineError("engine paddleocr is not installed: pip install paddleocr") from error
        self.version = importlib.metadata.version("paddleocr")
        self._engine = PaddleOCR(
            use_doc_orientation_classify=False,
            use_doc_unwarping=False,
            use_textline_orientation=True,
        )
        self._recognizer = TextRecognition()

    def read(self, image: ImageArray) -> EngineReading:
        """The whole pipeline."""
        start = time.perf_counter()
        found = self._engine.predict(image[..., ::-1])[0]
        seconds = time.perf_counter() - start
        rows = zip(found["rec_texts"], found["rec_scores"], found["rec_polys"], strict=True)
        strings = tuple(ReadString(t, float(s), as_quad(q).tolist()) for t, s, q in rows)
        return EngineReading(strings, seconds=seconds)

    def recognize(self, image: ImageArray, one_character: bool = False) -> EngineReading:
        """The recognizer alone."""
        start = time.perf_counter()
        found = self._recognizer.predict(image[..., ::-1])[0]
        seconds = time.perf_counter() - start
        string = ReadString(found["rec_text"], float(found["rec_score"]))
        return EngineReading((string,), seconds=seconds)


OWN = ("two-stage", "crnn", "agree", "auto")
RIVALS: dict[str, Callable[[], Engine]] = {
    "rapidocr": RapidOcrEngine,
    "tesseract": TesseractEngine,
    "easyocr": EasyOcrEngine,
    "paddleocr": PaddleOcrEngine,
}
KNOWN = (*OWN, *RIVALS)


def check_engine_names(names: list[str]) -> None:
    """EngineError for an unknown or repeated name, with the names there are."""
    for name in names:
        if name not in KNOWN:
            raise EngineError(f"engine {name!r} is unknown; there are: {', '.join(KNOWN)}")
        if names.count(name) > 1:
            raise EngineError(f"engine {name!r} is given twice")
    if not names:
        raise EngineError(f"no engine given; there are: {', '.join(KNOWN)}")


def make_engines(
    names: list[str],
    make_reader: Callable[[], Any],
    patterns: Mapping[str, Pattern] | None = None,
) -> tuple[list[Engine], dict[str, str]]:
    """Engines by name, in that order; ours share one Reader.

    Args:
        names: of ``KNOWN``.
        make_reader: called once, if any of our own engines is asked for.
        patterns: of our own engines, by dataset.

    Returns:
        The engines that could be made, and for each of the others one line that says why not.

    Raises:
        EngineError: an unknown name.
    """
    check_engine_names(names)
    reader = make_reader() if any(n in OWN for n in names) else None
    engines: list[Engine] = []
    missing: dict[str, str] = {}
    for name in names:
        if name in OWN:
            engines.append(OwnEngine(name, reader, patterns))
            continue
        try:
            engines.append(RIVALS[name]())
        except EngineError as error:
            missing[name] = str(error)
    return engines, missing
