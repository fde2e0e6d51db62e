"""Quads, overlaps and warps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from industrial_ocr.results.types import FloatArray, ImageArray

F = TypeVar("F", np.float32, np.float64)
Rectangle = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


def unit_vector(vector: NDArray[F]) -> NDArray[F]:
    """A (2,) vector scaled to length 1; the zero vector stays zero."""
    unit: NDArray[F] = vector / max(math.hypot(*vector.tolist()), 1e-6)
    return unit


def normal_vector(axis: NDArray[F]) -> NDArray[F]:
    """A (2,) vector turned by 90 degrees, clockwise on the screen: from x to y."""
    return np.array([-axis[1], axis[0]], axis.dtype)


def rect_quad(x0: float, y0: float, x1: float, y1: float) -> FloatArray:
    """The quad of an upright rectangle."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def oriented_quad(center: ArrayLike, axis: ArrayLike, width: float, height: float) -> FloatArray:
    """A rectangle by its center (2,) and size; ``axis`` (2,) is the unit vector along its top edge.

    The axis of an upright character is (1, 0); ``width`` is along the axis, ``height`` across.
    """
    x, y = np.asarray(center, np.float32).tolist()
    u, v = np.asarray(axis, np.float32).tolist()
    ax, ay, bx, by = u * width / 2, v * width / 2, -v * height / 2, u * height / 2
    return np.array(
        [
            [x - ax - bx, y - ay - by],
            [x + ax - bx, y + ay - by],
            [x + ax + bx, y + ay + by],
            [x - ax + bx, y - ay + by],
        ],
        np.float32,
    )


def inside(quad: ArrayLike, point: ArrayLike) -> bool:
    """Whether a point (2,) lies in a quad (4, 2) or on its border."""
    x, y = np.asarray(point, np.float64).tolist()
    return bool(cv2.pointPolygonTest(np.asarray(quad, np.float32), (x, y), False) >= 0)


def points_inside(quads: ArrayLike, points: ArrayLike) -> NDArray[np.bool_]:
    """(N, M) whether each of N points (N, 2) lies in each of M convex quads (M, 4, 2)."""
    corners = np.asarray(quads, np.float64)
    edges = np.roll(corners, -1, axis=1) - corners
    away = np.asarray(points, np.float64)[:, None, None] - corners
    sides = edges[..., 0] * away[..., 1] - edges[..., 1] * away[..., 0]
    one_side = np.all(sides >= 0, axis=2) | np.all(sides <= 0, axis=2)
    return np.asarray(one_side, np.bool_)


def bounds(quad: ArrayLike) -> Rectangle:
    """The upright rectangle around any number of points (..., 2)."""
    points = np.asarray(quad, np.float32).reshape(-1, 2)
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    return float(x0), float(y0), float(x1), float(y1)


