"""What an engine hands over, plain enough to be written to a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Quad = list[list[float]]


@dataclass(frozen=True)
class ReadString:
    """One string as an engine gave it, ready for JSON.

    Attributes:
        text: the reading.
        confidence: 0 to 1 as the engine says, None where it says nothing.
        quad: four (x, y) source pixels, None where the engine gives no place.
        characters: (symbol, confidence, quad) each, empty where the engine gives none.
        status: of a code, what its reading came to (``results.types.Status``); empty otherwise.
        raw: of a code, what stands there without the pattern.
        signs: of a code, the numbers of ``results.codes.ImageSigns``, where there are any.
    """

    text: str
    confidence: float | None = None
    quad: Quad | None = None
    characters: tuple[tuple[str, float, Quad], ...] = ()
    status: str = ""
    raw: str = ""
    signs: tuple[float, ...] = ()

    @property
    def vouched(self) -> float | None:
        """The confidence, 0 where the engine does not vouch for its code."""
        return self.confidence if self.status in ("", "ok") else 0.0


@dataclass(frozen=True)
class EngineReading:
    """What an engine found in one image.

    Attributes:
        strings: in the engine's reading order.
        status: the engine's own verdict, empty where it has none.
        seconds: wall time of the call.
        timings: seconds by stage, empty where the engine does not tell.
        codes: what the engine itself found under a pattern, the surest first; None where it was
            given none or knows none.
    """

    strings: tuple[ReadString, ...]
    status: str = ""
    seconds: float = 0.0
    timings: Mapping[str, float] = field(default_factory=dict)
    codes: tuple[ReadString, ...] | None = None
