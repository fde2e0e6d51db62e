"""Finds the ink of a line: its pieces, its gaps, and marks that belong to no character.

The band of a string is warped level and separated into ink and background. Ink is grouped by its
position along the string; each group should belong to a character that was read. A group without
a character is an unread mark: a minus before a number, a decimal point, a thin letter. Print that
is made of many pieces (dots, stencils) is closed first; if it stays in pieces, no mark is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.detection.orientation import string_quad
from industrial_ocr.results.geometry import axis_of, edge_lengths, inside, rect_quad, warp_quad
from industrial_ocr.results.types import TALL_MARK, BoxString, FloatArray, ImageArray, UnreadMark

BAND_HEIGHT = 40
"""Characters higher than this are scaled down to this many rows."""
MIN_INK = 0.5
"""A pixel is ink above this value; 0 is the background and 1 the string's print."""
NEAR_BORDER = 0.15
"""Character heights around the border of two characters in which their ink may end."""
NEXT_LETTER = 0.7
"""Character heights beyond a string at which a next letter of it may begin."""
LEAST_HALF = 0.25
"""Least half width of a character in character heights, as CTC gives places rather than boxes."""
CORE = 0.12
"""Half the size of the middle of a character, in sizes of its ink."""
OVERHANG = 0.35
"""Character heights by which ink reaches beyond the character at an end if another touches it."""


class _Group(NamedTuple):
    """Ink in one place: a rectangle in pixels of the band, and how many of its pixels are ink."""

    x0: float
    y0: float
    x1: float
    y1: float
    weight: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def middle(self) -> float:
        """Its middle along the string."""
        return (self.x0 + self.x1) / 2

    def joined(self, other: _Group) -> _Group:
        """The rectangle around both."""
        x0, y0 = min(self.x0, other.x0), min(self.y0, other.y0)
        x1, y1 = max(self.x1, other.x1), max(self.y1, other.y1)
        return _Group(x0, y0, x1, y1, self.weight + other.weight)

    def shared(self, other: _Group) -> float:
        """Width of the overlap along the string, negative if there is a gap."""
        return min(self.x1, other.x1) - max(self.x0, other.x0)


@dataclass(frozen=True, eq=False)
class _Band:
    """A string and its surroundings, warped level.

    Attributes:
        gray: (H, W) uint8.
        quad: (4, 2) of the whole band in source pixels.
        height: of the characters in pixels of the band.
        top: row at which the characters begin.
        places: (N, 2) first and last column of each character.
    """

    gray: ImageArray
    quad: FloatArray
    height: float
    top: float
    places: FloatArray

    def source(self, group: _Group) -> FloatArray:
        """A group's rectangle in source pixels, (4, 2)."""
        rows, columns = self.gray.shape
        across, down = self.quad[1] - self.quad[0], self.quad[3] - self.quad[0]
        corners = rect_quad(*group[:4]) / [columns, rows]
        return (self.quad[0] + corners[:, :1] * across + corners[:, 1:] * down).astype(np.float32)


