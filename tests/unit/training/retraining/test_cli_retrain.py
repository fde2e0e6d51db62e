"""The commands ``retrain`` and ``glyphs show``: bad input is one line, and what is said of good."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import ImageFont
from typer.testing import CliRunner, Result

from industrial_ocr.cli import app as cli
from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.inference.weights import load_state
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.retraining import finetuning, gate
from industrial_ocr.training.retraining import gate as gates
from industrial_ocr.training.retraining import retrain as job
from industrial_ocr.training.retraining.config import FinetuneRecipe
from industrial_ocr.training.retraining.rehearsal import LabeledCrops, Rehearsal

BRIEF = FinetuneRecipe(views=4, prints=2, fresh=0, head_steps=4, steps=0, batch_size=32)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch, small_rehearsal: Rehearsal) -> None:
    """Learning takes a second and hardly changes anything."""
    monkeypatch.setattr(job, "fresh_crops", lambda *_: None)
    monkeypatch.setattr("industrial_ocr.training.retraining.config.FinetuneRecipe", lambda: BRIEF)


def run(*args: object) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in args])


def retrain(source: Path, out: Path, *args: object) -> Result:
    return run("retrain", source, "--out", out, *args)


def one_line(done: Result, code: int) -> str:
    """The error of a command that ended with one line and nothing else."""
    assert done.exit_code == code, done.output
    assert done.stdout == "" and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert isinstance(done.exception, SystemExit)
    return done.stderr


def triangle(seed: int = 0) -> ImageArray:
    """A triangle, (60, 50) uint8, never twice the same."""
    rng = np.random.default_rng(seed)
    image = np.full((60, 50), 210, np.uint8)
    dx, dy = map(int, rng.integers(-3, 4, 2))
    corners = np.array([[25 + dx, 8 + dy], [44, 50 - dy], [6 + dx, 50]])
    cv2.polylines(image, [corners], True, 40, 4, cv2.LINE_AA)
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def glyphs(root: Path, *folders: str, count: int = 3) -> Path:
    """A folder with pictures of each symbol."""
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for i in range(count):
            assert cv2.imwrite(str(root / folder / f"{i}.png"), triangle(10 * number + i))
    return root


def corrections(root: Path, *symbols: str) -> Path:
    """A corrections file with one item for each symbol."""
    (root / "items").mkdir(parents=True)
    lines = []
    for number, symbol in enumerate(symbols):
        name = f"{number:032x}"
        assert cv2.imwrite(str(root / "items" / f"{name}.png"), triangle(number))
        data = {"quad": rect_quad(2, 4, 48, 56).tolist()}
        (root / "items" / f"{name}.json").write_text(json.dumps(data))
        lines.append(json.dumps({"id": name, "action": "label", "symbol": symbol, "time": "t"}))
    (root / "corrections.jsonl").write_text("\n".join(lines) + "\n")
    return root / "corrections.jsonl"


def font(path: Path) -> Path:
    """The font that Pillow carries, as a file."""
    loaded = ImageFont.load_default(20)
    assert isinstance(loaded, ImageFont.FreeTypeFont)
    path.write_bytes(loaded.font_bytes)
    return path


# Bad input


def empty_class(root: Path) -> Path:
    (glyphs(root, "A") / "U+03A9").mkdir()
    return root


def broken_pictures(root: Path) -> Path:
    (root / "A").mkdir(parents=True)
    (root / "A" / "1.png").write_bytes(b"no picture")
    return root


def long_label(root: Path) -> Path:
    glyphs(root, "images", count=1)
    (root / "labels.tsv").write_text(f"0.png\t{'U' * 300}\n")
    return root


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (empty_class, "the folder of 'Ω' has no pictures; put 3 to 15 into it or remove it"),
        (broken_pictures, "no picture can be used; 1 problems, the first:"),
        (lambda root: glyphs(root, "x" * 250), "has 250 characters, a symbol 16 at most"),
        (lambda root: corrections(root, "z" * 300), "has 300 characters, a symbol 16 at most"),
        (long_label, "no picture can be used; 1 problems, the first: 0.png"),
        (lambda root: glyphs(root, "U+FFFFFF"), "its name is not a symbol"),
        (lambda root: root, "no such file or folder"),
        (lambda root: font(root.with_suffix(".ttf")), "name the symbols to render"),
    ],
)
def test_pictures_that_cannot_be_used_are_one_line(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    said = one_line(retrain(make(tmp_path / "g"), tmp_path / "o.safetensors"), 1)
    assert message in said and len(said) < 600
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.parametrize(("symbols", "message"), [
    ("q" * 300 + " A", "has 300 characters, a symbol 16 at most"), ("Ω", "has none of the symbols"),
])  # fmt: skip
def test_symbols_that_a_font_cannot_give(tmp_path: Path, symbols: str, message: str) -> None:
    source = font(tmp_path / "f.ttf")
    said = one_line(retrain(source, tmp_path / "o.safetensors", "--symbols", symbols), 1)
    assert message in said


def test_outputs_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.safetensors").mkdir()
    source = glyphs(tmp_path / "g", "A")
    for out, message in (
        ("file/o.safetensors", "cannot be written"),
        ("folder.safetensors", "this is a folder"),
        ("o.pth", "the output must be a .safetensors file"),
    ):
        assert message in one_line(retrain(source, tmp_path / out), 2)
    missing = retrain(source, tmp_path / "o.safetensors", "--fonts", tmp_path / "no")
    assert "no such folder" in one_line(missing, 2)


def test_parents_that_cannot_be_used(tmp_path: Path) -> None:
    entry = find_entry("classifier", None)
    source, out = glyphs(tmp_path / "g", "A", count=1), tmp_path / "o.safetensors"
    older = entry.model_dump(mode="json", exclude={"folder"})
    older["architecture"] = {"architecture": "resnet18"}
    older["file"] = entry.path.name
    (tmp_path / "manifest.json").write_text(json.dumps({"models": [older]}))
    (tmp_path / entry.path.name).write_bytes(entry.path.read_bytes())
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "c.safetensors").write_bytes(b"")
    for parent, message in (
        (tmp_path / entry.path.name, "of another version"),
        (tmp_path / "alone" / "c.safetensors", "describes no classifier in this file"),
        ("nobody", "no classifier called nobody"),
    ):
        said = retrain(source, out, "--from", parent)
        assert said.exit_code == 1 and said.stdout == "" and "Traceback" not in said.stderr
        assert message in said.stderr.splitlines()[-1]
        assert not out.exists()


# What is said and written


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_one_class_of_two_pictures_warns_and_works(tmp_path: Path) -> None:
    source, out = glyphs(tmp_path / "g", "U+0394", count=2), tmp_path / "o.safetensors"
    (source / "U+0394" / "broken.png").write_bytes(b"no picture")
    done = retrain(source, out, "--margin", 100, "--force")
    assert done.exit_code == 0, done.output
    assert "only 2 pictures of 'Δ'" in done.stderr
    assert "left out:" in done.stderr and "broken.png" in done.stderr
    assert f"written: {out}" in done.stdout and out.is_file()
    # Where nobody watches a bar, each stage is a line.
    assert "computing features (2)" in done.stderr and "training the head (4)" in done.stderr


@pytest.mark.usefixtures("brief")
def test_suspects_are_listed_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = glyphs(tmp_path / "g", "U+0394", "CE")
    again = (source / "U+0394" / "0.png").read_bytes()
    (source / "CE" / "9.png").write_bytes(again)

    def finetune(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "finetune", finetune)
    done = retrain(source, tmp_path / "o.safetensors", "--force")
    assert done.exit_code == 130 and "Traceback" not in done.output
    assert (
        "U+0394/0.png is nearly equal to CE/9.png, but one is 'Δ' and the other 'CE'" in done.stderr
    )
    assert (tmp_path / "o-report" / "suspects.png").is_file()
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_the_gate_refuses_and_names_the_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gates.judge

    def judge(old: list[gates.ClassChange], *rest: object) -> gates.Gate:
        worse = [replace(c, before=0.9, after=0.4) if c.symbol == "8" else c for c in old]
        return real(worse, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(gate, "judge", judge)
    source, out = glyphs(tmp_path / "g", "U+0394"), tmp_path / "o.safetensors"
    done = retrain(source, out)
    assert done.exit_code == 1 and not out.exists()
    assert "gate: 8 fell by 50.0 points (1 crops), 10 are allowed" in done.stderr
    assert "was not written; --force writes it" in done.stderr and "written:" not in done.stdout
    done = retrain(source, out, "--force")
    assert done.exit_code == 0 and out.is_file() and "gate: 8 fell by 50.0" in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_nothing_is_chosen_by_the_crops_that_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_rehearsal: Rehearsal
) -> None:
    """They are measured once, after training; a gate that refuses changes nothing."""
    real, weights = job.measure, []

    def measure(cache: Any, model: Any, held_out: LabeledCrops, *rest: Any) -> Any:
        np.testing.assert_array_equal(held_out.images, small_rehearsal.held_out.images)
        weights.append({k: v.clone() for k, v in model.state_dict().items()})
        gate, seen = real(cache, model, held_out, *rest)
        return replace(gate, reasons=("8 fell",)), seen

    monkeypatch.setattr(job, "measure", measure)
    out = tmp_path / "o.safetensors"
    done = retrain(glyphs(tmp_path / "g", "U+0394"), out, "--force")
    assert done.exit_code == 0 and len(weights) == 1, done.output
    written = load_state(find_entry("classifier", out))
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, written[name], atol=2e-3, rtol=2e-3, check_dtype=False)


@pytest.mark.usefixtures("brief")
@pytest.mark.slow
def test_new_symbols_are_held_back_by_validation_crops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = job.keeps_old_symbols, []

    def check(*args: Any) -> gates.Gate:
        calls.append(1)
        return replace(real(*args), reasons=("8 fell",) if len(calls) == 1 else ())

    monkeypatch.setattr(job, "keeps_old_symbols", check)
    source, out = glyphs(tmp_path / "g", "U+0394"), tmp_path / "o.safetensors"
    done = retrain(source, out, "--force")
    assert done.exit_code == 0 and out.is_file(), done.output
    assert done.stderr.count("8 fell: logits of new symbols lowered by 0.3") == 1
    assert len(calls) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_an_interruption_while_learning_writes_the_best_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_head(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "cross_validated", lambda b, *_: np.array(["?"] * len(b.samples)))
    monkeypatch.setattr(finetuning, "train_head", train_head)
    out = tmp_path / "o.safetensors"
    done = retrain(glyphs(tmp_path / "g", "U+0394"), out, "--margin", 100, "--force")
    assert done.exit_code == 0 and out.is_file()
    assert "interrupted: the weights are those of the interruption" in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_every_kind_of_source_and_a_token_become_classes(tmp_path: Path) -> None:
    sources = (
        (glyphs(tmp_path / "g", "U+0043_U+0045"), (), "CE"),
        (corrections(tmp_path / "c", "Ω", "Ω", "Ω"), (), "Ω"),
        (font(tmp_path / "f.ttf"), ("--symbols", "@ CE", "--pictures", 2), "@"),
    )
    for number, (source, options, symbol) in enumerate(sources):
        out = tmp_path / f"{number}.safetensors"
        done = retrain(source, out, *options, "--margin", 100, "--force")
        assert done.exit_code == 0, done.output
        assert symbol in (find_entry("classifier", out).charset or ())
    assert {"@", "CE"} <= set(find_entry("classifier", out).charset or ())
    shown = run("glyphs", "show", out)
    assert shown.exit_code == 0
    assert "U+0040" in shown.stdout and "U+0043 U+0045" in shown.stdout
    assert "retrained_from: glyphs-small" in shown.stdout


def test_showing_what_is_no_classifier_is_one_line(tmp_path: Path) -> None:
    assert "no classifier called nobody" in one_line(run("glyphs", "show", "nobody"), 1)
    missing = tmp_path / "none.safetensors"
    assert "no such weights file" in one_line(run("glyphs", "show", missing), 1)
