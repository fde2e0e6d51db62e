"""Renders single staves of music without chords, in C major, engraved with SMuFL fonts.

The label is the clef and the place of each note on the staff, one class each. Clef and places give
the pitches (``C4``, ``D4`` ...), the classes in section 3.4 of arXiv 1507.05717. Durations, rests,
beams and bar lines are drawn but not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.chance import log_uniform, pick, pick_weighted
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.datasets.synthesis.noise import sensor_noise
from industrial_ocr.datasets.synthesis.strips import Strip
from industrial_ocr.datasets.synthesis.surfaces import surface_patch
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import rect_quad

DEGRADATIONS = ("clean", "synthesized", "photographed")
TEST_FONTS = ("leland", "sebastian")
"""Fonts that are not used for training, only for held-out renderings."""
SPACE = 12
"""Pixels between two staff lines on the canvas; strips are smaller."""
ROOM = 5.0
"""Staff spaces above and below the staff on the canvas."""
LINE, STEM, LEDGER, BEAM = 0.13, 0.12, 0.16, 0.5
"""Thickness in staff spaces."""
STEM_LENGTH = 3.5

# Code points of SMuFL, the standard layout of music fonts.
HEADS = {4.0: "\ue0a2", 3.0: "\ue0a3", 2.0: "\ue0a3"}
BLACK_HEAD, DOT, FLAG_UP, FLAG_DOWN = "\ue0a4", "\ue1e7", "\ue240", "\ue241"
RESTS = {2.0: "\ue4e4", 1.0: "\ue4e5", 0.5: "\ue4e6"}
DOTTED = (3.0, 1.5)


@dataclass(frozen=True)
class Clef:
    """A clef: its class, its glyph, the line it stands on, and the pitch of the lowest line.

    Lines count from the bottom. Pitches are steps of the C major scale above C0: C4 is 28.
    """

    name: str
    glyph: str
    line: int
    bottom: int


CLEFS = (
    Clef("G", "\ue050", 1, 30),  # treble: E4 is the lowest line; C4 to A5 are used
    Clef("F", "\ue062", 3, 18),  # bass: G2 is the lowest line; E2 to C4 are used
)
PLACES = range(-2, 11)
"""Steps above the lowest line: from the first ledger line below to that above."""


def name_of(pitch: int) -> str:
    """``C4`` for 28, ``D4`` for 29 ..."""
    return f"{'CDEFGAB'[pitch % 7]}{pitch // 7}"


def place_name(place: int) -> str:
    """``L1`` for the lowest line (0), ``S1`` for the space above it (1), ``L2`` ..."""
    return f"{'LS'[place % 2]}{place // 2 + 1}"


def pitches_of(symbols: Sequence[str]) -> list[str]:
    """The names of the notes among the symbols of a staff; none if no clef was read."""
    bottom = next((c.bottom for c in CLEFS if c.name in symbols), None)
    if bottom is None:
        return []
    return [name_of(bottom + NOTES[s]) for s in symbols if s in NOTES]


NOTES = {place_name(place): place for place in PLACES}
TOKENS = (*(clef.name for clef in CLEFS), *NOTES)
CHARSET = Charset(TOKENS, blank=True)

Group = tuple[float, ...]
"""Lengths in quarters; rests are negative; notes shorter than a quarter share a beam."""
GROUPS: tuple[tuple[Group, float], ...] = (
    ((1.0,), 6),
    ((2.0,), 2),
    ((4.0,), 0.5),
    ((3.0,), 0.7),
    ((0.5, 0.5), 3),
    ((0.5, 0.5, 0.5, 0.5), 2),
    ((0.25, 0.25, 0.25, 0.25), 0.8),
    ((0.5, 0.25, 0.25), 0.8),
    ((1.5, 0.5), 1),
    ((0.5, -0.5), 0.5),
    ((-1.0,), 0.5),
    ((-2.0,), 0.2),
)


@cache
def _font(path: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), 4 * SPACE)


@dataclass
class _Pen:
    """Draws on the canvas of one staff; x and y in staff spaces, y up from the lowest line."""

    font: ImageFont.FreeTypeFont
    draw: ImageDraw.ImageDraw

    def place(self, x: float, y: float) -> tuple[float, float]:
        return x * SPACE, (ROOM + 4 - y) * SPACE

    def glyph(self, x: float, y: float, glyph: str) -> None:
        self.draw.text(self.place(x, y), glyph, 255, font=self.font, anchor="ls")

    def width(self, glyph: str) -> float:
        return self.font.getlength(glyph) / SPACE

    def line(self, x0: float, y0: float, x1: float, y1: float, thickness: float) -> None:
        """A line whose ends are cut along x or y, as stems, bars and beams are."""
        if x0 == x1:
            corners = [(x0 - thickness / 2, y0), (x0 + thickness / 2, y0)]
            corners += [(x1 + thickness / 2, y1), (x1 - thickness / 2, y1)]
        else:
            corners = [(x0, y0 - thickness / 2), (x1, y1 - thickness / 2)]
            corners += [(x1, y1 + thickness / 2), (x0, y0 + thickness / 2)]
        self.draw.polygon([self.place(*corner) for corner in corners], 255)


@dataclass
class Staves:
    """Renders staves; the same seed gives the same strip.

    Args:
        fonts: SMuFL font files.
        degradation: one of ``DEGRADATIONS``; None takes any of them.
        notes: smallest and largest number of notes.
    """

    fonts: Sequence[Path]
    degradation: str | None = None
    notes: tuple[int, int] = (3, 20)
    _camera: Camera = field(default_factory=lambda: Camera(0.9))

    def render(self, seed: int | tuple[int, ...]) -> Strip:
        """The strip of that seed; its quads stand around the clef and the heads of the notes."""
        rng = np.random.default_rng(seed)
        clef = pick(rng, CLEFS)
        count = int(rng.integers(self.notes[0], self.notes[1] + 1))
        groups = _rhythm(rng, count)
        places = _melody(rng, PLACES, count)
        ink, middles = _engraved(rng, _font(pick(rng, self.fonts)), clef, groups, places)
        names = (clef.name, *map(place_name, places))
        x, y = (np.array(v) * SPACE for v in zip(*middles, strict=True))
        quads = [
            rect_quad(cx - SPACE, cy - SPACE, cx + SPACE, cy + SPACE)
            for cx, cy in zip(x, (ROOM + 4) * SPACE - y, strict=True)
        ]
        string = LabeledString(
            "".join(names), names, np.stack(quads), (False,) * len(names), "horizontal"
        )
        kind = self.degradation or pick(rng, DEGRADATIONS)
        return self._degraded(rng, ink, string, kind)

    def _degraded(
        self, rng: Generator, ink: NDArray[np.uint8], string: LabeledString, kind: str
    ) -> Strip:
        """Cuts the staff out and prints it on paper, on a background, or photographs it."""
        rows, columns = ink.shape
        top, bottom = rng.uniform(2.4, 3.2, 2) * SPACE  # space above and below the staff
        y0, y1 = ROOM * SPACE - top, (ROOM + 4) * SPACE + bottom
        height = int(log_uniform(rng, 36, 96))
        scale = height / (y1 - y0)
        stretch = 1.0 if kind == "clean" else float(np.exp(rng.normal(0, 0.08)))
        width = int(columns * scale * stretch)
        source = rect_quad(0, y0, columns, y1)
        target = rect_quad(0, 0, width, height).copy()
        if kind != "clean":
            slope = np.clip(rng.normal(0, 0.3), -0.6, 0.6) * scale * SPACE
            target[:, 1] += np.array([-slope, slope, slope, -slope])
        if kind == "photographed":
            target += rng.normal(0, 0.25, (4, 2)) * scale * SPACE
        matrix = cv2.getPerspectiveTransform(source, target.astype(np.float32))
        if scale < 0.8:  # so that thin lines become fainter instead of breaking
            size = (round(columns * 1.2 * scale), round(rows * 1.2 * scale))
            ink = np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), np.uint8)
            matrix_of_ink = matrix @ np.diag([columns / size[0], rows / size[1], 1.0])
        else:
            matrix_of_ink = matrix
        warped = cv2.warpPerspective(ink, matrix_of_ink, (width, height), flags=cv2.INTER_LINEAR)
        moved = string.moved(matrix.astype(np.float32))
        return Strip(self._printed(rng, np.asarray(warped), kind, scale * SPACE), moved)

    def _printed(
        self, rng: Generator, ink: NDArray[np.uint8], kind: str, space: float
    ) -> NDArray[np.uint8]:
        """(H, W) ink as (H, W, 3) uint8."""
        rows, columns = ink.shape
        if kind == "clean":
            paper = np.full((rows, columns, 3), 255, np.float32)
            tone = np.zeros(3, np.float32)
        elif kind == "synthesized" and rng.random() < 0.7:
            paper = surface_patch(rng, rows, columns).astype(np.float32)
            tone = np.full(3, 0.0 if paper.mean() > 90 else 255.0, np.float32)
        else:
            paper = np.full((rows, columns, 3), rng.uniform(150, 250), np.float32)
            paper += rng.normal(0, 8, 3).astype(np.float32)
            tone = rng.uniform(0, 70, 3).astype(np.float32)
        alpha = ink[..., None].astype(np.float32) / 255
        image = paper + alpha * (tone - paper)
        if kind != "clean":
            across = np.linspace(-1, 1, columns)[None, :, None] * rng.uniform(-0.35, 0.35)
            down = np.linspace(-1, 1, rows)[:, None, None] * rng.uniform(-0.25, 0.25)
            image = image * (1 + across + down) + sensor_noise(rng, image.shape, rng.uniform(0, 12))
        seen = np.clip(image, 0, 255).astype(np.uint8)
        if kind == "photographed":
            seen = self._camera.shoot(rng, seen, 2.5 * space)
        return np.ascontiguousarray(seen)


def _rhythm(rng: Generator, count: int) -> list[Group]:
    """Groups in measures of four quarters; () is a bar line. They hold ``count`` notes."""
    groups: list[Group] = []
    notes, left = 0, 4.0
    while notes < count:
        options = [(g, w) for g, w in GROUPS if sum(map(abs, g)) <= left]
        group = pick_weighted(rng, options)
        group = group[: count - notes + sum(length < 0 for length in group)]
        groups.append(group)
        notes += sum(length > 0 for length in group)
        left -= sum(map(abs, group))
        if left < 0.25:
            groups.append(())
            left = 4.0
    return groups


def _melody(rng: Generator, pitches: range, count: int) -> list[int]:
    """A walk with mostly small steps, which sometimes leaps and often repeats a pitch."""
    found = [int(rng.integers(pitches.start, pitches.stop))]
    while len(found) < count:
        leap = rng.random() < 0.15
        step = int(rng.integers(-7, 8)) if leap else int(rng.integers(-2, 3))
        after = found[-1] + step
        if after in pitches:
            found.append(after)
    return found


def _engraved(
    rng: Generator,
    font: ImageFont.FreeTypeFont,
    clef: Clef,
    groups: Sequence[Group],
    places: Sequence[int],
) -> tuple[NDArray[np.uint8], list[tuple[float, float]]]:
    """(H, W) ink of a staff, and the middles of the clef and the heads in staff spaces."""
    tight = rng.uniform(0.9, 1.25)
    length = 8 + sum(2 + sum(_advance(abs(n), tight) for n in group) for group in groups)
    canvas = Image.new("L", (int(length * SPACE), int((2 * ROOM + 4) * SPACE)))
    pen = _Pen(font, ImageDraw.Draw(canvas))
    x = rng.uniform(0.3, 1.0)
    pen.glyph(x, clef.line, clef.glyph)
    middles = [(x + pen.width(clef.glyph) / 2, 2.0)]
    x += 3.6
    if rng.random() < 0.4:
        for y, digit in ((3, "\ue084"), (1, "\ue084")):
            pen.glyph(x, y, digit)
        x += 2.6
    for group in groups:
        if not group:
            pen.line(x, 0, x, 4, LEDGER)
            x += 1.2
            continue
        heads: list[tuple[float, float, float]] = []
        for n in group:
            if n < 0:
                pen.glyph(x, 2, RESTS[-n])
            else:
                y = places[len(middles) - 1] / 2
                heads.append((x, y, n))
                middles.append((x + pen.width(BLACK_HEAD) / 2, y))
            x += _advance(abs(n), tight)
        _draw_notes(pen, heads)
    end = x + rng.uniform(0.2, 1.0)
    for line in range(5):
        pen.line(0, line, end, line, LINE)
    ink = np.asarray(canvas)[:, : int(end * SPACE)]
    return np.ascontiguousarray(ink), middles


def _advance(length: float, tight: float) -> float:
    """Staff spaces to the next note, about as engravers give them."""
    return (2.6 + 1.7 * length**0.6) * tight


def _draw_notes(pen: _Pen, heads: Sequence[tuple[float, float, float]]) -> None:
    """Heads with ledger lines, dots, stems, flags and beams; ``heads`` holds x, y and length."""
    for x, y, n in heads:
        head = HEADS.get(n, BLACK_HEAD)
        pen.glyph(x, y, head)
        wide = pen.width(head)
        for ledger in (-1, 5):
            if y * np.sign(ledger) >= ledger * np.sign(ledger):
                pen.line(x - 0.4, ledger, x + wide + 0.4, ledger, LEDGER)
        if n in DOTTED:
            pen.glyph(x + wide + 0.35, np.floor(y) + 0.5, DOT)
    stemmed = [h for h in heads if h[2] < 4]
    beamed = [h for h in stemmed if h[2] < 1]
    if len(beamed) > 1:
        _draw_beam(pen, beamed)
        stemmed = [h for h in stemmed if h[2] >= 1]
    for x, y, n in stemmed:
        up = y < 2
        stem, end = _stem_x(pen, x, up), y + (STEM_LENGTH if up else -STEM_LENGTH)
        pen.line(stem, y, stem, end, STEM)
        if n < 1:
            pen.glyph(stem - STEM / 2, end, FLAG_UP if up else FLAG_DOWN)


def _stem_x(pen: _Pen, x: float, up: bool) -> float:
    return x + (pen.width(BLACK_HEAD) - STEM / 2 if up else STEM / 2)


def _draw_beam(pen: _Pen, heads: Sequence[tuple[float, float, float]]) -> None:
    """Stems to a common beam, and a second one between neighboring sixteenths."""
    up = float(np.mean([y for _, y, _ in heads])) < 2
    way = 1 if up else -1
    stems = [_stem_x(pen, x, up) for x, _, _ in heads]
    heights = np.array([y for _, y, _ in heads])
    slope = np.clip(heights[-1] - heights[0], -1, 1) / (stems[-1] - stems[0])
    line = slope * (np.array(stems) - stems[0])
    # The beam leaves room for a stem at the head that is nearest to it.
    base = max(way * (heights - line)) * way + way * STEM_LENGTH * 0.85
    ends = base + line
    for x, y, end in zip(stems, heights, ends, strict=True):
        pen.line(x, y, x, end, STEM)
    pen.line(stems[0], ends[0], stems[-1], ends[-1], BEAM)
    for i in range(len(heads) - 1):
        if heads[i][2] == heads[i + 1][2] == 0.25:
            inner = ends[i : i + 2] - way * 0.8
            pen.line(stems[i], inner[0], stems[i + 1], inner[1], BEAM)
