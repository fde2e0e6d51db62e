"""The likeliest path through a string's lattice, on evidence made by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from industrial_ocr.decoding.evidence import StringEvidence, shapes
from industrial_ocr.decoding.free_reading import FreeReading, read_freely
from industrial_ocr.decoding.lattice import arc_posteriors, likeliest_arcs
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates, InkSigns

CHARSET = Charset()


def seen(symbol: str, p: float = 0.97, reject: float = 0.005) -> CharCandidates:
    share = np.full(len(CHARSET), 1e-6, np.float32)
    share[CHARSET.symbols.index(symbol)] = p
    return CharCandidates((symbol,), np.array([p], np.float32), reject, share)


def box(low: float, high: float, score: float = 0.8) -> CharBox:
    shape = np.diag([((high - low) / 2) ** 2, 15.0**2]).astype(np.float32)
    return CharBox(rect_quad(low, 0, high, 30), score, shape)


def text(found: FreeReading) -> str:
    return "".join(
        c.symbols[0] for c, shown in zip(found.candidates, found.character, strict=True) if shown
    )


def line(*spans: tuple[float, float], proposed: frozenset[int] = frozenset()) -> BoxString:
    boxes = tuple(box(a, b, 0.0 if i in proposed else 0.8) for i, (a, b) in enumerate(spans))
    return BoxString(boxes, (False,) * len(boxes), "horizontal")


CODE = [(70 + 23.0 * i, 90 + 23.0 * i) for i in range(4)]


def test_a_w_whose_first_stroke_has_a_box_of_its_own_is_a_w() -> None:
    """A box of V and a longer one of W overlap; alone and together they read clearly."""
    string = line((40, 60), (48, 80), *((83 + 26 * i, 106 + 26 * i) for i in range(4)))
    singles = tuple(seen(c) for c in "VW4521")
    both = {0: (box(40, 80), seen("W", 0.95))}
    assert text(read_freely(StringEvidence(string, singles, both), CHARSET)) == "W4521"


def test_two_boxes_on_the_ink_of_one_letter_are_one_letter() -> None:
    string = line((40, 60), (45, 65), *CODE)
    singles = tuple(seen(c) for c in "KK4521")
    both = {0: (box(40, 65), seen("K"))}
    assert text(read_freely(StringEvidence(string, singles, both), CHARSET)) == "K4521"


def test_two_points_whose_ink_is_apart_are_two() -> None:
    """The box of the first point of -5..+7 reaches over both."""
    string = line((40, 60), (53, 60), *CODE)
    singles = tuple(seen(c) for c in "..4521")
    both = {0: (box(40, 60), seen("."))}
    for apart, expected in ((frozenset({0}), "..4521"), (frozenset(), ".4521")):
        evidence = StringEvidence(string, singles, both, ink=InkSigns(apart))
        assert text(read_freely(evidence, CHARSET)) == expected


def test_a_point_beside_a_stroke_is_read_but_two_strokes_may_be_one_letter() -> None:
    string = line((40, 60), *CODE)
    halves = (box(40, 50), box(50, 60))
    for whole, parts, expected in (("4", (".", "1"), ".14521"), ("4", ("1", "1"), "44521")):
        singles = (seen(whole, 0.98), *(seen(c) for c in "4521"))
        split = {0: tuple((b, seen(c, 0.8)) for b, c in zip(halves, parts, strict=True))}
        ink = InkSigns(cut={0: 0.03})
        evidence = StringEvidence(string, singles, {}, split, ink=ink)
        assert text(read_freely(evidence, CHARSET)) == expected


def test_two_pieces_that_read_like_the_whole_are_one_letter_unless_it_is_thin() -> None:
    """A thin S whose stroke is broken; two I in one box."""
    parts = (box(40, 52), box(52, 60))
    for symbol, expected in (("S", "S4521"), ("I", "II4521"), (".", "..4521")):
        singles = (seen(symbol, 0.6), *(seen(c) for c in "4521"))
        split = {0: tuple((b, seen(symbol)) for b in parts)}
        evidence = StringEvidence(
            line((40, 60), *CODE), singles, {}, split, ink=InkSigns(cut={0: 0.2})
        )
        assert text(read_freely(evidence, CHARSET)) == expected


def test_two_halves_of_a_letter_that_read_alike_are_one() -> None:
    string = line((40, 60), (53, 73), *((76 + 23 * i, 96 + 23 * i) for i in range(4)))
    both = {0: (box(40, 73), seen("M", 0.97))}
    for first, second, expected in (("H", "H", "M4521"), ("V", "H", "VH4521")):
        singles = tuple(
            seen(c, 0.8 if k < 2 else 0.97) for k, c in enumerate(f"{first}{second}4521")
        )
        assert text(read_freely(StringEvidence(string, singles, both), CHARSET)) == expected


def test_letters_side_by_side_stay_two() -> None:
    string = line((20, 40), (43, 66), *CODE)
    singles = tuple(seen(c) for c in "VV4521")
    both = {0: (box(20, 66), seen("W", 0.9))}
    found = read_freely(StringEvidence(string, singles, both), CHARSET)
    assert text(found) == "VV4521"
    assert min(found.posterior) > 0.8


def test_a_gap_shows_a_character_or_is_gone() -> None:
    spans = [(0, 20), (24, 36), (40, 60), (63, 83), (86, 106)]
    for symbol, p, reject, expected in ((".", 0.98, 0.01, "7.314"), (".", 0.05, 0.94, "7314")):
        string = line(*spans, proposed=frozenset({1}))
        singles = (seen("7"), seen(symbol, p, reject), *(seen(c) for c in "314"))
        evidence = StringEvidence(string, singles, {}, {}, frozenset({1}))
        found = read_freely(evidence, CHARSET)
        assert text(found) == expected
        assert len(found.string.boxes) == len(expected)


def test_a_box_that_the_detector_found_is_never_dropped() -> None:
    string = line((40, 60), *CODE)
    singles = (seen("-", 0.001, 0.998), *(seen(c) for c in "4521"))
    found = read_freely(StringEvidence(string, singles, {}), CHARSET)
    assert found.character == (False, True, True, True, True)


def test_twins_count_as_one_shape() -> None:
    p = np.full(len(CHARSET), 1e-6)
    at = {c: CHARSET.symbols.index(c) for c in "0OoQ"}
    p[at["0"]], p[at["O"]], p[at["Q"]] = 0.5, 0.4, 0.1
    joined = shapes(p, CHARSET)
    assert joined[at["0"]] == pytest.approx(0.9, abs=1e-4)
    assert joined[at["O"]] == pytest.approx(0.9 * 0.8, abs=1e-4)
    assert joined[at["Q"]] == pytest.approx(0.1)


def test_path_and_posteriors_against_all_paths_written_out() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        nodes = int(rng.integers(2, 7))
        spans = [(i, i + 1) for i in range(nodes - 1)]
        spans += [(i, i + 1) for i in range(nodes - 1) if rng.random() < 0.5]
        spans += [(i, i + 2) for i in range(nodes - 2) if rng.random() < 0.7]
        scores = rng.normal(0, 2, len(spans)).tolist()
        paths = [
            sorted(some, key=lambda k: spans[k])
            for size in range(1, nodes)
            for some in itertools.combinations(range(len(spans)), size)
        ]
        paths = [
            p
            for p in paths
            if [spans[k][0] for k in p] == [0, *(spans[k][1] for k in p[:-1])]
            and spans[p[-1]][1] == nodes - 1
        ]
        weight = [math.exp(sum(scores[k] for k in p)) for p in paths]
        assert likeliest_arcs(spans, scores, nodes) == paths[int(np.argmax(weight))]
        posteriors, total = arc_posteriors(spans, scores, nodes)
        assert total == pytest.approx(math.log(sum(weight)))
        for k, p in enumerate(posteriors):
            own = sum(w for path, w in zip(paths, weight, strict=True) if k in path)
            assert p == pytest.approx(own / sum(weight), abs=1e-9)


def test_what_is_shown_leaves_out_boxes_of_nothing_and_keeps_their_spaces() -> None:
    string = BoxString(line(*CODE).boxes, (False, True, False, False), "horizontal")
    evidence = StringEvidence(string, tuple(seen(c) for c in "AB4D"), {})
    reading = replace(read_freely(evidence, CHARSET), character=(True, False, True, True))
    shown, symbols = reading.shown()
    assert symbols == "A4D"
    assert shown.space_after == (True, False, False)
    assert [b.center[0] for b in shown.boxes] == [80, 126, 149]
