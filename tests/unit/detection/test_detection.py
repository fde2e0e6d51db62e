"""Scale, tiles and batches of the detection stage, with a network that only averages."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.config import DetectionConfig
from industrial_ocr.detection import detector as detection
from industrial_ocr.detection.detector import Detector, network_scale


def averager(x: np.ndarray) -> np.ndarray:
    """Region: brightness of each 2x2 pixels. Affinity: the same, halved."""
    plain = (x[:, :1] + 1) / 2
    count, _, height, width = plain.shape
    region = plain.reshape(count, 1, height // 2, 2, width // 2, 2).mean((3, 5))
    return np.concatenate([region, region / 2], 1)


def detector() -> Detector:
    return Detector(averager)


def picture(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * width)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "settings", "scale"),
    [
        ((960, 1280), {}, 1.0),
        ((1080, 1920), {}, 1280 / 1920),
        ((3000, 4000), {}, 0.5),
        ((3000, 4000), {"max_shrink": 1.0}, 1.0),
        ((24, 94), {}, 64 / 24),
        ((1, 1), {}, 8.0),
        ((480, 640), {"mag_ratio": 1.5}, 1.5),
    ],
)
def test_scale_rule(size: tuple[int, int], settings: dict[str, float], scale: float) -> None:
    assert network_scale(*size, DetectionConfig(**settings)) == pytest.approx(scale)


def test_tiles_are_stitched_to_the_map_of_the_whole() -> None:
    image = picture(300, 500)
    whole = DetectionConfig(short_side=1)
    tiled = DetectionConfig(short_side=1, tile_size=128, tile_overlap=32, batch_size=3)
    (one,) = detector().detect([image], whole)
    (two,) = detector().detect([image], tiled)
    assert one.region.shape == (150, 250)
    assert np.allclose(one.region, two.region, atol=1e-6)
    assert np.allclose(one.affinity, two.affinity, atol=1e-6)
    assert one.region.std() > 0


@pytest.mark.parametrize("size", [(199, 131), (200, 333), (301, 300)])
def test_tiles_of_odd_sizes_are_stitched_too(size: tuple[int, int]) -> None:
    tiled = DetectionConfig(short_side=1, tile_size=128, tile_overlap=32)
    (one,) = detector().detect([picture(*size)], DetectionConfig(short_side=1))
    (two,) = detector().detect([picture(*size)], tiled)
    assert np.allclose(one.region[:-1, :-1], two.region[:-1, :-1], atol=1e-6)


def test_images_of_several_sizes_keep_their_maps() -> None:
    images = [picture(100, 140), picture(64, 64), picture(100, 140)]
    config = DetectionConfig(short_side=1)
    together = detector().detect(images, config)
    for image, maps in zip(images, together, strict=True):
        (alone,) = detector().detect([image], config)
        assert np.array_equal(alone.region, maps.region)


def test_the_way_back_is_kept() -> None:
    (maps,) = detector().detect([picture(1080, 1920)], DetectionConfig())
    assert maps.scale == pytest.approx((3.0, 3.0))
    assert maps.region.shape == (360, 640)


def test_odd_sizes_and_a_single_pixel() -> None:
    for size in ((1, 1), (33, 35), (7, 300)):
        (maps,) = detector().detect([picture(*size)], DetectionConfig())
        assert maps.region.size


def test_the_published_network_gets_imagenet_normalized_rgb() -> None:
    white = np.full((32, 32, 3), 255, np.uint8)
    expected = (1 - detection.IMAGENET_MEAN) / detection.IMAGENET_STD
    pixels = detection.network_input(white, published=True)
    assert np.allclose(pixels[:, 0, 0], expected, atol=1e-5)
