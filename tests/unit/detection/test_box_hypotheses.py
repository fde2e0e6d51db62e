"""Boxes that are parts of a character, or two, or missing: which come into question."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.detection.box_hypotheses import halves, merged_box, propose
from industrial_ocr.results.geometry import edge_lengths, oriented_quad, rect_quad
from industrial_ocr.results.types import BoxString, CharBox, ImageArray


def box(x0: float, y0: float, x1: float, y1: float) -> CharBox:
    return CharBox(rect_quad(x0, y0, x1, y1), 0.8, np.eye(2, dtype=np.float32))


def stack(tops: list[float], heights: list[float], spaces: tuple[int, ...] = ()) -> BoxString:
    boxes = tuple(box(0, t, 20, t + h) for t, h in zip(tops, heights, strict=True))
    return BoxString(boxes, tuple(i in spaces for i in range(len(boxes))), "vertical")


def line(*spans: tuple[float, float], spaces: tuple[int, ...] = ()) -> BoxString:
    boxes = tuple(box(a, 0, b, 30) for a, b in spans)
    return BoxString(boxes, tuple(i in spaces for i in range(len(boxes))), "horizontal")


def test_halves_of_a_stacked_letter_come_into_question_and_letters_do_not() -> None:
    string = stack([0, 40, 80, 97, 120, 160], [30, 30, 14, 14, 30, 30])
    found = propose(string)
    assert set(found.merged) == {2}
    np.testing.assert_allclose(found.merged[2].quad, rect_quad(0, 80, 20, 111))
    assert found.proposed == frozenset()


def test_a_space_is_never_merged_over() -> None:
    string = stack([0, 40, 80, 97, 120, 160], [30, 30, 14, 14, 30, 30], spaces=(2,))
    assert 2 not in propose(string).merged


@pytest.mark.parametrize("height", [14.0, 30.0])
def test_two_boxes_are_judged_by_their_own_size(height: float) -> None:
    string = stack([0, height + 3], [height, height])
    assert (0 in propose(string).merged) == (height < 20)


def test_boxes_that_overlap_come_into_question_however_far_apart() -> None:
    """V and W boxes on the ink of one W."""
    string = line((0, 20), (22, 42), (44, 64), (58, 90), (92, 112))
    found = propose(string)
    (first,) = found.merged
    np.testing.assert_allclose(found.merged[first].quad, rect_quad(44, 0, 90, 30))
    assert found.string.boxes[first] is string.boxes[2]


def test_one_box_has_no_pair() -> None:
    assert propose(stack([0], [30])).merged == {}


def test_the_merged_box_follows_the_slant() -> None:
    axis = np.array([np.cos(0.4), np.sin(0.4)])
    across = np.array([-axis[1], axis[0]])
    one, two = (
        CharBox(oriented_quad(c, axis, 20, 16), s, np.eye(2, dtype=np.float32))
        for c, s in ((np.array([50.0, 50]), 0.9), (np.array([50.0, 50]) + 18 * across, 0.6))
    )
    merged = merged_box(one, two)
    assert edge_lengths(merged.quad) == pytest.approx((20, 34), abs=1e-3)
    np.testing.assert_allclose(merged.center, np.array([50, 50]) + 9 * across, atol=1e-3)
    assert merged.score == 0.6
    assert merged.extent(across.astype(np.float32)) == pytest.approx(34, abs=1e-3)


def test_only_boxes_longer_than_the_others_may_be_two() -> None:
    string = stack([0, 24, 48, 90, 114], [20, 20, 38, 20, 24])
    found = propose(string)
    assert set(found.split) == {2}
    np.testing.assert_allclose(found.split[2][0].quad, rect_quad(0, 48, 20, 67))
    np.testing.assert_allclose(found.split[2][1].quad, rect_quad(0, 67, 20, 86))


def test_a_stack_is_parted_across_its_way() -> None:
    upper, lower = halves(box(0, 0, 20, 60), "vertical")
    np.testing.assert_allclose(upper.quad, rect_quad(0, 0, 20, 30))
    np.testing.assert_allclose(lower.quad, rect_quad(0, 30, 20, 60))
    assert lower.extent(np.array([0, 1], np.float32)) == pytest.approx(30)


def test_wide_gaps_and_ends_of_a_line_may_hold_a_character() -> None:
    """73.141 without a box for its point."""
    string = line((0, 20), (23, 43), (55, 75), (78, 98), spaces=(1,))
    found = propose(string)
    assert found.proposed == {0, 3, 6}
    centers = [round(float(b.center[0]), 1) for b in found.string.boxes]
    assert centers == [-10.5, 10, 33, 49, 65, 88, 108.5]
    assert edge_lengths(found.string.boxes[3].quad) == pytest.approx((12, 30))
    # The space is behind what may stand in it.
    assert found.string.space_after == (False, False, False, True, False, False, False)
    assert len(found.boxes) == 7


def drawn(*spans: tuple[int, int]) -> ImageArray:
    """(70, 200) uint8: frames of ink, 30 high, on a light ground, and points where it is narrow."""
    gray = np.full((70, 200), 220, np.uint8)
    for x0, x1 in spans:
        top = 20 if x1 - x0 > 8 else 44
        gray[top:50, x0 + 40 : x1 + 40] = 30
        gray[24:46, x0 + 44 : x1 + 36] = 220
    return gray


def shifted(string: BoxString) -> BoxString:
    moved = (CharBox(b.quad + np.float32([40, 20]), b.score, b.shape) for b in string.boxes)
    return BoxString(tuple(moved), string.space_after, string.direction)


def test_a_box_is_cut_where_its_ink_is_apart() -> None:
    """Two points of -5..+7 in one box, no wider than the others."""
    string = shifted(line((0, 20), (22, 42), (44, 64), (66, 86)))
    found = propose(string, drawn((2, 18), (24, 40), (46, 51), (56, 62), (68, 84)))
    (index,) = found.split
    assert set(found.ink.cut) == {index} and found.string.boxes[index] is string.boxes[2]
    first, second = (b.quad[:, 0] - 40 for b in found.split[index])
    assert (first.min(), first.max()) == pytest.approx((44, 53.5), abs=1.5)
    assert (second.min(), second.max()) == pytest.approx((53.5, 64), abs=1.5)
    assert propose(string).split == {}


def test_ink_says_which_neighbors_are_different_letters() -> None:
    string = shifted(line((0, 20), (22, 42), (44, 64), (60, 80), (84, 104)))
    found = propose(string, drawn((2, 18), (24, 40), (46, 78), (86, 102)))
    place = [i for i in range(len(found.string.boxes)) if i not in found.proposed]
    assert found.ink.apart == {place[0], place[1], place[3]} and place[2] in found.merged


def test_a_point_under_the_arm_of_a_7_is_a_letter_of_its_own() -> None:
    gray = drawn((24, 40), (46, 62))
    gray[20:26, 42:58] = gray[20:50, 42:47] = 30
    gray[44:50, 54:60] = 30
    found = propose(shifted(line((0, 20), (12, 22), (24, 42), (44, 64))), gray)
    place = [i for i in range(len(found.string.boxes)) if i not in found.proposed]
    assert {place[0], place[1]} <= found.ink.apart


def test_a_colon_that_touches_a_letter_is_cut_off_beside_its_upper_point() -> None:
    gray = drawn((2, 18), (24, 40), (46, 56), (68, 84))
    gray[44:50, 96:104] = 30  # the lower point touches the letter,
    gray[28:34, 99:104] = 30  # the upper one does not
    found = propose(shifted(line((0, 20), (22, 42), (44, 66), (66, 86))), gray)
    (index,) = found.split
    assert found.ink.cut[index] == 0.0
    letter, colon = (b.quad[:, 0] - 40 for b in found.split[index])
    assert letter.max() == pytest.approx(59, abs=1.5) and colon.min() == letter.max()
    assert colon.max() == pytest.approx(66, abs=3)


def test_a_box_over_a_mark_that_has_its_own_is_not_halved() -> None:
    """The wide box of a 7 reaches over the point before it."""
    spans = [(0, 20), (22, 42), (42, 76), (78, 98)]
    string = line(*spans)
    place = [
        i for i in range(len(propose(string).string.boxes)) if i not in propose(string).proposed
    ]
    assert set(propose(string).split) == {place[2]}
    mark = CharBox(rect_quad(43, 0, 51, 30), 0.0, np.eye(2, dtype=np.float32))
    with_mark = (*string.boxes[:2], mark, *string.boxes[2:])
    found = propose(BoxString(with_mark, (False,) * 5, "horizontal"))
    assert found.split == {}
