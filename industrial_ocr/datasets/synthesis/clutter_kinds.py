"""The kinds of clutter: functions that draw things that look like text.

To add a kind, write a function ``(rng, canvas)`` and add it to ``CLUTTER_KINDS`` at the end of this
file. A canvas is (H, W) uint8 and starts at 128, which is transparent; a kind with a direction runs
along its longer side. No kind may draw a shape that could be read as a character: rings, bars and
dots are only drawn in long rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from industrial_ocr.results.types import ImageArray

Point = tuple[float, float] | NDArray[Any]


@dataclass(frozen=True)
class ClutterKind:
    """How a kind is drawn, on which canvases, and how often relative to the others."""

    draw: Callable[[Generator, ImageArray], None]
    size: tuple[int, int]
    """Range of the canvas's shorter side in pixels."""
    aspect: tuple[float, float]
    """Range of longer to shorter side."""
    share: float


_LIGHT, _DARK = 238, 18


def _along(canvas: ImageArray) -> ImageArray:
    """The canvas as a view whose rows are its longer side."""
    return canvas if canvas.shape[1] >= canvas.shape[0] else canvas.T


def _pixel(point: Point) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def _disc(canvas: ImageArray, center: Point, radius: float, tone: int, ring: int = -1) -> None:
    """A filled disc, or a ring of the given thickness in pixels."""
    cv2.circle(canvas, _pixel(center), max(1, int(radius)), tone, ring, cv2.LINE_AA)


def _fill(canvas: ImageArray, points: Sequence[Point] | NDArray[Any], tone: int) -> None:
    cv2.fillPoly(canvas, [np.asarray(points).astype(np.int32)], tone, cv2.LINE_AA)


def _line(canvas: ImageArray, start: Point, end: Point, tone: int, thick: int = 1) -> None:
    cv2.line(canvas, _pixel(start), _pixel(end), tone, max(1, thick), cv2.LINE_AA)


def _middle(canvas: ImageArray) -> NDArray[Any]:
    return np.array(canvas.shape[::-1]) / 2


def _random_tone(rng: Generator) -> int:
    return _LIGHT if rng.random() < 0.5 else _DARK


def _fastener(rng: Generator, canvas: ImageArray) -> None:
    """A hole, rivet, screw or lamp: a shaded disc with a slot, cross or socket, never a ring."""
    center, radius = _middle(canvas), min(canvas.shape) * 0.42
    _disc(canvas, center + radius * 0.12, radius, _DARK)
    face = int(rng.integers(20, 236))
    _disc(canvas, center, radius * 0.94, face)
    lit = min(250, face + int(rng.integers(0, 45)))
    _disc(canvas, center - radius * 0.1, radius * 0.7, lit)
    head, angle = rng.integers(5), rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * radius * 0.7
    across = np.array([-along[1], along[0]])
    thick = max(1, int(radius * 0.2))
    if head <= 1:
        _line(canvas, center - along, center + along, _DARK, thick)
    if head == 1:
        _line(canvas, center + across, center - across, _DARK, thick)
    if head == 2:
        turn = angle + np.arange(6) * np.pi / 3
        points = center + np.stack([np.cos(turn), np.sin(turn)], 1) * radius * 0.5
        cv2.fillConvexPoly(canvas, points.astype(np.int32), _DARK)
    if head == 3:
        _disc(canvas, center, radius * 0.35, _DARK)
    if head == 4:
        _disc(canvas, center - radius * 0.3, radius * 0.2, 255)


def _wheel(rng: Generator, canvas: ImageArray) -> None:
    """A tyre with a rim, spokes and a hub."""
    center, radius = _middle(canvas), min(canvas.shape) * 0.46
    _disc(canvas, center, radius, _DARK)
    _disc(canvas, center, radius * 0.68, int(rng.integers(140, 235)))
    spokes = int(rng.integers(4, 12))
    for turn in np.arange(spokes) * 2 * np.pi / spokes:
        end = center + np.array([np.cos(turn), np.sin(turn)]) * radius * 0.65
        _line(canvas, center, end, 50, int(radius * 0.12))
    _disc(canvas, center, radius * 0.2, _DARK)


