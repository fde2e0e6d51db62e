"""Routes of a recorded run are those that reading would have taken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from industrial_ocr.datasets.samples import Label
from industrial_ocr.errors import DatasetError
from industrial_ocr.evaluation.label_matching import Rules, match_labels
from industrial_ocr.evaluation.records import ReadString, Record, RecordedRun, load_run
from industrial_ocr.evaluation.reroute import reroute
from industrial_ocr.patterns.pattern import Pattern

PATTERN = Pattern.regex("[A-Z]{2}[0-9]{2}")
RULES = {"": Rules(pattern=PATTERN)}


def record(engine: str, text: str, status: str = "ok", confidence: float = 0.9) -> Record:
    codes = (ReadString(text, confidence, None, (), status, text),) if text else ()
    return Record("d", "a.png", engine, "read", (9, 9), (Label("AB12"),), (), status, 0.1, {}, "",
                  codes)  # fmt: skip


def routed(*records: Record, least: float = 0.0) -> dict[str, Record]:
    run = RecordedRun({"engines": {"two-stage": "1", "crnn": "1"}}, records)
    return {r.engine: r for r in reroute(run, RULES, None, least).records}


def test_equal_codes_agree_and_different_ones_do_not() -> None:
    same = routed(record("two-stage", "AB12"), record("crnn", "AB12"))
    assert same["agree"].codes[0].accepted_confidence == pytest.approx(0.81 / 0.82, abs=1e-4)  # type: ignore[index]
    apart = routed(record("two-stage", "AB12"), record("crnn", "A812"))
    assert apart["agree"].status == "disagreement"
    assert apart["agree"].codes[0].accepted_confidence == 0.0  # type: ignore[index]
    assert match_labels(apart["agree"], RULES[""])[0].prediction.confidence == 0.0


def test_auto_takes_the_other_way_where_the_first_is_not_sure() -> None:
    found = routed(record("two-stage", "AB72", "low_confidence", 0.5), record("crnn", "AB12"))
    assert found["auto"].codes[0].text == "AB12"  # type: ignore[index]
    none = routed(record("two-stage", ""), record("crnn", ""))
    assert none["auto"].codes == ()
    for either in (found["auto"], none["auto"]):  # the time of both engines, 0.1 s each
        assert either.seconds == pytest.approx(0.2)


def test_every_code_of_a_picture_is_routed() -> None:
    def two_codes(engine: str, second: str) -> Record:
        quads = [tuple((x, y + top) for x, y in ((0, 0), (90, 0), (90, 20), (0, 20)))
                 for top in (0.0, 40.0)]  # fmt: skip
        codes = tuple(ReadString(t, 0.9, q, (), "ok", t)
                      for t, q in zip(("AB12", second), quads, strict=True))  # fmt: skip
        return replace(record(engine, "AB12"), codes=codes)

    both = routed(two_codes("two-stage", "CD34"), two_codes("crnn", "CD84"))
    found = [(c.text, c.status) for c in both["agree"].codes or ()]
    assert found == [("AB12", "ok"), ("CD34", "disagreement")]
    assert [c.text for c in both["auto"].codes or ()] == ["AB12", "CD34"]


def test_what_two_doubtful_ways_agree_on_must_be_sure_enough() -> None:
    pair = record("two-stage", "AB12", confidence=0.8), record("crnn", "AB12", confidence=0.8)
    # Together 0.94, and 0.78 for all four characters.
    assert routed(*pair, least=0.9)["agree"].status == "ok"
    assert routed(*pair, least=0.95)["agree"].status == "low_confidence"


def test_signs_of_a_bad_picture_are_recorded_and_count() -> None:
    first = record("two-stage", "AB12")
    small = replace(first, codes=(replace(first.codes[0], signs=(7.0, 0.0, 0.7, 0.1)),))  # type: ignore[index]
    again = Record.from_dict(json.loads(small.to_json()))
    assert routed(again, record("crnn", "A812"))["auto"].status == "disagreement"
    assert routed(first, record("crnn", "A812"))["auto"].status == "ok"


def test_a_code_that_both_found_incomplete_is_doubtful() -> None:
    mark = "a mark after the last character was not read"
    pair = []
    for engine in ("two-stage", "crnn"):
        own = record(engine, "AB12", "low_confidence")
        assert own.codes is not None
        marked = replace(own, codes=(replace(own.codes[0], missing=mark),))
        pair.append(Record.from_dict(json.loads(marked.to_json())))
    assert routed(*pair)["agree"].status == "low_confidence"
    assert routed(pair[0], record("crnn", "AB12"))["agree"].status == "ok"


def test_a_code_with_a_rival_that_no_engine_rules_out_is_ambiguous() -> None:
    pair = []
    for engine in ("two-stage", "crnn"):
        own = record(engine, "AB12", "low_confidence")
        assert own.codes is not None
        doubtful = replace(own.codes[0], alternatives=(("A812", 0.4),))
        pair.append(Record.from_dict(json.loads(replace(own, codes=(doubtful,)).to_json())))
    assert routed(*pair)["agree"].status == "ambiguous"
    assert routed(pair[0], record("crnn", "AB12"))["agree"].status == "ok"


def test_a_run_of_one_way_or_without_a_pattern_cannot_be_routed() -> None:
    with pytest.raises(DatasetError, match="both read under a pattern"):
        routed(record("two-stage", "AB12"))
    both = (record("two-stage", "AB12"), record("crnn", "AB12"))
    with pytest.raises(DatasetError, match="under a pattern"):
        reroute(RecordedRun({}, both), {"": Rules()})


def test_status_and_raw_reading_survive_the_file(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    line = record("crnn", "AB12", "check_failed", 0.7).to_json()
    file.write_text('{"run": {"format": 1}}\n' + line + "\n")
    code = load_run(file).records[0].codes[0]  # type: ignore[index]
    assert (code.status, code.raw, code.confidence, code.accepted_confidence) == (
        "check_failed", "AB12", 0.7, 0.0,
    )  # fmt: skip
