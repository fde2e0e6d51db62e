"""Harvests the crops that a detector cuts from rendered scenes, for training the classifier.

Crops of wrong boxes train its reject class. Crops of right boxes show characters as in reading.

    python -m industrial_ocr.training.harvest --detector FILE --out harvest.npz --fonts DIR
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.config import PipelineConfig, SegmentationConfig
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.datasets.synthesis.plain import PlainPrinter
from industrial_ocr.datasets.synthesis.scenes import SceneRenderer
from industrial_ocr.datasets.synthesis.text import label_text, shipped_words
from industrial_ocr.detection.box_hypotheses import propose
from industrial_ocr.detection.detector import Detector
from industrial_ocr.detection.orientation import orientations
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.inference.loading import Loader
from industrial_ocr.reader.common import Clock, found_by
from industrial_ocr.results.files import BAD_NPZ, write_npz
from industrial_ocr.results.geometry import (
    axis_of,
    bounds,
    edge_lengths,
    glyph_window,
    normal_vector,
    warp_quad,
)
from industrial_ocr.results.types import BoxString, FloatArray, ImageArray

MIN_CROPS = 20
"""Smallest number of right crops, and of wrong ones, in a harvest."""
CLEARLY_ONE, CLEARLY_TWO = 0.35, 0.6
"""Limits for a box on two characters: distance from the nearer center / from the other one.

Up to the first limit the box shows the nearer character, above the second one it shows two.
"""
Picture = tuple[ImageArray, Sequence[LabeledString]]
"""(H, W, 3) uint8 RGB, and all strings on it."""


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


@dataclass(frozen=True, eq=False)
class TrueCharacters:
    """The characters that are printed on a picture.

    Attributes:
        symbols: (N,) their symbols.
        quads: (N, 4, 2) in pixels.
    """

    symbols: Sequence[str]
    quads: FloatArray

    def label(self, quad: FloatArray) -> str | None:
        """What the box (4, 2) of a detector or of a proposal shows, in its own orientation.

        Returns:
            The symbol of the one character it shows; ``REJECT`` if it shows none, a part of one,
            or two and none of them in its middle; None if that is not clear.
        """
        axis = axis_of(quad)
        upright = np.stack([axis, normal_vector(axis)], axis=1)
        own = np.array(bounds(quad @ upright))
        if not len(self.quads):
            return REJECT
        corners = self.quads @ upright
        true = np.concatenate([corners.min(1), corners.max(1)], axis=1)
        low, high = np.maximum(own[:2], true[:, :2]), np.minimum(own[2:], true[:, 2:])
        common = np.prod(np.clip(high - low, 0, None), axis=1)
        covered = common / np.maximum(np.prod(true[:, 2:] - true[:, :2], axis=1), 1e-6)
        area = np.prod(own[2:] - own[:2])
        if common.max() < 0.2 * area and covered.max() < 0.2:
            return REJECT
        nearest = int(common.argmax())
        if common[nearest] > 0.75 * area and covered[nearest] < 0.55:
            return REJECT
        apart = np.linalg.norm((true[:, :2] + true[:, 2:] - own[:2] - own[2:]) / 2, axis=1)
        apart[covered < 0.6] = np.inf
        first, *others = np.argsort(apart)[:2].tolist()
        if others and np.isfinite(apart[others[0]]):
            share = float(apart[first] / max(apart[others[0]], 1e-6))
            if share > CLEARLY_TWO:
                return REJECT
            if share > CLEARLY_ONE:
                return None
        off = np.linalg.norm(self.quads[first] - quad, axis=1).mean()
        near = off < 0.22 * max(edge_lengths(self.quads[first]))
        return self.symbols[first] if near and covered[first] >= 0.6 else None


def harvest(
    detector: Detector, pictures: Iterable[Picture], seed: int, size: int
) -> Iterator[tuple[ImageArray, str]]:
    """Crops (size, size) uint8 gray of all boxes that reading would classify, with their symbols.

    These are the boxes of the detector and those that ``propose`` makes of them. Crops of wrong
    ones have the symbol ``REJECT`` and are turned at random; those of right ones are upright.
    """
    rng = np.random.default_rng((seed, 1))
    for image, printed in pictures:
        true = TrueCharacters(
            list(chain.from_iterable(s.symbols for s in printed)),
            np.concatenate([s.quads for s in printed] or [np.zeros((0, 4, 2), np.float32)]),
        )
        gray = to_gray(image)
        for string in possible_strings(image, detector):
            ways = orientations(string)
            chosen = int(rng.integers(len(ways)))
            for turn, way in enumerate(ways):
                for box in propose(way, gray).boxes:
                    symbol = true.label(box.quad)
                    if symbol is None or (symbol == REJECT and turn != chosen):
                        continue
                    yield warp_quad(gray, glyph_window(box.quad), size, size), symbol


def scenes_and_lines(renderer: SceneRenderer, seed: int, count: int) -> Iterator[Picture]:
    """Rendered scenes, and as many lines of plain print of 9 to 64 pixels."""
    printer = PlainPrinter(renderer.faces, shipped_words())
    for number in range(count):
        scene = renderer.render((seed, number))
        yield scene.image, scene.strings
        rng = np.random.default_rng((seed, number, 2))
        line = printer.picture(rng, label_text(rng, printer.words), (9.0, 64.0), tilt=3.0)
        if line is not None:
            yield line[0], (line[1],)


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
    pictures = scenes_and_lines(renderer, args.seed, args.scenes)
    found = list(harvest(detector, pictures, args.seed, args.size))
    rejects = [crop for crop, symbol in found if symbol == REJECT]
    characters = [crop for crop, symbol in found if symbol != REJECT]
    if min(len(rejects), len(characters)) < MIN_CROPS:
        raise DatasetError(f"{len(rejects)} wrong and {len(characters)} right boxes: too few")
    symbols = np.array([symbol for _, symbol in found if symbol != REJECT])
    write_npz(args.out, rejects=np.stack(rejects), characters=np.stack(characters), symbols=symbols)
    print(f"{len(rejects)} rejects, {len(characters)} characters of {args.scenes} scenes")


if __name__ == "__main__":
    main()
