"""Spaces: wide gaps in any string, narrower ones in words, none where a character was read."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.detection.spacing import gap_sizes, wide_gaps, with_spaces, word_gaps
from industrial_ocr.results.geometry import enclosing_quad, rect_quad
from industrial_ocr.results.types import BoxString, Character, CharBox, TextString

WIDTH, HEIGHT = 20.0, 40.0


def boxes(*lefts: float, width: float = WIDTH, turned: bool = False) -> list[CharBox]:
    w, h = (HEIGHT, width) if turned else (width, HEIGHT)
    shape = np.diag([w**2 / 4, h**2 / 4]).astype(np.float32)
    return [
        CharBox(rect_quad(0, x, w, x + h) if turned else rect_quad(x, 0, x + w, h), 0.9, shape)
        for x in lefts
    ]


def line(gaps: list[float], turned: bool = False) -> BoxString:
    """Characters of one width with these clear gaps between them."""
    lefts = np.concatenate([[0], np.cumsum(np.array(gaps) + WIDTH)])
    found = tuple(boxes(*map(float, lefts), turned=turned))
    return BoxString(found, (False,) * len(found), "vertical" if turned else "horizontal")


def reading(text: str, middles: list[float]) -> TextString:
    quads = [rect_quad(x - 5, 0, x + 5, HEIGHT) for x in middles]
    characters = tuple(Character(c, q, 0.9, ()) for c, q in zip(text, quads, strict=True))
    quad = enclosing_quad(quads, np.array([1.0, 0.0]))
    return TextString(text, 0.9, quad, characters, "horizontal", score_sequence([0.9]))


@pytest.mark.parametrize("turned", [False, True])
def test_gaps_are_measured_along_the_string(turned: bool) -> None:
    clear, usual, size = gap_sizes(line([4, 4, 20], turned).boxes)
    assert clear.tolist() == pytest.approx([4, 4, 20])
    assert (usual, size) == (pytest.approx(4), pytest.approx(HEIGHT))


def test_wide_gaps_are_spaces_and_a_join_needs_a_little_less() -> None:
    own = line([4, 17, 4, 19, 4]).boxes
    assert np.flatnonzero(wide_gaps(own, 0.35, [False] * 5)).tolist() == [3]
    assert np.flatnonzero(wide_gaps(own, 0.35, [False, True] + [False] * 3)).tolist() == [1, 3]
    assert wide_gaps(own[:1], 0.35, []) == (False,)


@pytest.mark.parametrize(
    ("text", "spaces"),
    [("CARPARK", 1), ("CAR4ARK", 1), ("CARP4R7", 0), ("12345678"[:7], 0), ("--+--+-", 0)],
)
def test_words_have_narrower_spaces_than_codes(text: str, spaces: int) -> None:
    string = line([2, 2, 14, 2, 2, 2])
    assert sum(word_gaps(string, text, 0.2)) == spaces


def test_a_narrow_letter_is_no_space() -> None:
    """Its gaps are wide, but its neighbors stand no farther apart than others."""
    lefts = [0, 22, 54, 72, 94]
    own = boxes(0, 22, width=WIDTH) + boxes(54, width=4) + boxes(72, 94, width=WIDTH)
    assert [b.quad[0, 0] for b in own] == pytest.approx(lefts)
    string = BoxString(tuple(own), (False,) * 5, "horizontal")
    assert not any(word_gaps(string, "HAIRY", 0.2))


def test_the_crnn_gets_spaces_between_the_characters_on_both_sides() -> None:
    string = line([2, 2, 14, 2, 2, 2])
    middles = [float(b.center[0]) for b in string.boxes]
    read = with_spaces(reading("CARPARK", middles), string, 0.2)
    assert read.text == "CAR PARK"
    assert [c.symbol for c in read.characters] == list("CARPARK")


def test_no_space_where_a_box_was_missed() -> None:
    """Six boxes, but the CRNN read a letter in the gap."""
    string = line([2, 2, 24, 2, 2])
    middles = [float(b.center[0]) for b in string.boxes]
    filled = [*middles[:3], (middles[2] + middles[3]) / 2, *middles[3:]]
    assert with_spaces(reading("PRIVATE", filled), string, 0.2).text == "PRIVATE"
    assert with_spaces(reading("PRVATE", middles), string, 0.2).text == "PRV ATE"


def test_a_gap_beyond_what_was_read_adds_nothing() -> None:
    string = line([2, 2, 24, 2, 2])
    middles = [float(b.center[0]) for b in string.boxes]
    assert with_spaces(reading("PRV", middles[:3]), string, 0.2).text == "PRV"
