"""Sets texts as masks with character quads: lines, stacks, arcs and blocks of several strings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, Glyph, GlyphSource, Mask
from industrial_ocr.datasets.synthesis.text import CAPTIONS
from industrial_ocr.results.geometry import area, edge_lengths, rect_quad
from industrial_ocr.results.types import Direction, FloatArray

_BORDER = 10
MIN_QUAD_WIDTH = 0.28
"""Smallest width of a quad in cap heights, so that points and strokes have an area."""


@dataclass(frozen=True, eq=False)
class LabeledString:
    """A string and the places of its characters.

    Attributes:
        text: the text with its spaces.
        symbols: the characters without spaces.
        quads: (N, 4, 2) float32, clockwise from the character's own top-left.
        space_after: (N,) whether a space follows the character.
        direction: see ``results.types.Direction``; a stack is ``vertical``.
    """

    text: str
    symbols: tuple[str, ...]
    quads: FloatArray
    space_after: tuple[bool, ...]
    direction: Direction

    def visible(self, shape: tuple[int, int]) -> LabeledString | None:
        """The characters with at least 60 % of their quad inside a (height, width) picture."""
        limit = np.array([shape[1], shape[0]], np.float32)
        keep = []
        for quad in self.quads:
            clipped, full = np.clip(quad, 0, limit), area(quad)
            inside = np.array_equal(clipped, quad)
            keep.append(inside or (full > 1 and area(clipped) / full > 0.6))
        return self.kept(keep)

    def least_height(self) -> float:
        """Height of its lowest character in pixels."""
        return min(edge_lengths(quad)[1] for quad in self.quads)

    def moved(self, matrix: FloatArray) -> LabeledString:
        """The same string under a 3x3 homography."""
        quads = cv2.perspectiveTransform(self.quads.reshape(1, -1, 2), matrix)
        return replace(self, quads=quads.reshape(-1, 4, 2).astype(np.float32))

    def kept(self, keep: Sequence[bool]) -> LabeledString | None:
        """The string with only the characters that ``keep`` marks; None if it marks none."""
        chosen = [i for i, k in enumerate(keep) if k]
        if not chosen:
            return None
        if len(chosen) == len(self.symbols):
            return self
        spaces = tuple(self.space_after[i] and i != chosen[-1] for i in chosen)
        symbols = tuple(self.symbols[i] for i in chosen)
        text = "".join(s + " " * gap for s, gap in zip(symbols, spaces, strict=True))
        return LabeledString(text, symbols, self.quads[chosen], spaces, self.direction)


@dataclass(frozen=True, eq=False)
class Block:
    """A mask (H, W) uint8 at ``CAP_HEIGHT`` scale with the strings on it."""

    mask: Mask
    strings: tuple[LabeledString, ...]


def _paste(canvas: Mask, glyph: Glyph, x: float, y: float) -> None:
    height, width = glyph.mask.shape
    part = canvas[round(y) : round(y) + height, round(x) : round(x) + width]
    np.maximum(part, glyph.mask[: part.shape[0], : part.shape[1]], out=part)


def _widened(start: float, size: float) -> tuple[float, float]:
    """Start and end of a quad around ink of this width in pixels."""
    lack = max(MIN_QUAD_WIDTH * CAP_HEIGHT - size, 0) / 2 or 1
    return start - lack, start + size + lack


def shrunk(mask: Mask, matrix: NDArray[Any], factor: float) -> tuple[Mask, NDArray[Any]]:
    """The mask at another scale, so that thin strokes fade instead of aliasing, and its matrix."""
    height, width = mask.shape
    size = max(1, round(width * factor)), max(1, round(height * factor))
    larger = np.diag([width / size[0], height / size[1], 1.0])
    small = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, matrix @ larger


def labeled(text: str, quads: Sequence[FloatArray], direction: Direction) -> LabeledString:
    """The string of a text whose characters, without spaces, have these quads."""
    symbols = tuple(c for c in text if c != " ")
    spaces = tuple(text[i + 1 : i + 2] == " " for i, c in enumerate(text) if c != " ")
    quads_of_them = np.stack(quads).astype(np.float32)
    return LabeledString(" ".join(text.split()), symbols, quads_of_them, spaces, direction)


def line_of_text(face: GlyphSource, text: str, tracking: float = 0.0, pitch: float = 0.0) -> Block:
    """A horizontal line; every quad spans the height of the line's letters and digits.

    Args:
        face: the face, which has all characters of ``text``.
        text: the text, without spaces at its ends.
        tracking: space added to each advance, in cap heights; negative makes characters touch.
        pitch: fixed distance of character centers in cap heights, 0 for proportional advances.
    """
    pen = 0.0
    placed: list[tuple[Glyph, float]] = []
    for symbol in text:
        glyph = None if symbol == " " else face.glyph(symbol)
        if glyph is not None:
            width = glyph.mask.shape[1]
            indent = (pitch * CAP_HEIGHT - width) / 2 if pitch else glyph.left
            placed.append((glyph, pen + indent))
        advance = 0.4 * CAP_HEIGHT if glyph is None else glyph.advance
        pen += pitch * CAP_HEIGHT if pitch else max(advance + tracking * CAP_HEIGHT, 2)
    glyphs = [glyph for glyph, _ in placed]
    left = min(x for _, x in placed)
    right = max(x + g.mask.shape[1] for g, x in placed)
    top, bottom = max(g.top for g in glyphs), max(g.bottom for g in glyphs)
    size = int(top + bottom) + 2 * _BORDER, int(right - left) + 2 * _BORDER + 2
    canvas = np.zeros(size, np.uint8)
    symbols = text.replace(" ", "")
    core = [g for g, symbol in zip(glyphs, symbols, strict=True) if symbol.isalnum()] or glyphs
    y0 = _BORDER + top - max(g.top for g in core) - 1
    y1 = max(_BORDER + top + max(g.bottom for g in core) + 1, y0 + 0.4 * CAP_HEIGHT)
    quads = []
    for glyph, x in placed:
        _paste(canvas, glyph, x - left + _BORDER, _BORDER + top - glyph.top)
        x0, x1 = _widened(x - left + _BORDER, glyph.mask.shape[1])
        quads.append(rect_quad(x0, y0, x1, y1))
    return Block(canvas, (labeled(text, quads, "horizontal"),))


def stack_of_text(face: GlyphSource, text: str, pitch: float, gap: float = 0.6) -> Block:
    """Upright letters one below the other; ``pitch`` and a space's ``gap`` in cap heights."""
    placed: list[tuple[Glyph, float]] = []
    pen = 0.0
    for symbol in text:
        if symbol == " ":
            pen += gap * CAP_HEIGHT
        else:
            glyph = face.glyph(symbol)
            placed.append((glyph, pen + CAP_HEIGHT - glyph.top))
            pen += pitch * CAP_HEIGHT
    width = max(g.mask.shape[1] for g, _ in placed)
    top = min(y for _, y in placed)
    bottom = max(y + g.mask.shape[0] for g, y in placed)
    canvas = np.zeros((int(bottom - top) + 2 * _BORDER + 2, width + 2 * _BORDER + 2), np.uint8)
    quads = []
    for glyph, y in placed:
        tall, wide = glyph.mask.shape
        x, y = _BORDER + (width - wide) / 2, y - top + _BORDER
        _paste(canvas, glyph, x, y)
        (x0, x1), (y0, y1) = _widened(x, wide), _widened(y, tall)
        quads.append(rect_quad(x0, y0, x1, y1))
    return Block(canvas, (labeled(text, quads, "vertical"),))


