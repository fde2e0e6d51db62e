"""The kinds of clutter, each a function that draws on a gray canvas (128 is transparent).

A canvas is (H, W) uint8, any orientation: kinds with a direction run along its longer side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis import clutter_marks as marks
from industrial_ocr.datasets.synthesis.clutter_marks import (
    DARK,
    LIGHT,
    along,
    disc,
    line,
    random_tone,
)
from industrial_ocr.results.types import ImageArray

Draw = Callable[[Generator, ImageArray], None]


@dataclass(frozen=True)
class Kind:
    """One kind of clutter.

    Attributes:
        draw: puts it on a canvas.
        smallest: least shorter side of the canvas in pixels.
        largest: greatest shorter side.
        aspect: range of longer to shorter side.
        share: how often, relative to the others.
    """

    draw: Draw
    smallest: int
    largest: int
    aspect: tuple[float, float]
    share: float = 1.0


def _fastener(rng: Generator, canvas: ImageArray) -> None:
    """A hole, rivet, screw or lamp: a shaded disc with a slot, cross or socket, never a ring."""
    height, width = canvas.shape
    radius, x, y = min(height, width) * 0.42, width / 2, height / 2
    disc(canvas, x + radius * 0.12, y + radius * 0.12, radius, DARK)
    face = int(rng.integers(20, 236))
    disc(canvas, x, y, radius * 0.94, face)
    lit = min(250, face + int(rng.integers(0, 45)))
    disc(canvas, x - radius * 0.1, y - radius * 0.1, radius * 0.7, lit)
    head, angle = rng.integers(5), rng.uniform(0, np.pi)
    cos, sin = np.cos(angle) * radius * 0.7, np.sin(angle) * radius * 0.7
    thick = max(1, int(radius * 0.2))
    if head <= 1:
        line(canvas, (x - cos, y - sin), (x + cos, y + sin), DARK, thick)
    if head == 1:
        line(canvas, (x - sin, y + cos), (x + sin, y - cos), DARK, thick)
    if head == 2:
        turn = angle + np.arange(6) * np.pi / 3
        points = np.stack([x + np.cos(turn) * radius * 0.5, y + np.sin(turn) * radius * 0.5], 1)
        cv2.fillConvexPoly(canvas, points.astype(np.int32), DARK)
    if head == 3:
        disc(canvas, x, y, radius * 0.35, DARK)
    if head == 4:
        disc(canvas, x - radius * 0.3, y - radius * 0.3, radius * 0.2, 255)


def _wheel(rng: Generator, canvas: ImageArray) -> None:
    """A tyre with a rim, spokes and a hub, or a target of several rings."""
    height, width = canvas.shape
    radius, x, y = min(height, width) * 0.46, width / 2, height / 2
    disc(canvas, x, y, radius, DARK)
    disc(canvas, x, y, radius * 0.68, int(rng.integers(140, 235)))
    for turn in np.arange(spokes := int(rng.integers(4, 12))) * 2 * np.pi / spokes:
        end = (x + np.cos(turn) * radius * 0.65, y + np.sin(turn) * radius * 0.65)
        line(canvas, (x, y), end, 50, int(radius * 0.12))
    disc(canvas, x, y, radius * 0.2, DARK)


def _row(rng: Generator, canvas: ImageArray) -> None:
    """A long row of equal pins, holes, rings, windows or teeth."""
    view = along(canvas)
    height, width = view.shape
    flat = np.full((height, width), 128, np.uint8)
    pitch = max(4.0, min(height * rng.uniform(0.45, 1.4), width / 7))
    shape, tone, other = rng.integers(5), random_tone(rng), int(rng.integers(30, 220))
    wide, tall = pitch * rng.uniform(0.25, 0.75), height * rng.uniform(0.5, 0.95)
    for x in np.arange(pitch / 2, width - wide / 2, pitch):
        top, bottom = (height - tall) / 2, (height + tall) / 2
        corner, end = (int(x - wide / 2), int(top)), (int(x + wide / 2), int(bottom))
        if shape <= 1:
            cv2.rectangle(flat, corner, end, tone, -1)
        elif shape == 2:
            cv2.rectangle(flat, corner, end, tone, -1)
            cv2.rectangle(flat, corner, end, other, 1)
        else:
            disc(flat, x, height / 2, min(wide, tall) * 0.5, tone, -1 if shape == 3 else 1)
    view[:] = flat


def _stripes(rng: Generator, canvas: ImageArray) -> None:
    """Long parallel edges, equally spaced: corrugation, slats, ventilation, lock rods, fences."""
    view = along(canvas)
    height = view.shape[0]
    pitch = max(3, int(height / rng.integers(4, 11)))
    thick = max(1, int(pitch * rng.uniform(0.08, 0.5)))
    paired = rng.random() < 0.6
    for y in range(pitch // 2, height - thick, pitch):
        view[y : y + thick] = LIGHT
        if paired:
            view[y + thick : y + 2 * thick] = DARK


def _hatch(rng: Generator, canvas: ImageArray) -> None:
    """Oblique bars: knurls, hazard stripes, hatching."""
    height, width = canvas.shape
    pitch = max(4, int(min(min(height, width) * rng.uniform(0.15, 0.8), width / 6)))
    thick = max(1, int(pitch * rng.uniform(0.12, 0.6)))
    lean = int(height * rng.uniform(-1.2, 1.2))
    tone = random_tone(rng)
    for x in range(-abs(lean), width + abs(lean), pitch):
        line(canvas, (x, 0), (x + lean, height), tone, thick)


def _scale(rng: Generator, canvas: ImageArray) -> None:
    """A ruler: ticks of two or three lengths."""
    view = along(canvas)
    height, width = view.shape
    pitch, thick, tone = int(rng.integers(3, 14)), int(rng.integers(1, 3)), random_tone(rng)
    for index, x in enumerate(range(2, width - thick, pitch)):
        reach = 0.95 if index % 10 == 0 else 0.65 if index % 5 == 0 else 0.4
        view[: int(height * reach), x : x + thick] = tone
    if rng.random() < 0.5:
        view[:thick] = tone


def _grid(rng: Generator, canvas: ImageArray) -> None:
    """A grille, mesh, window front or array of dots."""
    height, width = canvas.shape
    pitch = max(4, int(min(height, width) / rng.integers(3, 10)))
    tone, thick = random_tone(rng), max(1, int(pitch * rng.uniform(0.1, 0.5)))
    kind = rng.integers(3)
    if kind == 0:
        for k in range(thick):
            canvas[k::pitch] = tone
            canvas[:, k::pitch] = tone
        return
    for y in range(pitch // 2, height - pitch // 3, pitch):
        for x in range(pitch // 2, width - pitch // 3, pitch):
            if kind == 1:
                disc(canvas, x, y, pitch * 0.3, tone)
            else:
                canvas[y - pitch // 3 : y + pitch // 3, x - pitch // 3 : x + pitch // 3] = tone


def _bricks(rng: Generator, canvas: ImageArray) -> None:
    """Joints of paving or brickwork."""
    height, width = canvas.shape
    tall = max(5, int(height / rng.integers(3, 8)))
    long, thick, tone = int(tall * rng.uniform(1, 2.6)), int(rng.integers(1, 3)), random_tone(rng)
    for row, y in enumerate(range(0, height, tall)):
        canvas[y : y + thick] = tone
        shift = (row % 2) * long // 2
        for x in range(shift, width, long):
            canvas[y : y + tall, x : x + thick] = tone


def _cable(rng: Generator, canvas: ImageArray) -> None:
    """One to four wires sagging side by side."""
    height, width = canvas.shape
    x = np.linspace(-0.1, 1.1, 24)
    curve = rng.uniform(-0.4, 0.4) * np.sin(x * rng.uniform(1, 7) + rng.uniform(0, 6))
    thick, tone = int(rng.integers(1, 6)), random_tone(rng)
    for k in range(rng.integers(1, 5)):
        y = (0.5 + curve * (1 - 0.12 * k)) * height + k * thick * 1.8
        points = np.stack([x * width, y], 1).astype(np.int32)
        cv2.polylines(canvas, [points], False, tone, thick, cv2.LINE_AA)
        cv2.polylines(canvas, [points - [0, thick // 2]], False, 256 - tone, 1, cv2.LINE_AA)


def _leaves(rng: Generator, canvas: ImageArray) -> None:
    """A handful of leaf-like blobs, overlapping, light and dark."""
    height, width = canvas.shape
    for _ in range(rng.integers(6, 28)):
        center = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        long = max(2.0, min(height, width) * rng.uniform(0.06, 0.22))
        axes = (int(long), max(1, int(long * rng.uniform(0.2, 0.6))))
        tone = int(rng.integers(10, 246))
        cv2.ellipse(canvas, center, axes, rng.uniform(0, 360), 0, 360, tone, -1)


KINDS = (
    Kind(_fastener, 10, 70, (1, 1), 2.0),
    Kind(_wheel, 24, 160, (1, 1), 0.8),
    Kind(_row, 6, 50, (5, 16), 2.5),
    Kind(_stripes, 12, 110, (2, 8), 2.0),
    Kind(_hatch, 12, 80, (1.5, 8), 1.2),
    Kind(_scale, 7, 30, (5, 18), 1.0),
    Kind(_grid, 16, 120, (1, 2.5), 1.2),
    Kind(_bricks, 26, 160, (1, 2.5), 1.0),
    Kind(marks.barcode, 12, 70, (1.5, 5), 1.2),
    Kind(marks.matrix_code, 20, 110, (1, 1), 1.2),
    Kind(marks.arrow, 16, 70, (1, 1.6), 1.2),
    Kind(marks.logo, 20, 140, (1, 2.2), 2.0),
    Kind(marks.dashes, 7, 24, (6, 20), 0.8),
    Kind(marks.frame, 28, 140, (1, 4), 1.2),
    Kind(_cable, 36, 120, (1.5, 5), 1.0),
    Kind(_leaves, 20, 140, (1, 2), 1.0),
    Kind(marks.crosshair, 14, 50, (1, 1), 0.6),
    Kind(marks.squiggle, 18, 70, (1, 3), 1.2),
)
