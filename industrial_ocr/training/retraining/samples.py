"""Samples of symbols: pictures of single characters with their surroundings."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.load import ImageSource, load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.geometry import bounds, rect_quad
from industrial_ocr.results.types import FloatArray, ImageArray, as_quad

MIN_SAMPLES = 3
"""Number of samples of a symbol below which the user is warned."""


@dataclass(frozen=True, eq=False)
class GlyphSample:
    """A picture of one character with its surroundings.

    Attributes:
        symbol: the symbol, ``REJECT`` for no character.
        image: (H, W) uint8 gray.
        quad: (4, 2) float32, pixels of ``image``, clockwise from the character's top-left.
        source: name of the source in messages.
    """

    symbol: str
    image: ImageArray
    quad: FloatArray
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "quad", as_quad(self.quad))
        if self.image.ndim != 2:
            raise ValueError(f"expected a gray picture (H, W), got {self.image.shape}")


@dataclass(frozen=True, eq=False)
class SampleSet:
    """The samples of a source.

    Attributes:
        samples: the samples, in a fixed order.
        problems: a sentence for each picture, row or character that was left out, with the reason.
        uncertain: whether they were collected because the reader was uncertain.
    """

    samples: tuple[GlyphSample, ...]
    problems: tuple[str, ...] = ()
    uncertain: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Number of samples of each symbol, in order of first appearance."""
        return dict(Counter(s.symbol for s in self.samples))

    @property
    def sha256(self) -> str:
        """Hash of all pixels, boxes and symbols."""
        sha = hashlib.sha256()
        for sample in self.samples:
            sha.update(f"{sample.symbol}\0{sample.image.shape}".encode())
            sha.update(np.ascontiguousarray(sample.image).tobytes())
            sha.update(np.round(sample.quad, 2).astype("<f4").tobytes())
        return sha.hexdigest()


def sample_at(symbol: str, gray: ImageArray, quad: FloatArray, source: str) -> GlyphSample:
    """Cuts a sample out of a larger picture, with one box side of surroundings.

    Raises:
        DatasetError: the box lies outside the picture or is smaller than two pixels.
    """
    x0, y0, x1, y1 = bounds(quad)
    height, width = gray.shape
    if min(x1, width) - max(x0, 0) < 2 or min(y1, height) - max(y0, 0) < 2:
        raise DatasetError(f"{source}: the box of {symbol!r} lies outside the picture or is empty")
    pad = max(x1 - x0, y1 - y0)
    left, top = max(0, int(x0 - pad)), max(0, int(y0 - pad))
    right, bottom = min(width, int(x1 + pad) + 1), min(height, int(y1 + pad) + 1)
    patch = np.ascontiguousarray(gray[top:bottom, left:right])
    return GlyphSample(symbol, patch, quad - np.array([left, top], np.float32), source)


def close_cut(symbol: str, picture: ImageSource, source: str) -> GlyphSample:
    """The sample of a tight crop of one character; ImageError if it cannot be read."""
    gray = to_gray(load_image(picture))
    return GlyphSample(symbol, gray, rect_quad(0, 0, gray.shape[1], gray.shape[0]), source)


def check_symbol(symbol: str, source: str) -> None:
    """Raises DatasetError if a text cannot be a symbol of a charset."""
    longest = 16
    shown = symbol if len(symbol) <= longest else f"{symbol[:longest]}..."
    if not symbol or any(c.isspace() or not c.isprintable() for c in symbol):
        raise DatasetError(
            f"{source}: {shown!r} is no symbol: it has one or more characters, no white space"
        )
    if len(symbol) > longest:
        raise DatasetError(
            f"{source}: {shown!r} has {len(symbol)} characters, a symbol {longest} at most"
        )


def new_symbols(samples: Sequence[GlyphSample], known: Sequence[str]) -> tuple[str, ...]:
    """The symbols of samples that are not in ``known``, sorted."""
    return tuple(sorted({s.symbol for s in samples} - set(known) - {REJECT}))
