"""The faces that training draws from: font files of any folder, and those that need no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from industrial_ocr.datasets.synthesis.glyphs import (
    DotFace,
    FontFace,
    GlyphSource,
    SegmentFace,
    StrokeFace,
)
from industrial_ocr.datasets.synthesis.text import DIGITS
from industrial_ocr.errors import DatasetError

SEGMENTS_SHARE = 0.3
"""How many texts of digits alone are set in seven segments."""


def built_in_faces() -> list[GlyphSource]:
    """The faces that need no font file: strokes, dots and segments."""
    faces: list[GlyphSource] = []
    for face in (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX):
        faces += [StrokeFace(face, t) for t in (2, 4, 6, 9)]
    for seed, (columns, rows) in enumerate(
        [(5, 7)] * 8 + [(7, 9)] * 6 + [(9, 12)] * 5 + [(12, 16)] * 5
    ):
        faces.append(DotFace(columns, rows, seed))
    faces += [SegmentFace(7, s) for s in range(15)] + [SegmentFace(14, s) for s in range(6)]
    return faces


LETTERING, FOREIGN = "lettering", "foreign"
"""Folders of fonts for words alone (scripts, signs), and of those with other writing systems."""

_FOREIGN_BLOCKS = ((0x4E00, 0x9FA0), (0x4E00, 0x9FA0), (0x0410, 0x0430), (0x3041, 0x3097))
"""Han twice, Cyrillic capitals, Hiragana: what stands beside codes and is none of the symbols."""

_FOREIGN_TWINS = frozenset("АВЕКМНОРСТУХЗБ")
"""Cyrillic letters that look like symbols."""


@lru_cache(maxsize=4)
def _font_files(folders: tuple[str, ...]) -> tuple[tuple[Path, frozenset[str]], ...]:
    """Font files, each with the names of the folders that it lies in below the given one."""
    suffixes = {".ttf", ".otf", ".woff"}
    found: dict[str, tuple[Path, frozenset[str]]] = {}
    for folder in folders:
        root = Path(folder)
        if not root.exists():
            raise DatasetError(
                f"{folder}: no such font folder; examples/install_fonts.sh fills one, "
                "and without any the fonts of the system are used"
            )
        for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in suffixes):
            within = frozenset(path.relative_to(root).parts[:-1])
            found.setdefault(path.stem.lower(), (path, within))
    return tuple(found.values())


def _family(stem: str) -> str:
    """What the faces of one family share: "IBMPlexMono-Bold" and "ibm-plex-mono-latin-700"."""
    name, packaged, _ = stem.lower().partition("-latin")
    return name if packaged else name.split("-")[0][:10]


class FaceLibrary:
    """Every face that training draws from; fonts are opened when first used.

    Args:
        folders: searched for font files, recursively; the same file name counts once.
        skip: parts of file names that are left out (symbol fonts, other scripts).
        built_in: chance of a face that needs no font file; 1 where no font is found.
        families: whether a font family, by its name, may be used; None for all.
    """

    SKIP = (
        "symbol", "dingbat", "emoji", "math", "icon", "braille", "d050000l", "standardsymbols",
        "arab", "thai", "hebr", "devanagari", "awesome", "fantasma", "humor",
    )  # fmt: skip

    def __init__(
        self,
        folders: Iterable[str | Path] = (),
        skip: tuple[str, ...] = SKIP,
        built_in: float = 0.18,
        families: Callable[[str], bool] | None = None,
    ) -> None:
        files = _font_files(tuple(str(f) for f in folders))
        chosen = [
            (path, within)
            for path, within in files
            if not any(s in path.name.lower() for s in skip)
            and (families is None or families(_family(path.stem)))
        ]
        self._foreign = [path for path, within in chosen if FOREIGN in within]
        self._files = [path for path, within in chosen if FOREIGN not in within]
        self._families: dict[str, list[Path]] = {}
        self._lettering: dict[str, list[Path]] = {}
        for path, within in chosen:
            if FOREIGN not in within:
                kind = self._lettering if LETTERING in within else self._families
                kind.setdefault(_family(path.stem), []).append(path)
        self._names, self._lettering_names = sorted(self._families), sorted(self._lettering)
        self._open: dict[Path, FontFace | None] = {}
        self._built_in = built_in_faces()
        self._segments = [f for f in self._built_in if f.name.startswith("segments-7")]
        self._built_in_share = built_in if self._families else 1.0

    def __len__(self) -> int:
        return len(self._files) + len(self._built_in)

    def _font(self, path: Path) -> FontFace | None:
        if path not in self._open:
            try:
                self._open[path] = FontFace(path)
            except DatasetError:
                self._open[path] = None
        return self._open[path]

    def font_faces(self) -> list[FontFace]:
        """Every font file that can be used, opened."""
        return [face for face in map(self._font, self._files) if face is not None]

    def load(self, symbols: Iterable[str]) -> None:
        """Draws every glyph of every face now; otherwise each is drawn when first needed."""
        wanted = tuple(symbols)
        faces: list[GlyphSource | None] = [*self._built_in, *map(self._font, self._files)]
        for face in faces:
            for symbol in wanted if face is not None else ():
                if face is not None and face.supports(symbol):
                    face.glyph(symbol)

    def foreign(self, rng: np.random.Generator) -> tuple[FontFace, str] | None:
        """A face and a character of it that is none of the symbols; None without such fonts."""
        if not self._foreign:
            return None
        face = self._font(self._foreign[int(rng.integers(len(self._foreign)))])
        for _ in range(20 if face is not None else 0):
            first, last = _FOREIGN_BLOCKS[int(rng.integers(len(_FOREIGN_BLOCKS)))]
            character = chr(int(rng.integers(first, last)))
            if face is not None and character not in _FOREIGN_TWINS and face.supports(character):
                return face, character
        return None

    def pick(self, rng: np.random.Generator, text: str = "", lettering: float = 0.0) -> GlyphSource:
        """A face that supports every character of ``text``; families come up equally often.

        Digits alone are often set in seven segments, which no other text can be.

        Args:
            rng: source of chance.
            text: what is to be set in it.
            lettering: chance of a face for words alone, where there is one.
        """
        needed = set(text) - {" "}
        share = SEGMENTS_SHARE if self._built_in_share else 0.0
        if needed and needed <= set(DIGITS + "-") and rng.random() < share:
            return self._segments[int(rng.integers(len(self._segments)))]
        lettered = bool(lettering and self._lettering) and rng.random() < lettering
        for _ in range(40):
            if lettered:
                name = self._lettering_names[int(rng.integers(len(self._lettering_names)))]
                files = self._lettering[name]
                face: GlyphSource | None = self._font(files[int(rng.integers(len(files)))])
            elif rng.random() < self._built_in_share:
                face = self._built_in[int(rng.integers(len(self._built_in)))]
            else:
                family = self._families[self._names[int(rng.integers(len(self._names)))]]
                face = self._font(family[int(rng.integers(len(family)))])
            if face is not None and all(face.supports(c) for c in needed):
                return face
        return self._built_in[0]
