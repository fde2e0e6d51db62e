"""Trains the recognizer on the strings of a line, detector and classifier on their characters."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from industrial_ocr.inference.manifest import ModelEntry, NetworkTask
from industrial_ocr.inference.torch_backend import load_model
from industrial_ocr.inference.weights import commit_id, save_entry
from industrial_ocr.reader.reader import Reader
from industrial_ocr.training.line.characters import (
    BoxedString,
    LineDetectorTask,
    boxed_strings,
    learn_characters,
)
from industrial_ocr.training.line.config import AdaptConfig
from industrial_ocr.training.line.learning import (
    RENDERING,
    CodeText,
    Learned,
    Learning,
    LineTask,
    key_of,
    load_state,
    save_state,
)
from industrial_ocr.training.line.strings import LineString
from industrial_ocr.training.messages import Notify, Progress
from industrial_ocr.training.retraining.network import load_parent
from industrial_ocr.training.retraining.replay_buffer import rehearsal_for

STRINGS_SHARE, BOXES_SHARE = 0.6, 0.85
"""Shares of the time limit after which the training of the recognizer and of the detector ends; the
rest is for the classifier."""
ROUNDS = 2
"""Trainings of the detector; each finds better boxes for the next one."""
BOXES_STAGES = tuple(f"learning the boxes, {i + 1} of {ROUNDS}" for i in range(ROUNDS))
STRINGS_STATE, CHARACTERS_STATE = ".state.pt", ".characters.state.pt"
BOXES_STATES = tuple(f".boxes{i}.state.pt" for i in range(ROUNDS))
"""Suffixes of the files that keep each training."""
MIN_BOXED = 10
"""Smallest number of strings with boxes; with fewer, detector and classifier are not trained."""


@dataclass(frozen=True, eq=False)
class ParentReader:
    """The reader whose networks are trained further.

    Attributes:
        options: its arguments for ``Reader``.
        entries: its networks.
    """

    options: Mapping[str, Any]
    entries: Mapping[NetworkTask, ModelEntry]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What the networks are trained on.

    Attributes:
        strings: the labeled strings of the line.
        codes: draws random texts of the line for the rehearsal.
        sha256: hash of the pictures and labels.
    """

    strings: Sequence[LineString]
    codes: CodeText
    sha256: str


@dataclass(frozen=True, eq=False)
class Taught:
    """The trained networks.

    Attributes:
        entries: the networks that were trained.
        steps: number of training steps of the recognizer.
        characters: number of characters with boxes.
        interrupted: whether Ctrl-C ended the training early.
    """

    entries: dict[NetworkTask, ModelEntry]
    steps: int
    characters: int
    interrupted: bool