def boxed(block: Block, thickness: int) -> Block:
    """Draws a frame around the last character of the first string, as of a check digit."""
    string, grow = block.strings[0], 12
    quad, margin = string.quads[-1], 5 + thickness
    mask = cv2.copyMakeBorder(block.mask, grow, grow, grow, grow, cv2.BORDER_CONSTANT, value=0)
    corner, other = np.rint([quad.min(0) - margin, quad.max(0) + margin]).astype(int) + grow
    cv2.rectangle(mask, corner.tolist(), other.tolist(), 255, thickness)
    shifted = replace(string, quads=string.quads + np.float32(grow))
    return Block(mask.astype(np.uint8), (shifted, *block.strings[1:]))


def bent(block: Block, sweep: float) -> Block:
    """Bends a line onto an arc; ``sweep`` radians in all, negative bends downwards."""
    height, width = block.mask.shape
    radius = width / abs(sweep)
    flip = sweep < 0

    def forward(points: FloatArray) -> FloatArray:
        angle = (points[..., 0] - width / 2) / radius
        distance = radius + ((points[..., 1] if flip else height - points[..., 1]) - height / 2)
        x = distance * np.sin(angle)
        y = distance * np.cos(angle) * (1 if flip else -1)
        return np.stack([x, y], -1).astype(np.float32)

    grid = np.stack(np.meshgrid(np.linspace(0, width, 17), [0, height / 2, height]), -1)
    spread = forward(grid.astype(np.float32)).reshape(-1, 2)
    low = spread.min(0)
    size = np.ceil(spread.max(0) - low).astype(int) + 1
    xs, ys = np.meshgrid(np.arange(size[0]) + low[0], np.arange(size[1]) + low[1])
    source_x = np.arctan2(xs, ys if flip else -ys) * radius + width / 2
    offset = np.hypot(xs, ys) - radius + height / 2
    source_y = offset if flip else height - offset
    maps = source_x.astype(np.float32), source_y.astype(np.float32)
    mask = cv2.remap(block.mask, *maps, cv2.INTER_LINEAR)
    strings = tuple(replace(s, quads=forward(s.quads) - low) for s in block.strings)
    return Block(mask.astype(np.uint8), strings)


