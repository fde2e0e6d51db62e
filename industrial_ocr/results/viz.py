"""Pictures of results: strings, characters and readings drawn on the image that was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr.results.geometry import bounds
from industrial_ocr.results.types import (
    Character,
    CharState,
    FloatArray,
    ImageArray,
    TextString,
    Verdict,
)

SURE, DOUBTFUL = 0.85, 0.5
"""Green from the first on, amber from the second on, red below; the shipped configuration calls
strings below the first and characters below the second doubtful."""

Color = tuple[int, int, int]
Box = tuple[float, float, float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_GREEN, _AMBER, _RED = (0, 150, 60), (255, 170, 0), (215, 30, 30)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_FRACTION_BITS = 3


class DrawnResult(Protocol):
    """What is drawn of a ``ReadResult``."""

    @property
    def image(self) -> ImageArray: ...
    @property
    def strings(self) -> Sequence[TextString]: ...


class DrawnCharacter(Protocol):
    """What is drawn of a ``VerifiedCharacter``."""

    @property
    def quad(self) -> FloatArray | None: ...
    @property
    def state(self) -> CharState: ...


class DrawnVerification(Protocol):
    """What is drawn of a ``Verification``."""

    @property
    def image(self) -> ImageArray | None: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def expected(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def quad(self) -> FloatArray | None: ...
    @property
    def characters(self) -> Sequence[DrawnCharacter]: ...
    @property
    def extra(self) -> Sequence[Character]: ...


def _colors(confidence: float) -> tuple[Color, Color]:
    """The color of a confidence, and that of text which is readable on it."""
    if confidence >= SURE:
        return _GREEN, _WHITE
    return (_AMBER, _BLACK) if confidence >= DOUBTFUL else (_RED, _WHITE)


def draw_result(result: DrawnResult) -> ImageArray:
    """The picture with quads and readings on it; nothing is read again.

    Characters are outlined thinly and strings framed, in green, amber or red by their confidence,
    the frames with a dark edge so that they show on any ground. The reading with its confidence
    stands on a plate above its string, or below where there is no room; beside it where letters
    are stacked or turned. Line widths and letters grow with the picture.

    Returns:
        (H, W, 3) uint8 RGB, of the size of the picture that was read.
    """
    image = result.image.copy()
    scale = max(image.shape[:2]) / 1000
    thin = max(1, round(scale))
    for string in result.strings:
        for character in string.characters:
            _outline(image, character.quad, _colors(character.confidence)[0], thin)
    for string in result.strings:
        _outline(image, string.quad, _BLACK, 2 * thin + 2)
        _outline(image, string.quad, _colors(string.confidence)[0], 2 * thin)
    if not result.strings:
        return image
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    font: Font = ImageFont.load_default(size=max(10, round(18 * scale)))
    taken = [bounds(s.quad) for s in result.strings]
    for string in result.strings:
        text = f"{string.text}  {string.confidence:.2f}"
        lies = string.direction == "horizontal"
        colors = _colors(string.confidence)
        taken.append(_label(pen, text, colors, string.quad, lies, font, canvas.size, taken))
    return np.array(canvas, np.uint8)


_STATES = {CharState.PASS: _GREEN, CharState.UNSURE: _AMBER}
_VERDICTS = {
    Verdict.PASS: (_GREEN, _WHITE),
    Verdict.CANNOT_TELL: (_AMBER, _BLACK),
    Verdict.FAIL: (_RED, _WHITE),
}


def draw_verification(verification: DrawnVerification) -> ImageArray:
    """The picture with a verdict on it: characters that pass green, unsure amber, wrong red.

    Characters that are not expected are red too. What reads there stands on a plate with the
    verdict's color, the expected text below it where the two differ; without a place, at the top.

    Returns:
        (H, W, 3) uint8 RGB, of the size of the picture that was looked at.

    Raises:
        ValueError: the verdict has no picture.
    """
    if verification.image is None:
        raise ValueError("this verdict has no picture to draw on")
    image = verification.image.copy()
    scale = max(image.shape[:2]) / 1000
    thin = max(1, round(scale))
    for character in verification.characters:
        if character.quad is not None:
            _outline(image, character.quad, _STATES.get(character.state, _RED), 2 * thin)
    for extra in verification.extra:
        _outline(image, extra.quad, _RED, 2 * thin)
    colors = _VERDICTS[verification.verdict]
    quad = verification.quad
    if quad is None:
        quad = np.zeros((4, 2), np.float32)
    else:
        _outline(image, quad, colors[0], thin)
    canvas = Image.fromarray(image)
    font: Font = ImageFont.load_default(size=max(10, round(18 * scale)))
    text = f"{verification.verdict.value.replace('_', ' ')}: {verification.text or 'nothing'}"
    if verification.verdict is not Verdict.PASS:
        text += f"\nexpected: {verification.expected}"
    (x0, y0, x1, y1), pen = bounds(quad), ImageDraw.Draw(canvas)
    _label(pen, text, colors, quad, x1 - x0 >= y1 - y0, font, canvas.size, [bounds(quad)])
    return np.array(canvas, np.uint8)


def _outline(image: ImageArray, quad: FloatArray, color: Color, width: int) -> None:
    points = np.round(quad * (1 << _FRACTION_BITS)).astype(np.int32)
    cv2.polylines(image, [points], True, color, width, cv2.LINE_AA, _FRACTION_BITS)


def _label(
    pen: ImageDraw.ImageDraw,
    text: str,
    colors: tuple[Color, Color],
    quad: FloatArray,
    lies: bool,
    font: Font,
    size: tuple[int, int],
    taken: Sequence[Box],
) -> Box:
    """Writes a text beside what it is about, where it hides least of what is ``taken``.

    Returns:
        Its place.
    """
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pad = max(2.0, (bottom - top) / 6)
    wide, tall = right - left + 2 * pad, bottom - top + 2 * pad
    box = min(
        (_inside(place, wide, tall, size) for place in _places(quad, lies, wide, tall, pad)),
        key=lambda b: sum(_common(b, other) for other in taken),
    )
    ground, ink = colors
    pen.rectangle(box, fill=ground, outline=_BLACK)
    pen.text((box[0] + pad - left, box[1] + pad - top), text, fill=ink, font=font)
    return box


def _places(
    quad: FloatArray, lies: bool, wide: float, tall: float, gap: float
) -> tuple[tuple[float, float], ...]:
    """Top-left corners a label may take, the best first: above what lies, beside what stands."""
    x0, y0, x1, y1 = bounds(quad)
    lines = (
        (x0, y0 - tall - gap),
        (x0, y1 + gap),
        (x1 - wide, y0 - tall - gap),
        (x1 - wide, y1 + gap),
    )
    sides = (
        (x1 + gap, y0),
        (x0 - wide - gap, y0),
        (x1 + gap, y1 - tall),
        (x0 - wide - gap, y1 - tall),
    )
    return (*lines, *sides) if lies else (*sides, *lines)


def _inside(place: tuple[float, float], wide: float, tall: float, size: tuple[int, int]) -> Box:
    """A label's box, moved into the picture; what is wider than that keeps its beginning."""
    x = max(0.0, min(place[0], size[0] - 1 - wide))
    y = max(0.0, min(place[1], size[1] - 1 - tall))
    return x, y, x + wide, y + tall


def _common(a: Box, b: Box) -> float:
    """Area that two upright boxes share."""
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(wide, 0.0) * max(tall, 0.0)


def contact_sheet(images: Sequence[ImageArray], columns: int, gap: int = 4) -> ImageArray:
    """Pictures side by side in rows, each at its own size, on a dark ground.

    Args:
        images: (H, W, 3) uint8 RGB each, at least one.
        columns: pictures a row, at least one.
        gap: pixels around each.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: no picture, no column, or a picture that is not (H, W, 3).
    """
    if not images or columns < 1:
        raise ValueError(
            f"a sheet has at least one picture and one column, got {len(images)} and {columns}"
        )
    bad = next((i.shape for i in images if i.ndim != 3 or i.shape[2] != 3), None)
    if bad is not None:
        raise ValueError(f"pictures are (H, W, 3), got {bad}")
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
