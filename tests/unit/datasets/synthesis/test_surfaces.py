"""Surfaces, marking styles and clutter: shape, seed, many kinds, text left untouched."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from industrial_ocr.datasets.synthesis import panels
from industrial_ocr.datasets.synthesis.clutter import draw_clutter
from industrial_ocr.datasets.synthesis.clutter_kinds import CLUTTER_KINDS, ClutterKind
from industrial_ocr.datasets.synthesis.color import blend, mix, tint
from industrial_ocr.datasets.synthesis.marking_styles import MARKING_STYLES, MarkingStyle, mark
from industrial_ocr.datasets.synthesis.materials import SurfaceRecipe
from industrial_ocr.datasets.synthesis.noise import noise, noise_bank
from industrial_ocr.datasets.synthesis.surfaces import SURFACES, render_surface, surface_patch


@pytest.mark.parametrize("size", [(16, 16), (33, 120), (96, 64), (384, 384), (20, 1400)])
def test_surface_has_the_size_asked_for_and_follows_the_seed(size: tuple[int, int]) -> None:
    for seed in range(12):
        first = render_surface(np.random.default_rng(seed), *size)
        again = render_surface(np.random.default_rng(seed), *size)
        assert first.shape == (*size, 3)
        assert first.dtype == np.uint8
        assert np.array_equal(first, again)


@pytest.mark.parametrize("recipe", [recipe for recipe, _ in SURFACES])
def test_every_recipe_draws_any_size(recipe: SurfaceRecipe) -> None:
    for seed, size in enumerate([(16, 16), (17, 301), (301, 17), (200, 260), (64, 64), (99, 98)]):
        image = recipe(np.random.default_rng(seed), *size)
        assert image.shape == (*size, 3)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous


def test_surfaces_differ_in_brightness_color_and_contrast() -> None:
    drawn = [render_surface(np.random.default_rng(seed), 96, 96) for seed in range(200)]
    means = np.array([image.mean() for image in drawn])
    spreads = np.array([image.mean(-1).std() for image in drawn])
    tints = np.array([np.ptp(image.reshape(-1, 3).mean(0)) for image in drawn])
    assert (means < 60).mean() > 0.08
    assert (means > 180).mean() > 0.08
    assert (spreads < 12).mean() > 0.1
    assert (spreads > 45).mean() > 0.08
    assert (tints < 10).mean() > 0.1
    assert (tints > 60).mean() > 0.1
    assert len({image.tobytes() for image in drawn}) == len(drawn)


def _contrast(image: np.ndarray, quad: np.ndarray) -> float:
    x, y = quad.mean(0)
    middle = image[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5].mean()
    corners = np.stack([image[:6, :6], image[-6:, :6], image[:6, -6:], image[-6:, -6:]])
    return float(np.abs(np.median(corners) - middle))


def test_a_part_stands_out_from_its_table_where_its_quad_says() -> None:
    drawn = [panels.render_part(np.random.default_rng(seed), 256, 256) for seed in range(60)]
    assert all(quad.shape == (4, 2) for _, quad in drawn)
    # Bare metal on a white table may be nearly as bright as the table.
    assert np.mean([_contrast(image, quad) > 50 for image, quad in drawn]) > 0.95


def test_a_zoomed_part_is_larger_than_the_picture_and_still_in_sight() -> None:
    for seed in range(30):
        image, quad = panels.render_part(np.random.default_rng(seed), 256, 256, zoom=3.5)
        inside = np.zeros((256, 256), np.uint8)
        cv2.fillConvexPoly(inside, quad.round().astype(np.int32), 1)
        assert image.shape == (256, 256, 3)
        assert np.linalg.norm(quad[1] - quad[0]) > 0.8 * 256
        assert inside.mean() > 0.15


def test_noise_is_centerd_and_streaks_run_along_their_angle() -> None:
    rng = np.random.default_rng(3)
    for name in noise_bank():
        assert abs(float(noise(rng, name, 400, 400).mean()) - 128) < 20, name
    rows = noise(rng, "white", 200, 200, 1.0, 30.0, 0.0).astype(float)
    columns = noise(rng, "white", 200, 200, 1.0, 30.0, np.pi / 2).astype(float)
    assert np.abs(np.diff(rows, axis=1)).mean() < 0.3 * np.abs(np.diff(rows, axis=0)).mean()
    assert np.abs(np.diff(columns, axis=0)).mean() < 0.3 * np.abs(np.diff(columns, axis=1)).mean()


def test_tint_mix_and_blend_on_numbers_known_beforehand() -> None:
    gray = np.array([[0, 51, 255]], np.uint8)
    assert tint(gray, [(0, 100, 255), (255, 100, 0)])[0].tolist() == [
        [0, 100, 255],
        [51, 100, 204],
        [255, 100, 0],
    ]
    assert mix(gray, np.full_like(gray, 128), 0.5, 1.0)[0].tolist() == [64, 90, 192]
    below, above = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 40, np.uint8)
    blend(below, above, gray)
    assert below[0, :, 0].tolist() == [200, 168, 40]


def test_patches_are_decided_by_the_seed_alone() -> None:
    first, again, other = (surface_patch(np.random.default_rng(i), 24, 40) for i in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("size", [(8, 8), (48, 96), (500, 30)])
def test_patches_of_any_size_belong_to_the_caller(size: tuple[int, int]) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        patch = surface_patch(rng, *size)
        assert patch.shape == (*size, 3)
        assert patch.dtype == np.uint8
        before = patch.copy()
        patch[:] = 0
        assert np.array_equal(surface_patch(np.random.default_rng(seed), *size), before)


def test_clutter_leaves_text_alone_and_changes_what_is_around_it() -> None:
    changed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        occupied = np.zeros((200, 240), np.uint8)
        x, y = int(rng.integers(0, 160)), int(rng.integers(0, 150))
        occupied[y : y + 40, x : x + 70] = 1 + seed % 255
        before = rng.integers(60, 200, (200, 240, 3)).astype(np.uint8)
        image = before.copy()
        draw_clutter(rng, image, occupied)
        assert np.array_equal(image[occupied > 0], before[occupied > 0])
        changed += not np.array_equal(image, before)
    assert changed > 40


def test_clutter_follows_the_seed_and_respects_a_full_picture() -> None:
    images = [np.full((128, 128, 3), 90, np.uint8) for _ in range(2)]
    for image in images:
        draw_clutter(np.random.default_rng(11), image, np.zeros((128, 128), np.uint8))
    assert np.array_equal(images[0], images[1])
    full = np.full((128, 128, 3), 90, np.uint8)
    for seed in range(10):
        draw_clutter(np.random.default_rng(seed), full, np.ones((128, 128), np.uint8))
    assert (full == 90).all()


@pytest.mark.parametrize("kind", CLUTTER_KINDS, ids=lambda kind: kind.draw.__name__)
def test_every_kind_of_clutter_marks_its_canvas_upright_and_lying(kind: ClutterKind) -> None:
    for seed in range(20):
        for shape in ((30, 90), (90, 30), (40, 40), (6, 6)):
            canvas = np.full(shape, 128, np.uint8)
            kind.draw(np.random.default_rng(seed), canvas)
            assert (canvas != 128).any() or min(shape) < 10


@pytest.mark.parametrize("style", [style for style, _ in MARKING_STYLES])
def test_every_marking_style_changes_the_picture_at_the_text(style: MarkingStyle) -> None:
    alpha = np.zeros((40, 90), np.float32)
    alpha[12:28, 20:70] = 1
    for seed in range(10):
        image = np.full((40, 90, 3), 25 * seed + 10, np.uint8)
        before = image.copy()
        style(np.random.default_rng(seed), image, alpha)
        changed = np.abs(image.astype(int) - before).max(2) > 2
        assert changed[10:30, 18:72].mean() > 0.05
        assert changed[:, -2:].mean() < 0.1


def test_shares_of_marking_styles_add_up_and_no_text_marks_nothing() -> None:
    assert sum(share for _, share in MARKING_STYLES) == pytest.approx(1)
    image = np.full((20, 30, 3), 90, np.uint8)
    mark(np.random.default_rng(0), image, np.zeros((20, 30), np.uint8))
    assert (image == 90).all()
