"""The pool of several frames' log-probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.recognition.pooled import Frame, pool

APART = np.array([0, 1])


def test_two_frames_that_lean_to_one_class_are_surer_together() -> None:
    # 0.8 * 0.6 against 0.2 * 0.4: 0.48 to 0.08.
    p = np.exp(pool(np.log([[0.8, 0.2], [0.6, 0.4]]), [1.0, 1.0], APART))
    assert p == pytest.approx([6 / 7, 1 / 7])


def test_a_frame_of_half_weight_counts_as_its_square_root() -> None:
    # 0.5 * 0.9 ** 0.5 against 0.5 * 0.1 ** 0.5: 3 to 1.
    p = np.exp(pool(np.log([[0.5, 0.5], [0.9, 0.1]]), [1.0, 0.5], APART))
    assert p == pytest.approx([0.75, 0.25])


def test_frames_do_not_make_twins_surer() -> None:
    # 0 and O of one shape, at odds of 4 to 1 in both frames, and another symbol: 0.9 to 0.1 twice.
    seen = np.log([[0.72, 0.18, 0.1]] * 2)
    p = np.exp(pool(seen, [1.0, 1.0], np.array([0, 0, 1])))
    assert p[0] / p[1] == pytest.approx(4.0)
    assert p[2] == pytest.approx(0.01 / (0.01 + 0.81 * (0.8 + 0.2)))


def test_one_frame_cannot_rule_a_class_out() -> None:
    with np.errstate(divide="ignore"):
        p = np.exp(
            pool(np.log([[0.999, 0.001], [0.999, 0.001], [0.0, 1.0]]), [1.0, 1.0, 1.0], APART)
        )
    assert p[0] > 0.95


def test_a_place_is_moved_by_the_matrix() -> None:
    quarter = np.array([[0.0, -1.0, 10.0], [1.0, 0.0, 20.0]])  # x to y, then 10 right and 20 down
    frame = Frame(np.zeros((4, 4, 3), np.uint8), quarter, 1.0)
    quad = np.array([[0, 0], [2, 0], [2, 1], [0, 1]], np.float32)
    assert frame.place(quad).tolist() == [[10, 20], [10, 22], [9, 22], [9, 20]]
