"""Strings that another OCR engine has found on photographs: chooses reliable ones, cuts strips.

A folder of photographs has ``images/`` and two tables without a header: ``windows.tsv`` (file,
source, photograph, ...) and ``lines.tsv`` (file, x0 ... y3 of a quad, score, text), the strings of
the other engine, called hints. ``training.photo_labels`` chooses from the hints and writes a table
of its own.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.chance import log_uniform, pick
from industrial_ocr.decoding.homoglyphs import SIZE_TWINS, same_shape
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.load import load_image
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.results.files import BAD_NPZ
from industrial_ocr.results.geometry import edge_lengths, expand_quad, warp_quad
from industrial_ocr.results.types import FloatArray, ImageArray, as_quad

_CASE_TWINS = str.maketrans(SIZE_TWINS.lower(), SIZE_TWINS)
"""Letters whose two cases differ only in size, which a strip does not show."""
CROP_MARGIN = 4
"""Pixels around a stored crop, so that it can be moved, turned and scaled."""
PHOTO_ZOOMS = (0.6, 1.8)
"""Least and largest magnification of a photograph that a detector learns."""
USUAL_HEIGHT = 18.0
"""Pixels of most characters on the photographs; smaller ones are not blurred."""


@dataclass(frozen=True, eq=False)
class PhotoString:
    """A string on a photograph.

    Attributes:
        file: name of the file in ``images/``.
        source: collection of the photograph.
        photograph: name of the photograph in it; several files may be parts of one photograph.
        quad: (4, 2) float32, clockwise from the top left of the first letter.
        text: the reading of the other engine.
        score: confidence of the other engine.
        known: whether our own network gave the same text before it was trained on photographs.
    """

    file: str
    source: str
    photograph: str
    quad: FloatArray
    text: str
    score: float = 1.0
    known: bool = True

    @property
    def held_out(self) -> bool:
        """Whether its photograph, with all strings on it, is held out; one in five is."""
        return is_held_out(self.source, self.photograph)


def is_held_out(source: str, photograph: str) -> bool:
    """Whether a photograph, with all that was cut from it, is held out; one in five is."""
    return int(hashlib.sha256(f"{source}/{photograph}".encode()).hexdigest(), 16) % 5 == 0


def _rows(path: Path, columns: int) -> list[list[str]]:
    """The rows of a table; DatasetError if it cannot be read or a row is too short."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    for number, row in enumerate(rows, 1):
        if len(row) < columns:
            raise DatasetError(f"{path}:{number}: {len(row)} columns, not {columns}")
    return rows


def _quad(path: Path, numbers: Sequence[str]) -> FloatArray:
    try:
        return as_quad(np.array(numbers, np.float32).reshape(4, 2))
    except ValueError as error:
        raise DatasetError(f"{path}: not a quad: {' '.join(numbers)}") from error


def read_windows(folder: Path) -> dict[str, tuple[str, str]]:
    """Source and photograph of every file in a folder of photographs."""
    return {row[0]: (row[1], row[2]) for row in _rows(folder / "windows.tsv", 3)}


def training_files(folder: Path) -> list[str]:
    """The files of a folder of photographs that are not held out."""
    return [file for file, origin in read_windows(folder).items() if not is_held_out(*origin)]


def read_hints(folder: Path) -> list[PhotoString]:
    """The hints of a folder of photographs, in the order of their table."""
    windows = read_windows(folder)
    hints = []
    path = folder / "lines.tsv"
    for number, row in enumerate(_rows(path, 11), 1):
        if row[0] not in windows:
            raise DatasetError(f"{path}:{number}: windows.tsv does not list {row[0]}")
        try:
            score = float(row[9])
        except ValueError as error:
            raise DatasetError(f"{path}:{number}: not a score: {row[9]}") from error
        quad = _quad(path, row[1:9])
        hints.append(PhotoString(row[0], *windows[row[0]], quad, row[10], score))
    return hints


