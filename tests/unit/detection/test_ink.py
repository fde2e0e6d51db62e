"""Marks in a string's band that no character explains, on drawn strokes of known places."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from industrial_ocr.detection.ink import LineInk
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import FloatArray, ImageArray

LETTERS = (60, 100, 140, 180)
"""Left edges of drawn letters, 24 wide and 40 high."""
LINE = rect_quad(58, 40, 206, 80)


def picture(*marks: tuple[int, int, int, int], dark: bool = True) -> ImageArray:
    """(120, 280) uint8: letters as frames of 6 pixels, and filled marks x0, y0, x1, y1."""
    gray = np.full((120, 280), 230 if dark else 25, np.uint8)
    ink = 30 if dark else 240
    for x in LETTERS:
        cv2.rectangle(gray, (x + 3, 43), (x + 21, 77), ink, 6)
    for x0, y0, x1, y1 in marks:
        gray[y0:y1, x0:x1] = ink
    return cv2.GaussianBlur(gray, (3, 3), 0).astype(np.uint8)


def letters() -> list[FloatArray]:
    return [rect_quad(x - 1, 40, x + 25, 80) for x in LETTERS]


@pytest.mark.parametrize("dark", [True, False])
def test_nothing_is_left_over_where_every_letter_was_read(dark: bool) -> None:
    assert LineInk(picture(dark=dark), LINE, letters()).unread_marks() == []


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize(
    ("mark", "before", "told"),
    [
        ((38, 57, 52, 63), 0, "before the first character"),
        ((129, 73, 136, 80), 2, "between characters 2 and 3"),
        ((211, 73, 218, 80), 4, "after the last character"),
    ],
)
def test_a_sign_and_a_point_are_found(
    mark: tuple[int, int, int, int], before: int, told: str, dark: bool
) -> None:
    (found,) = LineInk(picture(mark, dark=dark), LINE, letters()).unread_marks()
    assert found.before == before and found.place(4) == told
    x0, y0, x1, y1 = mark
    assert np.abs(found.quad.mean(0) - [(x0 + x1) / 2, (y0 + y1) / 2]).max() < 2
    assert found.height < 0.4


def test_a_letter_that_was_not_read_is_a_tall_mark() -> None:
    (found,) = LineInk(picture(), LINE, [letters()[i] for i in (0, 1, 3)]).unread_marks()
    assert found.before == 2 and found.height == pytest.approx(1.0, abs=0.15)


def test_what_another_string_explains_is_no_mark() -> None:
    mark = (38, 57, 52, 63)
    assert LineInk(picture(mark), LINE, letters()).unread_marks([rect_quad(30, 50, 54, 70)]) == []


def test_a_rule_below_and_a_frame_around_are_no_marks() -> None:
    gray = picture()
    cv2.rectangle(gray, (20, 20), (260, 100), 30, 3)
    gray[86:89, 20:260] = 30
    assert LineInk(gray, LINE, letters()).unread_marks() == []


def test_print_in_pieces_and_no_contrast_say_nothing() -> None:
    gray = np.full((120, 280), 230, np.uint8)
    for x in range(40, 230, 14):
        for y in range(42, 80, 12):
            gray[y : y + 4, x : x + 4] = 30
    assert LineInk(gray, LINE, letters()).unread_marks() == []
    assert LineInk(np.full((120, 280), 128, np.uint8), LINE, letters()).unread_marks() == []


def test_a_turned_string_is_looked_at_as_it_stands() -> None:
    mark = (129, 73, 136, 80)
    turned = np.ascontiguousarray(np.rot90(picture(mark), -1))
    quads = [np.stack([119 - q[:, 1], q[:, 0]], 1).astype(np.float32) for q in letters()]
    line = np.stack([119 - LINE[:, 1], LINE[:, 0]], 1).astype(np.float32)
    (found,) = LineInk(turned, line, quads).unread_marks()
    assert found.before == 2


def test_faint_ink_is_a_weaker_mark() -> None:
    gray = picture()
    gray[73:80, 129:136] = 30
    (clear,) = LineInk(gray, LINE, letters()).unread_marks()
    gray[73:80, 129:136] = 115
    (faint,) = LineInk(gray, LINE, letters()).unread_marks()
    assert clear.strength == 1 and 0 < faint.strength < 0.5


def test_ink_is_measured_in_one_unit_and_shared_ink_not_at_all() -> None:
    gray = picture()
    sizes = LineInk(gray, LINE, letters()).sizes()
    assert sizes.shape == (len(letters()), 2)
    assert np.ptp(sizes[:, 1]) <= 1
    whole = float(np.median(sizes[:, 1]))
    x0, y0 = letters()[0].min(0).astype(int)
    x1, y1 = letters()[0].max(0).astype(int)
    gray[y0 - 2 : (y0 + y1) // 2, x0 - 2 : x1 + 2] = 230  # the upper half of the first one
    assert LineInk(gray, LINE, letters()).sizes()[0, 1] < 0.75 * whole
    gray = picture((60, 55, 100, 65))  # a bar from one letter to the next
    joined = LineInk(gray, LINE, letters()).sizes()
    assert np.isnan(joined[:, 0]).sum() >= 2


@pytest.mark.parametrize("dark", [True, False])
def test_the_middle_of_a_character_has_ink_or_not(dark: bool) -> None:
    gray = picture(dark=dark)
    x, y = letters()[1].mean(0).astype(int)
    gray[y - 4 : y + 4, x - 3 : x + 3] = 30 if dark else 240
    cores = LineInk(gray, LINE, letters()).cores()
    assert cores[1] > 0.5 and cores[[0, 2, 3]].max() < 0.1


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize(("missing", "before"), [(0, 0), (3, 3)])
def test_a_missing_end_is_seen_although_all_letters_stand_on_a_rule(
    missing: int, before: int, dark: bool
) -> None:
    gray = picture(dark=dark)
    gray[80:86, 20:260] = 30 if dark else 240
    read = [letters()[i] for i in range(4) if i != missing]
    line = rect_quad(read[0][0, 0], 40, read[-1][1, 0], 80)
    assert [(m.before, m.tall) for m in LineInk(gray, line, read).unread_marks()] == [
        (before, True)
    ]
    assert LineInk(gray, LINE, letters()).unread_marks() == []


def test_a_letter_that_goes_on_outside_the_band_is_a_mark_only_if_it_is_close() -> None:
    read, line = letters()[:3], rect_quad(58, 40, 166, 80)
    for gap, marks in ((16, [(3, True)]), (34, [])):
        gray = picture()
        gray[:, 170:] = 230
        gray[43:77, 165 + gap : 270] = 30
        assert [(m.before, m.tall) for m in LineInk(gray, line, read).unread_marks()] == marks


def test_a_letter_that_touches_the_last_one_is_a_mark() -> None:
    gray = picture((200, 55, 230, 65), (224, 43, 230, 77))
    (found,) = LineInk(gray, LINE, letters()).unread_marks()
    assert found.before == 4 and found.tall


def test_the_line_above_leaves_no_marks() -> None:
    assert (
        LineInk(picture((30, 20, 50, 41), (225, 79, 240, 100)), LINE, letters()).unread_marks()
        == []
    )


@pytest.mark.parametrize("dark", [True, False])
def test_bold_letters_in_a_frame_of_their_own_tone_are_ink(dark: bool) -> None:
    ground, ink = (230, 30) if dark else (30, 230)
    gray = np.full((120, 280), ink, np.uint8)
    gray[34:86, 40:226] = ground
    for x in LETTERS:
        gray[40:80, x - 4 : x + 26] = ink
        gray[50:70, x + 6 : x + 16] = ground  # a counter
    assert np.isfinite(LineInk(gray, LINE, letters()).sizes()).all()
    assert LineInk(gray, LINE, letters()).unread_marks() == []


def test_several_letters_that_touch_the_last_one_are_a_mark() -> None:
    gray = picture((200, 55, 230, 65), (224, 43, 230, 77), (224, 43, 275, 49), (246, 43, 252, 77))
    read, line = [rect_quad(x + 8, 40, x + 16, 80) for x in LETTERS], rect_quad(50, 40, 214, 80)
    (found,) = LineInk(gray, line, read).unread_marks()
    assert found.before == 4 and found.tall
