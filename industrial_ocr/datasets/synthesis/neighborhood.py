"""What stands around a string in a loose crop: bands, captions, frames, stickers, emblems.

A crop of a plate holds more than its code: a colored band with a small letter in it, a caption
above, a frame, screw heads, a seal or an emblem in the gap between two groups, something pasted
over. None of it is part of the string, and a recognizer has to be shown so.
"""

from __future__ import annotations

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
from industrial_ocr.results.geometry import unit_vector
from industrial_ocr.results.types import FloatArray, ImageArray

LEAST_GAP = 0.3
"""In heights: a gap between characters from which something may stand in it."""
ROOM = {"side": (0.1, 1.1), "above": (0.05, 0.8)}
"""Margins of a loose crop, in heights of the string, beside it and above or below it."""


def loose_margins(rng: Generator) -> FloatArray:
    """(4,) float32 margins in heights: left, right, top, bottom."""
    beside = rng.uniform(*ROOM["side"], 2) * (rng.random(2) < 0.75)
    above = rng.uniform(*ROOM["above"], 2) * (rng.random(2) < 0.6)
    return (np.concatenate([beside, above]) + 0.03).astype(np.float32)


def with_gaps(rng: Generator, text: str) -> str:
    """The text with one or two wide gaps where it has none."""
    if len(text) < 4 or " " in text:
        return text
    at = sorted({int(i) for i in rng.integers(1, len(text), int(rng.integers(1, 3)))})
    parts = [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
    return (" " * int(rng.integers(1, 5))).join(parts)


@dataclass(frozen=True, eq=False)
class _Slot:
    """A free place: corners (4, 2) clockwise from the top-left, in pixels of the picture."""

    quad: FloatArray

    def inner(self, left: float, top: float, right: float, bottom: float) -> FloatArray:
        """(4, 2) corners of a part, borders as shares of the slot."""
        a, b, c, d = self.quad

        def at(u: float, v: float) -> FloatArray:
            return np.asarray((a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v)

        corners = [at(left, top), at(right, top), at(right, bottom), at(left, bottom)]
        return np.stack(corners).astype(np.float32)

    @property
    def width(self) -> float:
        """In pixels."""
        return float(np.linalg.norm(self.quad[1] - self.quad[0]))


def _slots(quads: FloatArray, height: float) -> tuple[list[_Slot], list[_Slot]]:
    """The gaps between characters, and the places before the first and after the last."""
    gaps = [
        _Slot(np.stack([one[1], two[0], two[3], one[2]]))
        for one, two in zip(quads[:-1], quads[1:], strict=True)
    ]
    along = quads[-1].mean(0) - quads[0].mean(0)
    if len(quads) == 1 or np.linalg.norm(along) < 1:
        along = quads[0][1] - quads[0][0]
    step = unit_vector(along) * height
    first, last = quads[0], quads[-1]
    before = _Slot(np.stack([first[0] - step, first[0], first[3], first[3] - step]))
    after = _Slot(np.stack([last[1], last[1] + step, last[2] + step, last[2]]))
    return [g for g in gaps if g.width > LEAST_GAP * height], [before, after]


def _color(rng: Generator, image: ImageArray) -> list[float]:
    """Gray, bright or dark, or any."""
    kind = rng.random()
    if kind < 0.35:
        return [rng.uniform(20, 235)] * 3
    if kind < 0.5:
        middle = image[:: max(1, image.shape[0] // 8), :: max(1, image.shape[1] // 8)]
        return [float(np.clip(v + rng.normal(0, 40), 0, 255)) for v in middle.mean((0, 1))]
    return random_color(rng, (0.3, 1.0), (0.15, 0.95))


def _fill(image: ImageArray, points: FloatArray, color: list[float]) -> None:
    fixed = np.round(points * 16).astype(np.int32)
    cv2.fillPoly(image, [fixed], color, cv2.LINE_AA, 4)


def _blob(rng: Generator, image: ImageArray, quad: FloatArray) -> None:
    """An emblem or seal: a disc, a dash, a star or any round-cornered shape, with a detail."""
    middle, count = quad.mean(0), int(rng.integers(5, 14))
    across = (quad[1] - quad[0] + quad[2] - quad[3]) / 4
    down = (quad[3] - quad[0] + quad[2] - quad[1]) / 4
    angles = np.sort(rng.uniform(0, 2 * np.pi, count)) if rng.random() < 0.6 else np.linspace(
        0, 2 * np.pi, count, endpoint=False
    )  # fmt: skip
    reach = rng.uniform(0.35, 1.0, count) if rng.random() < 0.6 else np.ones(count)
    shape = np.stack([np.cos(angles), np.sin(angles)], 1) * reach[:, None]
    size = rng.uniform(0.7, 1.0)
    for scale in (1.0, 0.6, 0.3)[: int(rng.integers(1, 4))]:
        points = middle + size * scale * (shape[:, :1] * across + shape[:, 1:] * down)
        _fill(image, points.astype(np.float32), _color(rng, image))


def _in_gaps(rng: Generator, image: ImageArray, gaps: list[_Slot]) -> None:
    """Something in at most two gaps; an emblem is too large to be a point or a dash."""
    for i in rng.permutation(len(gaps))[:2]:
        gap, kind = gaps[int(i)], rng.random()
        if kind < 0.4:
            top = rng.uniform(-0.1, 0.4)
            _blob(rng, image, gap.inner(0.06, top, 0.94, rng.uniform(top + 0.5, 1.1)))
        elif kind < 0.7:
            over = rng.uniform(0, 0.25)
            _fill(image, gap.inner(0.06, -over, 0.94, 1 + over), _color(rng, image))


def _censored(
    rng: Generator,
    image: ImageArray,
    gaps: list[_Slot],
    ends: list[_Slot],
    height: float,
) -> None:
    """Characters made unreadable: upright rectangles of one tone in the gaps and at the ends."""
    color = _color(rng, image)
    if rng.random() < 0.7:
        level = float(image[:: max(1, image.shape[0] // 8), :: max(1, image.shape[1] // 8)].mean())
        color = [float(np.clip(level + rng.normal(0, 45), 0, 255))] * 3
    places = []
    for gap in gaps:
        left, top, right, bottom = *rng.uniform(-0.06, 0.12, 2), *rng.uniform(0.88, 1.06, 2)
        if gap.width > 0.75 * height and rng.random() < 0.6:
            # Two patches: the ground that shows between them is no stroke of an I or a 1.
            middle, clear = rng.uniform(0.35, 0.65), rng.uniform(0.03, 0.14) * height / gap.width
            places.append(gap.inner(left, top, middle - clear, bottom))
            left = middle + clear
        places.append(gap.inner(left, top, right, bottom))
    for slot, before in zip(ends[::-1], (False, True), strict=False):
        near = rng.uniform(0.0, 0.2)
        for _ in range(int(rng.choice([0, 1, 2], p=[0.55, 0.33, 0.12]))):
            width = rng.uniform(0.35, 0.75)
            left = 1 - near - width if before else near
            places.append(slot.inner(left, rng.uniform(-0.1, 0.1), left + width, 1.05))
            near += width + rng.uniform(0.06, 0.3)
    for quad in places:
        (x0, y0), (x1, y1) = quad.min(0), quad.max(0)
        shade = [float(np.clip(c + rng.normal(0, 6), 0, 255)) for c in color]
        _fill(image, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32), shade)


def _beside(
    rng: Generator,
    image: ImageArray,
    slots: list[_Slot],
    faces: FaceLibrary,
    band: float = 0.35,
) -> None:
    """A band, a patch, screw heads or a small sign before the string and behind it (last)."""
    for slot, outer in zip(slots[::-1], ((0.0, 3.0), (-3.0, 0.0)), strict=False):
        kind = rng.random() * (0.35 / band)
        clear = rng.uniform(0.08, 0.45)
        if kind < 0.35:
            left, right = (outer[0], 1 - clear) if outer[0] < 0 else (clear, 1 + outer[1])
            over = rng.uniform(0.05, 2.5)
            _fill(image, slot.inner(left, -over, right, 1 + over), _color(rng, image))
        elif kind < 0.5:
            width = rng.uniform(0.3, 0.9)
            left = 1 - clear - width if outer[0] < 0 else clear
            _fill(image, slot.inner(left, -0.1, left + width, 1.1), _color(rng, image))
        elif kind < 0.65:
            _blob(rng, image, slot.inner(0.2, 0.1, 0.8, 0.9))
        elif kind < 0.8 and (other := faces.foreign(rng)) is not None:
            wide = rng.uniform(0.5, 1.0)
            left = 1 - clear - wide if outer[0] < 0 else clear
            _text_at(rng, image, slot.inner(left, -0.05, left + wide, 1.05), other[1], other[0])
            continue
        if rng.random() < 0.35:
            small = rng.uniform(0.2, 0.42)
            left = 1 - clear - small if outer[0] < 0 else clear + 0.05
            top = rng.uniform(0.0, 1 - small)
            text = fill_template(rng, "X" * int(rng.integers(1, 3)))
            _small_text(rng, image, slot.inner(left, top, left + small, top + small), text, faces)


def _small_text(
    rng: Generator, image: ImageArray, quad: FloatArray, text: str, faces: FaceLibrary
) -> None:
    """A text in any face, warped into a place."""
    _text_at(rng, image, quad, text, faces.pick(rng, text))


def _text_at(
    rng: Generator, image: ImageArray, quad: FloatArray, text: str, face: GlyphSource
) -> None:
    mask = line_of_text(face, text).mask
    height, width = mask.shape
    small = max(0.05, min(1.0, 2 * float(np.linalg.norm(quad[3] - quad[0])) / height))
    size = (max(2, round(width * small)), max(2, round(height * small)))
    mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
    corners = np.array([[0, 0], [size[0], 0], size, [0, size[1]]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, quad.astype(np.float32))
    warped = cv2.warpPerspective(mask, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR)
    mark(rng, image, np.asarray(warped, np.uint8))


def _captions(rng: Generator, image: ImageArray, string: FloatArray, faces: FaceLibrary) -> None:
    """A line of small text above or below the string."""
    place = _Slot(string)
    aspect = place.width / max(float(np.linalg.norm(string[3] - string[0])), 1.0)
    for above in (True, False):
        if rng.random() > 0.35:
            continue
        text = pick(rng, CAPTIONS)
        high, clear = rng.uniform(0.15, 0.5), rng.uniform(0.08, 0.25)
        wide = min(high * 0.65 * len(text) / max(aspect, 0.3), 1.2)
        left = rng.uniform(-0.1, max(1.1 - wide, 0.0))
        top = -clear - high if above else 1 + clear
        _small_text(rng, image, place.inner(left, top, left + wide, top + high), text, faces)


def with_sign(rng: Generator, block: Block, faces: FaceLibrary) -> tuple[Block, float]:
    """The line with a sign of another writing system before it, marked like it but no part of it.

    Also gives how far the sign reaches to the left of the string, in pixels of the block; 0, and
    the block as it is, where the fonts have no such sign.
    """
    other = faces.foreign(rng)
    if other is None:
        return block, 0.0
    string = block.strings[0]
    (left, top), (_, bottom) = string.quads[0].min(0), string.quads[0].max(0)
    sign = line_of_text(other[0], other[1]).mask
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


def emblems(rng: Generator, image: ImageArray, string: LabeledString) -> None:
    """Draws emblems and patches into wide gaps of one line, in place (see ``surround``)."""
    if len(string.quads) > 1:
        height = float(np.linalg.norm(string.quads[0][3] - string.quads[0][0]))
        _in_gaps(rng, image, _slots(string.quads, height)[0])


def surround(
    rng: Generator,
    image: ImageArray,
    string: LabeledString,
    faces: FaceLibrary,
    before: bool = True,
) -> None:
    """Draws what may stand around a string, in place; the string itself stays clear.

    Args:
        rng: source of chance.
        image: (H, W, 3) uint8 RGB with the string on it, before the camera.
        string: one line, quads in pixels of ``image``.
        faces: for captions and signs.
        before: whether there is room before the string; False where a sign stands there already.
    """
    quads = string.quads
    height = float(np.linalg.norm(quads[0][3] - quads[0][0]))
    line = np.stack([quads[0][0], quads[-1][1], quads[-1][2], quads[0][3]])
    gaps, ends = _slots(quads, height)
    sides = ends if before else ends[1:]
    if rng.random() < 0.3:
        if rng.random() < 0.6:
            _beside(rng, image, sides, faces, band=0.7)
        _censored(rng, image, gaps, sides, height)
    else:
        _in_gaps(rng, image, gaps)
        _beside(rng, image, sides, faces)
    _captions(rng, image, line, faces)
    if rng.random() < 0.3:
        grow = rng.uniform(0.12, 0.35, 2)
        share = grow[0] * height / max(_Slot(line).width, 1.0)
        frame = _Slot(line).inner(-share, -grow[1], 1 + share, 1 + grow[1])
        thickness = max(1, round(height * rng.uniform(0.02, 0.1)))
        points = np.round(frame).astype(np.int32)
        cv2.polylines(image, [points], True, _color(rng, image), thickness, cv2.LINE_AA)
