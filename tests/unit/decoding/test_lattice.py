"""Best paths through a lattice against all paths written out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from industrial_ocr.decoding import lattice
from industrial_ocr.decoding.lattice import Arc, Path, backward_scores, best_path, best_paths
from industrial_ocr.patterns.automaton import Automaton

SYMBOLS = ("A", "B", "1")


def log_probs(*probabilities: float) -> NDArray[np.float64]:
    return np.log(np.array(probabilities))


def chain(*classes: str) -> Automaton:
    """Accepts one symbol of each class in turn."""
    arcs = [(i, SYMBOLS.index(s), i + 1) for i, own in enumerate(classes) for s in own]
    source, label, target = zip(*arcs, strict=True)
    ends = [False] * len(classes) + [True]
    return Automaton.from_arcs(SYMBOLS, source, label, target, ends)


def random_lattice(seed: int, boxes: int = 4) -> list[Arc]:
    rng = np.random.default_rng(seed)
    arcs = []
    for first, length in itertools.product(range(boxes), (1, 2)):
        if first + length <= boxes:
            p = rng.dirichlet(np.ones(len(SYMBOLS) + 1))
            nothing = float(np.log(p[-1])) if length == 1 else None
            arcs.append(Arc(first, first + length, np.log(p[:-1]), nothing))
    return arcs


def every_path(arcs: list[Arc], boxes: int) -> dict[str, float]:
    """The best score of each text over all segmentations."""
    found: dict[str, float] = {}

    def walk(node: int, text: str, score: float) -> None:
        if node == boxes:
            found[text] = max(found.get(text, -math.inf), score)
            return
        for arc in arcs:
            if arc.first != node:
                continue
            if arc.nothing is not None:
                walk(arc.last, text, score + arc.nothing)
            if arc.log_probs is not None:
                for symbol, p in zip(SYMBOLS, arc.log_probs, strict=True):
                    walk(arc.last, text + symbol, score + float(p))

    walk(0, "", 0.0)
    return found


def text(path: Path) -> str:
    return "".join(SYMBOLS[i] for i in path.symbols)


@pytest.mark.parametrize("seed", range(6))
def test_without_a_pattern_the_best_texts_are_those_of_all_paths(seed: int) -> None:
    arcs = random_lattice(seed)
    wanted = sorted(every_path(arcs, 4).items(), key=lambda x: -x[1])[:6]
    found = best_paths(arcs, 5, Automaton.free(SYMBOLS), most=6)
    assert [text(p) for p in found] == [t for t, _ in wanted]
    np.testing.assert_allclose([p.log_prob for p in found], [s for _, s in wanted])


@pytest.mark.parametrize("seed", range(6))
def test_under_a_pattern_only_its_texts_remain(seed: int) -> None:
    arcs = random_lattice(seed)
    allowed = {a + b + c for a in "AB" for b in "AB1" for c in "1"}
    wanted = sorted(
        ((t, s) for t, s in every_path(arcs, 4).items() if t in allowed), key=lambda x: -x[1]
    )
    found = best_paths(arcs, 5, chain("AB", "AB1", "1"), most=10)
    assert [text(p) for p in found] == [t for t, _ in wanted]
    np.testing.assert_allclose([p.log_prob for p in found], [s for _, s in wanted])


def test_arcs_tell_which_boxes_a_character_was_read_on() -> None:
    sure, other = log_probs(0.98, 0.01, 0.01), log_probs(0.01, 0.01, 0.98)
    dull = log_probs(0.1, 0.1, 0.1)
    arcs = [
        Arc(0, 1, dull, math.log(0.7)), Arc(1, 2, dull, math.log(0.1)), Arc(1, 3, sure),
        Arc(2, 3, dull, math.log(0.1)), Arc(3, 4, other, math.log(0.01)),
    ]  # fmt: skip
    best = best_paths(arcs, 5, Automaton.free(SYMBOLS))[0]
    assert (text(best), best.arcs) == ("A1", (2, 4))


def test_nothing_is_found_where_the_pattern_does_not_fit() -> None:
    arcs = [Arc(0, 1, log_probs(0.5, 0.3, 0.2))]
    assert best_paths(arcs, 2, chain("A", "A")) == []
    assert best_paths([], 2, Automaton.free(SYMBOLS)) == []
    (empty,) = best_paths([], 1, Automaton.free(SYMBOLS))
    assert (empty.symbols, empty.log_prob) == ((), 0.0)


def test_a_symbol_of_no_probability_is_never_read() -> None:
    with np.errstate(divide="ignore"):
        arcs = [Arc(0, 1, log_probs(1.0, 0.0, 0.0))]
    assert best_paths(arcs, 2, chain("B")) == []


def test_an_arc_leads_forwards() -> None:
    with pytest.raises(ValueError, match="later node"):
        Arc(2, 2, None)


AUTOMATA = [Automaton.free(SYMBOLS), chain("AB", "AB1", "1"), chain("A", "A"), chain("1")]


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
    monkeypatch.setattr(lattice, "has_backward_scores", lambda automaton: False)
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
