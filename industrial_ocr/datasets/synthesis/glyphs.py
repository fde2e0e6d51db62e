"""Glyphs from fonts, strokes, dots and segments, all as masks of one cap height.

A glyph source is anything with ``glyph(symbol)``; masks are cut to the ink and placed relative to
the baseline, so that layout needs to know nothing about where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from industrial_ocr.datasets.synthesis.dots import DOTS_5X7, SEGMENTS_14, segment_strokes
from industrial_ocr.errors import DatasetError
from industrial_ocr.results.geometry import unit_vector
from industrial_ocr.results.types import FloatArray

CAP_HEIGHT = 48
"""Height of a capital H in every mask, in pixels."""

FAINTEST = 40
"""Coverage up to which a pixel is no ink."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Glyph:
    """One glyph at ``CAP_HEIGHT``.

    Attributes:
        mask: (h, w) uint8 coverage, cut to the ink.
        left: from the pen position to the mask's left edge.
        top: from the baseline up to the mask's top edge (positive is above).
        advance: to the next pen position.
    """

    mask: Mask
    left: float
    top: float
    advance: float


class GlyphSource(Protocol):
    """A typeface."""

    name: str

    def supports(self, symbol: str) -> bool:
        """Whether ``glyph`` can draw the symbol."""

    def glyph(self, symbol: str) -> Glyph:
        """The glyph of a supported symbol."""


def _cut(canvas: Mask, baseline: int, pen: int, advance: float) -> Glyph:
    """Cuts a glyph drawn on a canvas down to its ink."""
    rows = np.flatnonzero(canvas.max(1) > FAINTEST)
    cols = np.flatnonzero(canvas.max(0) > FAINTEST)
    if not len(rows):
        raise DatasetError("a glyph has no ink")
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, cols[0], cols[-1] + 1
    mask = np.ascontiguousarray(canvas[y0:y1, x0:x1])
    return Glyph(mask, float(x0 - pen), float(baseline - y0), advance)


SAME_SHAPE = 0.75
"""IoU, at one size, from which a letter is taken for a small capital."""


