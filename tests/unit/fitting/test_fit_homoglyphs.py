"""What the fits of letter case and of 0 against O learn from."""

from __future__ import annotations

import numpy as np
import pytest

from fitting.homoglyphs import fit, probabilities, true_symbol
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import Character


def character(symbol: str, p: float, *others: tuple[str, float]) -> Character:
    return Character(symbol, rect_quad(0, 0, 20, 30), p, others)


def line(quads: np.ndarray) -> LabeledString:
    return LabeledString("AB", ("A", "B"), quads, (False, False), "horizontal")


def test_weights_and_bias_are_found_again() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(0, 2, (4000, 2))
    right = rng.random(4000) < 1 / (1 + np.exp(-(table @ [1.0, 0.5] + 0.6)))
    rows = [(row.tolist(), bool(good)) for row, good in zip(table, right, strict=True)]
    weights, bias, text = fit(rows)
    assert weights == pytest.approx([1.0, 0.5], abs=0.1)
    assert bias == pytest.approx(0.6, abs=0.1)
    assert text.startswith("4000; of 2000 that were not fitted")


def test_a_replaced_symbol_gets_the_probability_of_its_own_shape() -> None:
    assert probabilities(character("A", 0.9, ("4", 0.05))) == {"A": 0.9, "4": 0.05}
    # The crnn read O at 0.6 and 0 at 0.3, took the 0 and gave it both.
    assert probabilities(character("0", 0.9, ("O", 0.6)))["0"] == pytest.approx(0.3)


def test_the_truth_is_the_one_symbol_in_the_box() -> None:
    quads = np.array([rect_quad(2, 2, 18, 28), rect_quad(30, 2, 48, 28)], np.float32)
    printed = [line(quads)]
    assert true_symbol(character("A", 0.9), printed) == "A"
    both = [line(np.stack([quads[0], quads[0]]))]
    assert true_symbol(character("A", 0.9), both) is None
    assert true_symbol(character("A", 0.9), []) is None