class LineInk:
    """The ink of a line of an image: where it stands, and which characters it belongs to.

    It is found at the first question and kept for the next ones.

    Args:
        gray: (H, W) uint8 image.
        string: (4, 2) quad of the line, clockwise from the top-left of its first character.
        characters: one or more (4, 2) quads of the line's characters, in reading order.
    """

    def __init__(
        self, gray: ImageArray, string: FloatArray, characters: Sequence[FloatArray]
    ) -> None:
        self._gray, self._string, self._characters = gray, string, characters

    @staticmethod
    def of(gray: ImageArray, string: BoxString) -> LineInk:
        """The ink of an oriented string, whose boxes are the characters."""
        return LineInk(gray, string_quad(string), [b.quad for b in string.boxes])

    @cached_property
    def _band(self) -> _Band:
        return _band(self._gray, self._string, self._characters)

    @cached_property
    def _ink(self) -> FloatArray | None:
        return _ink(self._band)

    @cached_property
    def _groups(self) -> list[_Group]:
        """The groups of ink along the line; none if the contrast is too low."""
        return [] if self._ink is None else _groups(self._band, self._ink)

    def unread_marks(self, others: Sequence[FloatArray] = ()) -> list[UnreadMark]:
        """The marks in the line's band that belong to none of its characters.

        Args:
            others: quads of other text in the image; ink inside them is no mark.

        Returns:
            Marks in reading order; none if the contrast is too low or the print is in pieces.
        """
        band, ink, groups = self._band, self._ink, self._groups
        if ink is None or len(groups) > 2.2 * len(band.places) + 2:  # the print is in pieces
            return []
        explained = _explained(band, groups)
        middles = band.places.mean(1)
        marks = []
        alone = [g for g in groups if g not in explained]
        for group in sorted([*alone, *_joined_ends(band, groups)]):
            if not _is_mark(group, band.height):
                continue
            quad = band.source(group)
            if any(inside(o, quad.mean(0)) for o in others):
                continue
            before = int(np.searchsorted(middles, group.middle))
            part = ink[int(group.y0) : int(group.y1), int(group.x0) : int(group.x1)]
            # From 0 for the faintest ink to 1 for ink nearly as clear as the print.
            strength = float(np.clip((part.max() - MIN_INK) / (0.9 - MIN_INK), 0, 1))
            marks.append(UnreadMark(quad, before, (group.y1 - group.y0) / band.height, strength))
        return marks

    def empty(self) -> NDArray[np.bool_]:
        """(N,) whether there is no ink at all in the place of a character."""
        band, ink = self._band, self._ink
        if ink is None:
            return np.zeros(len(band.places), np.bool_)
        rows = ink[round(band.top) : round(band.top + band.height)]
        places = np.clip(band.places.round().astype(int), 0, ink.shape[1])
        return np.array([not (rows[:, a : max(b, a + 1)] > MIN_INK).any() for a, b in places])

    def unseen_ends(self) -> int:
        """For how many of the first and last character no ink is found, 0 to 2.

        There the print cannot be told from what surrounds it, so that a missing letter is not seen.
        """
        ends = self._band.places.mean(1)[[0, -1]].tolist()
        return sum(not any(g.x0 - 1 <= end <= g.x1 + 1 for g in self._groups) for end in ends)

    def spans(self) -> FloatArray | None:
        """Where each separate piece of ink begins and ends along the line.

        Returns:
            (N, 2) distances from the line's first corner in source pixels, ascending; None if the
            contrast is too low or the print is in pieces.
        """
        band, groups = self._band, self._groups
        if not groups or len(groups) > 1.2 * len(band.places) + 1:
            return None
        spans = np.array([(g.x0, g.x1) for g in groups], np.float32)
        length = edge_lengths(band.quad)[0]
        before = float((self._string[0] - band.quad[0]) @ axis_of(self._string))
        return np.asarray(spans * (length / band.gray.shape[1]) - before, np.float32)

    def gaps(self) -> FloatArray | None:
        """The widest stretch without ink between the middles of neighbors.

        Returns:
            (N - 1,) in heights of the line; None if the contrast is too low.
        """
        band, ink = self._band, self._ink
        if ink is None:
            return None
        top = round(band.top)
        filled = np.flatnonzero(ink[top : top + round(band.height)].max(axis=0) > MIN_INK)
        middles = np.clip(band.places.mean(axis=1).round(), 0, ink.shape[1])
        widest = [
            np.diff([a - 1, *filled[(filled >= a) & (filled < b)], b]).max() - 1
            for a, b in pairwise(middles)
        ]
        return np.array(widest, np.float32) / band.height

    def sizes(self) -> FloatArray:
        """Width and height of the ink of each character of the line.

        Returns:
            (N, 2) widths and heights in pixels of the band; NaN if a character has no ink, or its
            ink touches that of a neighbor.
        """
        sizes = np.full((len(self._band.places), 2), np.nan, np.float32)
        for i, group in self._alone.items():
            sizes[i] = group.width, group.y1 - group.y0
        return sizes

    def cores(self) -> FloatArray:
        """How much ink there is in the very middle of each character.

        Returns:
            (N,) from 0, as in an O, to 1, as in a zero with a stroke or dot; NaN as in ``sizes``.
        """
        cores = np.full(len(self._band.places), np.nan, np.float32)
        for i, group in self._alone.items():
            assert self._ink is not None, "groups are made of it"
            reach = max(CORE * group.width, 1.0), max(CORE * (group.y1 - group.y0), 1.0)
            middle = group.middle, (group.y0 + group.y1) / 2
            (x0, x1), (y0, y1) = (
                (round(m - r), round(m + r)) for m, r in zip(middle, reach, strict=True)
            )
            cores[i] = float(np.clip(self._ink[y0:y1, x0:x1], 0, 1).mean())
        return cores

    @cached_property
    def _alone(self) -> dict[int, _Group]:
        """The largest group of ink of each character that touches no other, by its index."""
        band = self._band
        middles = band.places.mean(1)
        largest: dict[int, _Group] = {}
        shared: set[int] = set()
        for group in self._groups:
            within = np.flatnonzero((middles > group.x0) & (middles < group.x1))
            away = np.abs(middles - group.middle)
            nearest = int(away.argmin())
            if len(within) > 1:
                shared.update(within.tolist())
            elif away[nearest] < 0.4 * band.height:
                before = largest.get(nearest)
                if before is None or group.weight > before.weight:
                    largest[nearest] = group
        return {i: group for i, group in largest.items() if i not in shared}


