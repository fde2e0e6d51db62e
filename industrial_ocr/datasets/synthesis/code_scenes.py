"""Pictures of one code each, like those of inspection cameras, to measure reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.layout import (
    Block,
    join,
    line_of_text,
    random_spacing,
    stack_of_text,
)
from industrial_ocr.datasets.synthesis.scenes import Scene, SceneRenderer
from industrial_ocr.errors import DatasetError


def grouped(code: str, groups: Sequence[int]) -> list[str]:
    """A code cut into groups of these lengths; the rest, if any, is the last group."""
    parts, at = [], 0
    for length in groups:
        parts.append(code[at : at + length])
        at += length
    return [part for part in (*parts, code[at:]) if part]


@dataclass
class CodeSceneRenderer(SceneRenderer):
    """Renders scenes with one code and other text.

    ``write`` makes a code. ``groups`` are the lengths of its groups, between which a space or a new
    line may come.
    """

    write: Callable[[Generator], str] = lambda rng: "A"
    groups: Sequence[int] = ()

    def _block(self, code: str, rng: Generator) -> Block:
        """The code as a stack (15 %), lines of its groups (20 %), or one line."""
        parts = grouped(code, self.groups)
        text = (" " if rng.random() < 0.5 else "").join(parts)
        face = self.faces.pick(rng, code)
        kind = rng.random()
        if kind < 0.15:
            return stack_of_text(face, text, rng.uniform(1.12, 1.9), rng.uniform(0.3, 1.2))
        tracking, pitch = random_spacing(rng)
        if kind < 0.35 and len(parts) > 1:
            lines = [line_of_text(face, part, tracking, pitch) for part in parts]
            return join(lines, rng.uniform(0.2, 0.7), False, float(rng.choice([0, 0.5])))
        return line_of_text(face, text, tracking, pitch)

    def render_code(self, seed: tuple[int, ...]) -> tuple[Scene, str]:
        """The scene for a seed and its code, which is visible as a whole.

        Raises:
            DatasetError: in 12 tries, no picture had room for its code.
        """
        for attempt in range(12):
            code = self.write(np.random.default_rng((*seed, attempt, 1)))
            scene = self.render((*seed, attempt), partial(self._block, code))
            shown = "".join("".join(string.symbols) for string in scene.strings)
            if code in shown:
                return scene, code
        width, height = self.size
        raise DatasetError(
            f"no room for {code!r} in a picture of {width}x{height} pixels; ask for a larger one"
        )
