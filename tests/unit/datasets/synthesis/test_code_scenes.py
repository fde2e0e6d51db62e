"""Scenes of one code: what is labeled stands in the picture as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.datasets.synthesis.code_scenes import CodeSceneRenderer, grouped
from industrial_ocr.errors import DatasetError
from industrial_ocr.patterns.pattern import Pattern


def test_a_code_falls_into_its_groups() -> None:
    assert grouped("CSQU3054383", (4, 6, 1)) == ["CSQU", "305438", "3"]
    assert grouped("AB12", ()) == ["AB12"]
    assert grouped("AB12", (2,)) == ["AB", "12"]


def test_the_scene_shows_the_code_and_its_seed_fixes_it() -> None:
    pattern = Pattern.preset("iso6346")
    renderer = CodeSceneRenderer((), (320, 320), write=pattern.sample, groups=pattern.groups)
    directions = set()
    for number in range(8):
        scene, code = renderer.render_code((3, number))
        assert pattern.verify(code).ok
        strings = scene.strings
        assert code in "".join("".join(s.symbols) for s in strings)
        directions |= {s.direction for s in strings}
    again, same = renderer.render_code((3, 7))
    assert same == code
    np.testing.assert_array_equal(again.image, scene.image)


def test_a_code_that_fits_nowhere_is_an_error() -> None:
    renderer = CodeSceneRenderer((), (32, 32), write=lambda rng: "A" * 60)
    with pytest.raises(DatasetError, match="no room"):
        renderer.render_code((1, 1))


@pytest.mark.parametrize("name", ["iso6346", "imei", "vin", "iso-date", "part-74", "plate-us"])
def test_samples_of_presets_match_and_pass_their_checks(name: str) -> None:
    pattern = Pattern.preset(name)
    rng = np.random.default_rng(5)
    codes = {pattern.sample(rng) for _ in range(10)}
    assert len(codes) > 5
    assert all(pattern.verify(c).ok for c in codes)
