"""The policy alone: which way reads first, and what two readings come to."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from industrial_ocr.config import ConfidenceConfig
from industrial_ocr.errors import ConfigError
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.routed import Routing, route_results
from industrial_ocr.reader.router import (
    Choice,
    Measured,
    agree,
    bad_for_boxes,
    choose,
    joint_confidence,
    needs_other,
    paired_codes,
    parse_routes,
    settle,
)
from industrial_ocr.results.codes import CodeReading, ImageSigns
from industrial_ocr.results.engine import Engine
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Status

FIRST = Choice("two-stage", "as the test wants it")


def code(
    text: str, status: Status = Status.OK, confidence: float = 0.9, **more: Any
) -> CodeReading:
    plain: dict[str, Any] = {
        "pattern": "p", "reason": "", "raw_text": text, "raw_confidence": confidence,
        "characters": (), "quad": rect_quad(0, 0, 9, 9), "strings": (0,), "direction": "horizontal",
    }  # fmt: skip
    return CodeReading(text=text, status=status, confidence=confidence, **(plain | more))


@pytest.mark.parametrize(
    ("pattern", "way"),
    [
        (Pattern.regex("[A-Z0-9]{8}"), "two-stage"),
        (Pattern.regex("[0-9]{8}"), "two-stage"),
        (Pattern.lexicon(["START", "STOP"]), "crnn"),
        (Pattern.regex("(LOT|EXP)[0-9]"), "crnn"),  # 6.3 bits over 4 characters
    ],
)
def test_the_first_way_by_the_pattern(pattern: Pattern, way: str) -> None:
    assert choose(pattern).engine == way
    if not pattern.words:
        assert choose(pattern).reason.endswith(f" characters in each place, so {way} reads first")


def test_what_was_measured_goes_before_what_the_pattern_says() -> None:
    pattern = Pattern.regex("[A-Z0-9]{8}")
    apart = (Measured("two-stage", 50, 0.4, 0.3, 0.5), Measured("crnn", 50, 0.8, 0.7, 0.9))
    close = (Measured("two-stage", 9, 0.4, 0.2, 0.8), Measured("crnn", 9, 0.8, 0.5, 0.9))
    chosen = choose(pattern, {pattern.text: apart})
    assert (chosen.engine, "measured on 50 codes" in chosen.reason) == ("crnn", True)
    assert choose(pattern, {pattern.text: close}).engine == "two-stage"
    assert choose(pattern, {"another": apart}).engine == "two-stage"


def test_equal_codes_gain_confidence_and_never_reach_certainty() -> None:
    settled = agree(code("AB12", Status.LOW_CONFIDENCE, 0.7), code("AB12", Status.OK, 0.8))
    assert settled.code is not None
    assert settled.code.status is Status.OK
    assert settled.code.confidence == pytest.approx(0.56 / (0.56 + 0.06))
    assert joint_confidence(0.0, 0.9) == 0.0


def test_equal_codes_that_are_not_sure_together_are_doubtful() -> None:
    pair = (code("AB12", confidence=0.75), code("AB12", confidence=0.75))  # together 0.9
    for least, product, reason in (
        (0.85, 0.65, "both engines read the same"),
        (0.92, 0.65, "the confidence per character is below 0.92"),
        (0.85, 0.7, "the confidence of all 4 characters together is below 0.7"),  # 0.9 ** 4 = 0.66
    ):
        limits = ConfidenceConfig(min_code_confidence=least, min_code=product)
        settled = agree(*pair, limits)
        assert settled.code is not None and reason in settled.reason
        assert (settled.code.status is Status.OK) == (reason == settled.reason)


@pytest.mark.parametrize(
    ("one", "two", "status"),
    [("a mark", "a mark", Status.LOW_CONFIDENCE), ("a mark", "", Status.OK), ("", "", Status.OK)],
)
def test_equal_codes_that_both_may_lack_a_character_are_doubtful(
    one: str, two: str, status: Status
) -> None:
    both = agree(code("A7", missing=one), code("A7", missing=two))
    assert both.code is not None and both.code.status is status
    assert ("a mark" in both.reason) == (status is not Status.OK)


def test_different_codes_are_a_disagreement_with_both_kept() -> None:
    settled = agree(code("AB12"), code("A812"))
    assert settled.code is not None
    assert settled.code.status is Status.DISAGREEMENT
    assert settled.code.alternatives[0][0] == "A812"
    for one, two in ((code("AB12"), None), (None, code("AB12"))):
        alone = agree(one, two).code
        assert alone is not None
        assert alone.status is Status.DISAGREEMENT
    assert agree(None, None).code is None


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (0.4, 0.3, Status.AMBIGUOUS),  # odds 2/3 * 3/7 = 0.29
        (0.4, 0.1, Status.OK),  # odds 2/3 * 1/9 = 0.07
    ],
)
def test_equal_codes_are_ambiguous_if_no_engine_rules_out_the_same_other_text(
    first: float, second: float, status: Status
) -> None:
    one = code("19ON", alternatives=(("190N", first),))
    two = code("19ON", alternatives=(("190N", second), ("19QN", 0.0)))
    settled = agree(one, two)
    assert settled.code is not None
    assert settled.code.status is status
    assert ("190N" in settled.reason) is (status is Status.AMBIGUOUS)


@pytest.mark.parametrize("status", [Status.CHECK_FAILED, Status.PATTERN_MISMATCH])
def test_agreeing_on_a_misprint_does_not_make_it_ok(status: Status) -> None:
    settled = agree(code("AB12"), code("AB12", status))
    assert settled.code is not None
    assert settled.code.status is status


AUTO = [
    # first way, second way -> route, status, text
    (code("A"), None, "two-stage", Status.OK, "A"),
    (None, code("B"), "crnn", Status.OK, "B"),
    (code("A", Status.LOW_CONFIDENCE), code("B"), "crnn", Status.OK, "B"),
    (code("A", Status.LOW_CONFIDENCE), code("A", Status.LOW_CONFIDENCE), "agree", Status.OK, "A"),
    (code("A", Status.LOW_CONFIDENCE), None, "two-stage", Status.LOW_CONFIDENCE, "A"),
    (code("A", Status.CHECK_FAILED), code("B"), "crnn", Status.DISAGREEMENT, "B"),
    (code("A", Status.PATTERN_MISMATCH), code("A"), "crnn", Status.DISAGREEMENT, "A"),
    (None, code("B", Status.LOW_CONFIDENCE), "crnn", Status.LOW_CONFIDENCE, "B"),
]


@pytest.mark.parametrize(("one", "two", "route", "status", "text"), AUTO)
def test_auto(
    one: CodeReading | None, two: CodeReading | None, route: str, status: Status, text: str
) -> None:
    settled = settle("auto", {"two-stage": one, "crnn": two}, FIRST)
    assert settled.code is not None
    assert (settled.route, settled.code.status, settled.code.text) == (route, status, text)
    assert settled.reason


def test_the_second_way_need_not_have_read_where_the_first_is_sure() -> None:
    codes: dict[Engine, CodeReading | None] = {Engine.TWO_STAGE: code("A")}
    assert not needs_other(codes["two-stage"])
    assert settle("auto", codes, FIRST).route == "two-stage"
    assert settle("two-stage", codes, FIRST).reason == "two-stage was asked for"
    assert settle("auto", {"two-stage": None, "crnn": None}, FIRST).code is None


def test_a_routing_table_is_checked() -> None:
    row = {"engine": "crnn", "n": 5, "accuracy": 0.5, "low": 0.2, "high": 0.8}
    assert parse_routes({"vin": [row]}, "f") == {"vin": (Measured("crnn", 5, 0.5, 0.2, 0.8),)}
    dated = parse_routes({"vin": [row | {"date": datetime.date(2026, 11, 30)}]}, "f")
    assert dated["vin"][0].date == "2026-11-30"
    for bad, message in (
        ([], "f: no routing table"),
        ({"vin": [{"engine": "crnn"}]}, "vin.0.n: Field required"),
        ({"vin": [row | {"engine": "agree"}]}, "vin.0.engine: Input should be .*crnn"),
        ({"vin": [row | {"accuracy": "many"}]}, "vin.0.accuracy: Input should be a valid number"),
        ({"vin": [row | {"low": None}]}, "vin.0.low: Input should be a valid number"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_routes(bad, "f")


GOOD = ImageSigns(24, 0.0, 0.7, 0.1)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"height": 7.0}, "7 px"), ({"resegmented": 0.3}, "30%"), ({"weakest": 0.2}, "0.20"),
        ({"blur": 0.6}, "60%"), ({}, ""),
    ],
)  # fmt: skip
def test_what_makes_a_picture_bad_for_boxes(change: dict[str, float], word: str) -> None:
    reason = bad_for_boxes(code("AB12", signs=replace(GOOD, **change)))
    assert word in reason
    assert bool(reason) == bool(word)
    assert bad_for_boxes(code("AB12", signs=None)) == ""


def test_a_mark_may_be_lost_in_small_characters_if_the_pattern_has_longer_codes() -> None:
    for longer, height, doubt in ((True, 12.0, True), (True, 24.0, False), (False, 12.0, False)):
        sure = replace(code("3231", signs=replace(GOOD, height=height)), may_be_longer=longer)
        assert bool(bad_for_boxes(sure)) == doubt


def test_a_sure_code_of_a_bad_picture_is_held_against_the_other_way() -> None:
    sure = code("AB12", signs=replace(GOOD, height=7.0))
    assert needs_other(sure)
    assert not needs_other(code("AB12", signs=GOOD))
    same = settle("auto", {"two-stage": sure, "crnn": code("AB12")}, FIRST)
    assert (same.route, same.code.status) == ("agree", Status.OK)  # type: ignore[union-attr]
    assert same.code.confidence > 0.9  # type: ignore[union-attr]
    apart = settle("auto", {"two-stage": sure, "crnn": code("A812")}, FIRST)
    assert apart.code.status is Status.DISAGREEMENT  # type: ignore[union-attr]
    assert "7 px high, and crnn reads 'A812'" in apart.reason
    unsure = code("A812", Status.LOW_CONFIDENCE)
    for second in (None, unsure):
        alone = settle("auto", {"two-stage": sure, "crnn": second}, FIRST)
        assert (alone.route, alone.code.status) == ("two-stage", Status.OK)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("one", "two", "route", "text"),
    [
        (code("A", Status.AMBIGUOUS, 0.5), code("B", Status.AMBIGUOUS, 0.8), "crnn", "B"),
        (code("A", Status.AMBIGUOUS, 0.8), code("B", Status.AMBIGUOUS, 0.82), "two-stage", "A"),
        (
            code("A", Status.PATTERN_MISMATCH, 0.3),
            code("B", Status.CHECK_FAILED, 0.8),
            "two-stage",
            "A",
        ),
        (code("A", Status.AMBIGUOUS, 0.3), code("B", Status.CHECK_FAILED, 0.8), "two-stage", "A"),
    ],
)
def test_where_neither_is_sure_the_clearly_surer_one_stands_unsure(
    one: CodeReading, two: CodeReading, route: str, text: str
) -> None:
    settled = settle("auto", {"two-stage": one, "crnn": two}, FIRST)
    assert settled.code is not None
    assert (settled.route, settled.code.text) == (route, text)
    assert settled.code.status is not Status.OK


def test_a_doubtful_code_that_matches_goes_before_a_mismatch_but_stays_refused() -> None:
    mismatch = code("A", Status.PATTERN_MISMATCH, 0.9)
    second = code("B", Status.LOW_CONFIDENCE, 0.4)
    settled = settle("auto", {"two-stage": mismatch, "crnn": second}, FIRST)
    assert settled.code is not None
    assert (settled.route, settled.code.text) == ("crnn", "B")
    assert settled.code.status is Status.DISAGREEMENT
    assert "two-stage clearly reads another text" in settled.reason


def row(number: int) -> dict[str, Any]:
    """The place of a code in a row of its own."""
    return {"quad": rect_quad(0, 40 * number, 90, 40 * number + 20)}


def test_codes_are_paired_by_place_and_then_by_text() -> None:
    one = [code("AB12", **row(0)), code("CD34", **row(1)), code("EF56", **row(2))]
    two = [code("CD84", **row(1)), code("GH78", **row(3)), code("AB12", **row(0))]
    pairs = paired_codes({Engine.TWO_STAGE: one, Engine.CRNN: two})
    texts = [tuple(c and c.text for c in (p["two-stage"], p["crnn"])) for p in pairs]
    assert texts == [("AB12", "AB12"), ("CD34", "CD84"), ("EF56", None), (None, "GH78")]
    wide = code("XX11", quad=rect_quad(0, 0, 90, 20))
    (pair, alone) = paired_codes({Engine.TWO_STAGE: one[:1], Engine.CRNN: [wide, two[2]]})
    assert (pair["crnn"], alone) == (two[2], {"two-stage": None, "crnn": wide})
    assert paired_codes({Engine.TWO_STAGE: [], Engine.CRNN: []}) == [
        {"two-stage": None, "crnn": None}
    ]
    assert paired_codes({Engine.CRNN: two[:1]}) == [{"crnn": two[0]}]


def test_a_mismatch_is_left_out_where_another_place_has_a_matching_code() -> None:
    mismatch = code("AB12", Status.PATTERN_MISMATCH, **row(0))
    good = code("CD34", Status.LOW_CONFIDENCE, **row(1))
    (pair,) = paired_codes({Engine.TWO_STAGE: [mismatch], Engine.CRNN: [good]})
    assert pair == {"two-stage": None, "crnn": good}
    (pair,) = paired_codes({Engine.TWO_STAGE: [mismatch], Engine.CRNN: []})
    assert pair == {"two-stage": mismatch, "crnn": None}


def routed(route: str, one: list[CodeReading], two: list[CodeReading]) -> ReadResult:
    pattern = replace(Pattern.regex("[A-Z]{2}[0-9]{2}"), name="p")
    image = np.zeros((200, 100, 3), np.uint8)
    own = {
        engine: ReadResult((), codes[0].status, engine, {}, image, tuple(codes))
        for engine, codes in ((Engine.TWO_STAGE, one), (Engine.CRNN, two))
    }
    return route_results(own, Routing(Engine(route), (pattern,), {}, ConfidenceConfig()))


def test_the_reason_of_a_result_says_why_its_code_is_doubtful() -> None:
    doubtful = code("AB12", Status.LOW_CONFIDENCE, 0.6, **(row(0) | {"reason": "'B' is unsure"}))
    other = code("AB13", Status.LOW_CONFIDENCE, 0.5, **row(0))
    assert routed("auto", [doubtful], [other]).reason == "'B' is unsure"
    assert "reads first" in routed("auto", [code("AB12", **row(0))], [other]).reason


def test_auto_and_agree_keep_all_codes_of_a_picture() -> None:
    one = [code("AB12", **row(0)), code("CD34", Status.LOW_CONFIDENCE, 0.7, **row(1))]
    two = [code("CD34", confidence=0.95, **row(1)), code("AB12", **row(0))]
    for route in ("auto", "agree"):
        result = routed(route, one, two)
        assert sorted((c.text, c.status) for c in result.codes) == [
            ("AB12", Status.OK), ("CD34", Status.OK),
        ]  # fmt: skip
        assert result.status is Status.OK
    apart = routed("agree", one, [code("AB12", **row(0)), code("CD84", **row(1))])
    assert [(c.text, c.status) for c in apart.codes] == [
        ("AB12", Status.OK), ("CD84", Status.DISAGREEMENT),
    ]  # fmt: skip
    assert "'CD34'" in apart.codes[1].reason and apart.codes[1].alternatives[0] == ("CD34", 0.7)


def test_of_two_codes_agree_shows_the_surer_one_unless_it_is_contradicted() -> None:
    sure, unsure = code("AB12", confidence=0.9), code("AB13", confidence=0.6)
    for one, two in ((sure, unsure), (unsure, sure)):
        both = agree(one, two).code
        assert both is not None and both.status is Status.DISAGREEMENT
        assert both.text == "AB12" and both.alternatives[0] == ("AB13", 0.6)
    failed = code("AB14", Status.CHECK_FAILED, 0.99)
    both = agree(failed, unsure).code
    assert both is not None and both.text == "AB13"


def test_a_code_that_one_engine_found_is_judged_as_a_lone_one() -> None:
    one, two = [code("AB12", **row(0))], [code("CD34", **row(1)), code("AB12", **row(0))]
    agreed = routed("agree", one, two)
    assert [(c.text, c.status) for c in agreed.codes] == [
        ("AB12", Status.OK), ("CD34", Status.DISAGREEMENT),
    ]  # fmt: skip
    assert agreed.codes[1].reason == "two-stage found no code there"
    auto = routed("auto", one, two)
    assert {c.text: c.status for c in auto.codes} == {"AB12": Status.OK, "CD34": Status.OK}
