"""Trains the recognizer on the strings of a line with CTC, beside rendered strings (rehearsal).

Half of each batch shows strings of the line, each time with other margins and another simulated
camera. The other half is rehearsal, so that the recognizer forgets nothing: rendered strings of all
kinds, and rendered codes of the line's symbols.
"""

from __future__ import annotations

import copy
import ctypes
import hashlib
import io
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import cv2
import numpy as np
import torch
from timm.scheduler import CosineLRScheduler
from torch import nn

from industrial_ocr.datasets.photos import view_of
from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.chance import pick
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.inference.manifest import ModelEntry
from industrial_ocr.inference.torch_backend import has_bf16, load_model
from industrial_ocr.models.crnn import Crnn
from industrial_ocr.patterns.charset import SPACE, Charset
from industrial_ocr.patterns.pattern import Pattern
from industrial_ocr.results.files import write_whole
from industrial_ocr.results.types import FloatArray, ImageArray
from industrial_ocr.training.config import RecognizerTrainConfig
from industrial_ocr.training.line.config import Recipe
from industrial_ocr.training.line.strings import LineString, spelled
from industrial_ocr.training.loop import Batch, TrainingTask, batches
from industrial_ocr.training.messages import Progress
from industrial_ocr.training.optimization import average_of, cosine_schedule, make_optimizer
from industrial_ocr.training.recognizer import RecognizerTask, StripSource, collated

log = logging.getLogger(__name__)

MAX_STRIP_ASPECT = 16
"""Wider strips of the line are squeezed to this many times their height, since the widest strip
determines the time of a batch."""
CONVOLUTION_LR = 0.15
"""Factor of the learning rate for the convolutions of variant ``lcnet``, which have no batch norms.
With a factor of 1, rendered codes read right fell from 70 to 64 % during an adaptation."""
FROZEN = 2
"""Number of the first convolutions that are not trained; a step then takes a third less time."""
MANY_CONFUSIONS = 20
MAX_DRAWS = 50
"""After so many codes with a symbol that the recognizer lacks, random symbols are drawn instead."""
CHECKPOINT_EVERY_S = 30.0
PACE_STEPS = 8
"""After so many steps, the number of steps that fit into the time is estimated again."""
RENDERING = ("word_share", "loose", "lettering", "plain", "alignment")
"""Settings of the parent's training that the rehearsal of an adaptation uses again."""


class LineStrips:
    """Renders augmented strips of the strings of a line."""

    def __init__(self, strings: Sequence[LineString]) -> None:
        self._strings = strings
        self._camera = Camera(0.4)

    def render(self, seed: tuple[int, ...]) -> tuple[ImageArray, str]:
        """The strip of this seed, (H, W, 3) uint8, and its text without spaces."""
        rng = np.random.default_rng(seed)
        string = pick(rng, self._strings)
        view = view_of(rng, string.image, string.quad, self._camera)
        width = max(8, round(view.shape[1] * float(np.exp(rng.normal(0, 0.07)))))
        resized = cv2.resize(view, (width, view.shape[0]), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized, np.uint8), spelled(string.text)


@dataclass(frozen=True)
class CodeText:
    """Draws random texts of a line: codes of its pattern, or its symbols in random order.

    Attributes:
        symbols: the symbols of the line that the recognizer knows.
        lengths: the lengths of the line's strings in characters.
        pattern: the pattern of the line, if it has one.
        weights: how often each symbol is drawn, in any unit; empty: equally often.
    """

    symbols: tuple[str, ...]
    lengths: tuple[int, ...]
    pattern: Pattern | None = None
    weights: tuple[float, ...] = ()

    def draw(self, rng: np.random.Generator) -> str:
        """One random text of known symbols."""
        if self.pattern is not None and rng.random() < 0.5:
            for _ in range(MAX_DRAWS):
                code = self.pattern.sample(rng)
                if set(code) <= set(self.symbols):
                    return code
        count = int(rng.choice(self.lengths))
        chances = np.array(self.weights) / sum(self.weights) if self.weights else None
        return "".join(rng.choice(self.symbols, count, p=chances).tolist())

    def confusable_first(self, confusions: Mapping[tuple[str, str], int]) -> CodeText:
        """The same texts, in which confused symbols are frequent, also those not of the line.

        With at least ``MANY_CONFUSIONS``, half of all symbols are drawn by how often they were
        confused.

        Args:
            confusions: how often each symbol (or "") was read as another (or "").
        """
        counts: Counter[str] = Counter()
        for pair, n in confusions.items():
            if all(pair):
                counts.update(dict.fromkeys(pair, n))
        unit = len(self.symbols) / max(counts.total(), 2 * MANY_CONFUSIONS)
        symbols = tuple(dict.fromkeys((*self.symbols, *sorted(counts))))
        weights = tuple((s in self.symbols) + unit * counts[s] for s in symbols)
        return replace(self, symbols=symbols, weights=weights)


