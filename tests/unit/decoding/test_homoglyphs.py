"""0 and O, 1 and I by the kind of their neighbors, never against the shape's own evidence."""

from __future__ import annotations

import numpy as np
import pytest

from industrial_ocr.decoding.homoglyphs import (
    resolve_cases,
    resolve_homoglyphs,
    weigh_unmarked,
    weigh_zeros,
    zero_features,
)
from industrial_ocr.results.types import CharCandidates

OPEN_O = "O:0.6,0:0.3"
OPEN_0 = "0:0.6,O:0.3"
SURE_O = "O:0.97,0:0.02"
OPEN_I = "I:0.5,1:0.4"


def candidates(text: str) -> CharCandidates:
    pairs = [p.rsplit(":", 1) for p in text.split(",")] if ":" in text else [[text, "0.9"]]
    symbols, values = zip(*pairs, strict=True)
    return CharCandidates(symbols, np.array(values, np.float32), 0.0)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["7", OPEN_O, "3"], "703"),
        (["A", OPEN_0, "B"], "AOB"),
        ([OPEN_O, "7"], "07"),
        (["7", OPEN_O, OPEN_I, "3"], "7013"),
        (["A", OPEN_O, "3"], "A03"),
        (["3", OPEN_O, "A"], "30A"),
        (["7", "4", "L", "S", OPEN_O, OPEN_I, "N"], "74LS01N"),
        (["B", OPEN_0, OPEN_I, "L"], "BOIL"),
        (["7", "B", OPEN_0, "X"], "7BOX"),
        (["7", SURE_O, "3"], "7O3"),
        ([OPEN_O], "O"),
        (["7", "-", OPEN_O], "7-0"),
    ],
)
def test_kind_of_the_neighbors(given: list[str], read: str) -> None:
    resolved = resolve_homoglyphs([candidates(g) for g in given], [False] * len(given))
    assert "".join(s for s, _ in resolved) == read


def test_a_space_shields() -> None:
    given = [candidates(g) for g in ("7", OPEN_O, "A")]
    assert resolve_homoglyphs(given, [True, False, False])[1][0] == "O"


def test_the_probability_is_that_of_the_shape() -> None:
    given = [candidates(g) for g in ("7", OPEN_O, "3")]
    assert resolve_homoglyphs(given, [False] * 3)[1] == ("0", pytest.approx(0.9))


@pytest.mark.parametrize(("head", "zeros"), [("C", 6), ("LOT-", 5), ("SN-", 6), ("A", 2)])
def test_a_run_of_zeros_stays_one(head: str, zeros: int) -> None:
    given = [candidates(g) for g in [*head, *["0:0.8,O:0.15"] * zeros]]
    resolved = resolve_homoglyphs(given, [False] * len(given))
    assert "".join(s for s, _ in resolved) == head + "0" * zeros
    assert min(p for _, p in resolved[len(head) :]) == pytest.approx(0.95)


def cased(*likely: tuple[str, float]) -> list[CharCandidates]:
    """Candidates of given best symbols, the other case taking the rest of the probability."""
    return [
        CharCandidates((s, s.swapcase()), np.array([p, 0.99 - p], np.float32), 0.01)
        for s, p in likely
    ]


@pytest.mark.parametrize(
    ("likely", "heights", "wanted"),
    [
        # The neighbors decide where the shape leaves it open and nothing is measured.
        ([("n", 0.98), ("V", 0.6), ("u", 0.98)], None, "nvu"),
        ([("A", 0.98), ("v", 0.6), ("B", 0.98)], None, "AVB"),
        # What is as low as an x beside a capital is small, whatever the shape says.
        ([("m", 0.98), ("a", 0.98), ("X", 0.9)], [21, 21, 21], "max"),
        ([("A", 0.98), ("v", 0.6), ("a", 0.98)], [30, 30, 21], "AVa"),
        ([("V", 0.6), ("1", 0.98), ("7", 0.98)], [22, 30, 30], "v17"),
        ([("V", 0.6), ("1", 0.98), ("7", 0.98)], [30, 30, 30], "V17"),
    ],
)
def test_a_case_is_told_by_shape_height_and_neighbors(
    likely: list[tuple[str, float]], heights: list[float] | None, wanted: str
) -> None:
    candidates = cased(*likely)
    named = [(c.symbols[0], float(c.probabilities[0])) for c in candidates]
    found = resolve_cases(named, candidates, heights or [float("nan")] * len(candidates))
    assert "".join(s for s, _ in found) == wanted


