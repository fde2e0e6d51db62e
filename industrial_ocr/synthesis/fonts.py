"""Where fonts lie when nobody says."""

from __future__ import annotations

import os
from pathlib import Path

_PLACES = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts",
    "/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts",
)  # fmt: skip


def system_font_folders() -> tuple[Path, ...]:
    """The font folders of this system that exist; none is no error: built-in faces remain."""
    found = (Path(os.path.expanduser(place)) for place in _PLACES)
    return tuple(path for path in found if path.is_dir())
