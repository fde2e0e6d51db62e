"""Geometry, charset, types and light imports."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from industrial_ocr.image.preprocess import detector_input, edge_width, normalize_crops
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS, Charset
from industrial_ocr.results.geometry import (
    area,
    box_iou,
    enclosing_quad,
    expand_quad,
    glyph_window,
    iou,
    oriented_quad,
    points_inside,
    rect_quad,
    rotate_quad,
    warp_quad,
)
from industrial_ocr.results.types import BoxString, CharBox, ScoreMaps, as_quad


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        (rect_quad(0, 0, 2, 2), rect_quad(0, 0, 2, 2), 1.0),
        (rect_quad(0, 0, 2, 2), rect_quad(1, 0, 3, 2), 1 / 3),
        (rect_quad(0, 0, 2, 2), rect_quad(5, 5, 6, 6), 0.0),
        (rect_quad(0, 0, 2, 2), rect_quad(1, 1, 1, 1), 0.0),
    ],
)
def test_iou(a: np.ndarray, b: np.ndarray, value: float) -> None:
    assert iou(a, b) == pytest.approx(value, abs=1e-5)


def test_box_iou_is_pairwise_and_bears_empty_lists() -> None:
    assert box_iou([[0, 0, 2, 2]], [[0, 0, 2, 2], [1, 0, 3, 2]]).tolist() == [
        pytest.approx([1, 1 / 3])
    ]
    assert box_iou(np.zeros((0, 4)), [[0, 0, 1, 1]]).shape == (0, 1)


def test_oriented_quad_begins_at_the_characters_own_top_left() -> None:
    upright = oriented_quad((10, 10), (1, 0), 4, 8)
    assert upright.tolist() == [[8, 6], [12, 6], [12, 14], [8, 14]]
    turned = oriented_quad((10, 10), (0, 1), 4, 8)
    assert turned[0].tolist() == [14, 8]


def test_expand_rotate_enclose() -> None:
    quad = rect_quad(0, 0, 10, 4)
    assert expand_quad(quad, 1, 2).tolist() == rect_quad(-1, -2, 11, 6).tolist()
    assert rotate_quad(quad, 1)[0].tolist() == [10, 0]
    assert area(enclosing_quad([quad, rect_quad(20, 0, 30, 4)], (1, 0))) == pytest.approx(120)
    assert area(glyph_window(rect_quad(0, 0, 10, 20))) == pytest.approx((1.3 * 20) ** 2)


def test_warp_turns_a_quad_upright() -> None:
    image = np.zeros((40, 40), np.uint8)
    image[10:30, 10:15] = 255
    same = warp_quad(image, rect_quad(10, 10, 30, 30), 20, 20)
    assert same[:, :5].min() == 255 and same[:, 5:].max() == 0
    turned = warp_quad(image, rotate_quad(rect_quad(10, 10, 30, 30), 1), 20, 20)
    assert turned[-5:].min() == 255 and turned[:-5].max() == 0


@pytest.mark.parametrize(
    "quad", [rect_quad(500, 500, 510, 510), rect_quad(-9, -9, -5, -5), rect_quad(3, 3, 3, 3)]
)
def test_warp_outside_or_of_nothing_does_not_fail(quad: np.ndarray) -> None:
    assert warp_quad(np.zeros((20, 20, 3), np.uint8), quad, 8, 6).shape == (6, 8, 3)


def test_charset_round_trip_with_and_without_blank() -> None:
    for blank in (False, True):
        charset = Charset(blank=blank)
        assert "".join(map(charset.symbol, charset.encode("Ab-9:#"))) == "Ab-9:#"
        assert charset.classes == len(DEFAULT_SYMBOLS) + blank
    assert Charset(blank=True).encode("0") == [1]
    with pytest.raises(IndexError):
        Charset(blank=True).symbol(0)


def test_a_token_of_several_characters_is_one_class() -> None:
    charset = Charset(("C", "E", "CE", "1"))
    assert charset.encode("CE1 CC") == [2, 3, 0, 0]


@pytest.mark.parametrize("symbols", [("A", "A"), ("",), ("A B",)])
def test_charset_refuses_what_it_cannot_hold(symbols: tuple[str, ...]) -> None:
    with pytest.raises(ValueError):
        Charset(symbols)


def test_unknown_characters_are_named_with_their_place() -> None:
    assert not Charset().supports("Ä")
    with pytest.raises(ValueError, match=r"character 2 \('Ä'\)"):
        Charset().encode("AÄ")


def test_types_say_what_they_got() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        as_quad(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="finite"):
        as_quad(np.full((4, 2), np.nan))
    with pytest.raises(ValueError, match="region and affinity"):
        ScoreMaps(np.zeros((2, 2), np.float32), np.zeros((2, 3), np.float32), (1, 1))
    box = CharBox(rect_quad(0, 0, 4, 8), 0.9, np.diag([4, 16]).astype(np.float32))
    assert box.extent(np.array([0, 1], np.float32)) == pytest.approx(8)
    with pytest.raises(ValueError, match="1 boxes and 2 flags"):
        BoxString((box,), (False, False), "horizontal")


def test_local_contrast_lifts_a_faint_mark_on_a_dark_part_of_a_bright_picture() -> None:
    gray = np.full((200, 200), 250, np.uint8)
    gray[40:160, 40:160] = 30
    gray[95:105, 95:105] = 42
    plain, local = detector_input(gray)
    assert abs(plain[100, 100] - plain[100, 90]) < 0.1
    assert local[100, 100] - local[100, 85] > 0.5


def test_crops_lose_brightness_and_contrast() -> None:
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 2, (1, 16, 16)).astype(np.uint8) * 200
    faint = (crop // 4 + 90).astype(np.uint8)
    assert np.abs(normalize_crops(crop) - normalize_crops(faint)).max() < 0.3


def test_numpy_modules_do_not_load_torch() -> None:
    code = (
        "import sys, industrial_ocr, industrial_ocr.results.types, "
        "industrial_ocr.results.geometry, "
        "industrial_ocr.detection.segmentation, industrial_ocr.detection.linking, "
        "industrial_ocr.decoding.ctc; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_edges_grow_wider_with_blur_and_flat_pictures_have_none() -> None:
    bars = np.zeros((32, 200), np.uint8)
    for x in range(10, 190, 20):
        bars[4:28, x : x + 8] = 200
    widths = [edge_width(bars)]
    widths += [edge_width(cv2.GaussianBlur(bars, (0, 0), s)) for s in (1.5, 3.0)]
    assert widths == sorted(widths)
    assert widths[0] < 2.5 < widths[1]
    assert edge_width(np.full((32, 64), 90, np.uint8)) == 0.0


def test_points_lie_in_quads_that_run_either_way_round() -> None:
    square, tilted = rect_quad(0, 0, 4, 4), oriented_quad((10, 0), (0.6, 0.8), 10, 2)
    points = [(2, 2), (4, 0), (5, 2), (13, 4), (13, 2)]
    expected = [[True, False], [True, False], [False, False], [False, True], [False, False]]
    assert points_inside([square, tilted], points).tolist() == expected
    assert points_inside([square[::-1], tilted[::-1]], points).tolist() == expected
