"""Ink that no character explains: marks in a string's band that nobody read.

A string's band is cut out level and parted into ink and ground. Ink that stands in one place along
the string is a group; each should hold a character that was read. A group without one is a mark
that was lost: a minus before a number, the point of a decimal, a thin letter. Print that is made of
many pieces (dots, stencils) is closed first, and where it stays in pieces nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from industrial_ocr.results.geometry import edge_lengths, inside, warp_quad
from industrial_ocr.results.types import TALL_MARK, FloatArray, ImageArray, UnreadMark

BAND_HEIGHT = 40
"""Rows to which the characters of a string are brought; lower ones stay as they are."""
BESIDE, ABOVE = 1.0, 0.2
"""What is looked at beside a string and above and below it, in heights of its characters."""
LEVEL, FULL = 0.5, 0.9
"""Share of the string's own contrast from which a pixel is ink, and is as clear as its print."""
COVERED = 0.8
"""Ink of which so much stands above, below or inside that of a character belongs to it."""
SMALLEST, LARGEST = 0.08, 1.15
"""Least and largest height or width of a mark, in heights of characters."""
CORE, TALL_CORE = 0.5, 0.8
"""A character explains marks in so much of the width of its place, about the middle; tall pieces,
as of a stencil, in more of it."""
ABREAST = 0.25
"""Pieces of ink at the same height belong together where their middles are so near, in widths."""
PIECES = 2.2
"""So many groups a character are print in pieces, of which nothing can be said."""
OWN = 0.4
"""Ink is a character's own if their middles are so near, in heights of characters."""

Group = tuple[float, float, float, float, float]
"""x0, y0, x1, y1 in pixels of a band, and the number of its pixels that are ink."""


@dataclass(frozen=True, eq=False)
class _Band:
    """A string's surroundings, level.

    Attributes:
        gray: (H, W) uint8.
        quad: (4, 2) of the whole band in source pixels.
        height: of the characters in pixels of the band.
        top: row at which they begin.
        places: (N, 2) first and last column of each character.
    """

    gray: ImageArray
    quad: FloatArray
    height: float
    top: float
    places: FloatArray

    def source(self, x0: float, y0: float, x1: float, y1: float) -> FloatArray:
        """A rectangle of the band in source pixels, (4, 2)."""
        rows, columns = self.gray.shape
        across, down = self.quad[1] - self.quad[0], self.quad[3] - self.quad[0]
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) / [columns, rows]
        return (self.quad[0] + corners[:, :1] * across + corners[:, 1:] * down).astype(np.float32)


def unread_marks(
    gray: ImageArray,
    string: FloatArray,
    characters: Sequence[FloatArray],
    others: Sequence[FloatArray] = (),
) -> list[UnreadMark]:
    """The marks in a line's band that none of its characters explains.

    Args:
        gray: (H, W) uint8 picture.
        string: (4, 2) quad of the line, clockwise from the top-left of its first character.
        characters: (4, 2) quads of what was read, in reading order, the same way up.
        others: quads of what else was read on the picture; ink there is explained.

    Returns:
        In reading order. Nothing where there is no contrast, or the print is in pieces.
    """
    if not characters:
        return []
    band = _band(gray, string, characters)
    ink = _ink(band)
    if ink is None:
        return []
    groups = _groups(band, ink, len(characters))
    if len(groups) > PIECES * len(characters) + 2:
        return []
    read = _read(band, groups)
    found = []
    for group in groups:
        if group in read:
            continue
        x0, y0, x1, y1, weight = group
        size = max(x1 - x0, y1 - y0) / band.height
        if not SMALLEST <= size <= LARGEST or weight < SMALLEST**2 * band.height**2 / 2:
            continue
        middle = band.source(x0, y0, x1, y1).mean(0)
        if any(inside(quad, middle) for quad in others):
            continue
        middles = band.places.mean(1)
        before = int(np.searchsorted(middles, (x0 + x1) / 2))
        height = (y1 - y0) / band.height
        part = ink[int(y0) : int(y1), int(x0) : int(x1)]
        strength = float(np.clip((part.max() - LEVEL) / (FULL - LEVEL), 0, 1))
        found.append(UnreadMark(band.source(x0, y0, x1, y1), before, height, strength))
    return found


def ink_sizes(gray: ImageArray, string: FloatArray, characters: Sequence[FloatArray]) -> FloatArray:
    """How wide and how high the ink of each character of a line is.

    Args:
        gray: (H, W) uint8 picture.
        string: (4, 2) quad of the line, clockwise from the top-left of its first character.
        characters: (4, 2) quads of what was read, in reading order, the same way up.

    Returns:
        (N, 2) widths and heights in pixels of the band, the same unit for all of them; NaN where
        the ink of a character is not apart from that of its neighbors, or there is none.
    """
    sizes = np.full((len(characters), 2), np.nan, np.float32)
    if not characters:
        return sizes
    band = _band(gray, string, characters)
    ink = _ink(band)
    if ink is None:
        return sizes
    groups = _groups(band, ink, len(characters))
    middles = band.places.mean(1)
    largest = np.zeros(len(characters))
    shared = set()
    for x0, y0, x1, y1, weight in groups:
        within = np.flatnonzero((middles > x0) & (middles < x1))
        nearest = int(np.abs(middles - (x0 + x1) / 2).argmin())
        if len(within) > 1:
            shared.update(within.tolist())
        elif (
            abs(middles[nearest] - (x0 + x1) / 2) < OWN * band.height and weight > largest[nearest]
        ):
            largest[nearest] = weight
            sizes[nearest] = x1 - x0, y1 - y0
    sizes[sorted(shared)] = np.nan
    return sizes


