"""The engines that are compared: ours through ``Reader``, RapidOCR and Tesseract at their best.

Every engine takes a picture and gives a reading, ready for JSON: its status, whether the whole of
it passes as good, and its strings with text, confidence, whether the string alone passes, and a
quad of four corners (x, y) in pixels of the picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from cleanprint.render import Picture
from industrial_ocr.evaluation.engines import OWN_ENGINES
from industrial_ocr.evaluation.other_engines import RapidOcrEngine
from industrial_ocr.reader.pipelines import EngineRun
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.read_result import ReadResult

Reading = dict[str, Any]
PAD_BELOW = 1.0
"""Text heights from ink to edge below which a rival gets a border of ground of one text height."""


class OwnEngine:
    """One of this package's ways to read; all of them share one ``Reader``.

    A picture is read once by each pipeline, and ``agree`` and ``auto`` are made of both results, as
    ``Reader`` makes them.
    """

    def __init__(self, name: str, reader: Any) -> None:
        self.name = name
        self.reader = reader
        self.meta = {"weights": dict(reader.weights)}
        self._engine = EngineRun(Engine(name), (), reader.models, reader.routes)

    def read(self, picture: Picture) -> Reading:
        """What ``Reader.read`` says, and of each string whether it would pass by itself."""
        result = self._engine.joined(
            {pipeline: _read(self.reader, pipeline, picture) for pipeline in self._engine.pipelines}
        )
        strings = [
            {
                "text": string.text,
                "confidence": round(float(string.confidence), 4),
                "ok": string.status.value == "ok",
                "quad": np.round(string.quad, 1).tolist(),
            }
            for string in result.strings
        ]
        status = result.status.value
        return {"status": status, "ok": status == "ok", "strings": strings}


@lru_cache(maxsize=2)
def _read(reader: Any, pipeline: Engine, picture: Picture) -> ReadResult:
    """The result of one pipeline; the last picture's are kept for other engines."""
    return reader.read(picture.image, engine=pipeline)


def padded(picture: Picture, least: float) -> tuple[np.ndarray, int]:
    """The picture with a border of its ground, and how wide that is, if its print is cut close."""
    image = picture.image
    if picture.margin >= least:
        return image, 0
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).astype(float)
    dark = picture.ground < picture.ink
    gray = edge.mean(1)
    # The ink may touch the edge: the ground is what lies on its side of the middle level.
    middle = (picture.ground + picture.ink) / 2
    ground = np.median(edge[(gray < middle) == dark], axis=0)
    wide = round(float(np.median([line.height for line in picture.lines])))
    color = tuple(float(c) for c in ground)
    return cv2.copyMakeBorder(image, *[wide] * 4, cv2.BORDER_CONSTANT, value=color), wide


def _rival(strings: list[dict[str, Any]], border: int, scale: float = 1.0) -> Reading:
    """A reading whose every string passes; quads in pixels of the picture as it was."""
    for string in strings:
        string["ok"] = True
        string["quad"] = np.round(np.array(string["quad"]) / scale - border, 1).tolist()
    return {
        "status": "ok" if strings else "no_text",
        "ok": bool(strings),
        "padded": border > 0,
        "strings": strings,
    }


class PaddedRapidOcr:
    """RapidOCR with the models inside its package and its own settings, on one thread.

    Args:
        runtime: see ``evaluation.other_engines.RapidOcrEngine``.
    """

    def __init__(self, runtime: str = "onnxruntime") -> None:
        self._engine = RapidOcrEngine(runtime, threads=1)
        self.name = self._engine.name
        self.meta = {"version": self._engine.version, "pad_below": PAD_BELOW}

    def read(self, picture: Picture) -> Reading:
        """Detection, orientation and recognition."""
        image, border = padded(picture, PAD_BELOW)
        strings = [
            {"text": s.text, "confidence": round(s.confidence or 0.0, 4), "quad": s.quad}
            for s in self._engine.read(image, "read").strings
        ]
        return _rival(strings, border)


class TesseractEngine:
    """Tesseract with English data: page mode 7 for one string, 6 for a nameplate.

    As its manual advises, print is dark on light, capitals are 30 pixels high at least, and there
    is a border.
    """

    name = "tesseract"
    HEIGHT = 30.0

    def __init__(self) -> None:
        import pytesseract

        os.environ["OMP_THREAD_LIMIT"] = "1"
        self._tesseract = pytesseract
        self.meta = {
            "version": str(pytesseract.get_tesseract_version()),
            "pad_below": PAD_BELOW,
        }

    def read(self, picture: Picture) -> Reading:
        """Its words, each with its box."""
        image, border = padded(picture, PAD_BELOW)
        if picture.ground < picture.ink:
            image = 255 - image
        height = min(line.height for line in picture.lines if line.asked)
        scale = max(1.0, self.HEIGHT / height)
        if scale > 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        mode = 6 if picture.plate else 7
        data = self._tesseract.image_to_data(
            image, config=f"--psm {mode}", output_type=self._tesseract.Output.DICT
        )
        strings = []
        for i, text in enumerate(data["text"]):
            if text.strip():
                x, y = data["left"][i], data["top"][i]
                w, h = data["width"][i], data["height"][i]
                quad = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
                confidence = round(max(float(data["conf"][i]), 0.0) / 100, 4)
                strings.append({"text": text.strip(), "confidence": confidence, "quad": quad})
        return _rival(strings, border, scale)


RIVALS: Mapping[str, Callable[[], Any]] = {
    "rapidocr": PaddedRapidOcr,
    "rapidocr-openvino": lambda: PaddedRapidOcr("openvino"),
    "tesseract": TesseractEngine,
}
ENGINES = (*OWN_ENGINES, *RIVALS)


def make_engine(name: str, reader: Callable[[], Any]) -> Any:
    """An engine by its name; ``reader`` gives the one Reader that ours share."""
    return OwnEngine(name, reader()) if name in OWN_ENGINES else RIVALS[name]()
