"""The example that reads music: its staves, and the first weights of its network."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ImageFont

from industrial_ocr.models.crnn import Crnn

sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "music"))

import staves  # noqa: E402
import train as music_train  # noqa: E402


@pytest.fixture
def font(tmp_path: Path) -> Path:
    """Any font will do: what the glyphs look like does not matter here."""
    path = tmp_path / "font.otf"
    path.write_bytes(ImageFont.load_default(20).font_bytes)  # type: ignore[union-attr]
    return path


@pytest.mark.parametrize("pitch, name", [(16, "E2"), (28, "C4"), (30, "E4"), (40, "A5")])
def test_names_of_pitches(pitch: int, name: str) -> None:
    assert staves.name_of(pitch) == name
    assert staves.CHARSET.encode(name) == [staves.TOKENS.index(name) + 1]


@pytest.mark.parametrize("kind", staves.DEGRADATIONS)
def test_the_same_seed_gives_the_same_staff(font: Path, kind: str) -> None:
    one, two = (staves.Staves([font], kind).render((3, 1)) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    assert one.string.symbols == two.string.symbols


def test_higher_notes_stand_higher_and_later_ones_to_the_right(font: Path) -> None:
    for seed in range(8):
        strip = staves.Staves([font], "clean").render(seed)
        steps = np.array([staves.TOKENS.index(name) for name in strip.string.symbols])
        x, y = strip.string.quads.mean(1).T
        assert 3 <= len(steps) <= 20 and (np.diff(x) > 0).all()
        # Two neighboring notes of the scale are half a staff space apart, whatever the clef is.
        space = np.ptp(strip.string.quads[0][:, 1]) / 2
        np.testing.assert_allclose(np.diff(y), -np.diff(steps) * space / 2, atol=0.01)
        assert steps.max() - steps.min() <= 12  # one clef


def test_the_gates_remember_for_a_whole_staff() -> None:
    torch.manual_seed(0)
    network = Crnn(5, width=0.125, hidden=64)
    music_train.remember_the_clef(network, 112)
    lstm = network.rnn[0].rnn
    forgetting = lstm.bias_ih_l0_reverse[64:128].detach()
    frames = 1 / (1 - torch.sigmoid(forgetting))  # for which a unit remembers
    assert frames.min() >= 2 and 60 < frames.max() < 113
    assert lstm.bias_ih_l0[:64].abs().max() < 0.2  # the other gates stay as they are
