"""Looking ahead in lattices and frames against all ways written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from industrial_ocr.automaton import Automaton
from industrial_ocr.decoding import outlook as module
from industrial_ocr.decoding.ctc_beam import beam_search
from industrial_ocr.decoding.ctc_outlook import (
    FAINT,
    best_alignment,
    frame_outlook,
    pruned_search,
)
from industrial_ocr.decoding.lattice import (
    Arc,
    best_free_path,
    best_path,
    best_paths,
    free_automaton,
    outlook_of,
)

SYMBOLS = ("A", "B", "1")


def chain(*classes: str) -> Automaton:
    """Accepts one symbol of each class in turn."""
    arcs = [(i, SYMBOLS.index(s), i + 1) for i, own in enumerate(classes) for s in own]
    source, label, target = zip(*arcs, strict=True)
    ends = [False] * len(classes) + [True]
    return Automaton.from_arcs(SYMBOLS, source, label, target, ends)


AUTOMATA = [free_automaton(SYMBOLS), chain("AB", "AB1", "1"), chain("A", "A"), chain("1")]


def random_lattice(seed: int, boxes: int = 4) -> list[Arc]:
    rng = np.random.default_rng(seed)
    arcs = []
    for first, length in itertools.product(range(boxes), (1, 2)):
        if first + length <= boxes:
            p = rng.dirichlet(np.ones(len(SYMBOLS) + 1))
            nothing = float(np.log(p[-1])) if length == 1 else None
            prior = float(rng.normal(0, 0.3))
            arcs.append(Arc(first, first + length, np.log(p[:-1]), nothing, prior))
    return arcs


def random_frames(frames: int, seed: int, sharp: float = 2.0) -> NDArray[np.float64]:
    logits = np.random.default_rng(seed).normal(0, sharp, (frames, len(SYMBOLS) + 1))
    return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))


def accepts(automaton: Automaton, symbols: tuple[int, ...]) -> bool:
    state = automaton.run(symbols)
    return state >= 0 and bool(automaton.accepting[state])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("automaton", AUTOMATA)
def test_the_best_path_is_that_of_the_search(automaton: Automaton, seed: int) -> None:
    arcs = random_lattice(seed)
    wanted = best_paths(arcs, 5, automaton, 1)[0]
    found = best_path(arcs, 5, automaton)
    assert found is not None
    assert (found.symbols, found.arcs) == (wanted.symbols, wanted.arcs)
    assert found.log_prob == pytest.approx(wanted.log_prob)


@pytest.mark.parametrize("seed", range(20))
def test_the_best_free_path_is_that_of_the_free_automaton(seed: int) -> None:
    arcs = random_lattice(seed)
    found, wanted = best_free_path(arcs, 5), best_path(arcs, 5, free_automaton(SYMBOLS))
    assert found is not None and wanted is not None
    assert (found.symbols, found.arcs) == (wanted.symbols, wanted.arcs)
    assert found.log_prob == pytest.approx(wanted.log_prob)
    assert best_free_path(arcs[1:2], 5) is None  # a gap before it
    assert best_free_path([], 1) == best_path([], 1, free_automaton(SYMBOLS))


@pytest.mark.parametrize("seed", range(5))
def test_an_automaton_too_large_to_look_ahead_reads_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arcs, automaton = random_lattice(seed), AUTOMATA[1]
    wanted = best_paths(arcs, 5, automaton, 8)
    monkeypatch.setattr(module, "MOST_ARCS", 0)
    assert outlook_of(arcs, 5, automaton) is None
    assert [p.symbols for p in best_paths(arcs, 5, automaton, 8)] == [p.symbols for p in wanted]
    alone = best_path(arcs, 5, automaton)
    assert alone is not None
    assert alone.symbols == wanted[0].symbols


def test_no_path_is_none() -> None:
    arcs = [Arc(0, 1, np.log(np.array([0.5, 0.3, 0.2])))]
    assert best_path(arcs, 2, chain("A", "A")) is None
    empty = best_path([], 1, free_automaton(SYMBOLS))
    assert empty is not None
    assert empty.symbols == ()


@pytest.mark.parametrize("seed", range(6))
def test_the_best_alignment_is_that_of_all_alignments(seed: int) -> None:
    table, automaton = random_frames(5, seed), chain("AB", "1", "AB")
    best, text = -np.inf, ()
    for way in itertools.product(range(4), repeat=5):
        read = tuple(k - 1 for k, _ in itertools.groupby(way) if k)
        score = float(table[range(5), way].sum())
        if accepts(automaton, read) and score > best:
            best, text = score, read
    outlook = frame_outlook(table, automaton)
    assert outlook.best == pytest.approx(best)
    assert best_alignment(table, automaton, outlook) == text


def test_frames_too_few_for_any_code_have_no_alignment() -> None:
    table, automaton = random_frames(2, 0), chain("A", "B", "1")
    outlook = frame_outlook(table, automaton)
    assert best_alignment(table, automaton, outlook) == ()
    assert pruned_search(table, automaton, outlook) == []


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("automaton", AUTOMATA)
def test_pruned_and_plain_search_find_the_same_labels(automaton: Automaton, seed: int) -> None:
    table = random_frames(7, seed)
    wanted = [h for h in beam_search(table, automaton, 6, beam=2000)]
    found = pruned_search(table, automaton, frame_outlook(table, automaton), 6, beam=2000)
    near = [h for h in wanted if h.log_prob > wanted[0].log_prob - FAINT / 2]
    assert near
    assert [h.symbols for h in found[: len(near)]] == [h.symbols for h in near]
    np.testing.assert_allclose([h.log_prob for h in found[: len(near)]], [h.log_prob for h in near])


def test_a_faint_end_is_still_found() -> None:
    """Whatever the frames say, the code must end: its last symbols may be all but invisible."""
    table = np.full((12, 4), -20.0)
    table[:, 0] = 0.0
    table[1, 1] = table[5, 2] = 0.0
    automaton = chain("A", "B", "A", "1")
    found = pruned_search(table, automaton, frame_outlook(table, automaton))
    assert [h.symbols for h in found] == [(0, 1, 0, 2)]


def test_a_repeated_symbol_needs_its_blank() -> None:
    table = np.log(np.array([[0.1, 0.7, 0.1, 0.1]] * 4))
    automaton = chain("A", "A")
    (only,) = pruned_search(table, automaton, frame_outlook(table, automaton))
    exact = beam_search(table, automaton, 1, beam=100)[0]
    assert only.log_prob == pytest.approx(exact.log_prob)
