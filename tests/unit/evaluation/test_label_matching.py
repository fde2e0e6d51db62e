"""From readings to answers, and which stage lost those that are wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from industrial_ocr.datasets.samples import Label, LabeledCharacter, Task
from industrial_ocr.evaluation.error_attribution import attribute_error
from industrial_ocr.evaluation.label_matching import Rules, match_labels, odd_labels
from industrial_ocr.evaluation.metrics import ReadOutcome, TextComparison
from industrial_ocr.evaluation.records import ReadString, Record
from industrial_ocr.evaluation.summary import LOSS_HEADERS, loss_rows, summarize_run
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.geometry import rect_quad

PITCH, SIZE = 20.0, 16.0


def char_quad(place: float, width: float = SIZE) -> list[list[float]]:
    x = 100 + PITCH * place
    return rect_quad(x, 50, x + width, 50 + 24).tolist()


def written(text: str, start: float = 0, confidence: float | None = 0.9) -> ReadString:
    """A string whose characters stand one pitch apart."""
    characters = tuple((c, 0.9, char_quad(start + i)) for i, c in enumerate(text))
    x0, x1 = 100 + PITCH * start, 100 + PITCH * (start + len(text) - 1) + SIZE
    return ReadString(text, confidence, rect_quad(x0, 50, x1, 74).tolist(), characters)


def label(text: str, boxes: bool = False, ignore: bool = False) -> Label:
    x1 = 100 + PITCH * (len(text) - 1) + SIZE
    own = (LabeledCharacter(c, char_quad(i)) for i, c in enumerate(text))  # type: ignore[arg-type]
    return Label(text, rect_quad(100, 50, x1, 74), tuple(own) if boxes else (), ignore)


def record(
    labels: list[Label], strings: list[ReadString], task: Task = "read", engine: str = "two-stage"
) -> Record:
    return Record("d", "i.png", engine, task, (640, 200), tuple(labels), tuple(strings))


@pytest.mark.parametrize(
    ("read", "reading"),
    [
        (["AB12"], "AB12"),
        (["XX", "AB12"], "AB12"),
        (["ab-12"], "AB12"),  # folded
        (["AB", "12"], "AB12"),  # neighbors joined
        (["AB1", "Z9Z9Z9", "2"], "AB1"),  # nothing between them may be skipped
        (["AB", "--", "12"], "AB12"),  # but what folds to nothing may
        (["XYZ AB12 Q"], "AB12"),  # a word of a line
        (["XYZ AB 1", "2 Q"], "AB12"),  # words across lines
        (["AB1Z"], "AB1Z"),  # nearest
        (["A"], ""),  # more than half would have to change
        ([], ""),
    ],
)
def test_the_answer_without_a_pattern(read: list[str], reading: str) -> None:
    (answer,) = match_labels(record([label("AB12")], [written(t) for t in read]), Rules())
    assert answer.prediction.reading == reading


def test_confidence_is_that_of_the_weakest_string_joined() -> None:
    strings = [written("AB", confidence=0.9), written("12", confidence=0.6)]
    (answer,) = match_labels(record([label("AB12")], strings), Rules())
    assert (answer.prediction.confidence, answer.strings) == (0.6, (0, 1))
    (answer,) = match_labels(record([label("AB12")], [written("AB12", confidence=None)]), Rules())
    assert answer.prediction.confidence is None


def test_contained_labels_are_found_inside_longer_strings() -> None:
    rules = Rules(TextComparison(contains=True))
    (answer,) = match_labels(record([label("LS00")], [written("SN74LS00N")]), rules)
    assert answer.prediction.reading == "SN74LS00N"
    assert attribute_error(answer, rules) is None


def test_what_surrounds_a_contained_label_counts_in_no_figure() -> None:
    rules = Rules(TextComparison(contains=True))
    records = [
        replace(record([Label("74LS00")], [written(text)]), image=text)
        for text in ("SN74LS00N", "SN74L500N", "SN74L00N")
    ]
    (summary,) = summarize_run(records, {"": rules}, {})
    assert summary.right.rate == pytest.approx(1 / 3)
    assert summary.cer == pytest.approx(2 / 18)
    assert dict(summary.confusions) == {("S", ""): 1, ("S", "5"): 1}
    assert summary.lost == {"wrong class": 1, "no box": 1}


def test_a_label_scattered_over_a_text_is_not_contained() -> None:
    rules = Rules(TextComparison(contains=True))
    (answer,) = match_labels(record([label("AB12")], [written("AXXXBXXX1XXX2")]), rules)
    assert answer.prediction.reading == ""


def test_a_pattern_takes_its_first_match_right_or_wrong() -> None:
    rules = Rules(pattern=Pattern.regex("[A-Z]{2}[0-9]{2}"))
    read = [written("XY99AB"), written("AB12")]
    (answer,) = match_labels(record([label("AB12"), label("LONGER")], read[::-1]), rules)
    assert answer.prediction.reading == "AB12"
    (answer,) = match_labels(record([label("AB12")], read), rules)
    assert answer.prediction.reading == "XY99"
    assert attribute_error(answer, rules) == "decoding"
    (answer,) = match_labels(record([label("AB12")], [written("A812")]), rules)
    assert answer.prediction.reading == ""


def test_several_codes_of_one_pattern_each_get_a_match() -> None:
    rules = Rules(pattern=Pattern.regex("[0-9]{2}"))
    given = match_labels(record([label("11"), label("22")], [written("22"), written("33")]), rules)
    assert [a.prediction.reading for a in given] == ["33", "22"]


def test_ignored_and_unwanted_labels_do_not_count() -> None:
    labels = [label("AB12"), label("XY", ignore=True), label("TOOLONG"), Label("***")]
    given = match_labels(record(labels, []), Rules(labels=re.compile(".{4}")))
    assert [a.prediction.truth for a in given] == ["AB12"]


def test_crops_are_one_item_whatever_is_read() -> None:
    crop = record([Label("AB12")], [written("AB"), written("12")], task="recognize")
    assert [a.prediction.reading for a in match_labels(crop, Rules())] == ["AB12"]
    empty = record([Label("")], [], task="classify")
    assert [a.prediction.truth for a in match_labels(empty, Rules())] == [""]


@pytest.mark.parametrize(
    ("read", "right", "stage"),
    [("&", True, None), ("8", False, "wrong class"), ("", False, "no string")],
)
def test_a_crop_of_a_mark_is_read_right_only_as_this_mark(
    read: str, right: bool, stage: str | None
) -> None:
    crop = record([Label("&")], [written(read)] if read else [], task="recognize")
    (answer,) = match_labels(crop, Rules())
    assert (answer.outcome(Rules()) is ReadOutcome.CORRECT) is right
    assert attribute_error(answer, Rules()) == stage


def split() -> ReadString:
    """AB12 whose 1 has two boxes."""
    places = (
        ("A", 0.0, SIZE),
        ("B", 1.0, SIZE),
        ("I", 2.0, 7.0),
        ("I", 2.45, 7.0),
        ("2", 3.0, SIZE),
    )
    characters = tuple((c, 0.9, char_quad(at, width)) for c, at, width in places)
    return ReadString("ABII2", 0.9, written("AB12").quad, characters)


LOST = [
    ("AB12", [written("AB12")], None),
    ("AB12", [], "no string"),
    ("AB12", [written("AB12", start=20)], None),  # read right elsewhere is read right
    ("AB12", [written("AB1")], "no box"),
    ("AB12", [split()], "merged or split box"),
    ("AB12", [written("AB1Z")], "wrong class"),
    ("AB12", [written("12", 2), written("AB", 0)], "wrong link"),
]


@pytest.mark.parametrize(("truth", "strings", "stage"), LOST)
def test_the_stage_that_lost_a_code(
    truth: str, strings: list[ReadString], stage: str | None
) -> None:
    (answer,) = match_labels(record([label(truth)], strings), Rules())
    assert attribute_error(answer, Rules()) == stage


def test_labeled_characters_tell_a_missing_box_from_a_merged_one() -> None:
    wide = ("B", 0.9, rect_quad(120, 50, 156, 74).tolist())  # over the B and the 1
    ends = tuple((c, 0.9, char_quad(i)) for c, i in (("A", 0), ("2", 3)))
    merged = ReadString("AB2", 0.9, rect_quad(100, 50, 176, 74).tolist(), (ends[0], wide, ends[1]))
    missing = ReadString("A12", 0.9, merged.quad, (ends[0], ("1", 0.9, char_quad(2)), ends[1]))
    for string, stage in ((merged, "merged or split box"), (missing, "no box")):
        (answer,) = match_labels(record([label("AB12", boxes=True)], [string]), Rules())
        assert attribute_error(answer, Rules()) == stage


def test_engines_without_characters_only_miss_or_misread() -> None:
    def lost(read: list[ReadString]) -> str | None:
        (answer,) = match_labels(record([label("AB12")], read, engine="rapidocr"), Rules())
        return attribute_error(answer, Rules())

    near = ReadString("AB1Z", 0.9, rect_quad(100, 50, 176, 74).tolist())
    far = ReadString("QQQQ", 0.9, rect_quad(400, 150, 476, 174).tolist())
    assert (lost([near]), lost([far])) == ("misread", "no string")


def test_codes_that_fail_the_check_come_last_and_are_accepted_by_nobody() -> None:
    rules = Rules(pattern=Pattern.preset("iso6346"))
    read = [written("TRHU3074373"), written("XX TRHU3074372")]
    (answer,) = match_labels(record([label("TRHU3074372")], read), rules)
    assert (answer.prediction.reading, answer.prediction.confidence) == ("TRHU3074372", 0.9)
    (answer,) = match_labels(record([label("TRHU3074372")], read[:1]), rules)
    assert (answer.prediction.reading, answer.prediction.confidence) == ("TRHU3074373", 0.0)


def test_an_engine_that_knows_patterns_answers_with_its_own_codes() -> None:
    rules = Rules(pattern=Pattern.regex("[A-Z]{2}[0-9]{2}"))
    own = replace(record([label("AB12")], [written("AB12")]), codes=(ReadString("AB17", 0.8),))
    (answer,) = match_labels(own, rules)
    assert (answer.prediction.reading, answer.prediction.confidence) == ("AB17", 0.8)
    (answer,) = match_labels(replace(own, codes=()), rules)
    assert answer.prediction.reading == ""
    assert Record.from_dict(json.loads(own.to_json())).codes == own.codes
    assert Record.from_dict(json.loads(replace(own, codes=()).to_json())).codes == ()


def test_lost_codes_are_tabled_by_stage_as_shares_of_all() -> None:
    """Two of four codes lost, one by its class and one without a string; rivals have no stages."""
    read = [written("AB12"), written("AB12"), written("AB1Z"), None]
    records = [
        replace(record([label("AB12")], [] if s is None else [s]), image=f"{i}.png")
        for i, s in enumerate(read)
    ]
    rival = [replace(r, engine="tesseract") for r in records]
    found = loss_rows(summarize_run([*records, *rival], {"": Rules()}, {}))
    (row,) = found
    cells = dict(zip(LOSS_HEADERS, row, strict=True))
    assert (cells["engine"], cells["n"]) == ("two-stage", "4")
    shares = {k: float(v) for k, v in cells.items() if k not in ("dataset", "engine", "n")}
    assert {k: v for k, v in shares.items() if v} == {"wrong class": 25.0, "no string": 25.0}


def test_labels_beside_the_pattern_and_those_that_fail_its_check_are_named() -> None:
    labels = [label(t) for t in ("CSQU3054383", "csqu 305438 3", "22G1", "CSQU3054384")]
    rules = Rules(pattern=Pattern.parse("iso6346"))
    assert odd_labels(labels, rules) == (["22G1"], ["CSQU3054384"])
    assert odd_labels(labels, Rules()) == ([], [])
