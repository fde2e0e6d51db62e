"""Turns pixels into network input, in training and in inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from industrial_ocr.results.types import FloatArray, ImageArray

CONTRAST_FLOOR = 5.0
"""Gray levels below which contrast is taken for noise and not amplified further."""


def to_gray(image: ImageArray) -> ImageArray:
    """(H, W, 3) RGB or (H, W) gray -> (H, W) uint8."""
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def to_rgb(image: ImageArray) -> ImageArray:
    """(H, W) gray or (H, W, 3) RGB -> (H, W, 3) uint8."""
    if image.ndim == 3:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)


def without_color(image: ImageArray) -> ImageArray:
    """(H, W) of an (H, W, 3) RGB image with three equal channels; another image as it is."""
    red, green, blue = cv2.split(image)
    gray = np.array_equal(red, green) and np.array_equal(green, blue)
    return np.asarray(red, np.uint8) if gray else image


def with_border(image: ImageArray, margin: int) -> ImageArray:
    """Adds a border of ``margin`` pixels to (H, W, 3) uint8, in the median color of its edge.

    Print that touches the edge of an image is then read as well as print inside it.
    """
    if not margin:
        return image
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    color = np.median(edge, axis=0).tolist()
    sides = (margin, margin, margin, margin)
    return np.asarray(cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=color), np.uint8)


def detector_input(gray: ImageArray) -> FloatArray:
    """(H, W) uint8 -> (2, H, W) float32 for the light detector.

    Channel 0 is the brightness, -1 to 1. Channel 1 is the local contrast: the difference to the
    mean of 49 x 49 pixels, divided by their standard deviation. It shows a faint mark on a dark
    part, even on a bright table; statistics of the whole image would hide it.
    """
    channels = np.empty((2, *gray.shape), np.float32)
    plain, local = channels
    mean = np.asarray(cv2.boxFilter(gray, cv2.CV_32F, (49, 49)), np.float32)
    spread = np.asarray(cv2.sqrBoxFilter(gray, cv2.CV_32F, (49, 49)), np.float32)
    # In place: of a large image, new arrays take most of the time.
    spread -= np.multiply(mean, mean, out=plain)
    np.sqrt(np.maximum(spread, 0, out=spread), out=spread)
    spread += CONTRAST_FLOOR
    plain[:] = gray
    np.subtract(plain, mean, out=local)
    local /= spread
    np.clip(local, -4, 4, out=local)
    local /= 2
    plain /= 127.5
    plain -= 1
    return channels


def edge_width(gray: ImageArray) -> float:
    """Width in pixels of the steepest edges of an (H, W) uint8 image, 0 without contrast.

    It is the image's contrast divided by their slope; 1 is sharp.
    """
    low, high = np.percentile(gray, (5, 95))
    across = cv2.Sobel(gray, cv2.CV_32F, 1, 0, ksize=3) / 8
    down = cv2.Sobel(gray, cv2.CV_32F, 0, 1, ksize=3) / 8
    slope = float(np.percentile(np.hypot(across, down), 98))
    contrast = float(high - low)
    return contrast / slope if contrast > CONTRAST_FLOOR and slope > 0 else 0.0


def normalize_crops(crops: ImageArray) -> FloatArray:
    """Gray crops (..., H, W) uint8 -> float32, each with zero mean and unit contrast of its own."""
    plain = crops.astype(np.float32)
    mean = plain.mean(axis=(-2, -1), keepdims=True)
    deviation = plain.std(axis=(-2, -1), keepdims=True)
    normalized: FloatArray = (plain - mean) / (deviation + CONTRAST_FLOOR)
    return normalized


@dataclass(frozen=True)
class StripInput:
    """How a recognizer takes a strip, and which of its pixels a frame of its output shows.

    Attributes:
        rows: height of a strip in pixels.
        channels: 1 for gray, 3 for BGR.
        own_contrast: normalize each strip to zero mean and unit contrast, as in our training;
            False scales brightness to -1..1, as crnn.pytorch and PP-OCR do.
        zero_padding: fill a strip that is narrower than its batch with zeros instead of its edge.
        min_width: narrower strips are padded to this width in pixels.
        stride: pixels from one frame to the next.
        center: pixels from the left edge to the middle of the first frame.
    """

    rows: int = 32
    channels: int = 1
    own_contrast: bool = True
    zero_padding: bool = False
    min_width: int = 0
    stride: float = 4.0
    center: float = 0.0

    def frames(self, width: int) -> int:
        """The number of frames whose middles lie within a strip of this width."""
        return max(1, int((width - self.center) // self.stride) + 1)

    def batch(self, strips: Sequence[ImageArray], width: int) -> FloatArray:
        """Strips (rows, W[, 3]) RGB or gray, padded on the right -> (N, channels, rows, width)."""
        if self.zero_padding:
            values = np.zeros((len(strips), self.channels, self.rows, width), np.float32)
            for row, strip in zip(values, strips, strict=True):
                row[:, :, : strip.shape[1]] = self._values(strip[None])[0]
            return values
        padded = [
            cv2.copyMakeBorder(s, 0, 0, 0, width - s.shape[1], cv2.BORDER_REPLICATE) for s in strips
        ]
        return self._values(np.stack(padded).astype(np.uint8))

    def _values(self, strips: ImageArray) -> FloatArray:
        """(N, rows, W[, 3]) uint8 -> (N, channels, rows, W)."""
        channels = strips[:, None] if strips.ndim == 3 else strips[..., ::-1].transpose(0, 3, 1, 2)
        if self.own_contrast:
            return normalize_crops(channels)
        return channels.astype(np.float32) / 127.5 - 1