class FontFace:
    """A TrueType, OpenType or WOFF file, rendered by FreeType through Pillow.

    Args:
        path: the font file.

    Raises:
        DatasetError: the file is no font, or has no usable digits and capitals.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.stem
        try:
            probe = ImageFont.truetype(str(path), 100)
            box = probe.getbbox("H", anchor="ls")
            size = round(100 * CAP_HEIGHT / max(-box[1], 1))
            if not 30 <= size <= 400:
                raise OSError(f"a capital H of {-box[1]} pixels at size 100")
            self._font = ImageFont.truetype(str(path), size)
            self._missing = self._ink("\U0010fffe")
            self._digits_only = "DSEG7" in str(self.path)
            self._capitals_only = "DSEG14" in self.name or all(
                self._is_small_capital(c) for c in "aegr"
            )
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path}: no usable font: {error}") from error
        if len({self._ink(c) for c in "0123456789"} - {self._missing, b""}) < 10:
            raise DatasetError(f"{path}: no usable font: it lacks digits")
        self._glyphs: dict[str, Glyph | None] = {}

    def sized(self, height: float) -> ImageFont.FreeTypeFont:
        """The font at which a capital H is ``height`` pixels high, without ligatures."""
        size = self._font.size * height / CAP_HEIGHT
        return self._font.font_variant(size=size, layout_engine=ImageFont.Layout.BASIC)

    def _ink(self, symbol: str) -> bytes:
        mask = self._font.getmask(symbol, mode="L")
        return bytes(mask) if mask.size[0] * mask.size[1] and mask.getbbox() else b""

    def _is_small_capital(self, letter: str) -> bool:
        """Whether a lower-case letter has the shape of its capital, in whatever size."""
        shapes = []
        for symbol in (letter, letter.upper()):
            mask = self._font.getmask(symbol, mode="L")
            box = mask.getbbox()
            if box is None:
                return False
            ink = np.frombuffer(bytes(mask), np.uint8).reshape(mask.size[::-1])
            ink = np.ascontiguousarray(ink[box[1] : box[3], box[0] : box[2]])
            shapes.append(cv2.resize(ink, (32, 32), interpolation=cv2.INTER_AREA) > 127)
        either, both = shapes[0] | shapes[1], shapes[0] & shapes[1]
        return bool(both.sum() > SAME_SHAPE * either.sum())

    def supports(self, symbol: str) -> bool:
        """Whether the font has its own ink for the symbol."""
        if symbol not in self._glyphs:
            self._glyphs[symbol] = self._draw(symbol) if self._offers(symbol) else None
        return self._glyphs[symbol] is not None

    def _offers(self, symbol: str) -> bool:
        if self._digits_only:
            return symbol in "0123456789-"
        return not self._capitals_only or symbol.isdigit() or symbol.isupper() or symbol == "-"

    def _draw(self, symbol: str) -> Glyph | None:
        """The glyph as FreeType draws it; None for no ink, or for the box of a missing glyph."""
        ink, (left, top) = self._font.getmask2(symbol, mode="L", anchor="ls")
        if not ink.size[0] * ink.size[1] or ink.getbbox() is None:
            return None
        pixels = bytes(ink)
        if pixels == self._missing:
            return None
        canvas = np.frombuffer(pixels, np.uint8).reshape(ink.size[::-1])
        if canvas.max() <= FAINTEST:
            return None
        return _cut(canvas, -int(top), -int(left), self._font.getlength(symbol))

    def glyph(self, symbol: str) -> Glyph:
        """The glyph, rendered once and kept.

        Raises:
            DatasetError: the font has none for the symbol.
        """
        glyph = self._glyphs[symbol] if self.supports(symbol) else None
        if glyph is None:
            raise DatasetError(f"{self.path}: no glyph for {symbol!r}")
        return glyph


class StrokeFace:
    """OpenCV's Hershey strokes, as engravers and pen plotters draw."""

    def __init__(self, face: int, thickness: int) -> None:
        self.name = f"hershey-{face}-{thickness}"
        self._face, self._thickness = face, thickness
        probe = np.zeros((160, 200), np.uint8)
        cv2.putText(probe, "H", (60, 110), face, 3.0, 255, 1)  # getTextSize is of the whole face
        self._scale = 3.0 * CAP_HEIGHT / int(np.ptp(np.flatnonzero(probe.max(1))) + 1)
        self._glyphs: dict[str, Glyph] = {}

    def supports(self, symbol: str) -> bool:
        """Hershey has printable ASCII."""
        return len(symbol) == 1 and "!" <= symbol <= "~"

    def glyph(self, symbol: str) -> Glyph:
        """The glyph, drawn once and kept."""
        if symbol not in self._glyphs:
            (advance, _), _ = cv2.getTextSize(symbol, self._face, self._scale, 1)
            canvas = np.zeros((160, 200), np.uint8)
            cv2.putText(
                canvas, symbol, (60, 110), self._face, self._scale, 255,
                self._thickness, cv2.LINE_AA,
            )  # fmt: skip
            self._glyphs[symbol] = _cut(canvas, 110, 60, advance)
        return self._glyphs[symbol]


