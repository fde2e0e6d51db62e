"""Text that lies steeply through its image, or in two lines."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from industrial_ocr.reader.reader import Reader
from industrial_ocr.recognition.crop_layouts import MIN_LINES_CONFIDENCE, crop_layouts
from industrial_ocr.recognition.rectification import Rectified, rectified
from industrial_ocr.results.geometry import edge_lengths
from industrial_ocr.results.types import ImageArray, Status

FACE = cv2.FONT_HERSHEY_SIMPLEX


def plate(upper: str = "7B58", lower: str = "ZX41") -> ImageArray:
    """Two lines of a code, (130, 170, 3)."""
    picture = np.full((130, 170, 3), 215, np.uint8)
    cv2.putText(picture, upper, (20, 54), FACE, 1.6, (25, 25, 25), 5)
    cv2.putText(picture, lower, (20, 114), FACE, 1.6, (25, 25, 25), 5)
    return picture


def steep(text: str = "627FX", degrees: float = 28.0) -> ImageArray:
    """A code that runs down through an image hardly wider than high."""
    flat = np.full((260, 260, 3), 205, np.uint8)
    cv2.putText(flat, text, (32, 148), FACE, 1.9, (20, 20, 20), 6)
    matrix = cv2.getRotationMatrix2D((130, 130), -degrees, 1.0)
    turned = cv2.warpAffine(flat, matrix, (260, 260), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned[38:222, 25:235], np.uint8)


def test_two_lines_part_between_them() -> None:
    (layout,) = [
        found
        for found in crop_layouts(Rectified(plate()), 8)
        if found.min_confidence == MIN_LINES_CONFIDENCE
    ]
    assert not layout.same_line
    for upper, lower in layout.views:
        assert upper[2:, 1].max() < 75 and lower[:2, 1].min() > 50
        assert edge_lengths(upper)[1] == pytest.approx(65, abs=12)


def test_a_line_that_fills_its_image_is_not_two() -> None:
    line = np.full((60, 130, 3), 215, np.uint8)
    cv2.putText(line, "NM0", (8, 50), FACE, 1.9, (25, 25, 25), 6)
    assert not [
        found
        for found in crop_layouts(Rectified(line), 3)
        if found.min_confidence == MIN_LINES_CONFIDENCE
    ]


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (9, 8), (200, 90), (40, 400), (33, 40)])
def test_pictures_of_any_shape_are_taken(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    for picture in (noise, np.zeros_like(noise)):
        for layout in crop_layouts(Rectified(picture), 5):
            assert layout.views and all(q.shape == (4, 2) for v in layout.views for q in v)


def test_what_was_made_level_and_narrow_letters_keep_their_places() -> None:
    picture = cv2.resize(steep()[40:150], (400, 110))
    level = rectified(np.asarray(picture, np.uint8))
    assert level.matrix is not None
    layouts = crop_layouts(level, 40)
    assert len(layouts) == 2
    before, wide = layouts
    assert before.same_line and wide.same_line
    height, width = level.image.shape[:2]
    assert before.image is picture and wide.image.shape[1] == pytest.approx(1.3 * width, abs=1)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    np.testing.assert_allclose(before.place(level.place(corners)), corners, atol=0.1)
    np.testing.assert_allclose(wide.place(wide.views[0][0]), corners, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("picture", "text", "without"), [(plate(), "7B58ZX41", False), (steep(), "627FX", True)]
)
def test_the_crnn_reads_them(picture: ImageArray, text: str, without: bool) -> None:
    (result,) = Reader().recognize([picture])
    assert "".join(result.text.split()) == text
    height, width = picture.shape[:2]
    assert result.strings[0].quad[:, 0].max() - result.strings[0].quad[:, 0].min() > width / 2
    (plain,) = Reader(config={"recognition": {"crop_layouts": False}}).recognize([picture])
    assert ("".join(plain.text.split()) == text) is without


@pytest.mark.slow
def test_two_stage_keeps_one_line_and_is_not_sure_of_it() -> None:
    reader = Reader()
    (both,) = reader.recognize([plate()], engine="two-stage")
    assert both.text in ("7B58", "ZX41") and both.status is Status.LOW_CONFIDENCE
    (one,) = reader.recognize([plate()[:66]], engine="two-stage")
    assert (one.text, one.status) == ("7B58", Status.OK)
