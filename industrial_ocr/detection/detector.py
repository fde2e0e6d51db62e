"""Runs the CRAFT network on whole images: scales, tiles and batches them, and joins the maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from industrial_ocr.config import DetectionConfig
from industrial_ocr.image.preprocess import detector_input, to_gray, to_rgb
from industrial_ocr.results.types import FloatArray, ImageArray, ScoreMaps

STRIDE = 2
"""Network pixels per map pixel."""
MULTIPLE = 32
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, eq=False)
class _Tile:
    """One tile of a scaled image; only its ``core`` (x0, y0, x1, y1) is copied to the maps."""

    image: int
    pixels: ImageArray
    x: int
    y: int
    core: tuple[int, int, int, int]


def network_scale(height: int, width: int, config: DetectionConfig) -> float:
    """Network pixels per source pixel (see ``DetectionConfig`` for the rule)."""
    if config.shrink_to_short_side:
        return min(config.short_side / min(height, width), 8.0) * config.mag_ratio
    scale = min(1.0, config.long_side / max(height, width))
    scale = max(scale, 1 / config.max_shrink)
    scale = max(scale, min(config.short_side / min(height, width), 8.0))
    return scale * config.mag_ratio


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Start of each tile: tiles cover ``length`` evenly and overlap by ``overlap`` or more."""
    if length <= tile:
        return [0]
    count = int(np.ceil((length - overlap) / (tile - overlap)))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def _cores(starts: Sequence[int], tile: int, length: int) -> list[tuple[int, int]]:
    """Start and end of each tile's core: from the middle of one overlap to that of the next."""
    edges = [0] + [(a + tile + b) // 2 for a, b in zip(starts, starts[1:], strict=False)] + [length]
    even = [e - e % STRIDE if 0 < e < length else e for e in edges]
    return list(zip(even[:-1], even[1:], strict=True))


def _tiles(index: int, scaled: ImageArray, config: DetectionConfig) -> list[_Tile]:
    height, width = scaled.shape[:2]
    side = config.tile_size
    rows, cols = (
        _starts(height, side, config.tile_overlap),
        _starts(width, side, config.tile_overlap),
    )
    tiles = []
    for y, (top, bottom) in zip(rows, _cores(rows, side, height), strict=True):
        for x, (left, right) in zip(cols, _cores(cols, side, width), strict=True):
            y, x = y + y % STRIDE, x + x % STRIDE
            pixels = scaled[y : y + side, x : x + side]
            tiles.append(_Tile(index, pixels, x, y, (left, top, right, bottom)))
    return tiles


def _padded(pixels: ImageArray) -> ImageArray:
    """Pads the bottom and the right to multiples of 32 by repeating the edge."""
    down, right = -pixels.shape[0] % MULTIPLE, -pixels.shape[1] % MULTIPLE
    grown = cv2.copyMakeBorder(pixels, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(grown, np.uint8)


def network_input(pixels: ImageArray, published: bool) -> FloatArray:
    """The input of a CRAFT network.

    Args:
        pixels: (H, W, 3) uint8 RGB or (H, W) gray.
        published: the network is one of the authors of CRAFT.

    Returns:
        (C, H, W) float32: normalized RGB for a published network, else ``detector_input``.
    """
    if not published:
        return detector_input(to_gray(pixels))
    normal = (to_rgb(pixels).astype(np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_STD
    return np.ascontiguousarray(normal.transpose(2, 0, 1), np.float32)


class Detector:
    """A CRAFT network for images of any size.

    Args:
        network: (N, C, H, W) float32 -> (N, 2, H / 2, W / 2) region and affinity.
        published: which input the network takes, see ``network_input``.
        settings: configuration values that suit this network, by section (``config.suited``).
        finder: another detector that finds the strings of whole images, see ``cutting``.
    """

    def __init__(
        self,
        network: Callable[[FloatArray], FloatArray],
        published: bool = False,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        finder: Detector | None = None,
    ) -> None:
        self._network, self._published = network, published
        self.settings, self.finder = settings or {}, finder

    def _score(self, batch: Sequence[ImageArray]) -> FloatArray:
        """Padded images of one size -> (N, 2, H / 2, W / 2) in 0..1."""
        maps = self._network(np.stack([network_input(pixels, self._published) for pixels in batch]))
        return np.clip(maps, 0, 1)

    def detect(self, images: Sequence[ImageArray], config: DetectionConfig) -> list[ScoreMaps]:
        """Region and affinity maps of each image.

        Args:
            images: (H, W, 3) uint8 RGB or (H, W) gray each, sizes may differ.
            config: scale, tiles and batches.

        Returns:
            One ``ScoreMaps`` per image.
        """
        tiles: list[_Tile] = []
        canvases: list[FloatArray] = []
        scales: list[tuple[float, float]] = []
        for index, image in enumerate(images):
            height, width = image.shape[:2]
            scale = network_scale(height, width, config)
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            scaled = (
                image
                if scale == 1
                else np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)
            )
            tiles += _tiles(index, scaled, config)
            shape = (2, -(-size[1] // STRIDE), -(-size[0] // STRIDE))
            canvases.append(np.zeros(shape, np.float32))
            scales.append((width / size[0] * STRIDE, height / size[1] * STRIDE))
        groups: dict[tuple[int, ...], list[_Tile]] = defaultdict(list)
        for tile in tiles:
            groups[_padded(tile.pixels).shape].append(tile)
        for group in groups.values():
            for start in range(0, len(group), config.batch_size):
                part = group[start : start + config.batch_size]
                for tile, maps in zip(
                    part, self._score([_padded(t.pixels) for t in part]), strict=True
                ):
                    left, top, right, bottom = (-(-c // STRIDE) for c in tile.core)
                    x, y = tile.x // STRIDE, tile.y // STRIDE
                    core = maps[:, top - y : bottom - y, left - x : right - x]
                    canvases[tile.image][:, top:bottom, left:right] = core
        return [ScoreMaps(c[0], c[1], s) for c, s in zip(canvases, scales, strict=True)]