class Teacher:
    """Trains the networks on the strings of a line.

    Args:
        config: settings of the adaptation.
        parent: the reader to start from.
        data: the strings of the line.
        folder: folder of the trained networks.
        note: called with each message for the user.
        progress: called with the progress of each stage.
    """

    def __init__(
        self,
        config: AdaptConfig,
        parent: ParentReader,
        data: TrainingData,
        folder: Path,
        note: Notify,
        progress: Progress,
    ) -> None:
        self.config, self.recipe = config, config.recipe
        self._options, self._parents, self._data = parent.options, parent.entries, data
        self._folder, self._note, self._progress = folder, note, progress

    def teach(self) -> Taught:
        """Trains within the time limit."""
        start, seconds = time.monotonic(), 60 * self.config.minutes
        learned = self._learn_strings(start + STRINGS_SHARE * seconds)
        parent = self._parents["recognizer"]
        weights = blended(load_model(parent), learned.model, self.recipe.blend)
        entries = {parent.task: self._saved(parent, weights)}
        taught = Taught(entries, learned.steps, 0, learned.interrupted)
        if learned.interrupted:
            return taught
        with suppress(KeyboardInterrupt):  # what was learned so far is kept
            boxed, detector = self._learn_boxes(entries, start + BOXES_SHARE * seconds)
            if detector is None:
                return taught
            found = {**entries, "detector": detector}
            found["classifier"], interrupted = self._learn_characters(found, boxed, start + seconds)
            return Taught(found, learned.steps, sum(len(b.symbols) for b in boxed), interrupted)
        return dataclasses.replace(taught, interrupted=True)

    def _learn_strings(self, until: float) -> Learned:
        config, parent = self.config, self._parents["recognizer"]
        data = self._data
        task = LineTask(parent, data.strings, data.codes, self.recipe, config.fonts, workers=1)
        run = Learning(task, config.beside(STRINGS_STATE), self._key(parent), config.minutes)
        learned = run.run(until, self._progress)
        if learned.interrupted:
            self._note(f"interrupted after {learned.steps} of {learned.planned} steps")
        elif learned.steps < learned.planned:
            self._note(
                f"{learned.steps} of {learned.planned} steps were possible in {config.minutes:g} "
                "minutes; with more minutes the result may be better"
            )
        return learned

    def _learn_boxes(
        self, entries: Mapping[NetworkTask, ModelEntry], until: float
    ) -> tuple[list[BoxedString], ModelEntry | None]:
        """The strings with boxes, and the trained detector; None if the strings are too few.

        Raises:
            KeyboardInterrupt: Ctrl-C ended the training early.
        """
        detector = self._parents["detector"]
        recipe = dataclasses.replace(
            self.recipe, detector_steps=self.recipe.detector_steps // ROUNDS
        )
        boxed = self._boxed({**entries, "detector": detector})
        if len(boxed) < MIN_BOXED:
            self._note(
                f"{len(boxed)} strings have boxes for their characters, too few to train two-stage"
            )
            return boxed, None
        for number, (stage, state) in enumerate(zip(BOXES_STAGES, BOXES_STATES, strict=True)):
            task = LineDetectorTask(detector, boxed, recipe, self.config.fonts, workers=1)
            key = self._key(detector, entries["recognizer"])
            file = self.config.beside(state)
            run = Learning(task, file, key, self.config.minutes, stage)
            now = time.monotonic()
            learned = run.run(now + (until - now) / (ROUNDS - number), self._progress)
            if learned.interrupted:
                raise KeyboardInterrupt
            detector = self._saved(detector, learned.model.state_dict())
            boxed = self._boxed({**entries, "detector": detector})
        total = len(self._data.strings)
        self._note(f"{len(boxed)} of {total} strings have boxes for their characters")
        return boxed, detector

    def _boxed(self, entries: Mapping[NetworkTask, ModelEntry]) -> list[BoxedString]:
        reader = Reader(**{**self._options, **paths_of(entries)})
        return boxed_strings(self._data.strings, reader.models)

    def _learn_characters(
        self, entries: Mapping[NetworkTask, ModelEntry], boxed: Sequence[BoxedString], until: float
    ) -> tuple[ModelEntry, bool]:
        """The trained classifier, and whether Ctrl-C ended its training early."""
        parent = self._parents["classifier"]
        _, without_crops = rehearsal_for(load_parent(str(parent.path)))
        if taught := sorted({*without_crops}.difference(*(b.symbols for b in boxed))):
            self._note(
                f"the classifier was taught {' '.join(taught)} before, and there are no "
                "pictures of them: it may forget them, which is not measured"
            )
        file = self.config.beside(CHARACTERS_STATE)
        # With other minutes, a training that the time limit has cut short is done again.
        key = f"{self._key(parent, *entries.values())} {self.config.minutes:g}"
        state, interrupted = load_state(file, key), False
        if not state:
            tuned, temperature = learn_characters(parent, boxed, self.recipe, until, self._progress)
            state = {"model": tuned.model.state_dict(), "temperature": temperature}
            interrupted = tuned.interrupted
            if not interrupted:
                save_state(file, key, state)
        return self._saved(parent, state["model"], state["temperature"]), interrupted

    def _key(self, parent: ModelEntry, *teachers: ModelEntry) -> str:
        """The key of the training of ``parent`` on boxes that ``teachers`` found."""
        data = self._data
        basis = "".join([data.sha256, *(entry.sha256 for entry in teachers)])
        return key_of(parent, basis, data.codes, self.recipe, self.config.fonts)

    def _saved(
        self, parent: ModelEntry, state: Mapping[str, Tensor], temperature: float | None = None
    ) -> ModelEntry:
        """A trained network in the folder, still without an ONNX file: it runs on PyTorch."""
        recipe = {
            **dataclasses.asdict(self.recipe),
            **{name: parent.recipe[name] for name in RENDERING if name in parent.recipe},
            "adapted_from": parent.name,
            "parent_sha256": self._parents[parent.task].sha256,
            "data_sha256": self._data.sha256,
            "strings": len(self._data.strings),
        }
        entry = parent.model_copy(
            update={
                "name": f"line-{parent.task}",
                "file": f"line-{parent.task}.safetensors",
                "folder": self._folder,
                "recipe": recipe,
                "seed": self.recipe.seed,
                "commit": commit_id(),
                "metrics": {},
                **dict.fromkeys(("onnx", "onnx_sha256", "int8", "int8_sha256"), ""),
                "temperature": parent.temperature if temperature is None else temperature,
            }
        )
        return save_entry(self._folder, entry, state)


def blended(parent: nn.Module, learned: nn.Module, share: float) -> dict[str, Tensor]:
    """The weighted mean of two networks' weights; ``share`` is the weight of ``learned``."""
    before = parent.state_dict()
    return {
        name: torch.lerp(before[name], now, share) if now.is_floating_point() else now
        for name, now in learned.state_dict().items()
    }


def paths_of(entries: Mapping[NetworkTask, ModelEntry]) -> dict[str, Any]:
    """The options of ``Reader`` that select these networks."""
    return {task: entry.path for task, entry in entries.items()}
