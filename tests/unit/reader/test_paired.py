"""Strings that one way parts and the other reads whole are one string."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.config import ConfidenceConfig
from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.reader.routed import Routing, paired, route_results
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, Status, TextString, UnreadMark

IMAGE = np.zeros((60, 400, 3), np.uint8)


def read(text: str, left: float, top: float = 10.0) -> TextString:
    """Characters 20 apart, 14 wide and 24 high; a space takes 20 as well."""
    characters = tuple(
        Character(c, rect_quad(left + 20 * i, top, left + 20 * i + 14, top + 24), 0.99)
        for i, c in enumerate(text)
        if c != " "
    )
    quad = rect_quad(left, top, left + 20 * len(text), top + 24)
    scores = score_sequence([0.99] * len(characters))
    return TextString(text, 0.97, quad, characters, "horizontal", scores)


def result(*strings: TextString) -> ReadResult:
    return ReadResult(strings, Status.OK, "crnn", {}, IMAGE)


PARTS = (
    read("LOT", 20),
    replace(read("A7", 100), unread=(UnreadMark(rect_quad(0, 0, 2, 2), 1, 0.1),)),
)
WHOLE = read("LOT A7", 20)


def test_parts_of_a_string_are_joined_and_held_against_it() -> None:
    pairs, alone = paired(PARTS, (WHOLE,))
    assert alone == []
    ((one, two),) = pairs
    assert two is WHOLE and one.text == "LOT A7"
    assert "".join(c.symbol for c in one.characters) == "LOTA7"
    assert one.unread[0].before == 4
    assert np.abs(one.quad - WHOLE.quad).max() < 1


def test_no_route_gives_a_part_beside_the_whole() -> None:
    for route in ("auto", "agree"):
        both = route_results(
            {"two-stage": result(*PARTS), "crnn": result(WHOLE)}, Routing(route, (), {})
        )
        assert [s.text for s in both.strings] == ["LOT A7"]
        assert both.status is Status.OK


@pytest.mark.parametrize("route", ["auto", "agree"])
@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(WHOLE, confidence=0.3), "the confidence is below 0.99"),
        (replace(WHOLE, text="LOT A1", confidence=0.3), "the other engine reads 'LOT A1'"),
    ],
)
def test_a_string_says_why_both_engines_together_doubt_it(
    route: str, other: TextString, reason: str
) -> None:
    # The first engine alone is unsure at another limit than both are together.
    unsure = replace(
        WHOLE, confidence=0.8, status=Status.LOW_CONFIDENCE, reason="the confidence is below 0.9"
    )
    both = route_results(
        {"two-stage": result(unsure), "crnn": result(other)},
        Routing(route, (), {}, ConfidenceConfig(min_confidence=0.99), basis="calibrated"),
    )
    assert [s.reason for s in both.strings] == [reason]
    assert both.reason.endswith(f"'LOT A7': {reason}")


def test_a_string_that_one_engine_alone_finds_is_named() -> None:
    found = {"two-stage": result(WHOLE), "crnn": result(WHOLE, read("8", 304))}
    both = route_results(found, Routing("agree", (), {}))
    assert both.status is Status.DISAGREEMENT
    assert both.reason == "'8': the other engine finds no text there"
    assert [(s.text, s.status) for s in both.strings] == [
        ("LOT A7", Status.OK), ("8", Status.DISAGREEMENT),
    ]  # fmt: skip


@pytest.mark.parametrize("route", ["auto", "agree"])
def test_equal_readings_have_the_boxes_of_two_stage_and_the_spaces_of_crnn(route: str) -> None:
    boxes = replace(WHOLE, text="LOTA7")
    frames = replace(WHOLE, characters=tuple(replace(c, confidence=0.5) for c in WHOLE.characters))
    found = {"two-stage": result(boxes), "crnn": result(frames)}
    (string,) = route_results(found, Routing(route, (), {})).strings
    assert string.text == "LOT A7" and string.characters == boxes.characters


@pytest.mark.parametrize("route", ["auto", "agree"])
@pytest.mark.parametrize(("one", "two"), [(True, True), (True, False), (False, True)])
def test_an_unread_mark_makes_equal_readings_doubtful_if_both_engines_see_it(
    route: str, one: bool, two: bool
) -> None:
    mark = UnreadMark(rect_quad(80, 0, 84, 24), 6, 1.0)
    doubtful = replace(
        WHOLE, unread=(mark,), status=Status.LOW_CONFIDENCE, reason="a mark after 'A7' was not read"
    )
    found = {
        "two-stage": result(doubtful if one else WHOLE),
        "crnn": result(doubtful if two else WHOLE),
    }
    both = route_results(found, Routing(route, (), {}))
    assert both.status is (Status.LOW_CONFIDENCE if one and two else Status.OK)


def test_what_auto_gives_as_text_is_not_left_out_as_well() -> None:
    noise = read("9", 300), read("J", 20, 30)
    one = replace(result(*PARTS), left_out=noise)
    both = route_results(
        {"two-stage": one, "crnn": result(WHOLE, read("8", 304))}, Routing("auto", (), {})
    )
    assert [s.text for s in both.strings] == ["LOT A7", "8"]
    assert [s.text for s in both.left_out] == ["J"]


def test_what_one_way_alone_found_stays() -> None:
    other = read("X1", 250, 12)
    pairs, alone = paired((*PARTS, other), (WHOLE, read("Z", 20, 200)))
    assert [(a.text, b and b.text) for a, b in pairs] == [("LOT A7", "LOT A7"), ("X1", None)]
    assert [t.text for t in alone] == ["Z"]
    assert paired((), ()) == ([], [])


def test_a_mark_in_a_later_part_keeps_the_joined_string_doubtful() -> None:
    mark = UnreadMark(rect_quad(0, 0, 2, 24), 1, 1.0)
    marked = replace(PARTS[1], unread=(mark,), status=Status.LOW_CONFIDENCE, reason="a mark")
    ((one, _),) = paired((PARTS[0], marked), (WHOLE,))[0]
    assert (one.text, one.status, one.reason) == ("LOT A7", Status.LOW_CONFIDENCE, "a mark")


@pytest.mark.parametrize("confidence", [0.95, 0.85])
def test_a_weak_character_keeps_a_string_doubtful_however_sure_both_engines_are(
    confidence: float,
) -> None:
    weak = replace(WHOLE.characters[0], confidence=0.45)
    one = replace(
        WHOLE,
        characters=(weak, *WHOLE.characters[1:]),
        confidence=confidence,
        status=Status.LOW_CONFIDENCE,
        reason="doubtful",
    )
    routing = Routing("auto", (), {}, ConfidenceConfig(), basis="calibrated")
    (string,) = route_results({"two-stage": result(one), "crnn": result(WHOLE)}, routing).strings
    assert string.confidence > 0.99 and string.status is Status.LOW_CONFIDENCE


def test_a_string_that_crnn_alone_reads_stands_in_its_place() -> None:
    lines = [read(t, 20, y) for t, y in (("LINE1", 0), ("LINE2", 30), ("LINE3", 60))]
    for alone in range(3):
        one = [line for k, line in enumerate(lines) if k != alone]
        for route in ("auto", "agree"):
            both = route_results(
                {"two-stage": result(*one), "crnn": result(*lines)}, Routing(route, (), {})
            )
            assert both.text == "LINE1\nLINE2\nLINE3"
