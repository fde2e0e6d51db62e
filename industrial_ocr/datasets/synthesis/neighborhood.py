"""Things around a string in a loose crop: bands, captions, frames, stickers, emblems.

A crop of a plate has more than its code: a colored band with a small letter, a caption above, a
frame, screw heads, a seal or an emblem in the gap between two groups, or a sticker. A recognizer
must learn that they are not part of the string.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.color import random_color
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import GlyphSource
from industrial_ocr.datasets.synthesis.layout import Block, LabeledString, line_of_text
from industrial_ocr.datasets.synthesis.marking_styles import mark
from industrial_ocr.datasets.synthesis.text import CAPTIONS, fill_template
from industrial_ocr.results.geometry import rect_quad, unit_vector
from industrial_ocr.results.types import FloatArray, ImageArray


def loose_margins(rng: Generator) -> FloatArray:
    """(4,) float32 margins in heights of the string: left, right, top, bottom."""
    beside = rng.uniform(0.1, 1.1, 2) * (rng.random(2) < 0.75)
    above = rng.uniform(0.05, 0.8, 2) * (rng.random(2) < 0.6)
    return (np.concatenate([beside, above]) + 0.03).astype(np.float32)


def with_gaps(rng: Generator, text: str) -> str:
    """The text with one or two additional wide gaps."""
    if len(text) < 4 or " " in text:
        return text
    at = sorted({int(i) for i in rng.integers(1, len(text), int(rng.integers(1, 3)))})
    parts = [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
    return (" " * int(rng.integers(1, 5))).join(parts)


def with_sign(rng: Generator, block: Block, faces: FaceLibrary) -> tuple[Block, float]:
    """The line after a sign of another writing system, which is not part of the string.

    Returns:
        The block, and the width of the sign in pixels of the block; the same block and 0 if the
        fonts have no such sign.
    """
    foreign = faces.foreign(rng)
    if foreign is None:
        return block, 0.0
    string = block.strings[0]
    (left, top), (_, bottom) = string.quads[0].min(0), string.quads[0].max(0)
    sign = line_of_text(*foreign).mask
    rows, columns = np.flatnonzero(sign.max(1)), np.flatnonzero(sign.max(0))
    if not len(rows):
        return block, 0.0
    sign = sign[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height = max(4, round((bottom - top) * rng.uniform(0.85, 1.1)))
    width = max(3, round(height * rng.uniform(0.5, 1.05)))
    sign = np.asarray(cv2.resize(sign, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    reach = width + (bottom - top) * rng.uniform(0.08, 0.4)
    room = max(0, int(np.ceil(reach - left)) + 2)
    x, y = round(left - reach) + room, round((top + bottom - height) / 2)
    lower = max(0, y + height - block.mask.shape[0])
    mask = np.pad(block.mask, ((max(0, -y), lower), (room, 0)))
    part = mask[max(0, y) :, x : x + width][:height]
    np.maximum(part, sign, out=part)
    matrix = np.array([[1, 0, room], [0, 1, max(0, -y)], [0, 0, 1]], np.float32)
    return Block(mask, (string.moved(matrix),)), float(reach)


@dataclass(frozen=True, eq=False)
class _Slot:
    """A free place (4, 2), clockwise from the top-left; ``before``: it lies before the string."""

    quad: FloatArray
    before: bool = False

    def inner(self, left: float, top: float, right: float, bottom: float) -> FloatArray:
        """(4, 2) corners of a part, borders as shares of the slot."""
        a, b, c, d = self.quad
        corners = []
        for u, v in ((left, top), (right, top), (right, bottom), (left, bottom)):
            corners.append((a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v)
        return np.stack(corners).astype(np.float32)

    def outward(self, near: float, width: float, top: float, bottom: float) -> FloatArray:
        """(4, 2) corners of a part at the distance ``near`` from the string."""
        left = 1 - near - width if self.before else near
        return self.inner(left, top, left + width, bottom)

    @property
    def width(self) -> float:
        """The width in pixels."""
        return float(np.linalg.norm(self.quad[1] - self.quad[0]))


class _Neighborhood:
    """Draws things around one line of text into a picture (H, W, 3) uint8 RGB."""

    def __init__(self, rng: Generator, image: ImageArray, string: LabeledString) -> None:
        self.rng, self.image = rng, image
        quads = string.quads
        first, last = quads[0], quads[-1]
        self.height = float(np.linalg.norm(first[3] - first[0]))
        self.line = _Slot(np.stack([first[0], last[1], last[2], first[3]]))
        pairs = zip(quads[:-1], quads[1:], strict=True)
        between = [_Slot(np.stack([one[1], two[0], two[3], one[2]])) for one, two in pairs]
        self.gaps = [gap for gap in between if gap.width > 0.3 * self.height]
        along = last.mean(0) - first.mean(0)
        if len(quads) == 1 or np.linalg.norm(along) < 1:
            along = first[1] - first[0]
        step = unit_vector(along) * self.height
        before = np.stack([first[0] - step, first[0], first[3], first[3] - step])
        self.before = _Slot(before, before=True)
        self.after = _Slot(np.stack([last[1], last[1] + step, last[2] + step, last[2]]))

    def _ground(self) -> ImageArray:
        height, width = self.image.shape[:2]
        return self.image[:: max(1, height // 8), :: max(1, width // 8)]

    def _color(self) -> list[float]:
        """Any gray, a color near that of the ground, or any color."""
        kind = self.rng.random()
        if kind < 0.35:
            return [self.rng.uniform(20, 235)] * 3
        if kind < 0.5:
            levels = [v + self.rng.normal(0, 40) for v in self._ground().mean((0, 1))]
            return [float(level) for level in np.clip(levels, 0, 255)]
        return random_color(self.rng, (0.3, 1.0), (0.15, 0.95))

    def _fill(self, points: FloatArray, color: list[float]) -> None:
        cv2.fillPoly(self.image, [np.round(points * 16).astype(np.int32)], color, cv2.LINE_AA, 4)

    def _blob(self, quad: FloatArray) -> None:
        """An emblem or seal: a disc, a dash, a star or any round-cornered shape, with a detail."""
        rng, middle = self.rng, quad.mean(0)
        count = int(rng.integers(5, 14))
        across = (quad[1] - quad[0] + quad[2] - quad[3]) / 4
        down = (quad[3] - quad[0] + quad[2] - quad[1]) / 4
        if rng.random() < 0.6:
            angles = np.sort(rng.uniform(0, 2 * np.pi, count))
        else:
            angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
        reach = rng.uniform(0.35, 1.0, count) if rng.random() < 0.6 else np.ones(count)
        shape = np.stack([np.cos(angles), np.sin(angles)], 1) * reach[:, None]
        size = rng.uniform(0.7, 1.0)
        for scale in (1.0, 0.6, 0.3)[: rng.integers(1, 4)]:
            points = middle + size * scale * (shape[:, :1] * across + shape[:, 1:] * down)
            self._fill(points.astype(np.float32), self._color())

    def _text(self, quad: FloatArray, text: str, face: GlyphSource) -> None:
        """A text warped into a place."""
        mask = line_of_text(face, text).mask
        height, width = mask.shape
        small = max(0.05, min(1.0, 2 * float(np.linalg.norm(quad[3] - quad[0])) / height))
        size = (max(2, round(width * small)), max(2, round(height * small)))
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
        matrix = cv2.getPerspectiveTransform(rect_quad(0, 0, *size), quad)
        warped = cv2.warpPerspective(mask, matrix, self.image.shape[1::-1], flags=cv2.INTER_LINEAR)
        mark(self.rng, self.image, np.asarray(warped, np.uint8))

    def fill_gaps(self) -> None:
        """Draws into at most two gaps; an emblem is larger than a point or a dash."""
        rng = self.rng
        for i in rng.permutation(len(self.gaps))[:2]:
            gap, kind = self.gaps[i], rng.random()
            if kind < 0.4:
                top = rng.uniform(-0.1, 0.4)
                self._blob(gap.inner(0.06, top, 0.94, rng.uniform(top + 0.5, 1.1)))
            elif kind < 0.7:
                over = rng.uniform(0, 0.25)
                self._fill(gap.inner(0.06, -over, 0.94, 1 + over), self._color())

    def censor(self, ends: Sequence[_Slot]) -> None:
        """Hidden characters: upright rectangles of one tone in the gaps and at the ends."""
        rng, color = self.rng, self._color()
        if rng.random() < 0.7:
            color = [float(np.clip(self._ground().mean() + rng.normal(0, 45), 0, 255))] * 3
        places = []
        for gap in self.gaps:
            left, top, right, bottom = *rng.uniform(-0.06, 0.12, 2), *rng.uniform(0.88, 1.06, 2)
            if gap.width > 0.75 * self.height and rng.random() < 0.6:
                # Two patches, so that the ground between them does not look like an I or a 1.
                middle = rng.uniform(0.35, 0.65)
                clear = rng.uniform(0.03, 0.14) * self.height / gap.width
                places.append(gap.inner(left, top, middle - clear, bottom))
                left = middle + clear
            places.append(gap.inner(left, top, right, bottom))
        for end in ends:
            near = rng.uniform(0.0, 0.2)
            for _ in range(rng.choice([0, 1, 2], p=[0.55, 0.33, 0.12])):
                width = rng.uniform(0.35, 0.75)
                places.append(end.outward(near, width, rng.uniform(-0.1, 0.1), 1.05))
                near += width + rng.uniform(0.06, 0.3)
        for quad in places:
            shade = [float(np.clip(c + rng.normal(0, 6), 0, 255)) for c in color]
            self._fill(rect_quad(*quad.min(0), *quad.max(0)), shade)

    def draw_beside(self, ends: Sequence[_Slot], faces: FaceLibrary, chance: float) -> None:
        """A band (with that chance), a patch, screw heads or a small sign at the ends."""
        rng = self.rng
        for end in ends:
            kind = rng.random() * (0.35 / chance)
            clear = rng.uniform(0.08, 0.45)
            if kind < 0.35:
                over = rng.uniform(0.05, 2.5)
                self._fill(end.outward(clear, 4 - clear, -over, 1 + over), self._color())
            elif kind < 0.5:
                self._fill(end.outward(clear, rng.uniform(0.3, 0.9), -0.1, 1.1), self._color())
            elif kind < 0.65:
                self._blob(end.inner(0.2, 0.1, 0.8, 0.9))
            elif kind < 0.8 and (foreign := faces.foreign(rng)) is not None:
                face, sign = foreign
                self._text(end.outward(clear, rng.uniform(0.5, 1.0), -0.05, 1.05), sign, face)
                continue
            if rng.random() < 0.35:
                small = rng.uniform(0.2, 0.42)
                top = rng.uniform(0.0, 1 - small)
                text = fill_template(rng, "X" * int(rng.integers(1, 3)))
                near = clear if end.before else clear + 0.05
                place = end.outward(near, small, top, top + small)
                self._text(place, text, faces.pick(rng, text))

    def draw_captions(self, faces: FaceLibrary) -> None:
        """A line of small text above or below the string."""
        rng, quad = self.rng, self.line.quad
        aspect = self.line.width / max(float(np.linalg.norm(quad[3] - quad[0])), 1.0)
        for above in (True, False):
            if rng.random() > 0.35:
                continue
            text = pick(rng, CAPTIONS)
            high, clear = rng.uniform(0.15, 0.5), rng.uniform(0.08, 0.25)
            wide = min(high * 0.65 * len(text) / max(aspect, 0.3), 1.2)
            left = rng.uniform(-0.1, max(1.1 - wide, 0.0))
            top = -clear - high if above else 1 + clear
            place = self.line.inner(left, top, left + wide, top + high)
            self._text(place, text, faces.pick(rng, text))

    def draw_frame(self) -> None:
        """A rectangle around the string."""
        beside, above = self.rng.uniform(0.12, 0.35, 2)
        beside *= self.height / max(self.line.width, 1.0)
        frame = self.line.inner(-beside, -above, 1 + beside, 1 + above)
        thickness = max(1, round(self.height * self.rng.uniform(0.02, 0.1)))
        points = np.round(frame).astype(np.int32)
        cv2.polylines(self.image, [points], True, self._color(), thickness, cv2.LINE_AA)


def emblems(rng: Generator, image: ImageArray, string: LabeledString) -> None:
    """Draws emblems and patches into wide gaps of one line, in place (see ``surround``)."""
    if len(string.quads) > 1:
        _Neighborhood(rng, image, string).fill_gaps()


def surround(
    rng: Generator,
    image: ImageArray,
    string: LabeledString,
    faces: FaceLibrary,
    before: bool = True,
) -> None:
    """Draws things around a string, in place; nothing covers the string.

    Args:
        rng: source of chance.
        image: (H, W, 3) uint8 RGB with the string on it, before the camera.
        string: one line, quads in pixels of ``image``.
        faces: for captions and signs.
        before: whether there is space before the string; False if there is a sign already.
    """
    around = _Neighborhood(rng, image, string)
    ends = [around.after, around.before] if before else [around.after]
    if rng.random() < 0.3:
        if rng.random() < 0.6:
            around.draw_beside(ends, faces, chance=0.7)
        around.censor(ends)
    else:
        around.fill_gaps()
        around.draw_beside(ends, faces, chance=0.35)
    around.draw_captions(faces)
    if rng.random() < 0.3:
        around.draw_frame()