class DotFace:
    """Dot matrix: dots on a grid, with jitter, missing and merging dots.

    Args:
        columns: dots across; 5 uses the classic 5x7 table, more take the strokes of a Hershey face.
        rows: dots of a capital.
        seed: of the face's own irregularities.
    """

    def __init__(self, columns: int, rows: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.name = f"dots-{columns}x{rows}-{seed}"
        self._columns, self._rows = columns, rows
        self._radius = float(rng.uniform(0.28, 0.72))
        self._jitter = float(rng.choice([0.0, 0.05, 0.12]))
        self._missing = float(rng.choice([0.0, 0.0, 0.02, 0.06]))
        self._stretch = float(rng.uniform(0.75, 1.3))
        self._bold = bool(rows >= 12 and rng.random() < 0.5)
        self._seed = seed
        self._glyphs: dict[str, Glyph] = {}

    def supports(self, symbol: str) -> bool:
        """The symbols of the 5x7 table; larger grids have printable ASCII."""
        return symbol in DOTS_5X7 if self._columns == 5 else len(symbol) == 1 and symbol > " "

    def _grid(self, symbol: str) -> tuple[Mask, int]:
        """(rows, columns) dots of a symbol and the row of its baseline."""
        if self._columns == 5:
            columns = DOTS_5X7[symbol]
            bits = [[(c >> r) & 1 for c in columns] for r in range(8)]
            return np.array(bits, np.uint8), 7
        face, size = cv2.FONT_HERSHEY_SIMPLEX, self._rows
        canvas = np.zeros((3 * size, 3 * size), np.uint8)
        scale = (size - 1) / 21.0
        cv2.putText(canvas, symbol, (size, 2 * size), face, scale, 1, 1 + self._bold, cv2.LINE_8)
        cols = np.flatnonzero(canvas.max(0))
        cut = canvas[size // 2 :, cols[0] : cols[-1] + 1]
        return cut, 2 * size - size // 2 + 1

    def glyph(self, symbol: str) -> Glyph:
        """The glyph, drawn once and kept: the same head prints the same dots."""
        if symbol not in self._glyphs:
            rng = np.random.default_rng((self._seed, *map(ord, symbol)))
            grid, baseline = self._grid(symbol)
            pitch = CAP_HEIGHT / self._rows
            pitch_x = pitch * self._stretch
            height = int((len(grid) + 2) * pitch)
            width = int((grid.shape[1] + 2) * pitch_x)
            canvas = np.zeros((height, width), np.uint8)
            for r, c in np.argwhere(grid):
                if rng.random() < self._missing:
                    continue
                x, y = (np.array([c + 1, r + 1]) + rng.normal(0, self._jitter, 2)) * (
                    pitch_x, pitch,
                )  # fmt: skip
                cv2.circle(
                    canvas, (round(x * 16), round(y * 16)), round(pitch * self._radius * 16),
                    255, -1, cv2.LINE_AA, 4,
                )  # fmt: skip
            if not canvas.any():
                canvas[height // 2, width // 2] = 255
            advance = (grid.shape[1] + 1) * pitch_x
            self._glyphs[symbol] = _cut(
                canvas, int((baseline + 0.5) * pitch), int(pitch_x * 0.5), advance
            )
        return self._glyphs[symbol]


class SegmentFace:
    """Seven or fourteen segments with slant, gap, thickness and ends of their own.

    The segments of some are thin with round ends, as drawn; those of others thick with pointed or
    square ends, as displays have them.
    """

    def __init__(self, segments: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.name = f"segments-{segments}-{seed}"
        self._segments = segments
        self._width = float(rng.uniform(0.45, 0.7)) * CAP_HEIGHT
        self._slant = float(rng.uniform(-0.02, 0.2))
        self._thickness = int(rng.integers(4, 10))
        self._gap = float(rng.uniform(0.0, 0.14))
        self._ends = ("round", "pointed", "square")[seed % 3]
        if self._ends != "round":
            self._gap = float(rng.uniform(0.0, 0.06))
            self._thickness = int(rng.integers(5, 13 if segments == 7 else 8))
        self._glyphs: dict[str, Glyph] = {}

    def supports(self, symbol: str) -> bool:
        """Digits and minus on seven segments, capitals too on fourteen."""
        return symbol in "0123456789-" if self._segments == 7 else symbol in SEGMENTS_14

    def _place(self, point: tuple[float, float]) -> FloatArray:
        x, y = point
        along = 14 + x * self._width + (1 - y) * self._slant * CAP_HEIGHT
        return np.array([along, 12 + y * CAP_HEIGHT], np.float32)

    def _outline(self, start: FloatArray, stop: FloatArray) -> FloatArray:
        """(6, 2) corners of a thick segment from one place to another."""
        along = unit_vector(stop - start)
        half: FloatArray = (along * (self._thickness / 2)).astype(np.float32)
        aside = np.array([-half[1], half[0]], np.float32)
        if self._ends == "square":
            start, stop = (start - half).astype(np.float32), (stop + half).astype(np.float32)
            half = np.zeros(2, np.float32)
        corners = [
            start, start + half + aside, stop - half + aside,
            stop, stop - half - aside, start + half - aside,
        ]  # fmt: skip
        return np.asarray(corners, np.float32)

    def glyph(self, symbol: str) -> Glyph:
        """The glyph, drawn once and kept."""
        if symbol not in self._glyphs:
            canvas = np.zeros((CAP_HEIGHT + 24, int(self._width) + 40), np.uint8)
            for a, b in segment_strokes(symbol, self._segments):
                start, stop = self._place(a), self._place(b)
                start, stop = (
                    start + (stop - start) * self._gap,
                    stop + (start - stop) * self._gap,
                )
                if self._ends == "round":
                    ends = [[int(v) for v in point] for point in (start, stop)]
                    cv2.line(canvas, ends[0], ends[1], 255, self._thickness, cv2.LINE_AA)
                else:
                    corners = np.round(self._outline(start, stop) * 16).astype(np.int32)
                    cv2.fillPoly(canvas, [corners], 255, cv2.LINE_AA, 4)
            self._glyphs[symbol] = _cut(canvas, 12 + CAP_HEIGHT, 14, self._width * 1.35)
        return self._glyphs[symbol]
