"""Which characters are uncertain, by hand-made results, and the picture that shows one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.config import CollectingConfig
from industrial_ocr.results.codes import CharStatus, CodeCharacter, CodeReading
from industrial_ocr.results.geometry import oriented_quad, rect_quad, rotate_quad, warp_quad
from industrial_ocr.results.read_result import ReadResult
from industrial_ocr.results.types import Character, SequenceScores, Status, TextString
from industrial_ocr.review.uncertainty import (
    UncertainCharacter,
    context_picture,
    uncertain_characters,
)

RULES = CollectingConfig(min_confidence=0.7, min_margin=0.3)
SCORES = SequenceScores(0.9, -0.1, 0.9, 0.9, -0.1)
IMAGE = np.random.default_rng(0).integers(0, 255, (60, 200, 3), np.uint8)


def char(symbol: str, place: int, confidence: float = 0.99, rival: float = 0.0) -> Character:
    quad = rect_quad(10 + 20 * place, 20, 26 + 20 * place, 44)
    return Character(symbol, quad, confidence, (("x", rival),), 0.01)


def string(text: str, *characters: Character, **more: object) -> TextString:
    return TextString(
        text, 0.9, rect_quad(10, 20, 190, 44), characters, "horizontal", SCORES, **more
    )  # type: ignore[arg-type]


def result(*strings: TextString, status: Status = Status.OK, **more: object) -> ReadResult:
    return ReadResult(strings, status, "two-stage", {}, IMAGE, **more)  # type: ignore[arg-type]


def alone(quad: np.ndarray) -> UncertainCharacter:
    return UncertainCharacter(Character("A", quad, 0.5), (), "A", 0, (quad,))


def found_in(read: ReadResult) -> list[UncertainCharacter]:
    return uncertain_characters(read, RULES)


def told(found: list[UncertainCharacter]) -> list[tuple[str, str, int, str]]:
    return [(d.character.symbol, d.text, d.position, ", ".join(d.why)) for d in found]


def test_low_confidence_and_low_margin() -> None:
    characters = char("A", 0), char("B", 1, 0.69), char("C", 2, 0.75, 0.5), char("D", 3, 0.7, 0.3)
    assert told(found_in(result(string("AB CD", *characters)))) == [
        ("B", "AB CD", 1, "low confidence"),
        ("C", "AB CD", 3, "low margin"),
    ]


def test_symbols_of_several_characters_have_their_place_in_the_text() -> None:
    found = uncertain_characters(
        result(string("A CE1", char("A", 0), char("CE", 1), char("1", 2, 0.5))), RULES
    )
    assert [(d.position, d.text[d.position :]) for d in found] == [(4, "1")]


def test_a_box_taken_for_no_character_is_told_with_what_it_would_read_as() -> None:
    refused = replace(char("B", 1, 0.2), reject=0.75)
    read = string("AC", char("A", 0), char("C", 2), rejected=((1, refused),))
    (item,) = found_in(result(read))
    assert told([item]) == [("", "AC", 1, "no character")]
    assert item.character.confidence == item.character.reject == 0.75
    assert item.character.alternatives[0] == ("B", 0.2)
    assert len(item.around) == 3


def test_where_the_ways_differ() -> None:
    read = string("A1 B", *(char(s, i) for i, s in enumerate("A1B")), other="AI B")
    assert told(found_in(result(read, status=Status.DISAGREEMENT))) == [
        ("1", "A1 B", 1, "ways differ")
    ]
    assert found_in(result(read)) == []  # one way was taken for sure


def code(*statuses: CharStatus, text: str = "A1", **more: object) -> CodeReading:
    made = tuple(
        CodeCharacter(char(s, i), 0.9, status, s, 0.9)
        for i, (s, status) in enumerate(zip(text, statuses, strict=True))
    )
    values = {"status": Status.OK, "alternatives": (), **more}
    return CodeReading(
        text, "p", values["status"], "", 0.9, text, 0.9, made, rect_quad(10, 20, 46, 44), (0,),
        "horizontal", values["alternatives"],
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("status", ["corrected", "confused", "rejected"])
def test_characters_of_a_code_are_judged_there_and_not_once_more(status: str) -> None:
    read = string("Al Z", char("A", 0), char("l", 1, 0.4), char("Z", 4, 0.5))
    found = uncertain_characters(
        result(read, codes=(code(CharStatus.READ, CharStatus(status)),)), RULES
    )
    assert told(found) == [("1", "A1", 1, status), ("Z", "Al Z", 3, "low confidence")]


def test_codes_on_which_the_ways_differ() -> None:
    both = code(
        CharStatus.READ, CharStatus.READ, status=Status.DISAGREEMENT, alternatives=(("A7", 0.9),)
    )
    assert told(found_in(result(codes=(both,)))) == [("1", "A1", 1, "ways differ")]


def test_the_picture_holds_the_pixels_of_the_source() -> None:
    characters = tuple(char("ABCDE"[i], i) for i in range(5))
    item = UncertainCharacter(
        characters[2], ("low margin",), "ABCDE", 2, tuple(c.quad for c in characters)
    )
    picture, quad = context_picture(IMAGE, item)
    # 12 pixels, half the character's height, around the string of (10, 20) to (106, 44)
    np.testing.assert_array_equal(picture[:, 2:], IMAGE[8:56, 0:118])
    np.testing.assert_allclose(quad, characters[2].quad - [-2, 8], atol=1e-4)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_the_character_stands_upright(quarter: int) -> None:
    own = rotate_quad(rect_quad(60, 20, 84, 44), quarter)
    picture, quad = context_picture(IMAGE, alone(own))
    np.testing.assert_allclose(quad, rect_quad(12, 12, 36, 36), atol=1e-4)
    np.testing.assert_array_equal(picture[12:36, 12:36], warp_quad(IMAGE, own, 24, 24))


def test_a_slanted_string_is_turned() -> None:
    own = oriented_quad((100, 30), (np.cos(0.4), np.sin(0.4)), 16, 24)
    _, quad = context_picture(IMAGE, alone(own))
    np.testing.assert_allclose(quad - quad[0], [[0, 0], [16, 0], [16, 24], [0, 24]], atol=0.5)


def test_long_strings_are_cut_and_large_pictures_shrunk() -> None:
    large = np.zeros((3000, 9000, 3), np.uint8)
    quads = tuple(rect_quad(10 + 300 * i, 1000, 210 + 300 * i, 1400) for i in range(29))
    item = UncertainCharacter(Character("A", quads[14], 0.5), (), "A" * 29, 14, quads)
    picture, quad = context_picture(large, item)
    assert max(picture.shape) == 1024
    np.testing.assert_allclose(quad.mean(axis=0)[0], 512, atol=1)  # 8 heights to both sides
    height = quad[3, 1] - quad[0, 1]
    assert height == pytest.approx(1024 / (2 * 8.5), rel=0.01)
    assert picture.shape[0] == pytest.approx(2 * height, rel=0.02)


def test_a_box_without_extent_has_a_picture_too() -> None:
    own = np.full((4, 2), 30, np.float32)
    picture, quad = context_picture(IMAGE, alone(own))
    assert picture.size and np.isfinite(quad).all()


def test_a_string_that_is_nearly_straight_is_not_interpolated() -> None:
    own = oriented_quad((100, 30), (np.cos(0.03), np.sin(0.03)), 16, 24)
    picture, quad = context_picture(IMAGE, alone(own))
    left, top = np.rint(own[0] - quad[0]).astype(int)
    inside = IMAGE[top : top + len(picture), left : left + picture.shape[1]]
    np.testing.assert_array_equal(picture[: len(inside)], inside)
    np.testing.assert_allclose(quad, own - [left, top], atol=1e-4)
