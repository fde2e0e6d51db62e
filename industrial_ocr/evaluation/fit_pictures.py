"""Rendered pictures to which the fitted numbers of reading are fitted, looked at in parallel."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch

from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.datasets.synthesis.plain import PlainPrinter
from industrial_ocr.datasets.synthesis.scenes import SceneRenderer
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.datasets.synthesis.text import shipped_words
from industrial_ocr.results.types import ImageArray

SEED = 7_000_003
CHUNK = 50
"""Pictures that one process looks at before it takes the next ones."""
STRIPS, LINES, LABELS = 0.3, 0.42, 0.16
"""Shares of crops of one string, of pictures of one plain line, and of labels; the rest are scenes
of worn and cluttered print."""

Result = TypeVar("Result")


def pictures(
    fonts: Sequence[str], plain_fonts: Sequence[str], numbers: Iterable[int], seed: int
) -> Iterator[tuple[ImageArray, tuple[LabeledString, ...], bool]]:
    """Rendered pictures of all difficulties, clean print among them.

    Args:
        fonts: folders with font files.
        plain_fonts: folders with ordinary ones, for plain print.
        numbers: which pictures of the endless row that ``seed`` gives.
        seed: of the row.

    Yields:
        (H, W, 3) uint8 RGB, what is printed on it, and whether it is cut out around one string.
    """
    scenes = SceneRenderer(tuple(fonts), (420, 420))
    labels = SceneRenderer(tuple(plain_fonts), (420, 420), plain=1.0)
    strips = StripRenderer(tuple(fonts), plain=0.4, loose=0.3, heights=(10.0, 64.0))
    printer = PlainPrinter(labels.faces, shipped_words())
    for number in numbers:
        rng = np.random.default_rng((seed, number))
        kind = rng.random()
        if kind < STRIPS:
            strip = strips.render((seed, number, 1))
            yield strip.image, (strip.string,), True
        elif kind < STRIPS + LINES:
            printed = printer.picture(rng, printer.text(rng), (9.0, 64.0), tilt=3.0)
            if printed is not None:
                yield printed[0], (printed[1],), False
        else:
            plain = kind < STRIPS + LINES + LABELS
            scene = (labels if plain else scenes).render((seed, number, 2))
            yield scene.image, scene.strings, False


def arguments(about: str | None, count: int, out: Path) -> argparse.ArgumentParser:
    """What every fit asks for.

    Args:
        about: what the fit does.
        count: how many pictures are rendered if nobody says.
        out: where it is written.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--fonts", action="append", default=[], help="folder with font files")
    parser.add_argument("--plain-fonts", action="append", help="ordinary ones, for plain print")
    parser.add_argument("--pictures", type=int, default=count)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=out)
    return parser


def looked_at(
    look: Callable[[argparse.Namespace, range], Result], asked: argparse.Namespace
) -> list[Result]:
    """What ``look`` gives of every chunk of the pictures, in their order.

    Args:
        look: takes the arguments and the numbers of some pictures; a function of a module.
        asked: of ``arguments``.
    """
    chunks = [
        range(first, min(first + CHUNK, asked.pictures))
        for first in range(0, asked.pictures, CHUNK)
    ]
    with ProcessPoolExecutor(asked.workers, get_context("spawn"), _one_thread) as processes:
        return list(processes.map(partial(look, asked), chunks))


def _one_thread() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
