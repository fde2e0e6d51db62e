"""Small marks without a box get one, where they belong to a string; boxes need ink."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.detection.missed_ink import with_missed_ink
from industrial_ocr.results.geometry import bounds, rect_quad
from industrial_ocr.results.types import BoxString, CharBox

HEIGHT = 30


def box(x: float) -> CharBox:
    shape = np.diag([9.0**2, 16.0**2]).astype(np.float32)
    return CharBox(rect_quad(x - 1, 19, x + 17, 51), 0.9, shape)


def picture(*points: tuple[int, int]) -> tuple[np.ndarray, BoxString]:
    """Four bars of 30 rows as characters, and points of 5 x 5 pixels at (x, y)."""
    gray = np.full((80, 220), 220, np.uint8)
    places = (40, 70, 110, 140)
    for x in places:
        gray[20:50, x : x + 16] = 30
    for x, y in points:
        gray[y : y + 5, x : x + 5] = 30
    spaces = (False, True, False, False)
    return gray, BoxString(tuple(box(x) for x in places), spaces, "horizontal")


def middles(strings: list[BoxString]) -> list[float]:
    return [float(b.center[0]) for b in strings[0].boxes]


@pytest.mark.parametrize(
    ("point", "place"),
    [((95, 45), 2), ((30, 33), 0), ((162, 45), 4)],
    ids=["in a gap", "before the first", "behind the last"],
)
def test_a_mark_in_the_band_gets_a_box(point: tuple[int, int], place: int) -> None:
    gray, string = picture(point)
    found = with_missed_ink(gray, [string])
    assert len(found[0].boxes) == 5
    new = found[0].boxes[place]
    assert new.score == 0
    assert abs(float(new.center[0]) - point[0] - 2.5) < 2
    x0, _, x1, _ = bounds(new.quad)
    assert x1 - x0 >= 0.25 * HEIGHT
    assert not found[0].space_after[-1]


def test_a_point_in_a_space_leaves_the_wide_side_of_it() -> None:
    gray, string = picture((92, 45))
    (found,) = with_missed_ink(gray, [string])
    assert sum(found.space_after) <= 1


def test_what_is_far_off_tall_or_in_another_string_gets_none() -> None:
    gray, string = picture((200, 45), (10, 70))
    gray[18:52, 94:97] = 30  # a line as of a frame
    assert middles(with_missed_ink(gray, [string])) == middles([string])
    gray, string = picture((95, 45))
    other = BoxString((box(88), box(88)), (False, False), "horizontal")
    assert len(with_missed_ink(gray, [string, other])[0].boxes) == 4


def test_texture_is_no_print() -> None:
    gray, string = picture((60, 45), (62, 25), (90, 45), (96, 25), (100, 40), (130, 22))
    assert len(with_missed_ink(gray, [string])[0].boxes) <= 6
    vertical = BoxString(string.boxes, string.space_after, "vertical")
    assert with_missed_ink(gray, [vertical])[0] is vertical


@pytest.mark.parametrize("at", [0, 2, 4])
def test_a_box_without_ink_is_dropped(at: int) -> None:
    gray, string = picture()
    boxes, spaces = list(string.boxes), list(string.space_after)
    boxes.insert(at, box((10, 90, 180)[at // 2]))
    spaces.insert(min(at, 3), True)
    (found,) = with_missed_ink(gray, [BoxString(tuple(boxes), tuple(spaces), "horizontal")])
    assert found.boxes == string.boxes
    assert not found.space_after[-1]


def test_boxes_stay_where_most_have_no_ink() -> None:
    gray, string = picture()
    gray[:, 60:] = 220  # the first of four bars is left
    (found,) = with_missed_ink(gray, [string])
    assert found.boxes == string.boxes
