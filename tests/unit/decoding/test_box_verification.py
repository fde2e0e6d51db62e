"""Verdicts on boxes, on evidence made by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from industrial_ocr.decoding.box_verification import verify_boxes
from industrial_ocr.decoding.evidence import StringEvidence
from industrial_ocr.decoding.verification import expected_symbols, string_runs
from industrial_ocr.errors import ConfigError
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import BoxString, CharBox, CharCandidates, CharState, Verdict
from industrial_ocr.results.verdicts import Verification

CHARSET = Charset()
PASS, FAIL, CANNOT_TELL = Verdict.PASS, Verdict.FAIL, Verdict.CANNOT_TELL


def seen(**shares: float) -> CharCandidates:
    """What a classifier says that gives these probabilities; the rest is reject."""
    p = np.full(len(CHARSET), 1e-7, np.float32)
    for symbol, share in shares.items():
        p[CHARSET.symbols.index("-" if symbol == "dash" else symbol[-1])] = share
    order = np.argsort(-p, kind="stable")[:5]
    return CharCandidates(
        tuple(CHARSET.symbols[i] for i in order), p[order], float(max(0.0, 1 - p.sum())), p
    )


def box(at: float, width: float = 10.0) -> CharBox:
    return CharBox(rect_quad(at, 0, at + width, 16), 0.9, np.eye(2, dtype=np.float32))


def line(text: str, start: float = 0.0, **other: CharCandidates) -> StringEvidence:
    """A string that reads clearly, but for the boxes ``at3=...``; ``_`` is room without a box."""
    boxes, singles, spaces = [], [], []
    for i, symbol in enumerate(text):
        if symbol == " ":
            spaces[-1] = True
        elif symbol != "_":
            boxes.append(box(start + 12 * i))
            singles.append(other.get(f"at{i}", seen(**{f"_{symbol}": 0.99})))
            spaces.append(False)
    return StringEvidence(BoxString(tuple(boxes), tuple(spaces), "horizontal"), tuple(singles), {})


def verdict(strings: StringEvidence | list[StringEvidence], expected: str) -> Verification:
    own = [strings] if isinstance(strings, StringEvidence) else strings
    return verify_boxes(own, expected, CHARSET)


CASES = [
    # what stands there, what is expected, the verdict, a part of the reason
    ("AB12CD", "AB12CD", PASS, "every character"),
    ("AB12CD", "AB 12 CD", PASS, ""),
    ("AB12CD", "AB72CD", FAIL, "character 3 ('7') reads as '1' (over 1,000 times as likely)"),
    ("AB12CD", "AB2CD", FAIL, "an extra '1' stands after character 2"),
    ("AB12CD", "B12CD", FAIL, "an extra 'A' stands before the text"),
    ("AB12CD", "AB12C", FAIL, "an extra 'D' stands after character 5"),
    ("AB12CD", "AB1M2CD", FAIL, "character 4 ('M') is missing"),
    ("AB1_2CD", "AB1M2CD", CANNOT_TELL, "character 4 ('M') was not found"),
    ("AB12CD", "AB12CDE", CANNOT_TELL, "character 7 ('E') was not found"),
    ("AB12CD", "AB112CD", CANNOT_TELL, "was not found"),  # a 1 needs no room
    (
        "AO1SCD",
        "A0ISCD",
        CANNOT_TELL,
        "character 2 ('0') is not clear: 'O' is over 1,000 times",
    ),  # twins never fail
    ("AcBDK2", "ACBDk2", PASS, ""),
    ("AB 12CD", "AB12CD", PASS, ""),
    ("LOT AB12CD X", "AB12CD", PASS, ""),  # other text
    ("LOT AB12CD X", "LOTAB12CD", PASS, ""),
    ("WXYZ99", "AB12CD", FAIL, "another text stands there: 'WXYZ99'"),
    ("WXYZ99765", "AB12CD", CANNOT_TELL, "no similar text"),
    ("AB-12CD", "AB12CD", CANNOT_TELL, "something stands after character 2"),  # may be dirt
    (
        "AB12CD",
        "AB13CE",
        FAIL,
        "character 4 ('3') reads as '2' (over 1,000 times as likely), and 1 more problem",
    ),
]


@pytest.mark.parametrize(("printed", "expected", "wanted", "reason"), CASES)
def test_clear_boxes(printed: str, expected: str, wanted: Verdict, reason: str) -> None:
    found = verdict(line(printed), expected)
    assert found.verdict is wanted, found.reason
    assert reason in found.reason


DOUBTS = [
    # evidence of the box of ``2`` in AB12CD, its state
    (seen(_2=0.9, _7=0.05), CharState.PASS),
    (seen(_2=0.8, _7=0.19), CharState.UNSURE),  # 4 times
    (seen(_2=0.9, _Z=0.05), CharState.UNSURE),  # 18 times, but they look alike
    (seen(_2=0.95, _Z=0.04), CharState.PASS),
    (seen(_2=0.45, _7=0.01), CharState.UNSURE),  # as likely no character at all
    (seen(_7=0.9, _2=0.06), CharState.UNSURE),
    (seen(_7=0.96, _2=0.02), CharState.FAIL),
    (seen(_7=0.4, _2=0.001), CharState.UNSURE),  # the box is no clear character
]


@pytest.mark.parametrize(("candidates", "state"), DOUBTS)
def test_a_doubtful_character(candidates: CharCandidates, state: CharState) -> None:
    found = verdict(line("AB12CD", at3=candidates), "AB12CD")
    assert found.characters[3].state is state
    wanted = {CharState.PASS: PASS, CharState.FAIL: FAIL}.get(state, CANNOT_TELL)
    assert found.verdict is wanted
    assert found.worst is not None and found.worst.symbol == "2"


def test_the_reason_names_no_letter_of_the_other_case() -> None:
    found = verdict(line("ABc2CD", at2=seen(_c=0.001, _C=0.5, _G=0.4)), "ABc2CD")
    assert "'G'" in found.reason and "'C'" not in found.reason


def test_log_odds_and_rival() -> None:
    found = verdict(line("AB12CD", at3=seen(_2=0.8, _7=0.1)), "AB12CD").characters[3]
    assert found.rival == "7"
    assert found.log_odds == pytest.approx(np.log(8), abs=1e-4)
    assert (found.twin, found.twin_log_odds) == ("", 0.0)


def test_a_twin_is_told_and_joined() -> None:
    whole = verdict(line("AB02CD", at2=seen(_O=0.6, _0=0.3, _D=0.02)), "AB02CD")
    assert whole.text == "AB02CD"
    found = whole.characters[2]
    assert found.state is CharState.PASS
    assert found.log_odds == pytest.approx(np.log(45), abs=1e-3)
    assert found.twin == "O"
    assert found.twin_log_odds == pytest.approx(np.log(0.5), abs=1e-4)


def test_a_clear_twin_neither_passes_nor_fails() -> None:
    found = verdict(line("AB02CD", at2=seen(_O=0.98, _0=0.01)), "AB02CD")
    assert found.characters[2].state is CharState.UNSURE
    assert found.verdict is CANNOT_TELL


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_code_over_two_strings(order: tuple[int, int]) -> None:
    lines = [line("TRHU"), line("170036", start=5)]
    found = verdict([lines[i] for i in order] + [line("22G1")], "TRHU170036")
    assert found.verdict is PASS
    assert found.text == "TRHU170036"


def test_not_over_strings_with_text_between() -> None:
    found = verdict([line("TRHU"), line("XXXX"), line("170036")], "TRHU170036")
    assert found.verdict is not PASS


def test_room_for_a_lost_character_is_no_pass() -> None:
    for gap, wanted in ((3, PASS), (7, CANNOT_TELL), (12, PASS)):
        plain = line("AB12CD")
        boxes = tuple(box(12 * i + (gap if i > 2 else 0)) for i in range(6))
        wide = StringEvidence(BoxString(boxes, (False,) * 6, "horizontal"), plain.singles, {})
        found = verdict(wide, "AB12CD")
        assert found.verdict is wanted, (gap, found.reason)
        assert verdict(wide, "AB1 2CD").verdict is PASS
    assert verdict(line("AB_12CD", start=0), "AB12CD").verdict is PASS


def test_dirt_is_in_nobodys_way() -> None:
    assert verdict(line("ABA12CD", at2=seen(_A=0.0001)), "AB12CD").verdict is PASS
    found = verdict(line("ABA12CD", at2=seen(_A=0.4)), "AB12CD")
    assert found.verdict is CANNOT_TELL
    assert [e.symbol for e in found.extra] == ["A"]


def test_a_part_of_a_word_on_demand() -> None:
    own = [line("SN74LS00N")]
    assert verify_boxes(own, "74LS00", CHARSET).verdict is FAIL
    assert verify_boxes(own, "74LS00", CHARSET, part=True).verdict is PASS
    assert verify_boxes(own, "74S00", CHARSET, part=True).verdict is FAIL


def paired(one: CharCandidates, two: CharCandidates, both: CharCandidates) -> StringEvidence:
    plain = line("A11C", at1=one, at2=two)
    return StringEvidence(plain.string, plain.singles, {1: (box(12, 22), both)})


def test_a_pair_that_reads_as_two_does_not_pass() -> None:
    swallowed = paired(seen(dash=0.99), seen(_3=0.95), seen(_3=0.8))
    assert verdict(swallowed, "A3C").verdict is CANNOT_TELL


def test_halves_of_a_box_that_reads_as_one_do_not_pass() -> None:
    for whole, wanted in ((seen(_M=0.05), PASS), (seen(_M=0.9), CANNOT_TELL)):
        boxes = (box(0), box(12, 22), box(36))
        halves = ((box(12, 11), seen(_1=0.99)), (box(23, 11), seen(_7=0.99)))
        singles = (seen(_A=0.99), whole, seen(_C=0.99))
        string = BoxString(boxes, (False,) * 3, "horizontal")
        cut = StringEvidence(string, singles, {}, {1: halves})
        assert verdict(cut, "A17C").verdict is wanted


def overlapping(text: str, merged: str) -> StringEvidence:
    """A string whose first two boxes lie on the ink of one broad letter."""
    boxes = (box(0, 10), box(4, 16), *(box(22 + 13 * i, 11) for i in range(len(text) - 2)))
    string = BoxString(boxes, (False,) * len(text), "horizontal")
    singles = (seen(**{f"_{text[0]}": 0.3}), *(seen(**{f"_{c}": 0.97}) for c in text[1:]))
    return StringEvidence(string, singles, {0: (box(0, 20), seen(**{f"_{merged}": 0.97}))})


def test_strokes_of_a_letter_are_no_letters() -> None:
    seen_w = overlapping("VW4521", "W")
    # Hardly more than the overlap says which it is: no wrong pass, and no wrong failure.
    assert verdict(seen_w, "W4521").verdict is not FAIL
    assert verdict(seen_w, "VW4521").verdict is not PASS


@pytest.mark.parametrize(("printed", "expected"), [("-40C", "40C"), ("2.50", "250")])
def test_a_mark_that_is_printed_is_no_pass_without_it(printed: str, expected: str) -> None:
    own = {f"at{i}": seen(dash=0.97) for i, c in enumerate(printed) if c == "-"}
    own |= {f"at{i}": seen(**{"_.": 0.97}) for i, c in enumerate(printed) if c == "."}
    assert verdict(line(printed, **own), printed).verdict is PASS
    assert verdict(line(printed, **own), expected).verdict is CANNOT_TELL


def test_halves_of_one_letter_are_no_failure() -> None:
    # W as two boxes that nobody joined: it reads as V, with another V beside it.
    assert verdict(line("ABVVCD"), "ABWCD").verdict is CANNOT_TELL


def test_nothing_was_found() -> None:
    found = verdict([], "AB12")
    assert (found.verdict, found.reason, found.characters) == (
        CANNOT_TELL, "no text was found", (),
    )  # fmt: skip
    assert found.worst is None and found.quad is None


@pytest.mark.parametrize(
    ("expected", "message"), [("", "empty"), ("  ", "empty"), ("ABΩ€", r"does not know Ω €")]
)
def test_texts_that_cannot_be_checked(expected: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        verdict(line("AB"), expected)


def test_tokens_are_symbols() -> None:
    assert expected_symbols("A CE1", Charset(("A", "C", "E", "CE", "1"))) == ("A", "CE", "1")


def test_runs() -> None:
    assert list(string_runs(1)) == [(0,)]
    assert list(string_runs(3)) == [
        (0,), (1,), (2,), (0, 1), (1, 0), (1, 2), (2, 1), (0, 1, 2), (2, 1, 0),
    ]  # fmt: skip


def test_places_move_and_become_json() -> None:
    picture = np.zeros((90, 90, 3), np.uint8)
    found = verdict(line("AXM2_D", at1=seen(_A=0.4)), "AB12CD").moved(5, 7, picture)
    assert found.characters[0].quad is not None
    assert found.characters[0].quad[0].tolist() == [5, 7]
    assert found.quad is not None and found.quad[0].tolist() == [5, 7]
    told = json.loads(found.to_json())
    assert told["verdict"] == found.verdict.value
    assert told["characters"][0]["symbol"] == "A"
    assert told["characters"][told["worst"]]["symbol"] == found.worst.symbol  # type: ignore[union-attr]
    assert found.draw().shape == (90, 90, 3)
    assert found.draw().any()
