"""Annotated pictures."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.geometry import rect_quad
from industrial_ocr.types import Character, ReadResult, SequenceScores, Status, TextString
from industrial_ocr.viz import contact_sheet


@pytest.mark.parametrize("direction", ["horizontal", "vertical", "rotated"])
@pytest.mark.parametrize("size", [(60, 90), (900, 1200)])
def test_drawing_keeps_the_size_and_leaves_the_picture_alone(
    direction: str, size: tuple[int, int]
) -> None:
    image = np.full((*size, 3), 128, np.uint8)
    quad = rect_quad(20, 20, 70, 40)
    character = Character("A", quad, 0.5)
    scores = SequenceScores(0.5, -0.7, 0.5, 0.5, -0.7)
    string = TextString("A", 0.5, quad, (character,), direction, scores)  # type: ignore[arg-type]
    drawn = ReadResult((string,), Status.LOW_CONFIDENCE, "crnn", {}, image).draw()
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert (drawn != image).any() and (image == 128).all()
    red = drawn[..., 0].astype(int) - drawn[..., 1]
    assert red.max() > 60


def test_nothing_found_draws_nothing() -> None:
    image = np.zeros((5, 7, 3), np.uint8)
    drawn = ReadResult((), Status.NO_TEXT, "two-stage", {}, image).draw()
    assert (drawn == image).all()


def test_contact_sheet_holds_every_picture() -> None:
    pictures = [np.full((10, 20 + i, 3), 50 * i, np.uint8) for i in range(5)]
    sheet = contact_sheet(pictures, 2, gap=1)
    assert sheet.shape == (34, 48, 3)
