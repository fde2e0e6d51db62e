"""Runs: lines on disk, continuing after a stop, failing engines, settings that must agree."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from industrial_ocr.datasets.samples import Dataset, Label, Sample, Task
from industrial_ocr.errors import ConfigError, DatasetError, EngineError
from industrial_ocr.evaluation import session
from industrial_ocr.evaluation.engines import check_engine_names, make_engines
from industrial_ocr.evaluation.label_matching import Rules
from industrial_ocr.evaluation.records import EngineReading, ReadString, Record, load_run
from industrial_ocr.evaluation.runner import (
    RUN_FILE,
    ImageJob,
    describe_run,
    prepare_folder,
    run_benchmark,
)
from industrial_ocr.evaluation.session import BenchmarkPlan, EngineTeam, thresholds_of
from industrial_ocr.evaluation.summary import summarize_run, table_row
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import ImageArray


class Brightness:
    """Reads the gray value of a picture: right wherever the label says it."""

    version = "1"
    datasets = None

    def __init__(self, name: str = "brightness", wrong: int = -1) -> None:
        self.name, self.wrong, self.calls = name, wrong, 0

    def read(self, image: ImageArray, task: Task = "read") -> EngineReading:
        self.calls += 1
        value = int(image[0, 0, 0])
        if value == self.wrong:
            raise RuntimeError("cannot read this one")
        place = rect_quad(0, 0, 8, 8).tolist()
        return EngineReading((ReadString(f"N{value}", 0.75, place),), "ok", 0.01, {"look": 0.01})


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    samples = []
    for value in range(6):
        path = tmp_path / f"{value}.png"
        Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)
        samples.append(Sample(path.name, path, (Label(f"N{value}", rect_quad(0, 0, 8, 8)),)))
    return Dataset("values", tmp_path, "tsv", "read", tuple(samples))


def about(dataset: Dataset, engines: list[Brightness]) -> dict[str, object]:
    return describe_run([dataset], engines, 0)


def table(records: Iterable[Record]) -> list[tuple[str, ...]]:
    return [table_row(s)[:-2] for s in summarize_run(records, {"": Rules()}, {})]


def test_a_run_cut_short_and_continued_equals_one_run_through(
    dataset: Dataset, tmp_path: Path
) -> None:
    engines = [Brightness("one"), Brightness("two", wrong=3)]
    whole = tmp_path / "whole"
    prepare_folder(whole)
    through = run_benchmark([dataset], engines, whole, about(dataset, engines))

    def killed(jobs: list[ImageJob]) -> Iterable[ImageJob]:
        yield from jobs[:3]
        raise KeyboardInterrupt

    part = tmp_path / "part"
    prepare_folder(part)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark([dataset], engines, part, about(dataset, engines), killed)
    torn = part / RUN_FILE
    torn.write_bytes(torn.read_bytes()[:-20])  # the last line was being written
    assert len(load_run(torn).records) == 5
    for engine in engines:
        engine.calls = 0
    continued = run_benchmark([dataset], engines, part, about(dataset, engines))
    assert table(continued.records) == table(through.records)
    assert {r.key for r in continued.records} == {r.key for r in through.records}
    assert [e.calls for e in engines] == [4, 5]  # what was left, and one to warm up
    assert run_benchmark([dataset], engines, part, about(dataset, engines)).records
    assert [e.calls for e in engines] == [4, 5]


def test_an_engine_that_fails_on_an_image_is_a_line_with_the_error(
    dataset: Dataset, tmp_path: Path
) -> None:
    engines = [Brightness(wrong=2)]
    (tmp_path / "1.png").write_text("no image")
    run = run_benchmark([dataset], engines, tmp_path, about(dataset, engines))
    errors = {r.image: r.error for r in run.records if r.error}
    assert errors["2.png"] == "RuntimeError: cannot read this one"
    assert "1.png" in errors["1.png"]
    (summary,) = summarize_run(run.records, {"": Rules()}, {"brightness": 0.8})
    counts = summary.counts
    assert (counts.correct, counts.misread, counts.rejected, counts.missed) == (0, 0, 4, 2)
    assert summary.right.rate == pytest.approx(4 / 6)
    assert (summary.failed, dict(summary.lost)) == (2, {"no string": 2})


def test_records_come_back_as_they_were(dataset: Dataset, tmp_path: Path) -> None:
    engines = [Brightness()]
    run = run_benchmark([dataset], engines, tmp_path, about(dataset, engines))
    record = run.records[4]
    assert record.strings == Brightness().read(np.full((8, 8, 3), 4, np.uint8)).strings
    assert (record.size, record.status, record.task) == ((8, 8), "ok", "read")
    assert record.labels[0].text == "N4"
    np.testing.assert_allclose(record.labels[0].quad, rect_quad(0, 0, 8, 8))  # type: ignore[arg-type]


def test_a_folder_with_another_run_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    run_benchmark([dataset], [Brightness()], tmp_path, about(dataset, [Brightness()]))
    others = [Brightness("other")]
    with pytest.raises(ConfigError, match="other engines"):
        run_benchmark([dataset], others, tmp_path, about(dataset, others))


def test_an_output_folder_that_cannot_be_written_is_found_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        prepare_folder(tmp_path / "file" / "out")


def test_nothing_to_run_is_an_error(dataset: Dataset, tmp_path: Path) -> None:
    empty = Dataset("empty", tmp_path, "tsv", "read", ())
    with pytest.raises(DatasetError, match="no labeled image"):
        run_benchmark([empty], [Brightness()], tmp_path, {})
    with pytest.raises(DatasetError, match="must have different names"):
        run_benchmark([dataset, dataset], [Brightness()], tmp_path, {})


def test_files_that_are_no_run_are_named(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    with pytest.raises(DatasetError, match="no such file"):
        load_run(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match="not a benchmark run"):
        load_run(file)
    file.write_text("")
    with pytest.raises(DatasetError, match="run is empty"):
        load_run(file)
    file.write_text(json.dumps({"run": {"format": 1}}) + '\n{"oops\n{}\n')
    with pytest.raises(DatasetError, match=r"results\.jsonl:2"):
        load_run(file)
    file.write_text(json.dumps({"run": {"format": 99}}) + "\n")
    with pytest.raises(DatasetError, match="format 99"):
        load_run(file)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["two-stage", "nonsense"], r"'nonsense' is unknown; there are: two-stage, crnn, agree"),
        (["crnn", "crnn"], "given twice"),
        ([], "no engine"),
    ],
)
def test_engine_names(names: list[str], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        check_engine_names(names)


@pytest.mark.parametrize(
    ("text", "message"),
    [("crnn", "ENGINE=VALUE"), ("crnn=nan", "a number"), ("cnn=0.9", "'cnn' is unknown")],
)
def test_thresholds_of_no_engine_or_value_are_refused(text: str, message: str) -> None:
    assert thresholds_of(["crnn+lexicon=0.5", "tesseract=0.3"])["tesseract"] == 0.3
    with pytest.raises(ConfigError, match=message):
        thresholds_of([text])


def test_a_probe_takes_a_dataset_that_has_images(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "probe", lambda *_: {})
    empty = replace(dataset, name="empty", samples=())
    plan = BenchmarkPlan((empty, dataset), {}, {}, {}, 0)
    team = EngineTeam((Brightness(),), {}, None)
    lines = session.extras(plan, team, {}, oracle=False, probing=True)
    assert lines == ["probe brightness on values/0.png: failed"]


def test_an_engine_whose_package_is_missing_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    engines, missing = make_engines(["rapidocr-openvino"], lambda: None)
    assert engines == []
    assert missing["rapidocr-openvino"].startswith(
        "engine rapidocr-openvino is not installed: pip install 'industrial-ocr[bench]'"
    )
