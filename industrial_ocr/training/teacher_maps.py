"""Makes the score maps that a detector learns on photographs, once and before the training.

Three sources say where there is text: the published CRAFT (``craft-mlt-25k``), the hints of
another reader, and the strings of them that ``training.photo_labels`` has kept. A character of a
kept string is learned if our own detector, on the string magnified and level, finds a box for it
alone, or if our classifier reads what the hint says where the recognizer saw it. Background is
learned close to such characters, and everywhere on photographs without any text: on others, print
that is too small for all sources would be learned as background. All other places are not
learned.

    python -m industrial_ocr.training.teacher_maps PHOTOS --labels labels.tsv --out maps
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.config import DetectionConfig
from industrial_ocr.datasets.photos import (
    PhotoString,
    alike,
    read_hints,
    read_strings,
    training_files,
)
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.detection.detector import Detector
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.load import load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.inference.craft_mlt import NAME
from industrial_ocr.inference.loading import Loader
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.files import sha256_of, write_whole
from industrial_ocr.results.geometry import edge_lengths, expand_quad, rect_quad
from industrial_ocr.results.types import FloatArray, ImageArray
from industrial_ocr.training.detector import score_targets
from industrial_ocr.training.line.characters import (
    BoxedString,
    boxed_strings,
    labeled,
    shown_quad,
)
from industrial_ocr.training.line.strings import LineString

FAINT, CLEAR = 0.1, 0.2
"""The teacher sees text in a part of its maps above ``FAINT`` if its peak is above ``CLEAR``."""
AROUND = 0.15
"""Heights around a string that are learned with it: its characters end there. Not more, as a hint
may have lost a character at an end."""
NEAR = 9
"""Side of the square, in pixels of the maps, around characters in which background is learned."""


def teacher_maps(image: ImageArray, teacher: Detector) -> ImageArray:
    """Region and affinity (2, H / 2, W / 2) uint8 of a picture (H, W, 3)."""
    height, width = (-(-side // 2) for side in image.shape[:2])
    (maps,) = teacher.detect([image], DetectionConfig())
    sized = [cv2.resize(m, (width, height)) for m in (maps.region, maps.affinity)]
    return np.round(255 * np.stack(sized)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class PlacedString:
    """A string on a photograph and its characters.

    Attributes:
        quad: (4, 2) where the string is.
        characters: of it, with quads in pixels of the photograph.
        sure: whether each of them is learned.
    """

    quad: FloatArray
    characters: LabeledString
    sure: tuple[bool, ...]

    @property
    def unsure(self) -> list[FloatArray]:
        """Quads of the characters that are not learned."""
        return [q for q, sure in zip(self.characters.quads, self.sure, strict=True) if not sure]


def placed_strings(
    image: ImageArray, strings: Sequence[PhotoString], models: Models
) -> dict[int, PlacedString]:
    """Strings on a photograph, by number; more than half of the characters of each are sure."""
    lines = [LineString(str(i), s.text, image, s.quad) for i, s in enumerate(strings)]
    placed = {}
    for boxed in boxed_strings(lines, models):
        number, sure = int(boxed.name), sure_characters(boxed, models)
        if 2 * sum(sure) > len(sure):
            quads = on_photograph(boxed.quads, boxed, lines[number])
            characters = spaced(boxed, strings[number].text, quads)
            placed[number] = PlacedString(strings[number].quad, characters, sure)
    return placed


def on_photograph(quads: FloatArray, boxed: BoxedString, line: LineString) -> FloatArray:
    """Quads (N, 4, 2) on the level picture of a line, in pixels of its photograph."""
    height, width = boxed.image.shape[:2]
    matrix = cv2.getPerspectiveTransform(rect_quad(0, 0, width, height), shown_quad(line))
    moved = cv2.perspectiveTransform(quads.reshape(-1, 1, 2), matrix)
    return np.asarray(moved, np.float32).reshape(-1, 4, 2)


def sure_characters(boxed: BoxedString, models: Models) -> tuple[bool, ...]:
    """Whether each character has a box of its own, or the classifier reads it."""
    (named,) = models.classifier.classify(
        [boxed.image], [list(boxed.quads)], models.config.classification
    )
    every = zip(boxed.found, boxed.symbols, named, strict=True)
    return tuple(found or alike(symbol, n.symbols[0]) for found, symbol, n in every)


def spaced(boxed: BoxedString, text: str, quads: FloatArray) -> LabeledString:
    """The string with quads of the photograph; a space is one of the text or a wide gap."""
    wide = labeled(boxed.quads).space_after
    ends = np.cumsum([len(word) for word in text.split()]) - 1
    spaces = tuple(gap or i in ends[:-1] for i, gap in enumerate(wide))
    return LabeledString(text, boxed.symbols, quads, spaces, "horizontal")


def learned_maps(
    teacher: ImageArray,
    known: Sequence[PlacedString],
    unknown: Sequence[FloatArray],
) -> ImageArray:
    """Targets of a photograph and where they hold, from all sources.

    Args:
        teacher: (2, H, W) uint8 of ``teacher_maps``.
        known: the strings whose characters are placed.
        unknown: quads of other strings, whose characters are not placed, in pixels of the
            photograph.

    Returns:
        (H, W, 3) uint8: region, affinity, and 255 where they are to be learned.
    """
    height, width = teacher.shape[1:]
    region, affinity = score_targets(tuple(s.characters for s in known), (2 * height, 2 * width))
    parts = seen_parts(teacher)
    within, around = np.zeros((2, height, width), np.uint8)
    for string in known:
        room = AROUND * edge_lengths(string.quad)[1]
        _fill(within, string.quad)
        _fill(around, expand_quad(string.quad, room, room))
    own = np.isin(parts, parts[within > 0])
    learned = np.where((parts == 0) | ((around > 0) & own), 255, 0).astype(np.uint8)
    if known or unknown:
        text = (np.maximum(region, affinity) > FAINT).astype(np.uint8)
        learned[cv2.dilate(text, np.ones((NEAR, NEAR), np.uint8)) == 0] = 0
    for quad in chain(unknown, *(s.unsure for s in known)):
        _fill(learned, quad, 0)
    maps = [np.round(255 * m).astype(np.uint8) * (learned > 0) for m in (region, affinity)]
    return np.stack([*maps, learned], axis=-1)


def seen_parts(teacher: ImageArray) -> NDArray[np.int32]:
    """(H, W) the number of the part in which the teacher sees text, 0 where it sees none."""
    maps = teacher.max(axis=0)
    _, parts = cv2.connectedComponents((maps > 255 * FAINT).astype(np.uint8))
    clear = parts[maps > 255 * CLEAR]
    return np.where(np.isin(parts, clear), parts, 0).astype(np.int32)


def _fill(mask: ImageArray, quad: FloatArray, value: int = 255) -> None:
    cv2.fillPoly(mask, [np.round(quad / 2 - 0.5).astype(np.int32)], value)


class MapWriter:
    """Writes the maps of photographs as PNG files; those that are there already are kept.

    Args:
        folder: of the photographs.
        labels: the strings that were kept.
        out: for the maps.

    Raises:
        DatasetError: ``out`` holds maps of other hints or networks.
    """

    def __init__(self, folder: Path, labels: Path, out: Path) -> None:
        self._folder, self._out = folder, out
        reader, loader = Reader(threads=1), Loader(device="auto", threads=1, precision="auto")
        self._models = reader.models
        self._teacher = Detector(*loader.detector(NAME))
        self._cache = out / "teacher"
        self._cache.mkdir(parents=True, exist_ok=True)
        files = {p.name: sha256_of(p) for p in (folder / "lines.tsv", labels)}
        wanted = json.dumps({**files, **reader.weights, NAME: loader.weights["detector"]})
        about = out / "maps.json"
        if about.exists() and about.read_text(encoding="utf-8") != wanted:
            raise DatasetError(f"{out}: holds maps of other hints or networks; name another folder")
        write_whole(about, wanted)
        self._known: dict[str, list[PhotoString]] = defaultdict(list)
        self._unknown: dict[str, list[FloatArray]] = defaultdict(list)
        kept = read_strings(labels)
        for string in kept:
            self._known[string.file].append(string)
        places = {(s.file, s.quad.tobytes()) for s in kept}
        for hint in read_hints(folder):
            if (hint.file, hint.quad.tobytes()) not in places:
                self._unknown[hint.file].append(hint.quad)

    def write(self, file: str) -> tuple[int, int]:
        """Writes the maps of a photograph; returns how many strings it has, and with characters."""
        image = load_image(self._folder / "images" / file)
        strings = self._known[file]
        placed = placed_strings(image, strings, self._models)
        rest = [s.quad for i, s in enumerate(strings) if i not in placed]
        known = list(placed.values())
        maps = learned_maps(self._maps(file, image), known, [*self._unknown[file], *rest])
        _write_png(self._out / f"{file}.png", maps[..., ::-1])
        return len(strings), len(known)

    def _maps(self, file: str, image: ImageArray) -> ImageArray:
        """The teacher's maps, which do not depend on the hints."""
        path = self._cache / f"{file}.png"
        if not path.exists():
            _write_png(path, np.concatenate(list(teacher_maps(image, self._teacher))))
        stored = to_gray(load_image(path))
        return stored.reshape(2, -1, stored.shape[1])


def _write_png(path: Path, pixels: ImageArray) -> None:
    write_whole(path, cv2.imencode(".png", pixels)[1].tobytes())


def main() -> None:
    """Writes the maps of all photographs that are not held out; run it again to go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--labels", type=Path, required=True, help="of training.photo_labels")
    parser.add_argument("--out", type=Path, required=True, help="folder for the maps")
    args = parser.parse_args()
    writer = MapWriter(args.photos, args.labels, args.out)
    missing = [f for f in training_files(args.photos) if not (args.out / f"{f}.png").exists()]
    counts = np.zeros(2, int)
    for file in missing:
        counts += writer.write(file)
    print(f"{len(missing)} photographs, {counts[0]} strings, {counts[1]} with their characters")


if __name__ == "__main__":
    main()
