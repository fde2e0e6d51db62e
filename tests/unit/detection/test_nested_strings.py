"""Strings inside the line of a longer one."""

import numpy as np
import pytest

from industrial_ocr.detection.missed_ink import with_nested
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox


def _box(x0: float, y0: float, x1: float, y1: float) -> CharBox:
    shape = np.diag([((x1 - x0) / 2) ** 2, ((y1 - y0) / 2) ** 2]).astype(np.float32)
    return CharBox(rect_quad(x0, y0, x1, y1), 0.9, shape)


def _string(*boxes: CharBox, wide: int | None = None) -> BoxString:
    return BoxString(boxes, tuple(i == wide for i in range(len(boxes))), "horizontal")


LETTERS = [_box(20 * i, 0, 20 * i + 16, 30) for i in (0, 1, 3, 4)]
LINE = _string(*LETTERS, wide=1)


def test_a_mark_in_a_gap_becomes_part_of_the_line() -> None:
    comma = _box(44, 22, 52, 30)
    (line,) = with_nested([LINE, _string(comma)])
    assert [b.center[0] for b in line.boxes] == [8, 28, 48, 68, 88]
    assert line.space_after == (False, True, True, False, False)  # 8 of 30 pixels and more apart


def test_a_comma_may_hang_below_the_line() -> None:
    (line,) = with_nested([LINE, _string(_box(44, 26, 52, 42))])
    assert len(line.boxes) == 5


@pytest.mark.parametrize("top", [20, 26])
def test_what_lies_on_or_below_a_box_of_the_line_is_dropped(top: int) -> None:
    (line,) = with_nested([_string(_box(22, top, 34, top + 12)), LINE])
    assert line is LINE


def test_small_print_between_large_letters_and_other_lines_stay() -> None:
    small = _string(_box(38, 10, 44, 18), _box(46, 10, 52, 18))
    below = _string(_box(40, 40, 56, 70))
    assert with_nested([LINE, small, below]) == [LINE, small, below]


def test_nothing_is_lost_where_a_string_inside_another_would_take_in_a_third() -> None:
    """Three lower letters in a gap of a line, and a comma that only they reach down to."""
    inner = _string(*(_box(x, 4, x + 16, 38) for x in (100, 120, 160)))
    outer = _string(*(_box(x, 0, x + 16, 30) for x in (0, 20, 40, 60, 220, 240)))
    comma = _string(_box(144, 38, 152, 46))
    found = with_nested([comma, inner, outer])
    assert [len(s.boxes) for s in found] == [1, 9]
