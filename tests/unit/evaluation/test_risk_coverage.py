"""The risk-coverage curve of a score, computed by hand."""

import math

import pytest
from risk_coverage import risk_coverage


def test_risk_coverage_by_hand() -> None:
    found = risk_coverage([0.9, 0.2, 0.7, 0.5], [True, False, False, True])
    # Accepted 0.9, 0.7, 0.5, 0.2: of 1, 2, 3, 4 readings 0, 1, 1, 2 are wrong. At best 0, 0, 1, 2.
    assert found.area == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    assert found.excess == pytest.approx((1 / 2 + 1 / 3 + 2 / 4 - 1 / 3 - 2 / 4) / 4)
    assert risk_coverage([3, 1, 2], [1, 0, 1]).excess == 0
    assert risk_coverage([1, 2], [True, True]).area == 0


def test_risk_coverage_of_equal_scores_is_that_of_any_order() -> None:
    # Both are accepted at random: half of the first is wrong, and of both one.
    found = risk_coverage([0.5, 0.5], [True, False])
    assert found.area == pytest.approx((0.5 + 0.5) / 2)
    assert found.excess == pytest.approx(0.5 - 0.25)


@pytest.mark.parametrize("scores, correct", [([], []), ([1.0], [1, 0]), ([math.nan], [1])])
def test_bad_risk_coverage_input(scores: list[float], correct: list[int]) -> None:
    with pytest.raises(ValueError, match=r"scores"):
        risk_coverage(scores, correct)
