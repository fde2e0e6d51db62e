"""Spaces: wide gaps of linking, gaps in the ink of texts, none where a character was read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.detection.ink import LineInk
from industrial_ocr.detection.spacing import find_spaces, gap_sizes, wide_gaps, with_spaces
from industrial_ocr.results.geometry import enclosing_quad, rect_quad
from industrial_ocr.results.types import (
    BoxString,
    Character,
    CharBox,
    FloatArray,
    ImageArray,
    TextString,
)

WIDTH, HEIGHT = 20.0, 40.0


def box(left: float, width: float, turned: bool = False) -> CharBox:
    w, h = (HEIGHT, width) if turned else (width, HEIGHT)
    x, y = (40.0, left) if turned else (left, 40.0)
    shape = np.diag([w**2 / 4, h**2 / 4]).astype(np.float32)
    return CharBox(rect_quad(x, y, x + w, y + h), 0.9, shape)


def line(gaps: list[float], turned: bool = False, widths: list[float] | None = None) -> BoxString:
    """Characters with these clear gaps between them, 20 pixels wide by default."""
    widths = widths or [WIDTH] * (len(gaps) + 1)
    lefts = 40 + np.concatenate([[0], np.cumsum(np.array(gaps) + widths[:-1])])
    found = tuple(box(float(x), w, turned) for x, w in zip(lefts, widths, strict=True))
    return BoxString(found, (False,) * len(found), "vertical" if turned else "horizontal")


def printed(string: BoxString) -> ImageArray:
    """A dark frame along the edges of every box."""
    gray = np.full((120, 500), 220, np.uint8)
    for own in string.boxes:
        (x0, y0), (x1, y1) = own.quad[[0, 2]].round().astype(int).tolist()
        gray[y0:y1, x0:x1] = 30
        gray[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] = 220
    return gray


def reading(text: str, middles: list[float]) -> TextString:
    quads: list[FloatArray] = [rect_quad(x - 5, 40, x + 5, 40 + HEIGHT) for x in middles]
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


def test_gaps_in_the_ink_are_measured_between_the_middles() -> None:
    string = line([4, 10, 0, 20])
    gaps = LineInk.of(printed(string), string).gaps()
    assert gaps is not None
    assert gaps * HEIGHT == pytest.approx([4, 10, 0, 20], abs=1.1)
    flat = np.full((120, 500), 128, np.uint8)
    assert LineInk.of(flat, string).gaps() is None


@pytest.mark.parametrize(
    ("gaps", "symbols", "spaces"),
    [
        ([5, 5, 18, 5, 5, 5], "CARPARK", [2]),  # words
        ([5, 5, 18, 5, 5, 5], "LOT4256", [2]),  # a word before a number
        ([5, 5, 5, 5, 5, 5], "CARPARK", []),
        ([16, 16, 16, 16, 16, 16], "A2B4C5D", []),  # stamped far apart
        ([6, 31, 6, 6, 6], "FW1201", [1]),
    ],
)
def test_spaces_are_wide_gaps_in_the_ink(
    gaps: list[float], symbols: str, spaces: list[int]
) -> None:
    string = line(gaps)
    found = find_spaces(string, symbols, LineInk.of(printed(string), string))
    assert np.flatnonzero(found).tolist() == spaces


def test_narrow_characters_of_one_pitch_have_no_spaces_beside_them() -> None:
    """Every center is 25 pixels from the next one; the gaps beside the 1 are 13 pixels wide."""
    string = line([5, 13, 13, 5, 5], widths=[20, 20, 4, 20, 20, 20])
    assert not any(find_spaces(string, "421684", LineInk.of(printed(string), string)))


def test_stacks_and_single_boxes_keep_the_spaces_of_linking() -> None:
    stack = replace(line([5, 30, 5], turned=True), space_after=(True, False, False, False))
    assert find_spaces(stack, "ABCD", LineInk.of(printed(stack), stack)) == stack.space_after
    assert find_spaces(line([]), "A", LineInk.of(printed(line([])), line([]))) == (False,)


def test_the_crnn_gets_spaces_between_the_characters_on_both_sides() -> None:
    string = line([5, 5, 18, 5, 5, 5])
    middles = [float(b.center[0]) for b in string.boxes]
    read = with_spaces(reading("CARPARK", middles), string, printed(string))
    assert read.text == "CAR PARK"
    assert [c.symbol for c in read.characters] == list("CARPARK")


def test_no_space_where_a_box_was_missed() -> None:
    """Six boxes, but the CRNN read a letter in the gap."""
    string = line([5, 5, 30, 5, 5])
    middles = [float(b.center[0]) for b in string.boxes]
    filled = [*middles[:3], (middles[2] + middles[3]) / 2, *middles[3:]]
    gray = printed(string)
    assert with_spaces(reading("PRIVATE", filled), string, gray).text == "PRIVATE"
    assert with_spaces(reading("PRVATE", middles), string, gray).text == "PRV ATE"


def test_a_gap_beyond_what_was_read_adds_nothing() -> None:
    string = line([5, 5, 30, 5, 5])
    middles = [float(b.center[0]) for b in string.boxes]
    assert with_spaces(reading("PRV", middles[:3]), string, printed(string)).text == "PRV"
