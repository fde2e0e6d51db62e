"""All texts with one symbol more or less, against each of them scored by itself."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from industrial_ocr.decoding.ctc import label_log_probabilities
from industrial_ocr.decoding.ctc_rivals import edit_scores, mark_classes
from industrial_ocr.patterns.charset import Charset

CHARSET = Charset(("A", "B", "-"), blank=True)


def random_log_probs(frames: int, seed: int) -> NDArray[np.float64]:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, CHARSET.classes))
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)))


@pytest.mark.parametrize("label", [[], [1], [1, 1], [1, 2, 1], [2, 2, 3, 2], [1, 2, 2, 2, 1]])
@pytest.mark.parametrize("frames", [1, 4, 9])
def test_scores_are_those_of_every_edited_label(label: list[int], frames: int) -> None:
    table = random_log_probs(frames, len(label))
    found = edit_scores(table, label)
    kept = [1, 2, 3]
    inserted = [[[*label[:i], c, *label[i:]] for c in kept] for i in range(len(label) + 1)]
    for own, wanted in zip(found.insertions, inserted, strict=True):
        np.testing.assert_allclose(own[kept], label_log_probabilities(table, wanted))
    shorter = [[*label[:i], *label[i + 1 :]] for i in range(len(label))]
    np.testing.assert_allclose(found.deletions, label_log_probabilities(table, shorter))
    np.testing.assert_allclose(found.own, label_log_probabilities(table, [label])[0])
    assert (found.insertions[:, 0] == -np.inf).all()


def test_a_faint_mark_before_the_text_is_its_nearest_competitor() -> None:
    p = np.full((6, 4), 1e-6)
    p[[1, 4], 1] = p[2, 2] = p[[3, 5], 0] = 1.0
    p[0] = [0.8, 1e-6, 1e-6, 0.2]
    found = edit_scores(np.log(p), [1, 2, 1])
    marked = found.insertions[:, mark_classes(CHARSET)]
    assert found.own - found.insertions.max() == pytest.approx(np.log(4), abs=1e-3)
    assert found.own - marked[0, 0] == pytest.approx(np.log(4), abs=1e-3)
    assert found.own - max(marked[1:].max(), found.deletions.max()) > np.log(1000)
