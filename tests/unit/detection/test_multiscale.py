"""Large characters are found in smaller pictures, small print magnified, each string once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.detector import network_scale
from industrial_ocr.detection.linking import without_blobs
from industrial_ocr.detection.multiscale import (
    PYRAMID_STEP,
    add_large_strings,
    refine_small_strings,
    suppressed,
)
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, ImageArray, ScoreMaps

IMAGE: ImageArray = np.zeros((480, 640, 3), np.uint8)
LOW_IMAGE: ImageArray = np.zeros((90, 640, 3), np.uint8)
CONFIG = DetectionConfig(distant_above=80, closer_below=22, closer_height=36)


class FakeDetector:
    """Gives the brightness of every other pixel of the pictures as their maps."""

    def __init__(self) -> None:
        self.shown: list[ImageArray] = []

    def detect(self, images: Sequence[ImageArray], config: DetectionConfig) -> list[ScoreMaps]:
        assert all(network_scale(*i.shape[:2], config) == 1 for i in images)
        self.shown += images
        maps = [i[::2, ::2, 0].astype(np.float32) / 255 for i in images]
        return [ScoreMaps(m, m, (2.0, 2.0)) for m in maps]


def string(
    x: float, y: float, count: int, width: float = 8, height: float = 12, score: float = 0.9
) -> BoxString:
    shape = np.diag([width**2 / 4, height**2 / 4]).astype(np.float32)
    lefts = [x + i * (width + 2) for i in range(count)]
    boxes = tuple(CharBox(rect_quad(a, y, a + width, y + height), score, shape) for a in lefts)
    return BoxString(boxes, (False,) * count, "horizontal")


def large_string(x: float, y: float, count: int, height: float, score: float = 0.9) -> BoxString:
    return string(x, y, count, 0.7 * height, height, score)


def look_large(
    near: list[BoxString], far: list[BoxString], config: DetectionConfig = CONFIG
) -> tuple[list[BoxString], FakeDetector]:
    """``far`` is what the first smaller picture shows."""
    detector = FakeDetector()

    def to_strings(maps: ScoreMaps) -> list[BoxString]:
        return list(far) if maps.scale[0] == pytest.approx(2 / PYRAMID_STEP) else []

    (found,) = add_large_strings([IMAGE], [near], detector, config, to_strings)  # type: ignore[arg-type]
    return found, detector


def look_small(
    first: list[BoxString], again: list[BoxString], config: DetectionConfig = CONFIG
) -> tuple[list[BoxString], FakeDetector]:
    """``again`` is what each magnified part shows."""
    detector = FakeDetector()
    (found,) = refine_small_strings([IMAGE], [first], detector, config, lambda maps: list(again))  # type: ignore[arg-type]
    return found, detector


def test_pictures_shrink_until_nothing_larger_has_room() -> None:
    """The maps of each are in pixels of the image."""
    ramp = np.linspace(0, 255, 640)[None, :, None] * np.linspace(0.2, 1, 480)[:, None, None]
    image = np.repeat(ramp, 3, 2).astype(np.uint8)
    detector = FakeDetector()
    seen: list[ScoreMaps] = []
    add_large_strings([image], [[]], detector, CONFIG, lambda m: seen.append(m) or [])  # type: ignore[arg-type,func-returns-value]
    expected = [2 / PYRAMID_STEP**k for k in (1, 2, 3)]
    assert [m.scale[0] for m in seen] == pytest.approx(expected, rel=0.02)
    for maps in seen:
        height, width = maps.region.shape
        rows = ((np.arange(height) + 0.25) * maps.scale[1]).astype(int).clip(0, 479)
        columns = ((np.arange(width) + 0.25) * maps.scale[0]).astype(int).clip(0, 639)
        expected_maps = image[np.ix_(rows, columns)][..., 0] / 255
        np.testing.assert_allclose(maps.region, expected_maps, atol=0.04)


def test_without_room_or_settings_nothing_is_looked_at_again() -> None:
    detector = FakeDetector()
    assert add_large_strings([LOW_IMAGE], [[]], detector, CONFIG, lambda m: []) == [[]]  # type: ignore[arg-type]
    assert detector.shown == []
    near, small = large_string(100, 100, 3, 30), string(100, 200, 4)
    never = CONFIG.model_copy(update={"distant_above": 0.0, "closer_below": 0.0})
    for found, fake in (
        look_large([near], [large_string(0, 100, 4, 120)], never),
        look_small([near], [string(0, 0, 9)], never),
        look_small([near], [string(0, 0, 9)], CONFIG.model_copy(update={"closer_pixels": 0})),
    ):
        assert (found, fake.shown) == ([near], [])
    assert look_small([small], [string(18, 18, 6)], never)[0] == [small]
    assert look_small([], [string(0, 0, 3)])[0] == []


def test_large_characters_are_added_small_and_unsure_ones_not() -> None:
    near, large = large_string(10, 10, 5, 30), large_string(50, 200, 4, 120)
    small, unsure = large_string(50, 100, 4, 40), large_string(50, 350, 4, 120, score=0.5)
    assert look_large([near], [large, small, unsure])[0] == [near, large]


def test_each_picture_keeps_its_own_strings() -> None:
    one, two = large_string(50, 100, 3, 120), large_string(10, 100, 2, 30)

    def to_strings(maps: ScoreMaps) -> list[BoxString]:
        return [one] if maps.scale[0] == pytest.approx(2 / PYRAMID_STEP) else []

    images, near = [LOW_IMAGE, IMAGE], [[two], []]
    found = add_large_strings(images, near, FakeDetector(), CONFIG, to_strings)  # type: ignore[arg-type]
    assert found == [[two], [one]]


def test_strokes_of_a_large_character_and_blobs_over_small_ones_go() -> None:
    large, stroke = large_string(50, 100, 4, 120), large_string(60, 140, 2, 20, score=0.5)
    assert suppressed([stroke], [large]) == [large]
    line, blob = string(100, 200, 5), string(110, 195, 1, 30, 22, score=0.5)
    assert suppressed([line], [blob]) == suppressed([blob], [line]) == [line]


def test_one_box_over_three_characters_of_a_line_is_no_character() -> None:
    line = string(10, 10, 5, 10, 20)
    blob, beside = string(5, 5, 1, 70, 30), string(80, 5, 1, 20, 30)
    over_two = string(8, 5, 1, 25, 30)
    assert without_blobs([blob, line]) == [line]
    assert without_blobs([beside, line, over_two]) == [beside, line, over_two]


def test_print_on_what_looks_like_a_character_stays() -> None:
    windows = large_string(50, 100, 3, 120, score=0.7)
    print_there = large_string(60, 140, 4, 15, score=0.95)
    assert suppressed([print_there], [windows]) == [print_there, windows]


def test_of_two_that_show_the_same_the_fuller_or_the_surer_is_kept() -> None:
    three, four = large_string(50, 100, 3, 90), large_string(50, 100, 4, 92)
    assert suppressed([three], [four]) == [four]
    assert suppressed([four], [three]) == [four]
    unsure, sure = large_string(50, 100, 4, 90, score=0.6), large_string(50, 100, 4, 92)
    assert suppressed([unsure], [sure]) == [sure]


def test_a_character_that_two_parts_of_a_line_share_is_read_once() -> None:
    """The last characters of a line, found again alone: 5 kg and g max."""
    line, end = string(0, 0, 5), string(40, 0, 4)  # the fifth box of one is the first of the other
    rest = string(50, 0, 3)
    for kept in (suppressed([line], [end]), suppressed([end], [line])):
        places = sorted([round(float(b.center[0])) for b in s.boxes] for s in kept)
        assert places == [[4, 14, 24, 34, 44], [round(float(b.center[0])) for b in rest.boxes]]


def test_a_mark_between_two_characters_of_another_string_belongs_to_that_one() -> None:
    """The point of 2.5 was linked to the word before the number, over the 2."""
    digits = string(40, 0, 5, width=4)
    word = string(0, 0, 3)
    boxes, spaces = (*word.boxes, *string(44, 0, 1, 2).boxes), (False,) * 4
    point = replace(word, boxes=boxes, space_after=spaces)
    for kept in (suppressed([point], [digits]), suppressed([digits], [point])):
        assert sorted(len(s.boxes) for s in kept) == [3, 5]


def test_small_strings_are_found_again_in_source_pixels() -> None:
    """Three wide boxes of six characters; the part begins 1.5 heights beyond them."""
    first = string(100, 200, 3, width=18)
    again = string(18, 18, 6)  # 100 - 1.5 * 12 = 82, 182
    (found,), detector = look_small([first], [again])
    assert len(found.boxes) == 6
    np.testing.assert_allclose(found.boxes[0].quad[0], [100, 200])
    (shown,) = detector.shown
    assert shown.shape[0] == pytest.approx((12 + 36) * 3, abs=2)
    assert shown.shape[1] == pytest.approx((3 * 20 - 2 + 36) * 3, abs=4)


def test_what_finds_less_changes_nothing() -> None:
    first = string(100, 200, 5)
    assert look_small([first], [])[0] == [first]
    assert look_small([first], [string(18, 18, 2)])[0] == [first]


def test_strings_elsewhere_in_the_part_are_not_taken() -> None:
    first = string(100, 200, 3, width=18)
    beside = string(0, 0, 9, width=4, height=6)
    found, _ = look_small([first], [string(18, 18, 6), beside])
    assert [len(s.boxes) for s in found] == [6]


def test_large_strings_and_single_boxes_are_not_magnified() -> None:
    strings = [string(50, 50, 4, 30, 40), string(300, 300, 1)]
    found, detector = look_small(strings, [string(0, 0, 9)])
    assert (found, detector.shown) == (strings, [])


def test_strings_that_meet_are_magnified_together() -> None:
    """Two lines of small print are one part, and what both were is found again once."""
    lines = [string(100, 200, 4), string(100, 216, 4)]
    found, detector = look_small(lines, [string(18, 18, 5), string(18, 34, 5)])
    assert len(detector.shown) == 1
    assert [len(s.boxes) for s in found] == [5, 5]


def test_parts_at_the_border_stay_in_the_image() -> None:
    first = string(2, 1, 3, width=18)
    (found,), detector = look_small([first], [string(2, 1, 6)])
    np.testing.assert_allclose(found.boxes[0].quad[0], [2, 1])
    assert detector.shown[0].shape[0] == pytest.approx((1 + 12 + 18) * 3, abs=3)
