"""Samples rendered from a font file, among other characters, on surfaces and through a camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from numpy.random import Generator, default_rng

from industrial_ocr.datasets.synthesis.glyphs import FontFace, Glyph, GlyphSource
from industrial_ocr.datasets.synthesis.strips import Strip, StripRenderer
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.training.retraining.samples import (
    GlyphSample,
    SampleSet,
    check_symbol,
    sample_at,
)


class ExtendedFace:
    """A typeface with further glyphs; the only face of a ``StripRenderer``."""

    def __init__(self, face: GlyphSource, glyphs: Mapping[str, Glyph]) -> None:
        self.name = face.name
        self._face, self._glyphs = face, glyphs

    def supports(self, symbol: str) -> bool:
        return symbol in self._glyphs or self._face.supports(symbol)

    def glyph(self, symbol: str) -> Glyph:
        return self._glyphs[symbol] if symbol in self._glyphs else self._face.glyph(symbol)

    def pick(self, rng: Generator, text: str = "", lettering: float = 0.0) -> GlyphSource:
        return self


def render_symbols(
    face: GlyphSource,
    symbols: Sequence[str],
    count: int,
    seed: int,
    strips: StripRenderer | None = None,
    good: Callable[[Strip, int], bool] | None = None,
) -> list[GlyphSample]:
    """``count`` samples of each symbol in a typeface that has all of them.

    Args:
        face: the typeface.
        symbols: symbols to render; a symbol may have several characters.
        count: number of samples of each symbol.
        seed: seed of all random numbers.
        strips: the renderer; its faces are replaced.
        good: tells for a strip and the index of the symbol in it whether it may be used.
    """
    # Only letters and digits determine the height of a line, so a letter is replaced by a letter.
    private = [
        chr((0x4E00 if symbol[0].isalnum() else 0xE000) + i) for i, symbol in enumerate(symbols)
    ]
    extended = ExtendedFace(
        face, {c: face.glyph(symbol) for c, symbol in zip(private, symbols, strict=True)}
    )
    if strips is None:
        strips = StripRenderer(words=(), heights=(18.0, 64.0))
    strips.faces = extended  # type: ignore[assignment]
    others = [c for c in "ABCDEFGHJKLMNPRSTUVWXYZ0123456789" if face.supports(c)]
    samples = []
    for number, symbol in enumerate(symbols):
        done = attempt = 0
        while done < count and attempt < 40 * count:
            attempt += 1
            rng = default_rng((seed, number, attempt))
            beside = "".join(rng.choice(others, 3)) if others else ""
            at = int(rng.integers(len(beside) + 1))
            text = beside[:at] + private[number] + beside[at:]
            strip = strips.render((seed, number, attempt, 1), text)
            source = f"{face.name} #{attempt}"
            sample = sample_at(symbol, to_gray(strip.image), strip.string.quads[at], source)
            # A picture with hardly any contrast is useless for training.
            if sample.image.std() >= 9 and (good is None or good(strip, at)):
                samples.append(sample)
                done += 1
    return samples


def read_font(path: Path, symbols: Sequence[str], count: int, seed: int) -> SampleSet:
    """``count`` samples of each symbol of a font; a symbol without a glyph is a problem of the set.

    Raises:
        DatasetError: the font cannot be used, or has none of the symbols, or no symbol was given.
    """
    if not symbols:
        raise DatasetError(f"{path}: name the symbols to render with this font: --symbols ΩΔ")
    for symbol in symbols:
        check_symbol(symbol, "--symbols")
    face = FontFace(path)
    have = [s for s in symbols if face.supports(s)]
    if not have:
        raise DatasetError(f"{path}: the font has none of the symbols {' '.join(symbols)}")
    problems = tuple(f"{path}: the font has no glyph for {s!r}" for s in symbols if s not in have)
    return SampleSet(tuple(render_symbols(face, have, count, seed)), problems)
