"""An adaptation is kept for more than chance, and only if rendered codes are read as before."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Status, TextString
from industrial_ocr.training.line.gate import (
    MAX_P_VALUE,
    LineGate,
    LineReading,
    Score,
    Spelling,
    advice,
    crop_reading,
    permutation_test,
    reading_of,
    warning,
)

SCORES = score_sequence([0.9])
CAPITALS = Spelling.of(("A1", "."))


def score(*texts: str, truth: str = "1234", accepted: bool = False) -> Score:
    return Score(
        tuple(LineReading(f"{i}.png", truth, t, 0.5, accepted) for i, t in enumerate(texts))
    )


def result(*texts: str, status: Status = Status.OK) -> ReadResult:
    quad = rect_quad(0, 0, 10, 5)
    strings = tuple(
        TextString(t, 0.9, quad, (), "horizontal", SCORES, status=status) for t in texts
    )
    return ReadResult(strings, status, Engine.CRNN, {}, np.zeros((5, 10, 3), np.uint8))


def test_a_spelling_without_small_letters_ignores_case_and_marks_that_no_label_has() -> None:
    assert CAPITALS.normalize(" a-b 1.5") == "AB1.5"
    assert Spelling.of(("a", "B")).normalize("a.B") == "aB"


def test_a_crop_is_right_if_all_that_was_read_in_it_is_the_label() -> None:
    reading = crop_reading("a.png", "12 34", result("12", "34"), CAPITALS, None)
    assert reading.right
    assert reading.accepted
    assert not crop_reading("a.png", "1234", result("12", "345"), CAPITALS, None).right


def test_on_a_whole_picture_the_nearest_run_of_strings_answers() -> None:
    reading = reading_of("a.png", "AB12", result("LOT", "A B", "12", "99"), CAPITALS, None)
    assert (reading.text, reading.right) == ("AB12", True)
    doubtful = reading_of("a", "12", result("12", status=Status.LOW_CONFIDENCE), CAPITALS, None)
    assert not doubtful.accepted


def test_where_labels_are_parts_of_longer_strings_a_reading_that_contains_one_is_right() -> None:
    spelling = Spelling.of(("A1",), contains=True)
    assert reading_of("a.png", "74LS00", result("SN74LS00N"), spelling, None).right
    assert crop_reading("a.png", "74LS00", result("SN74LS00N"), spelling, None).right
    assert not crop_reading("a.png", "74LS00", result("SN74LS08N"), spelling, None).right


def test_nothing_read_is_no_accepted_reading() -> None:
    reading = reading_of("a.png", "12", result(), CAPITALS, None)
    assert (reading.text, reading.accepted, reading.distance) == ("", False, 2)


def test_under_a_pattern_only_a_code_answers() -> None:
    pattern = Pattern.regex(r"\d{4}")
    assert not reading_of("a.png", "1234", result("1234"), CAPITALS, pattern).right


def test_the_p_value_is_the_share_of_all_exchanges_with_at_least_this_gain() -> None:
    # Errors fall by 3, 1 and 1 and rise by 2: a sum of 3. Of the 16 sums of +-3 +-1 +-1 +-2,
    # 7, 5, 5, 3 (3 + 1 + 1 - 2) and 3 (3 - 1 - 1 + 2) are at least 3.
    before = score("1", "123", "123", "1234", "1234")
    after = score("1234", "1234", "1234", "12", "1234")
    assert permutation_test((before, after)) == pytest.approx(5 / 16)
    assert permutation_test((after, after)) == 1.0


def test_a_long_wrong_reading_counts_as_one_in_which_all_is_wrong() -> None:
    assert [r.errors for r in score("", "99", "9" * 30, "123").readings] == [4, 4, 4, 1]


def test_labels_of_one_picture_count_together() -> None:
    def pair(text: str) -> Score:
        return Score(tuple(LineReading(n, "12", text, 0.5, False) for n in ("a", "a", "b")))

    assert permutation_test((pair("1"), pair("12"))) == pytest.approx(1 / 4)


def test_pictures_of_one_series_count_together() -> None:
    def of_two_series(text: str) -> Score:
        readings = score(*[text] * 6).readings
        return Score(tuple(replace(r, series=i // 3) for i, r in enumerate(readings)))

    before, after = of_two_series("123"), of_two_series("1234")
    assert permutation_test((before, after)) == pytest.approx(1 / 4)
    assert (before.groups, score(*["123"] * 6).groups) == (2, 6)


def test_a_change_by_chance_is_rarely_significant() -> None:
    rng = np.random.default_rng(0)
    significant = 0
    for _ in range(400):
        before, after = (
            [("1234", "123", "12", "")[i] for i in rng.integers(4, size=20)] for _ in "ab"
        )
        significant += permutation_test((score(*before), score(*after))) <= MAX_P_VALUE
    # 20 of 400 are expected at 5 %, with a standard deviation of 4.4.
    assert 5 <= significant <= 33


def test_a_gain_by_more_than_chance_passes() -> None:
    gate = LineGate(score(*["12"] * 6), score(*["1234"] * 6), score("1234"), score("1234"), 2.0)
    assert gate.passed


def test_a_gain_that_may_be_chance_is_refused() -> None:
    gate = LineGate(score("12", "1234"), score("1234", "1234"), Score(()), Score(()), 2.0)
    assert gate.reasons == (
        "of 2 held-out strings 1 were read right before and 2 now, which may be chance "
        "(p = 0.500, at most 0.05 is allowed)",
    )


def mixed(*readings: tuple[str, bool]) -> Score:
    return Score(
        tuple(LineReading(f"{i}.png", "1234", t, 0.5, ok) for i, (t, ok) in enumerate(readings))
    )


def test_the_engines_that_are_kept_together_are_tested_together() -> None:
    before, after = score("12", "1234", "12", "12"), score("1234", "1234", "1234", "1234")
    alone = LineGate(before, after, Score(()), Score(()), 2.0)
    assert alone.p_value == pytest.approx(1 / 8)  # three pictures gain
    other = score("1234", "12", "12", "12"), score(*["1234"] * 4)
    both = LineGate(before, after, Score(()), Score(()), 2.0, (other,))
    assert both.p_value == pytest.approx(1 / 16)  # now all four do


def test_an_engine_with_more_wrong_characters_is_refused_whatever_another_gains() -> None:
    before, after = score("123", "123", "123"), score("1234", "", "")
    other = score(*[""] * 3), score(*["1234"] * 3)
    gate = LineGate(before, after, Score(()), Score(()), 2.0, (other,))
    assert gate.reasons == ("3 characters of the held-out strings were wrong before, 8 now",)


def test_fewer_wrong_characters_without_one_more_right_string_are_refused() -> None:
    gate = LineGate(score(*[""] * 9), score(*["123"] * 9), Score(()), Score(()), 2.0)
    assert gate.p_value < 0.01
    assert gate.reasons == ("of 9 held-out strings 0 were read right before, 0 now",)


def test_a_reader_that_accepts_nothing_is_not_safer() -> None:
    wrong, doubtful = score("12", accepted=True), score("12")
    assert not LineGate(wrong, doubtful, Score(()), Score(()), 2.0).passed


def test_equal_with_fewer_misreads_passes_and_fewer_right_does_not() -> None:
    right = ("1234", True)
    safer = mixed(right, ("12", True)), mixed(right, ("12", False))
    assert LineGate(safer[0], safer[1], Score(()), Score(()), 2.0).passed
    worse = LineGate(
        score("1234", "12", accepted=True), score("12", "12"), Score(()), Score(()), 2.0
    )
    assert worse.reasons == ("of 2 held-out strings 1 were read right before, 0 now",)


def test_fewer_misreads_by_a_lower_confidence_alone_are_no_progress() -> None:
    before, after = score("1234", "12", accepted=True), score("1234", "12")
    assert not LineGate(before, after, Score(()), Score(()), 2.0).passed


def test_rendered_codes_may_lose_the_margin_and_no_more() -> None:
    better = score(*["12"] * 6), score(*["1234"] * 6)
    full, less = score(*["1234"] * 100), score(*["1234"] * 97, *["12"] * 3)
    assert LineGate(*better, full, less, 3.0).passed
    assert LineGate(*better, full, less, 2.0).reasons == (
        "rendered codes fell from 100.0 to 97.0 %, 2 points are allowed",
    )


def test_confusions_are_counted_by_symbol() -> None:
    counts = score("1284", "234").confusions()
    assert counts == Counter({("3", "8"): 1, ("1", ""): 1})


def test_a_refusal_says_what_would_help() -> None:
    gate = LineGate(score("1234"), score("1284", "1284"), Score(()), Score(()), 2.0)
    helps = advice({Engine.CRNN: gate}, Counter({"3": 4}), 7)
    assert helps == [
        "first check the 7 labels that do not match their pictures",
        "label more pictures with rare symbols that are often misread: 3 (in 4 training strings)",
    ]


def test_more_misreads_that_pass_are_said() -> None:
    before, after = score("12", "12"), score("1284", "1284", accepted=True)
    assert warning(LineGate(before, after, Score(()), Score(()), 2.0)) == (
        "of 2 held-out strings 0 were accepted misreads before, 2 now: give the pattern of the "
        "codes, or raise min_confidence"
    )
    assert not warning(LineGate(after, before, Score(()), Score(()), 2.0))


def test_the_interval_is_wilsons() -> None:
    # n = 10, 8 right: (0.8 + 0.1921 -+ ...) / 1.3841, by hand 0.490 to 0.943.
    low, high = score(*["1234"] * 8, "1", "2").interval()
    assert (low, high) == (pytest.approx(0.490, abs=0.001), pytest.approx(0.943, abs=0.001))
