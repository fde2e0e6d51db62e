"""Pictures of one string, and the crops of its characters, for recogniser and classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from industrial_ocr.charset import CONFUSABLE_SETS, DEFAULT_SYMBOLS
from industrial_ocr.geometry import edge_lengths, glyph_window, oriented_quad, warp_quad
from industrial_ocr.preprocess import to_grey
from industrial_ocr.synthesis.camera import Camera
from industrial_ocr.synthesis.faces import FaceLibrary
from industrial_ocr.synthesis.glyphs import CAP_HEIGHT
from industrial_ocr.synthesis.layout import (
    Block,
    LabelledString,
    bent,
    boxed,
    line_of_text,
    random_spacing,
    stack_of_text,
)
from industrial_ocr.synthesis.marking import mark, worn
from industrial_ocr.synthesis.neighbourhood import loose_margins, surround, with_gaps
from industrial_ocr.synthesis.surfaces import SurfacePool
from industrial_ocr.synthesis.text import random_text, shipped_words
from industrial_ocr.types import FloatArray, ImageArray

REJECT = ""
"""The label of a crop that shows no character."""

NARROW = 0.55
"""Width over height below which a character may stand at one side of its cell."""


@dataclass(frozen=True, eq=False)
class Strip:
    """A picture of one string, read left to right.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        string: what it says, quads in pixels of ``image``.
    """

    image: ImageArray
    string: LabelledString


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
            (``synthesis.neighbourhood``).
        lettering: share of words set in faces for words alone (``FaceLibrary.pick``).
    """

    fonts: tuple[str | Path, ...] = ()
    words: tuple[str, ...] | None = None
    word_share: float = 0.3
    heights: tuple[float, float] = (9.0, 64.0)
    camera: float = 0.9
    loose: float = 0.0
    lettering: float = 0.0
    faces: FaceLibrary = field(init=False)

    def __post_init__(self) -> None:
        self.faces = FaceLibrary(self.fonts)
        self._vocabulary = self.words if self.words is not None else shipped_words()
        self._camera = Camera(self.camera)
        self._pool = SurfacePool(11, count=64, refresh=1 << 62)

    def random_line(self, rng: np.random.Generator, text: str) -> Block:
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
        if text is None:
            text = random_text(rng, self._vocabulary, self.word_share)
        height = float(np.exp(rng.uniform(*np.log(self.heights))))
        loose = not stacked and bool(self.loose) and rng.random() < self.loose
        if stacked:
            face = self.faces.pick(rng, text)
            block = stack_of_text(face, text, float(rng.uniform(1.1, 1.8)))
            if rng.random() < 0.3:
                block = boxed(block, -1, int(rng.integers(2, 5)))
            height *= float(np.ptp(block.strings[0].quads[..., 1])) / CAP_HEIGHT
        else:
            text = with_gaps(rng, text) if loose and rng.random() < 0.5 else text
            block = self.random_line(rng, text)
        image, matrix = self._print(rng, block, height, loose)
        return Strip(image, block.strings[0].moved(matrix))

    def ground(self, rng: np.random.Generator, side: int) -> ImageArray:
        """A (side, side) uint8 grey patch of a surface without any text."""
        return to_grey(self._camera.shoot(rng, self._pool.patch(rng, side, side), 20.0))

    def _print(
        self, rng: np.random.Generator, block: Block, height: float, loose: bool
    ) -> tuple[ImageArray, FloatArray]:
        """Warps, marks and photographs a block; also gives block pixels -> picture pixels."""
        mask = worn(rng, block.mask)
        quads = block.strings[0].quads.reshape(-1, 2)
        (left, top), (right, bottom) = quads.min(0), quads.max(0)
        scale = height / max(bottom - top, 1)
        stretch = float(np.exp(rng.normal(0, 0.14)))
        margin = (loose_margins(rng) if loose else rng.uniform(0.02, 0.3, 4)) * height
        width = (right - left) * scale * stretch + margin[0] + margin[1]
        size = (int(max(width, 6)), int(height + margin[2] + margin[3]))
        inner = np.array(
            [[margin[0], margin[2]], [size[0] - margin[1], margin[2]],
             [size[0] - margin[1], size[1] - margin[3]], [margin[0], size[1] - margin[3]]],
        )  # fmt: skip
        inner += rng.normal(0, 0.035, (4, 2)) * height
        if rng.random() < 0.4:
            tilt = float(rng.normal(0, 0.75 if loose else 0.35)) * height
            inner += [[0, -tilt / 2], [0, tilt / 2], [0, tilt / 2], [0, -tilt / 2]]
            inner[:2, 0] += float(rng.normal(0, 0.12)) * height
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
        image = self._pool.patch(rng, size[1], size[0])
        mark(rng, image, mask)
        if loose:
            surround(rng, image, block.strings[0].moved(matrix.astype(np.float32)), self.faces)
        image = self._camera.shoot(rng, image, height)
        if height > 14 and rng.random() < 0.15 * self.camera:
            image = _out_of_focus(rng, image, height)
        return np.ascontiguousarray(image), matrix.astype(np.float32)


