"""CTC decoding, and the exact label probability against brute force and PyTorch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from industrial_ocr.decoding.ctc import (
    greedy_decode,
    sequence_log_probability,
    spaced,
    spaces_after,
)
from industrial_ocr.patterns.charset import Charset

AB = Charset(("A", "B", "CE"), blank=True)


def random_log_probs(frames: int, classes: int, seed: int = 0) -> NDArray[np.float64]:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, classes))
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)))


def collapse(path: Sequence[int]) -> tuple[int, ...]:
    return tuple(c for c, _ in itertools.groupby(path) if c)


def brute_force(log_probs: NDArray[np.float64]) -> dict[tuple[int, ...], float]:
    """p(l|y) of every label, summed over all C ** T paths."""
    frames, classes = log_probs.shape
    total: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(classes), repeat=frames):
        label = collapse(path)
        p = math.exp(sum(log_probs[t, c] for t, c in enumerate(path)))
        total[label] = total.get(label, 0.0) + p
    return total


def frames_of(text: str, probability: float = 0.9) -> NDArray[np.float64]:
    """One frame a letter of ``text``: ``_`` blank, A, B, or C for the token CE."""
    rest = (1 - probability) / (AB.classes - 1)
    table = np.full((len(text), AB.classes), rest)
    table[np.arange(len(text)), ["_ABC".index(c) for c in text]] = probability
    return np.asarray(np.log(table))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("", []),
        ("___", []),
        ("A", [("A", 0, 0)]),
        ("__AAA_", [("A", 2, 4)]),  # repeats merge
        ("AA_A", [("A", 0, 1), ("A", 3, 3)]),  # a blank keeps them apart
        ("AABB", [("A", 0, 1), ("B", 2, 3)]),  # neighbors need none
        ("ABA", [("A", 0, 0), ("B", 1, 1), ("A", 2, 2)]),
        ("_B_CC", [("B", 1, 1), ("CE", 3, 4)]),  # a token of two characters
    ],
)
def test_greedy_symbols_and_their_frames(frames: str, expected: list[tuple[str, int, int]]) -> None:
    got = greedy_decode(frames_of(frames).reshape(-1, AB.classes), AB)
    assert [(s.symbol, s.first_frame, s.last_frame) for s in got] == expected


def test_greedy_probability_and_alternatives_are_of_the_peak_frame() -> None:
    table = np.array([[0.35, 0.5, 0.1, 0.05], [0.05, 0.7, 0.05, 0.2], [0.4, 0.55, 0.05, 0.0]])
    with np.errstate(divide="ignore"):
        log_probs = np.log(table)
    (symbol,) = greedy_decode(log_probs, AB)
    assert (symbol.first_frame, symbol.last_frame) == (0, 2)
    assert symbol.probability == pytest.approx(0.7)
    assert [s for s, _ in symbol.alternatives] == ["CE", "B"]
    assert [p for _, p in symbol.alternatives] == pytest.approx([0.2, 0.05])
    assert greedy_decode(log_probs, AB, top_k=1)[0].alternatives == symbol.alternatives[:1]


@pytest.mark.parametrize(
    ("shape", "charset"),
    [((5, 3), AB), ((4,), AB), ((5, 3), Charset(("A", "B", "CE"), blank=False))],
)
def test_greedy_refuses_what_does_not_fit(shape: tuple[int, ...], charset: Charset) -> None:
    with pytest.raises(ValueError, match=r"log_probs are \(T, \d\)"):
        greedy_decode(np.zeros(shape), charset)


@pytest.mark.parametrize(("frames", "classes"), [(1, 3), (4, 3), (5, 4)])
def test_label_probability_equals_brute_force(frames: int, classes: int) -> None:
    log_probs = random_log_probs(frames, classes, seed=frames)
    every = brute_force(log_probs)
    for length in range(frames + 2):
        for label in itertools.product(range(1, classes), repeat=length):
            got = math.exp(sequence_log_probability(log_probs, label))
            assert got == pytest.approx(every.get(label, 0.0), abs=1e-12), label


def test_label_probabilities_sum_to_one() -> None:
    log_probs = random_log_probs(5, 3)
    labels = itertools.chain.from_iterable(
        itertools.product((1, 2), repeat=length) for length in range(6)
    )
    total = sum(math.exp(sequence_log_probability(log_probs, label)) for label in labels)
    assert total == pytest.approx(1)


def test_label_probability_equals_pytorch() -> None:
    torch = pytest.importorskip("torch")
    log_probs = random_log_probs(40, 12, seed=3)
    for label in ([1], [3, 3, 3], [5, 1, 1, 11, 2, 2, 7], list(range(1, 12)) * 3):
        loss = torch.nn.functional.ctc_loss(
            torch.from_numpy(log_probs)[:, None],
            torch.tensor([label]),
            torch.tensor([40]),
            torch.tensor([len(label)]),
            reduction="none",
        )
        assert sequence_log_probability(log_probs, label) == pytest.approx(-loss.item(), rel=1e-9)


@pytest.mark.parametrize(
    ("frames", "label", "expected"),
    [
        (0, [], 0.0),
        (0, [1], -math.inf),
        (3, [1, 1], 4 * math.log(0.5) + math.log(2)),  # A_A alone: 1/8
        (2, [1, 1], -math.inf),  # no room for the blank between repeats
        (2, [1, 1, 1], -math.inf),
        (3, [], 3 * math.log(0.5)),
    ],
)
def test_label_probability_at_the_limits(frames: int, label: list[int], expected: float) -> None:
    got = sequence_log_probability(np.full((frames, 2), math.log(0.5)), label)
    assert got == pytest.approx(expected)


def test_label_probability_is_stable_far_below_the_smallest_float() -> None:
    log_probs = np.full((2000, 3), -50.0)
    log_probs[:, 0] = -1e-20
    assert sequence_log_probability(log_probs, [1, 2] * 40) == pytest.approx(
        80 * -50 + math.log(math.comb(2000, 80)), rel=1e-4
    )


def test_impossible_classes_with_zero_probability_stay_silent() -> None:
    log_probs = np.array([[0.0, -np.inf, -np.inf], [-np.inf, 0.0, -np.inf]])
    with np.errstate(all="raise"):
        assert sequence_log_probability(log_probs, [1]) == 0.0
        assert sequence_log_probability(log_probs, [2]) == -np.inf


@pytest.mark.parametrize("label", [[0], [1, 0, 2], [4], [-1]])
def test_blank_and_unknown_classes_are_no_label(label: list[int]) -> None:
    with pytest.raises(ValueError, match="classes below 4, not the blank 0"):
        sequence_log_probability(np.zeros((3, 4)), label)


def test_a_space_stands_between_the_characters_around_its_frame() -> None:
    symbols = greedy_decode(frames_of("_A__BB_A"), AB)
    space = np.zeros(8)
    assert spaced(symbols, None) == spaced(symbols, space) == "ABA"
    space[2] = 0.6
    assert spaced(symbols, space) == "A BA"
    assert spaces_after(symbols, space) == [True, False, False]
    space[[0, 7]] = 0.9  # before the first and on the last character
    assert spaced(symbols, space) == "A BA"
    assert spaces_after([], space) == [] and spaced([], space) == ""
