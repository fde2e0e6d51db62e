"""The scores of a string, case by case, with the sums done by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from industrial_ocr.config import PositionWeights
from industrial_ocr.decoding.scoring import position_weights, score_sequence, string_confidence
from industrial_ocr.results.types import SequenceScores


@pytest.mark.parametrize(
    ("probabilities", "mean", "joint", "normalized"),
    [
        ([0.8], 0.8, 0.8, 0.8),
        ([1.0, 1.0], 1.0, 1.0, 1.0),
        ([0.9, 0.4], 0.65, 0.36, 0.6),
        ([0.5, 0.5, 0.5, 0.5], 0.5, 0.0625, 0.5),
        ([1.0, 0.0], 0.5, 1e-12, 1e-6),  # a zero counts as 1e-12
    ],
)
def test_scores_of_independent_characters(
    probabilities: list[float], mean: float, joint: float, normalized: float
) -> None:
    scores = score_sequence(probabilities)
    assert scores.mean == pytest.approx(mean)
    assert math.exp(scores.joint_log) == pytest.approx(joint)
    assert scores.joint_normalized == pytest.approx(normalized)
    assert scores.weighted == pytest.approx(mean)
    assert scores.sequence_log == scores.joint_log
    assert string_confidence(scores) == scores.joint_normalized


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("none", (0.1 + 0.2 + 0.4 + 0.8) / 4),
        ("exponential", (0.1 + 0.8 * 0.2 + 0.64 * 0.4 + 0.512 * 0.8) / 2.952),
        ((0, 0, 0, 3), 0.8),
        ((1.0, 0.0, 1.0, 0.0, 9.0), 0.25),
        ((3.0, 1.0), (3 * 0.1 + 0.2 + 0.4 + 0.8) / 6),  # the last is repeated
        ((0, 0, 0, 0, 1), 0.375),  # none of the four counts: all do
    ],
)
def test_position_weighted_mean(weights: PositionWeights, expected: float) -> None:
    scores = score_sequence([0.1, 0.2, 0.4, 0.8], weights=weights)
    assert scores.weighted == pytest.approx(expected)
    assert position_weights(4, weights).sum() == pytest.approx(1)


def test_an_empty_string_scores_nothing() -> None:
    for scores in (score_sequence([]), score_sequence([], -0.1, (1.0, 2.0))):
        assert scores == SequenceScores(0.0, 0.0, 0.0, 0.0, 0.0)
        assert string_confidence(scores) == 0.0


@pytest.mark.parametrize(
    ("probabilities", "sequence", "expected"),
    [
        ([0.9, 0.9], 0.95, 0.9),  # a broad symbol: the sequence is surer than its peaks
        ([0.9, 0.9], 0.81, 0.9),
        ([0.9, 0.9], 0.49, 0.7),  # a doubtful gap: only the sequence sees it
        ([0.9, 0.9, 0.9], 0.001, 0.1),
        ([1.0, 1.0], 0.5, 0.5),  # certain characters tell no length: not normalized
        ([1.0, 1.0], 1.0, 1.0),
    ],
)
def test_confidence_is_the_more_careful_of_peaks_and_sequence(
    probabilities: list[float], sequence: float, expected: float
) -> None:
    scores = score_sequence(probabilities, math.log(sequence))
    assert string_confidence(scores) == pytest.approx(expected)


def test_impossible_sequence_has_no_confidence_and_stays_valid_json() -> None:
    scores = score_sequence([0.9, 0.0], -math.inf)
    assert string_confidence(scores) < 1e-6
    assert "Infinity" not in json.dumps(scores.to_dict())


def test_rounding_above_one_is_forgiven() -> None:
    scores = score_sequence(np.array([1.00001], np.float32), 1e-6)
    assert (scores.mean, scores.joint_log, scores.sequence_log) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("probabilities", "sequence", "message"),
    [
        ([1.2], None, r"within \[0, 1\]"),
        ([-0.1], None, r"within \[0, 1\]"),
        ([math.nan], None, r"within \[0, 1\]"),
        ([[0.5]], None, r"\(L,\)"),
        ([0.5], 0.5, "at most 0"),
        ([0.5], math.nan, "at most 0"),
    ],
)
def test_bad_input_is_refused(
    probabilities: list[float], sequence: float | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score_sequence(probabilities, sequence)
