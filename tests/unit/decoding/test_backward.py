"""Looking ahead in lattices against all ways written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from industrial_ocr.decoding import backward
from industrial_ocr.decoding.lattice import Arc, backward_scores, best_path, best_paths
from industrial_ocr.patterns.automaton import Automaton

SYMBOLS = ("A", "B", "1")


def chain(*classes: str) -> Automaton:
    """Accepts one symbol of each class in turn."""
    arcs = [(i, SYMBOLS.index(s), i + 1) for i, own in enumerate(classes) for s in own]
    source, label, target = zip(*arcs, strict=True)
    ends = [False] * len(classes) + [True]
    return Automaton.from_arcs(SYMBOLS, source, label, target, ends)


AUTOMATA = [Automaton.free(SYMBOLS), chain("AB", "AB1", "1"), chain("A", "A"), chain("1")]


def random_lattice(seed: int, boxes: int = 4) -> list[Arc]:
    rng = np.random.default_rng(seed)
    arcs = []
    for first, length in itertools.product(range(boxes), (1, 2)):
        if first + length <= boxes:
            p = rng.dirichlet(np.ones(len(SYMBOLS) + 1))
            nothing = float(np.log(p[-1])) if length == 1 else None
            arcs.append(Arc(first, first + length, np.log(p[:-1]), nothing))
    return arcs


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("automaton", AUTOMATA)
def test_the_best_path_is_that_of_the_search(automaton: Automaton, seed: int) -> None:
    arcs = random_lattice(seed)
    wanted = best_paths(arcs, 5, automaton, 1)[0]
    found = best_path(arcs, 5, automaton)
    assert found is not None
    assert (found.symbols, found.arcs) == (wanted.symbols, wanted.arcs)
    assert found.log_prob == pytest.approx(wanted.log_prob)


@pytest.mark.parametrize("seed", range(5))
def test_an_automaton_too_large_to_look_ahead_reads_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arcs, automaton = random_lattice(seed), AUTOMATA[1]
    wanted = best_paths(arcs, 5, automaton, 8)
    monkeypatch.setattr(backward, "MAX_AUTOMATON_ARCS", 0)
    assert backward_scores(arcs, 5, automaton) is None
    assert [p.symbols for p in best_paths(arcs, 5, automaton, 8)] == [p.symbols for p in wanted]
    alone = best_path(arcs, 5, automaton)
    assert alone is not None
    assert alone.symbols == wanted[0].symbols


def test_no_path_is_none() -> None:
    arcs = [Arc(0, 1, np.log(np.array([0.5, 0.3, 0.2])))]
    assert best_path(arcs, 2, chain("A", "A")) is None
    empty = best_path([], 1, Automaton.free(SYMBOLS))
    assert empty is not None
    assert empty.symbols == ()
