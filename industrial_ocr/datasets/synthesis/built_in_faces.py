"""Faces that need no font file: Hershey strokes, dot matrices, seven and fourteen segments."""

from __future__ import annotations

import cv2
import numpy as np

from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, Face, Glyph, Mask, cut_glyph
from industrial_ocr.results.geometry import unit_vector
from industrial_ocr.results.types import FloatArray


def _pairs(table: str) -> dict[str, str]:
    """A table of words read in pairs: key and value."""
    words = table.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_DOT_COLUMNS = _pairs("""
0 3E5149453E  1 00427F4000  2 4261514946  3 2141454B31  4 1814127F10  5 2745454539  6 3C4A494930
7 0171090503  8 3649494936  9 064949291E  A 7E1111117E  B 7F49494936  C 3E41414122  D 7F4141221C
E 7F49494941  F 7F09090901  G 3E4149497A  H 7F0808087F  I 00417F4100  J 2040413F01  K 7F08142241
L 7F40404040  M 7F020C027F  N 7F0408107F  O 3E4141413E  P 7F09090906  Q 3E4151215E  R 7F09192946
S 4649494931  T 01017F0101  U 3F4040403F  V 1F2040201F  W 3F4038403F  X 6314081463  Y 0708700807
Z 6151494543  a 2054545478  b 7F48444438  c 3844444420  d 384444487F  e 3854545418  f 087E090102
g 0C5252523E  h 7F08040478  i 00447D4000  j 2040443D00  k 7F10284400  l 00417F4000  m 7C04180478
n 7C08040478  o 3844444438  p 7C14141408  q 081414187C  r 7C08040408  s 4854545420  t 043F444020
u 3C4040207C  v 1C2040201C  w 3C4030403C  x 4428102844  y 0C5050503C  z 4464544C44  - 0808080808
/ 2010080402  . 0060600000  : 0036360000  # 147F147F14  ( 001C224100  ) 0041221C00  + 08083E0808
& 3649552250  * 14083E0814  ' 0005030000  , 0050300000
""")
"""The 5x7 dots of character displays and inkjets: one byte per column, the lowest bit on top."""

_SEGMENTS_7 = _pairs("""
0 abcdef  1 bc  2 abged  3 abgcd  4 fgbc  5 afgcd  6 afgedc  7 abc  8 abcdefg  9 abcdfg  - g
""")
_SEGMENTS_14 = _pairs("""
0 abcdefjk  1 bc  2 abdegh  3 abcdh  4 bcfgh  5 acdfgh  6 acdefgh  7 abc  8 abcdefgh  9 abcdfgh
A abcefgh  B abcdhim  C adef  D abcdim  E adefgh  F aefg  G acdefh  H bcefgh  I adim  J bcde
K efgjl  L def  M bcefnj  N bcefnl  O abcdef  P abefgh  Q abcdefl  R abefghl  S acdfgh  T aim
U bcdef  V efkj  W bcefkl  X njkl  Y njm  Z adjk  - gh  + ghim  * ghimnjkl  / jk
""")
"""Symbol -> lit segments; g and h are the halves of the middle bar, i and m the upright middle,
n, j, k, l the diagonals from top-left, top-right, bottom-left and bottom-right."""

_SEGMENT_ENDS = {
    segment: np.array(ends.split(","), np.float64).reshape(2, 2)
    for segment, ends in _pairs("""
        a 0,0,1,0      b 1,0,1,.5      c 1,.5,1,1    d 0,1,1,1      e 0,.5,0,1
        f 0,0,0,.5     g 0,.5,.5,.5    h .5,.5,1,.5  i .5,0,.5,.5   m .5,.5,.5,1
        n 0,0,.5,.5    j 1,0,.5,.5     k .5,.5,0,1   l .5,.5,1,1
    """).items()
}
"""Segment -> start and end (2, 2) as x, y in a unit box, y down."""


class StrokeFace(Face):
    """OpenCV's Hershey strokes, as engravers and pen plotters draw; printable ASCII."""

    def __init__(self, face: int, thickness: int) -> None:
        super().__init__(f"hershey-{face}-{thickness}")
        self._face, self._thickness = face, thickness
        probe = np.zeros((160, 200), np.uint8)
        cv2.putText(probe, "H", (60, 110), face, 3.0, 255, 1)  # getTextSize is of the whole face
        self._scale = 3.0 * CAP_HEIGHT / int(np.ptp(np.flatnonzero(probe.max(1))) + 1)

    def _draw(self, symbol: str) -> Glyph | None:
        if not (len(symbol) == 1 and "!" <= symbol <= "~"):
            return None
        face, scale, pen, baseline = self._face, self._scale, 60, 110
        (advance, _), _ = cv2.getTextSize(symbol, face, scale, 1)
        canvas = np.zeros((160, 200), np.uint8)
        cv2.putText(canvas, symbol, (pen, baseline), face, scale, 255, self._thickness, cv2.LINE_AA)
        return cut_glyph(canvas, baseline, pen, advance)


