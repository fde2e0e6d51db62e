"""Large characters are found in smaller pictures, once, and their strokes go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.detector import network_scale
from industrial_ocr.detection.distant_look import STEP, look_from_afar
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, ImageArray, ScoreMaps

IMAGE: ImageArray = np.zeros((480, 640, 3), np.uint8)
CONFIG = DetectionConfig(distant_above=80)


class FakeDetector:
    """Gives the brightness of every other pixel of the pictures as their maps."""

    def __init__(self) -> None:
        self.shown: list[ImageArray] = []

    def detect(self, images: Sequence[ImageArray], config: DetectionConfig) -> list[ScoreMaps]:
        assert all(network_scale(*i.shape[:2], config) == 1 for i in images)
        self.shown += images
        maps = [i[::2, ::2, 0].astype(np.float32) / 255 for i in images]
        return [ScoreMaps(m, m, (2.0, 2.0)) for m in maps]


def string(x: float, count: int, height: float, y: float = 100, score: float = 0.9) -> BoxString:
    width = 0.7 * height
    shape = np.diag([width**2 / 4, height**2 / 4]).astype(np.float32)
    boxes = tuple(
        CharBox(rect_quad(left, y, left + width, y + height), score, shape)
        for left in (x + i * 1.1 * width for i in range(count))
    )
    return BoxString(boxes, (False,) * count, "horizontal")


def look(
    near: list[BoxString], far: list[BoxString], config: DetectionConfig = CONFIG
) -> tuple[list[BoxString], FakeDetector]:
    """``far`` is what the first smaller picture shows."""
    detector = FakeDetector()

    def boxes(maps: ScoreMaps) -> list[BoxString]:
        return list(far) if maps.scale[0] == pytest.approx(2 / STEP) else []

    (found,) = look_from_afar([IMAGE], [near], detector, config, boxes)  # type: ignore[arg-type]
    return found, detector


def test_pictures_shrink_until_nothing_larger_has_room() -> None:
    """All are seen at once; the maps of each are those of its own part of the collage."""
    ramp = np.linspace(0, 255, 640)[None, :, None] * np.linspace(0.2, 1, 480)[:, None, None]
    image = np.repeat(ramp, 3, 2).astype(np.uint8)
    detector = FakeDetector()
    seen: list[ScoreMaps] = []
    look_from_afar([image], [[]], detector, CONFIG, lambda m: seen.append(m) or [])  # type: ignore[arg-type,func-returns-value]
    assert len(detector.shown) == 1
    assert [m.scale[0] for m in seen] == pytest.approx([2 / STEP**k for k in (1, 2, 3)], rel=0.02)
    for maps in seen:
        height, width = maps.region.shape
        rows = ((np.arange(height) + 0.25) * maps.scale[1]).astype(int).clip(0, 479)
        columns = ((np.arange(width) + 0.25) * maps.scale[0]).astype(int).clip(0, 639)
        np.testing.assert_allclose(
            maps.region, image[np.ix_(rows, columns)][..., 0] / 255, atol=0.04
        )


def test_a_picture_without_room_and_a_setting_of_nought_are_not_looked_at_again() -> None:
    detector = FakeDetector()
    low: ImageArray = np.zeros((90, 640, 3), np.uint8)
    assert look_from_afar([low], [[]], detector, CONFIG, lambda m: []) == [[]]  # type: ignore[arg-type]
    never = CONFIG.model_copy(update={"distant_above": 0.0})
    near = string(100, 3, 30)
    assert look([near], [string(0, 4, 120)], never)[0] == [near]
    assert detector.shown == []


def test_large_characters_are_added_small_and_unsure_ones_not() -> None:
    near, large = string(10, 5, 30, y=10), string(50, 4, 120, y=200)
    small, unsure = string(50, 4, 40, y=100), string(50, 4, 120, y=350, score=0.5)
    assert look([near], [large, small, unsure])[0] == [near, large]


def test_strokes_of_a_large_character_go() -> None:
    large = string(50, 4, 120)
    stroke = string(60, 2, 20, y=140, score=0.5)
    assert look([stroke], [large])[0] == [large]


def test_print_on_what_looks_like_a_character_stays() -> None:
    windows = string(50, 3, 120, score=0.7)
    print_there = string(60, 4, 15, y=140, score=0.95)
    found = look([print_there], [windows])[0]
    assert any(s is print_there for s in found)


def test_what_both_looks_see_is_kept_once() -> None:
    """The fuller of the two, the surer of equals; never both."""
    three, four = string(50, 3, 90), string(50, 4, 92)
    assert look([three], [four])[0] == [four]
    assert look([four], [three])[0] == [four]
    unsure, sure = string(50, 4, 90, score=0.6), string(50, 4, 92, score=0.95)
    assert look([unsure], [sure])[0] == [sure]


def test_each_picture_keeps_its_own_strings() -> None:
    detector = FakeDetector()
    one, two = string(50, 3, 120), string(10, 2, 30)
    low: ImageArray = np.zeros((90, 640, 3), np.uint8)
    found = look_from_afar(
        [low, IMAGE], [[two], []], detector, CONFIG,  # type: ignore[arg-type]
        lambda m: [one] if m.scale[0] == pytest.approx(2 / STEP) else [],
    )  # fmt: skip
    assert found == [[two], [one]]
