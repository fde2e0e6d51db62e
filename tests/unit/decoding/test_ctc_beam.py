"""Prefix beam search under an automaton, against every label written out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from industrial_ocr.decoding.backward import MAX_LOSS
from industrial_ocr.decoding.ctc import greedy_decode, sequence_log_probability
from industrial_ocr.decoding.ctc_backward import Backward, Distance
from industrial_ocr.decoding.ctc_beam import beam_search
from industrial_ocr.patterns.automaton import Automaton
from industrial_ocr.patterns.charset import Charset

SYMBOLS = ("A", "B", "1")


def random_log_probs(frames: int, seed: int, spread: float = 2.0) -> NDArray[np.float64]:
    logits = np.random.default_rng(seed).normal(0, spread, (frames, len(SYMBOLS) + 1))
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)))


def chain(*classes: str) -> Automaton:
    arcs = [(i, SYMBOLS.index(s), i + 1) for i, own in enumerate(classes) for s in own]
    source, label, target = zip(*arcs, strict=True)
    return Automaton.from_arcs(SYMBOLS, source, label, target, [False] * len(classes) + [True])


def exact(
    table: NDArray[np.float64], labels: list[tuple[int, ...]]
) -> list[tuple[float, tuple[int, ...]]]:
    scored = [(sequence_log_probability(table, [s + 1 for s in x]), x) for x in labels]
    return sorted((x for x in scored if x[0] > -math.inf), key=lambda x: -x[0])


@pytest.mark.parametrize("seed", range(8))
def test_without_a_pattern_the_best_label_is_that_of_all_paths(seed: int) -> None:
    table = random_log_probs(5, seed)
    labels = [x for n in range(6) for x in itertools.product(range(3), repeat=n)]
    wanted = exact(table, labels)[:3]
    found = beam_search(table, Automaton.free(SYMBOLS), most=3, beam=400)
    assert [h.symbols for h in found] == [x for _, x in wanted]
    np.testing.assert_allclose([h.log_prob for h in found], [p for p, _ in wanted])


@pytest.mark.parametrize("seed", range(8))
def test_under_a_pattern_only_its_labels_remain(seed: int) -> None:
    table = random_log_probs(6, seed)
    labels = list(itertools.product((0, 1), (0, 1, 2), (2,)))
    automaton = chain("AB", "AB1", "1")
    wanted = exact(table, labels)
    found = beam_search(table, automaton, most=10, beam=400, ahead=Distance(table, automaton))
    assert [h.symbols for h in found] == [x for _, x in wanted]
    assert sum(h.probability for h in found) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    "automaton", [Automaton.free(SYMBOLS), chain("AB", "AB1", "1"), chain("A", "A"), chain("1")]
)
def test_backward_scores_lose_nothing_that_ends_near_the_best(
    automaton: Automaton, seed: int
) -> None:
    table = random_log_probs(7, seed)
    wanted = beam_search(table, automaton, 6, beam=2000, ahead=Distance(table, automaton))
    near = [h for h in wanted if h.log_prob > wanted[0].log_prob - MAX_LOSS / 2]
    found = beam_search(table, automaton, 6, beam=2000)[: len(near)]
    assert [h.symbols for h in found] == [h.symbols for h in near]
    np.testing.assert_allclose([h.log_prob for h in found], [h.log_prob for h in near])


@pytest.mark.parametrize("seed", range(6))
def test_the_best_alignment_is_that_of_all_alignments(seed: int) -> None:
    table, automaton = random_log_probs(5, seed), chain("AB", "1", "AB")
    best, text = -np.inf, ()
    for way in itertools.product(range(4), repeat=5):
        read = tuple(k - 1 for k, _ in itertools.groupby(way) if k)
        state = automaton.run(read)
        score = float(table[range(5), way].sum())
        if state >= 0 and automaton.accepting[state] and score > best:
            best, text = score, read
    ahead = Backward(table, automaton)
    assert ahead.best == pytest.approx(best)
    assert ahead.best_alignment() == text


def test_frames_too_few_for_any_code_have_no_alignment() -> None:
    assert Backward(random_log_probs(2, 0), chain("A", "B", "1")).best_alignment() == ()


def test_a_leading_mark_of_fair_probability_is_among_the_readings() -> None:
    p = np.full((7, 4), 1e-6)
    p[[1, 3, 5], [1, 2, 1]] = p[[2, 4, 6], 0] = 1.0
    p[0] = [0.9, 1e-6, 1e-6, 0.1]
    optional = Automaton.from_arcs(
        SYMBOLS, [0, 0, 1, 2, 3], [2, 0, 0, 1, 0], [1, 2, 2, 3, 4], [False] * 4 + [True]
    )
    found = beam_search(np.log(p), optional)
    assert [h.symbols for h in found[:2]] == [(0, 1, 0), (2, 0, 1, 0)]
    assert found[1].probability == pytest.approx(0.1, abs=1e-3)


def test_sure_frames_read_the_same_as_greedily() -> None:
    charset = Charset(SYMBOLS, blank=True)
    table = random_log_probs(40, seed=5, spread=9.0)
    read = [charset.encode(s.symbol)[0] - 1 for s in greedy_decode(table, charset)]
    assert list(beam_search(table, Automaton.free(SYMBOLS))[0].symbols) == read


@pytest.mark.parametrize("look", [Backward, Distance])
def test_a_faint_end_is_still_reached(look: type[Backward | Distance]) -> None:
    table = np.log(np.full((30, 4), 1e-9))
    table[:, 0] = math.log(1 - 3e-9)
    for t, symbol in ((2, 0), (6, 1), (10, 0), (14, 1)):
        table[t] = np.log([0.01, 0.01, 0.01, 0.01])
        table[t, symbol + 1] = math.log(0.97)
    automaton = chain("A", "B", "A", "B", "1")
    found = beam_search(table, automaton, beam=4, ahead=look(table, automaton))
    assert found[0].symbols == (0, 1, 0, 1, 2)


def test_codes_longer_than_the_frames_are_not_found() -> None:
    assert beam_search(random_log_probs(2, 0), chain("A", "B", "1")) == []
    assert beam_search(random_log_probs(3, 0), chain("A", "A")) != []  # two and a blank
    assert beam_search(random_log_probs(2, 0), chain("A", "A")) == []


def test_frames_of_another_charset_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(T, 4\)"):
        beam_search(np.zeros((5, 9)), Automaton.free(SYMBOLS))
