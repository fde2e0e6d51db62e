"""Temperatures, misread curves, and what may be promised from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from industrial_ocr.decoding.calibration import (
    Calibration,
    MisreadCurve,
    curve_name,
    fit_odds,
    fit_temperature,
    load_calibration,
    scaled_odds,
    tempered,
    upper_limit,
)
from industrial_ocr.errors import ConfigError


@pytest.mark.parametrize("true", [0.5, 1.0, 2.2])
def test_the_temperature_that_made_the_labels_is_found(true: float) -> None:
    pytest.importorskip("scipy")
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (6000, 8))
    p = np.exp(tempered(logits, true))
    labels = np.array([rng.choice(8, p=row) for row in p])
    table = tempered(logits, 1.0)
    assert fit_temperature(table, labels) == pytest.approx(true, rel=0.08)


def test_tempered_rows_are_distributions_and_keep_their_order() -> None:
    table = np.log(np.array([[0.7, 0.2, 0.1]]))
    soft = np.exp(tempered(table, 3.0))
    assert soft.sum() == pytest.approx(1)
    assert soft[0].tolist() == sorted(soft[0].tolist(), reverse=True)
    assert soft[0, 0] < 0.7 < np.exp(tempered(table, 0.5))[0, 0]


def test_nothing_to_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="labels"):
        fit_temperature(np.zeros((0, 3)), [])


def test_the_rule_of_three() -> None:
    assert upper_limit(0, 1000) == pytest.approx(3 / 1000, rel=0.01)
    assert upper_limit(5, 5) == upper_limit(0, 0) == 1.0
    assert upper_limit(3, 1000) > 0.003


@pytest.mark.parametrize("sure", [0.5, 0.95, 0.999])
def test_the_upper_limit_is_a_quantile_of_the_beta_distribution(sure: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for accepted in (10 ** rng.uniform(0, 4, 200)).astype(int).tolist():
        for wrong in (0, accepted // 50, accepted // 2, accepted - 1):
            known = stats.beta.ppf(sure, wrong + 1, accepted - wrong)
            assert upper_limit(wrong, accepted, sure) == pytest.approx(known, rel=1e-8)


def curve(right: int = 4000, wrong: int = 40) -> MisreadCurve:
    """Wrong readings below 0.6, right ones evenly from 0.2 to 1."""
    confidences = np.concatenate([np.linspace(0.2, 1, right), np.linspace(0.1, 0.6, wrong)])
    return MisreadCurve.of(confidences, np.arange(right + wrong) < right, right + wrong + 100)


def test_the_counts_are_those_of_the_readings() -> None:
    found = MisreadCurve.of([0.9, 0.8, 0.8, 0.3], [True, False, True, False], 5)
    assert found.thresholds.tolist() == [0.3, 0.8, 0.9]
    assert found.accepted.tolist() == [4, 3, 1]
    assert found.wrong.tolist() == [2, 1, 0]


def test_a_stricter_rate_asks_for_a_higher_threshold_and_keeps_it() -> None:
    found = curve()
    loose, strict = found.threshold(0.01), found.threshold(0.003)
    assert loose < strict
    for rate, least in ((0.01, loose), (0.003, strict)):
        at = int(np.searchsorted(found.thresholds, least))
        assert upper_limit(int(found.wrong[at]), int(found.accepted[at])) <= rate


def test_a_rate_that_so_few_readings_cannot_show_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot be promised: 4140 .*calibrate"):
        curve().threshold(1e-5)
    with pytest.raises(ConfigError, match=r"1 at best \(1 means"):
        MisreadCurve.of([], [], 0).threshold(0.1)
    least = upper_limit(0, 30)
    with pytest.raises(ConfigError, match=f"prove {least:.3f}"):
        MisreadCurve.of([0.9] * 30, [True] * 30, 30).threshold(round(least, 2) - 0.005)


def test_a_thinned_curve_promises_the_same() -> None:
    found = curve()
    thin = found.thinned(100)
    assert len(thin.thresholds) < 250
    assert thin.threshold(0.01) == pytest.approx(found.threshold(0.01), abs=0.02)
    assert thin.wrong[0] == found.wrong[0]


def test_curves_that_make_no_sense_are_refused() -> None:
    one = np.array([1])
    with pytest.raises(ValueError, match="wrong must be at most accepted"):
        MisreadCurve(np.array([0.5]), one, one + 1, 3)
    with pytest.raises(ValueError, match="must not rise"):
        MisreadCurve(np.array([0.5, 0.6]), np.array([1, 2]), np.array([0, 0]), 3)


@pytest.fixture
def calibration() -> Calibration:
    curves = {"two-stage": curve(), curve_name("crnn", True): curve(500, 60)}
    return Calibration({"classifier": 1.3}, curves, {"classifier": "ab"}, {"data": "here"})


def test_written_and_read_again_it_is_the_same(calibration: Calibration, tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    calibration.save(file)
    again = load_calibration(file)
    assert again.temperatures == {"classifier": 1.3}
    assert again.about == {"data": "here"}
    assert again.threshold("two-stage", False, 0.01) == pytest.approx(
        calibration.threshold("two-stage", False, 0.01), abs=1e-4
    )
    assert not list(tmp_path.glob("*.part"))


def test_a_way_that_was_not_measured_is_named(calibration: Calibration) -> None:
    with pytest.raises(ConfigError, match=r"crnn was not measured \(measured: two-stage, crnn "):
        calibration.threshold("crnn", False, 0.01)
    with pytest.raises(ConfigError, match="crnn was not measured"):
        calibration.threshold("auto", False, 0.01)
    with pytest.raises(ConfigError, match="agree under a pattern was not measured"):
        calibration.threshold("agree", True, 0.01)


def test_both_ways_together_pass_what_either_one_may_pass(calibration: Calibration) -> None:
    curves = {**calibration.curves, "crnn": calibration.curves["crnn under a pattern"]}
    both = replace(calibration, curves=curves)
    own = [both.threshold(way, False, 0.05) for way in ("two-stage", "crnn")]
    assert both.threshold("agree", False, 0.05) == both.threshold("auto", False, 0.05) == max(own)


def test_it_fits_the_weights_it_was_measured_with(calibration: Calibration) -> None:
    assert calibration.fits({"classifier": "ab", "detector": "x"})
    assert not calibration.fits({"classifier": "cd"})


@pytest.mark.parametrize(
    "change",
    [
        {"format": 9}, {"temperatures": {"classifier": 0.0}}, {"curves": {"a": {"total": 1}}},
        {"temperatures": "warm"}, {"curves": {"a": {"total": 1, "thresholds": [0.5, 0.4],
                                                    "accepted": [2, 1], "wrong": [0, 0]}}},
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(
    calibration: Calibration, tmp_path: Path, change: dict[str, object]
) -> None:
    file = tmp_path / "c.json"
    calibration.save(file)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ConfigError, match=r"c\.json"):
        load_calibration(file)


def test_a_missing_file_and_one_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such calibration file"):
        load_calibration(tmp_path / "nowhere.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        Calibration().save(tmp_path / "nowhere" / "c.json")


def test_where_a_pattern_would_keep_the_rate_the_refusal_says_so() -> None:
    few = MisreadCurve.of([0.9, 0.8], [True, False], 2)
    curves = {"two-stage": few, curve_name("two-stage", True): curve(), "crnn": few}
    calibration = Calibration({}, curves)
    with pytest.raises(ConfigError, match="under a pattern it can be kept"):
        calibration.threshold("two-stage", False, 0.01)
    with pytest.raises(ConfigError) as refused:
        calibration.threshold("crnn", False, 0.01)
    assert "under a pattern" not in str(refused.value)


def test_a_rate_that_none_can_keep_is_refused_with_the_lowest_that_one_keeps() -> None:
    few = MisreadCurve.of([0.9] * 30, [True] * 30, 30)
    curves = {"two-stage": few, "two-stage under a pattern": curve()}
    with pytest.raises(ConfigError, match="two-stage under a pattern, the engine .* 4140 labeled"):
        Calibration({}, curves).check_rate(1e-5)
    with pytest.raises(ConfigError, match="nothing was measured"):
        Calibration().check_rate(0.1)


def test_odds_follow_what_was_right_and_stay_where_there_is_little() -> None:
    pytest.importorskip("scipy")
    many = fit_odds([0.9] * 200, [True, False] * 100)
    assert scaled_odds(0.9, many) == pytest.approx(0.5, abs=0.05)
    few = fit_odds([0.9], [False])
    assert 0.5 < scaled_odds(0.9, few) < 0.9
    assert scaled_odds([0.2, 0.8], (1.0, 0.0)) == pytest.approx([0.2, 0.8])
