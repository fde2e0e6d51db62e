"""Learning resumes exactly, survives Ctrl-C and a full disk, and keeps its time."""

from __future__ import annotations

import os
import platform
import signal
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from industrial_ocr.inference.manifest import InputSpec, ModelEntry
from industrial_ocr.inference.weights import save_entry
from industrial_ocr.models.crnn import Crnn
from industrial_ocr.patterns.charset import SPACE
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.training.line import learning
from industrial_ocr.training.line.config import Recipe
from industrial_ocr.training.line.learning import CodeText, Learning, LineTask, key_of
from industrial_ocr.training.line.strings import LineString

RECIPE = Recipe(steps=4, batch_size=4, warmup_steps=1)
SYMBOLS = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-/.:#()+&*',")
LATER = 1e9
"""No deadline."""


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    """A tiny recognizer that knows the space."""
    return recognizer(tmp_path, {"width": 0.125, "hidden": 8}, 32)


def recognizer(folder: Path, architecture: dict[str, Any], rows: int) -> ModelEntry:
    """With random weights."""
    torch.manual_seed(0)
    model = Crnn(len(SYMBOLS) + 2, **architecture)
    entry = ModelEntry(
        name="tiny",
        task="recognizer",
        architecture=architecture,
        charset=(*SYMBOLS, SPACE),
        input=InputSpec(size=(rows, 100), mean=(0.5,), std=(0.5,)),
        recipe={"word_share": 0.3, "alignment": 0.5, "photos": "of another training"},
    )
    return save_entry(folder, entry, model.state_dict(), half=False)


def strings() -> list[LineString]:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (30, 120, 3)).astype(np.uint8) for _ in range(3)]
    return [
        LineString(f"{i}.png", "1 2", m, rect_quad(0, 0, 120, 30)) for i, m in enumerate(images)
    ]


def started(
    entry: ModelEntry, file: Path, recipe: Recipe = RECIPE, key: str = "", minutes: float = 15
) -> Learning:
    codes = CodeText(("7", "8"), (3,))
    task = LineTask(entry, strings(), codes, recipe)
    return Learning(task, file, key or key_of(entry, "data", codes, recipe), minutes)


def weights(learned: learning.Learned) -> dict[str, torch.Tensor]:
    return learned.model.state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