class LineTask(RecognizerTask):
    """Training of an existing recognizer on the strings of a line; see
    ``training.loop.TrainingTask``.

    Args:
        entry: the recognizer to start from.
        strings: the strings of the line; the recognizer knows all of their symbols.
        codes: texts of the rehearsal, besides those of the parent's training.
        recipe: hyperparameters of the training.
        fonts: folders of fonts for the rehearsal.
        workers: number of processes that render.
    """

    def __init__(
        self,
        entry: ModelEntry,
        strings: Sequence[LineString],
        codes: CodeText,
        recipe: Recipe,
        fonts: Sequence[str] = (),
        workers: int = 0,
    ) -> None:
        kept = {name: entry.recipe[name] for name in RENDERING if name in entry.recipe}
        spaces = entry.symbols[-1:] == (SPACE,)
        variant = entry.architecture.get("variant", "paper")
        config = RecognizerTrainConfig(
            seed=recipe.seed,
            variant=variant,
            batch_size=recipe.batch_size,
            lr=recipe.lr,
            convolution_lr=CONVOLUTION_LR if variant == "lcnet" else 1.0,
            warmup_steps=recipe.warmup_steps,
            steps=recipe.steps,
            ema_decay=recipe.average,
            fonts=tuple(Path(f) for f in fonts),
            spaces=spaces,
            workers=workers,
            **kept,
        )
        super().__init__(config)
        self.charset = Charset(entry.symbols[:-1] if spaces else entry.symbols, blank=True)
        model = load_model(entry)
        assert isinstance(model, Crnn)
        model.freeze(FROZEN)
        self.model = model
        assert isinstance(self.renderer, StripRenderer)
        self._rendered = self.renderer
        self._line, self._codes = LineStrips(strings), codes
        self._shares = recipe.line_share, recipe.code_share

    def _drawn(
        self, seed: tuple[int, ...], photo: StripSource | None
    ) -> tuple[ImageArray, list[int], FloatArray]:
        rng = np.random.default_rng((*seed, 1))
        if photo is not None or rng.random() >= self._shares[1]:
            return super()._drawn(seed, photo)
        strip = self._rendered.render(seed, self._codes.draw(rng))
        return to_gray(strip.image), *self._labels(strip.string)

    def render(self, index: int, seed: int) -> Batch:
        """A batch as in ``RecognizerTask``, with strings of the line in place of photographs."""
        size = self.config.batch_size
        of_line = round(self._shares[0] * size)
        own = [
            self._strip((seed, index, i), MAX_STRIP_ASPECT * self._height, self._line)
            for i in range(of_line)
        ]
        widest = max(100, *(s.shape[1] for s, _, _ in own))
        others = [self._strip((seed, index, i), widest, None) for i in range(of_line, size)]
        return collated([*own, *others], of_line)


@dataclass(frozen=True, eq=False)
class Learned:
    """The result of a training.

    Attributes:
        model: the network with averaged weights, in evaluation mode.
        steps: number of steps that were made.
        planned: number of steps that were planned.
        interrupted: whether Ctrl-C ended the training early.
    """

    model: nn.Module
    steps: int
    planned: int
    interrupted: bool


