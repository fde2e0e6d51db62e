"""The engines that read a picture."""

from __future__ import annotations

from enum import Enum
from typing import Literal


class Engine(str, Enum):
    """How a picture is read. A member equals its text, and is accepted wherever that is.

    Attributes:
        TWO_STAGE: character boxes, each classified without context.
        CRNN: whole strings through the CRNN.
        AGREE: both, which must read the same.
        AUTO: both or one of them, as ``reader.router`` decides.
    """

    TWO_STAGE = "two-stage"
    CRNN = "crnn"
    AGREE = "agree"
    AUTO = "auto"

    def __str__(self) -> str:
        return str(self.value)


ConfidenceBasis = Literal["fitted", "calibrated", "raw"]
"""Where the confidence of a recognizer's readings comes from.

``fitted``: the regression of ``decoding.confidence``, which was fitted to our own CRNN.
``calibrated``: the network's own probability at a temperature from ``industrial-ocr calibrate``.
``raw``: the network's own probability, which nobody has compared with labels.
"""

PIPELINES = (Engine.TWO_STAGE, Engine.CRNN)
"""The engines that look at a picture themselves; the others combine their readings."""
