"""Pictures of results: strings, characters and readings drawn on the image that was read."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr.types import ImageArray, ReadResult, TextString

SURE, DOUBTFUL = 0.9, 0.7
Colour = tuple[int, int, int]


def _colour(confidence: float) -> Colour:
    """Green, amber or red."""
    if confidence >= SURE:
        return 30, 170, 60
    return (235, 150, 0) if confidence >= DOUBTFUL else (225, 40, 40)


def draw_result(result: ReadResult) -> ImageArray:
    """The picture with quads and readings, (H, W, 3) uint8 RGB.

    Strings are framed, characters outlined, the reading stands above its string (beside it, where
    letters are stacked) on a plate coloured by confidence. Nothing is read again.
    """
    image = result.image.copy()
    scale = max(image.shape[:2]) / 1000
    thin = max(1, round(scale))
    for string in result.strings:
        for character in string.characters:
            _outline(image, character.quad, _colour(character.confidence), thin)
        _outline(image, string.quad, _colour(string.confidence), 2 * thin)
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=max(10, round(18 * scale)))
    for string in result.strings:
        _label(pen, string, font, image.shape[1], image.shape[0])
    return np.asarray(canvas, np.uint8)


def _outline(image: ImageArray, quad: np.ndarray, colour: Colour, width: int) -> None:
    cv2.polylines(image, [np.round(quad).astype(np.int32)], True, colour, width, cv2.LINE_AA)


def _label(
    pen: ImageDraw.ImageDraw,
    string: TextString,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: int,
    height: int,
) -> None:
    text = f"{string.text}  {string.confidence:.2f}"
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, tall = right - left + 6, bottom - top + 6
    low, high = string.quad.min(0), string.quad.max(0)
    if string.direction == "horizontal":
        x, y = low[0], low[1] - tall - 2
        y = y if y >= 0 else high[1] + 2
    else:
        x, y = high[0] + 4, low[1]
        x = x if x + wide <= width else low[0] - wide - 4
    x = float(np.clip(x, 0, max(width - wide, 0)))
    y = float(np.clip(y, 0, max(height - tall, 0)))
    pen.rectangle((x, y, x + wide, y + tall), fill=_colour(string.confidence))
    pen.text((x + 3 - left, y + 3 - top), text, fill=(255, 255, 255), font=font)


def contact_sheet(images: Sequence[ImageArray], columns: int, gap: int = 4) -> ImageArray:
    """Pictures side by side in rows, each at its own size, on a dark ground.

    Args:
        images: (H, W, 3) uint8 RGB each, at least one.
        columns: pictures a row.
        gap: pixels between them.
    """
    rows = [images[i : i + columns] for i in range(0, len(images), columns)]
    wide = max(sum(i.shape[1] + gap for i in row) for row in rows)
    tall = sum(max(i.shape[0] for i in row) + gap for row in rows)
    sheet = np.full((tall, wide, 3), 24, np.uint8)
    y = 0
    for row in rows:
        x = 0
        for image in row:
            sheet[y : y + image.shape[0], x : x + image.shape[1]] = image
            x += image.shape[1] + gap
        y += max(i.shape[0] for i in row) + gap
    return sheet