def _band(gray: ImageArray, string: FloatArray, characters: Sequence[FloatArray]) -> _Band:
    """Cuts out a string with margins of 0.2 character heights above and below.

    The margins at both ends are a character height, less where the picture ends.
    """
    width, height = edge_lengths(string)
    across, down = axis_of(string), axis_of(string, vertical=True)
    over = 0.2 * height
    before = min(height, _room(gray, string[[0, 3]], -across))
    after = min(height, _room(gray, string[[1, 2]], across))
    corner = string[0] - across * before - down * over
    wide, high = before + width + after, height + 2 * over
    right, below = across * wide, down * high
    quad = np.stack([corner, corner + right, corner + right + below, corner + below])
    scale = min(BAND_HEIGHT / max(height, 1e-6), 1.0)
    size = max(2, round(wide * scale)), max(2, round(high * scale))
    level = warp_quad(gray, quad.astype(np.float32), *size)
    quads = np.stack(characters)
    lefts, rights = quads[:, [0, 3]].mean(1), quads[:, [1, 2]].mean(1)
    places = (np.stack([lefts, rights], axis=1) - corner) @ across * scale
    return _Band(
        level, quad.astype(np.float32), height * scale, over * scale, places.astype(np.float32)
    )


def _room(gray: ImageArray, corners: FloatArray, direction: FloatArray) -> float:
    """How far corners (N, 2) are from the end of the picture in a direction (2,)."""
    end = np.where(direction > 0, gray.shape[::-1], 0)
    moving = np.abs(direction) > 1e-6
    ways = (end - corners)[:, moving] / direction[moving]
    return max(float(ways.min(initial=np.inf)), 0.0)


def _ink(band: _Band) -> FloatArray | None:
    """(H, W) float32, 0 for the background and 1 for ink; None without contrast.

    Ink, dark or light, is what leaves free columns closer to the borders of the characters; if that
    does not tell, it is what covers less of the string.
    """
    plain = cv2.GaussianBlur(band.gray, (3, 3), 0).astype(np.float32)
    top, bottom = round(band.top), round(band.top + band.height)
    left, right = round(band.places[0, 0]), round(band.places[-1, 1])
    print_ = plain[top:bottom, max(left, 0) : max(right, left + 1)]
    if print_.size < 16:
        return None
    low, high = np.percentile(print_, (4, 96))
    if high - low < 12:
        return None
    light = np.asarray((plain - low) / (high - low), np.float32)
    share_dark = float((print_ < (low + high) / 2).mean())
    dark = share_dark < 0.5
    if 0.35 < share_dark < 0.65:  # bold print: the background lies above and below it
        rim = np.concatenate([light[: max(top, 1)], light[bottom:]])[:, max(left, 0) : right]
        dark = rim.size == 0 or float(np.median(rim)) > 0.5
    either = (1 - light, light) if dark else (light, 1 - light)
    return min(either, key=lambda ink: _from_borders(band, ink))


def _from_borders(band: _Band, ink: FloatArray) -> float:
    """How far the borders of characters are from a column without ink, on average.

    A border without such a column within ``NEAR_BORDER`` counts as that far away.
    """
    top = round(band.top)
    free = np.flatnonzero((ink[top : round(band.top + band.height)] <= MIN_INK).all(axis=0))
    left, right = band.places.T
    borders = np.r_[left[0], (right[:-1] + left[1:]) / 2, right[-1]]
    away = np.abs(borders[:, None] - free - 0.5)
    farthest = NEAR_BORDER * band.height
    return float(away.min(axis=1, initial=farthest).mean())


