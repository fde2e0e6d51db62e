"""Printed clutter (codes, arrows, logos, frames, scribble), and the pens all clutter is drawn with.

A canvas is (H, W) uint8, any orientation, 128 is transparent: kinds with a direction run along its
longer side.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.results.types import ImageArray

LIGHT, DARK = 238, 18


def along(canvas: ImageArray) -> ImageArray:
    """The canvas as a view whose rows are its longer side."""
    return canvas if canvas.shape[1] >= canvas.shape[0] else canvas.T


def disc(canvas: ImageArray, x: float, y: float, radius: float, tone: int, thick: int = -1) -> None:
    """A filled disc, or with ``thick`` a ring."""
    cv2.circle(canvas, (int(x), int(y)), max(1, int(radius)), tone, thick, cv2.LINE_AA)


def line(canvas: ImageArray, start: tuple[float, float], end: tuple[float, float],
          tone: int, thick: int = 1) -> None:  # fmt: skip
    """A smooth line of ``thick`` pixels."""
    first, last = (int(start[0]), int(start[1])), (int(end[0]), int(end[1]))
    cv2.line(canvas, first, last, tone, max(1, thick), cv2.LINE_AA)


def random_tone(rng: Generator) -> int:
    """The light or the dark tone."""
    return LIGHT if rng.random() < 0.5 else DARK


def barcode(rng: Generator, canvas: ImageArray) -> None:
    """A linear code: bars of one to four modules on a quiet ground."""
    view = along(canvas)
    module = rng.uniform(1, 3)
    runs = rng.integers(1, 5, int(view.shape[1] / module) + 4)
    bars = np.repeat(np.arange(len(runs)) % 2, runs)
    columns = bars[(np.arange(view.shape[1]) / module).astype(int)]
    view[:] = np.where(columns > 0, DARK, LIGHT if rng.random() < 0.7 else 128).astype(np.uint8)


def matrix_code(rng: Generator, canvas: ImageArray) -> None:
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
    ground = LIGHT if rng.random() < 0.7 else 128
    tones = np.where(code > 0, DARK, ground).astype(np.uint8)
    side = min(canvas.shape) - 1
    canvas[:side, :side] = cv2.resize(tones, (side, side), interpolation=cv2.INTER_NEAREST)


def arrow(rng: Generator, canvas: ImageArray) -> None:
    """An arrow, or a warning triangle with something in it."""
    height, width = canvas.shape
    tone = random_tone(rng)
    if rng.random() < 0.5:
        y, thick = height / 2, height * rng.uniform(0.08, 0.2)
        neck = width * rng.uniform(0.4, 0.7)
        points = [(0, y - thick), (neck, y - thick), (neck, height * 0.1), (width * 0.98, y),
                  (neck, height * 0.9), (neck, y + thick), (0, y + thick)]  # fmt: skip
        cv2.fillPoly(canvas, [np.array(points, np.int32)], tone, cv2.LINE_AA)
        return
    triangle = np.array([(width / 2, 1), (width - 2, height - 2), (1, height - 2)], np.int32)
    cv2.fillConvexPoly(canvas, triangle, tone, cv2.LINE_AA)
    bolt = rng.normal(0, 0.09, (6, 2)) * (width, height) + (width / 2, height * 0.66)
    cv2.fillPoly(canvas, [bolt.astype(np.int32)], 256 - tone, cv2.LINE_AA)


def logo(rng: Generator, canvas: ImageArray) -> None:
    """A mark of one to three filled blobs or stars, one inside the other."""
    height, width = canvas.shape
    tone = random_tone(rng)
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
        points = np.stack([(0.5 + reach * np.cos(turn)) * width,
                           (0.5 + reach * np.sin(turn)) * height], 1)  # fmt: skip
        cv2.fillPoly(canvas, [points.astype(np.int32)], tone, cv2.LINE_AA)
        tone = 256 - tone


def dashes(rng: Generator, canvas: ImageArray) -> None:
    """Long dashed or dotted lines, one or two of them."""
    view = along(canvas)
    height, width = view.shape
    longest = max(4, width // 16)
    dash, gap = int(rng.integers(2, longest + 1)), int(rng.integers(2, longest + 1))
    thick, tone = int(rng.integers(1, 4)), random_tone(rng)
    on = (np.arange(width) % (dash + gap)) < dash
    for y in rng.integers(0, height - thick, int(rng.integers(1, 3))):
        view[y : y + thick, on] = tone


def frame(rng: Generator, canvas: ImageArray) -> None:
    """An empty frame, single, double or divided like a table."""
    height, width = canvas.shape
    thick, tone = int(rng.integers(1, 1 + max(2, min(height, width) // 14))), random_tone(rng)
    cv2.rectangle(canvas, (1, 1), (width - 2, height - 2), tone, thick)
    if rng.random() < 0.5:
        inset = 3 * thick + 2
        cv2.rectangle(canvas, (inset, inset), (width - inset, height - inset), tone, 1)
    for x in rng.integers(2, width - 2, int(rng.integers(0, 4))):
        canvas[:, x : x + 1] = tone
    for y in rng.integers(2, height - 2, int(rng.integers(0, 4))):
        canvas[y : y + 1] = tone


def crosshair(rng: Generator, canvas: ImageArray) -> None:
    """A registration mark: rings, a cross through them and filled quarters."""
    height, width = canvas.shape
    radius, x, y, tone = min(height, width) * 0.34, width / 2, height / 2, random_tone(rng)
    thick = max(1, int(radius * 0.12))
    disc(canvas, x, y, radius, tone, thick)
    disc(canvas, x, y, radius * 0.5, tone, thick)
    center = (int(x), int(y))
    axes = (int(radius * 0.5), int(radius * 0.5))
    for start in (0, 180):
        cv2.ellipse(canvas, center, axes, 0, start, start + 90, tone, -1)
    line(canvas, (x - radius * 1.4, y), (x + radius * 1.4, y), tone, thick)
    line(canvas, (x, y - radius * 1.4), (x, y + radius * 1.4), tone, thick)


def squiggle(rng: Generator, canvas: ImageArray) -> None:
    """Tangled strokes: a scribble that crosses itself many times, no letter of any script."""
    height, width = canvas.shape
    tone, thick = random_tone(rng), max(1, int(min(height, width) * rng.uniform(0.02, 0.06)))
    turns = int(rng.integers(5, 10))
    at = np.linspace(0, 2 * np.pi * turns, turns * 12)
    drift = np.linspace(-0.28, 0.28, len(at)) * rng.uniform(0.2, 1)
    reach = rng.uniform(0.12, 0.24, 2)
    x = 0.5 + drift + reach[0] * np.cos(at * rng.uniform(0.9, 1.1) + rng.uniform(0, 6))
    y = 0.5 + reach[1] * np.sin(at) + 0.14 * np.sin(at * rng.uniform(0.1, 0.45))
    wobble = np.interp(at, at[::7], rng.normal(0, 0.05, len(at[::7])))
    points = np.stack([x * width, (y + wobble) * height], 1).astype(np.int32)
    cv2.polylines(canvas, [points], False, tone, thick, cv2.LINE_AA)
