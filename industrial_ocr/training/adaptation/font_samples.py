"""Samples rendered from a font file, among other characters, on surfaces and through a camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from industrial_ocr.datasets.synthesis.glyphs import FontFace, Glyph, GlyphSource
from industrial_ocr.datasets.synthesis.strips import Strip, StripRenderer
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.training.adaptation.samples import (
    GlyphSample,
    SampleSet,
    check_symbol,
    sample_at,
)

FONT_SUFFIXES = frozenset({".ttf", ".otf", ".woff"})
HEIGHTS = (18.0, 64.0)
"""Of the strings in pixels."""
COMPANY = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
"""What stands beside a symbol, as far as the font has it."""
LEAST_CONTRAST = 9.0
"""Standard deviation in gray levels; fainter pictures teach nothing."""
MOST_ATTEMPTS = 40
_PRIVATE, _LETTERS = 0xE000, 0x4E00


class _Tokens:
    """A face in which private characters stand for symbols of any length."""

    def __init__(self, face: GlyphSource, symbols: Sequence[str]) -> None:
        self.name = face.name
        self._face = face
        # Lines are as high as their letters and digits, so a letter is stood for by a letter.
        self.private = {
            chr((_LETTERS if s[0].isalnum() else _PRIVATE) + i): s for i, s in enumerate(symbols)
        }

    def supports(self, symbol: str) -> bool:
        return self._face.supports(self.private.get(symbol, symbol))

    def glyph(self, symbol: str) -> Glyph:
        return self._face.glyph(self.private.get(symbol, symbol))


class _OneFace:
    """What a ``StripRenderer`` picks its faces from."""

    def __init__(self, face: GlyphSource) -> None:
        self._face = face

    def pick(self, rng: np.random.Generator, text: str = "", lettering: float = 0.0) -> GlyphSource:
        return self._face


def render_symbols(
    face: GlyphSource,
    symbols: Sequence[str],
    count: int,
    seed: int,
    strips: StripRenderer | None = None,
    good: Callable[[Strip, int], bool] | None = None,
) -> list[GlyphSample]:
    """``count`` samples of each symbol in a face that supports them all.

    Args:
        face: the typeface.
        symbols: what to render, tokens too.
        count: samples of each.
        seed: same seed, same samples.
        strips: renders them; its faces are replaced.
        good: whether a strip may be used, given the place of the symbol in it.
    """
    tokens = _Tokens(face, symbols)
    strips = StripRenderer(words=(), heights=HEIGHTS) if strips is None else strips
    strips.faces = _OneFace(tokens)  # type: ignore[assignment]
    company = [c for c in COMPANY if tokens.supports(c)]
    samples = []
    for number, (private, symbol) in enumerate(tokens.private.items()):
        done = attempt = 0
        while done < count and attempt < MOST_ATTEMPTS * count:
            attempt += 1
            rng = np.random.default_rng((seed, number, attempt))
            beside = "".join(rng.choice(company, 3)) if company else ""
            at = int(rng.integers(len(beside) + 1))
            strip = strips.render((seed, number, attempt, 1), beside[:at] + private + beside[at:])
            source = f"{face.name} #{attempt}"
            sample = sample_at(symbol, to_gray(strip.image), strip.string.quads[at], source)
            if sample.image.std() >= LEAST_CONTRAST and (good is None or good(strip, at)):
                samples.append(sample)
                done += 1
    return samples


def read_font(path: Path, symbols: Sequence[str], count: int, seed: int) -> SampleSet:
    """Samples of some symbols of a font; those that it lacks are problems.

    Raises:
        DatasetError: no usable font, no symbols, or none that the font has.
    """
    if not symbols:
        raise DatasetError(f"{path}: say which symbols to render from the font: --symbols ΩΔ")
    for symbol in symbols:
        check_symbol(symbol, "--symbols")
    face = FontFace(path)
    have = [s for s in symbols if face.supports(s)]
    if not have:
        raise DatasetError(f"{path}: the font has none of the symbols {' '.join(symbols)}")
    problems = tuple(f"{path}: the font has no glyph for {s!r}" for s in symbols if s not in have)
    return SampleSet(tuple(render_symbols(face, have, count, seed)), problems)