def join(blocks: Sequence[Block], gap: float, across: bool, align: float) -> Block:
    """Sets blocks below one another, or side by side when ``across``, ``gap`` cap heights apart.

    They are aligned to the left (top) at an ``align`` of 0, centered at 0.5, to the right (bottom)
    at 1.
    """
    axis = 1 if across else 0
    total = sum(b.mask.shape[axis] for b in blocks) + round(gap * CAP_HEIGHT) * (len(blocks) - 1)
    other = max(b.mask.shape[1 - axis] for b in blocks)
    canvas = np.zeros((other, total) if across else (total, other), np.uint8)
    strings: list[LabeledString] = []
    at = 0
    for block in blocks:
        side = round((other - block.mask.shape[1 - axis]) * align)
        x, y = (at, side) if across else (side, at)
        height, width = block.mask.shape
        canvas[y : y + height, x : x + width] = block.mask
        offset = np.array([x, y], np.float32)
        strings += [replace(s, quads=s.quads + offset) for s in block.strings]
        at += block.mask.shape[axis] + round(gap * CAP_HEIGHT)
    return Block(canvas, tuple(strings))


def scaled(block: Block, factor: float) -> Block:
    """The block at another size, relative to its neighbors."""
    height, width = block.mask.shape
    size = (max(2, round(width * factor)), max(2, round(height * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    mask = np.asarray(cv2.resize(block.mask, size, interpolation=how), np.uint8)
    share = np.array([size[0] / width, size[1] / height], np.float32)
    return Block(mask, tuple(replace(s, quads=s.quads * share) for s in block.strings))


def random_spacing(rng: Generator) -> tuple[float, float]:
    """Random (tracking, pitch), like those of printers, plates and engravers."""
    kind = rng.random()
    if kind < 0.5:
        return rng.normal(0.02, 0.03), 0.0
    if kind < 0.62:
        return rng.uniform(-0.12, -0.02), 0.0
    if kind < 0.82:
        return rng.uniform(0.05, 0.5), 0.0
    return 0.0, rng.uniform(0.75, 1.5)


def random_string(rng: Generator, faces: FaceLibrary, text: str, stack: float = 0.0) -> Block:
    """One string in a random face and spacing; ``stack`` is the chance of stacked letters."""
    face = faces.pick(rng, text)
    if rng.random() < stack:
        block = stack_of_text(face, text, rng.uniform(1.12, 1.9), rng.uniform(0.3, 1.2))
        if rng.random() < 0.3:
            block = boxed(block, int(rng.integers(2, 5)))
        return block
    tracking, pitch = random_spacing(rng)
    block = line_of_text(face, text, tracking, pitch)
    special = rng.random()
    if special < 0.05 and len(text) > 3:
        block = bent(block, float(rng.uniform(0.3, 2.2) * rng.choice([-1, 1])))
    elif special < 0.12:
        block = boxed(block, int(rng.integers(2, 5)))
    return block


def captioned(rng: Generator, faces: FaceLibrary, write: Callable[[Generator], str]) -> Block:
    """A string like on a name-plate, with small lines closely above and below."""

    def small() -> Block:
        text = pick(rng, CAPTIONS) if rng.random() < 0.5 else write(rng)
        line = scaled(random_string(rng, faces, text), rng.uniform(0.2, 0.6))
        if rng.random() < 0.25:
            other = scaled(random_string(rng, faces, write(rng)[:4].strip()), 0.3)
            line = join([line, other], rng.uniform(0.5, 2.5), True, rng.random())
        return line

    lines = [random_string(rng, faces, write(rng))]
    above = rng.random() < 0.65
    if above:
        lines.insert(0, small())
    if not above or rng.random() < 0.6:
        lines.append(small())
    return join(lines, rng.uniform(-0.15, 0.3), False, float(rng.choice([0, 0.5, 0.5])))


def random_block(rng: Generator, faces: FaceLibrary, write: Callable[[Generator], str]) -> Block:
    """A string, a stack, several lines, or stacks side by side; ``write`` makes the texts."""
    kind = rng.random()
    if kind < 0.48:
        return random_string(rng, faces, write(rng))
    if kind < 0.6:
        return captioned(rng, faces, write)
    if kind < 0.76:
        stacks = [random_string(rng, faces, write(rng)[:14].strip(), stack=1.0)]
        while rng.random() < 0.45 and len(stacks) < 3:
            stacks.append(random_string(rng, faces, write(rng)[:8].strip(), stack=1.0))
        return join(stacks, rng.uniform(0.1, 1.6), True, float(rng.choice([0, 0, 0.5])))
    lines = [random_string(rng, faces, write(rng)) for _ in range(rng.integers(2, 5))]
    if rng.random() < 0.4:
        lines = [scaled(line, float(np.exp(rng.normal(-0.2, 0.3)))) for line in lines]
    gap = rng.uniform(-0.1, 0.7)
    return join(lines, gap, False, float(rng.choice([0, 0, 0.5, 1])))
