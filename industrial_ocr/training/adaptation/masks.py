"""The ink of a sample, cut out as a glyph, so that it can be printed anew on other surfaces.

Degrading the pixels of three pictures leaves three surfaces and three lights. A glyph that was cut
out can stand on any ground, between letters of any face, in all the ways that the renderer marks,
wears and photographs text, as the symbols that the parent was trained on did.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.crops import detector_window
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, Glyph, GlyphSource, Mask
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.geometry import edge_lengths, expand_quad, warp_quad
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.adaptation.samples import GlyphSample

PAD = 12
"""Mask pixels around the character's quad that are looked at."""
LEAST_INK, MOST_INK = 0.03, 0.65
"""Share of the quad that the ink of a symbol covers."""
APART = 2.2
"""Least distance between ink and ground, in standard deviations of the two."""
SYMBOL = "\u4e00"
"""The character, no letter of any code, that stands for the sample in a text."""
COMPANY = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789abdeghnqrt"


def ink_of(sample: GlyphSample) -> Mask | None:
    """The ink as a mask whose quad would be ``CAP_HEIGHT`` high; None where it is not clear.

    The threshold is Otsu's; ink is what touches the border of the quad less than the ground does.
    What stands beside the character is left out.
    """
    width, height = edge_lengths(sample.quad)
    scale = CAP_HEIGHT / max(height, 1.0)
    wide = round(min(width * scale, 4 * CAP_HEIGHT))
    if wide < 4:
        return None
    pad = PAD / scale
    size = (wide + 2 * PAD, CAP_HEIGHT + 2 * PAD)
    patch = cv2.GaussianBlur(
        warp_quad(sample.image, expand_quad(sample.quad, pad, pad), *size), (0, 0), 0.8
    ).astype(np.uint8)
    inside = patch[PAD:-PAD, PAD:-PAD]
    level, _ = cv2.threshold(inside, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright = patch > level
    edge = np.concatenate(
        [bright[PAD, PAD:-PAD], bright[-PAD - 1, PAD:-PAD], bright[PAD:-PAD, PAD],
         bright[PAD:-PAD, -PAD - 1]]
    )  # fmt: skip
    ink = ~bright if edge.mean() > 0.5 else bright
    if not _is_clear(inside, ink[PAD:-PAD, PAD:-PAD]):
        return None
    kept = _own_parts(ink)
    share = kept[PAD:-PAD, PAD:-PAD].mean()
    if not LEAST_INK <= share <= MOST_INK:
        return None
    soft = cv2.GaussianBlur(kept.astype(np.uint8) * 255, (0, 0), 0.7)
    return np.asarray(soft, np.uint8)


def _is_clear(inside: ImageArray, ink: NDArray[np.bool_]) -> bool:
    """Whether ink and ground differ by more than either varies."""
    if not ink.any() or ink.all():
        return False
    a, b = inside[ink].astype(np.float32), inside[~ink].astype(np.float32)
    return abs(float(a.mean() - b.mean())) > APART * (float(a.std()) + float(b.std())) / 2 + 6


def _own_parts(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected parts whose larger half lies within the quad, specks left out."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8))
    inside = np.bincount(labels[PAD:-PAD, PAD:-PAD].ravel(), minlength=count)
    area = stats[:, cv2.CC_STAT_AREA]
    own = (inside > 0.6 * area) & (area > 0.015 * CAP_HEIGHT**2)
    own[0] = False
    return np.asarray(own[labels], np.bool_)


def _shaped(rng: np.random.Generator, mask: Mask) -> Mask:
    """A mask slanted, widened, with other strokes or as an outline, as another cut of a face."""
    height, width = mask.shape
    slant = float(rng.normal(0, 0.12)) if rng.random() < 0.6 else 0.0
    wide = float(np.exp(rng.normal(0, 0.12)))
    tall = float(np.exp(rng.normal(0, 0.05)))
    room = int(abs(slant) * height) + 4
    size = (int(width * wide) + 2 * room, int(height * tall) + 4)
    matrix = np.array([[wide, -slant, room + slant * height / 2], [0, tall, 2]], np.float32)
    shaped = np.asarray(cv2.warpAffine(mask, matrix, size), np.uint8)
    kind = rng.random()
    if kind < 0.45:
        grown = int(rng.integers(2, 5))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (grown, grown))
        change = cv2.dilate if kind < 0.25 else cv2.erode
        changed = np.asarray(change(shaped, kernel), np.uint8)
        if 0.5 * shaped.sum() < changed.sum() < 2 * shaped.sum():
            shaped = changed
    elif kind < 0.53:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(rng.integers(3, 6)),) * 2)
        shaped = np.asarray(cv2.morphologyEx(shaped, cv2.MORPH_GRADIENT, kernel), np.uint8)
    return shaped


class _Company:
    """A face for one text: the sample's glyph, and another face's letters beside it."""

    def __init__(self, glyph: Glyph, face: GlyphSource) -> None:
        self.name = f"sample with {face.name}"
        self._glyph, self._face = glyph, face

    def supports(self, symbol: str) -> bool:
        return symbol == SYMBOL or self._face.supports(symbol)

    def glyph(self, symbol: str) -> Glyph:
        return self._glyph if symbol == SYMBOL else self._face.glyph(symbol)


class Reprinter:
    """Prints cut-out glyphs among the letters of other faces; the same seed, the same crop.

    Args:
        size: side of the crops in pixels.
        fonts: folders with font files.
    """

    HEIGHTS, CAMERA = (20.0, 64.0), 0.4
    """Clearer than rehearsal crops: what could be anything must not be taken for a new symbol."""

    def __init__(self, size: int, fonts: Sequence[str]) -> None:
        self._size = size
        self._strips = StripRenderer(words=(), heights=self.HEIGHTS, camera=self.CAMERA)
        self._library = FaceLibrary(fonts)

    def draw(self, seed: tuple[int, ...], mask: Mask) -> ImageArray | None:
        """A crop (size, size) uint8 of a mask of ``ink_of``; None where the print has no ink."""
        rng = np.random.default_rng(seed)
        shaped = _shaped(rng, mask)
        rows, cols = np.flatnonzero(shaped.max(1) > 96), np.flatnonzero(shaped.max(0) > 96)
        if not len(rows):
            return None
        cut = np.ascontiguousarray(shaped[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])
        # The quad's lower edge is the baseline of capitals and digits.
        top = float(shaped.shape[0] / 2 + CAP_HEIGHT / 2 - rows[0])
        glyph = Glyph(cut, 2.0, top, cut.shape[1] + 6.0)
        company = "".join(rng.choice(list(COMPANY), int(rng.integers(0, 4))))
        face = _Company(glyph, self._library.pick(rng, company))
        self._strips.faces = _Only(face)  # type: ignore[assignment]
        at = int(rng.integers(len(company) + 1))
        text = company[:at] + SYMBOL + company[at:]
        strip = self._strips.render((*seed, 1), text, stacked=bool(rng.random() < 0.1))
        window = detector_window(rng, strip.string.quads[at])
        return warp_quad(to_gray(strip.image), window, self._size, self._size)


class _Only:
    """What a ``StripRenderer`` picks its one face from."""

    def __init__(self, face: GlyphSource) -> None:
        self._face = face

    def pick(self, rng: np.random.Generator, text: str = "", lettering: float = 0.0) -> GlyphSource:
        return self._face