class DotFace(Face):
    """Dot matrix: dots on a grid, with jitter, missing and merging dots.

    Args:
        columns: number of columns; 5 takes the 5x7 table, more take the strokes of a Hershey face.
        rows: number of rows of a capital.
        seed: seed of the irregularities of the face.
    """

    def __init__(self, columns: int, rows: int, seed: int) -> None:
        super().__init__(f"dots-{columns}x{rows}-{seed}")
        rng = np.random.default_rng(seed)
        self._columns, self._rows, self._seed = columns, rows, seed
        self._radius = rng.uniform(0.28, 0.72)
        self._jitter = float(rng.choice([0.0, 0.05, 0.12]))
        self._missing = float(rng.choice([0.0, 0.0, 0.02, 0.06]))
        self._stretch = rng.uniform(0.75, 1.3)
        self._bold = rows >= 12 and rng.random() < 0.5

    def _grid(self, symbol: str) -> tuple[Mask, int]:
        """(rows, columns) dots of a symbol and the row of its baseline."""
        if self._columns == 5:
            columns = np.frombuffer(bytes.fromhex(_DOT_COLUMNS[symbol]), np.uint8)
            return np.unpackbits(columns[None], axis=0, bitorder="little"), 7
        size = self._rows
        canvas = np.zeros((3 * size, 3 * size), np.uint8)
        place, scale = (size, 2 * size), (size - 1) / 21.0
        cv2.putText(canvas, symbol, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 1, 1 + self._bold)
        cols = np.flatnonzero(canvas.max(0))
        return canvas[size // 2 :, cols[0] : cols[-1] + 1], 2 * size - size // 2 + 1

    def _draw(self, symbol: str) -> Glyph | None:
        known = symbol in _DOT_COLUMNS if self._columns == 5 else len(symbol) == 1 and symbol > " "
        if not known:
            return None
        rng = np.random.default_rng((self._seed, *map(ord, symbol)))  # same head, same dots
        grid, baseline = self._grid(symbol)
        pitch = CAP_HEIGHT / self._rows
        pitch_x = pitch * self._stretch
        height, width = int((len(grid) + 2) * pitch), int((grid.shape[1] + 2) * pitch_x)
        canvas = np.zeros((height, width), np.uint8)
        radius = round(pitch * self._radius * 16)
        for row, column in np.argwhere(grid):
            if rng.random() >= self._missing:
                dx, dy = rng.normal(0, self._jitter, 2)
                x, y = (column + 1 + dx) * pitch_x, (row + 1 + dy) * pitch
                cv2.circle(canvas, (round(x * 16), round(y * 16)), radius, 255, -1, cv2.LINE_AA, 4)
        if not canvas.any():
            canvas[height // 2, width // 2] = 255
        advance = (grid.shape[1] + 1) * pitch_x
        return cut_glyph(canvas, int((baseline + 0.5) * pitch), int(pitch_x * 0.5), advance)


class SegmentFace(Face):
    """Seven or fourteen segments with random slant, gaps, thickness and ends.

    Seven segments show digits and minus, fourteen show capitals as well. Some faces have thin
    segments with round ends, others thick ones with pointed or square ends, like displays.
    """

    def __init__(self, segments: int, seed: int) -> None:
        super().__init__(f"segments-{segments}-{seed}")
        rng = np.random.default_rng(seed)
        self._segments = _SEGMENTS_7 if segments == 7 else _SEGMENTS_14
        self._width = rng.uniform(0.45, 0.7) * CAP_HEIGHT
        self._slant = rng.uniform(-0.02, 0.2)
        self._thickness = int(rng.integers(4, 10))
        self._gap = rng.uniform(0.0, 0.14)
        self._end_shape = ("round", "pointed", "square")[seed % 3]
        if self._end_shape != "round":
            self._gap = rng.uniform(0.0, 0.06)
            self._thickness = int(rng.integers(5, 13 if segments == 7 else 8))

    def _ends(self, segment: str) -> tuple[FloatArray, FloatArray]:
        """Where a segment starts and stops on the canvas."""
        points = _SEGMENT_ENDS[segment]
        if segment == "g" and self._segments is _SEGMENTS_7:
            points = np.array([[0.0, 0.5], [1.0, 0.5]])
        x, y = points.T
        along = 14 + x * self._width + (1 - y) * self._slant * CAP_HEIGHT
        start, stop = np.stack([along, 12 + y * CAP_HEIGHT], 1).astype(np.float32)
        return start + (stop - start) * self._gap, stop + (start - stop) * self._gap

    def _outline(self, start: FloatArray, stop: FloatArray) -> FloatArray:
        """(6, 2) corners of a thick segment from one place to another."""
        half = (unit_vector(stop - start) * (self._thickness / 2)).astype(np.float32)
        aside = np.array([-half[1], half[0]], np.float32)
        if self._end_shape == "square":
            start, stop, half = start - half, stop + half, np.zeros(2, np.float32)
        there = [start, start + half + aside, stop - half + aside]
        back = [stop, stop - half - aside, start + half - aside]
        return np.asarray([*there, *back], np.float32)

    def _draw(self, symbol: str) -> Glyph | None:
        if symbol not in self._segments:
            return None
        canvas = np.zeros((CAP_HEIGHT + 24, int(self._width) + 40), np.uint8)
        for segment in self._segments[symbol]:
            start, stop = self._ends(segment)
            if self._end_shape == "round":
                first, last = start.astype(int).tolist(), stop.astype(int).tolist()
                cv2.line(canvas, first, last, 255, self._thickness, cv2.LINE_AA)
            else:
                corners = np.round(self._outline(start, stop) * 16).astype(np.int32)
                cv2.fillPoly(canvas, [corners], 255, cv2.LINE_AA, 4)
        return cut_glyph(canvas, 12 + CAP_HEIGHT, 14, self._width * 1.35)


def built_in_faces() -> list[Face]:
    """The faces that need no font file: strokes, dots and segments."""
    faces: list[Face] = []
    for face in (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX):
        faces += [StrokeFace(face, thickness) for thickness in (2, 4, 6, 9)]
    grids = [(5, 7)] * 8 + [(7, 9)] * 6 + [(9, 12)] * 5 + [(12, 16)] * 5
    faces += [DotFace(columns, rows, seed) for seed, (columns, rows) in enumerate(grids)]
    faces += [SegmentFace(7, seed) for seed in range(15)]
    faces += [SegmentFace(14, seed) for seed in range(6)]
    return faces
