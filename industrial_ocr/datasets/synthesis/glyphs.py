"""Glyphs as masks with the same cap height, and the font files from which they come.

Masks are cut to the ink and placed relative to the baseline, so that the layout does not depend on
their source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from industrial_ocr.errors import DatasetError

CAP_HEIGHT = 48
"""Height of a capital H in every mask, in pixels."""

_NO_INK = 40
"""Coverage up to which a pixel does not count as ink."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Glyph:
    """One glyph at ``CAP_HEIGHT``.

    Attributes:
        mask: (h, w) uint8 coverage, cut to the ink.
        left: distance from the pen position to the left edge of the mask.
        top: distance from the baseline up to the top edge of the mask.
        advance: distance to the next pen position.
    """

    mask: Mask
    left: float
    top: float
    advance: float

    @property
    def bottom(self) -> float:
        """Distance from the baseline down to the bottom edge of the mask."""
        return float(self.mask.shape[0] - self.top)


class GlyphSource(Protocol):
    """A typeface."""

    name: str

    def supports(self, symbol: str) -> bool:
        """Whether ``glyph`` can draw the symbol."""

    def glyph(self, symbol: str) -> Glyph:
        """The glyph of a supported symbol."""


def cut_glyph(canvas: Mask, baseline: int, pen: int, advance: float) -> Glyph:
    """Cuts a glyph drawn on a canvas down to its ink."""
    rows = np.flatnonzero(canvas.max(1) > _NO_INK)
    cols = np.flatnonzero(canvas.max(0) > _NO_INK)
    if not len(rows):
        raise DatasetError("a glyph has no ink")
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, cols[0], cols[-1] + 1
    mask = np.ascontiguousarray(canvas[y0:y1, x0:x1])
    return Glyph(mask, float(x0 - pen), float(baseline - y0), advance)


class Face(ABC):
    """A typeface that draws each glyph at its first use and keeps it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._glyphs: dict[str, Glyph | None] = {}

    @abstractmethod
    def _draw(self, symbol: str) -> Glyph | None:
        """The glyph; None if the face has none."""

    def supports(self, symbol: str) -> bool:
        """Whether ``glyph`` can draw the symbol."""
        if symbol not in self._glyphs:
            self._glyphs[symbol] = self._draw(symbol)
        return self._glyphs[symbol] is not None

    def glyph(self, symbol: str) -> Glyph:
        """The glyph of a supported symbol.

        Raises:
            DatasetError: the face has none for the symbol.
        """
        glyph = self._glyphs[symbol] if self.supports(symbol) else None
        if glyph is None:
            raise DatasetError(f"{self.name}: no glyph for {symbol!r}")
        return glyph


class FontFace(Face):
    """A TrueType, OpenType or WOFF file, rendered by FreeType through Pillow.

    Raises:
        DatasetError: the file is not a font, or it has no usable digits and capitals.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        super().__init__(self.path.stem)
        try:
            probe = ImageFont.truetype(str(path), 100)
            box = probe.getbbox("H", anchor="ls")
            size = round(100 * CAP_HEIGHT / max(-box[1], 1))
            if not 30 <= size <= 400:
                raise OSError(f"a capital H of {-box[1]} pixels at size 100")
            self._font = ImageFont.truetype(str(path), size)
            self._missing = self._ink("\U0010fffe")
            self._digits_only = "DSEG7" in str(self.path)
            small_capitals = all(map(self._is_small_capital, "aegr"))
            self._capitals_only = "DSEG14" in self.name or small_capitals
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path}: not a usable font: {error}") from error
        if len({self._ink(c) for c in "0123456789"} - {self._missing, b""}) < 10:
            raise DatasetError(f"{path}: not a usable font: it has no digits")

    def sized(self, height: float) -> ImageFont.FreeTypeFont:
        """The font at which a capital H is ``height`` pixels high, without ligatures."""
        size = self._font.size * height / CAP_HEIGHT
        return self._font.font_variant(size=size, layout_engine=ImageFont.Layout.BASIC)

    def _ink(self, symbol: str) -> bytes:
        mask = self._font.getmask(symbol, mode="L")
        return bytes(mask) if mask.size[0] * mask.size[1] and mask.getbbox() else b""

    def _is_small_capital(self, letter: str) -> bool:
        """Whether a lower-case letter has the shape of its capital, in any size."""
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
        return bool(both.sum() > 0.75 * either.sum())

    def _draw(self, symbol: str) -> Glyph | None:
        """The glyph as FreeType draws it; None if it is empty, or the box of a missing glyph."""
        if self._digits_only and symbol not in "0123456789-":
            return None
        capital = symbol.isdigit() or symbol.isupper() or symbol == "-"
        if self._capitals_only and not capital:
            return None
        ink, (left, top) = self._font.getmask2(symbol, mode="L", anchor="ls")
        if not ink.size[0] * ink.size[1] or ink.getbbox() is None:
            return None
        pixels = bytes(ink)
        if pixels == self._missing:
            return None
        canvas = np.frombuffer(pixels, np.uint8).reshape(ink.size[::-1])
        if canvas.max() <= _NO_INK:
            return None
        return cut_glyph(canvas, -int(top), -int(left), self._font.getlength(symbol))
