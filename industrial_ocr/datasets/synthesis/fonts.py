"""Where fonts lie when nobody says, and what a set of folders gives."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from industrial_ocr.datasets.synthesis.faces import FaceLibrary, built_in_faces

_PLACES = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts",
    "/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts",
)  # fmt: skip


def system_font_folders() -> tuple[Path, ...]:
    """The font folders of this system that exist; none is no error: built-in faces remain."""
    found = []
    for place in _PLACES:
        try:
            path = Path(place).expanduser()
        except RuntimeError:  # a user without a home, as in some containers
            continue
        if path.is_dir():
            found.append(path)
    return tuple(found)


def describe_fonts(folders: Iterable[str | Path]) -> str:
    """One line for people: how many font files the folders hold, and the faces that need none.

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
