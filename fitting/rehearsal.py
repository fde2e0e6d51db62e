"""Renders the rehearsal set that ships with the package; the same seed gives the same crops.

    python -m fitting.rehearsal --out rehearsal.npz --fonts DIR

With ``--harvest`` (see ``training.harvest``) half of the crops without a character are boxes that
a detector took for one.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from industrial_ocr.datasets.synthesis.crops import REJECT, GlyphRenderer
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.errors import DatasetError
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.harvest import load_harvest
from industrial_ocr.training.retraining.rehearsal import (
    PARTS,
    LabeledCrops,
    part_of,
    save_rehearsal,
)


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


TRAINED = Legibility((14.0, 64.0), 0.9, 9.0)
MEASURED = Legibility((22.0, 64.0), 0.5, 16.0)
"""Crops to measure on are clearer: forgetting cannot be seen in what nobody can read."""
HARVEST_PARTS = {"held_out": (0.0, 0.1), "validation": (0.1, 0.15), "training": (0.15, 1.0)}
"""Which shares of a harvest each part has. The shipped classifier never saw the first tenth."""


def renderer(fonts: tuple[str, ...], part: str, legibility: Legibility) -> GlyphRenderer:
    """A renderer of crops in the font families of a part of the set."""
    made = GlyphRenderer(fonts, 40)  # the size of the shipped classifier
    made.strips = StripRenderer(fonts, heights=legibility.heights, camera=legibility.camera)
    made.strips.faces = FaceLibrary(fonts, families=lambda family: part_of(family) == part)
    return made


def render_classes(
    made: GlyphRenderer, seed: tuple[int, ...], count: int, contrast: float, strings: int = 60_000
) -> dict[str, ImageArray]:
    """``count`` crops (count, S, S) of every symbol, and 8 times as many without a character.

    Raises:
        DatasetError: so many strings do not give enough crops.
    """
    wanted = {**dict.fromkeys(DEFAULT_SYMBOLS, count), REJECT: 8 * count}
    found: dict[str, list[ImageArray]] = defaultdict(list)
    for number in range(strings):
        for crop, symbol in made.render((*seed, number)):
            faint = symbol != REJECT and crop.std() < contrast
            if not faint and len(found[symbol]) < wanted[symbol]:
                found[symbol].append(crop)
        if all(len(found[s]) == n for s, n in wanted.items()):
            return {s: np.stack(found[s]) for s in wanted}
    lacking = [s for s, n in wanted.items() if len(found[s]) < n]
    raise DatasetError(f"too few crops after {strings} strings: {lacking}")


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
    parts = []
    for number, part in enumerate(PARTS):
        legibility = TRAINED if part == "training" else MEASURED
        made = renderer(tuple(args.fonts), part, legibility)
        if args.harvest is not None:
            harvest = load_harvest(args.harvest, 40)
            made.rejects = harvest.part(*HARVEST_PARTS[part]).rejects
        count = getattr(args, part)
        classes = render_classes(made, (args.seed, number), count, legibility.contrast)
        symbols = np.repeat(list(classes), [len(crops) for crops in classes.values()])
        parts.append(LabeledCrops(np.concatenate(list(classes.values())), symbols))
        print(f"{part}: {len(symbols)} crops of {len(made.strips.faces)} faces")
    save_rehearsal(args.out, parts, args.quality)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
