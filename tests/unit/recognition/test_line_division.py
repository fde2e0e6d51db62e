"""Where lines are divided, and that what was read in pieces is joined without loss."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.config import RecognitionConfig
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.recognition.division import LineRecognizer, Piece, divide, find_blanks
from industrial_ocr.results.geometry import rect_quad


def test_blanks_are_found_in_both_polarities() -> None:
    strip = np.full((32, 60), 230, np.uint8)
    strip[8:24, 10:20] = 20
    strip[:, 40:] = 20  # a black label, with light print on it
    strip[8:24, 46:50] = 230
    np.testing.assert_allclose(find_blanks(strip), [[0, 10], [20, 46], [50, 60]], atol=1)
    assert find_blanks(255 - strip) == find_blanks(strip)


def test_a_piece_ends_at_the_widest_blank_in_reach() -> None:
    blanks = [(0, 4), (60, 66), (150, 162), (220, 227), (396, 400)]
    assert divide(400, 280, blanks) == [Piece(0, 156 / 400), Piece(156 / 400, 1, space=False)]
    # Twelve columns are a space where the usual blank is four.
    blanks = [(0, 4), (60, 64), (80, 84), (100, 104), (150, 162), (220, 224), (396, 400)]
    assert divide(400, 280, blanks)[1].space


def test_narrow_blanks_divide_nothing() -> None:
    windows = divide(400, 280, [(i, i + 5) for i in range(10, 400, 20)])
    assert windows == divide(400, 280, []) == [Piece(0, 0.7), Piece(232 / 400, 1)]


def bars(x: np.ndarray) -> np.ndarray:
    """Frames as bright as their column; class 1 where they are brightest, else blank."""
    bright = x.reshape(len(x), 32, -1, 4).mean((1, 3))
    bright = np.pad(bright, ((0, 0), (0, 1)), constant_values=-1)
    return np.stack([-bright, bright], -1).transpose(1, 0, 2) * 9


@pytest.mark.parametrize("division", ["blanks", "windows"])
def test_a_line_in_pieces_reads_as_a_whole(division: str) -> None:
    """Every bar of 8 pixels is one symbol, wherever the pieces end; the line has 40,000 columns."""
    width, places = 31_000, range(12, 30_980, 40)
    image = np.zeros((32, width, 3), np.uint8)
    for x in places:
        image[:, x : x + 8] = 255
    image[0] = 0
    recognizer = LineRecognizer(bars, Charset(("I",), blank=True), 1.0)
    config = RecognitionConfig(division=division)
    quad = rect_quad(0, 0, width, 32)
    ((frames,),) = recognizer.recognize([image], [[[quad]]], config)
    best = frames.log_probs.argmax(1)
    starts = np.flatnonzero(np.diff(best, prepend=0) == 1)
    assert len(starts) == len(places)
    middles = [frames.span_quad(t, t + 1).mean(0)[0] for t in starts]
    np.testing.assert_allclose(middles, [x + 4 for x in places], atol=5)


def test_short_strings_and_other_settings_are_read_as_before() -> None:
    image = np.zeros((32, 200, 3), np.uint8)
    image[:, 40:48] = 255
    recognizer = LineRecognizer(bars, Charset(("I",), blank=True), 1.0)
    quads = [[[rect_quad(0, 0, 200, 32)]]]
    ((plain,),) = recognizer.recognize([image], quads, RecognitionConfig())
    ((divided,),) = recognizer.recognize([image], quads, RecognitionConfig(division="blanks"))
    np.testing.assert_array_equal(plain.log_probs, divided.log_probs)
