"""The verdict on whether the expected text is printed on a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from industrial_ocr.results.engine import Engine
from industrial_ocr.results.types import (
    Character,
    CharState,
    FloatArray,
    ImageArray,
    ImageResult,
    MayHaveQuad,
    Verdict,
    rounded_quad,
)
from industrial_ocr.results.viz import draw_verification


def likelihood_ratio(log_odds: float) -> str:
    """How many times as likely the likelier of two readings is, in words."""
    ratio = math.exp(min(abs(log_odds), 7.0))
    if ratio < 1.5:
        return "about as likely"
    times = "over 1,000" if ratio > 1000 else f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"
    return f"{times} times as likely"


@dataclass(frozen=True, eq=False)
class VerifiedCharacter(MayHaveQuad):
    """One character of the expected text, with the evidence for and against it.

    Attributes:
        symbol: the expected symbol.
        quad: (4, 2) float32 source pixels; None if the character is missing.
        probability: probability of the symbol in its place, 0 to 1.
        rival: the most probable symbol of another shape; empty if the character is missing.
        rival_probability: the probability of ``rival``.
        log_odds: ln(p / rival_probability), where p is the probability of all symbols of the
            expected shape (0 and O, 1 and I, C and c). Above 0 the expected shape is more probable.
        state: see ``CharState``.
        twin: the most probable other symbol of the same shape; empty if there is none.
        twin_log_odds: ln(probability / probability of the twin); by itself never a failure.
    """

    symbol: str
    quad: FloatArray | None
    probability: float
    rival: str
    rival_probability: float
    log_odds: float
    state: CharState
    twin: str = ""
    twin_log_odds: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not np.isfinite([self.log_odds, self.twin_log_odds]).all():
            raise ValueError(f"log-odds must be finite, got {self.log_odds}, {self.twin_log_odds}")

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        return {
            "symbol": self.symbol,
            "state": self.state.value,
            "probability": round(self.probability, 5),
            "rival": self.rival,
            "rival_probability": round(self.rival_probability, 5),
            "log_odds": round(self.log_odds, 3),
            "twin": self.twin,
            "twin_log_odds": round(self.twin_log_odds, 3),
            "quad": None if self.quad is None else rounded_quad(self.quad),
        }


_SEVERITY = {CharState.PASS: 0, CharState.UNSURE: 1, CharState.MISSING: 2, CharState.FAIL: 3}


@dataclass(frozen=True, eq=False)
class Verification(ImageResult, MayHaveQuad):
    """The verdict on one picture, with its evidence.

    Attributes:
        expected: the text that must be printed, as it was given.
        verdict: see ``Verdict``.
        reason: one sentence that explains the verdict.
        engine: ``two-stage``, ``crnn`` or ``agree``.
        text: the text that is read in its place, without spaces; empty if none is similar.
        characters: one for each symbol of ``expected``; empty if no similar text was found.
        extra: unexpected characters among or right beside the expected ones.
        quad: (4, 2) float32 source pixels around the found characters; None if there are none.
        text_log_odds: only from the CRNN: ln of the odds of the text against all other readings if
            it is the best reading, else against the best one.
        ways: only from ``agree``: the verdicts of both engines.
        timings: seconds by stage.
        image: (H, W, 3) uint8 RGB, the picture.
    """

    expected: str
    verdict: Verdict
    reason: str
    engine: Engine
    text: str = ""
    characters: tuple[VerifiedCharacter, ...] = ()
    extra: tuple[Character, ...] = ()
    quad: FloatArray | None = None
    text_log_odds: float | None = None
    ways: tuple[Verification, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    image: ImageArray | None = field(default=None, repr=False)

    @property
    def passed(self) -> bool:
        """Whether the verdict is ``pass``."""
        return self.verdict is Verdict.PASS

    @property
    def worst(self) -> VerifiedCharacter | None:
        """The character with the weakest evidence for a pass; None if there are no characters."""
        return min(self.characters, key=lambda c: (-_SEVERITY[c.state], c.log_odds), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON; the picture is left out.

        ``worst`` is an index of ``characters``, from 0.
        """
        worst = self.worst
        odds = self.text_log_odds
        return {
            "expected": self.expected,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "engine": str(self.engine),
            "text": self.text,
            "text_log_odds": None if odds is None else round(odds, 3),
            "worst": None if worst is None else self.characters.index(worst),
            "quad": None if self.quad is None else rounded_quad(self.quad),
            "characters": [c.to_dict() for c in self.characters],
            "extra": [c.to_dict() for c in self.extra],
            "ways": [w.to_dict() for w in self.ways],
            "timings": {k: round(v, 5) for k, v in self.timings.items()},
        }

    def draw(self) -> ImageArray:
        """The picture with the characters, colored by their state, (H, W, 3) uint8 RGB.

        Raises:
            ValueError: the verdict has no picture.
        """
        if self.image is None:
            raise ValueError("this verdict has no picture to draw on")
        states = [(c.quad, c.state) for c in self.characters if c.quad is not None]
        states += [(c.quad, CharState.FAIL) for c in self.extra]
        text = f"{self.verdict.value.replace('_', ' ')}: {self.text or 'nothing'}"
        if self.verdict is not Verdict.PASS:
            text += f"\nexpected: {self.expected}"
        return draw_verification(self.image, self.verdict, text, self.quad, states)