@pytest.mark.parametrize(("around", "wanted"), [("17", "0"), ("BX", "o")])
def test_a_zero_as_low_as_an_o_is_told_by_the_digits_beside_it(around: str, wanted: str) -> None:
    low = CharCandidates(("o", "0"), np.array([0.9, 0.09], np.float32), 0.01)
    candidates = [*cased((around[0], 0.98)), low, *cased((around[1], 0.98))]
    named = [(c.symbols[0], float(c.probabilities[0])) for c in candidates]
    assert resolve_cases(named, candidates, [30, 22, 30])[1][0] == wanted


def test_a_case_that_is_no_candidate_is_not_taken() -> None:
    alone = [CharCandidates((s,), np.array([0.99], np.float32), 0.01) for s in "1c2X"]
    named = [(c.symbols[0], 0.99) for c in alone]
    assert resolve_cases(named, alone, [30, 30, 30, 20]) == named


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [
        # Neighbors alone: each 0 would be a letter behind N; three in a row are in no word.
        (["N", OPEN_0, OPEN_O, OPEN_0], "N000"),
        (["B", OPEN_O, OPEN_O, "K"], "BOOK"),
        (["B", OPEN_0, OPEN_0, OPEN_0, OPEN_0], "B0000"),
        # Two zeros whose shapes together say more than the neighbors.
        (["A", "0:0.85,O:0.12", "0:0.85,O:0.12", "B"], "A00B"),
    ],
)
def test_a_run_is_of_one_kind_and_its_shapes_add_up(shapes: list[str], wanted: str) -> None:
    found = resolve_homoglyphs([candidates(s) for s in shapes], [False] * len(shapes))
    assert "".join(s for s, _ in found) == wanted


NAN = float("nan")


def weighed(
    shapes: list[str], widths: list[float], cores: list[float] | None = None
) -> tuple[CharCandidates, ...]:
    return weigh_zeros([candidates(s) for s in shapes], widths, cores or [NAN] * len(shapes))


@pytest.mark.parametrize(
    ("width", "others", "read"),
    [
        (20.0, [20, 20, 21, 26, 27, 26], "0"),
        (28.0, [20, 20, 21, 26, 27, 26], "O"),
        (28.0, [20, 20, 21, NAN, NAN, NAN], "0"),
    ],
)
def test_the_width_tells_an_o_from_a_zero(width: float, others: list[float], read: str) -> None:
    found = weighed(["0:0.46,O:0.44", *"258ABK"], [width, *others])
    assert found[0].symbols[0] == read


@pytest.mark.parametrize("others", [[20, 20, 40], [20, NAN, NAN]])
def test_unlike_or_few_widths_are_no_evidence(others: list[float]) -> None:
    string = [candidates(s) for s in [OPEN_O, *"ABK"]]
    features = zero_features(string, [40.0, *others], [NAN] * 4)[0]
    assert features == (pytest.approx(np.log(0.3 / 0.6), abs=1e-3), 0.0, 0.0)


def test_weighing_keeps_the_probability_of_the_shape_and_other_symbols() -> None:
    shapes = ["O:0.6,0:0.3,Q:0.05", *"258ABK"]
    first, *others = weighed(shapes, [20, 20, 20, 20, 26, 26, 26])
    found = dict(zip(first.symbols, first.probabilities, strict=True))
    assert found["0"] > found["O"]
    assert found["0"] + found["O"] == pytest.approx(0.9)
    assert found["Q"] == pytest.approx(0.05)
    assert [c.symbols for c in others] == [(s,) for s in "258ABK"]


def test_no_width_limits_what_the_shape_says() -> None:
    found = weighed(["0:0.98,O:0.001", *"258ABK"], [60, 20, 20, 20, 26, 26, 26])
    assert found[0].symbols[0] == "0"


@pytest.mark.parametrize("by_width", [True, False])
@pytest.mark.parametrize(("core", "read"), [(0.6, "KVO40"), (0.0, "KV040")])
def test_beside_a_zero_with_a_stroke_the_one_without_is_a_letter(
    core: float, read: str, by_width: bool
) -> None:
    string = [candidates(s) for s in ("K", "V", "0:0.7,O:0.2", "4", "0:0.9,O:0.05")]
    cores = [0.5, 0, 0, 0, core]
    found = weigh_zeros(string, [20.0] * 5, cores) if by_width else weigh_unmarked(string, cores)
    assert "".join(c.symbols[0] for c in found) == read


def test_ink_in_other_characters_says_nothing() -> None:
    string = [candidates(s) for s in ("E", "8", "0:0.7,O:0.2")]
    assert weigh_unmarked(string, [0.9, 0.8, 0.0])[2].symbols[0] == "0"
