"""Strings of one detector, cut into characters by another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.cutting import PART_MARGIN, cut_strings, mirrored_strings
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, ImageArray, ScoreMaps

CONFIG = DetectionConfig(closer_height=40.0)
IMAGE = np.zeros((200, 300, 3), np.uint8)
LEFT, TOP = (2 * m * 20 for m in PART_MARGIN)
"""Margins in the magnified part of characters of 20 pixels."""


class Cutter:
    """Notes the sizes of what it is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def detect(self, images: Sequence[ImageArray], config: DetectionConfig) -> list[ScoreMaps]:
        self.shown += [i.shape for i in images]
        maps = [np.zeros((i.shape[0] // 2, i.shape[1] // 2), np.float32) for i in images]
        return [ScoreMaps(m, m, (2.0, 2.0)) for m in maps]


def box(x: float, y: float, width: float, height: float, score: float = 0.9) -> CharBox:
    shape = np.diag([width**2 / 4, height**2 / 4]).astype(np.float32)
    quad = rect_quad(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return CharBox(quad, score, shape)


def row(centers: Sequence[tuple[float, float]], width: float, height: float) -> BoxString:
    boxes = tuple(box(x, y, width, height) for x, y in centers)
    return BoxString(boxes, (False,) * len(boxes), "horizontal")


def cut(found: BoxString, seen: Sequence[BoxString]) -> tuple[list[BoxString], Cutter]:
    cutter: Any = Cutter()
    (strings,) = cut_strings([IMAGE], [[found]], cutter, CONFIG, lambda maps: list(seen))
    return strings, cutter


def test_characters_of_the_magnified_string_come_back_to_their_places() -> None:
    # 40 wide and 20 high, magnified twice.
    found = row([(110, 100), (130, 100)], 20, 20)
    seen = row([(LEFT + x, TOP + 20) for x in (10, 30, 50, 70)], 16, 36)
    (string,), cutter = cut(found, [seen])
    assert cutter.shown == [(2 * 20 + 2 * TOP, 2 * 40 + 2 * LEFT, 3)]
    assert [b.center[0] for b in string.boxes] == pytest.approx([105, 115, 125, 135], abs=0.1)
    assert [b.center[1] for b in string.boxes] == pytest.approx([100] * 4, abs=0.1)
    assert np.ptp(string.boxes[0].quad, axis=0).tolist() == pytest.approx([8, 18], abs=0.1)


def test_a_sloping_string_is_looked_at_level() -> None:
    step = np.array([30, 30]) / np.sqrt(2)
    found = row([tuple(np.array([100, 80]) + i * step) for i in range(4)], 20, 20)
    _, cutter = cut(found, [])
    height, width = cutter.shown[0][:2]
    assert width > 2 * height
    (string,), _ = cut(found, [row([(width * s, height / 2) for s in (0.4, 0.5, 0.6)], 16, 36)])
    turned = np.array([b.center for b in string.boxes])
    assert np.diff(turned, axis=0)[0] == pytest.approx(np.diff(turned, axis=0)[0][::-1], abs=0.2)


def test_lines_beside_the_string_are_not_taken_in() -> None:
    found = row([(110, 100), (130, 100)], 20, 20)
    own = row([(LEFT + x, TOP + 20) for x in (20, 60)], 16, 36)
    above = row([(LEFT + x, 2) for x in (20, 60)], 16, 36)
    (string,), _ = cut(found, [own, above])
    assert [b.center[1] for b in string.boxes] == pytest.approx([100, 100], abs=0.1)


def test_a_string_found_in_pieces_is_cut_as_one() -> None:
    pieces = [row([(100, 100), (120, 100)], 20, 20), row([(140, 100), (160, 100)], 20, 20)]
    cutter: Any = Cutter()
    # Both parts show the whole string; the second one begins 40 source pixels further right.
    shifts = iter((0, 80))

    def to_strings(maps: ScoreMaps) -> list[BoxString]:
        shift = next(shifts)
        return [row([(LEFT + x - shift, TOP + 20) for x in (20, 60, 100, 140)], 16, 36)]

    ((string,),) = cut_strings([IMAGE], [pieces], cutter, CONFIG, to_strings)
    assert [b.center[0] for b in string.boxes] == pytest.approx([100, 120, 140, 160], abs=0.1)


def test_a_string_in_which_too_little_is_seen_keeps_its_boxes() -> None:
    found = row([(60 + 20 * i, 100) for i in range(6)], 20, 20)
    assert cut(found, [])[0] == [found]
    assert cut(found, [row([(LEFT + 20, TOP + 20), (LEFT + 60, TOP + 20)], 16, 36)])[0] == [found]


def test_a_string_seen_in_the_mirror_comes_back_in_its_own_order() -> None:
    found = row([(110, 100), (130, 100)], 20, 20)
    # From the right: three boxes, a space after the second one.
    right = BoxString(
        tuple(box(LEFT + x, TOP + 20, 16, 36) for x in (10, 30, 70)),
        (False, True, False),
        "horizontal",
    )
    cutter: Any = Cutter()
    ((string,),) = mirrored_strings([IMAGE], [[found]], cutter, CONFIG, lambda maps: [right])
    assert string is not None
    assert [b.center[0] for b in string.boxes] == pytest.approx([105, 125, 135], abs=0.1)
    assert string.space_after == (True, False, False)


def test_the_mirror_shows_the_place_of_the_string_reversed() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[90:110, 100:120] = 255
    shown: list[ImageArray] = []

    class Looker(Cutter):
        def detect(self, images: Sequence[ImageArray], config: DetectionConfig) -> list[ScoreMaps]:
            shown.extend(images)
            return super().detect(images, config)

    looker: Any = Looker()
    found = row([(110, 100), (130, 100)], 20, 20)
    seen = mirrored_strings([image], [[found]], looker, CONFIG, lambda maps: [])
    assert seen == [[None]]
    inside = shown[0][int(TOP) + 20, int(LEFT) : int(LEFT) + 80, 0]
    assert inside[10] == 0 and inside[70] == 255
