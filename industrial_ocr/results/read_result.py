"""The result of reading one image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import ImageArray, ImageResult, Status, TextString
from industrial_ocr.results.viz import draw_result


@dataclass(frozen=True, eq=False)
class ReadResult(ImageResult):
    """The result of one image.

    Attributes:
        strings: the strings in reading order.
        status: status of the image; ``no_text`` is a result, not an error. With a pattern, it is
            that of the most reliable code. Each string has its own ``status``.
        engine: ``two-stage`` or ``crnn``.
        timings: seconds by stage; for a stage that runs on a batch, the share of this image.
        image: (H, W, 3) uint8 RGB, the picture that was read; ``draw`` draws on it.
        codes: codes found under the given patterns, sorted by status, ``ok`` first.
        route: the engine whose reading was chosen; ``agree`` or ``auto`` if both count; None if it
            is ``engine``.
        reason: one sentence that explains the status or the route.
        left_out: strings whose confidence is too low to count as text.
    """

    strings: tuple[TextString, ...]
    status: Status
    engine: Engine
    timings: dict[str, float]
    image: ImageArray = field(repr=False)
    codes: tuple[CodeReading, ...] = ()
    route: Engine | None = None
    reason: str = ""
    left_out: tuple[TextString, ...] = ()

    @property
    def code(self) -> CodeReading | None:
        """The most reliable code; None without a code."""
        return self.codes[0] if self.codes else None

    @property
    def text(self) -> str:
        """The strings in reading order, one per line."""
        return "\n".join(s.text for s in self.strings)

    @property
    def confidence(self) -> float:
        """The lowest confidence of the strings; 0 if there is none."""
        return min((s.confidence for s in self.strings), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON; the picture is left out."""
        height, width = self.image.shape[:2]
        return {
            "text": self.text,
            "status": self.status.value,
            "confidence": round(self.confidence, 5),
            "engine": str(self.engine),
            "route": str(self.route or self.engine),
            "reason": self.reason or f"{self.engine} was asked for",
            "size": [width, height],
            "timings": {k: round(v, 5) for k, v in self.timings.items()},
            "strings": [s.to_dict() for s in self.strings],
            "left_out": [s.to_dict() for s in self.left_out],
            "codes": [c.to_dict() for c in self.codes],
        }

    def draw(self) -> ImageArray:
        """The picture with readings and characters drawn on it, (H, W, 3) uint8 RGB.

        With a pattern, codes are drawn instead of the strings that show them.
        """
        return draw_result(self.image, self.strings, self.codes)
