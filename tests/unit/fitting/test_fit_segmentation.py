"""Which path through a string's lattice is right, and the weights that make it the likeliest."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

from fitting.segmentation import (
    LabeledLattice,
    LabeledPicture,
    fit,
    label_lattice,
    labeled_pictures,
)
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.segmentation import (
    HYPOTHESIS_FEATURES,
    SEGMENTATION_WEIGHTS,
    fitted_weights,
)
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates

CHARSET = Charset()
IMAGE = np.zeros((40, 200, 3), np.uint8)


def seen(symbol: str, p: float = 0.95) -> CharCandidates:
    share = np.full(len(CHARSET), 1e-6, np.float32)
    share[CHARSET.symbols.index(symbol)] = p
    return CharCandidates((symbol,), np.array([p], np.float32), 0.01, share)


def box(low: float, high: float) -> CharBox:
    shape = np.diag([((high - low) / 2) ** 2, 15.0**2]).astype(np.float32)
    return CharBox(rect_quad(low, 0, high, 30), 0.8, shape)


def evidence(text: str, merged: str, *spans: tuple[float, float]) -> StringEvidence:
    string = BoxString(tuple(box(*s) for s in spans), (False,) * len(spans), "horizontal")
    both = {0: (box(spans[0][0], spans[1][1]), seen(merged))}
    return StringEvidence(string, tuple(seen(c) for c in text), both)


def truth(text: str, *spans: tuple[float, float]) -> LabeledPicture:
    quads = np.array([rect_quad(a, 0, b, 30) for a, b in spans], np.float32)
    return LabeledPicture(IMAGE, tuple(text), quads)


BROKEN = label_lattice(
    evidence("VW45", "W", (0, 18), (10, 40), (44, 64), (68, 88)),
    truth("W45", (0, 40), (44, 64), (68, 88)),
    CHARSET,
)
WHOLE = label_lattice(
    evidence("VV45", "W", (0, 20), (23, 43), (47, 67), (71, 91)),
    truth("VV45", (0, 20), (23, 43), (47, 67), (71, 91)),
    CHARSET,
)


def kinds(own: LabeledLattice | None) -> list[str]:
    assert own is not None
    return [o.kind for k, o in enumerate(own.options) if k in own.right]


def test_the_right_path_lies_on_the_true_characters() -> None:
    assert kinds(BROKEN) == ["merged", "single", "single"]
    assert kinds(WHOLE) == ["single"] * 4


def test_a_string_without_true_characters_teaches_nothing() -> None:
    own = evidence("VV45", "W", (0, 20), (23, 43), (47, 67), (71, 91))
    assert label_lattice(own, truth("A", (150, 170)), CHARSET) is None
    # A box that reads clearly where no true character stands: the quads do not tell.
    assert label_lattice(own, truth("VV4", (0, 20), (23, 43), (47, 67)), CHARSET) is None


def test_overlap_tells_strokes_from_letters() -> None:
    assert BROKEN is not None and WHOLE is not None
    weights, loss = fit([BROKEN, WHOLE])
    assert loss < 0.5
    assert weights["merged"]["overlap"] > 0 > weights["merged"]["gap"]


def test_the_shipped_weights_fit_the_features() -> None:
    assert {k: len(v) for k, v in fitted_weights(SEGMENTATION_WEIGHTS).items()} == {
        k: len(v) for k, v in HYPOTHESIS_FEATURES.items()
    }


def test_scenes_and_plain_lines_show_what_is_true_of_them() -> None:
    pictures = list(labeled_pictures(Namespace(fonts=(), plain_fonts=(), seed=4), range(4)))
    assert 1 <= len(pictures) <= 4
    for own in pictures:
        assert own.image.dtype == np.uint8
        assert own.quads.shape == (len(own.symbols), 4, 2)