def _band(gray: ImageArray, string: FloatArray, characters: Sequence[FloatArray]) -> _Band:
    """Cuts out the string with what stands beside it, as far as the picture reaches."""
    width, height = edge_lengths(string)
    across = (string[1] - string[0]) / max(width, 1e-6)
    down = (string[3] - string[0]) / max(float(np.linalg.norm(string[3] - string[0])), 1e-6)
    side, over = BESIDE * height, ABOVE * height
    corner = string[0] - across * side - down * over
    wide, high = width + 2 * side, height + 2 * over
    quad = np.stack(
        [corner, corner + across * wide, corner + across * wide + down * high, corner + down * high]
    ).astype(np.float32)
    scale = min(BAND_HEIGHT / max(height, 1e-6), 1.0)
    size = max(2, round(wide * scale)), max(2, round(high * scale))
    level = warp_quad(gray, quad, *size)
    places = np.array(
        [
            ((np.stack([q[0], q[3]]).mean(0) - corner) @ across,
             (np.stack([q[1], q[2]]).mean(0) - corner) @ across)
            for q in characters
        ],
        np.float32,
    )  # fmt: skip
    return _Band(level, quad, height * scale, over * scale, places * np.float32(scale))


def _ink(band: _Band) -> FloatArray | None:
    """(H, W) float32, 0 for ground and 1 for ink; None without contrast.

    Ground is what lies around characters.
    """
    plain = cv2.GaussianBlur(band.gray, (3, 3), 0).astype(np.float32)
    top, bottom = round(band.top), round(band.top + band.height)
    left, right = round(band.places[0, 0]), round(band.places[-1, 1])
    inside = plain[top:bottom, max(left, 0) : max(right, left + 1)]
    if inside.size < 16:
        return None
    low, high = np.percentile(inside, (4, 96))
    if high - low < 12:
        return None
    share_dark = float((inside < (low + high) / 2).mean())
    dark = share_dark < 0.5
    if 0.35 < share_dark < 0.65:  # bold print: the ground is what lies above and below it
        rim = np.concatenate([plain[: max(top, 1)], plain[bottom:]])[:, left:right]
        dark = rim.size == 0 or float(np.median(rim)) > (low + high) / 2
    ground, mark = (high, low) if dark else (low, high)
    return np.asarray((plain - ground) / (mark - ground), np.float32)


def _groups(band: _Band, ink: FloatArray, characters: int) -> list[Group]:
    """Ink by its place along the string.

    Ink that reaches the upper or lower border of the band belongs to something else.
    """
    clear = (ink > LEVEL).astype(np.uint8)
    for reach in (0, 1, 2):
        closed = clear
        if reach:
            side = 2 * reach * max(1, round(band.height / BAND_HEIGHT)) + 1
            closed = np.asarray(cv2.morphologyEx(clear, cv2.MORPH_CLOSE, np.ones((side, side))))
        count, _, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
        if count - 1 <= 2 * PIECES * characters + 4:
            break
    rows, columns = ink.shape
    boxes = []
    for x, y, w, h, area in stats[1:].tolist():
        through = y == 0 or y + h == rows or x == 0 or x + w == columns
        if through and not _within(band, x, x + w):
            continue
        boxes.append((x, y, x + w, y + h, area))
    return _joined(sorted(boxes))


def _within(band: _Band, x0: float, x1: float) -> bool:
    """Whether a part of the band lies between the ends of the string."""
    return bool(x0 >= band.places[0, 0] - 1 and x1 <= band.places[-1, 1] + 1)


def _joined(boxes: Sequence[Group]) -> list[Group]:
    """Boxes sorted by x, joined where they stand above one another or within one another."""
    groups: list[Group] = []
    for box in boxes:
        if groups and _one_place(groups[-1], box):
            last = groups.pop()
            low, high = np.minimum(last[:2], box[:2]), np.maximum(last[2:4], box[2:4])
            box = (*low.tolist(), *high.tolist(), last[4] + box[4])
        groups.append(box)
    return groups


def _one_place(one: Group, two: Group) -> bool:
    """Whether two boxes are parts of one character, as the dot of an i or of a zero."""
    shared = min(one[2], two[2]) - max(one[0], two[0])
    if shared <= 0.5 * min(one[2] - one[0], two[2] - two[0]):
        return False
    apart = abs(one[0] + one[2] - two[0] - two[2]) / 2
    beside = min(one[3], two[3]) > max(one[1], two[1])
    return not beside or apart < ABREAST * max(one[2] - one[0], two[2] - two[0])


def _read(band: _Band, groups: Sequence[Group]) -> set[Group]:
    """The groups that are explained: the one nearest to each character, and what is about it."""
    spans = np.array([(g[0], g[2]) for g in groups], np.float64).reshape(-1, 2)
    centers, reach = spans.mean(1), np.ptp(spans, axis=1) / 2
    tall = np.array([g[3] - g[1] for g in groups], np.float64) > TALL_MARK * band.height
    core = np.where(tall, TALL_CORE, CORE)
    read: set[Group] = set()
    for left, right in band.places:
        away = np.abs(centers - (left + right) / 2)
        inside = np.flatnonzero(away < core * (right - left) / 2)
        nearest = np.lexsort((away, np.maximum(away - reach, 0)))[:1]
        read.update(groups[int(i)] for i in (*inside, *nearest))
    return read | {g for g in groups if any(_covered(g, other) for other in read)}


def _covered(one: Group, two: Group) -> bool:
    """Whether nearly all of one group stands in the columns of another."""
    return min(one[2], two[2]) - max(one[0], two[0]) >= COVERED * (one[2] - one[0])
