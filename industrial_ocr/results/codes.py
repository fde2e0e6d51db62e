"""A code that was read under a pattern, and its characters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from industrial_ocr.results.types import (
    Character,
    Direction,
    FloatArray,
    HasQuad,
    Status,
    rounded_quad,
)


class CharStatus(str, Enum):
    """How a character of a code was read.

    ``READ``: the most probable symbol, with and without the pattern. ``CONFUSED`` (two-stage):
    another symbol that the pattern allows is nearly as probable. ``CORRECTED``: because of the
    pattern or a check digit, it is not the most probable symbol. ``REJECTED``: its confidence is
    below the limit.
    """

    READ = "read"
    CONFUSED = "confused"
    CORRECTED = "corrected"
    REJECTED = "rejected"


@dataclass(frozen=True, eq=False)
class CodeCharacter:
    """One character of a code.

    Attributes:
        character: symbol, quad, probability without the pattern, and alternatives.
        confidence: by two-stage, its probability among the symbols that the pattern allows in this
            place; by the CRNN, its probability in its best frame.
        status: see ``CharStatus``.
        raw: the symbol read in this place without the pattern; empty if the CRNN read none.
        raw_confidence: the probability of ``raw``.
        rival: the second most probable symbol that the pattern allows; empty if there is none,
            and from the CRNN.
    """

    character: Character
    confidence: float
    status: CharStatus
    raw: str
    raw_confidence: float
    rival: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        return {
            **self.character.to_dict(),
            "under_pattern": round(self.confidence, 5),
            "status": self.status.value,
            "raw": self.raw,
            "raw_confidence": round(self.raw_confidence, 5),
            "rival": self.rival,
        }


@dataclass(frozen=True)
class ImageSigns:
    """Measurements that tell how reliable the boxes of a code are.

    Attributes:
        height: median height of its characters in source pixels.
        resegmented: share of the characters in merged or split boxes.
        weakest: lowest peak of the region map among its boxes, 0 to 1.
        blur: width of an edge divided by the height of a character; 0 if it was not measured.
    """

    height: float
    resegmented: float
    weakest: float
    blur: float = 0.0


@dataclass(frozen=True, eq=False)
class CodeReading(HasQuad):
    """One code that was found under a pattern.

    Attributes:
        text: the code without separators.
        pattern: name or text of the pattern.
        status: ``ok`` only if the code can be trusted as it is.
        reason: one sentence that explains the status.
        confidence: 0 to 1, the probability of a character under the pattern (geometric mean); that
            of a ``TextString`` is for the whole string.
        raw_text: the text that one engine read in this place without the pattern; if both engines
            read the same code, the engine that read first (two-stage with ``agree``).
        raw_confidence: probability of a character of ``raw_text`` (geometric mean).
        characters: the characters with their statuses.
        quad: (4, 2) float32 source pixels around the whole code.
        strings: indices of the strings of the code, before strings without text are left out of
            ``ReadResult.strings``.
        direction: direction of those strings.
        alternatives: other matching codes, with their probabilities among all matching codes.
        signs: how reliable its boxes are; None from the CRNN.
        checked: whether it passes the check of its pattern, such as a check digit.
        ignores_marks: whether marks such as a dash may stand between the characters but are no part
            of the code. If so, a small unread mark is no reason to doubt it.
        may_be_longer: whether the pattern also has longer codes, so that one that has lost a
            character at an end would match it, too.
        missing: why a character may be missing beside or between those read; empty if nothing says
            so.
    """

    text: str
    pattern: str
    status: Status
    reason: str
    confidence: float
    raw_text: str
    raw_confidence: float
    characters: tuple[CodeCharacter, ...]
    quad: FloatArray
    strings: tuple[int, ...]
    direction: Direction
    alternatives: tuple[tuple[str, float], ...] = ()
    signs: ImageSigns | None = None
    checked: bool = False
    ignores_marks: bool = False
    may_be_longer: bool = False
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        return {
            "text": self.text,
            "pattern": self.pattern,
            "status": self.status.value,
            "reason": self.reason,
            "confidence": round(self.confidence, 5),
            "raw_text": self.raw_text,
            "raw_confidence": round(self.raw_confidence, 5),
            "direction": self.direction,
            "quad": rounded_quad(self.quad),
            "characters": [c.to_dict() for c in self.characters],
            "alternatives": [[text, round(p, 5)] for text, p in self.alternatives],
            "checked": self.checked,
            "missing": self.missing,
        }
