"""Teaches the networks a line: the recognizer its strings, the other two the characters in them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
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
    CodeText,
    Learned,
    Learning,
    LineTask,
    Progress,
    key_of,
)
from industrial_ocr.training.line.strings import LineString

STRINGS_SHARE, BOXES_SHARE = 0.6, 0.85
"""Of the minutes, when the learning of the strings and that of the boxes end; the rest is for the
classifier, for measuring and for writing."""
ROUNDS = 2
"""Better boxes teach a better detector, which gives better boxes."""
MIN_BOXED = 10
"""Fewer strings with boxes teach no characters."""
KEPT_OF_PARENT = frozenset(
    ["word_share", "loose", "lettering", "plain", "alignment", "spaces", "crop_size", "backbone"]
)
"""Settings of the first training that the rehearsal of a further adaptation needs."""


@dataclass(frozen=True, eq=False)
class Taught:
    """What was learned.

    Attributes:
        entries: of the networks that learned.
        steps: that the recognizer took.
        characters: that had boxes.
        interrupted: by Ctrl-C; what was learned until then counts.
    """

    entries: dict[NetworkTask, ModelEntry]
    steps: int
    characters: int
    interrupted: bool


class Teacher:
    """Trains the networks on the strings of a line.

    Args:
        config: of the adaptation.
        options: of the ``Reader`` to start from.
        parents: its networks.
        strings: to learn.
        codes: texts like those of the line.
        data: sha256 of the pictures and labels.
        folder: for the networks.
        note: called with each line for people.
        progress: called with a stage, how much of it is done and how much there is.
    """

    def __init__(
        self,
        config: AdaptConfig,
        options: Mapping[str, Any],
        parents: Mapping[NetworkTask, ModelEntry],
        strings: Sequence[LineString],
        codes: CodeText,
        data: str,
        folder: Path,
        note: Callable[[str], None],
        progress: Progress,
    ) -> None:
        self.config, self.recipe = config, config.recipe
        self._options, self._parents = options, parents
        self._strings, self._codes, self._data = strings, codes, data
        self._folder, self._note, self._progress = folder, note, progress

    def teach(self, start: float) -> Taught:
        """Trains what fits into the minutes since ``start``, a time of ``time.monotonic``."""
        minutes = 60 * self.config.minutes
        learned = self._learn_strings(start + STRINGS_SHARE * minutes)
        parent = self._parents["recognizer"]
        weights = blended(load_model(parent), learned.model, self.recipe.blend)
        entries = {parent.task: self._saved(parent, weights)}
        taught = Taught(entries, learned.steps, 0, learned.interrupted)
        if learned.interrupted:
            return taught
        boxed, detector = self._learn_boxes(entries, start + BOXES_SHARE * minutes)
        if detector is None:
            return dataclasses.replace(taught, interrupted=len(boxed) >= MIN_BOXED)
        parent = self._parents["classifier"]
        tuned, temperature = learn_characters(parent, boxed, self.recipe, self._progress)
        classifier = self._saved(parent, tuned.model.state_dict(), temperature)
        return Taught(
            {**entries, "detector": detector, "classifier": classifier},
            learned.steps,
            sum(len(b.symbols) for b in boxed),
            tuned.interrupted,
        )

    def _learn_strings(self, until: float) -> Learned:
        config, parent = self.config, self._parents["recognizer"]
        task = LineTask(parent, self._strings, self._codes, self.recipe, config.fonts, workers=1)
        run = Learning(task, config.beside(".state.pt"), self._key(parent))
        learned = run.run(until, self._progress)
        if learned.interrupted:
            self._note(f"interrupted after {learned.steps} of {learned.planned} steps")
        elif learned.steps < learned.planned:
            self._note(
                f"{learned.steps} of {learned.planned} steps fit into {config.minutes:g} "
                "minutes; more minutes may read better"
            )
        return learned

    def _learn_boxes(
        self, entries: Mapping[NetworkTask, ModelEntry], until: float
    ) -> tuple[list[BoxedString], ModelEntry | None]:
        """The strings with boxes, and the detector that found them; None if it did not learn."""
        detector = self._parents["detector"]
        recipe = dataclasses.replace(
            self.recipe, detector_steps=self.recipe.detector_steps // ROUNDS
        )
        boxed = self._boxed({**entries, "detector": detector})
        if len(boxed) < MIN_BOXED:
            self._note(
                f"{len(boxed)} strings have boxes for their characters, too few for two-stage to "
                "learn from"
            )
            return boxed, None
        for number in range(ROUNDS):
            task = LineDetectorTask(detector, boxed, recipe, self.config.fonts, workers=1)
            state = self.config.beside(f".boxes{number}.state.pt")
            run = Learning(task, state, self._key(detector), "learning the boxes")
            now = time.monotonic()
            learned = run.run(now + (until - now) / (ROUNDS - number), self._progress)
            if learned.interrupted:
                return boxed, None
            detector = self._saved(detector, learned.model.state_dict())
            boxed = self._boxed({**entries, "detector": detector})
        self._note(f"{len(boxed)} of {len(self._strings)} strings have boxes for their characters")
        return boxed, detector

    def _boxed(self, entries: Mapping[NetworkTask, ModelEntry]) -> list[BoxedString]:
        reader = Reader(**{**self._options, **paths_of(entries)})
        return boxed_strings(self._strings, reader.models)

    def _key(self, parent: ModelEntry) -> str:
        return key_of(parent, self._data, self._codes, self.recipe, self.config.fonts)

    def _saved(
        self, parent: ModelEntry, state: Mapping[str, Tensor], temperature: float | None = None
    ) -> ModelEntry:
        """A network without an ONNX file: until it is kept, it runs on torch."""
        recipe = {
            **dataclasses.asdict(self.recipe),
            **{k: parent.recipe[k] for k in parent.recipe if k in KEPT_OF_PARENT},
            "adapted_from": parent.name,
            "parent_sha256": self._parents[parent.task].sha256,
            "data_sha256": self._data,
            "strings": len(self._strings),
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
    """Weights that lie at this share of the way from one network to the other."""
    before = parent.state_dict()
    return {
        name: torch.lerp(before[name], now, share) if now.is_floating_point() else now
        for name, now in learned.state_dict().items()
    }


def paths_of(entries: Mapping[NetworkTask, ModelEntry]) -> dict[str, Any]:
    """Networks as options of ``Reader``."""
    return {task: entry.path for task, entry in entries.items()}
