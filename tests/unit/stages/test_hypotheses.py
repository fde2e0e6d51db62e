"""Boxes that are parts of a character, or two: which come into question, which path wins."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from industrial_ocr.geometry import edge_lengths, one_character, oriented_quad, rect_quad
from industrial_ocr.stages.hypotheses import (
    NOTHING,
    SEPARATE,
    WHOLE,
    Segmentation,
    best_path,
    halves,
    merge_hypotheses,
    merged_box,
    segmented,
    split_hypotheses,
)
from industrial_ocr.types import BoxString, CharBox


def box(x0: float, y0: float, x1: float, y1: float) -> CharBox:
    return CharBox(rect_quad(x0, y0, x1, y1), 0.8, np.eye(2, dtype=np.float32))


def stack(tops: list[float], heights: list[float], spaces: tuple[int, ...] = ()) -> BoxString:
    boxes = tuple(box(0, t, 20, t + h) for t, h in zip(tops, heights, strict=True))
    return BoxString(boxes, tuple(i in spaces for i in range(len(boxes))), "vertical")


def test_halves_of_a_stacked_letter_come_into_question_and_letters_do_not() -> None:
    string = stack([0, 40, 80, 97, 120, 160], [30, 30, 14, 14, 30, 30])
    found = merge_hypotheses(string)
    assert set(found) == {2}
    np.testing.assert_allclose(found[2].quad, rect_quad(0, 80, 20, 111))


def test_a_space_is_never_merged_over() -> None:
    string = stack([0, 40, 80, 97, 120, 160], [30, 30, 14, 14, 30, 30], spaces=(2,))
    assert 2 not in merge_hypotheses(string)


@pytest.mark.parametrize("height", [14.0, 30.0])
def test_two_boxes_are_judged_by_their_own_size(height: float) -> None:
    string = stack([0, height + 3], [height, height])
    assert (0 in merge_hypotheses(string)) == (height < 20)


def test_one_box_has_no_pair() -> None:
    assert merge_hypotheses(stack([0], [30])) == {}


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


def brute_force(
    singles: list[tuple[float, float]],
    merged: dict[int, float],
    split: dict[int, tuple[float, float]],
) -> Segmentation:
    """Every way to merge disjoint pairs and split other boxes, by the stated score."""

    def alone(i: int, halved: frozenset[int]) -> float:
        if i in halved:
            return sum(math.log(max(p, 1e-4)) for p in split[i]) / 2 - WHOLE
        p, r = singles[i]
        return math.log(max(p, NOTHING * r, 1e-4))

    def score(chosen: tuple[int, ...], halved: frozenset[int]) -> float:
        covered = {k for i in chosen for k in (i, i + 1)}
        rest = sum(alone(i, halved) for i in range(len(singles)) if i not in covered)
        return rest + sum(2 * math.log(merged[i]) - SEPARATE for i in chosen)

    def subsets(of: dict[int, object]) -> list[tuple[int, ...]]:
        return [c for n in range(len(of) + 1) for c in itertools.combinations(sorted(of), n)]

    ways = [
        (c, h)
        for c in subsets(dict(merged))
        if all(b - a > 1 for a, b in itertools.pairwise(c))
        for h in subsets(dict(split))
        if not {k for i in c for k in (i, i + 1)} & set(h)
    ]
    best = max(ways, key=lambda w: score(w[0], frozenset(w[1])))
    return Segmentation(*best)


def test_the_path_is_the_likeliest_of_all() -> None:
    rng = np.random.default_rng(5)
    used = 0
    for _ in range(300):
        count = int(rng.integers(1, 7))
        share = rng.uniform(0, 1, count)
        singles = [
            (float(p * s), float(p * (1 - s)))
            for p, s in zip(rng.uniform(0.2, 1, count), share, strict=True)
        ]
        merged = {i: float(rng.uniform(0.05, 1)) for i in range(count - 1) if rng.random() < 0.7}
        split = {
            i: (float(rng.uniform(0.3, 1)), float(rng.uniform(0.3, 1)))
            for i in range(count)
            if rng.random() < 0.4
        }
        found = best_path(singles, merged, split)
        assert found == brute_force(singles, merged, split)
        used += bool(found.split)
    assert used > 20


def test_clear_letters_stay_apart_and_clear_halves_are_joined() -> None:
    assert best_path([(0.95, 0), (0.95, 0)], {0: 0.95}).merged == ()
    assert best_path([(0.44, 0.1), (0.7, 0)], {0: 0.92}).merged == (0,)
    assert best_path([(0.05, 0.9), (0.05, 0.9)], {0: 0.92}).merged == (0,)
    assert best_path([(0.05, 0.9), (0.95, 0)], {0: 0.4}).merged == ()


def test_a_wide_letter_stays_whole_and_two_that_touch_are_parted() -> None:
    assert best_path([(0.9, 0)], {}, {0: (0.95, 0.95)}).split == ()
    assert best_path([(0.2, 0.5)], {}, {0: (0.95, 0.9)}).split == (0,)
    assert best_path([(0.2, 0.5)], {}, {0: (0.95, 0.002)}).split == ()


def test_the_longer_a_box_the_less_speaks_for_one_character() -> None:
    """A box of 4 and L that reads as 4, doubtfully, is two where two have room."""
    alone, halves_of = [(0.6, 0.1)], {0: (0.95, 0.9)}
    assert best_path(alone, {}, halves_of, [1.0]).split == ()
    assert best_path(alone, {}, halves_of, [0.1]).split == (0,)
    assert best_path([(0.99, 0.0)], {}, {0: (0.6, 0.7)}, [0.0]).split == ()
    quads = [rect_quad(0, 0, w, 30) for w in (20, 20, 27)]
    usual, wide = one_character([*quads, rect_quad(0, 0, 40, 30)], False)[[0, 3]]
    assert (usual, wide) == pytest.approx((1.0, (2 - 40 / 23.5) / 0.6))


def test_only_boxes_longer_than_the_others_may_be_two() -> None:
    widths = [20, 20, 38, 20, 24]
    lefts = np.cumsum([0, *(w + 4 for w in widths)])
    boxes = tuple(box(x, 0, x + w, 30) for x, w in zip(lefts, widths, strict=False))
    string = BoxString(boxes, (False,) * 5, "horizontal")
    found = split_hypotheses(string)
    assert set(found) == {2}
    np.testing.assert_allclose(found[2][0].quad, rect_quad(48, 0, 67, 30))
    np.testing.assert_allclose(found[2][1].quad, rect_quad(67, 0, 86, 30))
    assert split_hypotheses(BoxString(boxes[1:3], (False, False), "horizontal")) == {}


def test_a_stack_is_parted_across_its_way() -> None:
    upper, lower = halves(box(0, 0, 20, 60), "vertical")
    np.testing.assert_allclose(upper.quad, rect_quad(0, 0, 20, 30))
    np.testing.assert_allclose(lower.quad, rect_quad(0, 30, 20, 60))
    assert lower.extent(np.array([0, 1], np.float32)) == pytest.approx(30)


def test_the_merged_string_keeps_order_and_spaces() -> None:
    string = stack([0, 40, 57, 80, 120], [30, 14, 14, 30, 30], spaces=(2,))
    merged = segmented(string, merge_hypotheses(string), {}, Segmentation((1,), ()))
    assert [round(float(b.center[1])) for b in merged.boxes] == [15, 56, 95, 135]
    assert merged.space_after == (False, True, False, False)
    assert segmented(string, {}, {}, Segmentation((), ())).boxes == string.boxes


def test_a_split_box_gives_two_and_its_space_follows_the_second() -> None:
    string = stack([0, 40, 110], [30, 60, 30], spaces=(1,))
    split = split_hypotheses(string)
    parted = segmented(string, {}, split, Segmentation((), (1,)))
    assert [round(float(b.center[1])) for b in parted.boxes] == [15, 55, 85, 125]
    assert parted.space_after == (False, False, True, False)
