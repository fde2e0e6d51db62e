"""Cuts the ink of a sample out and prints it on other surfaces, among letters of other faces.

Three augmented pictures still show only three surfaces in three kinds of light. A glyph that was
cut out is rendered in all the ways in which the parent's training data were (copy-paste
augmentation, Ghiasi et al., CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from industrial_ocr.datasets.synthesis.crops import detector_window
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, Glyph, Mask
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.geometry import edge_lengths, expand_quad, warp_quad
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.retraining.font_samples import ExtendedFace
from industrial_ocr.training.retraining.samples import GlyphSample

INK_PAD = 12
"""Pixels of the mask around the character's quad: strokes may reach a little beyond it."""


def ink_of(sample: GlyphSample) -> Mask | None:
    """The ink as a mask (uint8) whose quad is ``CAP_HEIGHT`` high; None if it is not clear.

    The threshold is Otsu's. The background is the gray level of most of the quad's border; other
    characters beside the sample are removed.
    """
    width, height = edge_lengths(sample.quad)
    scale = CAP_HEIGHT / max(height, 1.0)
    wide = round(min(width * scale, 4 * CAP_HEIGHT))
    if wide < 4:
        return None
    pad = INK_PAD / scale
    size = (wide + 2 * INK_PAD, CAP_HEIGHT + 2 * INK_PAD)
    warped = warp_quad(sample.image, expand_quad(sample.quad, pad, pad), *size)
    patch = cv2.GaussianBlur(warped, (0, 0), 0.8).astype(np.uint8)
    inside = _within_quad(patch)
    level, _ = cv2.threshold(inside, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright = patch > level
    ink = ~bright if _border_of(_within_quad(bright)).mean() > 0.5 else bright
    if not _is_clear(inside, _within_quad(ink)):
        return None
    kept = _own_parts(ink)
    if (
        not 0.03 <= _within_quad(kept).mean() <= 0.65
    ):  # the ink of a symbol covers 3 to 65 % of its quad
        return None
    soft = cv2.GaussianBlur(kept.astype(np.uint8) * 255, (0, 0), 0.7)
    return np.asarray(soft, np.uint8)


def _within_quad(array: NDArray[Any]) -> NDArray[Any]:
    """The part inside the character's quad."""
    return array[INK_PAD:-INK_PAD, INK_PAD:-INK_PAD]


def _border_of(array: NDArray[Any]) -> NDArray[Any]:
    """The values of the four edges; a corner counts for two of them."""
    return np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])


def _is_clear(inside: ImageArray, ink: NDArray[np.bool_]) -> bool:
    """Whether ink and background differ by 2.2 standard deviations and 6 gray levels."""
    if not ink.any() or ink.all():
        return False
    a, b = inside[ink].astype(np.float32), inside[~ink].astype(np.float32)
    return abs(float(a.mean() - b.mean())) > 2.2 * (float(a.std()) + float(b.std())) / 2 + 6


def _own_parts(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected parts of the ink mostly inside the quad, without specks."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8))
    inside = np.bincount(_within_quad(labels).ravel(), minlength=count)
    area = stats[:, cv2.CC_STAT_AREA]
    own = (inside > 0.6 * area) & (area > 0.015 * CAP_HEIGHT**2)
    own[0] = False
    return np.asarray(own[labels], np.bool_)


def _shaped(rng: Generator, mask: Mask) -> Mask:
    """The mask slanted, widened, with other strokes or as an outline, as in another typeface."""
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


class Reprinter:
    """Prints cut-out glyphs among the letters of other typefaces.

    Its prints are clearer than rehearsal crops, so that the classifier does not read unclear crops
    as new symbols.

    Args:
        size: side of the crops in pixels.
        fonts: folders with font files.
    """

    def __init__(self, size: int, fonts: Sequence[str]) -> None:
        self._size = size
        self._strips = StripRenderer(words=(), heights=(20.0, 64.0), camera=0.4)
        self._library = FaceLibrary(fonts)

    def draw(self, seed: tuple[int, ...], mask: Mask) -> ImageArray | None:
        """A crop (size, size) uint8 of a mask of ``ink_of``; None if the print has no ink."""
        rng = default_rng(seed)
        shaped = _shaped(rng, mask)
        rows, cols = np.flatnonzero(shaped.max(1) > 96), np.flatnonzero(shaped.max(0) > 96)
        if not len(rows):
            return None
        cut = np.ascontiguousarray(shaped[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])
        # The quad's lower edge is the baseline of capitals and digits.
        top = float(shaped.shape[0] / 2 + CAP_HEIGHT / 2 - rows[0])
        glyph = Glyph(cut, 2.0, top, cut.shape[1] + 6.0)
        letters = list("ABCDEFGHJKLMNPRSTUVWXYZ0123456789abdeghnqrt")
        beside = "".join(rng.choice(letters, int(rng.integers(0, 4))))
        stand_in = "\u4e00"  # stands for the glyph in the text; no code has this character
        face = ExtendedFace(self._library.pick(rng, beside), {stand_in: glyph})
        self._strips.faces = face  # type: ignore[assignment]
        at = int(rng.integers(len(beside) + 1))
        text = beside[:at] + stand_in + beside[at:]
        strip = self._strips.render((*seed, 1), text, stacked=bool(rng.random() < 0.1))
        window = detector_window(rng, strip.string.quads[at])
        return warp_quad(to_gray(strip.image), window, self._size, self._size)
