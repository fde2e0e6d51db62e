"""Draws results: strings, characters and readings on the image that was read."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.geometry import Rectangle, bounds, centers_meet
from industrial_ocr.results.types import (
    CharState,
    FloatArray,
    ImageArray,
    Status,
    TextString,
    Verdict,
)

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class _Color:
    """A color for lines and text backgrounds, and the color of readable text on it."""

    ground: RGB
    text: RGB


_GREEN = _Color((0, 150, 60), (255, 255, 255))
_AMBER = _Color((255, 170, 0), (0, 0, 0))
_RED = _Color((215, 30, 30), (255, 255, 255))
_BLACK = _Color((0, 0, 0), (255, 255, 255))
_STATES = {CharState.PASS: _GREEN, CharState.UNSURE: _AMBER}
_VERDICTS = {Verdict.PASS: _GREEN, Verdict.CANNOT_TELL: _AMBER, Verdict.FAIL: _RED}


def _color_of(confidence: float) -> _Color:
    """Red below 0.5, green from 0.85 on, amber between."""
    if confidence >= 0.85:
        return _GREEN
    return _AMBER if confidence >= 0.5 else _RED


def _status_color(reading: TextString | CodeReading) -> _Color:
    """Green only if the reading passes, whatever its confidence is."""
    if reading.status is Status.OK:
        return _GREEN
    return _AMBER if reading.confidence >= 0.5 else _RED


def _character_outlines(reading: TextString | CodeReading) -> list[tuple[FloatArray, float]]:
    """Quad and confidence of each character."""
    if isinstance(reading, CodeReading):
        return [(c.character.quad, c.confidence) for c in reading.characters]
    return [(c.quad, c.confidence) for c in reading.characters]


def draw_result(
    source: ImageArray, strings: Sequence[TextString], codes: Sequence[CodeReading] = ()
) -> ImageArray:
    """The picture with quads and readings on it; a code replaces the strings that show it.

    Characters have thin outlines in green, amber or red by their confidence. Strings and codes have
    frames, green if their status is ``ok``, else amber, or red below 0.5. The frames have a dark
    edge, so that they show on any background. The reading and its confidence are written on a plate
    above the string, below it if there is no room, or beside it if its letters are stacked or
    turned. Line widths and letters grow with the picture.

    Returns:
        (H, W, 3) uint8 RGB, of the size of the picture that was read.
    """
    image = source.copy()
    thin = _line_width(image)
    others = [s for s in strings if not any(centers_meet(c.quad, s.quad) for c in codes)]
    readings: list[TextString | CodeReading] = [*codes, *others]
    for reading in readings:
        for quad, confidence in _character_outlines(reading):
            draw_outline(image, quad, _color_of(confidence).ground, thin)
    for reading in readings:
        draw_outline(image, reading.quad, _BLACK.ground, 2 * thin + 2)
        draw_outline(image, reading.quad, _status_color(reading).ground, 2 * thin)
    canvas = Image.fromarray(image)
    taken = [bounds(r.quad) for r in readings]
    for reading in readings:
        text = f"{reading.text}  {reading.confidence:.2f}"
        lies = reading.direction == "horizontal"
        taken.append(_label(canvas, text, _status_color(reading), taken, reading.quad, lies))
    return np.array(canvas, np.uint8)


def draw_verification(
    source: ImageArray,
    verdict: Verdict,
    text: str,
    quad: FloatArray | None,
    characters: Sequence[tuple[FloatArray, CharState]],
) -> ImageArray:
    """The picture with a verdict: characters that pass are green, unsure ones amber, others red.

    Args:
        source: (H, W, 3) uint8 RGB.
        verdict: the verdict, which decides the color of the plate.
        text: text on the plate.
        quad: quad beside which the plate is drawn; None draws it at the top.
        characters: quad and state of each character.

    Returns:
        (H, W, 3) uint8 RGB, of the size of ``source``.
    """
    image = source.copy()
    thin = _line_width(image)
    for place, state in characters:
        draw_outline(image, place, _STATES.get(state, _RED).ground, 2 * thin)
    color = _VERDICTS[verdict]
    if quad is None:
        quad = np.zeros((4, 2), np.float32)
    else:
        draw_outline(image, quad, color.ground, thin)
    canvas = Image.fromarray(image)
    x0, y0, x1, y1 = bounds(quad)
    _label(canvas, text, color, [(x0, y0, x1, y1)], quad, x1 - x0 >= y1 - y0)
    return np.array(canvas, np.uint8)


def _line_width(image: ImageArray) -> int:
    height, width = image.shape[:2]
    return max(1, round(float(max(height, width)) / 1000))


def draw_outline(image: ImageArray, points: ArrayLike, color: RGB, width: int) -> None:
    """Draws a closed line through points (N, 2), which may lie between pixels, in place."""
    bits = 3  # for the fraction of a pixel
    fixed = np.round(np.asarray(points) * (1 << bits)).astype(np.int32)
    cv2.polylines(image, [fixed], True, color, width, cv2.LINE_AA, bits)


def _label(
    canvas: Image.Image,
    text: str,
    color: _Color,
    taken: Sequence[Rectangle],
    quad: FloatArray,
    lies: bool,
) -> Rectangle:
    """Writes a text beside its quad, where it covers least of the rectangles ``taken``.

    Returns:
        The rectangle of the text.
    """
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=max(10, round(18 * (max(canvas.size) / 1000))))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pad = max(2.0, (bottom - top) / 6)
    wide, tall = right - left + 2 * pad, bottom - top + 2 * pad
    places = [
        _moved_inside(place, wide, tall, canvas.size)
        for place in _corners(quad, lies, wide, tall, pad)
    ]
    box = min(places, key=lambda b: sum(_common_area(b, other) for other in taken))
    pen.rectangle(box, fill=color.ground, outline=_BLACK.ground)
    pen.text((box[0] + pad - left, box[1] + pad - top), text, fill=color.text, font=font)
    return box


def _corners(
    quad: FloatArray, lies: bool, wide: float, tall: float, gap: float
) -> tuple[tuple[float, float], ...]:
    """Possible top-left corners of a label, the best first: above level quads, else beside them."""
    x0, y0, x1, y1 = bounds(quad)
    above, below = y0 - tall - gap, y1 + gap
    left, right = x0 - wide - gap, x1 + gap
    lines = ((x0, above), (x0, below), (x1 - wide, above), (x1 - wide, below))
    sides = ((right, y0), (left, y0), (right, y1 - tall), (left, y1 - tall))
    return (*lines, *sides) if lies else (*sides, *lines)


def _moved_inside(
    place: tuple[float, float], wide: float, tall: float, size: tuple[int, int]
) -> Rectangle:
    """A label's rectangle, moved into the picture; the beginning of a wide one stays visible."""
    x = max(0.0, min(place[0], size[0] - 1 - wide))
    y = max(0.0, min(place[1], size[1] - 1 - tall))
    return x, y, x + wide, y + tall


