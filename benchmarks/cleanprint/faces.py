"""The font files of one split, and which of their glyphs have one shape.

Fonts come from ``examples/install_fonts.sh FOLDER benchmarks/clean_print_fonts.tsv``. A family is
a package of that table; its ``dev`` families are among those that the shipped weights were trained
with, its ``choose`` and ``test`` families are not in ``configs/fonts.tsv``. The confidence is
fitted to print in ``choose`` families.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS

TABLE = Path(__file__).parent.parent / "clean_print_fonts.tsv"
UPRIGHT = re.compile(r"(Regular|Roman|Book|Medium|Semi ?Bold|Demi ?Bold|Bold)")
"""Styles that are printed; italic, thin and black cuts are left out."""
SPECIAL = re.compile(r"initials|keyboard|math|display|small ?cap|light|thin|black|heavy|ital", re.I)
CAP = 128
"""Height of a capital in pixels at which glyphs are compared."""
SAME_SIZE = 0.75
"""Pixels of the picture by which the sides of two glyphs of one shape may differ."""
SAME_SHAPE = 0.93
"""IoU, with both boxes brought to one size, from which two glyphs have one shape."""


@dataclass(frozen=True)
class Face:
    """One font file.

    Attributes:
        path: of the file.
        family: its package in the table.
        cap: height of a capital H over the font's size.
    """

    path: Path
    family: str
    cap: float

    def font(self, height: float) -> ImageFont.FreeTypeFont:
        """The font whose capitals are ``height`` pixels high."""
        return ImageFont.truetype(str(self.path), height / self.cap)


def _shape(font: ImageFont.FreeTypeFont, symbol: str) -> tuple[np.ndarray, int] | None:
    """A glyph cut to its ink, (h, w) uint8, and its top over the baseline; None without ink."""
    canvas = Image.new("L", (5 * CAP, 5 * CAP))
    ImageDraw.Draw(canvas).text((CAP, 3 * CAP), symbol, fill=255, font=font, anchor="ls")
    box = canvas.getbbox()
    return None if box is None else (np.asarray(canvas.crop(box)), 3 * CAP - box[1])


def load_face(path: Path, family: str) -> Face | None:
    """The face of a file, None if its style is not one of plain print or a symbol is missing."""
    font = ImageFont.truetype(str(path), 1000)
    name, style = font.getname()
    upright = UPRIGHT.fullmatch(style or "")
    if upright is None or SPECIAL.search(f"{name} {path.name}") or "[" in path.name:
        return None
    box = font.getbbox("H", anchor="ls")
    face = Face(path, family, (box[3] - box[1]) / 1000)
    font = face.font(CAP)
    missing = _shape(font, "\uffff")
    shapes = [_shape(font, s) for s in DEFAULT_SYMBOLS]
    if any(s is None or _equal(s, missing) for s in shapes):
        return None
    return face


def _equal(one: tuple[np.ndarray, int], two: tuple[np.ndarray, int] | None) -> bool:
    return two is not None and np.array_equal(one[0], two[0])


def load_faces(folder: Path, split: str, table: Path = TABLE) -> dict[str, list[Face]]:
    """The faces of a split by family; FileNotFoundError names the packages that are not there."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["split"] == split]
    faces: dict[str, list[Face]] = {}
    for row in rows:
        name = row["package"]
        if row["source"] == "npm":
            paths = sorted((folder / "npm").glob(f"{name}-[0-9]*.woff"))
        else:
            found = (folder / "debian" / name).glob("*")
            paths = sorted(p for p in found if p.suffix.lower() in (".ttf", ".otf"))
        own = [face for p in paths if (face := load_face(p, name)) is not None]
        if own:
            faces[name] = own
    lacking = sorted({r["package"] for r in rows} - set(faces))
    if lacking:
        raise FileNotFoundError(
            f"no fonts of {', '.join(lacking)} in {folder}; "
            f"examples/install_fonts.sh {folder} {table} fetches them"
        )
    return faces


@dataclass(frozen=True, eq=False)
class _Shapes:
    """Of every symbol: (S,) width, height and top at ``CAP``, and (S, S) IoU at one size."""

    sizes: np.ndarray
    tops: np.ndarray
    overlap: np.ndarray


@lru_cache(maxsize=512)
def _shapes(path: Path, cap: float) -> _Shapes:
    font = Face(path, "", cap).font(CAP)
    shapes = [_shape(font, s) for s in DEFAULT_SYMBOLS]
    known = [s for s in shapes if s is not None]
    sizes = np.array([(m.shape[1], m.shape[0]) for m, _ in known], float)
    small = np.array([cv2.resize(m, (48, 48), interpolation=cv2.INTER_AREA) for m, _ in known])
    flat = small.reshape(len(known), -1).astype(np.float32)
    overlap = np.array(
        [np.minimum(row, flat).sum(1) / np.maximum(row, flat).sum(1) for row in flat]
    )
    return _Shapes(sizes, np.array([t for _, t in known], float), overlap)


def twins(face: Face, height: float) -> list[str]:
    """Groups of symbols that look the same at a cap height in pixels, in their place on the line.

    Returns:
        One string of symbols a group, only groups of two and more.
    """
    shapes = _shapes(face.path, face.cap)
    size = np.abs(shapes.sizes[:, None] - shapes.sizes[None]).max(2) * height / CAP
    top = np.abs(shapes.tops[:, None] - shapes.tops[None]) * height / CAP
    return _groups((size < SAME_SIZE) & (top < SAME_SIZE) & (shapes.overlap >= SAME_SHAPE))


def scaled_twins(face: Face) -> list[str]:
    """Groups of symbols that look the same but for their size and place, as S and s."""
    shapes = _shapes(face.path, face.cap)
    aspect = np.log(shapes.sizes[:, 0] / shapes.sizes[:, 1])
    return _groups((np.abs(aspect[:, None] - aspect) < 0.1) & (shapes.overlap >= SAME_SHAPE))


def _groups(same: np.ndarray) -> list[str]:
    """The connected groups of a (S, S) relation, without those of one symbol."""
    first: dict[int, int] = {}
    for i in range(len(same)):
        own = next((first[j] for j in range(i) if same[i, j]), i)
        first[i] = own
    groups: dict[int, str] = {}
    for i, own in first.items():
        groups[own] = groups.get(own, "") + DEFAULT_SYMBOLS[i]
    return [g for g in groups.values() if len(g) > 1]


def pick(faces: Mapping[str, list[Face]], rng: np.random.Generator) -> Face:
    """A face: every family is equally likely, and every file of a family."""
    families = sorted(faces)
    own = faces[families[int(rng.integers(len(families)))]]
    return own[int(rng.integers(len(own)))]
