"""Pictures of clean print, drawn by Pillow at the size that they show.

On purpose nothing of ``industrial_ocr.datasets.synthesis`` is used: what the networks were trained
on must not be what they are measured with.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from cleanprint.faces import Face, pick, scaled_twins, twins
from cleanprint.plate_texts import plate_lines
from cleanprint.texts import KINDS

HEIGHTS = (8.0, 96.0)
"""Of capitals in single strings, pixels, log-uniform."""
PLATE_HEIGHTS = (10.0, 40.0)
"""The same of the lines of nameplates."""
MAX_WIDTH = 2400
"""Pixels; longer texts are printed lower, but not below the lowest height."""
PLATE_EVERY = 16
"""Every so manieth picture is a nameplate, the others are one string."""
SPLITS = {"dev": 0, "test": 1, "choose": 2}


@dataclass(frozen=True)
class Line:
    """One line that is printed.

    Attributes:
        text: with its spaces.
        kind: of ``texts.KINDS``.
        height: of a capital, pixels.
        family: of the font.
        quad: four corners (x, y) around its ink, clockwise from its top-left.
        twins: groups of symbols that look the same in this font at this height.
        scaled: groups that look the same but for their size.
        asked: whether it must be read; a logo need not.
    """

    text: str
    kind: str
    height: float
    family: str
    quad: list[list[float]]
    twins: list[str]
    scaled: list[str]
    asked: bool = True


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered picture and what stands on it.

    Attributes:
        number: of the picture within its split and seed.
        image: (H, W, 3) uint8 RGB.
        plate: it is a nameplate of several lines, not one string.
        lines: top to bottom.
        ground: mean gray level of the ground.
        ink: mean gray level of the print.
        margin: least distance from ink to the picture's edge over the lines' median height.
    """

    number: int
    image: np.ndarray
    plate: bool
    lines: tuple[Line, ...]
    ground: float
    ink: float
    margin: float

    def to_dict(self) -> dict[str, Any]:
        """All but the pixels, ready for JSON."""
        return {
            "number": self.number,
            "plate": self.plate,
            "ground": round(self.ground),
            "ink": round(self.ink),
            "margin": round(self.margin, 2),
            "lines": [asdict(line) for line in self.lines],
        }


def log_uniform(rng: np.random.Generator, least: float, most: float) -> float:
    """A number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def render(faces: Mapping[str, list[Face]], split: str, seed: int, number: int) -> Picture:
    """A picture, the same for the same fonts, split, seed and number."""
    rng = np.random.default_rng((seed, SPLITS[split], number))
    plate = number % PLATE_EVERY == PLATE_EVERY - 1
    if plate:
        mask, lines = _draw_plate(faces, rng)
    else:
        mask, lines = _draw_string(pick(faces, rng), rng)
    height = float(np.median([line.height for line in lines]))
    margin = _margin(rng, plate) * height
    if rng.random() < 0.4:
        mask, quads = _turn(mask, [line.quad for line in lines], float(rng.uniform(-3, 3)))
    else:
        quads = [line.quad for line in lines]
    mask, step = _frame_ink(mask, round(margin))
    placed = tuple(
        Line(**{**asdict(line), "quad": np.round(np.add(quad, step), 1).tolist()})
        for line, quad in zip(lines, quads, strict=True)
    )
    image, ground, ink = _photograph(mask, height, rng)
    return Picture(number, image, plate, placed, ground, ink, round(margin) / height)


def _margin(rng: np.random.Generator, plate: bool) -> float:
    """Distance from ink to the picture's edge in text heights; a fifth is cut close."""
    way = rng.random()
    if plate:
        return float(rng.uniform(0.3, 2))
    if way < 0.2:
        return float(rng.choice([0, 0, 0.05, 0.1]))
    return float(rng.uniform(0.2, 0.6) if way < 0.5 else rng.uniform(0.6, 3))


def _line(face: Face, text: str, kind: str, height: float, box: tuple[float, ...]) -> Line:
    x0, y0, x1, y1 = box
    quad = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    return Line(
        text, kind, round(height, 2), face.family, quad, twins(face, height), scaled_twins(face)
    )


def _draw_string(face: Face, rng: np.random.Generator) -> tuple[np.ndarray, list[Line]]:
    """One string: its coverage, (H, W) uint8, and the line."""
    kind = str(rng.choice(list(KINDS)))
    text = KINDS[kind](rng)
    height = log_uniform(rng, *HEIGHTS)
    width = face.font(100).getlength(text) / 100
    height = max(HEIGHTS[0], min(height, MAX_WIDTH / width))
    font = face.font(height)
    size = (int(font.getlength(text) + 4 * height), int(4 * height))
    canvas = Image.new("L", size)
    draw = ImageDraw.Draw(canvas)
    at = (2 * height + rng.random(), 2.5 * height + rng.random())
    draw.text(at, text, fill=255, font=font, anchor="ls")
    return np.asarray(canvas), [_line(face, text, kind, height, canvas.getbbox() or (0, 0, 1, 1))]


