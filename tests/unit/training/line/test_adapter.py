"""A whole adaptation: what is written, what is refused, and what bad data lead to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from industrial_ocr.cli.adapt import _show
from industrial_ocr.cli.app import app
from industrial_ocr.datasets.load import load_dataset
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.errors import ConfigError, DatasetError, WeightsError
from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.engine import PIPELINES, Engine
from industrial_ocr.training.line import adapter, calibrating, report, teaching
from industrial_ocr.training.line.adapter import Adapter, expanded
from industrial_ocr.training.line.config import AdaptConfig, Recipe
from industrial_ocr.training.line.gate import LineReading, Score
from industrial_ocr.training.line.strings import LineString, gather
from industrial_ocr.training.line.teaching import Taught
from industrial_ocr.training.retraining.finetuning import Finetuned
from industrial_ocr.training.retraining.network import load_parent

RECIPE = Recipe(
    steps=1,
    batch_size=2,
    warmup_steps=0,
    detector_steps=2,
    views=1,
    scenes=1,
    scene_size=64,
    crops=2,
)


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty crops of codes and their strings."""
    folder = tmp_path_factory.mktemp("line")
    renderer, rows = StripRenderer(camera=0.0), []
    for i in range(20):
        text = "".join(np.random.default_rng(i).choice(list("0123456789"), 5).tolist())
        Image.fromarray(renderer.render((3, i), text).image).save(folder / f"{i}.png")
        rows.append(f"{i}.png\t{text}")
    (folder / "labels.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def stages() -> set[str]:
    """The stages whose progress was reported."""
    return set()


@pytest.fixture
def adapt(
    line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stages: set[str]
) -> Callable[..., Any]:
    """Adapts to the line in one step, with few rendered codes and the CRNN alone."""
    monkeypatch.setattr(adapter, "GENERAL_CODES", 4)
    monkeypatch.setattr(adapter, "ENGINES", (Engine.CRNN,))
    for module in (adapter, calibrating):
        monkeypatch.setattr(module, "PIPELINES", (Engine.CRNN,))
    monkeypatch.setattr(calibrating, "FOLDS", 2)
    monkeypatch.setattr(adapter, "rapidocr_score", lambda *_: None)
    monkeypatch.setattr(teaching, "MIN_BOXED", 99)

    def run(**changes: Any) -> Any:
        given = {"out": tmp_path / "bundle", "recipe": RECIPE, **changes}
        data = load_dataset(line, task="recognize")
        config = AdaptConfig(**given)
        return Adapter(config, progress=lambda stage, *_: stages.add(stage)).adapt(data)

    return run


def test_ranges_of_symbols_are_written_with_a_hyphen() -> None:
    assert expanded("0-3.A-C") == "0123.ABC"
    assert expanded("8-C") == "89ABC"
    assert expanded("-+") == "-+"
    assert expanded("9-0") == "9-0"


def test_impossible_settings_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        AdaptConfig(tmp_path)
    with pytest.raises(ConfigError, match="there is no folder"):
        AdaptConfig(tmp_path / "none" / "bundle")
    with pytest.raises(ConfigError, match="minutes must be above 0, got 0"):
        AdaptConfig(tmp_path / "bundle", minutes=0)
    with pytest.raises(ConfigError, match="unlabeled pictures need a pattern"):
        AdaptConfig(tmp_path / "bundle", unlabeled=tmp_path)
    with pytest.raises(WeightsError, match="not a bundle"):
        Adapter(AdaptConfig(tmp_path / "bundle", parent=tmp_path))


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(ConfigError, match="bundle cannot be written: .*Read-only file system"):
        AdaptConfig(tmp_path / "bundle")


@pytest.mark.slow
def test_what_is_no_better_is_refused_with_advice_and_nothing_is_written(
    adapt: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = adapt()
    assert not outcome.written
    assert "were read right before" in outcome.reasons[0]
    assert outcome.advice
    assert not (tmp_path / "bundle").exists()
    page = outcome.report.read_text(encoding="utf-8")
    assert "Refused" in page
    assert outcome.advice[0] in page
    assert (tmp_path / "bundle.state.pt").exists()


@pytest.mark.slow
def test_a_bundle_reads_and_can_be_gone_on_from(
    adapt: Callable[..., Any], line: Path, tmp_path: Path
) -> None:
    other = tmp_path / "bundle.v2.state.pt"  # the checkpoint of another line
    other.touch()
    first = adapt(force=True, pattern=r"\d{5}")
    assert first.written
    assert [*tmp_path.glob("*.state.pt")] == [other]
    reader = Reader.from_bundle(tmp_path / "bundle")
    assert reader.weights["recognizer"] != Reader().weights["recognizer"]
    (result,) = reader.recognize([line / "1.png"], pattern="line")
    assert len(result.codes) <= 1
    numbers = json.loads((tmp_path / "bundle" / "adaptation.json").read_text(encoding="utf-8"))
    assert numbers["recipe"]["parent_sha256"] == Reader().weights["recognizer"]
    assert numbers["before"]["crnn"]["strings"] == 10
    pictures = numbers["pictures"]
    assert [len(pictures[part]) for part in ("held out", "learned")] == [10, 10]

    recipe = replace(RECIPE, seed=1)
    again = {"force": True, "parent": tmp_path / "bundle", "pattern": "line", "recipe": recipe}
    second = adapt(**again, out=tmp_path / "second")
    assert second.written
    numbers = json.loads((tmp_path / "second" / "adaptation.json").read_text(encoding="utf-8"))
    assert numbers["recipe"]["parent_sha256"] == reader.weights["recognizer"]
    assert numbers["pictures"] == pictures


@pytest.mark.slow
def test_characters_are_learned_from_strings_and_only_what_passes_is_kept(
    adapt: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stages: set[str]
) -> None:
    monkeypatch.setattr(teaching, "MIN_BOXED", 5)
    for module in (adapter, calibrating):
        monkeypatch.setattr(module, "PIPELINES", PIPELINES)
    monkeypatch.setattr(adapter, "ENGINES", (*PIPELINES, Engine.AUTO))
    parent = load_parent(None)
    tuned = Finetuned(parent.model, 1, False)
    monkeypatch.setattr(teaching, "learn_characters", lambda *_: (tuned, 1.25))
    outcome = adapt(force=True)
    assert ", 0 characters" not in outcome.facts["training"]
    reader = Reader.from_bundle(tmp_path / "bundle")
    assert reader.weights["detector"] != Reader().weights["detector"]
    assert reader.temperatures["classifier"] == 1.25
    assert set(reader.config.confidence.odds) == {"crnn", "two-stage"}
    assert not list(tmp_path.glob("*.state.pt"))
    assert set(adapter.SHARES) - stages == {"training the last stages"}  # it is replaced above


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_learned(
    adapt: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(teaching.Learning, "_steps", interrupted)
    outcome = adapt(force=True)
    assert outcome.interrupted
    assert outcome.written
    assert "interrupted after 0 of 1 steps" in outcome.notes


def test_exchanged_labels_are_shown_and_no_other(
    line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapt: Callable[..., Any]
) -> None:
    untrained = Taught({"recognizer": find_entry("recognizer")}, 0, 0, False)
    monkeypatch.setattr(teaching.Teacher, "teach", lambda *_: untrained)
    rows = [row.split("\t") for row in (line / "labels.tsv").read_text().splitlines()]
    wrong = {name for name, _ in rows[::2]}
    texts = [text for _, text in rows[::2]]
    for row, text in zip(rows[::2], texts[1:] + texts[:1], strict=True):
        row[1] = text
    (line / "exchanged.tsv").write_text("".join(f"{name}\t{text}\n" for name, text in rows))
    config = AdaptConfig(tmp_path / "out", recipe=RECIPE)
    outcome = Adapter(config).adapt(load_dataset(line / "exchanged.tsv", task="recognize"))
    assert {r.name for r in outcome.suspects} == wrong
    assert len({r.series for r in outcome.before[Engine.CRNN].readings} - {None}) == 10
    assert sum(n.startswith("check the label of ") for n in outcome.notes) == 10
    said = "10 of 20 labels do not match their pictures: do they belong to other pictures?"
    assert said in outcome.notes
    assert "first check the 10 labels that do not match their pictures" in outcome.advice
    page = outcome.report.read_text(encoding="utf-8")
    shown = page.split("<h2>Labels to check</h2>")[1].split("<h2>")[0]
    assert shown.count("<figure>") == 10
    assert not outcome.written


def test_copies_of_held_out_pictures_are_not_learned(
    line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapt: Callable[..., Any]
) -> None:
    data, reader = load_dataset(line, task="recognize"), Reader()
    copies = gather(data, reader.models)
    monkeypatch.setattr(Adapter, "_more", lambda *_: [copies])
    adapting = Adapter(AdaptConfig(tmp_path / "out", recipe=RECIPE))
    found = adapting._line(data, reader)
    held = {p.pixels for p in found.held}
    assert len(held) == 10
    assert not held & {p.pixels for p in found.learn}
    note = "10 further pictures are not used: their series is held out"
    assert note in adapting._note.lines


def test_an_answer_that_lacks_printed_separators_is_left_out(
    line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: Any, __: Any, strings: Sequence[LineString], *___: Any) -> Score:
        texts = {"0.png": "12-345", "1.png": "12345"}
        return Score(
            tuple(LineReading(s.name, s.text, texts.get(s.name, ""), 1, True) for s in strings)
        )

    monkeypatch.setattr(adapter, "score_strings", read)
    data, reader = load_dataset(line, task="recognize"), Reader()
    adapting = Adapter(AdaptConfig(tmp_path / "out", recipe=RECIPE))
    marked = Pattern.regex("[0-9]{5}", separators="-")
    answers = adapting._gathered(replace(data, format="review"), reader, marked)
    assert {p.sample.name for p in answers.pictures} == {f"{i}.png" for i in range(1, 20)}
    assert answers.problems == ("0.png: separators are read that its answer lacks",)
    assert len(adapting._gathered(data, reader, marked).pictures) == 20


@pytest.mark.slow
def test_pictures_of_something_else_are_said(
    line: Path, tmp_path: Path, adapt: Callable[..., Any]
) -> None:
    for i in range(20):
        noise = np.random.default_rng(i).integers(0, 255, (40, 160, 3)).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{i}.png")
    (tmp_path / "labels.tsv").write_text((line / "labels.tsv").read_text())
    config = AdaptConfig(tmp_path / "out", recipe=RECIPE)
    outcome = Adapter(config).adapt(load_dataset(tmp_path, task="recognize"))
    assert any("do they belong to other pictures?" in note for note in outcome.notes)
    assert not outcome.written


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_end_is_one_line_and_leaves_no_half_bundle(
    adapt: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("industrial_ocr.inference.bundle.write_whole", full)
    with pytest.raises(WeightsError, match="the bundle cannot be written: .*No space left"):
        adapt(force=True)
    assert not (tmp_path / "bundle").exists()
    assert (tmp_path / "bundle.state.pt").exists()


def test_five_strings_are_refused_with_what_is_needed(line: Path, tmp_path: Path) -> None:
    rows = (line / "labels.tsv").read_text().splitlines()[:5]
    (line / "five.tsv").write_text("\n".join(rows) + "\n")
    data = load_dataset(line / "five.tsv", task="recognize")
    with pytest.raises(DatasetError, match="5 strings can be used, at least 20 are needed"):
        Adapter(AdaptConfig(tmp_path / "bundle")).adapt(data)


def test_the_command_says_what_is_wrong_in_one_line(line: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["adapt", str(line), "--out", str(line)])
    assert run.exit_code == 2
    assert "exists already" in run.output


@pytest.mark.parametrize(
    ("interrupted", "how"),
    [(False, "without training again"), (True, "after the rest of the training")],
)
def test_a_refusal_says_whether_force_trains_again(
    monkeypatch: pytest.MonkeyPatch, interrupted: bool, how: str
) -> None:
    monkeypatch.setattr(report, "rows", lambda _: [])
    monkeypatch.setattr(report, "promise", lambda _: "")
    said: list[str] = []
    monkeypatch.setattr("industrial_ocr.cli.output.note", said.append)
    refused = {"reasons": (), "advice": (), "report": "", "written": False}
    _show(cast(Any, SimpleNamespace(**refused, interrupted=interrupted)), Path("out"))
    assert said == [f"out was not written; --force writes it, {how}"]