class Learning:
    """Trains one network on a line, and resumes from a checkpoint of the same adaptation.

    Args:
        task: the training task.
        checkpoint: the file of the checkpoint.
        key: hash of parent, data and recipe; a checkpoint with another key is not used.
        minutes: time limit of the adaptation; a training that ended within it is not continued.
        stage: the name of this training in progress reports.
    """

    def __init__(
        self,
        task: TrainingTask,
        checkpoint: Path,
        key: str,
        minutes: float,
        stage: str = "learning the strings",
    ) -> None:
        self.task, self.checkpoint, self._key, self._stage = task, checkpoint, key, stage
        self._minutes = minutes
        self.config = task.config
        self.model = task.model.to(memory_format=torch.channels_last)
        self._bf16 = has_bf16("cpu") or torch.cpu._is_avx512_bf16_supported()
        self.average = average_of(self.model, self.config.ema_decay)
        self.optimizer = make_optimizer(self.model, self.config)
        self.step, self.steps = 0, self.config.steps

    def run(self, deadline: float, progress: Progress) -> Learned:
        """Makes as many steps as fit before a deadline of ``time.monotonic``; Ctrl-C ends it."""
        self._resume()
        interrupted = False
        try:
            if self.step < self.steps:
                self._steps(deadline, progress)
        except KeyboardInterrupt:
            interrupted = True
        self.save(ended=not interrupted)
        model = copy.deepcopy(self.average.module if self.step else self.model)
        return Learned(model.eval(), self.step, self.config.steps, interrupted)

    def _steps(self, deadline: float, progress: Progress) -> None:
        first, start, saved = self.step, time.monotonic(), time.monotonic()
        schedule = self._schedule()
        for batch in batches(self.task, self.config.seed, self.step, self.config.steps):
            if self.step >= self.steps:
                break
            schedule.step_update(self.step + 1)
            self._learn(batch)
            now = time.monotonic()
            done = self.step - first
            if done % PACE_STEPS == 0:
                left = max(0, int((deadline - now) / (now - start) * done))
                self.steps = min(self.config.steps, self.step + left)
                schedule = self._schedule()
                release_memory()
            if now - saved > CHECKPOINT_EVERY_S:
                self.save()
                saved = now
            progress(self._stage, self.step, self.steps)

    def _schedule(self) -> CosineLRScheduler:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr  # the peak; a resumed optimizer has that of its last step
        warmup = self.config.warmup_steps
        return cosine_schedule(self.optimizer, max(self.steps, warmup + 2), warmup, floor=0.02)

    def _learn(self, batch: Batch) -> None:
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()  # the line has too few strings for new batch statistics
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            loss = self.task.loss(self.model, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        self.average.update(self.model, self.step)

    def save(self, ended: bool = False) -> None:
        """Writes the checkpoint; ``ended``: the training made all steps that it had time for."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "ended": self._minutes if ended else None,
        }
        save_state(self.checkpoint, self._key, state)

    def _resume(self) -> None:
        state = load_state(self.checkpoint, self._key)
        if not state:
            return
        self.model.load_state_dict(state["model"])
        self.average.module.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        if state["ended"] == self._minutes:
            self.steps = self.step


def release_memory() -> None:
    """Returns freed memory to the system.

    The GNU C library keeps it, and batches of other widths cannot use all of it again, so that the
    process would grow with the number of steps.
    """
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def save_state(file: Path, key: str, state: Mapping[str, Any]) -> None:
    """Writes the state of a training; if this fails, only a warning is logged."""
    data = io.BytesIO()
    torch.save({**state, "key": key}, data)
    try:
        write_whole(file, data.getbuffer())
    except OSError as error:
        log.warning("%s: the checkpoint cannot be written: %s", file, error)


def load_state(file: Path, key: str) -> dict[str, Any]:
    """The state of a training; empty if the file is missing, damaged or has another key."""
    with suppress(OSError, RuntimeError, EOFError, ValueError, UnpicklingError):
        state: dict[str, Any] = torch.load(file, weights_only=True)
        return state if state.get("key") == key else {}
    return {}


def key_of(
    entry: ModelEntry, data: str, codes: CodeText, recipe: Recipe, fonts: Sequence[str] = ()
) -> str:
    """The sha256 of everything that determines the weights of an adaptation."""
    rehearsal = [codes.symbols, codes.weights, codes.lengths, repr(codes.pattern), list(fonts)]
    values = json.dumps([entry.sha256, data, rehearsal, asdict(recipe)], sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()
