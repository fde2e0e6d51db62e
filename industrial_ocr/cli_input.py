"""What several commands of ``industrial-ocr`` take from the command line."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

from industrial_ocr.cli_output import complain
from industrial_ocr.errors import ConfigError, ImageError


def region(text: str) -> tuple[float, ...]:
    """The four numbers of ``--roi``; ConfigError where they are none."""
    numbers: tuple[float, ...] = ()
    with suppress(ValueError):
        numbers = tuple(float(n) for n in text.split(","))
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ConfigError(f"--roi is x0,y0,x1,y1 in pixels, got {text!r}")
    if numbers[2] <= numbers[0] or numbers[3] <= numbers[1]:
        raise ConfigError(f"--roi is x0,y0,x1,y1 with x0 < x1 and y0 < y1, got {text!r}")
    return numbers


def find_files(paths: list[str]) -> tuple[list[Path], list[str]]:
    """The images of all arguments, and those arguments that have none, already complained of."""
    from industrial_ocr.image import find_images

    found: dict[Path, None] = {}
    problems = []
    for path in paths:
        try:
            found.update(dict.fromkeys(find_images(path)))
        except ImageError as error:
            complain(error)
            problems.append(path)
    return list(found), problems