def write_strings(path: Path, strings: Iterable[PhotoString]) -> None:
    """Writes a table of strings for ``read_strings``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for s in strings:
            numbers = [f"{x:.1f}" for x in s.quad.reshape(-1)]
            row = [s.file, s.source, s.photograph, *numbers, str(int(s.known)), s.text]
            file.write("\t".join(row) + "\n")


def read_strings(path: Path) -> list[PhotoString]:
    """Reads a table of ``write_strings``."""
    return [
        PhotoString(row[0], row[1], row[2], _quad(path, row[3:11]), row[12], known=row[11] == "1")
        for row in _rows(path, 13)
    ]


def in_sight(hint: PhotoString, image: ImageArray, symbols: frozenset[str]) -> bool:
    """Whether a string is inside the picture, horizontal, legible, and has only these symbols.

    Its quad may leave the picture by 1.5 pixels; below a height of 6 pixels it is not legible.
    """
    text = hint.text.replace(" ", "")
    width, height = edge_lengths(hint.quad)
    low, high = hint.quad.min(0), hint.quad.max(0)
    inside = (low >= -1.5).all() and (high <= np.array(image.shape[1::-1]) + 1.5).all()
    lies = width >= 0.9 * height or len(text) == 1
    return bool(text and set(text) <= symbols and inside and lies and height >= 6)


def alike(one: str, two: str) -> bool:
    """Whether two texts are equal apart from spaces, ``_CASE_TWINS``, and 0 O, or 1 l | I."""
    folds = {ord("0"): "O", **dict.fromkeys(map(ord, "1l|"), "I")}
    first, second = (t.replace(" ", "").translate(_CASE_TWINS).translate(folds) for t in (one, two))
    return first == second


def agrees(text: str, readings: Sequence[str]) -> bool:
    """Whether a reading equals the text, apart from spaces and the case of ``_CASE_TWINS``."""
    plain = text.replace(" ", "").translate(_CASE_TWINS)
    return any(plain == r.replace(" ", "").translate(_CASE_TWINS) for r in readings)


def believable(hint: PhotoString, own: Sequence[str], again: Sequence[str]) -> bool:
    """Whether to train on a hint that our own network reads differently.

    The other engine must give the same text again, and our reading must have a similarity of at
    least 0.4 to it; a lower one means that the crop shows another text.

    Args:
        hint: the hint of the other engine.
        own: readings of our network.
        again: readings of the other engine in other crops of the same place.
    """
    text = hint.text.replace(" ", "")
    plain = text.translate(_CASE_TWINS)
    alike = max(
        Levenshtein.normalized_similarity(plain, r.replace(" ", "").translate(_CASE_TWINS))
        for r in own
    )
    return alike >= 0.4 and reread(hint, again)


def reread(hint: PhotoString, again: Sequence[str]) -> bool:
    """Whether the other engine gives the same text in other crops of a hint's place.

    Both crops must agree if the hint's score is at least 0.9; from 0.97 on, one is enough.
    """
    text = hint.text.replace(" ", "")
    same = [r.replace(" ", "") == text for r in again]
    stays = (all(same) and hint.score >= 0.9) or (any(same) and hint.score >= 0.97)
    return len(text) > 1 and stays


def _chances(pairs: Sequence[tuple[str, str]], factors: Sequence[float]) -> NDArray[np.float64]:
    """(N,) chances of (source, text) pairs: rarer ones are more probable by 1 / sqrt(number)."""
    of_source, of_pair = Counter(source for source, _ in pairs), Counter(pairs)
    weight = np.array(factors) / np.sqrt([of_source[p[0]] * of_pair[p] for p in pairs])
    return np.asarray(weight / weight.sum())


class PhotoStrips:
    """Renders augmented strips of the strings on photographs.

    The weight of a string is 1 / sqrt(number of strings of its source), times 1 / sqrt(number of
    strings with its text in the source). Strings that our network could not read have twice the
    weight.

    Args:
        folder: folder with ``images/``.
        labels: table of ``write_strings``.
        held_out: whether to take the held-out strings instead of those for training.
    """

    def __init__(self, folder: Path, labels: Path, held_out: bool = False) -> None:
        self._images = folder / "images"
        self.strings = [s for s in read_strings(labels) if s.held_out == held_out]
        if not self.strings:
            raise DatasetError(f"{labels}: there are no strings for training")
        pairs = [(s.source, s.text) for s in self.strings]
        self._chance = _chances(pairs, [1.0 if s.known else 2.0 for s in self.strings])
        self._camera = Camera(0.4)
        self._load = lru_cache(maxsize=400)(load_image)

    def render(self, seed: tuple[int, ...]) -> tuple[ImageArray, str]:
        """The strip of this seed, (H, W, 3) uint8, and its text without spaces."""
        rng = np.random.default_rng(seed)
        string = self.strings[int(rng.choice(len(self.strings), p=self._chance))]
        image = self._load(self._images / string.file)
        return view_of(rng, image, string.quad, self._camera), string.text.replace(" ", "")


def view_of(
    rng: np.random.Generator, image: ImageArray, quad: FloatArray, camera: Camera
) -> ImageArray:
    """An augmented crop of a string: other margins, often smaller, rarely inverted, with noise."""
    quad = jittered(rng, quad)
    width, height = edge_lengths(quad)
    if rng.random() < 0.4:
        least = min(1.0, 9 / height)
        width, height = np.multiply((width, height), rng.uniform(max(least, 0.45), 1.0))
    view = warp_quad(image, quad, round(width), round(height))
    if rng.random() < 0.1:
        view = 255 - view
    return camera.shoot(rng, view, float(height))


def jittered(rng: np.random.Generator, quad: FloatArray) -> FloatArray:
    """A quad with randomly moved corners and sides, by shares of its height."""
    height = edge_lengths(quad)[1]
    x, y = height * rng.uniform((-0.04, -0.1), (0.12, 0.14))
    shift = rng.normal(0, 0.03 * height, 2) + rng.normal(0, 0.02 * height, (4, 2))
    return (expand_quad(quad, x, y) + shift).astype(np.float32)


class PhotoScenes:
    """Parts of photographs with the score maps to learn there, each time other ones.

    Args:
        folder: with ``images/``.
        maps: folder of ``training.teacher_maps``.
        side: of the parts in pixels, even.
    """

    def __init__(self, folder: Path, maps: Path, side: int) -> None:
        self._images, self._maps, self._side = folder / "images", maps, side
        self._files = [file for file in training_files(folder) if self._map(file).exists()]
        if not self._files:
            raise DatasetError(
                f"{maps}: no maps for the photographs in {folder}; run python -m "
                "industrial_ocr.training.teacher_maps"
            )
        self._camera = Camera(0.4)

    def _map(self, file: str) -> Path:
        return self._maps / f"{file}.png"

    def render(self, seed: tuple[int, ...]) -> tuple[ImageArray, ImageArray]:
        """The part of that seed, (S, S, 3) uint8, and its maps (3, S / 2, S / 2) uint8.

        The third map is 255 where the other two, region and affinity, are to be learned.
        """
        rng = np.random.default_rng(seed)
        file = pick(rng, self._files)
        image, maps = load_image(self._images / file), load_image(self._map(file))
        zoom = log_uniform(rng, *PHOTO_ZOOMS)
        height, width = (max(1, round(n * zoom)) for n in maps.shape[:2])
        way = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
        odd = [(0, -n % 2) for n in image.shape[:2]]
        even = np.pad(image, (*odd, (0, 0)), mode="edge")
        large = np.asarray(cv2.resize(even, (2 * width, 2 * height), interpolation=way), np.uint8)
        maps = np.asarray(cv2.resize(maps, (width, height), interpolation=way), np.uint8)
        half = self._side // 2
        down, right = max(0, half - height), max(0, half - width)
        large = np.pad(large, ((0, 2 * down), (0, 2 * right), (0, 0)), mode="edge")
        maps = np.pad(maps, ((0, down), (0, right), (0, 0)))
        y, x = (int(rng.integers(n - half + 1)) for n in maps.shape[:2])
        part = np.ascontiguousarray(large[2 * y : 2 * (y + half), 2 * x : 2 * (x + half)])
        shot = self._camera.shoot(rng, part, USUAL_HEIGHT * zoom)
        return shot, maps[y : y + half, x : x + half].transpose(2, 0, 1)


class PhotoCrops:
    """Augmented crops of characters on photographs, and of boxes that show none.

    The weight of a crop is 1 / sqrt(number of crops of its source), times 1 / sqrt(number of crops
    of its symbol in the source). A symbol with a twin, such as 0 with O, has half the weight.

    Args:
        file: of ``training.photo_crops``.
        size: side of the crops in pixels.
        held_out: whether to take the crops of held-out photographs, which are not augmented.
    """

    def __init__(self, file: Path, size: int, held_out: bool = False) -> None:
        try:
            with np.load(file, allow_pickle=False) as found:
                taken = found["held_out"] == held_out
                self._images: ImageArray = found["images"][taken]
                self.symbols: list[str] = found["symbols"][taken].tolist()
                sources: list[str] = found["sources"][taken].tolist()
        except BAD_NPZ as error:
            raise DatasetError(f"{file}: not a file of training.photo_crops: {error}") from error
        side = size + 2 * CROP_MARGIN
        if self._images.shape[1:] != (side, side) or not len(self._images):
            raise DatasetError(f"{file}: no crops of {size}x{size} with a margin of {CROP_MARGIN}")
        self._size, self._held_out = size, held_out
        pairs = list(zip(sources, self.symbols, strict=True))
        factors = [0.5 if len(same_shape(symbol)) > 1 else 1.0 for symbol in self.symbols]
        self._chance = _chances(pairs, factors)
        self._camera = Camera(0.4)

    def draw(self, seed: tuple[int, ...], count: int) -> list[tuple[ImageArray, str]]:
        """The ``count`` crops of this seed, (S, S) uint8 gray, with their symbols."""
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(self.symbols), size=count, p=self._chance)
        return [(self._view(rng, self._images[i]), self.symbols[i]) for i in chosen]

    def _view(self, rng: np.random.Generator, stored: ImageArray) -> ImageArray:
        """A crop that is a little moved, turned and scaled, with noise; half are inverted."""
        if self._held_out:
            return stored[CROP_MARGIN:-CROP_MARGIN, CROP_MARGIN:-CROP_MARGIN]
        angle, scale = rng.normal(0, 0.04), np.exp(rng.normal(0, 0.06, 2))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
        middle = (len(stored) - 1) / 2 + rng.normal(0, 0.025 * self._size, 2)
        shift = middle - turn @ np.full(2, (self._size - 1) / 2)
        way = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self._size, self._size)
        matrix = np.c_[turn, shift]
        view = cv2.warpAffine(stored, matrix, size, flags=way, borderMode=cv2.BORDER_REPLICATE)
        color = np.repeat(view[..., None], 3, axis=2).astype(np.uint8)
        gray = to_gray(self._camera.shoot(rng, color, USUAL_HEIGHT))
        return gray if rng.random() < 0.5 else 255 - gray
