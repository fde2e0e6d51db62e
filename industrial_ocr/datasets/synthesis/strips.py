"""Pictures of one string, for the recognizer and for crops of the classifier."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.chance import log_uniform
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT
from industrial_ocr.datasets.synthesis.layout import (
    Block,
    LabeledString,
    bent,
    boxed,
    line_of_text,
    random_spacing,
    shrunk,
    stack_of_text,
)
from industrial_ocr.datasets.synthesis.marking_styles import mark, worn
from industrial_ocr.datasets.synthesis.neighborhood import (
    loose_margins,
    surround,
    with_gaps,
    with_sign,
)
from industrial_ocr.datasets.synthesis.plain import PlainPrinter
from industrial_ocr.datasets.synthesis.surfaces import surface_patch
from industrial_ocr.datasets.synthesis.text import label_text, random_text, shipped_words
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import ImageArray


@dataclass(frozen=True, eq=False)
class Strip:
    """A picture of one string, read left to right.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        string: its string, with quads in pixels of ``image``.
    """

    image: ImageArray
    string: LabeledString


@dataclass
class StripRenderer:
    """Renders strips; the same seed always gives the same strip.

    Args:
        fonts: folders with font files.
        words: words for the share of texts that are language; None takes the shipped list.
        word_share: share of texts that are words.
        heights: smallest and largest height of the string in pixels.
        camera: chance of each of the camera's effects, see ``Camera``.
        loose: share of lines with wide margins and things in them
            (``datasets.synthesis.neighborhood``).
        lettering: share of words set in lettering fonts (``FaceLibrary.pick``).
        plain: share of lines in plain print (``datasets.synthesis.plain``).
    """

    fonts: tuple[str | Path, ...] = ()
    words: tuple[str, ...] | None = None
    word_share: float = 0.3
    heights: tuple[float, float] = (9.0, 64.0)
    camera: float = 0.9
    loose: float = 0.0
    lettering: float = 0.0
    plain: float = 0.0
    faces: FaceLibrary = field(init=False)

    def __post_init__(self) -> None:
        self.faces = FaceLibrary(self.fonts)
        self._vocabulary = self.words if self.words is not None else shipped_words()
        self._camera = Camera(self.camera)
        self._plain = PlainPrinter(self.faces, self._vocabulary)

    def render(
        self, seed: int | tuple[int, ...], text: str | None = None, stacked: bool = False
    ) -> Strip:
        """The strip for a seed, with the given or a random text; ``stacked`` sets a stack."""
        rng = np.random.default_rng(seed)
        if text is None and self.word_share == 1:  # plain print also has other texts
            text = random_text(rng, self._vocabulary, self.word_share)
        if self.plain and not stacked and rng.random() < self.plain:
            asked = label_text(rng, self._vocabulary) if text is None else text
            printed = self._plain.picture(rng, asked, self.heights)
            if printed is not None:
                return Strip(*printed)
        if text is None:
            text = random_text(rng, self._vocabulary, self.word_share)
        letter = log_uniform(rng, *self.heights)
        loose = not stacked and bool(self.loose) and rng.random() < self.loose
        if stacked:
            block = stack_of_text(self.faces.pick(rng, text), text, rng.uniform(1.1, 1.8))
            if rng.random() < 0.3:
                block = boxed(block, int(rng.integers(2, 5)))
            return self._print(rng, block, letter)
        if loose and rng.random() < 0.5:
            text = with_gaps(rng, text)
        block, reach = self._line(rng, text), 0.0
        if loose and not text.isalpha() and rng.random() < 0.3:
            block, reach = with_sign(rng, block, self.faces)
        return self._print(rng, block, letter, loose, reach)

    def ground(self, rng: Generator, side: int) -> ImageArray:
        """A (side, side) uint8 gray patch of a surface without any text."""
        return to_gray(self._camera.shoot(rng, surface_patch(rng, side, side), 20.0))

    def _line(self, rng: Generator, text: str) -> Block:
        """A line in a random face and spacing, sometimes bent."""
        tracking, pitch = random_spacing(rng)
        word = len(text) > 2 and text.replace(" ", "").isalpha()
        face = self.faces.pick(rng, text, self.lettering if word else 0.0)
        block = line_of_text(face, text, tracking, pitch)
        if len(text) > 3 and rng.random() < (0.12 if word else 0.07):
            block = bent(block, rng.uniform(0.2, 1.2) * float(rng.choice([-1, 1])))
        return block

    def _print(
        self, rng: Generator, block: Block, letter: float, loose: bool = False, sign: float = 0.0
    ) -> Strip:
        """Warps, marks and photographs a block of one string.

        Its letters are ``letter`` pixels high; ``loose`` leaves margins, with things in them.
        ``sign`` is the width of a sign to the left of the string, in pixels of the block.
        """
        mask = worn(rng, block.mask)
        string = block.strings[0]
        corners = string.quads.reshape(-1, 2)
        (left, top), (right, bottom) = corners.min(0), corners.max(0)
        stacked = string.direction == "vertical"
        height = letter * (bottom - top) / CAP_HEIGHT if stacked else letter
        scale = height / max(bottom - top, 1)
        stretch = float(np.exp(rng.normal(0, 0.14)))
        margins = (loose_margins(rng) if loose else rng.uniform(0.02, 0.3, 4)) * letter
        if sign:
            margins[0] = max(margins[0], sign * scale * stretch * rng.uniform(1.02, 1.3))
        width = (right - left) * scale * stretch
        target, size = _tilted(rng, margins, width, height, letter, 0.75 if loose else 0.35)
        source = rect_quad(left, top, right, bottom)
        matrix = cv2.getPerspectiveTransform(source, target.astype(np.float32))
        moved = string.moved(matrix.astype(np.float32))
        if scale * 1.3 < 0.8:
            mask, matrix = shrunk(mask, matrix, scale * 1.3)
        mask = np.asarray(cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)
        image = surface_patch(rng, size[1], size[0])
        mark(rng, image, mask)
        if loose:
            surround(rng, image, moved, self.faces, not sign)
        image = self._camera.shoot(rng, image, height)
        if height > 14 and rng.random() < 0.15 * self.camera:
            # Out of focus, so that a string of this height can just be read.
            sigma = height * rng.uniform(0.03, 0.075)
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
        return Strip(np.ascontiguousarray(image), moved)


def _tilted(
    rng: Generator, margins: NDArray[Any], width: float, height: float, letter: float, slope: float
) -> tuple[NDArray[Any], tuple[int, int]]:
    """Corners of a string in its picture, often leaning, and the picture's (width, height)."""
    left, right, top, bottom = margins
    wide, high = int(max(width + left + right, 6)), int(height + top + bottom)
    x0, y0, x1, y1 = left, top, wide - right, high - bottom
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    corners += rng.normal(0, 0.035, (4, 2)) * letter
    if rng.random() < 0.4:
        tilt = rng.normal(0, slope) * letter / 2
        corners[:, 1] += [-tilt, tilt, tilt, -tilt]
        corners[:2, 0] += rng.normal(0, 0.12) * letter
        low, far = corners.min(0), corners.max(0)
        corners += np.maximum(1 - low, 0)
        wide = int(max(wide, far[0] + 1))
        high = int(max(high, far[1] + 1 + max(0.0, 1 - low[1])))
    return corners, (wide, high)
