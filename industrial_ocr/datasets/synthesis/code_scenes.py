"""Pictures of one code each, as inspection cameras see them, to measure reading with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.glyphs import Mask
from industrial_ocr.datasets.synthesis.layout import (
    Block,
    join,
    line_of_text,
    random_spacing,
    stack_of_text,
)
from industrial_ocr.datasets.synthesis.scenes import Scene, SceneRenderer, _Placement

STACKED, TWO_LINES, SPACED = 0.15, 0.2, 0.5
"""Shares of stacks, of codes broken into lines between their groups, and of spaces there."""
TRIES = 12


def grouped(code: str, groups: Sequence[int]) -> list[str]:
    """A code cut into its groups; what they do not cover is the last one."""
    parts, at = [], 0
    for length in groups:
        parts.append(code[at : at + length])
        at += length
    return [p for p in (*parts, code[at:]) if p]


@dataclass
class CodeSceneRenderer(SceneRenderer):
    """Renders scenes that show one code of a kind besides other text.

    Args:
        write: gives a code.
        groups: lengths of its groups, between which a space or a new line may come.
    """

    write: Callable[[Generator], str] = lambda rng: "A"
    groups: Sequence[int] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._code = ""

    def _block(self, rng: Generator) -> Block:
        """The code as a line, a stack, or lines of its groups."""
        parts = grouped(self._code, self.groups)
        text = (" " if rng.random() < SPACED else "").join(parts)
        face = self.faces.pick(rng, self._code)
        kind = rng.random()
        if kind < STACKED:
            return stack_of_text(face, text, rng.uniform(1.12, 1.9), rng.uniform(0.3, 1.2))
        tracking, pitch = random_spacing(rng)
        if kind < STACKED + TWO_LINES and len(parts) > 1:
            lines = [line_of_text(face, p, tracking, pitch) for p in parts]
            return join(lines, rng.uniform(0.2, 0.7), False, float(rng.choice([0, 0.5])))
        return line_of_text(face, text, tracking, pitch)

    def _asked_for(self, rng: Generator, occupied: Mask, height: float) -> list[_Placement]:
        placed = self._put(rng, occupied, height, self._block(rng))
        return [] if placed is None else [placed]

    def render_code(self, seed: tuple[int, ...]) -> tuple[Scene, str]:
        """The scene of that seed and the code that it shows as a whole.

        Raises:
            ValueError: it found no room for the code.
        """
        for attempt in range(TRIES):
            self._code = self.write(np.random.default_rng((*seed, attempt, 1)))
            scene = self.render((*seed, attempt))
            shown = "".join("".join(s.symbols) for s in scene.strings)
            if self._code in shown:
                return scene, self._code
        raise ValueError(f"no room for {self._code!r} in a picture of {self.size} pixels")
