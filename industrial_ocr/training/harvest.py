"""Harvests the crops that a detector cuts from rendered scenes, for training the classifier.

Crops of wrong boxes train its reject class. Crops of right boxes show characters as in reading.

    python -m industrial_ocr.training.harvest --detector FILE --out harvest.npz --fonts DIR
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.config import PipelineConfig, SegmentationConfig
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.datasets.synthesis.scenes import SceneRenderer
from industrial_ocr.detection.detector import Detector
from industrial_ocr.detection.orientation import orientations
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.inference.loading import Loader
from industrial_ocr.reader.common import Clock, found_by
from industrial_ocr.results.files import BAD_NPZ, write_npz
from industrial_ocr.results.geometry import (
    Rectangle,
    bounds,
    box_iou,
    edge_lengths,
    glyph_window,
    warp_quad,
)
from industrial_ocr.results.types import BoxString, FloatArray, ImageArray

MIN_CROPS = 20
"""Smallest number of right crops, and of wrong ones, in a harvest."""


@dataclass(frozen=True, eq=False)
class Harvest:
    """Crops that a detector cut from rendered scenes.

    Attributes:
        rejects: (N, S, S) uint8 gray, crops of boxes without a character.
        characters: (M, S, S) uint8 gray, upright crops of boxes of a character.
        symbols: (M,) symbols of ``characters``.
    """

    rejects: ImageArray
    characters: ImageArray
    symbols: NDArray[np.str_]

    def part(self, low: float, high: float) -> Harvest:
        """The crops between two shares of their order, for example from 0.1 to 1."""

        def cut(array: NDArray[Any]) -> NDArray[Any]:
            return array[int(low * len(array)) : int(high * len(array))]

        return Harvest(cut(self.rejects), cut(self.characters), cut(self.symbols))


def load_harvest(file: Path, size: int) -> Harvest:
    """Reads a harvest; DatasetError if the file is damaged or has too few crops of this size."""
    try:
        with np.load(file, allow_pickle=False) as found:
            harvest = Harvest(found["rejects"], found["characters"], found["symbols"])
    except BAD_NPZ as error:
        raise DatasetError(f"{file}: not a harvest: {error}") from error
    for crops in (harvest.rejects, harvest.characters):
        if crops.ndim != 3 or crops.shape[1:] != (size, size) or len(crops) < MIN_CROPS:
            raise DatasetError(
                f"{file}: at least {MIN_CROPS} crops of {size}x{size} are needed, it has "
                f"{crops.shape}"
            )
    return harvest


def shows_none(box: Rectangle, true: list[Rectangle]) -> bool:
    """Whether an upright box shows no character: it is beside all of them, or on a part of one.

    Args:
        box: left, top, right, bottom in pixels.
        true: the boxes of all characters, at least one.
    """
    if float(box_iou([box], true).max()) < 0.2:
        return True
    found, wanted = np.array(box), np.array(true)
    low, high = np.maximum(found[:2], wanted[:, :2]), np.minimum(found[2:], wanted[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    nearest = int(common.argmax())
    own, whole = np.prod(found[2:] - found[:2]), np.prod(wanted[:, 2:] - wanted[:, :2], axis=1)
    return bool(common[nearest] > 0.75 * own and common[nearest] < 0.55 * whole[nearest])


def shown_character(quad: FloatArray, quads: FloatArray) -> int | None:
    """The index of the true quad (N, 4, 2) that a box shows in the same orientation, or None.

    The corners must differ by less than 22 % of the character's size on average.
    """
    apart = np.linalg.norm(quads - quad, axis=2).mean(1)
    nearest = int(apart.argmin())
    return nearest if apart[nearest] < 0.22 * max(edge_lengths(quads[nearest])) else None


def harvest(
    detector: Detector, renderer: SceneRenderer, seed: int, scenes: int, size: int
) -> Iterator[tuple[ImageArray, str]]:
    """Crops (size, size) uint8 gray of detected boxes on rendered scenes, with their symbols.

    Crops of wrong boxes have the symbol ``REJECT`` and are turned at random; those of right boxes
    are upright. Other boxes, such as those on two characters, are left out.
    """
    for number in range(scenes):
        rng = np.random.default_rng((seed, number, 1))
        scene = renderer.render((seed, number))
        strings = possible_strings(scene.image, detector)
        quads = np.concatenate(
            [s.quads for s in scene.strings] or [np.zeros((0, 4, 2), np.float32)]
        )
        symbols = list(chain.from_iterable(s.symbols for s in scene.strings))
        true = [bounds(q) for q in quads]
        gray = to_gray(scene.image)
        for string in strings:
            ways = orientations(string)
            chosen = int(rng.integers(len(ways)))
            for turn, way in enumerate(ways):
                for box in way.boxes:
                    at = shown_character(box.quad, quads) if true else None
                    wrong = not true or shows_none(bounds(box.quad), true)
                    if at is None and not (wrong and turn == chosen):
                        continue
                    crop = warp_quad(gray, glyph_window(box.quad), size, size)
                    yield crop, REJECT if at is None else symbols[at]


def possible_strings(image: ImageArray, detector: Detector) -> list[BoxString]:
    """The strings that are detected on an image at all scales, as in reading.

    Lower thresholds than those of reading give more mistakes, of more kinds.
    """
    usual = SegmentationConfig()
    rules = SegmentationConfig(
        text_threshold=usual.text_threshold * 0.6, low_text=usual.low_text * 0.6
    )
    return found_by(detector, [image], PipelineConfig(segmentation=rules), Clock())[0]


def main() -> None:
    """Writes a harvest to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", help="name or .safetensors file; default: the shipped one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fonts", action="append", default=[])
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--plain", type=float, default=0.0, help="share of labels in plain print")
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    detector = Detector(*Loader().detector(args.detector))
    renderer = SceneRenderer(tuple(args.fonts), plain=args.plain)
    found = list(harvest(detector, renderer, args.seed, args.scenes, args.size))
    rejects = [crop for crop, symbol in found if symbol == REJECT]
    characters = [crop for crop, symbol in found if symbol != REJECT]
    if min(len(rejects), len(characters)) < MIN_CROPS:
        raise DatasetError(f"{len(rejects)} wrong and {len(characters)} right boxes: too few")
    symbols = np.array([symbol for _, symbol in found if symbol != REJECT])
    write_npz(args.out, rejects=np.stack(rejects), characters=np.stack(characters), symbols=symbols)
    print(f"{len(rejects)} rejects, {len(characters)} characters of {args.scenes} scenes")


if __name__ == "__main__":
    main()
