"""Bursts of rendered frames of one part, read as one by the shipped weights."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from industrial_ocr import Reader
from industrial_ocr.errors import ImageError
from industrial_ocr.results.types import Status

CODE, OTHER = "HK74XR92", "HK74MP95"
SHIFTS = ((0, 0, 0.0), (7, -4, 1.5), (-5, 3, -1.0), (3, 6, 0.5))
ENGINES = ("two-stage", "crnn", "agree", "auto")


def frame(
    text: str = CODE,
    shift: tuple[float, float, float] = (0, 0, 0),
    blur: float = 0.5,
    size: tuple[int, int] = (320, 120),
) -> np.ndarray:
    """A picture of a code, shifted (x, y) in pixels and turned in degrees, with noise."""
    x, y, degrees = shift
    canvas = Image.new("L", size, 200)
    font = ImageFont.load_default(30)
    ImageDraw.Draw(canvas).text((60, 40), text, fill=40, font=font)
    matrix = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), degrees, 1.0)
    matrix[:, 2] += x, y
    edge = cv2.BORDER_REPLICATE
    turned = cv2.warpAffine(np.asarray(canvas), matrix, size, borderMode=edge)
    rng = np.random.default_rng(int(10 * x + 100 * y + 10000 * blur) % 2**32)
    noise = rng.normal(0, 4, turned.shape)
    return np.clip(cv2.GaussianBlur(turned, (0, 0), blur) + noise, 0, 255).astype(np.uint8)


def covered(image: np.ndarray, first: int, last: int) -> np.ndarray:
    """The picture with glare over the columns from ``first`` to ``last``."""
    bright = image.copy()
    bright[:, first:last] = 255
    return bright


def letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_shifted_frames_and_an_unreadable_one_read_the_code(reader: Reader, engine: Any) -> None:
    burst = [frame(shift=s) for s in SHIFTS]
    burst.insert(1, frame(blur=14.0))
    result = reader.read_frames(burst, engine=engine)
    assert letters(result.text) == CODE and result.status is Status.OK
    assert result.reason.endswith("4 of 5 frames read the same")
    assert result.strings[0].agreement > 0.95
    assert any(result.image[..., 0].shape == b.shape for b in burst)


@pytest.mark.slow
def test_a_character_covered_in_one_frame_is_read_in_the_others(reader: Reader) -> None:
    columns = ((60, 78), (128, 144), (196, 216))
    burst = [
        covered(frame(shift=s, blur=1.0), *c) for s, c in zip(SHIFTS[:3], columns, strict=True)
    ]
    alone = reader.read_batch(burst, engine="two-stage")
    assert sum(letters(r.text) == CODE for r in alone) < 2
    assert letters(reader.read_frames(burst, engine="two-stage").text) == CODE


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("pattern", [None, "[A-Z]{2}[0-9]{2}[A-Z]{2}[0-9]{2}"])
def test_a_frame_of_another_part_is_refused(
    reader: Reader, engine: Any, pattern: str | None
) -> None:
    burst = [frame(shift=s) for s in SHIFTS[:2]] + [frame(OTHER, SHIFTS[2])]
    result = reader.read_frames(burst, engine=engine, pattern=pattern)
    assert result.status is Status.DISAGREEMENT
    assert f"frame 3 reads '{OTHER}'" in result.reason
    if pattern:
        assert result.code is not None and result.code.text == CODE
        assert result.code.status is Status.DISAGREEMENT


@pytest.mark.slow
def test_one_frame_is_read_as_by_read(reader: Reader) -> None:
    one, alone = reader.read_frames([frame()]), reader.read(frame())
    assert {**one.to_dict(), "timings": 0} == {**alone.to_dict(), "timings": 0}


@pytest.mark.slow
def test_frames_of_several_sizes_and_places_in_the_whole_picture(reader: Reader) -> None:
    burst = [frame(), frame(size=(360, 140), shift=(10, 8, 0.0)), frame(blur=6.0)]
    result = reader.read_frames(burst, engine="two-stage", roi=(20, 10, 310, 115))
    assert letters(result.text) == CODE
    x0, y0 = result.strings[0].quad.min(0)
    assert abs(x0 - 60) < 16 and 40 < y0 < 65


def test_frames_are_a_list_of_one_or_more(reader: Reader) -> None:
    with pytest.raises(ImageError, match="empty list"):
        reader.read_frames([])
    with pytest.raises(ImageError, match="list"):
        reader.read_frames(frame())


def test_nothing_on_any_frame_is_no_text(reader: Reader) -> None:
    blank = np.full((80, 120), 200, np.uint8)
    assert reader.read_frames([blank, blank], engine="crnn").status is Status.NO_TEXT
