"""Renders the rehearsal set that ships with the package; the same seed gives the same crops.

    python -m industrial_ocr.training.adaptation.make_rehearsal --out rehearsal.npz --fonts DIR

With ``--harvest`` (see ``training.harvest``) half of the crops without a character are what a
detector took for one.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from industrial_ocr.datasets.synthesis.crops import REJECT, GlyphRenderer
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.errors import DatasetError
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.adaptation.rehearsal import PARTS, mosaic, part_of
from industrial_ocr.training.harvest import load_harvest

SIDE = 40


@dataclass(frozen=True)
class Legibility:
    """How far crops may be degraded.

    Attributes:
        heights: of the strings in pixels.
        camera: chance of each of the camera's effects, see ``datasets.synthesis.camera``.
        contrast: least standard deviation of a crop of a symbol in gray levels.
    """

    heights: tuple[float, float]
    camera: float
    contrast: float


LEARNT = Legibility((14.0, 64.0), 0.9, 9.0)
MEASURED = Legibility((22.0, 64.0), 0.5, 16.0)
"""What nobody can read says nothing about forgetting, so what is measured on is clearer."""
MOST_STRINGS = 60_000
REJECT_FACTOR = 8
"""So many times as many crops without a character as crops of one symbol."""
HARVEST = {"held_out": (0.0, 0.1), "validation": (0.1, 0.15), "training": (0.15, 1.0)}
"""Which shares of a harvest each part has; the first tenth the shipped classifier never saw."""


def renderer(
    fonts: tuple[str, ...], families: Callable[[str], bool], legibility: Legibility
) -> GlyphRenderer:
    """A renderer of crops in the font families for which ``families`` is true."""
    made = GlyphRenderer(fonts, SIDE)
    made.strips = StripRenderer(fonts, heights=legibility.heights, camera=legibility.camera)
    made.strips.faces = FaceLibrary(fonts, families=families)
    return made


def render_classes(
    made: GlyphRenderer, seed: tuple[int, ...], count: int, contrast: float
) -> dict[str, ImageArray]:
    """``count`` crops (count, S, S) of every symbol, and more without a character."""
    wanted = dict.fromkeys((*DEFAULT_SYMBOLS, REJECT), count)
    wanted[REJECT] = count * REJECT_FACTOR
    found: dict[str, list[ImageArray]] = defaultdict(list)
    for number in range(MOST_STRINGS):
        for crop, symbol in made.render((*seed, number)):
            faint = symbol != REJECT and crop.std() < contrast
            if not faint and len(found[symbol]) < wanted[symbol]:
                found[symbol].append(crop)
        if all(len(found[s]) == n for s, n in wanted.items()):
            return {s: np.stack(found[s]) for s in wanted}
    lacking = [s for s, n in wanted.items() if len(found[s]) < n]
    raise DatasetError(f"too few crops after {MOST_STRINGS} strings: {lacking}")


def _is_of(part: str, family: str) -> bool:
    return part_of(family) == part


def main() -> None:
    """Writes the set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fonts", action="append", default=[])
    parser.add_argument("--harvest", type=Path)
    parser.add_argument("--training", type=int, default=56, help="crops a symbol")
    parser.add_argument("--validation", type=int, default=30)
    parser.add_argument("--held-out", type=int, default=70)
    parser.add_argument("--quality", type=int, default=65, help="of the JPEGs")
    parser.add_argument("--seed", type=int, default=71)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    fonts = tuple(args.fonts)
    arrays: dict[str, Any] = {}
    for number, part in enumerate(PARTS):
        legibility = LEARNT if part == "training" else MEASURED
        made = renderer(fonts, partial(_is_of, part), legibility)
        if args.harvest is not None:
            bounds = HARVEST[part]
            made.rejects = load_harvest(args.harvest, SIDE).part(*bounds).rejects
        classes = render_classes(
            made, (args.seed, number), getattr(args, part), legibility.contrast
        )
        arrays[f"{part}_counts"] = np.array([len(c) for c in classes.values()])
        arrays |= {f"{part}_{i}": mosaic(c, args.quality) for i, c in enumerate(classes.values())}
        arrays["symbols"] = np.array(list(classes))
        print(f"{part}: {sum(map(len, classes.values()))} crops of {len(made.strips.faces)} faces")
    np.savez(args.out, side=np.array(SIDE), seed=np.array(args.seed), **arrays)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
