"""Annotated pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from industrial_ocr.results.codes import CodeReading
from industrial_ocr.results.geometry import bounds, rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import (
    Character,
    Direction,
    FloatArray,
    ImageArray,
    SequenceScores,
    Status,
    TextString,
    Verdict,
)
from industrial_ocr.results.verdicts import Verification
from industrial_ocr.results.viz import contact_sheet


@pytest.mark.parametrize("direction", ["horizontal", "vertical", "rotated"])
@pytest.mark.parametrize("size", [(60, 90), (900, 1200)])
def test_drawing_keeps_the_size_and_leaves_the_picture_alone(
    direction: str, size: tuple[int, int]
) -> None:
    image = np.full((*size, 3), 128, np.uint8)
    quad = rect_quad(20, 20, 70, 40)
    character = Character("A", quad, 0.5)
    scores = SequenceScores(0.5, -0.7, 0.5, 0.5, -0.7)
    string = TextString(
        "A",
        0.5,
        quad,
        (character,),
        direction,  # type: ignore[arg-type]
        scores,
        status=Status.LOW_CONFIDENCE,
    )
    drawn = ReadResult((string,), Status.LOW_CONFIDENCE, "crnn", {}, image).draw()
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert (drawn != image).any() and (image == 128).all()
    red = drawn[..., 0].astype(int) - drawn[..., 1]
    assert red.max() > 60


def drawn_parts(
    quad: FloatArray,
    direction: Direction,
    confidence: float,
    ground: int,
    side: int = 400,
    status: Status = Status.OK,
) -> ImageArray:
    """One string drawn on a plain square."""
    scores = SequenceScores(confidence, -0.1, confidence, confidence, -0.1)
    string = TextString("AB12", confidence, quad, (), direction, scores, status=status)
    image = np.full((side, side, 3), ground, np.uint8)
    return ReadResult((string,), Status.OK, "two-stage", {}, image).draw()


@pytest.mark.parametrize("ground", [0, 128, 255])
@pytest.mark.parametrize(
    ("status", "confidence", "red", "green"),
    [
        (Status.OK, 0.9, 0, 1),
        (Status.LOW_CONFIDENCE, 0.6, 1, 1),
        (Status.LOW_CONFIDENCE, 0.2, 1, 0),
        (Status.LOW_CONFIDENCE, 0.89, 1, 1),
        (Status.DISAGREEMENT, 0.99, 1, 1),
    ],
)
def test_only_what_passes_is_green_on_any_ground(
    ground: int, status: Status, confidence: float, red: int, green: int
) -> None:
    quad = rect_quad(100, 200, 300, 240)
    drawn = drawn_parts(quad, "horizontal", confidence, ground, status=status)
    pixels = drawn[np.ptp(drawn, axis=2) > 100].astype(int)
    color = pixels.mean(0)
    assert len(pixels) > 300
    assert (color[0] > 120, color[1] > 120) == (bool(red), bool(green))


@pytest.mark.parametrize(
    ("quad", "direction", "place"),
    [
        # where the label must lie: x0, y0, x1, y1
        (rect_quad(100, 200, 300, 240), "horizontal", (99, 150, 300, 200)),  # above
        (rect_quad(100, 2, 300, 40), "horizontal", (99, 40, 300, 80)),  # no room above
        (rect_quad(100, 50, 130, 350), "vertical", (130, 49, 260, 90)),  # beside
        (rect_quad(360, 50, 395, 350), "vertical", (230, 49, 362, 90)),  # beside, no room right
        (rect_quad(100, 50, 130, 350), "rotated", (130, 49, 260, 90)),
    ],
)
def test_the_label_stands_beside_the_string_and_hides_nothing_of_it(
    quad: FloatArray, direction: Direction, place: tuple[int, int, int, int]
) -> None:
    drawn = drawn_parts(quad, direction, 0.9, 255)
    x0, y0, x1, y1 = (int(v) for v in bounds(quad))
    drawn[max(y0 - 4, 0) : y1 + 4, max(x0 - 4, 0) : x1 + 4] = 255  # all but frame and inside
    ys, xs = np.nonzero((drawn != 255).any(2))
    assert len(xs) > 200
    assert xs.min() >= place[0] and ys.min() >= place[1]
    assert xs.max() <= place[2] and ys.max() <= place[3]


def test_labels_hide_no_neighboring_line() -> None:
    quads = [rect_quad(50, 100, 250, 140), rect_quad(50, 144, 250, 184)]
    scores = SequenceScores(0.9, -0.1, 0.9, 0.9, -0.1)
    strings = tuple(TextString("AB12", 0.9, q, (), "horizontal", scores) for q in quads)
    image = np.full((400, 400, 3), 255, np.uint8)
    both = ReadResult(strings, Status.OK, "two-stage", {}, image).draw()
    for x0, y0, x1, y1 in map(bounds, quads):
        assert (both[int(y0) + 4 : int(y1) - 4, int(x0) + 4 : int(x1) - 4] == 255).all()


def rotate(quad: FloatArray, degrees: float) -> FloatArray:
    """A quad turned around its middle."""
    matrix = cv2.getRotationMatrix2D(quad.mean(0).tolist(), degrees, 1.0)
    return cv2.transform(quad[None], matrix)[0].astype(np.float32)


def test_a_code_is_drawn_instead_of_the_string_that_shows_it() -> None:
    image = np.full((400, 400, 3), 255, np.uint8)
    scores = SequenceScores(0.9, -0.1, 0.9, 0.9, -0.1)
    quads = [rect_quad(50, 100, 250, 140), rect_quad(130, 175, 270, 195)]
    strings = tuple(TextString("AB12", 0.9, q, (), "horizontal", scores) for q in quads)
    code = CodeReading(
        text="AB1Z",
        pattern="P",
        status=Status.AMBIGUOUS,
        reason="",
        confidence=0.6,
        raw_text="AB12",
        raw_confidence=0.9,
        characters=(),
        quad=rotate(rect_quad(60, 102, 240, 138), 35),  # its upright bounds reach the other string
        strings=(0,),
        direction="horizontal",
    )
    result = ReadResult(strings, Status.AMBIGUOUS, "two-stage", {}, image, (code,))
    drawn = result.draw()
    green, amber = ((drawn == c).all(2) for c in ([0, 150, 60], [255, 170, 0]))
    assert amber.any() and not green[95:145, 45:55].any()
    assert green[170:200, 125:135].any()  # the other string stays


def test_lines_and_letters_grow_with_the_picture() -> None:
    inks = []
    for factor in (3, 9):
        quad = rect_quad(100, 200, 300, 240) * factor
        drawn = drawn_parts(quad.astype(np.float32), "horizontal", 0.9, 255, 400 * factor)
        inks.append((drawn != 255).any(2).mean())
    assert inks[1] > 0.6 * inks[0]


def test_the_drawing_can_be_drawn_on() -> None:
    drawn = drawn_parts(rect_quad(1, 1, 9, 9), "horizontal", 0.9, 0)
    drawn[0, 0] = 7
    assert (drawn[0, 0] == 7).all()


def test_nothing_found_draws_nothing() -> None:
    image = np.zeros((5, 7, 3), np.uint8)
    drawn = ReadResult((), Status.NO_TEXT, "two-stage", {}, image).draw()
    assert (drawn == image).all()


def test_a_sheet_of_nothing_is_refused() -> None:
    for pictures, columns in (([], 3), ([np.zeros((2, 2, 3), np.uint8)], 0)):
        with pytest.raises(ValueError, match="at least one picture"):
            contact_sheet(pictures, columns)
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        contact_sheet([np.zeros((2, 2), np.uint8)], 1)


def test_contact_sheet_holds_every_picture() -> None:
    pictures = [np.full((10, 20 + i, 3), 50 * i, np.uint8) for i in range(5)]
    sheet = contact_sheet(pictures, 2, gap=1)
    assert sheet.shape == (34, 48, 3)


@pytest.mark.parametrize(
    ("verdict", "color"),
    [
        (Verdict.PASS, (0, 150, 60)),
        (Verdict.CANNOT_TELL, (255, 170, 0)),
        (Verdict.FAIL, (215, 30, 30)),
    ],
)
def test_a_verdict_is_drawn_in_its_color(verdict: Verdict, color: tuple[int, int, int]) -> None:
    image = np.full((200, 400, 3), 128, np.uint8)
    quad = rect_quad(100, 90, 160, 110)
    found = Verification("AB", verdict, "why", "crnn", "AB", quad=quad, image=image)
    drawn = found.draw()
    assert drawn.shape == image.shape and (image == 128).all()
    assert (drawn == color).all(axis=2).sum() > 200


def test_a_verdict_without_a_place_is_drawn_inside() -> None:
    image = np.full((200, 400, 3), 128, np.uint8)
    drawn = Verification("AB", Verdict.FAIL, "why", "crnn", image=image).draw()
    assert (drawn != image).any()
    with pytest.raises(ValueError, match="no picture"):
        Verification("AB", Verdict.FAIL, "why", "crnn").draw()