def edge_lengths(quad: ArrayLike) -> tuple[float, float]:
    """Mean width (top and bottom edge) and mean height (left and right edge) of a quad."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = np.asarray(quad, np.float32).tolist()
    width = math.hypot(bx - ax, by - ay) + math.hypot(cx - dx, cy - dy)
    height = math.hypot(dx - ax, dy - ay) + math.hypot(cx - bx, cy - by)
    return width / 2, height / 2


def area(quad: ArrayLike) -> float:
    """Area of a simple polygon (N, 2)."""
    return float(cv2.contourArea(np.asarray(quad, np.float32)))


def iou(a: ArrayLike, b: ArrayLike) -> float:
    """Intersection over union of two convex quads; 0 if either has no area."""
    qa, qb = np.asarray(a, np.float32), np.asarray(b, np.float32)
    area_a, area_b = area(qa), area(qb)
    if area_a <= 0 or area_b <= 0:
        return 0.0
    common, _ = cv2.intersectConvexConvex(qa, qb)
    return float(common / (area_a + area_b - common))


def box_iou(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Pairwise IoU of upright boxes (N, 4) and (M, 4) as x0, y0, x1, y1 -> (N, M)."""
    p = np.asarray(a, np.float32).reshape(-1, 1, 4)
    q = np.asarray(b, np.float32).reshape(1, -1, 4)
    low, high = np.maximum(p[..., :2], q[..., :2]), np.minimum(p[..., 2:], q[..., 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=-1)
    size = np.prod(p[..., 2:] - p[..., :2], -1) + np.prod(q[..., 2:] - q[..., :2], -1)
    union = np.maximum(size - common, 1e-9)
    result: FloatArray = (common / union).astype(np.float32)
    return result


def centers_meet(a: ArrayLike, b: ArrayLike) -> bool:
    """Whether the center of one of two quads (4, 2) lies inside the other."""
    qa, qb = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return inside(qa, qb.mean(0)) or inside(qb, qa.mean(0))


def expand_quad(quad: ArrayLike, x: float, y: float) -> FloatArray:
    """A quad with its sides moved out, left and right by ``x``, top and bottom by ``y`` pixels."""
    q = np.asarray(quad, np.float32)
    u = mean_axis(q) * x
    v = unit_vector((q[3] - q[0]) + (q[2] - q[1])) * y
    grown: FloatArray = (q + np.stack([-u - v, u - v, u + v, v - u])).astype(np.float32)
    return grown


def quad_part(quad: FloatArray, start: float, stop: float) -> FloatArray:
    """The part of a quad (4, 2) between two shares of its length, 0 to 1."""
    top, bottom = quad[1] - quad[0], quad[2] - quad[3]
    corners = [
        quad[0] + top * start,
        quad[0] + top * stop,
        quad[3] + bottom * stop,
        quad[3] + bottom * start,
    ]
    return np.stack(corners).astype(np.float32)


def rotate_quad(quad: ArrayLike, quarter_turns: int) -> FloatArray:
    """The quad of the character turned clockwise; 1 makes the second corner its top-left one."""
    return np.roll(np.asarray(quad, np.float32), -quarter_turns, axis=0)


def axis_of(quad: FloatArray, vertical: bool = False) -> FloatArray:
    """(2,) unit vector along a quad's top edge, or down its left one."""
    return unit_vector(quad[3] - quad[0] if vertical else quad[1] - quad[0])


def mean_axis(quad: FloatArray) -> FloatArray:
    """(2,) unit vector along a quad, the mean of its top and bottom edges."""
    return unit_vector((quad[1] - quad[0]) + (quad[2] - quad[3]))


def enclosing_quad(quads: Sequence[ArrayLike], axis: ArrayLike) -> FloatArray:
    """The smallest rectangle along ``axis`` (unit vector) around all points of all quads."""
    u = np.asarray(axis, np.float32)
    v = normal_vector(u)
    points = np.concatenate([np.asarray(q, np.float32) for q in quads])
    s, t = points @ u, points @ v
    corners = [(s.min(), t.min()), (s.max(), t.min()), (s.max(), t.max()), (s.min(), t.max())]
    return np.stack([a * u + b * v for a, b in corners]).astype(np.float32)


def quad_around(quads: Sequence[FloatArray]) -> FloatArray:
    """The smallest rectangle around all quads, turned like the top edge of the first one."""
    return enclosing_quad(quads, axis_of(quads[0]))


def line_quad(quads: Sequence[FloatArray]) -> FloatArray:
    """The rectangle along the letters' mean axis around all quads of a line."""
    tops = np.sum([q[1] - q[0] for q in quads], axis=0, dtype=np.float64)
    return enclosing_quad(quads, unit_vector(np.asarray(tops)))


def warp_quad(image: ImageArray, quad: ArrayLike, width: int, height: int) -> ImageArray:
    """The content of a quad as an upright (height, width[, 3]) picture.

    If the quad is much larger than the output, the source is first reduced by area averaging, so
    that thin strokes become fainter instead of vanishing. Beyond the border the edge is repeated.
    """
    q = np.asarray(quad, np.float32)
    xs, ys = q.T.tolist()
    x0, y0, x1, y1 = min(xs), min(ys), max(xs), max(ys)
    pad = 2
    left, top = max(0, int(x0) - pad), max(0, int(y0) - pad)
    right = min(image.shape[1], math.ceil(x1) + pad + 1)
    bottom = min(image.shape[0], math.ceil(y1) + pad + 1)
    if right <= left or bottom <= top:
        return np.zeros((height, width, *image.shape[2:]), np.uint8)
    patch = image[top:bottom, left:right]
    q = q - np.array([left, top], np.float32)
    across, down = edge_lengths(q)
    shrink = min(across / width, down / height)
    if shrink > 1.5 and min(patch.shape[:2]) > 4:
        size = (max(1, round(patch.shape[1] / shrink)), max(1, round(patch.shape[0] / shrink)))
        scale = np.array([size[0] / patch.shape[1], size[1] / patch.shape[0]], np.float32)
        patch = cv2.resize(patch, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        q = q * scale
    target = rect_quad(0, 0, width, height)
    matrix = cv2.getPerspectiveTransform(q - 0.5, target - 0.5)
    warped = cv2.warpPerspective(
        patch, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def quad_crop(image: ImageArray, quad: ArrayLike) -> ImageArray:
    """``warp_quad`` to the quad's own size, but at least 8 pixels a side."""
    width, height = edge_lengths(quad)
    return warp_quad(image, quad, max(8, round(width)), max(8, round(height)))


def glyph_window(quad: ArrayLike) -> FloatArray:
    """The square along the edges of a character's quad that becomes the classifier's crop.

    Its side is 1.3 times the longer side of the quad.
    """
    q = np.asarray(quad, np.float32)
    axis = mean_axis(q)
    side = 1.3 * max(max(edge_lengths(q)), 2.0)
    return oriented_quad(q.mean(axis=0), axis, side, side)


def length_ratios(quads: Sequence[FloatArray], vertical: bool) -> NDArray[np.float64]:
    """(N,) lengths of a string's character quads (4, 2) along it, divided by their median.

    ``vertical`` is whether the characters stand under each other.
    """
    lengths = np.array([edge_lengths(q)[int(vertical)] for q in quads], np.float64)
    ratios: NDArray[np.float64] = lengths / max(float(np.median(lengths)), 1e-6)
    return ratios


def clear_gaps(quads: Sequence[FloatArray], vertical: bool) -> NDArray[np.float64]:
    """(N - 1,) pixels between neighboring quads of a string; negative where they overlap."""
    lengths = np.array([edge_lengths(q)[int(vertical)] for q in quads], np.float64)
    centers = np.array([q.mean(axis=0) for q in quads], np.float64)
    axes = np.array([axis_of(q, vertical) for q in quads], np.float64)
    steps = (np.diff(centers, axis=0) * axes[:-1]).sum(axis=1)
    gaps: NDArray[np.float64] = steps - (lengths[:-1] + lengths[1:]) / 2
    return gaps


def with_margin(quad: FloatArray, margin: float) -> FloatArray:
    """A string's quad with a margin, given as a multiple of its height.

    A positive margin moves all four edges outwards. A negative one moves only the top and the
    bottom inwards, because the string fills the whole length of its crop.
    """
    along = edge_lengths(quad)[1] * margin
    return expand_quad(quad, max(along, 0.0), along)
