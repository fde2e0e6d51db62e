"""Image files and regions as they are given on the command line."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from industrial_ocr.cli import output
from industrial_ocr.errors import ConfigError, ImageError

STDIN = Path("-")
"""Stands for the image on standard input."""


def region(text: str | None, crops: bool = False) -> tuple[float, ...] | None:
    """The four numbers of ``--roi`` in pixels; ConfigError if they are not a region."""
    if text is None:
        return None
    if crops:
        raise ConfigError("--crops and --roi exclude each other")
    numbers: tuple[float, ...] = ()
    with suppress(ValueError):
        numbers = tuple(float(n) for n in text.split(","))
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ConfigError(f"--roi must be x0,y0,x1,y1 in pixels, got {text!r}")
    if numbers[2] <= numbers[0] or numbers[3] <= numbers[1]:
        raise ConfigError(
            f"--roi must be x0,y0,x1,y1 with x0 < x1 and y0 < y1, got {text!r}; for x, y, width "
            "and height write x,y,x+width,y+height"
        )
    return numbers


def find_files(paths: list[str]) -> tuple[list[Path], list[str]]:
    """The images of all arguments, and the arguments without images, already reported on stderr.

    ``-`` is ``STDIN``; a file of that name is ``./-``.
    """
    from industrial_ocr.image.load import find_images

    found: dict[Path, None] = {}
    problems = []
    for path in paths:
        if path == str(STDIN):
            found[STDIN] = None
            continue
        try:
            found.update((f.resolve() if f == STDIN else f, None) for f in find_images(path))
        except ImageError as error:
            output.complain(error)
            problems.append(path)
    return list(found), problems


def image_sources(files: Iterable[Path]) -> dict[Path, Path | bytes]:
    """The source of each image: the file itself, or the bytes of standard input."""
    return {f: sys.stdin.buffer.read() if f == STDIN else f for f in files}
