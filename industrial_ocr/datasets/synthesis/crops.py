"""Crops of single characters, as the classifier gets them, and crops without a character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.patterns.charset import CONFUSABLE_SETS, DEFAULT_SYMBOLS
from industrial_ocr.results.geometry import (
    edge_lengths,
    glyph_window,
    oriented_quad,
    rect_quad,
    warp_quad,
)
from industrial_ocr.results.types import FloatArray, ImageArray

REJECT = ""
"""The label of a crop that shows no character."""
STACK_SHARE = 0.2
"""Share of strings that are stacks of upright letters."""


def detector_window(rng: Generator, quad: FloatArray) -> FloatArray:
    """The square (4, 2) of a character for the classifier, as imprecise as boxes of a detector."""
    width, height = edge_lengths(quad)
    side = max(width, height)
    jittered = quad + rng.normal(0, 0.035, 2).astype(np.float32) * side
    window = glyph_window(jittered)
    center = window.mean(0)
    angle = rng.normal(0, 0.05)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = np.exp(rng.normal(0.02, 0.09, 2) if rng.random() < 0.7 else rng.normal(0.08, 0.2, 2))
    grown: FloatArray = ((window - center) * scale @ turn.T + center).astype(np.float32)
    return grown


def _seen_whole(rng: Generator, image: ImageArray, size: int) -> ImageArray:
    """An image of one character in one of the views of ``Classifier.classify_whole``."""
    high, wide = image.shape[:2]
    scale = rng.uniform(0.7, 1.15)
    x, y = wide * (1 - scale) / 2, high * (1 - scale) / 2
    return warp_quad(image, glyph_window(rect_quad(x, y, wide - x, high - y)), size, size)


def _isolated(
    rng: Generator, image: ImageArray, window: FloatArray, quad: FloatArray
) -> tuple[ImageArray, FloatArray]:
    """A character cut out of its picture, and its window; outside, the border is repeated."""
    (x0, y0), (x1, y1) = quad.min(0) - 1, quad.max(0) + 1
    left, top = max(0, int(x0)), max(0, int(y0))
    patch = image[top : max(int(y1) + 1, top + 2), left : max(int(x1) + 1, left + 2)]
    high, wide = patch.shape[:2]
    if wide < 0.55 * high and rng.random() < 0.5:
        # In a cell of fixed width, a narrow character may be at the edge.
        cell = high * rng.uniform(0.6, 1.1)
        side = float(rng.choice([0, 1])) if rng.random() < 0.7 else rng.random()
        beside = (cell - wide) * side
        low = np.array([-beside, 0.0]) - high * rng.uniform(-0.02, 0.12, 2)
        far = np.array([cell - beside, high]) + high * rng.uniform(-0.02, 0.12, 2)
        return patch, rect_quad(*low, *far)
    if rng.random() < 0.6:
        x, y = np.array([wide, high], np.float32) * rng.uniform(0.05, 0.17)
        return patch, rect_quad(-x, -y, wide + x, high + y)
    return patch, window - np.array([left, top], np.float32)


def _reject_window(rng: Generator, quads: FloatArray) -> FloatArray:
    """A square on half a character, two halves, a gap, a pair or a detail of a character."""
    at = int(rng.integers(len(quads)))
    quad, center = quads[at], quads[at].mean(0)
    width, height = edge_lengths(quad)
    axis = (quad[1] - quad[0]) / max(width, 1e-3)
    kind = rng.random()
    if at + 1 < len(quads):
        following = quads[at + 1].mean(0)
        step = following - center
        if kind < 0.45 and abs(step[1]) > abs(step[0]):
            # A counter between two digits shows the end of one and the beginning of the next.
            middle = center + step * rng.uniform(0.3, 0.7)
            span = rng.uniform(0.95, 1.3) * height
            return glyph_window(oriented_quad(middle, axis, width, span))
        if kind < 0.4:
            span = height * (1.0 if rng.random() < 0.5 else 1.7)
            return glyph_window(oriented_quad((center + following) / 2, axis, span * 0.9, span))
    if kind < 0.75:
        share = rng.uniform(0.5, 0.7) * float(rng.choice([-1, 1]))
        across = axis * width
        down = np.array([-axis[1], axis[0]], np.float32) * height
        move = (across if rng.random() < 0.4 else down) * share
        scale = rng.uniform(0.6, 1.1)
        return glyph_window(oriented_quad(center + move, axis, width * scale, height * scale))
    side = height * rng.uniform(0.3, 0.5)
    move = rng.uniform(-0.3, 0.3, 2).astype(np.float32) * height
    return glyph_window(oriented_quad(center + move, axis, side, side))


def _count(rng: Generator, share: float, others: int) -> int:
    """How many crops to add so that they are, on average, the given share of all crops."""
    wanted = share / (1 - share) * others
    return int(wanted) + int(rng.random() < wanted % 1)


def _often_inverted(rng: Generator, crop: ImageArray) -> ImageArray:
    return crop if rng.random() < 0.5 else 255 - crop


@dataclass
class GlyphRenderer:
    """Crops of characters, as the classifier gets them, and crops without a character.

    Args:
        fonts: folders with font files.
        size: side of the crops in pixels.
        reject_share: share of crops that show no single character.
        rejects: (N, S, S) uint8 crops that a detector has wrongly taken for characters
            (``training.harvest``); half of the crops without a character are taken from them.
        found: (M, S, S) uint8 crops that a detector cut around characters.
        found_symbols: (M,) their symbols.
        found_share: share of crops that are taken from them.
        counter_share: share of strings that are the turning digits of a counter.
        plain: share of lines in plain print (``datasets.synthesis.plain``).
    """

    fonts: tuple[str | Path, ...] = ()
    size: int = 40
    reject_share: float = 0.12
    rejects: ImageArray | None = None
    found: ImageArray | None = None
    found_symbols: Sequence[str] = ()
    found_share: float = 0.5
    counter_share: float = 0.0
    plain: float = 0.0
    strips: StripRenderer = field(init=False)

    def __post_init__(self) -> None:
        self.strips = StripRenderer(self.fonts, heights=(9.0, 64.0), plain=self.plain)
        self._letters = [s for s in DEFAULT_SYMBOLS if s.isalnum() and len(s) == 1]
        self._marks = [s for s in DEFAULT_SYMBOLS if not s.isalnum() and len(s) == 1]
        self._digits = [s for s in self._letters if s.isdigit()]
        self._capitals = [s for s in self._letters if not s.islower()]
        self._small = [s for s in self._letters if s.islower()]

    def _text(self, rng: Generator) -> str:
        kind = rng.random()
        pool = self._capitals if kind < 0.5 else self._letters
        if kind > 0.75:
            pool = self._small
        count = int(rng.integers(3, 11))
        if rng.random() < 0.2:
            return "".join(self._digits[i] for i in rng.integers(0, len(self._digits), count))
        chosen = [pool[i] for i in rng.integers(0, len(pool), count)]
        if rng.random() < 0.35:
            chosen[rng.integers(count)] = pick(rng, pick(rng, CONFUSABLE_SETS))
        if rng.random() < 0.45:
            chosen[rng.integers(count)] = pick(rng, self._marks)
        return "".join(chosen)

    def _counter(self, rng: Generator, seed: tuple[int, ...]) -> list[tuple[ImageArray, str]]:
        """Crops of a mechanical counter: a digit, or the gap between two digits (``REJECT``)."""
        first, count = int(rng.integers(len(self._digits))), int(rng.integers(3, 6))
        text = "".join(self._digits[(first + i) % len(self._digits)] for i in range(count))
        strip = self.strips.render(seed, text, True)
        gray, quads = to_gray(strip.image), strip.string.quads
        widest = max(edge_lengths(quad)[0] for quad in quads)
        crops: list[tuple[ImageArray, str]] = []
        for i in range(count):
            last = i + 1 == count
            start = i - 1 if last else i
            step = quads[start + 1].mean(0) - quads[start].mean(0)
            high = float(np.linalg.norm(step)) * rng.uniform(0.85, 1.1)
            wide = widest * rng.uniform(1.0, 1.6)
            between = not last and rng.random() < 0.6
            phase = rng.uniform(0.27, 0.73) if between else rng.normal(0, 0.05)
            window = oriented_quad(quads[i].mean(0) + step * phase, (1.0, 0.0), wide, high)
            patch = warp_quad(gray, window, max(2, round(wide)), max(2, round(high)))
            crops.append((_seen_whole(rng, patch, self.size), REJECT if between else text[i]))
        return crops

    def _harvested(self, rng: Generator, rendered: int) -> list[tuple[ImageArray, str]]:
        """Harvested characters in the requested share, half of them inverted."""
        if self.found is None or not len(self.found):
            return []
        count = _count(rng, self.found_share, rendered)
        chosen = [int(i) for i in rng.integers(0, len(self.found), count)]
        return [(_often_inverted(rng, self.found[i]), self.found_symbols[i]) for i in chosen]

    def _reject(self, rng: Generator, gray: ImageArray, quads: FloatArray) -> ImageArray:
        """A crop that shows no single character."""
        if self.rejects is not None and rng.random() < 0.5:
            return _often_inverted(rng, self.rejects[rng.integers(len(self.rejects))])
        if rng.random() < 0.12:
            return self.strips.ground(rng, self.size)
        return warp_quad(gray, _reject_window(rng, quads), self.size, self.size)

    def render(self, seed: int | tuple[int, ...]) -> list[tuple[ImageArray, str]]:
        """The gray crops (size, size) uint8 of one string with their symbols; REJECT for none."""
        rng = np.random.default_rng(seed)
        stacked = rng.random() < STACK_SHARE
        drawn = (*np.atleast_1d(seed).tolist(), 1)
        if rng.random() < self.counter_share:
            return self._counter(rng, drawn)
        strip = self.strips.render(drawn, self._text(rng), stacked)
        gray, quads = to_gray(strip.image), strip.string.quads
        crops: list[tuple[ImageArray, str]] = []
        for symbol, quad in zip(strip.string.symbols, quads, strict=True):
            image, window = gray, detector_window(rng, quad)
            if rng.random() < 0.25:
                image, window = _isolated(rng, gray, window, quad)
            crops.append((warp_quad(image, window, self.size, self.size), symbol))
        crops += self._harvested(rng, len(crops))
        for _ in range(_count(rng, self.reject_share, len(crops))):
            crops.append((self._reject(rng, gray, quads), REJECT))
        return crops
