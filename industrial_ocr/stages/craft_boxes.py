"""CRAFT's published way in and out: its resize and its word boxes.

Both give exactly what the authors' clovaai/CRAFT-pytorch gives. Numpy and OpenCV only.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from industrial_ocr.types import FloatArray, ImageArray

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of the RGB channels the published weights expect to be subtracted; 1 is white."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation they expect to be divided by."""

_STRIDE = 32
_MIN_AREA = 10
_DIAMOND = 0.1


def resize_normalise(
    image: ImageArray, square_size: int, mag_ratio: float
) -> tuple[FloatArray, float, tuple[int, int]]:
    """Scales an image for CRAFT, pads it and normalises it.

    The long side is multiplied by ``mag_ratio`` but kept within ``square_size``; the bottom and
    the right are filled up with black to multiples of 32, before the normalisation.

    Args:
        image: (H, W, 3) uint8 RGB.
        square_size: limit of the long side, pixels.
        mag_ratio: magnification.

    Returns:
        The (H', W', 3) float32 network input; the ratio of its pixels to the image's; and the
        (width, height) of the network's maps, half the input's.

    Raises:
        ValueError: no RGB image, or nothing is left of it at this size.
    """
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an (H, W, 3) image is needed, got shape {image.shape}")
    height, width = image.shape[:2]
    long_side = max(height, width)
    ratio = min(mag_ratio * long_side, square_size) / max(long_side, 1)
    new_height, new_width = int(height * ratio), int(width * ratio)
    if new_height < 1 or new_width < 1:
        raise ValueError(
            f"an image of {width}x{height} has no pixels left at ratio {ratio:.4g}; "
            "cut it into pieces or raise square_size"
        )
    scaled = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    full_height, full_width = (math.ceil(n / _STRIDE) * _STRIDE for n in (new_height, new_width))
    padded = np.zeros((full_height, full_width, 3), np.float32)
    padded[:new_height, :new_width] = scaled
    padded -= np.multiply(IMAGENET_MEAN, 255).astype(np.float32)
    padded /= np.multiply(IMAGENET_STD, 255).astype(np.float32)
    return padded, ratio, (full_width // 2, full_height // 2)


def word_boxes(
    region_map: NDArray[np.floating],
    affinity_map: NDArray[np.floating],
    text_threshold: float,
    link_threshold: float,
    low_text: float,
) -> FloatArray:
    """Word boxes from the two maps (section 3.3 of the paper).

    Pixels above ``low_text`` or linked above ``link_threshold`` form components; each that
    reaches ``text_threshold`` gives the smallest rectangle around its dilated text pixels.

    Args:
        region_map: (H, W).
        affinity_map: (H, W).
        text_threshold: value of the region map a word must reach somewhere.
        link_threshold: above it two characters are linked.
        low_text: above it a pixel belongs to a character.

    Returns:
        (N, 4, 2) x, y in map pixels, clockwise from the corner with the smallest x + y; in
        OpenCV's order of the components, which is about from the top down.

    Raises:
        ValueError: the maps are not two of one (H, W).
    """
    if region_map.ndim != 2 or region_map.shape != affinity_map.shape:
        raise ValueError(
            "region_map and affinity_map are two maps of one (H, W), "
            f"got {region_map.shape} and {affinity_map.shape}"
        )
    text = region_map > low_text
    link = affinity_map > link_threshold
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (text | link).astype(np.uint8), connectivity=4
    )
    boxes = []
    for label in range(1, count):
        x, y, width, height, size = (int(n) for n in stats[label])
        if size < _MIN_AREA:
            continue
        window = slice(y, y + height), slice(x, x + width)
        inside = labels[window] == label
        letters = inside & (text[window] | ~link[window])
        if region_map[window][inside].max() < text_threshold or not letters.any():
            continue
        grow = int(math.sqrt(size * min(width, height) / (width * height)) * 2)
        boxes.append(_box(_grown(letters, grow, (x, y), region_map.shape)))
    return np.array(boxes, np.float32).reshape(-1, 4, 2)


def _grown(
    mask: NDArray[np.bool_], grow: int, corner: tuple[int, int], limits: tuple[int, ...]
) -> NDArray[np.int32]:
    """Dilates a mask within the map: the undone shrinking of text to its centre.

    Args:
        mask: (h, w) of one component.
        grow: pixels it may grow on each side; the square kernel is one wider.
        corner: x, y of the mask in the map.
        limits: (H, W) of the map.

    Returns:
        (M, 2) x, y of its pixels in the map.
    """
    (x, y), (height, width) = corner, mask.shape
    left, top = min(grow, x), min(grow, y)
    right = min(grow + 1, limits[1] - x - width)
    bottom = min(grow + 1, limits[0] - y - height)
    padded = np.pad(mask.astype(np.uint8), ((top, bottom), (left, right)))
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (1 + grow, 1 + grow))
    rows, columns = np.nonzero(cv2.dilate(padded, kernel))
    return np.column_stack([columns + x - left, rows + y - top]).astype(np.int32)


def _box(points: NDArray[np.int32]) -> FloatArray:
    """The smallest rectangle around (M, 2) points, upright if it is nearly a square.

    A square's smallest rectangle may stand on a corner ("diamond"); its turn says nothing.
    """
    box = cv2.boxPoints(cv2.minAreaRect(points)).astype(np.float32)
    a, b = np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[1] - box[2])
    if abs(1 - max(a, b) / (min(a, b) + 1e-5)) <= _DIAMOND:
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    start = int(box.sum(axis=1).argmin())
    turned: FloatArray = np.roll(box, -start, axis=0)
    return turned