def _out_of_focus(rng: np.random.Generator, image: ImageArray, height: float) -> ImageArray:
    """Blurred almost to where a string of that height cannot be read any more."""
    sigma = height * float(rng.uniform(0.03, 0.075))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def detector_window(rng: np.random.Generator, quad: FloatArray) -> FloatArray:
    """The classifier's square (4, 2) of a character, as imprecise as a detector's boxes are."""
    width, height = edge_lengths(quad)
    side = max(width, height)
    jittered = quad + rng.normal(0, 0.035, 2).astype(np.float32) * side
    window = glyph_window(jittered)
    center = window.mean(0)
    angle = float(rng.normal(0, 0.05))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = np.exp(rng.normal(0.02, 0.09, 2) if rng.random() < 0.7 else rng.normal(0.08, 0.2, 2))
    grown: FloatArray = ((window - center) * scale @ turn.T + center).astype(np.float32)
    return grown


@dataclass
class GlyphRenderer:
    """Character crops as the classifier will see them, with crops that are no character.

    Args:
        fonts: folders with font files.
        size: side of the crops in pixels.
        symbols: the classes.
        reject_share: how many crops show no single character.
        rejects: (N, S, S) uint8 crops of what a detector took for characters and was wrong
            (``training.harvest``); half of the crops without a character are then such.
        found: (M, S, S) uint8 crops that a detector cut around characters.
        found_symbols: (M,) what they show.
        found_share: how many crops are such, where there are any.
        stack_share: how many strings are stacks of upright letters.
    """

    fonts: tuple[str | Path, ...] = ()
    size: int = 40
    symbols: tuple[str, ...] = DEFAULT_SYMBOLS
    reject_share: float = 0.12
    rejects: ImageArray | None = None
    found: ImageArray | None = None
    found_symbols: Sequence[str] = ()
    found_share: float = 0.15
    stack_share: float = 0.2
    strips: StripRenderer = field(init=False)

    def __post_init__(self) -> None:
        self.strips = StripRenderer(self.fonts, heights=(9.0, 64.0))
        self._letters = [s for s in self.symbols if s.isalnum() and len(s) == 1]
        self._marks = [s for s in self.symbols if not s.isalnum() and len(s) == 1]
        self._digits = [s for s in self._letters if s.isdigit()]
        self._capitals = [s for s in self._letters if not s.islower()]
        self._pairs = ["".join(c for c in g if c in self.symbols) for g in CONFUSABLE_SETS]

    def _text(self, rng: np.random.Generator) -> str:
        pool = self._capitals if rng.random() < 0.6 else self._letters
        count = int(rng.integers(3, 11))
        if self._digits and rng.random() < 0.2:
            return "".join(self._digits[i] for i in rng.integers(0, len(self._digits), count))
        chosen = [pool[i] for i in rng.integers(0, len(pool), count)]
        if rng.random() < 0.35:
            group = self._pairs[int(rng.integers(len(self._pairs)))]
            chosen[int(rng.integers(count))] = group[int(rng.integers(len(group)))]
        if rng.random() < 0.45:
            chosen[int(rng.integers(count))] = self._marks[int(rng.integers(len(self._marks)))]
        return "".join(chosen)

    def _reject_window(self, rng: np.random.Generator, quads: FloatArray) -> FloatArray:
        """A square on half a character, two halves, a gap, a pair or a detail of a character."""
        at = int(rng.integers(len(quads)))
        quad = quads[at]
        width, height = edge_lengths(quad)
        axis = (quad[1] - quad[0]) / max(width, 1e-3)
        kind = rng.random()
        step = quads[at + 1].mean(0) - quad.mean(0) if at + 1 < len(quads) else np.zeros(2)
        if kind < 0.45 and abs(step[1]) > abs(step[0]):
            # A counter between two digits: the end of one and the beginning of the next.
            middle = quad.mean(0) + step * float(rng.uniform(0.3, 0.7))
            span = float(rng.uniform(0.95, 1.3)) * height
            return glyph_window(oriented_quad(middle.astype(np.float32), axis, width, span))
        if kind < 0.4 and at + 1 < len(quads):
            middle = (quad.mean(0) + quads[at + 1].mean(0)) / 2
            span = 1.0 if rng.random() < 0.5 else 1.7
            return glyph_window(oriented_quad(middle, axis, height * span * 0.9, height * span))
        if kind < 0.75:
            down = np.array([-axis[1], axis[0]], np.float32)
            step = float(rng.uniform(0.5, 0.7)) * float(rng.choice([-1, 1]))
            move = axis * width * step if rng.random() < 0.4 else down * height * step
            scale = float(rng.uniform(0.6, 1.1))
            return glyph_window(
                oriented_quad(quad.mean(0) + move, axis, width * scale, height * scale)
            )
        scale = float(rng.uniform(0.3, 0.5))
        move = rng.uniform(-0.3, 0.3, 2).astype(np.float32) * height
        return glyph_window(
            oriented_quad(quad.mean(0) + move, axis, height * scale, height * scale)
        )

    def _isolated(
        self, rng: np.random.Generator, image: ImageArray, window: FloatArray, quad: FloatArray
    ) -> ImageArray:
        """The crop with everything beyond the quad replaced by its border, as of a lone glyph."""
        (x0, y0), (x1, y1) = quad.min(0) - 1, quad.max(0) + 1
        left, top = max(0, int(x0)), max(0, int(y0))
        patch = image[top : max(int(y1) + 1, top + 2), left : max(int(x1) + 1, left + 2)]
        shifted = window - np.array([left, top], np.float32)
        wide, high = patch.shape[1], patch.shape[0]
        if wide < NARROW * high and rng.random() < 0.5:
            # In a cell as wide as those of other characters, a narrow one may stand at its edge.
            cell = high * float(rng.uniform(0.6, 1.1))
            beside = (cell - wide) * float(
                rng.choice([0, 1]) if rng.random() < 0.7 else rng.random()
            )
            low = np.array([-beside, 0.0]) - high * rng.uniform(-0.02, 0.12, 2)
            far = np.array([cell - beside, high]) + high * rng.uniform(-0.02, 0.12, 2)
            shifted = np.array([low, [far[0], low[1]], far, [low[0], far[1]]], np.float32)
        elif rng.random() < 0.6:
            low, high = np.zeros(2, np.float32), np.array(patch.shape[1::-1], np.float32)
            margin = (high - low) * float(rng.uniform(0.05, 0.17))
            low, high = low - margin, high + margin
            shifted = np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float32)
        return warp_quad(patch, shifted, self.size, self.size)

    def _found(self, rng: np.random.Generator, rendered: int) -> list[tuple[ImageArray, str]]:
        """Harvested characters in their share, often as negatives."""
        if self.found is None or not len(self.found):
            return []
        wanted = self.found_share / (1 - self.found_share) * rendered
        chosen = rng.integers(0, len(self.found), int(wanted) + int(rng.random() < wanted % 1))
        return [
            (self.found[i] if rng.random() < 0.5 else 255 - self.found[i], self.found_symbols[i])
            for i in map(int, chosen)
        ]

    def render(self, seed: int | tuple[int, ...]) -> list[tuple[ImageArray, str]]:
        """The grey crops (size, size) uint8 of one string with their symbols; REJECT for none."""
        rng = np.random.default_rng(seed)
        stacked = bool(rng.random() < self.stack_share)
        text = self._text(rng)
        strip = self.strips.render((*np.atleast_1d(seed).tolist(), 1), text, stacked)
        grey = to_grey(strip.image)
        crops: list[tuple[ImageArray, str]] = []
        for symbol, quad in zip(strip.string.symbols, strip.string.quads, strict=True):
            window = detector_window(rng, quad)
            if rng.random() < 0.2:
                crops.append((self._isolated(rng, grey, window, quad), symbol))
            else:
                crops.append((warp_quad(grey, window, self.size, self.size), symbol))
        crops += self._found(rng, len(crops))
        wanted = self.reject_share / (1 - self.reject_share) * len(crops)
        for _ in range(int(wanted) + (rng.random() < wanted % 1)):
            if self.rejects is not None and rng.random() < 0.5:
                real = self.rejects[int(rng.integers(len(self.rejects)))]
                crops.append((real if rng.random() < 0.5 else 255 - real, REJECT))
                continue
            if rng.random() < 0.12:
                crops.append((self.strips.ground(rng, self.size), REJECT))
                continue
            window = self._reject_window(rng, strip.string.quads)
            crops.append((warp_quad(grey, window, self.size, self.size), REJECT))
        return crops