def _groups(band: _Band, ink: FloatArray) -> list[_Group]:
    """Groups ink by its position along the string.

    Rules and frames that meet a character are cut off above and below the string. Beyond its ends,
    ink that goes on above and below, such as the side of a frame, is left out, and so is ink that
    goes on outside the band, unless it stands as close as a next letter.
    """
    first, last = round(band.top), round(band.top + band.height)
    rim = max(1, first // 2)
    start, end = band.places[0, 0] - 1, band.places[-1, 1] + 1
    clear = (ink > MIN_INK).astype(np.uint8)
    for reach in (0, 1, 2):
        closed = clear
        if reach:
            side = 2 * reach * max(1, round(band.height / BAND_HEIGHT)) + 1
            closed = np.asarray(cv2.morphologyEx(clear, cv2.MORPH_CLOSE, np.ones((side, side))))
        _, _, stats, _ = cv2.connectedComponentsWithStats(closed[first:last], connectivity=8)
        middles = stats[1:, 0] + stats[1:, 2] / 2
        if ((middles > start) & (middles < end)).sum() <= 1.2 * len(band.places) + 1:
            break
    pieces = []
    for x, y, w, h, weight in stats[1:].tolist():
        if x >= start and x + w <= end:
            pieces.append(_Group(x, first + y, x + w, first + y + h, weight))
            continue
        rims = clear[first - rim : first, x : x + w], clear[last : last + rim, x : x + w]
        frame = all(r.all(axis=0).any() for r in rims)
        line = (y == 0 and rims[0].any()) or (y + h == last - first and rims[1].any())
        away = max(start - (x + w), x - end)
        cut = (x == 0 or x + w == ink.shape[1]) and away > NEXT_LETTER * band.height
        if not (frame or cut or (line and h < TALL_MARK * band.height)):
            pieces.append(_Group(x, first + y, x + w, first + y + h, weight))
    groups: list[_Group] = []
    for piece in sorted(pieces):
        if groups and _one_place(groups[-1], piece):
            piece = groups.pop().joined(piece)
        groups.append(piece)
    return groups


def _one_place(one: _Group, two: _Group) -> bool:
    """Whether two pieces of ink belong to one character, such as the dot of an i."""
    if one.shared(two) <= 0.5 * min(one.width, two.width):
        return False
    same_rows = min(one.y1, two.y1) > max(one.y0, two.y0)
    return not same_rows or abs(one.middle - two.middle) < 0.25 * max(one.width, two.width)


def _explained(band: _Band, groups: Sequence[_Group]) -> set[_Group]:
    """Groups of a character: the nearest, those near its middle, and ink above or below these."""
    centers = np.array([g.middle for g in groups])
    reach = np.array([g.width for g in groups]) / 2
    tall = np.array([g.y1 - g.y0 for g in groups]) > TALL_MARK * band.height
    # Marks near a character's middle belong to it; tall pieces (of a stencil) may be farther out.
    core = np.where(tall, 0.8, 0.5)
    found: set[_Group] = set()
    for left, right in band.places:
        away = np.abs(centers - (left + right) / 2)
        within = np.flatnonzero(away < core * (right - left) / 2)
        nearest = np.lexsort((away, np.maximum(away - reach, 0)))[:1]
        found.update(groups[int(i)] for i in (*within, *nearest))
    return {g for g in groups if any(g.shared(other) >= 0.8 * g.width for other in found)} | found


def _joined_ends(band: _Band, groups: Sequence[_Group]) -> Iterator[_Group]:
    """What goes on beyond the first and last character, as a letter that touches them does.

    Of more than one letter, the part next to the character is taken.
    """
    middles = band.places.mean(1)[[0, -1]]
    half = np.maximum(np.ptp(band.places, axis=1)[[0, -1]] / 2, LEAST_HALF * band.height)
    first, last = (middles + (-1, 1) * half).tolist()
    far = OVERHANG * band.height
    for group in groups:
        tall = group.y1 - group.y0 > TALL_MARK * band.height
        if tall and group.x0 < first - far and group.x1 > middles[0]:
            yield group._replace(x0=max(group.x0, first - band.height), x1=first)
        if tall and group.x1 > last + far and group.x0 < middles[1]:
            yield group._replace(x0=last, x1=min(group.x1, last + band.height))


def _is_mark(group: _Group, height: float) -> bool:
    """Whether a group is at least as large as a point and at most as large as a character."""
    smallest, largest = 0.08 * height, 1.15 * height
    size = max(group.width, group.y1 - group.y0)
    return smallest <= size <= largest and group.weight >= smallest**2 / 2
