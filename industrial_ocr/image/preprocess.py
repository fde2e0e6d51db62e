"""Turns pixels into network input, in training and in inference."""

from __future__ import annotations

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


def on_ground(image: ImageArray, margin: int) -> ImageArray:
    """Adds a border of ``margin`` pixels to (H, W, 3) uint8, in the median color of its edge.

    Print that touches the edge of an image is then read as well as print inside it.
    """
    if not margin:
        return image
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    ground = np.median(rim, axis=0).tolist()
    framed = cv2.copyMakeBorder(
        image, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=ground
    )
    return np.asarray(framed, np.uint8)


def detector_input(gray: ImageArray) -> FloatArray:
    """(H, W) uint8 -> (2, H, W) float32 for the light detector.

    Channel 0 is the brightness, -1 to 1. Channel 1 is the local contrast: the difference to the
    mean of 49 x 49 pixels over their standard deviation. A faint mark on a dark part stays visible
    there, even on a bright table; statistics of the whole image would lose it.
    """
    plain = gray.astype(np.float32)
    window = (49, 49)
    mean = cv2.blur(plain, window)
    variance = np.maximum(cv2.blur(plain * plain, window) - mean * mean, 0)
    local = (plain - mean) / (np.sqrt(variance) + CONTRAST_FLOOR)
    return np.stack([plain / 127.5 - 1, np.clip(local, -4, 4) / 2]).astype(np.float32)


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
