"""Plain print: codes and labels in ordinary fonts, dark or light on an even ground, nearly level.

FreeType sets the text at its true size with the kerning of the font, so that small print has the
sharp, hinted shapes of screens and label printers. There is no wear, relief or clutter as in the
other renderers; there are small marks at the beginning, inside and at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.chance import log_uniform
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, FontFace, Mask
from industrial_ocr.datasets.synthesis.layout import MIN_QUAD_WIDTH, Block, LabeledString, labeled
from industrial_ocr.datasets.synthesis.noise import sensor_noise
from industrial_ocr.datasets.synthesis.text import label_text
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import FloatArray, ImageArray


def _line_as_set(face: FontFace, text: str, height: float) -> Block:
    """A line with capitals of ``height`` pixels, and its mask."""
    font, pad = face.sized(height), 2
    ink, (left, top) = font.getmask2(text, mode="L", anchor="ls")
    mask = np.pad(np.frombuffer(bytes(ink), np.uint8).reshape(ink.size[::-1]), pad)
    x, y = pad - int(left), pad - int(top)
    symbols, boxes = text.replace(" ", ""), []
    for i, symbol in enumerate(text):
        if symbol != " ":
            pen = font.getlength(text[: i + 1]) - font.getlength(symbol)
            x0, y0, x1, y1 = font.getbbox(symbol, anchor="ls")
            boxes.append((x + pen + x0, y + y0, x + pen + x1, y + y1))
    core = [box for box, symbol in zip(boxes, symbols, strict=True) if symbol.isalnum()] or boxes
    pixel = height / CAP_HEIGHT
    y0 = min(box[1] for box in core) - pixel
    y1 = max(max(box[3] for box in core) + pixel, y0 + 0.4 * height)
    quads = []
    for x0, _, x1, _ in boxes:
        lack = max((MIN_QUAD_WIDTH * height - (x1 - x0)) / 2, pixel)
        quads.append(rect_quad(x0 - lack, y0, x1 + lack, y1))
    return Block(np.ascontiguousarray(mask), (labeled(text, quads, "horizontal"),))


def _tones(rng: Generator) -> tuple[FloatArray, FloatArray]:
    """Ground and ink, (3,) RGB each: mostly gray, dark on light or light on dark."""
    contrast = rng.uniform(45, 255) if rng.random() < 0.4 else rng.uniform(130, 255)
    low = rng.uniform(0, 255 - contrast)
    if rng.random() < 0.4:
        low = 0.0 if rng.random() < 0.5 else 255 - contrast
    levels = [low + contrast, low] if rng.random() < 0.7 else [low, low + contrast]
    tint = rng.normal(0, 14, (2, 3)) * (rng.random((2, 1)) < 0.4)
    ground, ink = np.clip(np.array(levels)[:, None] + tint, 0, 255).astype(np.float32)
    return ground, ink


def _printed(mask: Mask, ground: FloatArray, ink: FloatArray) -> FloatArray:
    """(H, W, 3) with ink where the mask covers the ground."""
    alpha = mask.astype(np.float32)[..., None] / 255
    return np.asarray(ground + alpha * (ink - ground), np.float32)


def _photographed(rng: Generator, image: FloatArray, height: float) -> ImageArray:
    """The picture, sometimes with uneven light, slight blur, noise or JPEG artifacts."""
    rows, columns = image.shape[:2]
    if rng.random() < 0.25:
        across, down = rng.uniform(-0.2, 0.2, 2)
        light = 1 + across * np.linspace(-1, 1, columns) + down * np.linspace(-1, 1, rows)[:, None]
        image = image * light[..., None].astype(np.float32)
    if rng.random() < 0.5:
        sigma = min(rng.uniform(0.2, 0.3 + 0.035 * height), 1.6)
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
    if rng.random() < 0.6:
        image = image + sensor_noise(rng, image.shape, min(rng.exponential(3), 10))
    seen = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        quality = int(rng.integers(45, 96))
        _, data = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, quality])
        seen = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(seen)


@dataclass(frozen=True, eq=False)
class PlainPrinter:
    """Prints plain lines on even ground, in faces that have a font file."""

    faces: FaceLibrary
    words: tuple[str, ...]

    def _line(self, rng: Generator, text: str, height: float) -> Block | None:
        """The text in a random font; None if the tried fonts lack a character or its shape."""
        for _ in range(20):
            face = self.faces.pick(rng, text)
            if isinstance(face, FontFace):
                block = _line_as_set(face, text, height)
                if block.mask.any():  # some fonts have empty glyphs
                    return block
        return None

    def picture(
        self, rng: Generator, text: str, heights: tuple[float, float], tilt: float = 1.5
    ) -> tuple[ImageArray, LabeledString] | None:
        """One line with little around it, often cut at the characters.

        Args:
            rng: source of chance.
            text: what to print.
            heights: smallest and largest height of capitals in pixels.
            tilt: largest rotation in degrees.

        Returns:
            (H, W, 3) uint8 RGB and the string in it; None if no font has all characters.
        """
        height = log_uniform(rng, *heights)
        block = self._line(rng, text, height)
        if block is None:
            return None
        string = block.strings[0]
        first, last = string.quads.min((0, 1)), string.quads.max((0, 1))
        rows, columns = np.flatnonzero(block.mask.max(1)), np.flatnonzero(block.mask.max(0))
        low = np.minimum(first, [columns[0], rows[0]])
        high = np.maximum(last, [columns[-1] + 1, rows[-1] + 1])
        if rng.random() < 0.7:  # without the parts below the baseline
            low[1], high[1] = first[1], last[1]
        margin = rng.uniform(0.0, 0.35, 4) * height * (rng.random(4) < 0.75)
        angle = rng.uniform(-tilt, tilt) if rng.random() < 0.5 else 0.0
        size = np.ceil(high - low + margin[:2] + margin[2:]).astype(int)
        middle = (low - margin[:2] + high + margin[2:]) / 2
        matrix = cv2.getRotationMatrix2D(middle.tolist(), angle, 1.0)
        matrix[:, 2] += np.floor(size / 2) - np.floor(middle)
        mask = cv2.warpAffine(block.mask, matrix, size.tolist(), flags=cv2.INTER_LINEAR)
        image = _printed(np.asarray(mask, np.uint8), *_tones(rng))
        full = np.vstack([matrix, [0, 0, 1]]).astype(np.float32)
        return _photographed(rng, image, height), string.moved(full)

    def label(
        self, rng: Generator, size: tuple[int, int], usual: float
    ) -> tuple[ImageArray, tuple[LabeledString, ...]]:
        """A label of several lines in few fonts, with rules, frames, bars and rings.

        Args:
            rng: source of chance.
            size: (height, width) of the picture.
            usual: median height of capitals in pixels, 8 to 70; others are taken as the nearer one.

        Returns:
            (H, W, 3) uint8 RGB, often turned by up to 3.5 degrees, and its strings.
        """
        rows, columns = size
        tones = _tones(rng)
        mask = np.zeros(size, np.uint8)
        strings: list[LabeledString] = []
        usual = float(np.clip(usual, 8, 70))
        y = rng.uniform(0, 1.5) * usual
        while y < rows - 8:
            height = float(np.clip(usual * np.exp(rng.normal(0, 0.15)), 8, 80))
            x = int(rng.uniform(0, 0.12) * columns)
            if rng.random() < 0.16:
                down = _draw_graphic(rng, mask, x, int(y), height)
            else:
                down = self._row(rng, mask, strings, x, int(y), height)
            y += down + height * rng.uniform(0.25, 1.6)
        image = _printed(mask, *tones)
        if rng.random() < 0.6:
            matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), rng.uniform(-3.5, 3.5), 1.0)
            edge = cv2.BORDER_REPLICATE
            image = np.asarray(cv2.warpAffine(image, matrix, (columns, rows), borderMode=edge))
            full = np.vstack([matrix, [0, 0, 1]]).astype(np.float32)
            visible = (string.moved(full).visible(size) for string in strings)
            strings = [string for string in visible if string is not None]
        smallest = min([40.0, *(string.least_height() for string in strings)])
        return _photographed(rng, image, smallest), tuple(strings)

    def _row(
        self, rng: Generator, mask: Mask, strings: list[LabeledString], x: int, y: int, size: float
    ) -> float:
        """Adds a row of texts with capitals of this size to a label; returns its height."""
        rows, columns = mask.shape
        reached = 0
        while x < columns - 2 * size and (not reached or rng.random() < 0.35):
            block = self._line(rng, label_text(rng, self.words), size)
            if block is None or y + block.mask.shape[0] > rows:
                break
            tall, wide = block.mask.shape
            string, end = block.strings[0], min(columns - x, wide)
            cut = string.kept([bool(quad[:, 0].max() <= end) for quad in string.quads])
            if cut is not None:
                if cut is not string:
                    end = int(cut.quads[-1][:, 0].max())
                part = mask[y : y + tall, x : x + end]
                np.maximum(part, block.mask[:, :end], out=part)
                strings.append(cut.moved(np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float32)))
                x += end
            reached = max(reached, tall)
            x += int(size * rng.uniform(1.0, 3.0))
        return reached or size


def _draw_graphic(rng: Generator, mask: Mask, x: int, y: int, height: float) -> float:
    """Draws a rule, a barcode, a frame or a ring on a label; returns its height."""
    columns = mask.shape[1]
    wide = int(rng.uniform(0.3, 1.0) * (columns - x))
    kind = rng.random()
    if kind < 0.35:
        cv2.line(mask, (x, y + 3), (x + wide, y + 3), 255, int(rng.integers(1, 4)))
        return 6.0
    high = int(rng.uniform(1.0, 3.0) * height)
    if kind < 0.6:
        edges = np.cumsum(rng.integers(1, 5, 80) * max(1, round(height / 14)))
        for start, end in edges.reshape(-1, 2):
            if end < wide:
                mask[y : y + high, x + start : x + end] = 255
        return high + 4.0
    thick = int(rng.integers(1, 4))
    if kind < 0.8:
        cv2.rectangle(mask, (x, y), (min(x + wide, columns - 1), y + high), 255, thick)
    else:
        radius = max(3, high // 2)
        cv2.circle(mask, (x + radius, y + radius), radius, 255, thick, cv2.LINE_AA)
    return high + 4.0
