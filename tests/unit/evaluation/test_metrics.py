"""Rates, distances, curves and box counts, case by case, with the sums done by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.evaluation.curves import (
    REJECT_ALL,
    RateCurve,
    expected_calibration_error,
    paired_bootstrap,
    rate_curve,
    read_rate_at,
    reliability_bins,
)
from industrial_ocr.evaluation.detection_metrics import DetectionCounts, match_boxes
from industrial_ocr.evaluation.metrics import (
    CODE_TEXT,
    VERBATIM,
    OutcomeCounts,
    Prediction,
    Proportion,
    ReadOutcome,
    TextComparison,
    TextPair,
    accuracy_by_kind,
    cer,
    confusion_pairs,
    count_outcomes,
    nearest_part,
    outcome,
    per_position_accuracy,
    text_pairs,
)
from industrial_ocr.results.geometry import rect_quad

CONTAINS = TextComparison(contains=True)


def item(truth: str, reading: str, confidence: float | None = 0.9, pattern: str = "") -> Prediction:
    return Prediction("a.png", truth, reading, confidence, pattern)


def random_items(seed: int, count: int = 60) -> list[Prediction]:
    """Few texts and few confidences, so that all outcomes and many ties come up."""
    rng = np.random.default_rng(seed)
    texts = ["", "A", "B", "AB", "-", "&", "ab"]
    levels: list[float | None] = [None, 0.0, 0.25, 0.5, 0.75, 1.0]
    return [
        item(
            texts[rng.integers(len(texts))],
            texts[rng.integers(len(texts))],
            levels[rng.integers(len(levels))],
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("text", "case", "alphabet", "expected"),
    [
        ("ab-12 c", True, "AB12", "AB12"),
        ("ab-12 C", False, "Cab", "abC"),
        ("ab", True, "ab", "AB"),  # the alphabet is upper-cased too
        (" a b\n", False, None, "a b"),
        ("Ａｂ１", False, None, "Ab1"),  # full width
        ("①²ﬁ", True, None, "12FI"),
        ("e\u0301", True, None, "\u00c9"),  # composed
        ("\u0390", True, None, "\u03aa\u0301"),  # upper-casing takes it apart into three
        ("\u0131", True, None, "I"),  # Turkish dotless i
    ],
)
def test_fold(text: str, case: bool, alphabet: str | None, expected: str) -> None:
    comparison = TextComparison(case, alphabet)
    assert comparison.normalize(text) == expected
    assert comparison.normalize(expected) == expected


def test_default_alphabet_drops_accented_letters_and_loose_marks() -> None:
    assert CODE_TEXT.normalize("CAFE\u0301 X\u0301-9 ß\u200bЖ") == "CAFX9SS"


def test_truth_outside_the_alphabet_is_compared_without_it() -> None:
    assert CODE_TEXT.pair("&", "") == ("&", "")
    assert CODE_TEXT.pair("é-", "É-x") == ("É-", "É-X")
    assert CODE_TEXT.pair("a&", "a%") == ("A", "A")
    assert CODE_TEXT.pair(" ", "-") == ("", "")
    with pytest.raises(ValueError, match="alphabet"):
        TextComparison(alphabet="")


@pytest.mark.parametrize(
    ("truth", "reading", "confidence", "exact", "contains"),
    [
        ("AB", "ab ", 0.9, "correct", "correct"),
        ("AB", "ABC", 0.9, "misread", "correct"),
        ("AB", "XA-BX", 0.9, "misread", "correct"),
        ("AB", "BA", 0.9, "misread", "misread"),
        ("AB", "A", 0.9, "misread", "misread"),  # not the other way round
        ("AB", "AB", 0.5, "correct", "correct"),  # at the threshold: accepted
        ("AB", "AB", 0.49, "rejected", "rejected"),
        ("AB", "XX", 0.49, "rejected", "rejected"),
        ("AB", "AB", None, "correct", "correct"),
        ("AB", "", 0.9, "missed", "missed"),
        ("AB", "", 0.1, "missed", "missed"),  # nothing to refuse
        ("AB", " -", 0.1, "missed", "missed"),
        ("", "", 0.1, "correct", "correct"),
        ("", "A", 0.9, "misread", "misread"),  # the empty text is in every reading
        ("", "A", 0.1, "rejected", "rejected"),
        ("&", "", 0.9, "missed", "missed"),
        ("&", "%", 0.9, "misread", "misread"),
        ("&", "&", 0.9, "correct", "correct"),
    ],
)
def test_outcome_at_a_threshold_of_one_half(
    truth: str, reading: str, confidence: float | None, exact: str, contains: str
) -> None:
    it = item(truth, reading, confidence)
    assert outcome(it, 0.5) == exact
    assert outcome(it, 0.5, CONTAINS) == contains


def test_verbatim_comparison_sees_case_and_marks() -> None:
    assert outcome(item("A-b", "ab"), comparison=VERBATIM) is ReadOutcome.MISREAD
    assert outcome(item("A-b", "A-b\n"), comparison=VERBATIM) is ReadOutcome.CORRECT
    assert outcome(item("", "-"), comparison=VERBATIM) is ReadOutcome.MISREAD


def test_bad_items_and_settings_are_refused() -> None:
    assert item("A", "A", 1.00005).confidence == 1.0  # rounding of half precision
    for confidence in (-0.1, 1.1, 95, math.nan):
        with pytest.raises(ValueError, match="confidence must be 0 to 1"):
            item("A", "A", confidence)
    with pytest.raises(ValueError, match="nan"):
        outcome(item("A", ""), math.nan)


@pytest.mark.parametrize(
    "comparison", [CODE_TEXT, VERBATIM, CONTAINS, replace(VERBATIM, contains=True)]
)
def test_the_four_outcomes_add_up(comparison: TextComparison) -> None:
    for seed in range(5):
        items = random_items(seed)
        for threshold in (-1.0, 0.0, 0.3, 0.5, 1.0, REJECT_ALL):
            c = count_outcomes(items, threshold, comparison)
            assert c.total == c.correct + c.misread + c.rejected + c.missed == len(items)


def test_counts_and_rates() -> None:
    items = [item("A", "A"), item("A", "B"), item("A", "B"), item("A", "A", 0.2), item("A", "")]
    counts = count_outcomes(iter(items), 0.5)
    assert counts == OutcomeCounts(correct=1, misread=2, rejected=1, missed=1)
    assert (counts.read_rate, counts.misread_rate) == (0.2, 0.4)
    assert math.isnan(count_outcomes([]).read_rate)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.277533),  # z^2 / (n + z^2)
        (10, 10, 0.722467, 1.0),
        (5, 10, 0.236593, 0.763407),
        (81, 263, 0.255287, 0.366211),  # Newcombe 1998, table I: 0.2553 to 0.3662
    ],
)
def test_wilson_interval(successes: int, n: int, low: float, high: float) -> None:
    assert Proportion(successes, n).interval == pytest.approx((low, high), abs=2e-6)


def test_wilson_interval_has_exact_ends() -> None:
    for n in range(1, 99):
        assert Proportion(0, n).interval[0] == 0 and Proportion(n, n).interval[1] == 1


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("ABC", "ABC")], 0.0),
        ([("ABCD", "ABXD"), ("AB", "")], 3 / 6),
        ([("A", "ABCD")], 3.0),
        ([("ABC", "BC"), ("AB", "AB")], 1 / 5),
        ([("", "")], 0.0),
        ([("", "A")], math.inf),
        ([("", "A"), ("BB", "BB")], 0.5),
        ([], math.nan),
    ],
)
def test_character_error_rate(pairs: list[TextPair], expected: float) -> None:
    assert cer(iter(pairs)) == pytest.approx(expected, nan_ok=True)


def test_pairs_of_items_are_folded_and_ignore_the_confidence() -> None:
    items = [item("a-b", "Ｂ", 0.0), item("&", "")]
    assert text_pairs(items) == [("AB", "B"), ("&", "")]
    assert text_pairs(items, VERBATIM) == [("a-b", "B"), ("&", "")]


def test_per_position_accuracy_skips_other_lengths() -> None:
    pairs = [("ABC", "ABX"), ("AB", "XB"), ("ABC", "AB"), ("A", "ABC"), ("", "")]
    assert per_position_accuracy(pairs) == (Proportion(1, 2), Proportion(2, 2), Proportion(0, 1))
    assert per_position_accuracy([("A", "")]) == ()


def test_accuracy_by_kind() -> None:
    items = [
        item("A", "A", pattern="z"),
        item("B", "", pattern="y"),
        item("C", "C", 0.1, pattern="z"),
        item("C", "CD", pattern="z"),
    ]
    groups = accuracy_by_kind(items)
    assert list(groups.items()) == [("y", Proportion(0, 1)), ("z", Proportion(2, 3))]
    assert groups["z"].rate == pytest.approx(2 / 3)
    assert accuracy_by_kind(items, CONTAINS)["z"] == Proportion(3, 3)
    assert math.isnan(Proportion(0, 0).rate)
    with pytest.raises(ValueError, match="2 of 1"):
        Proportion(2, 1)


def test_confusion_pairs_most_common_first() -> None:
    pairs = [("A8", "AB"), ("88", "B8"), ("O1", "1"), ("1", "11"), ("OK", "OK"), ("8", "B")]
    counts = confusion_pairs(pairs)
    assert list(counts.items()) == [(("8", "B"), 3), (("", "1"), 1), (("O", ""), 1)]
    assert confusion_pairs([("日本", "日木")]) == {("本", "木"): 1}


def test_rate_curve_by_hand() -> None:
    items = [
        item("A", "A", 0.9),
        item("A", "A", 0.6),
        item("A", "B", 0.6),  # a tie of right and wrong is one point
        item("A", "A", 0.3),
        item("A", "", 0.4),  # no reading, no point
    ]
    curve = rate_curve(items)
    assert curve.thresholds.tolist() == [0, 0.3, 0.6, 0.9, REJECT_ALL]
    assert curve.read_rate.tolist() == [0.6, 0.6, 0.4, 0.2, 0]
    assert curve.misread_rate.tolist() == [0.2, 0.2, 0.2, 0, 0]
    assert read_rate_at(curve, 0.2) == (0.6, 0.3)
    assert read_rate_at(curve, 0.19) == (0.2, 0.9)
    assert read_rate_at(curve, 0) == (0.2, 0.9)
    json.dumps(curve.thresholds.tolist(), allow_nan=False)


def test_limit_is_met_exactly_and_with_the_fewest_misreads() -> None:
    right = [item("A", "A", 0.8)] * 98
    curve = rate_curve([*right, item("A", "B", 0.7), item("A", "B", 0.9)])
    assert read_rate_at(curve, 0.02) == (0.98, 0.8)  # at 0.7 there is one misread more
    assert read_rate_at(curve, 0.01) == (0.98, 0.8)  # exactly 1 of 100
    assert read_rate_at(curve, 0.001) == (0, REJECT_ALL)


def test_curve_without_confidences_is_all_or_nothing() -> None:
    curve = rate_curve([item("A", "A", None), item("A", "B", None)])
    assert curve.thresholds.tolist() == [0, 1, REJECT_ALL]
    assert curve.misread_rate.tolist() == [0.5, 0.5, 0]
    assert read_rate_at(curve, 0.01) == (0, REJECT_ALL)


@pytest.mark.parametrize("comparison", [CODE_TEXT, CONTAINS])
def test_curve_is_monotone_and_agrees_with_the_counts(comparison: TextComparison) -> None:
    for seed in range(5):
        items = random_items(seed)
        curve = rate_curve(items, comparison)
        assert (np.diff(curve.thresholds) > 0).all()
        assert (np.diff(curve.read_rate) <= 0).all() and (np.diff(curve.misread_rate) <= 0).all()
        for t, read, misread in zip(
            curve.thresholds, curve.read_rate, curve.misread_rate, strict=True
        ):
            counts = count_outcomes(items, float(t), comparison)
            assert (counts.read_rate, counts.misread_rate) == (read, misread)


def test_impossible_curves_are_refused() -> None:
    good = rate_curve([item("A", "A", 0.5)])
    with pytest.raises(ValueError, match="one prediction"):
        rate_curve([])
    for change, message in (
        ({"thresholds": np.array([0, 0.5, 0.5])}, "rising"),
        ({"read_rate": np.array([0.5, 1, 0])}, "never rise"),
        ({"misread_rate": np.array([0.5, 0.5, 0.5])}, "reject everything"),
        ({"read_rate": np.array([1.0])}, r"\(K,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(good, **change)
    with pytest.raises(ValueError, match="at least two"):
        RateCurve(np.array([0.0]), np.array([0.0]), np.array([0.0]))


def test_calibration_by_hand() -> None:
    confidences, correct = [0.0, 0.2, 0.3, 0.6, 0.9, 1.0], [0, 1, 0, 1, 1, 1]
    # 0.2 and 0.6 are upper edges of (0, 0.2] and (0.4, 0.6].
    bins = reliability_bins(confidences, correct, bins=5)
    assert [(b.low, b.high, b.count) for b in bins] == [
        (0.0, 0.2, 2),
        (0.2, 0.4, 1),
        (0.4, 0.6, 1),
        (0.8, 1.0, 2),
    ]
    assert [b.confidence for b in bins] == pytest.approx([0.1, 0.3, 0.6, 0.95])
    assert [b.accuracy for b in bins] == [0.5, 0, 1, 1]
    expected = (2 * 0.4 + 1 * 0.3 + 1 * 0.4 + 2 * 0.05) / 6
    assert expected_calibration_error(confidences, correct, bins=5) == pytest.approx(expected)
    assert expected_calibration_error(confidences, correct, bins=1) == pytest.approx(4 / 6 - 0.5)
    assert expected_calibration_error([0.75] * 4, [True, True, True, False]) == 0
    assert math.isnan(expected_calibration_error([], []))


def test_confidence_on_an_edge_lies_below_it() -> None:
    for i in range(1, 11):
        (only,) = reliability_bins([i / 10], [True], bins=10)
        assert only.high == i / 10


def test_bootstrap_of_identical_arrays() -> None:
    for values in (np.array([True, False, True]), np.random.default_rng(0).random(50)):
        result = paired_bootstrap(values, values)
        assert (result.difference, result.low, result.high, result.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_bootstrap_of_a_clear_difference(noise: float) -> None:
    rng = np.random.default_rng(1)
    a, b = np.arange(400) < 320, np.arange(400) < 240
    result = paired_bootstrap(a + noise * rng.random(400), b, seed=3)
    # 80 of 400 differ by 1: mean 0.2, standard error sqrt(0.2 * 0.8 / 400) = 0.02.
    assert result.difference == pytest.approx(0.2, abs=1e-5)
    assert (result.low, result.high) == pytest.approx((0.2 - 0.0392, 0.2 + 0.0392), abs=0.004)
    assert result.p_value == pytest.approx(2 / 10001)
    assert result == paired_bootstrap(a + noise * np.random.default_rng(1).random(400), b, seed=3)
    back = paired_bootstrap(b, a + noise * rng.random(400))
    assert back.difference < 0 and back.high < 0


def test_bootstrap_is_paired() -> None:
    """The same two means: surely different where b is never better, else not."""
    a = np.arange(100) < 60
    nested, crossed = np.arange(100) < 50, np.arange(100) >= 50
    assert paired_bootstrap(a, nested).low > 0
    assert paired_bootstrap(a, nested).p_value < 0.01
    result = paired_bootstrap(a, crossed)
    assert result.difference == pytest.approx(0.1)
    assert result.low < 0 < result.high and result.p_value > 0.05


def test_bootstrap_of_one_label() -> None:
    assert paired_bootstrap([1], [1]).p_value == 1
    result = paired_bootstrap([1], [0])
    assert (result.low, result.high, result.p_value) == (1, 1, pytest.approx(2 / 10001))


def box(x: float, y: float = 0, width: float = 10, height: float = 10) -> np.ndarray:
    return rect_quad(x, y, x + width, y + height)


def test_each_label_is_found_once() -> None:
    matches = match_boxes([box(1), box(0), box(50)], [box(0), box(100)])
    assert matches == DetectionCounts(matched=1, predicted=3, truth=2)
    # One prediction across two labels finds the nearer one only.
    assert match_boxes([box(0, width=20)], [box(0), box(8, width=12)]).matched == 1


def test_highest_iou_is_taken_first() -> None:
    # IoU: 0-0 9/11, 0-1 8/12, 1-0 7/13, 1-1 4/16 below the limit.
    matches = match_boxes([box(1), box(-3)], [box(0), box(3)])
    assert matches.matched == 1
    assert match_boxes([box(1), box(-3)], [box(0), box(3)], iou=0.25).matched == 2


def test_iou_at_the_limit_matches_and_turned_quads_count_by_their_bounds() -> None:
    assert match_boxes([box(0, width=20)], [box(0)], iou=0.5).matched == 1
    assert match_boxes([box(0, width=20)], [box(0)], iou=0.51).matched == 0
    diamond = [[5, 0], [10, 5], [5, 10], [0, 5]]
    assert match_boxes([diamond], [box(0)], iou=1.0).matched == 1


def test_predictions_in_ignored_regions_do_not_count() -> None:
    ignored = [box(100, width=50, height=50)]
    inside, half, mostly, outside = box(120, 20), box(95), box(96), box(85)
    matches = match_boxes([inside, half, mostly, outside], [], ignored=ignored)
    assert matches == DetectionCounts(0, 2, 0)
    # A label there stays unfound.
    matches = match_boxes([inside, box(0)], [box(0), inside], ignored=ignored)
    assert matches == DetectionCounts(1, 1, 2)


@pytest.mark.parametrize(
    ("counts", "precision", "recall", "hmean"),
    [
        (DetectionCounts(3, 4, 6), 0.75, 0.5, 0.6),
        (DetectionCounts(0, 4, 0), 0, 0, 0),
        (DetectionCounts(0, 0, 4), 0, 0, 0),
        (DetectionCounts(), 0, 0, 0),
        (match_boxes([], []), 0, 0, 0),
        (DetectionCounts(1, 1, 2) + DetectionCounts(2, 3, 4), 0.75, 0.5, 0.6),
    ],
)
def test_detection_rates(
    counts: DetectionCounts, precision: float, recall: float, hmean: float
) -> None:
    assert (counts.precision, counts.recall) == (precision, recall)
    assert counts.hmean == pytest.approx(hmean)


def test_impossible_detection_counts() -> None:
    for matched, predicted, truth in ((2, 1, 3), (2, 3, 1), (-1, 1, 1)):
        with pytest.raises(ValueError, match="matched"):
            DetectionCounts(matched, predicted, truth)


@pytest.mark.parametrize(
    ("truth", "reading", "part"),
    [("LS00", "SN74LS00N", "LS00"), ("LS00", "SN74L500N", "L500"), ("AB", "", ""),
     ("AB", "AB", "AB"), ("ABC", "XABX", "ABX"), ("", "AB", "")],
)  # fmt: skip
def test_the_part_of_a_reading_nearest_to_a_truth(truth: str, reading: str, part: str) -> None:
    start, end = nearest_part(truth, reading)
    assert reading[start:end] == part
