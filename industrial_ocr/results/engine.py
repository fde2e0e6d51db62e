"""The engines that read a picture."""

from __future__ import annotations

from enum import Enum
from typing import Literal


class Engine(str, Enum):
    """How a picture is read. A member equals its text, which is accepted in its place.

    Attributes:
        TWO_STAGE: character boxes, each classified without context.
        CRNN: whole strings are read by the CRNN.
        AGREE: both engines must give the same text.
        AUTO: one or both engines, as ``reader.router`` decides.
    """

    TWO_STAGE = "two-stage"
    CRNN = "crnn"
    AGREE = "agree"
    AUTO = "auto"

    def __str__(self) -> str:
        return str(self.value)


ConfidenceBasis = Literal["fitted", "calibrated", "raw"]
"""The origin of the confidence of a recognizer's readings.

``fitted``: the regression of ``decoding.confidence``, which was fitted to our own CRNN.
``calibrated``: the network's own probability at a temperature from ``industrial-ocr calibrate``.
``raw``: the network's own probability, which was not compared with labels.
"""

PIPELINES = (Engine.TWO_STAGE, Engine.CRNN)
"""The engines that read a picture themselves; the others combine their readings."""
