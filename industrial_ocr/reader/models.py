"""The models of a reader, which both pipelines take."""

from __future__ import annotations

from dataclasses import dataclass

from industrial_ocr.config import PipelineConfig
from industrial_ocr.detection.detector import Detector
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.recognition.classifier import Classifier
from industrial_ocr.recognition.recognizer import Recognizer
from industrial_ocr.results.engine import Engine


@dataclass(frozen=True)
class Models:
    """The models of a ``Reader``, with their settings."""

    detector: Detector
    classifier: Classifier
    recognizer: Recognizer
    config: PipelineConfig

    def charsets(self, engine: Engine) -> list[Charset]:
        """The charsets of the models that an engine uses."""
        both = {Engine.TWO_STAGE: self.classifier.charset, Engine.CRNN: self.recognizer.charset}
        return [charset for own, charset in both.items() if engine in (own, Engine.AGREE)]
