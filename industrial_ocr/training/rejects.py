"""Harvests what a detector takes for characters and is wrong about: the classifier's reject class.

python -m industrial_ocr.training.rejects --detector FILE --out rejects.npz --fonts DIR
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from industrial_ocr.config import PipelineConfig
from industrial_ocr.device import resolve_device
from industrial_ocr.errors import DatasetError
from industrial_ocr.geometry import bounds, box_iou, glyph_window, warp_quad
from industrial_ocr.manifest import find_entry
from industrial_ocr.models.craft import build_detector
from industrial_ocr.preprocess import to_grey
from industrial_ocr.stages.detection import Detector
from industrial_ocr.stages.linking import link_characters
from industrial_ocr.stages.orientation import orientations
from industrial_ocr.stages.segmentation import character_boxes
from industrial_ocr.synthesis.scenes import SceneRenderer
from industrial_ocr.types import ImageArray
from industrial_ocr.weights import load_state

WRONG = 0.2
"""A box that overlaps every true character by less than this IoU shows none of them."""
PIECE = 0.55
"""Nor does a box that lies within a character and covers less than this share of it."""
EAGER = 0.6
"""Thresholds of the harvest over those of reading: more mistakes, of more kinds."""


def load_rejects(file: Path, size: int) -> ImageArray:
    """The crops of a harvest, (N, size, size) uint8; DatasetError where it is none."""
    try:
        crops = np.load(file, allow_pickle=False)["crops"]
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"{file}: no harvest of rejects: {error}") from error
    if crops.ndim != 3 or crops.shape[1:] != (size, size) or not len(crops):
        raise DatasetError(f"{file}: crops of {size}x{size} are needed, it has {crops.shape}")
    return np.asarray(crops, np.uint8)


Box = tuple[float, float, float, float]


def shows_none(box: Box, true: list[Box]) -> bool:
    """Whether an upright box is beside all true characters, or on a mere piece of one."""
    if float(box_iou([box], true).max()) < WRONG:
        return True
    found, wanted = np.array(box), np.array(true)
    low, high = np.maximum(found[:2], wanted[:, :2]), np.minimum(found[2:], wanted[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    nearest = int(common.argmax())
    own, whole = np.prod(found[2:] - found[:2]), np.prod(wanted[:, 2:] - wanted[:, :2], axis=1)
    return bool(common[nearest] > 0.75 * own and common[nearest] < PIECE * whole[nearest])


def harvest(
    detector: Detector, renderer: SceneRenderer, seed: int, scenes: int, size: int
) -> Iterator[ImageArray]:
    """Crops (size, size) uint8 grey of wrong boxes on rendered scenes, a random way up each."""
    config = PipelineConfig()
    rules = config.segmentation
    for number in range(scenes):
        rng = np.random.default_rng((seed, number, 1))
        scene = renderer.render((seed, number))
        (maps,) = detector.detect([scene.image], config.detection)
        threshold = rules.text_threshold * EAGER
        boxes = character_boxes(maps, threshold, rules.low_text * EAGER, rules.min_char_size)
        strings = link_characters(boxes, maps, rules.link_threshold)
        true = [bounds(q) for s in scene.strings for q in s.quads]
        grey = to_grey(scene.image)
        for string in strings:
            ways = orientations(string)
            for box in ways[int(rng.integers(len(ways)))].boxes:
                if not true or shows_none(bounds(box.quad), true):
                    yield warp_quad(grey, glyph_window(box.quad), size, size)


def main() -> None:
    """Writes a harvest to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", help="name or .safetensors file; default: the shipped one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fonts", action="append", default=[])
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    entry = find_entry("detector", args.detector)
    model = build_detector(**entry.architecture)
    model.load_state_dict(load_state(entry))
    device = resolve_device("auto")
    detector = Detector(model.eval().to(device), device)
    crops = list(
        harvest(detector, SceneRenderer(tuple(args.fonts)), args.seed, args.scenes, args.size)
    )
    if not crops:
        raise DatasetError("the detector made no mistake on these scenes: nothing to harvest")
    np.savez_compressed(args.out, crops=np.stack(crops))
    print(f"{len(crops)} crops from {args.scenes} scenes in {args.out}")


if __name__ == "__main__":
    main()
