"""Forced alignment on evidence made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from industrial_ocr.decoding.evidence import Hypothesis, StringEvidence
from industrial_ocr.decoding.expected import Alignment, align_symbols, likeliest_rival
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates

CHARSET = Charset()


def box(left: float, width: float = 10.0) -> CharBox:
    return CharBox(rect_quad(left, 0, left + width, 16), 0.9, np.eye(2, dtype=np.float32))


def seen(spec: str) -> CharCandidates:
    """``A`` clear, ``A8`` doubtful between the two, ``~`` no character."""
    p = np.full(len(CHARSET), 1e-7, np.float32)
    if spec == "~":
        p[0] = 0.02
    else:
        for symbol, share in zip(spec, (0.99,) if len(spec) == 1 else (0.6, 0.38), strict=True):
            p[CHARSET.symbols.index(symbol)] = share
    order = np.argsort(-p, kind="stable")[:5]
    return CharCandidates(
        tuple(CHARSET.symbols[i] for i in order), p[order], float(max(0.0, 1 - p.sum())), p
    )


def line(*specs: str, merged: dict[int, str] | None = None, start: float = 0.0) -> StringEvidence:
    """A string of boxes; one that is a space ends a word."""
    own, singles, spaces = [], [], []
    at = start
    for spec in specs:
        if spec == " ":
            spaces[-1] = True
        else:
            own.append(box(at))
            singles.append(seen(spec))
            spaces.append(False)
        at += 12
    pairs = {i: (box(12.0 * i, 22.0), seen(spec)) for i, spec in (merged or {}).items()}
    return StringEvidence(BoxString(tuple(own), tuple(spaces), "horizontal"), tuple(singles),
                          pairs)  # fmt: skip


def aligned(text: Sequence[str], *strings: StringEvidence) -> Alignment:
    found = align_symbols(strings, text, CHARSET)
    assert found is not None
    return found


def places(found: Alignment) -> list[tuple[int, ...]]:
    return [() if s.hypothesis is None else boxes(s.hypothesis) for s in found.symbols]


def boxes(own: Hypothesis) -> tuple[int, ...]:
    return tuple(range(own.first // 2, (own.last + 1) // 2))


def test_every_symbol_takes_its_box() -> None:
    found = aligned("AB12", line(*"AB12"))
    assert places(found) == [(0,), (1,), (2,), (3,)]
    assert not found.skipped
    assert found.symbols[1].hypothesis is not None
    assert found.symbols[1].hypothesis.candidates.symbols[0] == "B"


CASES = [
    # what stands there, the text, the boxes taken, what is skipped
    ("AXC", "ABC", [(0,), (1,), (2,)], []),  # one wrong character, not one missing and one extra
    ("ABX", "ABC", [(0,), (1,), (2,)], []),  # also at an end
    ("XBC", "ABC", [(0,), (1,), (2,)], []),
    ("AC", "ABC", [(0,), (), (1,)], []),
    ("BC", "ABC", [(), (0,), (1,)], []),
    ("AB", "ABC", [(0,), (1,), ()], []),
    ("ABXC", "ABC", [(0,), (1,), (3,)], [2]),
    ("A~BC", "ABC", [(0,), (2,), (3,)], [1]),
    ("~ABC~", "ABC", [(1,), (2,), (3,)], [0, 4]),
    ("LOT 7B4K", "7B4K", [(3,), (4,), (5,), (6,)], [0, 1, 2]),
    ("SN74LS0N", "74LS0", [(2,), (3,), (4,), (5,), (6,)], [0, 1, 7]),
    ("AO1B", "A0IB", [(0,), (1,), (2,), (3,)], []),  # shapes do not tell
    ("WXYZ", "ABCD", [(0,), (1,), (2,), (3,)], []),
    ("77AB", "7AB", [(1,), (2,), (3,)], [0]),
    ("AB", "AAB", [(), (0,), (1,)], []),  # of equal symbols, the first one counts as missing
    ("2002", "200022", [(0,), (), (1,), (2,), (), (3,)], []),
]


@pytest.mark.parametrize(("printed", "text", "taken", "skipped"), CASES)
def test_text_is_laid_over_what_stands_there(
    printed: str, text: str, taken: list[tuple[int, ...]], skipped: list[int]
) -> None:
    found = aligned(text, line(*printed))
    assert places(found) == taken
    assert [boxes(s.hypothesis)[0] for s in found.skipped] == skipped


def test_two_boxes_are_one_character() -> None:
    found = aligned("AHC", line("A", "l", "~", "C", merged={1: "H"}))
    assert places(found) == [(0,), (1, 2), (3,)]
    assert not found.skipped
    assert found.symbols[1].hypothesis is not None
    assert found.symbols[1].hypothesis.box.quad[1, 0] == 34.0


def test_two_boxes_stay_two_where_each_is_clear() -> None:
    found = aligned("A11C", line("A", "1", "1", "C", merged={1: "H"}))
    assert places(found) == [(0,), (1,), (2,), (3,)]


def test_a_clear_box_beside_dirt_beats_a_doubtful_pair() -> None:
    found = aligned("A1C", line("A", "1", "~", "C", merged={1: "17"}))
    assert places(found) == [(0,), (1,), (3,)]


def test_a_box_is_two_characters() -> None:
    whole = line("A", "HM", "C")
    halves = ((box(12, 5), seen("1")), (box(17, 5), seen("7")))
    string = StringEvidence(whole.string, whole.singles, {}, {1: halves})
    found = aligned("A17C", string)
    assert places(found) == [(0,), (1,), (1,), (2,)]
    assert not found.skipped
    lefts = [s.hypothesis and s.hypothesis.box.quad[0, 0] for s in found.symbols]
    assert lefts == [0, 12, 17, 24]
    assert found.symbols[2].hypothesis is not None
    assert found.symbols[2].hypothesis.candidates.symbols[0] == "7"
    assert places(aligned("AHC", string)) == [(0,), (1,), (2,)]


def test_other_words_are_nearly_free() -> None:
    alone = aligned("AB12", line(*"AB12"))
    among = aligned("AB12", line(*"CDEFGHIJ AB12 KLM"))
    assert alone.score - among.score < 2


def test_another_string_is_another_word() -> None:
    found = aligned("AB", line(*"CD"), line(*"AB"), line(*"EF"))
    assert [(s.hypothesis.string, boxes(s.hypothesis)[0]) for s in found.skipped] == [
        (0, 0),
        (0, 1),
        (2, 0),
        (2, 1),
    ]
    assert not any(s.adjoining for s in found.skipped)


def test_missing_symbol_has_no_box() -> None:
    found = aligned("ABC", line(*"AC"))
    assert found.symbols[1].hypothesis is None


def test_skipped_boxes_say_where_they_stand() -> None:
    found = aligned("ABC", line(*"Q AB~CDE F"))
    assert [s.before for s in found.skipped] == [0, 2, 3, 3, 3]
    assert [s.same_word for s in found.skipped] == [False, True, True, True, False]
    assert [s.adjoining for s in found.skipped] == [False, True, True, False, False]
    assert [s.inside for s in found.skipped] == [False, True, False, False, False]


def test_text_over_two_strings() -> None:
    found = aligned("TRHU1700", line(*"TRHU"), line(*"1700"))
    assert [s.hypothesis and s.hypothesis.string for s in found.symbols] == [0] * 4 + [1] * 4
    assert places(found) == [(i,) for i in (0, 1, 2, 3)] * 2


@pytest.mark.parametrize("spec", ["X", "XK", "~"])
def test_unknown_symbol_takes_any_box(spec: str) -> None:
    found = aligned(["A", "Ω", "B"], line("A", spec, "B"))
    assert places(found) == [(0,), (1,), (2,)]


def test_unknown_symbol_prefers_a_doubtful_box() -> None:
    doubtful_first = aligned(["Ω"], line("XK", "X"))
    doubtful_last = aligned(["Ω"], line("X", "XK"))
    assert places(doubtful_first) == [(0,)]
    assert places(doubtful_last) == [(1,)]


def test_better_text_scores_higher() -> None:
    right = aligned("AB12", line(*"AB12"))
    wrong = aligned("AB72", line(*"AB12"))
    assert right.score > wrong.score + 5


def test_nothing_to_align_to() -> None:
    assert align_symbols([], "ABC", CHARSET) is None


def test_a_text_against_all_other_readings() -> None:
    seen_here = line(*"AB12")
    margin, other = likeliest_rival(aligned("AB12", seen_here), CHARSET)
    assert margin > 3
    for text in ("AB1", "AB122", "AB72", "B12", "A12", "AAB12"):
        margin, other = likeliest_rival(aligned(text, seen_here), CHARSET)
        assert margin < 0 and other == "AB12", text
    assert likeliest_rival(aligned("AB12", line(*"LOT AB12 X")), CHARSET)[0] > 3
    assert likeliest_rival(aligned("AB1", seen_here), CHARSET, part=True)[0] > 0


def test_a_rival_is_named_as_the_text_where_both_show_the_same() -> None:
    _, other = likeliest_rival(aligned("LO80", line("L", "O", "8B", "O")), CHARSET)
    assert other == "LOB0"


def test_a_text_of_two_words_against_a_part_of_it() -> None:
    margin, other = likeliest_rival(aligned("AB12", line(*"AB 12")), CHARSET)
    assert margin > 3, other


def test_the_margin_is_that_of_the_doubtful_character() -> None:
    margin, other = likeliest_rival(aligned("AC12", line("A", "CG", "1", "2")), CHARSET)
    assert (margin, other) == (pytest.approx(np.log(0.6 / 0.38), abs=1e-4), "AG12")
    margin, other = likeliest_rival(aligned("AO12", line("A", "D0", "1", "2")), CHARSET)
    assert (margin, other) == (pytest.approx(np.log(0.38 / 0.6), abs=1e-4), "AD12")


def test_a_part_of_a_word_is_not_held_against_what_stands_beside_it() -> None:
    # To skip the 4 and begin with the D is no way to read 74LS01 otherwise.
    text = "74LS01"
    margin, other = likeliest_rival(aligned(text, line(*"D74LS01")), CHARSET, part=True)
    alone, _ = likeliest_rival(aligned(text, line(*text)), CHARSET, part=True)
    assert margin > alone / 2, other


def test_same_shape() -> None:
    assert same_shape("0") == set("0Oo")
    assert same_shape("o") == set("0Oo")
    assert same_shape("c") == set("cC")
    assert same_shape("8") == {"8"}
