"""First weights, and crops harvested with a detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import helper

from industrial_ocr.config import PipelineConfig
from industrial_ocr.datasets.synthesis.crops import REJECT, GlyphRenderer
from industrial_ocr.datasets.synthesis.scenes import SceneRenderer
from industrial_ocr.errors import DatasetError, WeightsError
from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.inference.weights import load_state
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.classifier import ClassifierTask
from industrial_ocr.training.config import ClassifierTrainConfig, RecognizerTrainConfig
from industrial_ocr.training.harvest import (
    MIN_CROPS,
    Harvest,
    TrueCharacters,
    harvest,
    load_harvest,
    scenes_and_lines,
)
from industrial_ocr.training.loop import Trainer
from industrial_ocr.training.recognizer import RecognizerTask
from industrial_ocr.training.start import start_weights


def crops(count: int, value: int, size: int = 16) -> ImageArray:
    return np.full((count, size, size), value, np.uint8)


def saved(path: Path, count: int = 100, size: int = 16) -> Path:
    symbols = np.array(["A"] * (count // 10) + ["B"] * (count - count // 10))
    np.savez(path, rejects=crops(count, 1, size), characters=crops(count, 2, size), symbols=symbols)
    return path


def config(out: Path, **changes: object) -> ClassifierTrainConfig:
    plain: dict[str, object] = {"out": out, "steps": 1, "batch_size": 8, "workers": 0, "seed": 4}
    return ClassifierTrainConfig.model_validate(plain | changes)


def test_training_begins_with_the_weights_it_was_given(tmp_path: Path) -> None:
    task = ClassifierTask(config(tmp_path, start_from="glyphs-small"))
    before = {k: v.clone() for k, v in task.model.state_dict().items()}
    trainer = Trainer(task)
    shipped = load_state(find_entry("classifier", None))
    for name, tensor in trainer.average.module.state_dict().items():
        torch.testing.assert_close(tensor, shipped[name], check_device=False)
    assert any(not torch.equal(before[k], shipped[k]) for k in before)


def recognizer(out: Path, **changes: object) -> RecognizerTask:
    plain: dict[str, object] = {
        "out": out, "steps": 1, "batch_size": 4, "workers": 0, "validation_samples": 4,
        "width": 0.125, "hidden": 8, "validate_every": 1,
    }  # fmt: skip
    return RecognizerTask(RecognizerTrainConfig.model_validate(plain | changes))


def test_the_shipped_confidence_holds_only_for_the_symbols_of_codes(tmp_path: Path) -> None:
    symbols = tmp_path / "symbols.txt"
    symbols.write_text("A\nB\nC\n", encoding="utf-8")
    assert recognizer(tmp_path).entry()["fitted_confidence"]
    assert not recognizer(tmp_path, charset=symbols).entry()["fitted_confidence"]


@pytest.mark.slow
def test_a_recognizer_with_fewer_units_cannot_begin_with_a_larger_one(tmp_path: Path) -> None:
    first = Trainer(recognizer(tmp_path / "first"))
    first.run()
    start = str(tmp_path / "first" / "recognizer.safetensors")
    with pytest.raises(WeightsError, match="another architecture"):
        Trainer(recognizer(tmp_path / "second", start_from=start, hidden=4))


@pytest.mark.slow
def test_a_recognizer_that_learns_the_space_begins_only_with_one_that_does(tmp_path: Path) -> None:
    Trainer(recognizer(tmp_path / "first", spaces=True)).run()
    entry = find_entry("recognizer", tmp_path / "first" / "recognizer.safetensors")
    assert entry.charset is not None and entry.charset[-1] == " "
    assert 0 <= entry.metrics["exact_with_spaces"] <= entry.metrics["exact"]
    with pytest.raises(WeightsError, match="other symbols"):
        Trainer(recognizer(tmp_path / "second", start_from=str(entry.path)))


def test_spaces_are_labeled_between_their_neighbors(tmp_path: Path) -> None:
    task = recognizer(tmp_path, spaces=True)
    space = task.charset.classes
    batches = [task.render(i, 3) for i in range(12)]
    labels = torch.cat([b["label"] for b in batches])
    frames = torch.cat([b["frame"] for b in batches])
    places = (labels == space).nonzero()[:, 0].tolist()
    assert places, "no strip with a space was rendered"
    for at in places:
        assert frames[at - 1] < frames[at] < frames[at + 1]
        assert labels[at - 1] != space and labels[at + 1] != space


def test_first_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    other = config(tmp_path, start_from="glyphs-small", backbone="resnet18")
    with pytest.raises(WeightsError, match="another architecture"):
        Trainer(ClassifierTask(other))
    with pytest.raises(WeightsError, match="nonsense"):
        Trainer(ClassifierTask(config(tmp_path, start_from="nonsense")))


@pytest.mark.parametrize("number", [None, 40])
def test_first_weights_from_another_onnx_file_are_refused(
    number: int | None, tmp_path: Path
) -> None:
    file = tmp_path / "other.ONNX"
    file.write_bytes(b"nonsense")
    if number is not None:
        nodes = [helper.make_node("Conv", ["x", "w"], ["y"])] * number
        graph = helper.make_graph(nodes, "other", [], [])
        file.write_bytes(helper.make_model(graph).SerializeToString())
    task = recognizer(tmp_path, variant="lcnet")
    with pytest.raises(WeightsError, match="is not PP-OCRv6's small recognizer"):
        start_weights(task.model, task.entry(), str(file))


def test_validation_never_sees_the_crops_of_training(tmp_path: Path) -> None:
    file = saved(tmp_path / "h.npz")
    task = ClassifierTask(config(tmp_path, harvest=file, crop_size=16))
    for training, symbols in ((True, {"B"}), (False, {"A"})):
        renderer = task._renderer(training)
        assert set(renderer.found_symbols) == symbols


def test_harvested_crops_make_up_their_share() -> None:
    found = crops(30, 77, 40)
    renderer = GlyphRenderer((), found=found, found_symbols=["Q"] * 30, found_share=0.5)
    made = [c for i in range(12) for c in renderer.render(i)]
    harvested = [symbol for image, symbol in made if image.min() == image.max() and symbol == "Q"]
    characters = [symbol for _, symbol in made if symbol != REJECT]
    assert 0.4 < len(harvested) / len(characters) < 0.6


def test_files_that_are_no_harvest_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "h.npz"
    with pytest.raises(DatasetError, match="not a harvest"):
        load_harvest(file, 16)
    np.savez(file, crops=crops(30, 1))
    with pytest.raises(DatasetError, match="not a harvest"):
        load_harvest(file, 16)
    damaged = bytearray(saved(file).read_bytes())
    damaged[200:300] = bytes(100)
    file.write_bytes(damaged)
    with pytest.raises(DatasetError, match="not a harvest"):
        load_harvest(file, 16)
    with pytest.raises(DatasetError, match="40x40 are needed"):
        load_harvest(saved(file), 40)
    with pytest.raises(DatasetError, match=f"at least {MIN_CROPS} crops"):
        load_harvest(saved(file, MIN_CROPS - 1), 16)
    assert isinstance(load_harvest(saved(file), 16), Harvest)


TRUE = np.stack([rect_quad(10, 10, 30, 40), rect_quad(34, 10, 54, 40)])


@pytest.mark.parametrize(
    ("box", "shown"),
    [
        ((11, 9, 31, 41), "E"),
        ((33, 12, 55, 40), "F"),
        ((10, 10, 54, 40), REJECT),  # both
        ((8, 10, 46, 40), None),  # one and a part of the other
        ((10, 10, 30, 22), REJECT),  # a piece of one
        ((22, 10, 42, 40), None),  # two halves
        ((100, 100, 120, 130), REJECT),
    ],
)
@pytest.mark.parametrize("turn", [0.0, 0.4, 2.0])
def test_what_a_box_shows(
    box: tuple[float, float, float, float], shown: str | None, turn: float
) -> None:
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], np.float32)
    true = TrueCharacters("EF", TRUE @ matrix)
    assert true.label(rect_quad(*box) @ matrix) == shown


def test_two_narrow_letters_in_one_box_are_none_but_a_mark_beside_one_is_no_second() -> None:
    letters = np.stack([rect_quad(0, 0, 12, 30), rect_quad(12, 0, 24, 30)])
    assert TrueCharacters("ff", letters).label(rect_quad(0, 0, 24, 30)) == REJECT
    with_point = np.stack([rect_quad(0, 0, 14, 30), rect_quad(15, 26, 19, 30)])
    assert TrueCharacters("1.", with_point).label(rect_quad(-2, 0, 19, 30)) == "1"


def test_a_box_the_wrong_way_up_shows_no_character() -> None:
    assert TrueCharacters("EF", TRUE).label(np.roll(TRUE[0], 2, axis=0)) is None
    assert TrueCharacters("", np.zeros((0, 4, 2), np.float32)).label(TRUE[0]) == REJECT


@pytest.mark.slow
def test_a_harvest_of_the_shipped_detector_is_mostly_right() -> None:
    reader = Reader(config=PipelineConfig())
    pictures = scenes_and_lines(SceneRenderer((), (256, 256)), 3, 12)
    found = list(harvest(reader._detector, pictures, 3, 40))
    characters = [(c, s) for c, s in found if s != REJECT]
    assert len(characters) > 20
    assert all(c.shape == (40, 40) for c, _ in found)
    named = reader.classify([c for c, _ in characters])
    right = [
        n is not None and n.symbols[0].upper() == s.upper()
        for n, (_, s) in zip(named, characters, strict=True)
    ]
    assert np.mean(right) > 0.5
