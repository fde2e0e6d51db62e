"""Plain print: codes and labels in ordinary fonts, dark or light on an even ground, nearly level.

Text is set by FreeType at its true size with the font's own kerning, so that small print has the
hinted, sharp shapes that screens and label printers give it. What the other renderers do (wear,
relief, clutter) is left out; small marks stand at the beginning, inside and at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, FontFace, Mask
from industrial_ocr.datasets.synthesis.layout import MIN_QUAD_WIDTH, Block, LabeledString, labeled
from industrial_ocr.datasets.synthesis.noise import sensor_noise
from industrial_ocr.datasets.synthesis.text import label_text
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import FloatArray, ImageArray

CONTRAST = (45.0, 255.0)
"""Least and largest difference in brightness between ink and ground."""


def set_line(face: FontFace, text: str, height: float) -> Block:
    """A line as the font sets it, capitals ``height`` pixels high, mask at that size.

    Args:
        face: supports every character of ``text``.
        text: not empty, no space at either end.
        height: of a capital H in pixels.
    """
    font = face.sized(height)
    ink, (left, top) = font.getmask2(text, mode="L", anchor="ls")
    pad = 2
    mask = np.frombuffer(bytes(ink), np.uint8).reshape(ink.size[::-1])
    mask = np.pad(mask, pad)
    x, y = pad - int(left), pad - int(top)
    boxes = []
    for i, symbol in enumerate(text):
        if symbol != " ":
            pen = font.getlength(text[: i + 1]) - font.getlength(symbol)
            x0, y0, x1, y1 = font.getbbox(symbol, anchor="ls")
            boxes.append((x + pen + x0, y + y0, x + pen + x1, y + y1, symbol))
    core = [b for b in boxes if b[4].isalnum()] or boxes
    y0 = min(b[1] for b in core) - height / CAP_HEIGHT
    y1 = max(max(b[3] for b in core) + height / CAP_HEIGHT, y0 + 0.4 * height)
    quads = []
    for x0, _, x1, _, _ in boxes:
        lack = max((MIN_QUAD_WIDTH * height - (x1 - x0)) / 2, height / CAP_HEIGHT)
        quads.append(rect_quad(x0 - lack, y0, x1 + lack, y1))
    return Block(np.ascontiguousarray(mask), (labeled(text, quads, "horizontal"),))


@dataclass(frozen=True, eq=False)
class PlainPrinter:
    """Prints plain lines on even ground.

    Args:
        faces: where fonts are picked from; those without a font file are not used.
        words: for texts that are language.
    """

    faces: FaceLibrary
    words: tuple[str, ...]

    def text(self, rng: Generator) -> str:
        """See ``label_text``."""
        return label_text(rng, self.words)

    def line(self, rng: Generator, text: str, height: float) -> Block | None:
        """The text in a random font; None if none that was tried has all its characters."""
        for _ in range(20):
            face = self.faces.pick(rng, text)
            if isinstance(face, FontFace):
                return set_line(face, text, height)
        return None

    def tones(self, rng: Generator) -> tuple[FloatArray, FloatArray]:
        """Ground and ink, (3,) RGB each: mostly gray, dark on light or light on dark."""
        step = rng.uniform(*CONTRAST) if rng.random() < 0.4 else rng.uniform(130, 255)
        low = rng.uniform(0, 255 - step)
        if rng.random() < 0.4:
            low = 0.0 if rng.random() < 0.5 else 255 - step
        ground, ink = (low + step, low) if rng.random() < 0.7 else (low, low + step)
        tint = rng.normal(0, 14, (2, 3)) * (rng.random((2, 1)) < 0.4)
        pair = np.clip(np.array([[ground], [ink]]) + tint, 0, 255).astype(np.float32)
        return pair[0], pair[1]

    def picture(
        self, rng: Generator, text: str, heights: tuple[float, float], tilt: float = 1.5
    ) -> tuple[ImageArray, LabeledString] | None:
        """One line and little around it, often cut at the characters.

        Args:
            rng: source of chance.
            text: what to print.
            heights: smallest and largest height of capitals in pixels.
            tilt: largest rotation in degrees.

        Returns:
            (H, W, 3) uint8 RGB and the string in it; None if no font has all characters.
        """
        height = float(np.exp(rng.uniform(*np.log(heights))))
        block = self.line(rng, text, height)
        if block is None:
            return None
        corners = block.strings[0].quads.reshape(-1, 2)
        rows, columns = np.flatnonzero(block.mask.max(1)), np.flatnonzero(block.mask.max(0))
        low = np.minimum(corners.min(0), [columns[0], rows[0]])
        high = np.maximum(corners.max(0), [columns[-1] + 1, rows[-1] + 1])
        if rng.random() < 0.7:  # the line alone, without what hangs below it
            low[1], high[1] = corners[:, 1].min(), corners[:, 1].max()
        margin = rng.uniform(0.0, 0.35, 4) * height * (rng.random(4) < 0.75)
        angle = rng.uniform(-tilt, tilt) if rng.random() < 0.5 else 0.0
        size = np.ceil(high - low + margin[:2] + margin[2:]).astype(int)
        middle = (low - margin[:2] + high + margin[2:]) / 2
        matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, 1.0)
        matrix[:, 2] += np.floor(size / 2) - np.floor(middle)
        full = np.vstack([matrix, [0, 0, 1]]).astype(np.float32)
        mask = cv2.warpAffine(block.mask, matrix, size.tolist(), flags=cv2.INTER_LINEAR)
        ground, ink = self.tones(rng)
        image = np.broadcast_to(ground, (*mask.shape, 3)).copy()
        image = self.inked(image, np.asarray(mask, np.uint8), ink)
        return self.seen(rng, image, height), block.strings[0].moved(full)

    def inked(self, image: FloatArray, mask: Mask, ink: FloatArray) -> FloatArray:
        """The picture (H, W, 3) with ink where the mask covers it."""
        alpha = mask.astype(np.float32)[..., None] / 255
        return np.asarray(image + alpha * (ink - image), np.float32)

    def seen(self, rng: Generator, image: FloatArray, height: float) -> ImageArray:
        """Uneven light, slight blur, noise and JPEG, each now and then; (H, W, 3) uint8."""
        rows, columns = image.shape[:2]
        if rng.random() < 0.25:
            slope = rng.uniform(-0.2, 0.2, 2)
            light = 1 + slope[0] * np.linspace(-1, 1, columns) + slope[1] * np.linspace(
                -1, 1, rows
            )[:, None]  # fmt: skip
            image = image * light[..., None].astype(np.float32)
        if rng.random() < 0.5:
            sigma = rng.uniform(0.2, 0.3 + 0.035 * height)
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), min(sigma, 1.6)), np.float32)
        if rng.random() < 0.6:
            noise = sensor_noise(rng, image.shape, float(min(rng.exponential(3), 10)))
            image = image + noise
        seen = np.clip(image, 0, 255).astype(np.uint8)
        if rng.random() < 0.25:
            quality = int(rng.integers(45, 96))
            _, data = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, quality])
            seen = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        return np.ascontiguousarray(seen)

    def label(
        self, rng: Generator, size: tuple[int, int]
    ) -> tuple[FloatArray, tuple[LabeledString, ...]]:
        """A label of several lines in few fonts, with rules, frames, bars and rings; level.

        Args:
            rng: source of chance.
            size: (height, width) of the picture.

        Returns:
            (H, W, 3) float32 RGB before the camera, and its strings.
        """
        rows, columns = size
        ground, ink = self.tones(rng)
        image = np.broadcast_to(ground, (rows, columns, 3)).copy()
        mask = np.zeros((rows, columns), np.uint8)
        strings: list[LabeledString] = []
        usual = float(np.clip(np.exp(rng.normal(np.log(20), 0.45)), 8, 70))
        y = float(rng.uniform(0, 1.5) * usual)
        while y < rows - 8:
            height = float(np.clip(usual * np.exp(rng.normal(0, 0.15)), 8, 80))
            down = self._row(rng, mask, strings, y, height)
            y += down + height * rng.uniform(0.25, 1.6)
        image = self.inked(image, mask, ink)
        return image, tuple(strings)

    def _row(
        self,
        rng: Generator,
        mask: Mask,
        strings: list[LabeledString],
        y: float,
        height: float,
    ) -> float:
        """One row of a label at ``y``, texts or something drawn; gives the height it takes."""
        rows, columns = mask.shape
        x = int(rng.uniform(0, 0.12) * columns)
        if rng.random() < 0.16:
            return _drawn(rng, mask, x, int(y), height)
        reached = 0
        while x < columns - 2 * height and (not reached or rng.random() < 0.35):
            block = self.line(rng, self.text(rng), height)
            if block is None:
                break
            room = min(rows - int(y), block.mask.shape[0]), min(columns - x, block.mask.shape[1])
            if room[0] < block.mask.shape[0]:
                break
            part = mask[int(y) : int(y) + room[0], x : x + room[1]]
            cut = block.strings[0].kept(
                [bool(q[:, 0].max() <= room[1]) for q in block.strings[0].quads]
            )
            if cut is not None:
                shift = np.array([[1, 0, x], [0, 1, int(y)], [0, 0, 1]], np.float32)
                end = room[1]
                if len(cut.symbols) < len(block.strings[0].symbols):
                    end = int(cut.quads[-1][:, 0].max())
                np.maximum(part[:, :end], block.mask[: room[0], :end], out=part[:, :end])
                strings.append(cut.moved(shift))
                x += end
            reached = max(reached, block.mask.shape[0])
            x += int(height * rng.uniform(1.0, 3.0))
        return float(reached or height)


def _drawn(rng: Generator, mask: Mask, x: int, y: int, height: float) -> float:
    """A rule, a frame, a barcode or a ring on a label; gives the height it takes."""
    rows, columns = mask.shape
    wide = int(rng.uniform(0.3, 1.0) * (columns - x))
    kind = rng.random()
    if kind < 0.35:
        cv2.line(mask, (x, y + 3), (x + wide, y + 3), 255, int(rng.integers(1, 4)))
        return 6.0
    high = int(rng.uniform(1.0, 3.0) * height)
    if kind < 0.6:
        edges = np.cumsum(rng.integers(1, 5, 80) * max(1, round(height / 14)))
        for one, two in zip(edges[::2], edges[1::2], strict=False):
            if two < wide:
                mask[y : y + high, x + one : x + two] = 255
    elif kind < 0.8:
        thick = int(rng.integers(1, 4))
        cv2.rectangle(mask, (x, y), (min(x + wide, columns - 1), y + high), 255, thick)
    else:
        radius = max(3, high // 2)
        thick = int(rng.integers(1, 4))
        cv2.circle(mask, (x + radius, y + radius), radius, 255, thick, cv2.LINE_AA)
    return float(high + 4)
