"""The example that reads music: its staves, and the first weights of its network."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "music"))

import staves  # noqa: E402


@pytest.fixture
def font(tmp_path: Path) -> Path:
    """Any font will do: what the glyphs look like does not matter here."""
    path = tmp_path / "font.otf"
    path.write_bytes(ImageFont.load_default(20).font_bytes)  # type: ignore[union-attr]
    return path


@pytest.mark.parametrize("pitch, name", [(16, "E2"), (28, "C4"), (30, "E4"), (40, "A5")])
def test_names_of_pitches(pitch: int, name: str) -> None:
    assert staves.name_of(pitch) == name


def test_the_clef_names_the_notes() -> None:
    symbols = ["G", "L1", "S1", "L0"]
    assert staves.pitches_of(symbols) == ["E4", "F4", "C4"]
    assert staves.pitches_of(["F", *symbols[1:]]) == ["G2", "A2", "E2"]
    assert staves.pitches_of(symbols[1:]) == []
    assert len(staves.CHARSET.encode("".join(symbols))) == 4


@pytest.mark.parametrize("kind", staves.DEGRADATIONS)
def test_the_same_seed_gives_the_same_staff(font: Path, kind: str) -> None:
    one, two = (staves.Staves([font], kind).render((3, 1)) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    assert one.string.symbols == two.string.symbols


def test_higher_notes_stand_higher_and_later_ones_to_the_right(font: Path) -> None:
    for seed in range(8):
        strip = staves.Staves([font], "clean").render(seed)
        clef, *places = strip.string.symbols
        assert clef in ("G", "F")
        steps = np.array([staves.NOTES[place] for place in places])
        x, y = strip.string.quads[1:].mean(1).T
        assert 3 <= len(steps) <= 20 and (np.diff(x) > 0).all()
        # Two neighboring notes of the scale are half a staff space apart, whatever the clef is.
        space = np.ptp(strip.string.quads[0][:, 1]) / 2
        np.testing.assert_allclose(np.diff(y), -np.diff(steps) * space / 2, atol=0.01)
