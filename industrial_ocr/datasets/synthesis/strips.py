"""Pictures of one string, for the recognizer, and for the classifier to be cut into crops."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT
from industrial_ocr.datasets.synthesis.layout import (
    Block,
    LabeledString,
    bent,
    boxed,
    line_of_text,
    random_spacing,
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
from industrial_ocr.datasets.synthesis.text import random_text, shipped_words
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.types import FloatArray, ImageArray

SIGN = 0.3
"""Share of loose codes with a sign of another writing system in front, marked like the code."""


@dataclass(frozen=True, eq=False)
class Strip:
    """A picture of one string, read left to right.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        string: what it says, quads in pixels of ``image``.
    """

    image: ImageArray
    string: LabeledString


@dataclass
class StripRenderer:
    """Renders strips; the same seed gives the same strip, whatever was rendered before.

    Args:
        fonts: folders with font files.
        words: words for the share of texts that are language; None takes the shipped list.
        word_share: how many of the texts are words.
        heights: smallest and largest height of the string in pixels.
        camera: chance of each of the camera's effects, see ``Camera``.
        loose: share of lines that are cut loosely, with what stands around them
            (``datasets.synthesis.neighborhood``).
        lettering: share of words set in faces for words alone (``FaceLibrary.pick``).
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

    def random_line(self, rng: Generator, text: str) -> Block:
        """A line in a random face and spacing, sometimes bent."""
        tracking, pitch = random_spacing(rng)
        word = len(text) > 2 and text.replace(" ", "").isalpha()
        face = self.faces.pick(rng, text, self.lettering if word else 0.0)
        block = line_of_text(face, text, tracking, pitch)
        if len(text) > 3 and rng.random() < (0.12 if word else 0.07):
            block = bent(block, float(rng.uniform(0.2, 1.2) * rng.choice([-1, 1])))
        return block

    def render(
        self, seed: int | tuple[int, ...], text: str | None = None, stacked: bool = False
    ) -> Strip:
        """The strip of that seed; ``text`` instead of a random one, letters stacked, on demand."""
        rng = np.random.default_rng(seed)
        if self.plain and not stacked and rng.random() < self.plain:
            asked = self._plain.text(rng) if text is None else text
            printed = self._plain.picture(rng, asked, self.heights)
            if printed is not None:
                return Strip(*printed)
        if text is None:
            text = random_text(rng, self._vocabulary, self.word_share)
        height = float(np.exp(rng.uniform(*np.log(self.heights))))
        letter = height
        loose = not stacked and bool(self.loose) and rng.random() < self.loose
        if stacked:
            face = self.faces.pick(rng, text)
            block = stack_of_text(face, text, rng.uniform(1.1, 1.8))
            if rng.random() < 0.3:
                block = boxed(block, -1, int(rng.integers(2, 5)))
            height *= float(np.ptp(block.strings[0].quads[..., 1])) / CAP_HEIGHT
        else:
            text = with_gaps(rng, text) if loose and rng.random() < 0.5 else text
            block = self.random_line(rng, text)
        reach = 0.0
        if loose and not text.isalpha() and rng.random() < SIGN:
            block, reach = with_sign(rng, block, self.faces)
        image, matrix = self._print(rng, block, height, letter, loose, reach)
        return Strip(image, block.strings[0].moved(matrix))

    def ground(self, rng: Generator, side: int) -> ImageArray:
        """A (side, side) uint8 gray patch of a surface without any text."""
        return to_gray(self._camera.shoot(rng, surface_patch(rng, side, side), 20.0))

    def _print(
        self,
        rng: Generator,
        block: Block,
        height: float,
        letter: float,
        loose: bool,
        reach: float = 0.0,
    ) -> tuple[ImageArray, FloatArray]:
        """Warps, marks and photographs a block, so high in all and with letters so high.

        ``reach``: what stands so far before the string, in pixels of the block, is to be seen.
        Also gives block pixels -> picture pixels.
        """
        mask = worn(rng, block.mask)
        quads = block.strings[0].quads.reshape(-1, 2)
        (left, top), (right, bottom) = quads.min(0), quads.max(0)
        scale = height / max(bottom - top, 1)
        stretch = float(np.exp(rng.normal(0, 0.14)))
        margin = (loose_margins(rng) if loose else rng.uniform(0.02, 0.3, 4)) * letter
        if reach:
            margin[0] = max(margin[0], reach * scale * stretch * rng.uniform(1.02, 1.3))
        width = (right - left) * scale * stretch + margin[0] + margin[1]
        size = (int(max(width, 6)), int(height + margin[2] + margin[3]))
        inner = np.array(
            [[margin[0], margin[2]], [size[0] - margin[1], margin[2]],
             [size[0] - margin[1], size[1] - margin[3]], [margin[0], size[1] - margin[3]]],
        )  # fmt: skip
        inner += rng.normal(0, 0.035, (4, 2)) * letter
        if rng.random() < 0.4:
            tilt = rng.normal(0, 0.75 if loose else 0.35) * letter
            inner += [[0, -tilt / 2], [0, tilt / 2], [0, tilt / 2], [0, -tilt / 2]]
            inner[:2, 0] += rng.normal(0, 0.12) * letter
            low, high = inner.min(0), inner.max(0)
            inner += np.maximum(1 - low, 0)
            size = (
                int(max(size[0], high[0] + 1)),
                int(max(size[1], high[1] + 1 + max(0.0, 1 - low[1]))),
            )
        shrink = scale * 1.3
        source = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        matrix = cv2.getPerspectiveTransform(source.astype(np.float32), inner.astype(np.float32))
        warp = matrix
        if shrink < 0.8:
            small = (max(1, round(mask.shape[1] * shrink)), max(1, round(mask.shape[0] * shrink)))
            warp = matrix @ np.diag([mask.shape[1] / small[0], mask.shape[0] / small[1], 1.0])
            mask = np.asarray(cv2.resize(mask, small, interpolation=cv2.INTER_AREA), np.uint8)
        mask = np.asarray(cv2.warpPerspective(mask, warp, size, flags=cv2.INTER_LINEAR), np.uint8)
        image = surface_patch(rng, size[1], size[0])
        mark(rng, image, mask)
        if loose:
            surround(
                rng, image, block.strings[0].moved(matrix.astype(np.float32)), self.faces, not reach
            )
        image = self._camera.shoot(rng, image, height)
        if height > 14 and rng.random() < 0.15 * self.camera:
            image = _out_of_focus(rng, image, height)
        return np.ascontiguousarray(image), matrix.astype(np.float32)


def _out_of_focus(rng: Generator, image: ImageArray, height: float) -> ImageArray:
    """Blurred almost to where a string of that height cannot be read any more."""
    sigma = height * rng.uniform(0.03, 0.075)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