def _draw_plate(
    faces: Mapping[str, list[Face]], rng: np.random.Generator
) -> tuple[np.ndarray, list[Line]]:
    """A nameplate with a frame, rules, a barcode and CE in a circle: its coverage and its lines."""
    own = [pick(faces, rng) for _ in range(int(rng.integers(1, 4)))]
    base = log_uniform(rng, *PLATE_HEIGHTS)
    canvas = Image.new("L", (4000, 1600))
    draw = ImageDraw.Draw(canvas)
    pad = base * float(rng.uniform(1, 2))
    y, right, lines, rules = pad, 0.0, [], []
    thin = max(1, round(base / 10))
    for kind, text in plate_lines(rng):
        face = own[int(rng.integers(len(own)))]
        height = float(np.clip(base * rng.uniform(0.75, 1.3), *PLATE_HEIGHTS))
        font = face.font(height)
        y += height
        draw.text((pad, y), text, fill=255, font=font, anchor="ls")
        box = draw.textbbox((pad, y), text, font=font, anchor="ls")
        lines.append(_line(face, text, kind, height, box))
        right = max(right, box[2])
        y += base * float(rng.uniform(0.8, 1.5))
        if rng.random() < 0.25:
            rules.append(y - 0.2 * base)
            y += 0.3 * base
    ring = base * float(rng.uniform(1.3, 1.8))
    center = (right + base + ring, pad + ring)
    lines.append(_draw_logo(draw, own[0], base, center, ring, thin))
    if rng.random() < 0.7:
        y = _draw_bars(draw, rng, pad, y + 0.5 * base, base)
    right = center[0] + ring + pad
    for level in rules:
        draw.line((pad, level, right - 2 * ring - base - pad, level), fill=255, width=thin)
    if rng.random() < 0.7:
        draw.rounded_rectangle((2, 2, right, y + base), base * 0.4, outline=255, width=thin)
    return np.asarray(canvas)[: int(y + 3 * base), : int(right + 2 * base)], lines


def _draw_logo(
    draw: ImageDraw.ImageDraw,
    face: Face,
    height: float,
    center: tuple[float, float],
    ring: float,
    thin: int,
) -> Line:
    """CE in a circle."""
    x, y = center
    draw.ellipse((x - ring, y - ring, x + ring, y + ring), outline=255, width=thin)
    font = face.font(height)
    draw.text(center, "CE", fill=255, font=font, anchor="mm")
    box = draw.textbbox(center, "CE", font=font, anchor="mm")
    return Line(**{**asdict(_line(face, "CE", "logo", height, box)), "asked": False})


def _draw_bars(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, x: float, y: float, height: float
) -> float:
    """A barcode; returns where it ends below."""
    unit = max(1, round(height / 10))
    bottom = y + height * float(rng.uniform(1.5, 3))
    for _ in range(int(rng.integers(25, 45))):
        wide = unit * int(rng.integers(1, 4))
        draw.rectangle((x, y, x + (wide - 1), max(y, bottom)), fill=255)
        x += wide + unit * int(rng.integers(1, 4))
    return bottom


def _turn(
    mask: np.ndarray, quads: list[list[list[float]]], degrees: float
) -> tuple[np.ndarray, list[list[list[float]]]]:
    """Turns a mask and the places on it, without cutting off a corner."""
    rows, cols = mask.shape
    matrix = cv2.getRotationMatrix2D((cols / 2, rows / 2), degrees, 1)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    width, height = int(cols * cos + rows * sin) + 2, int(rows * cos + cols * sin) + 2
    matrix[:, 2] += ((width - cols) / 2, (height - rows) / 2)
    turned = cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_CUBIC)
    placed = [(np.array(q) @ matrix[:, :2].T + matrix[:, 2]).tolist() for q in quads]
    return turned, placed


def _frame_ink(mask: np.ndarray, margin: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Cuts or pads a mask to a margin around its ink; also the step from old to new places."""
    rows, cols = np.flatnonzero(mask.max(1) > 20), np.flatnonzero(mask.max(0) > 20)
    x, y = int(cols[0]), int(rows[0])
    cut = mask[y : rows[-1] + 1, x : cols[-1] + 1]
    return np.pad(cut, margin), (margin - x, margin - y)


def _colors(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ground and ink, (3,) RGB levels each: dark on light in seven of ten, else light on dark."""
    light, dark = float(rng.uniform(170, 250)), float(rng.uniform(10, 75))
    if rng.random() < 0.25:
        light, dark = 255.0, 0.0
    ground, ink = (light, dark) if rng.random() < 0.7 else (dark, light)
    tint = rng.uniform(-22, 22, 3) if rng.random() < 0.6 else np.zeros(3)
    return np.clip(ground + tint, 0, 255), np.clip(ink + rng.uniform(-8, 8, 3), 0, 255)


def _photograph(
    mask: np.ndarray, height: float, rng: np.random.Generator
) -> tuple[np.ndarray, float, float]:
    """A picture of a mask with slight blur, noise and JPEG; mean levels of ground and ink."""
    ground, ink = _colors(rng)
    rows, cols = mask.shape
    slope = rng.uniform(-10, 10, 2) * (rng.random() < 0.5)
    shade = slope[0] * np.linspace(-1, 1, cols)[None] + slope[1] * np.linspace(-1, 1, rows)[:, None]
    alpha = mask[..., None] / 255.0
    image = (ground * (1 - alpha) + ink * alpha + shade[..., None]).astype(np.float32)
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.2, 1)) * min(1.5, height / 25))
    if rng.random() < 0.6:
        image += rng.normal(0, rng.uniform(1, 8), image.shape)
    pixels = np.clip(np.round(image), 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(60, 96)))
        pixels = np.asarray(Image.open(file).convert("RGB"))
    return np.ascontiguousarray(pixels), float(ground.mean()), float(ink.mean())
