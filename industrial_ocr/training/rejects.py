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
from industrial_ocr.models.craft import build_detector
from industrial_ocr.preprocess import to_grey
from industrial_ocr.stages.detection import Detector
from industrial_ocr.stages.linking import link_characters, orientations
from industrial_ocr.stages.segmentation import character_boxes
from industrial_ocr.synthesis.scenes import SceneRenderer
from industrial_ocr.types import ImageArray
from industrial_ocr.weights import find_entry, load_state

WRONG = 0.2
"""A box that overlaps every true character by less than this IoU shows none of them."""


def load_rejects(file: Path, size: int) -> ImageArray:
    """The crops of a harvest, (N, size, size) uint8; DatasetError where it is none."""
    try:
        crops = np.load(file, allow_pickle=False)["crops"]
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"{file}: no harvest of rejects: {error}") from error
    if crops.ndim != 3 or crops.shape[1:] != (size, size) or not len(crops):
        raise DatasetError(f"{file}: crops of {size}x{size} are needed, it has {crops.shape}")
    return np.asarray(crops, np.uint8)


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
        boxes = character_boxes(maps, rules.text_threshold, rules.low_text, rules.min_char_size)
        strings = link_characters(boxes, maps, rules.link_threshold)
        true = [bounds(q) for s in scene.strings for q in s.quads]
        grey = to_grey(scene.image)
        for string in strings:
            ways = orientations(string)
            for box in ways[int(rng.integers(len(ways)))].boxes:
                if true and float(box_iou([bounds(box.quad)], true).max()) >= WRONG:
                    continue
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
