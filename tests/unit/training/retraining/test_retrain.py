"""A whole retraining, small: what is written, what is refused, and what reads with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from industrial_ocr.cli import app as cli
from industrial_ocr.errors import ConfigError, DatasetError, PatternError
from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.retraining import retrain as job
from industrial_ocr.training.retraining.config import FinetuneConfig, FinetuneRecipe
from industrial_ocr.training.retraining.rehearsal import Rehearsal
from industrial_ocr.training.retraining.replay_buffer import replay_file
from industrial_ocr.training.retraining.retrain import FinetuneResult, retrain
from industrial_ocr.training.retraining.samples import GlyphSample, SampleSet

pytestmark = pytest.mark.slow

QUICK = FinetuneRecipe(views=10, prints=6, fresh=0, head_steps=160, steps=2, batch_size=32)
LOOSE = 100.0


def drawn(symbol: str, seed: int) -> ImageArray:
    """A triangle for Δ, a ring for 0, else a crossed one; with some noise, (60, 50) uint8."""
    rng = np.random.default_rng((len(symbol), seed))
    image = np.full((60, 50), 210, np.uint8)
    dx, dy = map(int, rng.integers(-2, 3, 2))
    if symbol == "Δ":
        corners = np.array([[25 + dx, 8 + dy], [44, 50], [6, 50]])
        cv2.polylines(image, [corners], True, 40, 4, cv2.LINE_AA)
    else:
        cv2.circle(image, (25 + dx, 30 + dy), 16, 40, 4, cv2.LINE_AA)
        for x in (5, 45) if symbol != "0" else ():
            cv2.line(image, (x, 55), (50 - x, 5), 40, 4, cv2.LINE_AA)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def samples(counts: dict[str, int]) -> SampleSet:
    return SampleSet(
        tuple(
            GlyphSample(s, drawn(s, i), rect_quad(2, 4, 48, 56), f"{s}/{i}")
            for s, n in counts.items()
            for i in range(n)
        )
    )


def quiet(*_: object) -> None:
    return


def taught(out: Path, found: SampleSet, **changes: object) -> tuple[FinetuneResult, list[str]]:
    said: list[str] = []
    config = replace(FinetuneConfig(out, margin=LOOSE, force=True, recipe=QUICK), **changes)  # type: ignore[arg-type]
    return retrain(config, found, said.append, quiet), said


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, small: Rehearsal) -> tuple[Path, list[str]]:
    """A classifier that knows Δ and the token ⊗CE besides."""
    patch = pytest.MonkeyPatch()
    patch.setattr(job, "rehearsal_for", lambda parent: (small, ()))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("trained") / "mine.safetensors"
    _, said = taught(out, samples({"Δ": 5, "⊗CE": 5, "0": 2}))
    torch.set_num_threads(threads)
    patch.undo()
    return out, said


def test_new_symbols_stand_beside_the_old_ones(trained: tuple[Path, list[str]]) -> None:
    entry = find_entry("classifier", trained[0])
    assert entry.charset == (*DEFAULT_SYMBOLS, "Δ", "⊗CE")
    parent = find_entry("classifier", None)
    assert entry.recipe["parent_sha256"] == parent.sha256
    assert entry.recipe["pictures"] == {"Δ": 5, "⊗CE": 5, "0": 2}
    assert len(entry.recipe["data_sha256"]) == 64 and entry.recipe["views"] == QUICK.views
    assert {"class Δ", "class A", "class (no character)", "taught 0"} <= set(entry.metrics)
    assert replay_file(trained[0]).is_file()


def test_the_reader_names_them_at_once(trained: tuple[Path, list[str]]) -> None:
    reader = Reader(classifier=trained[0])
    pictures = [drawn(s, 77 + i) for i in range(3) for s in ("Δ", "⊗CE")]
    named = [one.symbols[0] for one in reader.classify(pictures) if one is not None]
    assert named == ["Δ", "⊗CE"] * 3


def test_patterns_with_the_new_symbols_compile_against_its_charset(
    trained: tuple[Path, list[str]],
) -> None:
    charset = Reader(classifier=trained[0]).classifier_charset
    for pattern in (
        Pattern.regex("[0-9]{2}Δ", charset=charset),
        Pattern.template("99Δ", charset=charset),
        Pattern.regex("[A-Z]⊗CE[0-9]", charset=charset),
    ):
        pattern.automaton(charset)
    with pytest.raises(PatternError):
        Pattern.regex("[0-9]{2}Δ").automaton(Reader().classifier_charset)


def test_auto_reads_two_stage_what_the_crnn_cannot_spell(
    trained: tuple[Path, list[str]],
) -> None:
    reader = Reader(classifier=trained[0])
    page = np.full((120, 200), 210, np.uint8)
    page[30:90, 75:125] = drawn("Δ", 5)
    pattern = Pattern.regex("Δ[0-9]?")
    for result in (
        reader.read(page, engine="auto", pattern=pattern),
        reader.recognize([page], engine="auto", pattern=pattern)[0],
    ):
        assert result.route == "two-stage" and result.reason.startswith("crnn does not know Δ")
    for engine in ("crnn", "agree"):
        with pytest.raises(PatternError, match="can be spelled"):
            reader.recognize([page], engine=engine, pattern=Pattern.regex("Δ"))


def test_the_report_has_a_table_and_pictures(trained: tuple[Path, list[str]]) -> None:
    folder = trained[0].with_name("mine-report")
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "| `Δ` | 5 |" in text and "| class | n | before | after | points |" in text
    for name in ("confusion.png", "worst.png"):
        assert Image.open(folder / name).size[0] > 100


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, small_rehearsal: Rehearsal) -> None:
    found = samples({"Δ": 3})
    recipe = replace(QUICK, head_steps=5, steps=1)
    for name in "ab":
        taught(tmp_path / f"{name}.safetensors", found, recipe=recipe)
    one, two = ((tmp_path / f"{n}.safetensors").read_bytes() for n in "ab")
    assert one == two


def test_one_picture_warns_and_works(tmp_path: Path, small_rehearsal: Rehearsal) -> None:
    outcome, said = taught(
        tmp_path / "one.safetensors", samples({"Δ": 1}), recipe=replace(QUICK, head_steps=5)
    )
    assert outcome.written and any("only 1 picture of 'Δ'" in line for line in said)
    assert outcome.gate.new[0].n == 0 and outcome.gate.new[0].after is None


def test_the_gate_keeps_a_worse_classifier_from_being_written(
    tmp_path: Path, small_rehearsal: Rehearsal
) -> None:
    out = tmp_path / "bad.safetensors"
    found, recipe = samples({"Δ": 3}), replace(QUICK, head_steps=2, steps=0)
    outcome, _ = taught(out, found, force=False, recipe=recipe, overall_margin=-101.0)
    assert not outcome.written and not out.exists() and outcome.report.is_file()
    assert "FAILED" in outcome.report.read_text(encoding="utf-8")
    outcome, _ = taught(out, found, force=True, recipe=recipe, overall_margin=-101.0)
    assert outcome.written and out.exists()
    assert "all known symbols together" in find_entry("classifier", out).recipe["gate"][0]


def test_an_interruption_takes_the_best_so_far(tmp_path: Path, small_rehearsal: Rehearsal) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "training the last stages" and done == 2:
            raise KeyboardInterrupt

    config = FinetuneConfig(
        tmp_path / "i.safetensors", margin=LOOSE, force=True, recipe=replace(QUICK, steps=9)
    )
    outcome = retrain(config, samples({"Δ": 3}), quiet, interrupt)
    assert outcome.interrupted and outcome.written
    assert outcome.entry.recipe["steps_done"] == 2
    assert "interrupted" in outcome.report.read_text(encoding="utf-8")


def test_nothing_but_rejects_is_an_error(tmp_path: Path, small_rehearsal: Rehearsal) -> None:
    with pytest.raises(DatasetError, match="all pictures are answered as showing no character"):
        taught(tmp_path / "r.safetensors", samples({"": 3}))


def test_the_output_is_tried_before_anything_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "load_parent", lambda *_: pytest.fail("loaded too early"))
    with pytest.raises(ConfigError):
        taught(tmp_path / "x.onnx", samples({"Δ": 3}))


# Command line


runner = CliRunner()


def run(*args: object) -> Result:
    return runner.invoke(cli.app, [str(a) for a in args])


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def test_showing_a_classifier_without_numbers() -> None:
    result = run("glyphs", "show", "glyphs-small")
    assert result.exit_code == 0 and "U+0041" in result.stdout
    assert "no accuracy by class is recorded" in result.stderr


def test_a_retrained_entry_is_plain_json(trained: tuple[Path, list[str]]) -> None:
    manifest = json.loads((trained[0].parent / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["models"][0]["recipe"]["retrained_from"] == "glyphs-small"
