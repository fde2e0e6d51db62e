"""CRAFT's resize and word boxes against the golden arrays of the reference."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from industrial_ocr.stages.craft_boxes import resize_normalise, word_boxes

GOLDEN = Path(__file__).parents[2] / "golden" / "craft_golden.npz"
THRESHOLDS = (0.7, 0.4, 0.4)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def blob(
    shape: tuple[int, int], box: tuple[int, int, int, int], value: float
) -> NDArray[np.float32]:
    """A map with one bright rectangle x0, y0, x1, y1 (exclusive)."""
    x0, y0, x1, y1 = box
    result = np.zeros(shape, np.float32)
    result[y0:y1, x0:x1] = value
    return result


def test_resize_equals_the_reference(golden: dict[str, np.ndarray]) -> None:
    padded, ratio, heatmap = resize_normalise(
        golden["image"], int(golden["square_size"]), float(golden["mag_ratio"])
    )
    assert padded.dtype == np.float32
    np.testing.assert_allclose(padded, golden["resized_normalised"], atol=1e-6)
    assert ratio == golden["ratio"]
    assert heatmap == tuple(golden["heatmap_size"])


@pytest.mark.parametrize(
    ("size", "square", "magnify", "ratio", "padded"),
    [
        ((64, 96), 1280, 1.0, 1.0, (64, 96)),  # multiples of 32 stay
        ((65, 96), 1280, 1.0, 1.0, (96, 96)),
        ((100, 200), 128, 1.5, 0.64, (64, 128)),  # the limit wins over the magnification
        ((200, 100), 128, 0.32, 0.32, (64, 32)),
    ],
)
def test_resize_keeps_the_limit_and_pads(
    size: tuple[int, int], square: int, magnify: float, ratio: float, padded: tuple[int, int]
) -> None:
    result, got, heatmap = resize_normalise(np.zeros((*size, 3), np.uint8), square, magnify)
    assert got == pytest.approx(ratio)
    assert result.shape == (*padded, 3)
    assert heatmap == (padded[1] // 2, padded[0] // 2)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 5), (5, 5, 4), (1, 4000, 3)])
def test_resize_refuses_what_leaves_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needed, got shape|no pixels left"):
        resize_normalise(np.zeros(shape, np.uint8), 1280, 1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_word_boxes_equal_the_reference(golden: dict[str, np.ndarray], dtype: type) -> None:
    boxes = word_boxes(
        golden["region_map"].astype(dtype),
        golden["affinity_map"].astype(dtype),
        float(golden["text_threshold"]),
        float(golden["link_threshold"]),
        float(golden["low_text"]),
    )
    assert boxes.dtype == np.float32
    np.testing.assert_allclose(boxes, golden["word_boxes"], atol=1e-3)


@pytest.mark.parametrize(
    ("box", "value", "count"),
    [
        ((10, 10, 30, 20), 0.9, 1),
        ((10, 10, 30, 20), 0.6, 0),  # never reaches text_threshold
        ((10, 10, 30, 20), 0.3, 0),
        ((10, 10, 15, 12), 0.9, 1),  # 10 pixels
        ((10, 10, 13, 13), 0.9, 0),  # 9
        ((0, 0, 60, 40), 0.9, 1),  # the whole map
    ],
)
def test_what_counts_as_a_word(box: tuple[int, int, int, int], value: float, count: int) -> None:
    region = blob((40, 60), box, value)
    assert word_boxes(region, np.zeros_like(region), *THRESHOLDS).shape == (count, 4, 2)


@pytest.mark.parametrize("corner", [(0, 0), (40, 0), (0, 30), (40, 30), (20, 15)])
def test_a_box_grows_within_the_map_only(corner: tuple[int, int]) -> None:
    """20x10 pixels of area 200 grow by int(sqrt(200 * 10 / 200) * 2) = 6: a kernel of 7."""
    x, y = corner
    region = blob((40, 60), (x, y, x + 20, y + 10), 0.9)
    (box,) = word_boxes(region, np.zeros_like(region), *THRESHOLDS)
    left, top, right, bottom = max(x - 3, 0), max(y - 3, 0), min(x + 22, 59), min(y + 12, 39)
    expected = [[left, top], [right, top], [right, bottom], [left, bottom]]
    np.testing.assert_allclose(box, expected, atol=1e-3)


def test_affinity_joins_characters_but_adds_no_height() -> None:
    shape = (40, 80)
    region = blob(shape, (10, 15, 20, 25), 0.9) + blob(shape, (40, 15, 50, 25), 0.9)
    link = blob(shape, (18, 5, 42, 35), 0.9)
    apart = word_boxes(region, np.zeros_like(region), *THRESHOLDS)
    (joined,) = word_boxes(region, link, *THRESHOLDS)
    assert len(apart) == 2
    assert np.ptp(joined[:, 0]) > 40
    assert np.ptp(joined[:, 1]) == 18  # 10 rows of letters grown by 9; the link has 30 rows
    assert len(word_boxes(np.zeros_like(region), link, *THRESHOLDS)) == 0


def test_corners_that_touch_do_not_join() -> None:
    region = blob((40, 60), (10, 10, 20, 20), 0.9) + blob((40, 60), (20, 20, 30, 30), 0.9)
    assert len(word_boxes(region, np.zeros_like(region), *THRESHOLDS)) == 2


def test_boxes_run_clockwise_from_the_smallest_sum() -> None:
    for angle in range(-90, 90, 7):
        region = np.zeros((100, 100), np.float32)
        corners = cv2.boxPoints(((50, 50), (60, 12), angle)).astype(np.int32)
        cv2.fillPoly(region, [corners], 0.9)
        (box,) = word_boxes(region, np.zeros_like(region), *THRESHOLDS)
        x, y = box[:, 0], box[:, 1]
        assert np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)) > 0, angle
        assert box.sum(axis=1).argmin() == 0


def test_a_diamond_becomes_upright() -> None:
    region = np.zeros((60, 60), np.float32)
    cv2.fillPoly(region, [np.array([[30, 15], [45, 30], [30, 45], [15, 30]], np.int32)], 0.9)
    (box,) = word_boxes(region, np.zeros_like(region), *THRESHOLDS)
    assert np.ptp(box[:2, 1]) == 0 and np.ptp(box[1:3, 0]) == 0


def test_maps_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one \(H, W\)"):
        word_boxes(np.zeros((4, 5)), np.zeros((5, 4)), *THRESHOLDS)