def stop_at(step: int) -> Any:
    def progress(_: str, done: int, total: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    return progress


def test_half_of_a_batch_shows_the_line_and_the_same_seed_the_same(entry: ModelEntry) -> None:
    task = LineTask(entry, strings(), CodeText(("7", "8"), (3,)), RECIPE)
    batch, again = task.render(5, 0), task.render(5, 0)
    assert batch["photo"].tolist() == [True, True, False, False]
    assert batch["length"][:2].tolist() == [2, 2]
    assert torch.equal(batch["image"], again["image"])
    assert batch["image"].shape[1] == 32


def test_a_network_of_48_rows_learns_too(tmp_path: Path) -> None:
    entry = recognizer(tmp_path, {"variant": "lcnet", "hidden": 8}, 48)
    run = started(entry, tmp_path / "state.pt")
    assert run.task.render(0, 0)["image"].shape[1] == 48
    before = run.model.state_dict()["rnn.0.rnn.weight_ih_l0"].clone()
    learned = run.run(LATER, stop_at(1))
    assert learned.steps == 1
    assert not torch.equal(run.model.state_dict()["rnn.0.rnn.weight_ih_l0"], before)


def test_codes_are_of_the_lines_symbols_and_lengths_or_of_its_pattern() -> None:
    rng = np.random.default_rng(0)
    plain = CodeText(("7", "8"), (3, 5))
    assert all(
        set(t) <= {"7", "8"} and len(t) in (3, 5) for t in (plain.draw(rng) for _ in "abcde")
    )
    under = CodeText(("7", "A", "B"), (3,), Pattern.regex("[AB]{4}"))
    assert {len(under.draw(rng)) for _ in range(40)} == {3, 4}


def test_codes_with_a_symbol_that_the_recognizer_lacks_are_not_drawn() -> None:
    some = CodeText(("7", "A"), (3,), Pattern.regex("[AÄ]7"))
    drawn = {some.draw(np.random.default_rng(i)) for i in range(60)}
    assert "A7" in drawn
    assert not any("Ä" in text for text in drawn)
    none = CodeText(("7",), (3,), Pattern.regex("Ä7"))
    assert {none.draw(np.random.default_rng(i)) for i in range(20)} == {"777"}


def test_confused_symbols_are_drawn_more_often_also_those_not_of_the_line() -> None:
    codes = CodeText(("0", "8"), (3,))
    # Each confusion counts for both symbols: 0 is confused 20 times, O 15 times and 8 never; the
    # 40 symbols of 20 confusions together weigh as much as the 2 symbols of the line.
    found = codes.confusable_first({("0", "O"): 15, ("0", "6"): 5, ("8", ""): 9})
    assert found.symbols == ("0", "8", "6", "O")
    assert found.weights == (2.0, 1.0, 0.25, 0.75)
    drawn = "".join(found.draw(np.random.default_rng(i)) for i in range(500))
    assert drawn.count("O") > 2 * drawn.count("6")
    assert drawn.count("0") > 1.5 * drawn.count("8")
    assert codes.confusable_first({}).weights == (1.0, 1.0)


def test_statistics_of_batch_norms_and_first_convolutions_stay(
    entry: ModelEntry, tmp_path: Path
) -> None:
    run = started(entry, tmp_path / "state.pt")
    before = {k: v.clone() for k, v in run.model.state_dict().items()}
    run.run(LATER, lambda *_: None)
    after = run.model.state_dict()
    kept = [k for k in before if "running" in k or k.startswith(("cnn.conv0", "cnn.conv1"))]
    assert kept
    assert all(torch.equal(before[k], after[k]) for k in kept)
    assert not torch.equal(before["cnn.conv3.weight"], after["cnn.conv3.weight"])


def test_what_was_interrupted_goes_on_exactly(entry: ModelEntry, tmp_path: Path) -> None:
    whole = started(entry, tmp_path / "a.pt").run(LATER, lambda *_: None)
    first = started(entry, tmp_path / "b.pt").run(LATER, stop_at(2))
    assert (first.steps, first.interrupted) == (2, True)
    rest = started(entry, tmp_path / "b.pt").run(LATER, lambda *_: None)
    assert (rest.steps, rest.interrupted) == (4, False)
    assert same(weights(rest), weights(whole))


def test_a_state_of_other_data_or_a_damaged_one_is_not_used(
    entry: ModelEntry, tmp_path: Path
) -> None:
    file = tmp_path / "state.pt"
    started(entry, file).run(LATER, stop_at(2))
    assert started(entry, file, key="other").run(LATER, stop_at(1)).steps == 1
    file.write_bytes(b"damaged")
    assert started(entry, file).run(LATER, stop_at(1)).steps == 1


def test_a_full_disk_does_not_end_the_learning(
    entry: ModelEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(learning, "write_whole", full)
    assert started(entry, tmp_path / "state.pt").run(LATER, lambda *_: None).steps == 4


def test_fewer_steps_are_made_where_the_time_is_short(entry: ModelEntry, tmp_path: Path) -> None:
    recipe = Recipe(steps=400, batch_size=4, warmup_steps=1)
    run = started(entry, tmp_path / "state.pt", recipe)
    learned = run.run(time.monotonic(), lambda *_: None)
    assert (learned.steps, learned.planned) == (learning.PACE_STEPS, 400)


def test_with_more_time_the_steps_that_were_left_out_follow(
    entry: ModelEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "PACE_STEPS", 2)
    file = tmp_path / "state.pt"
    assert started(entry, file).run(time.monotonic(), lambda *_: None).steps == 2
    # The same command does not go on with a training that has ended.
    assert started(entry, file).run(LATER, lambda *_: None).steps == 2
    assert started(entry, file, minutes=20).run(LATER, lambda *_: None).steps == 4


def _resident() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_returned_to_the_system() -> None:
    blocks = [bytearray(b"x" * 60_000) for _ in range(2_000)]
    last = blocks[-1]  # it lies above the others, so that these are not returned by themselves
    del blocks
    before = _resident()
    learning.release_memory()
    assert before - _resident() > 100_000_000
    assert len(last) == 60_000


def _learn_until_killed(entry: ModelEntry, file: Path) -> None:
    """In a process of its own: saves after every step, and never comes to an end."""
    learning.CHECKPOINT_EVERY_S = 0.0
    started(entry, file, ENDLESS).run(LATER, lambda *_: None)


ENDLESS = Recipe(steps=100_000, batch_size=4, warmup_steps=1)


def test_what_was_killed_goes_on_where_it_was(entry: ModelEntry, tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    process = get_context("spawn").Process(target=_learn_until_killed, args=(entry, file))
    process.start()
    until = time.monotonic() + 120
    while not file.exists() and time.monotonic() < until and process.is_alive():
        time.sleep(0.05)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    run = started(entry, file, ENDLESS)
    first: list[int] = []

    def stop(_: str, done: int, total: int) -> None:
        first.append(done)
        raise KeyboardInterrupt

    run.run(LATER, stop)
    assert first[0] > 1
