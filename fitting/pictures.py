"""Rendered pictures for the fits of this folder, read in parallel processes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.datasets.synthesis.plain import PlainPrinter
from industrial_ocr.datasets.synthesis.scenes import SceneRenderer
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.datasets.synthesis.text import label_text, shipped_words
from industrial_ocr.results.files import sha256_of
from industrial_ocr.results.geometry import inside
from industrial_ocr.results.types import FloatArray, ImageArray

PICTURE_SHARES = {"crop of one string": 0.3, "one plain line": 0.42, "label": 0.16, "scene": 0.12}
"""Share of each kind of picture; labels are plain print, scenes are worn and cluttered."""

Result = TypeVar("Result")


def pictures(
    fonts: Sequence[str], plain_fonts: Sequence[str], numbers: Iterable[int], seed: int
) -> Iterator[tuple[ImageArray, tuple[LabeledString, ...], bool]]:
    """Rendered pictures of all difficulties, clean print among them.

    Args:
        fonts: folders with font files.
        plain_fonts: folders with ordinary ones, for plain print.
        numbers: of the pictures; a number and the seed decide what a picture shows.
        seed: any.

    Yields:
        (H, W, 3) uint8 RGB, what is printed on it, and whether it is a crop of one string.
    """
    scenes = SceneRenderer(tuple(fonts), (420, 420))
    labels = SceneRenderer(tuple(plain_fonts), (420, 420), plain=1.0)
    strips = StripRenderer(tuple(fonts), plain=0.4, loose=0.3, heights=(10.0, 64.0))
    printer = PlainPrinter(labels.faces, shipped_words())
    kinds, limits = tuple(PICTURE_SHARES), np.cumsum(list(PICTURE_SHARES.values()))[:-1]
    for number in numbers:
        rng = np.random.default_rng((seed, number))
        kind = kinds[int(np.searchsorted(limits, rng.random(), "right"))]
        if kind == "crop of one string":
            strip = strips.render((seed, number, 1))
            yield strip.image, (strip.string,), True
        elif kind == "one plain line":
            printed = printer.picture(rng, label_text(rng, printer.words), (9.0, 64.0), tilt=3.0)
            if printed is not None:
                yield printed[0], (printed[1],), False
        else:
            renderer = labels if kind == "label" else scenes
            scene = renderer.render((seed, number, 2))
            yield scene.image, scene.strings, False


def printed_within(
    place: FloatArray, printed: Sequence[LabeledString]
) -> list[tuple[str, FloatArray]]:
    """The symbols whose centers lie in a quad (4, 2), each with its center (2,)."""
    found = []
    for string in printed:
        centers = string.quads.mean(1)
        found += [(s, c) for s, c in zip(string.symbols, centers, strict=True) if inside(place, c)]
    return found


def font_record(folders: Sequence[str]) -> dict[str, int | str]:
    """The number of font files in folders, and a hash of their names and contents."""
    files = sorted(FaceLibrary(folders).files, key=lambda file: file.name)
    found = sha256()
    for file in files:
        found.update(f"{file.name} {sha256_of(file)}\n".encode())
    return {"files": len(files), "sha256": found.hexdigest()}


def arguments(about: str | None, count: int, out: Path) -> argparse.ArgumentParser:
    """The options of every fit; ``count`` pictures and the file ``out`` by default."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--fonts", action="append", default=[], help="folder with font files")
    parser.add_argument("--plain-fonts", action="append", help="ordinary ones, for plain print")
    parser.add_argument("--pictures", type=int, default=count)
    parser.add_argument("--seed", type=int, default=7_000_003)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=out)
    return parser


def asked_pictures(
    asked: argparse.Namespace, numbers: Iterable[int]
) -> Iterator[tuple[ImageArray, tuple[LabeledString, ...], bool]]:
    """``pictures`` with the options of ``arguments``."""
    return pictures(asked.fonts, asked.plain_fonts or asked.fonts, numbers, asked.seed)


def map_pictures(
    function: Callable[[argparse.Namespace, range], Result],
    asked: argparse.Namespace,
    chunk: int = 50,
) -> list[Result]:
    """Calls a function of a module in parallel on the options and the numbers of some pictures."""
    starts = range(0, asked.pictures, chunk)
    chunks = [range(first, min(first + chunk, asked.pictures)) for first in starts]
    with ProcessPoolExecutor(
        asked.workers, get_context("spawn"), cv2.setNumThreads, (1,)
    ) as processes:
        return list(processes.map(partial(function, asked), chunks))
