"""What stands around a string in a loose crop."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.datasets.synthesis.glyphs import FontFace
from industrial_ocr.datasets.synthesis.layout import LabeledString, line_of_text
from industrial_ocr.datasets.synthesis.neighborhood import (
    loose_margins,
    surround,
    with_gaps,
    with_sign,
)
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.results.geometry import rect_quad

SEEDS = range(40)


@pytest.fixture(scope="module")
def loose() -> StripRenderer:
    """Every line cut loosely, nothing spoilt by the camera."""
    return StripRenderer(loose=1.0, camera=0.0, heights=(24.0, 40.0))


def test_the_same_seed_gives_the_same_strip_whatever_came_before(loose: StripRenderer) -> None:
    first = loose.render((3, 1), "AB12CD")
    loose.render((3, 2))
    again = loose.render((3, 1), "AB12CD")
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.string.quads, again.string.quads)


def test_gaps_change_no_symbol(loose: StripRenderer) -> None:
    for seed in SEEDS:
        strip = loose.render((4, seed), "AB12CD")
        assert strip.string.text.replace(" ", "") == "AB12CD"
        assert strip.string.symbols == tuple("AB12CD")


def test_gaps_come_into_texts_that_have_none() -> None:
    rng = np.random.default_rng(1)
    made = {with_gaps(rng, "ABCDEF") for _ in SEEDS}
    assert all(t.replace(" ", "") == "ABCDEF" and " " in t for t in made) and len(made) > 5
    assert not any(t != t.strip() for t in made)
    assert with_gaps(rng, "ABC") == "ABC" and with_gaps(rng, "AB CDE") == "AB CDE"


def test_a_loose_crop_is_wider_and_higher_than_its_string(loose: StripRenderer) -> None:
    tight = StripRenderer(camera=0.0, heights=(24.0, 40.0))

    def room(renderer: StripRenderer) -> float:
        shares = []
        for seed in SEEDS:
            strip = renderer.render((5, seed), "AB12CD")
            size = np.ptp(strip.string.quads.reshape(-1, 2), axis=0)
            shares.append(size.prod() / np.prod(strip.image.shape[1::-1]))
        return float(np.mean(shares))

    assert room(loose) < room(tight) - 0.1


def test_something_stands_around_and_the_characters_stay_clear(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against the same strip without its neighborhood, most of what changed lies outside."""
    renderer = StripRenderer(loose=1.0, camera=0.0, heights=(24.0, 40.0))
    busy = [renderer.render((6, seed), "AB12CD") for seed in SEEDS]
    monkeypatch.setattr("industrial_ocr.datasets.synthesis.strips.surround", lambda *args: None)
    bare = [renderer.render((6, seed), "AB12CD").image for seed in SEEDS]
    changed = inside = 0.0
    for strip, empty in zip(busy, bare, strict=True):
        differs = np.abs(strip.image.astype(int) - empty).max(2) > 8
        inner = np.zeros_like(differs)
        for quad in strip.string.quads:
            (x0, y0), (x1, y1) = np.maximum(quad.min(0), 0).astype(int), quad.max(0).astype(int)
            inner[y0 : y1 + 1, x0 : x1 + 1] = True
        changed += float(differs.sum())
        inside += float((differs & inner).sum())
    assert changed > 0
    assert inside < 0.15 * changed


def test_margins_are_those_of_a_crop_cut_by_hand() -> None:
    margins = np.stack([loose_margins(np.random.default_rng(i)) for i in range(200)])
    assert margins.min() >= 0 and margins.max() < 1.2
    assert (margins < 0.05).mean() > 0.2, "some crops are tight on some side"


class _Signs(FaceLibrary):
    """Faces whose foreign character is a W, so that no font of another script is needed."""

    def foreign(self, rng: np.random.Generator) -> tuple[FontFace, str] | None:
        return self.pick(rng, "W"), "W"  # type: ignore[return-value]


def test_a_sign_stands_before_the_string_and_is_no_part_of_it() -> None:
    faces = _Signs()
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        block = line_of_text(faces.pick(rng, "AB12"), "AB12")
        signed, reach = with_sign(rng, block, faces)
        string = signed.strings[0]
        assert string.symbols == tuple("AB12")
        left, high = float(string.quads[0][:, 0].min()), float(np.ptp(string.quads[0][:, 1]))
        assert 0.5 * high < reach < 1.7 * high
        # What was there is there still, only moved, and the sign lies wholly before it.
        dx, dy = (string.quads - block.strings[0].quads)[0][0].round().astype(int)
        height, width = block.mask.shape
        assert np.array_equal(signed.mask[dy : dy + height, dx : dx + width][:, 12:],
                              block.mask[:, 12:])  # fmt: skip
        ink = np.flatnonzero(signed.mask.max(0))
        assert left - reach - 2 <= ink[0] < left - 0.3 * high
    bare, none = with_sign(rng, block, FaceLibrary())
    assert bare is block and none == 0, "no font of another script"


def test_two_patches_in_a_wide_gap_leave_the_ground_between_them() -> None:
    ground = np.full((60, 200, 3), 200, np.uint8)
    quads = np.stack([rect_quad(x, 20, x + 14, 40) for x in (30, 50, 120, 140)])
    string = LabeledString("AB 12", tuple("AB12"), quads, (False, True, False, False), "horizontal")
    faces, kinds = FaceLibrary(), set()
    for seed in range(60):
        image = ground.copy()
        surround(np.random.default_rng(seed), image, string, faces)
        covered = (image[30, 66:118] != 200).any(1).astype(int)
        runs = np.flatnonzero(np.diff(np.pad(covered, 1))).reshape(-1, 2)
        wide = [b - a for a, b in runs if b - a > 10]
        kinds.add(len(wide))
        if len(wide) == 2:
            between = runs[1][0] - runs[0][1]
            assert 0 < between < 8, "as narrow as a stroke"
    assert kinds == {0, 1, 2}
