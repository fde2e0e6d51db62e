"""The faces for training: font files in any folder, and faces that need no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from numpy.random import Generator

from industrial_ocr.datasets.synthesis.built_in_faces import built_in_faces
from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.glyphs import FontFace, GlyphSource
from industrial_ocr.errors import DatasetError

_SYSTEM_FOLDERS = (
    *("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts"),
    *("/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts"),
)
FONT_SUFFIXES = frozenset({".ttf", ".otf", ".ttc", ".woff"})
_WORDS_ONLY, _FOREIGN = "lettering", "foreign"
"""Names of folders with fonts for words only (handwriting, signs), and for other scripts."""
_HAN, _CYRILLIC, _HIRAGANA = (range(0x4E00, 0x9FA0), range(0x0410, 0x0430), range(0x3041, 0x3097))
_CYRILLIC_LIKE_LATIN = frozenset("АВЕКМНОРСТУХЗБ")


def system_font_folders() -> tuple[Path, ...]:
    """The font folders of this system that exist; there may be none."""
    found = []
    for place in _SYSTEM_FOLDERS:
        try:
            path = Path(place).expanduser()
        except RuntimeError:  # some containers have users without a home
            continue
        if path.is_dir():
            found.append(path)
    return tuple(found)


def describe_fonts(folders: Iterable[str | Path]) -> str:
    """A line that tells how many font files the folders have, and which faces need none.

    Raises:
        DatasetError: a folder does not exist.
    """
    folders = tuple(folders)
    built_in = len(built_in_faces())
    files = len(FaceLibrary(folders)) - built_in
    places = ", ".join(map(str, folders)) or "no folder"
    return (
        f"{files} font files in {places}, and the {built_in} built-in faces "
        "(strokes, dot matrix, segments) that need no file"
    )


@lru_cache(maxsize=4)
def _font_files(folders: tuple[str, ...]) -> tuple[tuple[Path, frozenset[str]], ...]:
    """Font files, each with the names of its parent folders below the given folder."""
    found: dict[str, tuple[Path, frozenset[str]]] = {}
    for folder in folders:
        root = Path(folder)
        if not root.exists():
            raise DatasetError(
                f"{folder}: no such font folder; examples/install_fonts.sh fills one, "
                "and without any the fonts of the system are used"
            )
        files = (p for p in root.rglob("*") if p.suffix.lower() in FONT_SUFFIXES)
        for path in sorted(files):
            within = frozenset(path.relative_to(root).parts[:-1])
            found.setdefault(path.stem.lower(), (path, within))
    return tuple(found.values())


def _family(stem: str) -> str:
    """The name of a font's family, equal for "IBMPlexMono-Bold" and "ibm-plex-mono-latin-700"."""
    name, packaged, _ = stem.lower().partition("-latin")
    return name if packaged else name.split("-")[0][:10]


class FaceLibrary:
    """All faces for training; fonts are opened at their first use.

    Args:
        folders: folders with font files, which are searched recursively; of files with the same
            name, one is used.
        skip: parts of the names of files that are left out (symbol fonts, other scripts).
        built_in: chance of a face that needs no font file; 1 if no font is found.
        families: whether a font family, by its name, may be used; None for all.
    """

    SKIP = (
        *("symbol", "dingbat", "emoji", "math", "icon", "braille", "d050000l", "standardsymbols"),
        *("arab", "thai", "hebr", "devanagari", "awesome", "fantasma", "humor"),
    )

    def __init__(
        self,
        folders: Iterable[str | Path] = (),
        skip: tuple[str, ...] = SKIP,
        built_in: float = 0.18,
        families: Callable[[str], bool] | None = None,
    ) -> None:
        self._files: list[Path] = []
        self._foreign: list[Path] = []
        usual: dict[str, list[Path]] = {}
        words_only: dict[str, list[Path]] = {}
        for path, within in _font_files(tuple(str(f) for f in folders)):
            family = _family(path.stem)
            if any(s in path.name.lower() for s in skip):
                continue
            if families is not None and not families(family):
                continue
            if _FOREIGN in within:
                self._foreign.append(path)
                continue
            self._files.append(path)
            (words_only if _WORDS_ONLY in within else usual).setdefault(family, []).append(path)
        self._families = [usual[name] for name in sorted(usual)]
        self._words_only = [words_only[name] for name in sorted(words_only)]
        self._open: dict[Path, FontFace | None] = {}
        self._built_in = built_in_faces()
        self._segments = [f for f in self._built_in if f.name.startswith("segments-7")]
        self._built_in_share = built_in if usual else 1.0

    @property
    def files(self) -> tuple[Path, ...]:
        """All font files, those of other scripts last."""
        return (*self._files, *self._foreign)

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
        """All usable font files, opened."""
        return [face for face in map(self._font, self._files) if face is not None]

    def load(self, symbols: Iterable[str]) -> None:
        """Draws every glyph of every face now, instead of at its first use."""
        wanted = tuple(symbols)
        for face in (*self._built_in, *self.font_faces()):
            for symbol in filter(face.supports, wanted):
                face.glyph(symbol)

    def foreign(self, rng: Generator) -> tuple[FontFace, str] | None:
        """A font and one of its characters of another writing system; None without such fonts."""
        face = self._font(pick(rng, self._foreign)) if self._foreign else None
        if face is None:
            return None
        for _ in range(20):
            block = pick(rng, (_HAN, _HAN, _CYRILLIC, _HIRAGANA))
            character = chr(pick(rng, block))
            if character not in _CYRILLIC_LIKE_LATIN and face.supports(character):
                return face, character
        return None

    def pick(self, rng: Generator, text: str = "", lettering: float = 0.0) -> GlyphSource:
        """A face that has all characters of ``text``; all families have the same chance.

        Texts of digits are often in seven segments, which cannot show other texts. ``lettering`` is
        the chance of a face for words only, if there is one.
        """
        needed = set(text) - {" "}
        share = 0.3 if self._built_in_share else 0.0
        if needed and needed <= set("0123456789-") and rng.random() < share:
            return pick(rng, self._segments)
        lettered = bool(lettering and self._words_only) and rng.random() < lettering
        for _ in range(40):
            face: GlyphSource | None
            if lettered:
                face = self._font(pick(rng, pick(rng, self._words_only)))
            elif rng.random() < self._built_in_share:
                face = pick(rng, self._built_in)
            else:
                face = self._font(pick(rng, pick(rng, self._families)))
            if face is not None and all(face.supports(c) for c in needed):
                return face
        return self._built_in[0]
