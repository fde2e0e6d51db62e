"""Whole pictures with several strings and their exact places, for the detector."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.chance import log_uniform
from industrial_ocr.datasets.synthesis.clutter import draw_clutter
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import CAP_HEIGHT, Mask
from industrial_ocr.datasets.synthesis.layout import Block, LabeledString, random_block, shrunk
from industrial_ocr.datasets.synthesis.marking_styles import mark, worn
from industrial_ocr.datasets.synthesis.neighborhood import emblems, with_gaps
from industrial_ocr.datasets.synthesis.noise import sensor_noise
from industrial_ocr.datasets.synthesis.panels import render_part
from industrial_ocr.datasets.synthesis.plain import PlainPrinter
from industrial_ocr.datasets.synthesis.surfaces import render_surface
from industrial_ocr.datasets.synthesis.text import random_text, shipped_words
from industrial_ocr.results.geometry import edge_lengths, oriented_quad, rect_quad, rotate_quad
from industrial_ocr.results.types import FloatArray, ImageArray

CHARACTER_HEIGHTS = (8.0, 130.0)
"""Smallest and largest height of characters in scenes, in pixels."""
MAGNIFIED_HEIGHTS = (32.0, 64.0)
"""The same of most characters in scenes that are magnified, as multi-scale detection shows them."""
ZOOMS = (1.3, 5.0)
"""Smallest and largest factor by which these are magnified."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and its strings.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        strings: strings with quads in pixels of ``image``, without characters that the border cuts.
    """

    image: ImageArray
    strings: tuple[LabeledString, ...]


@dataclass(frozen=True, eq=False)
class _Placement:
    """A block, its matrix to the picture, and there its corners and its height of capitals."""

    block: Block
    matrix: FloatArray
    hull: FloatArray
    height: float


def _homography(rng: Generator, block: Block, height: float, center: FloatArray) -> FloatArray:
    """Block pixels -> scene pixels: scale, turn, slant and a little perspective."""
    rows, cols = block.mask.shape
    scale = height / CAP_HEIGHT
    kind = rng.random()
    if kind < 0.42:
        angle = rng.normal(0, 0.05)
    elif kind < 0.66:
        angle = rng.uniform(-0.5, 0.5)
    elif kind < 0.86:
        angle = float(rng.choice([-0.5, 0.5, 1.0]) * np.pi + rng.normal(0, 0.08))
    else:
        angle = rng.uniform(-np.pi, np.pi)
    condensed = rng.random() < 0.22  # as on license plates and labels
    stretch = float(np.exp(rng.normal(-0.35, 0.2) if condensed else rng.normal(0, 0.16)))
    shear = rng.normal(0, 0.08) if rng.random() < 0.8 else rng.uniform(-0.45, 0.45)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]]) @ np.array([[1, shear], [0, 1]])
    linear = turn @ np.diag([scale * stretch, scale])
    corners = rect_quad(0, 0, cols, rows)
    target = (corners.astype(np.float64) - [cols / 2, rows / 2]) @ linear.T
    if rng.random() < 0.35:
        extent = np.ptp(target, axis=0)
        target *= 1 + rng.normal(0, 0.035, (4, 2)) * (extent.min() / (extent + 1))
    target = (target + center).astype(np.float32)
    return cv2.getPerspectiveTransform(corners, target).astype(np.float32)


def _warp_into(placed: _Placement, mask: Mask, shape: tuple[int, int]) -> tuple[Mask, int, int]:
    """The part of the mask inside the picture, and its place: (mask, x, y)."""
    scale, matrix = placed.height / CAP_HEIGHT, placed.matrix
    if scale < 0.7:
        mask, smaller = shrunk(mask, matrix, scale * 1.25)
        matrix = smaller.astype(np.float32)
    corners = rect_quad(0, 0, mask.shape[1], mask.shape[0])[None]
    spread = cv2.perspectiveTransform(corners, matrix)[0]
    x0, y0 = np.maximum(np.floor(spread.min(0)).astype(int) - 6, 0)
    x1, y1 = np.minimum(spread.max(0).astype(int) + 7, shape[::-1])
    if x1 <= x0 or y1 <= y0:
        return np.zeros((0, 0), np.uint8), 0, 0
    shift = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1]], np.float32)
    out = cv2.warpPerspective(mask, shift @ matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    if scale > 1.4:
        out = cv2.convertScaleAbs(cv2.GaussianBlur(out, (0, 0), scale), alpha=3, beta=-255)
    return out.astype(np.uint8), int(x0), int(y0)


def _claim(occupied: Mask, hull: FloatArray) -> bool:
    """Marks a hull and a small margin as taken, unless a part of it is taken already."""
    middle = hull.mean(0)
    grown = (hull - middle) * 1.08 + middle
    low = np.maximum(np.floor(grown.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(grown.max(0)) + 1, occupied.shape[::-1]).astype(int)
    if (high <= low).any():
        return False
    part = occupied[low[1] : high[1], low[0] : high[0]]
    trial = np.zeros_like(part)
    cv2.fillConvexPoly(trial, np.round(grown - low).astype(np.int32), 1)
    if (trial & part).any():
        return False
    np.maximum(part, trial, out=part)
    return True


def _draw_panel(rng: Generator, image: ImageArray, hull: FloatArray) -> None:
    """A plate, label or dark body under the text, often against a contrasting ground, in place."""
    middle = hull.mean(0)
    grown = (hull - middle) * rng.uniform(1.02, 1.3, 2) + middle
    points = np.round(grown * 8).astype(np.int32)
    color = np.clip(rng.uniform(0, 255) + rng.normal(0, 18, 3), 0, 255)
    overlay = image.copy()
    cv2.fillConvexPoly(overlay, points, color.tolist(), cv2.LINE_AA, 3)
    strength = float(rng.choice([1.0, 0.9, 0.6]))
    cv2.addWeighted(overlay, strength, image, 1 - strength, 0, dst=image)
    x0, y0 = np.maximum(grown.min(0).astype(int), 0)
    x1, y1 = grown.max(0).astype(int) + 1
    view = image[y0:y1, x0:x1]
    if view.size and rng.random() < 0.5:
        noise = sensor_noise(rng, view.shape[:2], rng.uniform(1, 8))[..., None]
        view[...] = np.clip(view + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        frame = np.clip(255 - color + rng.normal(0, 30, 3), 0, 255).tolist()
        if rng.random() < 0.5:
            points = np.round(((hull - middle) * 1.02 + middle) * 8).astype(np.int32)
        cv2.polylines(image, [points], True, frame, int(rng.integers(1, 4)), cv2.LINE_AA, 3)


@dataclass
class SceneRenderer:
    """Renders labeled scenes; the same seed gives the same scenes.

    Args:
        fonts: folders with font files.
        size: (height, width) of the pictures.
        plain: share of scenes that are labels in plain print (``datasets.synthesis.plain``).
        magnified: share of scenes that are rendered smaller and then magnified to ``size``.
    """

    fonts: tuple[str | Path, ...] = ()
    size: tuple[int, int] = (384, 384)
    plain: float = 0.0
    magnified: float = 0.0
    faces: FaceLibrary = field(init=False)

    def __post_init__(self) -> None:
        self.faces = FaceLibrary(self.fonts)
        self._vocabulary = shipped_words()
        self._camera = Camera()
        self._printer = PlainPrinter(self.faces, self._vocabulary)

    def _text(self, rng: Generator) -> str:
        text = random_text(rng, self._vocabulary, word_share=0.25)
        return with_gaps(rng, text) if rng.random() < 0.12 else text

    def _place(
        self, rng: Generator, occupied: Mask, height: float, block: Block
    ) -> _Placement | None:
        """Finds free space for a block, which may be made smaller; None if there is none."""
        rows, cols = self.size
        tall, wide = block.mask.shape
        for attempt in range(5):
            center = rng.uniform([0.02 * cols, 0.02 * rows], [0.98 * cols, 0.98 * rows])
            matrix = _homography(rng, block, height, center.astype(np.float32))
            hull = cv2.perspectiveTransform(rect_quad(0, 0, wide, tall)[None], matrix)[0]
            low, high = hull.min(0), hull.max(0)
            if attempt < 4 and ((high - low) < [cols, rows]).all() and rng.random() < 0.8:
                shift = np.maximum(-low, 0) - np.maximum(high - [cols, rows], 0)
                move = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]], np.float32)
                matrix, hull = (move @ matrix).astype(np.float32), hull + shift
            if _claim(occupied, hull):
                return _Placement(block, matrix, hull.astype(np.float32), height)
            height = max(CHARACTER_HEIGHTS[0], height * 0.95)
        return None

    def _on_part(self, rng: Generator, occupied: Mask, quad: FloatArray) -> _Placement:
        """A block that fills the face of a part along its longer side."""
        block = random_block(rng, self.faces, self._text)
        rows, cols = block.mask.shape
        width, height = edge_lengths(quad)
        if (width < height) != (cols < rows):
            quad, width, height = rotate_quad(quad, int(rng.choice([1, 3]))), height, width
        elif rng.random() < 0.3:
            quad = rotate_quad(quad, 2)
        scale = rng.uniform(0.5, 0.97) * min(width / cols, height / rows)
        scale = float(np.clip(scale, *np.divide(CHARACTER_HEIGHTS, CAP_HEIGHT)))
        axis = (quad[1] - quad[0]) / max(width, 1e-3)
        slack = np.maximum([width - cols * scale, height - rows * scale], 0) * 0.4
        move = rng.uniform(-1, 1, 2) * slack
        center = quad.mean(0) + axis * move[0] + np.array([-axis[1], axis[0]]) * move[1]
        hull = oriented_quad(center, axis, cols * scale, rows * scale)
        matrix = cv2.getPerspectiveTransform(rect_quad(0, 0, cols, rows), hull).astype(np.float32)
        cv2.fillConvexPoly(occupied, np.round(hull).astype(np.int32), 1)
        return _Placement(block, matrix, hull, scale * CAP_HEIGHT)

    def render(
        self, seed: int | tuple[int, ...], required: Callable[[Generator], Block] | None = None
    ) -> Scene:
        """The scene for a seed, with the block that ``required`` makes if there is space for it."""
        rng = np.random.default_rng(seed)
        if self.magnified and rng.random() < self.magnified:
            return self._magnified_scene(rng)
        # Codes in inspection pictures are mostly 12 to 60 pixels high.
        return self._scene(rng, (20.0, 34.0), (0.45, 0.65), required)

    def _magnified_scene(self, rng: Generator) -> Scene:
        """A smaller scene, magnified to the usual size."""
        zoom, height = log_uniform(rng, *ZOOMS), log_uniform(rng, *MAGNIFIED_HEIGHTS)
        small = copy(self)
        small.size = round(self.size[0] / zoom), round(self.size[1] / zoom)
        scene = small._scene(rng, (height / zoom,) * 2, (0.1, 0.1))
        shape = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
        image = cv2.resize(scene.image, self.size[::-1], interpolation=shape)
        grow = np.diag([*np.divide(self.size, small.size)[::-1], 1.0]).astype(np.float32)
        strings = tuple(string.moved(grow) for string in scene.strings)
        return Scene(np.asarray(image, np.uint8), strings)

    def _scene(
        self,
        rng: Generator,
        usual: tuple[float, float],
        spread: tuple[float, float],
        required: Callable[[Generator], Block] | None = None,
    ) -> Scene:
        """A label or another scene.

        Args:
            rng: source of chance.
            usual: median height of the characters of labels and of other scenes, in pixels.
            spread: standard deviation of the logarithm of this height from scene to scene.
            required: see ``render``.
        """
        if self.plain and rng.random() < self.plain:
            height = usual[0] * float(np.exp(rng.normal(0, spread[0])))
            return Scene(*self._printer.label(rng, self.size, height))
        occupied = np.zeros(self.size, np.uint8)
        placements: list[_Placement] = []
        wanted = int(rng.choice([0, 1, 2, 4, 6, 9, 14], p=[0.04, 0.12, 0.18, 0.22, 0.2, 0.14, 0.1]))
        if rng.random() < 0.16:
            image, quad = render_part(rng, *self.size, zoom=log_uniform(rng, 1, 3.5))
            placements.append(self._on_part(rng, occupied, quad))
            wanted = int(wanted * rng.choice([0, 0, 0.5]))
        else:
            image = render_surface(rng, *self.size)
        common = usual[1] * float(np.exp(rng.normal(0, spread[1])))
        if required is not None:
            placed = self._place(rng, occupied, common, required(rng))
            placements += [] if placed is None else [placed]
        misses = 0
        while len(placements) < wanted and misses < 2:
            height = float(np.clip(common * np.exp(rng.normal(0, 0.3)), *CHARACTER_HEIGHTS))
            block = random_block(rng, self.faces, self._text)
            placed = self._place(rng, occupied, height, block)
            if placed is None:
                misses += 1  # the picture is nearly full
            else:
                placements.append(placed)
        return self._draw(rng, image, occupied, placements)

    def _draw(
        self, rng: Generator, image: ImageArray, occupied: Mask, placements: list[_Placement]
    ) -> Scene:
        """Panels, clutter, texts, then the camera."""
        for placed in placements:
            if rng.random() < 0.22:
                _draw_panel(rng, image, placed.hull)
        draw_clutter(rng, image, occupied)
        strings: list[LabeledString] = []
        for placed in placements:
            strings += self._write(rng, image, placed)
        detail = min((s.least_height() for s in strings), default=20.0)
        image = self._camera.shoot(rng, image, detail)
        return Scene(np.ascontiguousarray(image), tuple(strings))

    def _write(self, rng: Generator, image: ImageArray, placed: _Placement) -> list[LabeledString]:
        """Marks a block on the picture, in place; returns its visible strings."""
        mask, x, y = _warp_into(placed, worn(rng, placed.block.mask), self.size)
        if not mask.size:
            return []
        mark(rng, image[y : y + mask.shape[0], x : x + mask.shape[1]], mask)
        moved = [s.moved(placed.matrix) for s in placed.block.strings]
        for string in moved:
            if string.direction == "horizontal" and rng.random() < 0.5:
                emblems(rng, image, string)
        visible = (string.visible(self.size) for string in moved)
        return [string for string in visible if string is not None]
