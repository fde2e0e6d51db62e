"""The fitted confidence: what lowers it, and what two ways' confidences come to together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.decoding.confidence import (
    CONFIDENCE_FEATURES,
    ConfidenceModel,
    features,
    fitted_model,
    log_odds,
    pair_probabilities,
)
from industrial_ocr.decoding.scoring import score_sequence, string_confidence
from industrial_ocr.results.engine import PIPELINES
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import Character, TextString, UnreadMark

POINT = UnreadMark(rect_quad(0, 0, 3, 3), 1, 0.12)
LETTER = UnreadMark(rect_quad(0, 0, 9, 20), 1, 0.95)
MINUS = UnreadMark(rect_quad(0, 0, 9, 3), 0, 0.12, 0.9)


def read(text: str = "AB12", p: float = 0.97) -> TextString:
    characters = tuple(
        Character(c, rect_quad(20 * i, 0, 20 * i + 14, 24), p, (("X", (1 - p) / 2),))
        for i, c in enumerate(text)
    )
    scores = score_sequence([p] * len(text))
    quad = rect_quad(0, 0, 20 * len(text), 24)
    return TextString(text, string_confidence(scores), quad, characters, "horizontal", scores)


def value(string: TextString, name: str) -> float:
    return float(features(string)[CONFIDENCE_FEATURES.index(name)])


def test_features_say_what_their_names_promise() -> None:
    string = replace(read(), unread=(MINUS, POINT, LETTER), agreement=0.5)
    assert len(features(string)) == len(CONFIDENCE_FEATURES)
    assert value(string, "joint") == pytest.approx(log_odds(0.97**4))
    assert value(string, "weakest") == pytest.approx(np.log(0.97 / 0.03))
    assert value(string, "margin") == pytest.approx(np.log(0.97 / 0.015))
    assert (value(string, "inner_marks"), value(string, "end_marks")) == (2, 0.9)
    assert value(string, "agreement") == pytest.approx(np.log(0.5))
    assert value(string, "length") == pytest.approx(np.log(4))
    assert value(read("A0lc"), "twins") == pytest.approx(np.log(3))
    assert value(read("A0lc"), "cases") == pytest.approx(np.log(2))


def test_the_confidence_itself_is_no_feature_so_that_it_can_be_fitted_on_finished_results() -> None:
    assert (features(replace(read(), confidence=0.123)) == features(read())).all()


@pytest.mark.parametrize("way", PIPELINES)
@pytest.mark.parametrize("one_string", [False, True])
def test_doubt_lowers_the_shipped_confidence(way: str, one_string: bool) -> None:
    model = fitted_model(way, one_string)
    string = read()
    plain = model.probability(features(string))
    for worse in (
        replace(string, agreement=0.5),
        replace(string, unread=(LETTER,)),
        replace(string, unread=(POINT,)),
        read(p=0.7),
    ):
        assert model.probability(features(worse)) <= plain
    assert model.probability(features(read(p=0.7))) < plain


def sure(confidence: float) -> TextString:
    return replace(read(), confidence=confidence)


def test_each_way_adds_to_what_both_are_worth_together() -> None:
    for same in (True, False):
        low = pair_probabilities(sure(0.6), sure(0.6), same)
        high = pair_probabilities(sure(0.95), sure(0.95), same)
        assert pair_probabilities(sure(0.6), sure(0.95), same)[1] > low[1]
        assert max(high) > max(low) or not same
    assert (
        pair_probabilities(sure(0.9), sure(0.9), same=True)[0]
        == pair_probabilities(sure(0.9), sure(0.9), True)[1]
    )


def test_a_way_that_reads_otherwise_holds_the_other_back() -> None:
    both = pair_probabilities(sure(0.9), sure(0.9), same=True)
    apart = pair_probabilities(sure(0.9), sure(0.9), same=False)
    assert max(apart) < both[0]


def test_models_refuse_arrays_of_another_length() -> None:
    with pytest.raises(ValueError, match="mean, scale and weights must be"):
        ConfidenceModel(np.zeros(3), np.ones(2), np.zeros(3), 0.0)