def _common_area(a: Rectangle, b: Rectangle) -> float:
    """Common area of two rectangles."""
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(wide, 0.0) * max(tall, 0.0)


def contact_sheet(images: Sequence[ImageArray], columns: int, gap: int = 4) -> ImageArray:
    """Pictures side by side in rows, each at its own size, on a dark background.

    Args:
        images: pictures, each (H, W, 3) uint8 RGB; at least one.
        columns: number of pictures in a row, at least one.
        gap: pixels around each picture.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: no picture, no column, or a picture that is not (H, W, 3).
    """
    if not images or columns < 1:
        raise ValueError(
            f"a sheet needs at least one picture and one column, got {len(images)} and {columns}"
        )
    bad = next((i.shape for i in images if i.ndim != 3 or i.shape[2] != 3), None)
    if bad is not None:
        raise ValueError(f"pictures must be (H, W, 3), got {bad}")
    rows = [images[i : i + columns] for i in range(0, len(images), columns)]
    wide = max(sum(i.shape[1] + gap for i in row) for row in rows) + gap
    tall = sum(max(i.shape[0] for i in row) + gap for row in rows) + gap
    sheet = np.full((tall, wide, 3), 24, np.uint8)
    y = gap
    for row in rows:
        x = gap
        for image in row:
            sheet[y : y + image.shape[0], x : x + image.shape[1]] = image
            x += image.shape[1] + gap
        y += max(i.shape[0] for i in row) + gap
    return sheet


def data_uri(image: ImageArray, side: int | None = None) -> str:
    """A picture as a data URI of a JPEG; ``side`` limits its longer side in pixels."""
    picture, buffer = Image.fromarray(np.asarray(image)), io.BytesIO()
    if side is not None:
        picture.thumbnail((side, side))
    picture.save(buffer, "JPEG", quality=70, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
