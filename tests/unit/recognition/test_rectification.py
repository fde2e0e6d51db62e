"""Lines that run up or down, or lean, made level and upright."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from industrial_ocr.config import PipelineConfig
from industrial_ocr.reader.reader import Reader
from industrial_ocr.recognition.rectification import rectified, string_band
from industrial_ocr.results.types import FloatArray, ImageArray

WIDTH, HEIGHT = 320, 60
CORNERS = np.array([[30, 12], [290, 12], [290, 48], [30, 48]], np.float32)


def line(slope: float = 0.0, slant: float = 0.0) -> tuple[ImageArray, FloatArray]:
    """A picture of a code whose line falls by so much a column and leans so much a row.

    And the corners of its text.
    """
    picture = np.full((HEIGHT, WIDTH, 3), 190, np.uint8)
    cv2.putText(picture, "HB7E 41LT", (32, 47), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 4)
    high = HEIGHT + round(abs(slope) * WIDTH)
    matrix = np.array([[1, slant, -slant * HEIGHT / 2], [slope, 1, 0]], np.float32)
    matrix[1, 2] = high / 2 - HEIGHT / 2 - slope * WIDTH / 2
    sheared = cv2.warpAffine(picture, matrix, (WIDTH, high), borderMode=cv2.BORDER_REPLICATE)
    corners = cv2.transform(CORNERS[None], matrix)[0]
    return np.asarray(sheared, np.uint8), np.asarray(corners, np.float32)


@pytest.mark.parametrize("slope", [-0.3, -0.15, 0.1, 0.25])
def test_the_band_of_a_sloping_line_lies_along_it(slope: float) -> None:
    picture, corners = line(slope)
    quad = string_band(picture[..., 0])
    assert quad is not None
    run = quad[1] - quad[0]
    assert run[1] / run[0] == pytest.approx(slope, abs=0.04)
    low, high = quad[0][1] + slope * 30, quad[3][1] + slope * 30
    assert low < corners[0][1] + 4 and high > corners[3][1] - 4
    assert high - low < 0.8 * len(picture)


@pytest.mark.parametrize("slant", [-0.35, 0.3])
def test_leaning_letters_stand_upright_afterwards(slant: float) -> None:
    upright = string_band(rectified(line(slant=slant)[0]).image[..., 0])
    assert string_band(line(slant=slant)[0][..., 0]) is not None
    assert upright is None or abs(float((upright[3] - upright[0])[0])) < 0.1 * HEIGHT


def test_a_level_line_is_left_as_it_is() -> None:
    picture, _ = line()
    result = rectified(picture)
    assert result.image is picture and result.matrix is None
    np.testing.assert_array_equal(result.place(CORNERS), CORNERS)


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (3, 3), (40, 9), (9, 900)])
def test_pictures_of_any_shape_are_taken(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (*shape, 3)).astype(np.uint8)
    assert rectified(noise).image.size > 0
    assert rectified(np.full((*shape, 3), 90, np.uint8)).matrix is None


def test_a_single_character_is_left_as_it_is() -> None:
    picture = np.full((70, 70, 3), 200, np.uint8)
    cv2.putText(picture, "7", (14, 56), cv2.FONT_HERSHEY_SIMPLEX, 2, (10, 10, 10), 5)
    assert rectified(picture).matrix is None


def test_places_are_those_of_the_source() -> None:
    picture, corners = line(0.2, 0.2)
    result = rectified(picture)
    assert result.matrix is not None
    level = cv2.perspectiveTransform(corners[None], np.linalg.inv(result.matrix))[0]
    assert np.ptp(level[:2, 1]) < 8 and np.ptp(level[2:, 1]) < 8
    np.testing.assert_allclose(result.place(level.astype(np.float32)), corners, atol=0.05)


@pytest.mark.parametrize("engine", ["crnn", "two-stage"])
def test_a_sloping_code_is_read_and_its_boxes_lie_on_it(engine: str) -> None:
    picture, corners = line(0.28)
    reader = Reader()
    result = reader.recognize([picture], engine=engine)[0]
    assert result.text.replace(" ", "").upper() == "HB7E41LT"
    assert result.image.shape == picture.shape
    first, last = result.strings[0].characters[0], result.strings[0].characters[-1]
    for character, x in ((first, 45.0), (last, 275.0)):
        middle = character.quad.mean(axis=0)
        assert middle[0] == pytest.approx(x, abs=22)
        axis = corners[1] - corners[0]
        along = (middle[0] - corners[0][0]) / axis[0]
        center = (corners[0][1] + corners[3][1]) / 2 + along * axis[1]
        assert middle[1] == pytest.approx(center, abs=10)


def test_it_can_be_left_out() -> None:
    picture, _ = line(0.28)
    plain = Reader(config=PipelineConfig(rectify_crops=False))
    strings = plain.recognize([picture])[0].strings
    assert all(abs(float((s.quad[1] - s.quad[0])[1])) < 2 for s in strings)
