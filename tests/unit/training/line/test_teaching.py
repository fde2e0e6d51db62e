"""A killed adaptation goes on with the training in which it was killed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.reader.bundled import TASKS
from industrial_ocr.results.geometry import rect_quad
from industrial_ocr.training.line import teaching
from industrial_ocr.training.line.characters import BoxedString
from industrial_ocr.training.line.config import AdaptConfig, Recipe
from industrial_ocr.training.line.learning import CodeText, Learned, Learning
from industrial_ocr.training.line.strings import LineString
from industrial_ocr.training.line.teaching import ParentReader, Taught, Teacher, TrainingData
from industrial_ocr.training.messages import Notify
from industrial_ocr.training.retraining.finetuning import Finetuned
from industrial_ocr.training.retraining.network import load_parent


class KilledError(Exception):
    """Stands for the signal that ends the process."""


@pytest.fixture(autouse=True)
def boxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough strings have boxes for their characters."""
    image, whole = np.zeros((32, 120, 3), np.uint8), rect_quad(0, 0, 120, 32)
    one = BoxedString("a", image, ("7",), whole[None], (True,), ())
    monkeypatch.setattr(Teacher, "_boxed", lambda *_: [one] * teaching.MIN_BOXED)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trainings that were done. They change nothing; in each run the second one is killed."""
    done: list[str] = []

    def train(stage: str) -> None:
        if len(done) > started[0]:
            raise KilledError
        done.append(stage)

    def steps(self: Learning, *_: Any) -> None:
        train(self._stage)
        self.step = self.steps

    def characters(*_: Any) -> tuple[Finetuned, float]:
        train("characters")
        return Finetuned(load_parent(None).model, 1, False), 1.25

    def teach(self: Teacher, whole: Any = Teacher.teach) -> Taught:
        started[0] = len(done)
        return whole(self)

    started = [0]
    monkeypatch.setattr(Learning, "_steps", steps)
    monkeypatch.setattr(teaching, "learn_characters", characters)
    monkeypatch.setattr(Teacher, "teach", teach)
    return done


def taught(folder: Path, text: str = "7", note: Notify = lambda _: None) -> Taught:
    """The networks after one run on a string."""
    string = LineString("a", text, np.zeros((32, 120, 3), np.uint8), rect_quad(0, 0, 120, 32))
    parent = ParentReader({}, {task: find_entry(task) for task in TASKS})
    config = AdaptConfig(folder / "bundle", recipe=Recipe(steps=2, detector_steps=2))
    data = TrainingData([string], CodeText(("7",), (1,)), text)
    trained = folder / "trained"
    return Teacher(config, parent, data, trained, note, lambda *_: None).teach()


@pytest.mark.slow
def test_after_a_kill_no_finished_training_is_done_again(
    trained: list[str], tmp_path: Path
) -> None:
    for _ in range(3):
        with pytest.raises(KilledError):
            taught(tmp_path)
    result = taught(tmp_path)
    boxes = [f"learning the boxes, {i} of 2" for i in (1, 2)]
    stages = ["learning the strings", *boxes, "characters"]
    assert trained == stages
    assert result.entries["classifier"].temperature == 1.25

    again = taught(tmp_path)
    assert trained == stages
    assert {t: e.sha256 for t, e in again.entries.items()} == {
        t: e.sha256 for t, e in result.entries.items()
    }
    with pytest.raises(KilledError):
        taught(tmp_path, "8")
    assert trained == [*stages, stages[0]]


def test_every_training_ends_within_the_time_limit_since_its_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ends: list[float] = []

    def run(self: Learning, deadline: float, _: Any) -> Learned:
        ends.append(deadline)
        return Learned(self.model, 2, 2, False)

    def characters(*given: Any) -> tuple[Finetuned, float]:
        ends.append(given[3])
        return Finetuned(load_parent(None).model, 1, False), 1.0

    monkeypatch.setattr(Learning, "run", run)
    monkeypatch.setattr(teaching, "learn_characters", characters)
    monkeypatch.setattr(teaching, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    taught(tmp_path)
    # Of 900 seconds, 60 % are for the strings; of those up to 85 %, half are for the first round.
    assert ends == [1540.0, 1382.5, 1765.0, 1900.0]


def test_symbols_that_were_taught_and_may_be_forgotten_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(self: Learning, *_: Any) -> Learned:
        return Learned(self.model, 2, 2, False)

    monkeypatch.setattr(Learning, "run", run)
    tuned = Finetuned(load_parent(None).model, 1, False)
    monkeypatch.setattr(teaching, "learn_characters", lambda *_: (tuned, 1.0))
    # There are no crops of Ω and 7, but 7 is on the line.
    monkeypatch.setattr(teaching, "rehearsal_for", lambda _: (None, ("Ω", "7")))
    notes: list[str] = []
    taught(tmp_path, note=notes.append)
    assert notes[-1] == (
        "the classifier was taught Ω before, and there are no pictures of them: it may "
        "forget them, which is not measured"
    )


@pytest.mark.parametrize("place", ["_boxed", "_learn_characters"])
def test_ctrl_c_between_the_steps_keeps_what_was_learned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    def run(self: Learning, *_: Any) -> Learned:
        return Learned(self.model, 2, 2, False)

    monkeypatch.setattr(Learning, "run", run)
    monkeypatch.setattr(Teacher, place, interrupted)
    result = taught(tmp_path)
    assert result.interrupted
    assert set(result.entries) == {"recognizer"}
