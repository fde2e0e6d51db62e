"""Gray images with and without three equal channels are the same to everything that reads them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection.detector import Detector
from industrial_ocr.image.preprocess import to_gray, to_rgb, without_color

NOISE = np.random.default_rng(2).integers(0, 256, (90, 130), np.uint8)
GRAY = np.asarray(cv2.GaussianBlur(NOISE, (0, 0), 1.5), np.uint8)


def test_only_an_image_of_three_equal_channels_becomes_one() -> None:
    np.testing.assert_array_equal(without_color(to_rgb(GRAY)), GRAY)
    np.testing.assert_array_equal(to_gray(to_rgb(GRAY)), GRAY)
    for channel in range(3):
        colored = to_rgb(GRAY)
        colored[5, 7, channel] ^= 1
        assert without_color(colored) is colored


@pytest.mark.parametrize("published", [False, True])
def test_the_detector_sees_the_same_pixels_in_both(published: bool) -> None:
    seen: list[np.ndarray] = []

    def network(batch: np.ndarray) -> np.ndarray:
        seen.append(batch)
        return np.zeros((len(batch), 2, batch.shape[2] // 2, batch.shape[3] // 2), np.float32)

    config = DetectionConfig(long_side=96, short_side=64)
    for image in (to_rgb(GRAY), GRAY):
        Detector(network, published).detect([image], config)
    np.testing.assert_array_equal(seen[0], seen[1])
