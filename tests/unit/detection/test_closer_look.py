"""Small print is looked at again, magnified, and only where that finds more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.closer_look import look_closer
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, ImageArray, ScoreMaps

IMAGE: ImageArray = np.zeros((480, 640, 3), np.uint8)
CONFIG = DetectionConfig(closer_below=22, closer_height=36)


class FakeDetector:
    """Remembers what it was shown; its maps tell the size of each picture."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, int]] = []

    def detect(self, images: Sequence[ImageArray], config: DetectionConfig) -> list[ScoreMaps]:
        self.shown += [i.shape[:2] for i in images]
        maps = [np.zeros((-(-i.shape[0] // 2), -(-i.shape[1] // 2)), np.float32) for i in images]
        return [ScoreMaps(m, m, (2.0, 2.0)) for m in maps]


def string(x: float, y: float, count: int, width: float = 8, height: float = 12) -> BoxString:
    boxes = tuple(
        CharBox(
            rect_quad(x + i * (width + 2), y, x + i * (width + 2) + width, y + height), 0.9,
            np.diag([width**2 / 4, height**2 / 4]).astype(np.float32),
        )
        for i in range(count)
    )  # fmt: skip
    return BoxString(boxes, (False,) * count, "horizontal")


def look(
    first: list[BoxString], again: list[BoxString], config: DetectionConfig = CONFIG
) -> tuple[list[BoxString], FakeDetector]:
    detector = FakeDetector()
    (found,) = look_closer([IMAGE], [first], detector, config, lambda maps: list(again))  # type: ignore[arg-type]
    return found, detector


def test_small_strings_are_found_again_in_source_pixels() -> None:
    """Three wide boxes of six characters; the place begins 1.5 heights beyond them."""
    first = string(100, 200, 3, width=18)
    again = string(18, 18, 6)  # 100 - 1.5 * 12 = 82, 182
    (found,), detector = look([first], [again])
    assert len(found.boxes) == 6
    np.testing.assert_allclose(found.boxes[0].quad[0], [100, 200])
    ((height, width),) = detector.shown
    assert height == pytest.approx((12 + 36) * 3, abs=2)
    assert width == pytest.approx((3 * 20 - 2 + 36) * 3, abs=4)


def test_what_finds_less_changes_nothing() -> None:
    first = string(100, 200, 5)
    assert look([first], [])[0] == [first]
    assert look([first], [string(18, 18, 2)])[0] == [first]


def test_strings_elsewhere_in_the_place_are_not_taken() -> None:
    first = string(100, 200, 3, width=18)
    beside = string(0, 0, 9, width=4, height=6)
    found, _ = look([first], [string(18, 18, 6), beside])
    assert [len(s.boxes) for s in found] == [6]


def test_large_strings_single_boxes_and_settings_of_nought_are_left_alone() -> None:
    large, lone = string(50, 50, 4, 30, 40), string(300, 300, 1)
    found, detector = look([large, lone], [string(0, 0, 9)])
    assert (found, detector.shown) == ([large, lone], [])
    never = CONFIG.model_copy(update={"closer_below": 0.0})
    small = string(100, 200, 4)
    assert look([small], [string(18, 18, 6)], never)[0] == [small]
    none = CONFIG.model_copy(update={"closer_pixels": 0})
    assert look([small], [string(18, 18, 6)], none)[0] == [small]


def test_strings_that_meet_are_looked_at_once() -> None:
    """Two lines of small print are one place, and what both were is found again once."""
    lines = [string(100, 200, 4), string(100, 216, 4)]
    found, detector = look(lines, [string(18, 18, 5), string(18, 34, 5)])
    assert len(detector.shown) == 1
    assert [len(s.boxes) for s in found] == [5, 5]


def test_places_at_the_border_stay_in_the_image() -> None:
    first = string(2, 1, 3, width=18)
    (found,), detector = look([first], [string(2, 1, 6)])
    np.testing.assert_allclose(found.boxes[0].quad[0], [2, 1])
    assert detector.shown[0][0] == pytest.approx((1 + 12 + 18) * 3, abs=3)


def test_no_strings_no_second_look() -> None:
    assert look([], [string(0, 0, 3)])[0] == []
