"""Converts pixel arrays to (H, W, 3) uint8 RGB; refuses arrays that are too large or no image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from industrial_ocr.errors import ImageError
from industrial_ocr.image.preprocess import to_rgb
from industrial_ocr.results.types import ImageArray

MAX_PIXELS = 100_000_000
"""Most pixels of one image; a larger image is refused before it is decoded."""
MAX_SIDE = 32_000
"""Longest side in pixels; OpenCV's warps take no image of 32,767 or more."""


def rgb_from_array(array: NDArray[Any], name: str) -> ImageArray:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of any accepted type as a new RGB array.

    Raises:
        ImageError: another shape or type, or values out of range; the message begins with ``name``.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; channels come last: np.moveaxis(image, 0, -1)"
        elif array.ndim == 4:
            hint = "; pass the images of a batch one by one"
        raise ImageError(
            f"{name}: an image is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), "
            f"got shape {array.shape}{hint}"
        )
    check_size(array.shape[1], array.shape[0], name)
    pixels = _to_uint8(array, name)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return rgb_from_rgba(pixels)
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return np.array(pixels, order="C")
    return to_rgb(np.ascontiguousarray(pixels.reshape(pixels.shape[:2])))


def _to_uint8(array: NDArray[Any], name: str) -> ImageArray:
    """Scales bool, integers and floats to 0..255 by the rules of ``load_image``."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise ImageError(
            f"{name}: pixels are bool, integers or floats, got dtype {array.dtype}; "
            "convert with .astype(np.uint8)"
        )
    low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not (np.isfinite(low) and np.isfinite(high)):  # min and max propagate NaN
            raise ImageError(f"{name}: holds NaN or infinite values; replace them first")
        rounding = 1e-3  # error of resizing filters and float16, below one gray level of 255
        if low < -rounding or high > 1 + rounding:
            raise ImageError(
                f"{name}: float images are 0 to 1, got {low:g} to {high:g}; "
                "divide by the full scale, or convert 0..255 with .astype(np.uint8)"
            )
        gray = np.clip(array.astype(np.float32), 0, 1) * np.float32(255)
        return gray.round().astype(np.uint8)
    if low < 0 or high > 65535:
        raise ImageError(
            f"{name}: integer images are 0 to 65535, got {low} to {high}; "
            "scale to 0..255 and convert with .astype(np.uint8)"
        )
    bits = next(b for b in (8, 10, 12, 14, 16) if high < 1 << b)
    return (array.astype(np.uint16) >> (bits - 8)).astype(np.uint8)


def rgb_from_rgba(rgba: ImageArray) -> ImageArray:
    """Composites (H, W, 4) uint8 on a contrasting background -> (H, W, 3).

    The background is black if more than 98 % of the visible pixels are light, else white. Visible
    are those with at least half the alpha of the most opaque pixel.
    """
    alpha = rgba[..., 3]
    seen = alpha > alpha.max() // 2
    if not seen.any() or seen.all():
        return _on_white(rgba)
    gray = rgba[..., :3][seen] @ np.array([0.299, 0.587, 0.114], np.float32)
    if (gray <= 127).mean() >= 0.02:
        return _on_white(rgba)
    inverse = rgba.copy()
    inverse[..., :3] = 255 - rgba[..., :3]
    return np.ascontiguousarray(255 - _on_white(inverse))


def _on_white(rgba: ImageArray) -> ImageArray:
    """Composites (H, W, 4) uint8 on white -> (H, W, 3)."""
    rgb, alpha = rgba[..., :3], rgba[..., 3:].astype(np.uint16)
    # 255 - (255 - c) * a / 255, rounded; 255 * 255 + 127 still fits in 16 bit
    dark = ((255 - rgb) * alpha + 127) // 255
    return np.ascontiguousarray(255 - dark, np.uint8)


def size_limits() -> str:
    """The limits and what to do, for an error message."""
    return f"the limit is {MAX_PIXELS:,} pixels and {MAX_SIDE:,} a side: shrink or cut the image"


def check_size(width: int, height: int, name: str) -> None:
    """Raises ImageError for an image without pixels or beyond the limits."""
    if width < 1 or height < 1:
        raise ImageError(f"{name}: has no pixels, its size is {width} x {height}")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(
            f"{name}: {width} x {height} is {width * height:,} pixels; {size_limits()}"
        )
