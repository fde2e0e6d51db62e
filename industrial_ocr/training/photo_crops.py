"""Cuts crops of characters from photographs, for training the classifier.

The strings are those that ``training.photo_labels`` has kept. A crop is that of a detected box on
the magnified and level string, as in reading; the recognizer's alignment says which character it
is. Boxes on photographs where neither the other engine nor the published CRAFT (``craft-mlt-25k``)
sees text are crops without a character.

    python -m industrial_ocr.training.photo_crops PHOTOS --labels labels.tsv --out crops.npz
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from industrial_ocr.datasets.photos import (
    CROP_MARGIN,
    PhotoString,
    is_held_out,
    read_hints,
    read_strings,
    read_windows,
)
from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.detection.detector import Detector
from industrial_ocr.detection.orientation import orientations, usual_orientation
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.load import load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.inference.craft_mlt import NAME
from industrial_ocr.inference.loading import Loader
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.files import write_npz
from industrial_ocr.results.geometry import (
    bounds,
    box_iou,
    edge_lengths,
    expand_quad,
    glyph_window,
    warp_quad,
)
from industrial_ocr.results.types import FloatArray, ImageArray
from industrial_ocr.training.harvest import possible_strings
from industrial_ocr.training.line.characters import BoxedString, boxed_strings
from industrial_ocr.training.line.strings import LineString
from industrial_ocr.training.teacher_maps import (
    on_photograph,
    seen_parts,
    sure_characters,
    teacher_maps,
)

PhotoCrop = tuple[ImageArray, str, str, bool]
"""(S, S) uint8 gray with its margin, the symbol, the source, and whether it is held out."""
SURE = 0.9
"""A box without a label may show a character if the classifier gives one this probability."""


def cut(gray: ImageArray, quad: FloatArray, size: int) -> ImageArray:
    """The classifier's crop of a character with ``CROP_MARGIN`` more pixels on all sides."""
    window = glyph_window(quad)
    room = CROP_MARGIN / size * edge_lengths(window)[0]
    side = size + 2 * CROP_MARGIN
    return warp_quad(gray, expand_quad(window, room, room), side, side)


def character_crops(
    image: ImageArray, strings: Sequence[PhotoString], models: Models
) -> Iterator[tuple[ImageArray, str]]:
    """The crops of the characters of strings on a photograph, with their symbols."""
    lines = [LineString(str(i), s.text, image, s.quad) for i, s in enumerate(strings)]
    gray = to_gray(image)
    for boxed in boxed_strings(lines, models):
        quads = read_quads(boxed)
        boxes = sum(len(string.boxes) for string in boxed.detected)
        clear = len(quads) == len(boxed.symbols) == boxes
        for i in learned_characters(sure_characters(boxed, models), clear):
            if i in quads:
                (quad,) = on_photograph(quads[i][None], boxed, lines[int(boxed.name)])
                yield cut(gray, quad, models.classifier.size), boxed.symbols[i]


def read_quads(boxed: BoxedString) -> dict[int, FloatArray]:
    """The quads (4, 2) that reading would cut, of the characters that have one box."""
    own = [bounds(q) for q in boxed.quads]
    quads = {}
    for string in boxed.detected:
        for box, turned in zip(string.boxes, usual_orientation(string).boxes, strict=True):
            same = box_iou([bounds(box.quad)], own)[0]
            if same.max() > 0.99:
                quads[int(same.argmax())] = turned.quad
    return quads


def learned_characters(sure: Sequence[bool], clear: bool) -> list[int]:
    """The characters whose labels are trusted.

    Args:
        sure: for each character of a string whether the classifier reads it as its label.
        clear: whether each character has one box, and each box one character. Then all are
            trusted, otherwise those that are read and those between two that are read.
    """
    around = (False, *sure, False)
    read = [own or (around[i] and around[i + 2]) for i, own in enumerate(sure)]
    return [i for i, trusted in enumerate(read) if trusted or clear]


def reject_crops(
    image: ImageArray, models: Models, teacher: Detector, rng: np.random.Generator
) -> Iterator[ImageArray]:
    """The crops of detected boxes where the teacher sees no text; turned at random.

    Those that the classifier surely takes for a character may be one, and are left out.
    """
    gray, strings = to_gray(image), possible_strings(image, models.detector)
    if not strings:
        return
    seen = seen_parts(teacher_maps(image, teacher)) > 0
    for string in strings:
        for box in pick(rng, orientations(string)).boxes:
            x0, y0, x1, y1 = (max(0, round(side / 2)) for side in bounds(box.quad))
            if seen[y0 : y1 + 1, x0 : x1 + 1].any():
                continue
            crop = cut(gray, box.quad, models.classifier.size)
            inner = crop[CROP_MARGIN:-CROP_MARGIN, CROP_MARGIN:-CROP_MARGIN]
            if models.classifier.probabilities(inner[None], 1)[0, :-1].max() < SURE:
                yield crop


def write_crops(path: Path, crops: Sequence[PhotoCrop]) -> None:
    """Writes a file for ``datasets.photos.PhotoCrops``."""
    if not crops:
        raise DatasetError(f"no crops for {path}: no string of the labels has its characters")
    images, symbols, sources, held_out = zip(*crops, strict=True)
    write_npz(
        path,
        images=np.stack(images),
        symbols=np.array(symbols),
        sources=np.array(sources),
        held_out=np.array(held_out),
    )


def main() -> None:
    """Writes the crops of all photographs, with their sources and whether they are held out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--labels", type=Path, required=True, help="of training.photo_labels")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--detector", help="name or .safetensors file; default: the shipped one")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    models = Reader(detector=args.detector, threads=1).models
    teacher = Detector(*Loader(device="auto", threads=1, precision="auto").detector(NAME))
    known: dict[str, list[PhotoString]] = defaultdict(list)
    for string in read_strings(args.labels):
        known[string.file].append(string)
    hinted = {hint.file for hint in read_hints(args.photos)}
    rng = np.random.default_rng(args.seed)
    characters: list[PhotoCrop] = []
    rejects: list[PhotoCrop] = []
    for file, (source, photograph) in read_windows(args.photos).items():
        if file in hinted and file not in known:
            continue
        image, held_out = load_image(args.photos / "images" / file), is_held_out(source, photograph)
        for crop, symbol in character_crops(image, known[file], models):
            characters.append((crop, symbol, source, held_out))
        if file not in hinted:
            for crop in reject_crops(image, models, teacher, rng):
                rejects.append((crop, REJECT, source, held_out))
    rng.shuffle(rejects)
    write_crops(args.out, [*characters, *rejects[: len(characters)]])
    print(f"{len(characters)} characters, {min(len(rejects), len(characters))} rejects")


if __name__ == "__main__":
    main()
