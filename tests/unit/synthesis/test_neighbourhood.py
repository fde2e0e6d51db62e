"""What stands around a string in a loose crop."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.synthesis.neighbourhood import loose_margins, with_gaps
from industrial_ocr.synthesis.strips import StripRenderer

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
    """Against the same strip without its neighbourhood, most of what changed lies outside."""
    renderer = StripRenderer(loose=1.0, camera=0.0, heights=(24.0, 40.0))
    busy = [renderer.render((6, seed), "AB12CD") for seed in SEEDS]
    monkeypatch.setattr("industrial_ocr.synthesis.strips.surround", lambda *args: None)
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
