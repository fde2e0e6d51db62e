"""Views of one string: how they are cut, and which one stands for all."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.config import PipelineConfig, RecognitionConfig, parse_config
from industrial_ocr.decoding.scoring import score_sequence
from industrial_ocr.errors import ConfigError
from industrial_ocr.reader.crop_views import agreed_view, with_agreement
from industrial_ocr.results.geometry import rect_quad, with_margin
from industrial_ocr.results.types import TextString

QUAD = rect_quad(10, 20, 110, 60)


def reading(text: str, confidence: float) -> TextString:
    return TextString(text, confidence, QUAD, (), "horizontal", score_sequence([confidence]))


def test_a_margin_outwards_moves_every_edge_by_that_share_of_the_height() -> None:
    grown = with_margin(QUAD, 0.1)
    assert grown.min(0).tolist() == pytest.approx([6, 16])
    assert grown.max(0).tolist() == pytest.approx([114, 64])


def test_a_margin_inwards_leaves_the_ends_of_the_string() -> None:
    cut = with_margin(QUAD, -0.25)
    assert cut.min(0).tolist() == pytest.approx([10, 30])
    assert cut.max(0).tolist() == pytest.approx([110, 50])


def test_no_margin_is_the_quad_itself() -> None:
    np.testing.assert_allclose(with_margin(QUAD, 0.0), QUAD)


def test_two_that_agree_outweigh_a_surer_one() -> None:
    readings = [reading("RAB12", 0.9), reading("AB12", 0.5), reading("AB12", 0.7)]
    assert agreed_view(readings)[0] == 2


def test_a_sure_one_outweighs_two_that_guess() -> None:
    assert agreed_view([reading("A", 0.2), reading("A", 0.3), reading("B", 0.9)])[0] == 2


def test_case_alone_does_not_divide_views() -> None:
    assert agreed_view([reading("Exit", 0.6), reading("Eit", 0.8), reading("EXIT", 0.5)])[0] == 0


def test_a_single_view_stands_for_itself_and_none_is_an_error() -> None:
    assert agreed_view([reading("", 0.0)])[0] == 0
    with pytest.raises(ValueError):
        agreed_view([])


def test_the_chosen_text_has_the_largest_sum_and_its_surest_reading() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        said = [
            ("ABC"[i], float(p))
            for i, p in zip(rng.integers(3, size=5), rng.random(5), strict=True)
        ]
        at, share = agreed_view([reading(t, c) for t, c in said])
        sums = {t: sum(c for u, c in said if u == t) for t, _ in said}
        assert sums[said[at][0]] == pytest.approx(max(sums.values()))
        assert share == pytest.approx(max(sums.values()) / sum(c for _, c in said))
        assert said[at][1] == max(c for t, c in said if t == said[at][0])


@pytest.mark.parametrize("margins", [[], [-0.5], [2.0]])
def test_impossible_margins_are_refused(margins: list[float]) -> None:
    with pytest.raises(ConfigError, match=r"recognition\.crop_margins"):
        parse_config({"recognition": {"crop_margins": margins}}, PipelineConfig)
    assert RecognitionConfig(crop_margins=(0.0,)).crop_margins == (0.0,)


def test_dissent_lowers_the_confidence_and_nothing_else() -> None:
    readings = [reading("AB12", 0.9), reading("AB12", 0.7), reading("A812", 0.8)]
    at, agreement = agreed_view(readings)
    said = with_agreement(readings[at], agreement)
    assert said.text == "AB12" and said.scores == readings[at].scores
    assert said.confidence == pytest.approx(0.9 * (1.6 / 2.4) ** 0.5)
    assert with_agreement(readings[0], 1.0).confidence == 0.9
