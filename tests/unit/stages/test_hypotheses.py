"""Pairs of boxes that are one character: which come into question, and which path wins."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from industrial_ocr.geometry import edge_lengths, oriented_quad, rect_quad
from industrial_ocr.stages.hypotheses import (
    NOTHING,
    SEPARATE,
    best_path,
    merge_hypotheses,
    merged_box,
    with_merged,
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


def brute_force(singles: list[tuple[float, float]], merged: dict[int, float]) -> list[int]:
    """Every way to merge disjoint pairs, by the stated score."""

    def score(chosen: tuple[int, ...]) -> float:
        covered = {k for i in chosen for k in (i, i + 1)}
        alone = sum(
            math.log(max(p, NOTHING * r, 1e-4))
            for i, (p, r) in enumerate(singles)
            if i not in covered
        )
        return alone + sum(2 * math.log(merged[i]) - SEPARATE for i in chosen)

    ways = [
        c
        for n in range(len(merged) + 1)
        for c in itertools.combinations(sorted(merged), n)
        if all(b - a > 1 for a, b in itertools.pairwise(c))
    ]
    return list(max(ways, key=score))


def test_the_path_is_the_likeliest_of_all() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        count = int(rng.integers(1, 8))
        share = rng.uniform(0, 1, count)
        singles = [
            (float(p * s), float(p * (1 - s)))
            for p, s in zip(rng.uniform(0.2, 1, count), share, strict=True)
        ]
        merged = {i: float(rng.uniform(0.05, 1)) for i in range(count - 1) if rng.random() < 0.7}
        assert best_path(singles, merged) == brute_force(singles, merged)


def test_clear_letters_stay_apart_and_clear_halves_are_joined() -> None:
    assert best_path([(0.95, 0), (0.95, 0)], {0: 0.95}) == []
    assert best_path([(0.44, 0.1), (0.7, 0)], {0: 0.92}) == [0]
    assert best_path([(0.05, 0.9), (0.05, 0.9)], {0: 0.92}) == [0]
    assert best_path([(0.05, 0.9), (0.95, 0)], {0: 0.4}) == []


def test_the_merged_string_keeps_order_and_spaces() -> None:
    string = stack([0, 40, 57, 80, 120], [30, 14, 14, 30, 30], spaces=(2,))
    merged = with_merged(string, merge_hypotheses(string), [1])
    assert [round(float(b.center[1])) for b in merged.boxes] == [15, 56, 95, 135]
    assert merged.space_after == (False, True, False, False)
    assert with_merged(string, {}, []).boxes == string.boxes
