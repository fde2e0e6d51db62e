"""``industrial-ocr bench`` and ``dataset`` on the example pictures, and on bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from industrial_ocr.cli.app import app
from industrial_ocr.reader.reader import Reader

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
LABELS = "label.png\tLOT7B4K92-3\nlabel.png\tEXP 08/2027\nchip.png\tSN74LS193N\n"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def line_of(result: Result) -> str:
    """What an error printed; a traceback would not be one line."""
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "codes"
    (folder / "images").mkdir(parents=True)
    for name in ("label.png", "chip.png"):
        shutil.copy(EXAMPLES / name, folder / "images" / name)
    (folder / "labels.tsv").write_text(LABELS)
    return folder


def test_a_run_its_files_and_what_can_be_done_with_them(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("bench", data, "--engines", "two-stage,crnn,paddleocr", "--out", out)
    done = call(*arguments, "--threshold", "crnn=0.9")
    assert done.exit_code == 0, done.output
    assert "left out: engine paddleocr is not installed: pip install paddleocr" in line_of(done)
    lines = (out / "results.jsonl").read_text().splitlines()
    assert len(lines) == 1 + 2 * 2
    summary = json.loads((out / "summary.json").read_text())["summary"]
    assert [(s["engine"], s["n"]) for s in summary] == [("two-stage", "3"), ("crnn", "3")]
    assert "| codes | crnn | 3 |" in (out / "tables.md").read_text()
    assert "Codes lost, by stage" in (out / "tables.md").read_text()
    assert "<svg" in (out / "report.html").read_text()

    again = call(*arguments)
    assert again.exit_code == 0
    assert (out / "results.jsonl").read_text().splitlines() == lines

    same = call("bench", "compare", out, out, "--json")
    assert [(c["labels"], c["better"], c["worse"]) for c in json.loads(same.output)] == [
        (3, [], []),
        (3, [], []),
    ]
    assert call("bench", "compare", out, out).exit_code == 0
    scored = call("bench", "report", out, data)
    assert scored.exit_code == 0, scored.output

    other = call("bench", data, "--engines", "crnn", "--out", out)
    assert other.exit_code == 1
    assert "has other engines" in line_of(other)


def test_a_suite_says_how_datasets_are_judged(data: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "datasets: {codes: {labels: 'LOT.*', task: recognize, lexicon: labels, match: contains}}\n"
    )
    done = call(
        "bench", data.parent, "--suite", suite, "--engines", "crnn", "--out", tmp_path / "o",
        "--limit", 1, "--oracle",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "o" / "summary.json").read_text())["summary"]
    assert [(r["engine"], r["n"]) for r in rows] == [("crnn", "1"), ("crnn+lexicon", "1")]
    assert "labeled strings read by crnn" in done.output
    suite.write_text(
        "datasets: {codes: {task: recognize, engines: [crnn]}, "
        "again: {folder: codes, task: recognize, pattern: '[A-Z0-9]+', engines: [two-stage]}}\n"
    )
    done = call(
        "bench", data.parent, "--suite", suite, "--engines", "crnn,two-stage",
        "--out", tmp_path / "p", "--limit", 1,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "p" / "summary.json").read_text())["summary"]
    read_by = [(r["dataset"], r["engine"]) for r in rows]
    assert read_by == [("codes", "crnn"), ("again", "two-stage")]
    alone = call("bench", "reroute", tmp_path / "p")
    assert (alone.exit_code, "both read under a pattern" in line_of(alone)) == (2, True)
    suite.write_text("datasets: {codes: {task: recognize, pattern: '[A-Z0-9]+'}}\n")
    done = call(
        "bench", data.parent, "--suite", suite, "--engines", "crnn,two-stage",
        "--out", tmp_path / "q", "--limit", 1,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    table = tmp_path / "routes.md"
    assert call("bench", "reroute", tmp_path / "q", "--out", table).exit_code == 0
    written = [line.split(" | ")[1] for line in table.read_text().splitlines()[2:]]
    assert written == ["crnn", "two-stage", "agree", "auto"]
    suite.write_text(
        "datasets: {codes: {task: recognize, pattern: '[A-Z]+', decode: false, engines: [crnn]}}\n"
    )
    out = tmp_path / "filtered"
    done = call("bench", data.parent, "--suite", suite, "--engines", "crnn", "--out", out)
    assert done.exit_code == 0, done.output
    lines = [json.loads(row) for row in (out / "results.jsonl").read_text().splitlines()[1:]]
    assert lines and all(row.get("codes") is None for row in lines)  # read without the pattern
    none = call("bench", "reroute", out)
    assert (none.exit_code, "both read under a pattern" in line_of(none)) == (2, True)
    lost = call("bench", "reroute", tmp_path / "q", "--out", tmp_path / "no" / "routes.md")
    assert (lost.exit_code, "cannot be written" in line_of(lost)) == (1, True)
    suite.write_text("datasets: {codes: {color: red}}\n")
    bad = call("bench", data.parent, "--suite", suite, "--engines", "crnn")
    assert (bad.exit_code, "color" in line_of(bad)) == (2, True)
    suite.write_text("datasets: {nothing: {}}\n")
    bad = call("bench", data.parent, "--suite", suite, "--engines", "crnn")
    assert (bad.exit_code, "no dataset of the suite: nothing" in line_of(bad)) == (2, True)


def test_bad_input_is_one_line_before_anything_is_read(data: Path, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        result = call(*arguments)
        assert result.exit_code == 2, result.output
        return line_of(result)

    assert "'magic' is unknown; there are: two-stage, crnn, agree" in refused(
        "bench", data, "--engines", "two-stage,magic"
    )
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("bench", data, "--out", tmp_path / "file" / "out")
    assert "none" in refused("bench", tmp_path / "none")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "labels.tsv" in refused("bench", empty)  # what was looked for is named
    assert "ENGINE=VALUE" in refused("bench", data, "--threshold", "crnn")
    assert "pattern" in refused("bench", data, "--pattern", "[A-")
    (data / "labels.tsv").write_text("gone.png\tAB\n")
    assert "gone.png" in refused("bench", data)
    (data / "labels.tsv").write_text("")
    assert refused("bench", data)
    assert "no such file" in refused("bench", "compare", tmp_path / "a", tmp_path / "b")


def test_dataset_commands(data: Path, tmp_path: Path) -> None:
    good = call("dataset", "check", data)
    assert good.exit_code == 0, good.output
    assert "2 images, 3 labels, 0 boxes, 0 problems" in good.output
    (data / "labels.tsv").write_text(LABELS + "chip.png\tÄ\ngone.png\tX\n")
    bad = call("dataset", "check", data)
    assert bad.exit_code == 1
    assert "Ä" in bad.output
    assert "gone.png" in bad.output
    (data / "labels.tsv").write_text(LABELS)
    copy = tmp_path / "copy"
    converted = call("dataset", "convert", data, "csv", copy, "--lossy")
    assert converted.exit_code == 0, converted.output
    assert call("dataset", "convert", data, "nonsense", tmp_path / "x").exit_code == 2
    listed = tmp_path / "codes.manifest"
    assert call("dataset", "manifest", data, listed).exit_code == 0
    assert call("dataset", "manifest", data, listed, "--verify").exit_code == 0
    shutil.copy(data / "images" / "chip.png", data / "images" / "label.png")
    changed = call("dataset", "manifest", data, listed, "--verify")
    assert (changed.exit_code, "label.png: different" in changed.output) == (1, True)


def test_what_was_measured_under_a_pattern_routes_later_reads(data: Path, tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    done = call(
        "bench", data, "--engines", "two-stage,crnn,agree,auto", "--pattern", "part-74",
        "--out", tmp_path / "out", "--write-routes", routes,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())["summary"]
    assert {r["engine"]: r["n"] for r in rows} == dict.fromkeys(
        ("two-stage", "crnn", "agree", "auto"), "1"
    )
    measured = Reader(routes=routes).routes["part-74"]
    assert [m.engine for m in measured] == ["two-stage", "crnn"]
    assert measured[0].accuracy == 1.0


def test_labels_inside_longer_markings(tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    (folder / "images").mkdir(parents=True)
    shutil.copy(EXAMPLES / "chip.png", folder / "images" / "chip.png")
    (folder / "labels.tsv").write_text("chip.png\t74LS193\n")
    for match, right in (("exact", "0.0"), ("contains", "100.0")):
        out = tmp_path / match
        done = call("bench", folder, "--engines", "two-stage", "--match", match, "--out", out)
        assert done.exit_code == 0, done.output
        # A report of the recorded run judges as the run did.
        for command in ("run", "report"):
            if command == "report":
                assert call("bench", "report", out, folder).exit_code == 0
            (row,) = json.loads((out / "summary.json").read_text())["summary"]
            assert row["right"] == right
    assert row["CER"] == "0.0"
    (compared,) = json.loads(
        call("bench", "compare", tmp_path / "exact", tmp_path / "contains", "--json").output
    )
    assert compared["accuracy"] == [1.0, 1.0]
    wrong = call("bench", folder, "--match", "within", "--out", tmp_path / "o")
    assert wrong.exit_code == 2 and "match" in line_of(wrong)