def _row(rng: Generator, canvas: ImageArray) -> None:
    """A long row of equal pins, holes, rings, windows or teeth."""
    view = _along(canvas)
    height, width = view.shape
    flat = np.full((height, width), 128, np.uint8)
    pitch = max(4.0, min(height * rng.uniform(0.45, 1.4), width / 7))
    shape, tone, other = rng.integers(5), _random_tone(rng), int(rng.integers(30, 220))
    wide, tall = pitch * rng.uniform(0.25, 0.75), height * rng.uniform(0.5, 0.95)
    for x in np.arange(pitch / 2, width - wide / 2, pitch):
        top, bottom = (height - tall) / 2, (height + tall) / 2
        corner, end = (int(x - wide / 2), int(top)), (int(x + wide / 2), int(bottom))
        if shape <= 2:
            cv2.rectangle(flat, corner, end, tone, -1)
        if shape == 2:
            cv2.rectangle(flat, corner, end, other, 1)
        if shape > 2:
            _disc(flat, (x, height / 2), min(wide, tall) * 0.5, tone, -1 if shape == 3 else 1)
    view[:] = flat


def _stripes(rng: Generator, canvas: ImageArray) -> None:
    """Long parallel edges, equally spaced: corrugation, slats, ventilation, lock rods, fences."""
    view = _along(canvas)
    height = view.shape[0]
    pitch = max(3, int(height / rng.integers(4, 11)))
    thick = max(1, int(pitch * rng.uniform(0.08, 0.5)))
    paired = rng.random() < 0.6
    for y in range(pitch // 2, height - thick, pitch):
        view[y : y + thick] = _LIGHT
        if paired:
            view[y + thick : y + 2 * thick] = _DARK


def _hatch(rng: Generator, canvas: ImageArray) -> None:
    """Oblique bars: knurls, hazard stripes, hatching."""
    height, width = canvas.shape
    pitch = max(4, int(min(min(height, width) * rng.uniform(0.15, 0.8), width / 6)))
    thick = max(1, int(pitch * rng.uniform(0.12, 0.6)))
    lean, tone = int(height * rng.uniform(-1.2, 1.2)), _random_tone(rng)
    for x in range(-abs(lean), width + abs(lean), pitch):
        _line(canvas, (x, 0), (x + lean, height), tone, thick)


def _scale(rng: Generator, canvas: ImageArray) -> None:
    """A ruler: ticks of two or three lengths."""
    view = _along(canvas)
    height, width = view.shape
    pitch, thick, tone = int(rng.integers(3, 14)), int(rng.integers(1, 3)), _random_tone(rng)
    for index, x in enumerate(range(2, width - thick, pitch)):
        reach = 0.95 if index % 10 == 0 else 0.65 if index % 5 == 0 else 0.4
        view[: int(height * reach), x : x + thick] = tone
    if rng.random() < 0.5:
        view[:thick] = tone


def _grid(rng: Generator, canvas: ImageArray) -> None:
    """A grille, mesh, window front or array of dots."""
    height, width = canvas.shape
    pitch = max(4, int(min(height, width) / rng.integers(3, 10)))
    tone, thick = _random_tone(rng), max(1, int(pitch * rng.uniform(0.1, 0.5)))
    kind = rng.integers(3)
    if kind == 0:
        canvas[np.arange(height) % pitch < thick] = tone
        canvas[:, np.arange(width) % pitch < thick] = tone
        return
    half = pitch // 3
    for y in range(pitch // 2, height - half, pitch):
        for x in range(pitch // 2, width - half, pitch):
            if kind == 1:
                _disc(canvas, (x, y), pitch * 0.3, tone)
            else:
                canvas[y - half : y + half, x - half : x + half] = tone


def _bricks(rng: Generator, canvas: ImageArray) -> None:
    """Joints of paving or brickwork."""
    height, width = canvas.shape
    tall = max(5, int(height / rng.integers(3, 8)))
    long, thick, tone = int(tall * rng.uniform(1, 2.6)), int(rng.integers(1, 3)), _random_tone(rng)
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
    thick, tone = int(rng.integers(1, 6)), _random_tone(rng)
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


def _barcode(rng: Generator, canvas: ImageArray) -> None:
    """A linear code: bars of one to four modules on a quiet ground."""
    view = _along(canvas)
    module = rng.uniform(1, 3)
    runs = rng.integers(1, 5, int(view.shape[1] / module) + 4)
    bars = np.repeat(np.arange(len(runs)) % 2, runs)
    columns = bars[(np.arange(view.shape[1]) / module).astype(int)]
    view[:] = np.where(columns > 0, _DARK, _LIGHT if rng.random() < 0.7 else 128).astype(np.uint8)


def _matrix_code(rng: Generator, canvas: ImageArray) -> None:
    """A two-dimensional code: Data Matrix with its L and clock track, or QR with three eyes."""
    cells = int(rng.integers(10, 30))
    code = rng.integers(0, 2, (cells, cells)).astype(np.uint8)
    if rng.random() < 0.5:
        code[:, 0], code[-1] = 1, 1
        code[0], code[:, -1] = np.arange(cells) % 2 == 0, np.arange(cells) % 2 == 1
    elif cells >= 18:
        eye = np.ones((7, 7), np.uint8)
        eye[1:-1, 1:-1], eye[2:-2, 2:-2] = 0, 1
        code[:7, :7], code[:7, -7:], code[-7:, :7] = eye, eye, eye
    tones = np.where(code > 0, _DARK, _LIGHT if rng.random() < 0.7 else 128).astype(np.uint8)
    side = min(canvas.shape) - 1
    canvas[:side, :side] = cv2.resize(tones, (side, side), interpolation=cv2.INTER_NEAREST)


def _arrow(rng: Generator, canvas: ImageArray) -> None:
    """An arrow, or a warning triangle with something in it."""
    (height, width), tone = canvas.shape, _random_tone(rng)
    if rng.random() < 0.5:
        y, thick = height / 2, height * rng.uniform(0.08, 0.2)
        neck = width * rng.uniform(0.4, 0.7)
        above = [(0, y - thick), (neck, y - thick), (neck, height * 0.1)]
        below = [(neck, height * 0.9), (neck, y + thick), (0, y + thick)]
        _fill(canvas, [*above, (width * 0.98, y), *below], tone)
        return
    triangle = np.array([(width / 2, 1), (width - 2, height - 2), (1, height - 2)], np.int32)
    cv2.fillConvexPoly(canvas, triangle, tone, cv2.LINE_AA)
    bolt = rng.normal(0, 0.09, (6, 2)) * (width, height) + (width / 2, height * 0.66)
    _fill(canvas, bolt, 256 - tone)


def _logo(rng: Generator, canvas: ImageArray) -> None:
    """A mark of one to three filled blobs or stars, one inside the other."""
    height, width = canvas.shape
    tone = _random_tone(rng)
    if rng.random() < 0.4:
        cv2.rectangle(canvas, (0, 0), (width, height), tone, -1)
        tone = 256 - tone
    for shrink in (0.48, 0.3, 0.16)[: rng.integers(1, 4)]:
        count = int(rng.integers(4, 14))
        turn = np.sort(rng.uniform(0, 2 * np.pi, count))
        reach = rng.uniform(0.35, 1, count) * shrink
        if rng.random() < 0.5:
            turn = np.linspace(0, 2 * np.pi, 48)
            wave = np.cos(turn * rng.integers(2, 8) + rng.uniform(0, 6))
            reach = shrink * (0.75 + rng.uniform(0.05, 0.25) * wave)
        x, y = 0.5 + reach * np.cos(turn), 0.5 + reach * np.sin(turn)
        _fill(canvas, np.stack([x * width, y * height], 1), tone)
        tone = 256 - tone


def _dashes(rng: Generator, canvas: ImageArray) -> None:
    """Long dashed or dotted lines, one or two of them."""
    view = _along(canvas)
    height, width = view.shape
    longest = max(4, width // 16)
    dash, gap = int(rng.integers(2, longest + 1)), int(rng.integers(2, longest + 1))
    thick, tone = int(rng.integers(1, 4)), _random_tone(rng)
    on = (np.arange(width) % (dash + gap)) < dash
    for y in rng.integers(0, height - thick, int(rng.integers(1, 3))):
        view[y : y + thick, on] = tone


def _frame(rng: Generator, canvas: ImageArray) -> None:
    """An empty frame, single, double or divided like a table."""
    height, width = canvas.shape
    thick, tone = int(rng.integers(1, 1 + max(2, min(height, width) // 14))), _random_tone(rng)
    cv2.rectangle(canvas, (1, 1), (width - 2, height - 2), tone, thick)
    if rng.random() < 0.5:
        inset = 3 * thick + 2
        cv2.rectangle(canvas, (inset, inset), (width - inset, height - inset), tone, 1)
    canvas[:, rng.integers(2, width - 2, rng.integers(0, 4))] = tone
    canvas[rng.integers(2, height - 2, rng.integers(0, 4))] = tone


def _crosshair(rng: Generator, canvas: ImageArray) -> None:
    """A registration mark: rings, a cross through them and filled quarters."""
    center, radius, tone = _middle(canvas), min(canvas.shape) * 0.34, _random_tone(rng)
    thick, inner, reach = max(1, int(radius * 0.12)), int(radius * 0.5), radius * 1.4
    _disc(canvas, center, radius, tone, thick)
    _disc(canvas, center, radius * 0.5, tone, thick)
    for start in (0, 180):
        cv2.ellipse(canvas, _pixel(center), (inner, inner), 0, start, start + 90, tone, -1)
    for arm in ((reach, 0), (0, reach)):
        _line(canvas, center - arm, center + arm, tone, thick)


def _squiggle(rng: Generator, canvas: ImageArray) -> None:
    """Tangled strokes: a scribble that crosses itself many times, no letter of any script."""
    height, width = canvas.shape
    tone, thick = _random_tone(rng), max(1, int(min(height, width) * rng.uniform(0.02, 0.06)))
    turns = int(rng.integers(5, 10))
    at = np.linspace(0, 2 * np.pi * turns, turns * 12)
    drift = np.linspace(-0.28, 0.28, len(at)) * rng.uniform(0.2, 1)
    reach = rng.uniform(0.12, 0.24, 2)
    x = 0.5 + drift + reach[0] * np.cos(at * rng.uniform(0.9, 1.1) + rng.uniform(0, 6))
    y = 0.5 + reach[1] * np.sin(at) + 0.14 * np.sin(at * rng.uniform(0.1, 0.45))
    wobble = np.interp(at, at[::7], rng.normal(0, 0.05, len(at[::7])))
    points = np.stack([x * width, (y + wobble) * height], 1).astype(np.int32)
    cv2.polylines(canvas, [points], False, tone, thick, cv2.LINE_AA)


CLUTTER_KINDS = (
    ClutterKind(_fastener, (10, 70), (1, 1), 2.0),
    ClutterKind(_wheel, (24, 160), (1, 1), 0.8),
    ClutterKind(_row, (6, 50), (5, 16), 2.5),
    ClutterKind(_stripes, (12, 110), (2, 8), 2.0),
    ClutterKind(_hatch, (12, 80), (1.5, 8), 1.2),
    ClutterKind(_scale, (7, 30), (5, 18), 1.0),
    ClutterKind(_grid, (16, 120), (1, 2.5), 1.2),
    ClutterKind(_bricks, (26, 160), (1, 2.5), 1.0),
    ClutterKind(_barcode, (12, 70), (1.5, 5), 1.2),
    ClutterKind(_matrix_code, (20, 110), (1, 1), 1.2),
    ClutterKind(_arrow, (16, 70), (1, 1.6), 1.2),
    ClutterKind(_logo, (20, 140), (1, 2.2), 2.0),
    ClutterKind(_dashes, (7, 24), (6, 20), 0.8),
    ClutterKind(_frame, (28, 140), (1, 4), 1.2),
    ClutterKind(_cable, (36, 120), (1.5, 5), 1.0),
    ClutterKind(_leaves, (20, 140), (1, 2), 1.0),
    ClutterKind(_crosshair, (14, 50), (1, 1), 0.6),
    ClutterKind(_squiggle, (18, 70), (1, 3), 1.2),
)
