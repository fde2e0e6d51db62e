"""From a model's name or file to a network ready to run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

from industrial_ocr.errors import WeightsError
from industrial_ocr.inference.manifest import ModelEntry, Task, find_entry
from industrial_ocr.inference.weights import load_state
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.models.craft import CraftLight, CraftVGG, build_detector, load_published_craft
from industrial_ocr.models.crnn import Crnn, load_published_crnn
from industrial_ocr.models.fusing import fold_batch_norms, small_maps_as_matrices
from industrial_ocr.patterns.charset import SPACE, Charset

PUBLISHED_CRNN_SYMBOLS = tuple("0123456789abcdefghijklmnopqrstuvwxyz")
Name = str | Path | None
Model = TypeVar("Model", bound=torch.nn.Module)


class DetectorNetwork(NamedTuple):
    """A network for ``Detector``, in the order of its arguments."""

    model: CraftLight | CraftVGG
    device: torch.device
    published: bool


class ClassifierNetwork(NamedTuple):
    """A network for ``Classifier``, in the order of its arguments."""

    model: torch.nn.Module
    charset: Charset
    size: int
    temperature: float
    device: torch.device


class RecognizerNetwork(NamedTuple):
    """A network for ``Recognizer``, in the order of its arguments."""

    model: torch.nn.Module
    charset: Charset
    temperature: float
    device: torch.device
    own_contrast: bool = True
    knows_space: bool = False


@dataclass
class Loader:
    """Loads models onto a device and notes what it loaded.

    Attributes:
        device: where they run.
        temperatures: by sha256 of the weights they were fitted to; they go before those
            of the manifest.
        half: detector and classifier compute in bfloat16.
        weights: sha256 by task of what was loaded.
    """

    device: torch.device
    temperatures: Mapping[str, float]
    half: bool = False
    weights: dict[str, str] = field(default_factory=dict)

    def detector(self, name: Name) -> DetectorNetwork:
        """A detector of ours, or a published CRAFT checkpoint.

        Raises:
            WeightsError: it is missing, damaged or of another architecture.
        """
        if _is_published(name):
            published = _built(lambda: load_published_craft(str(name)))
            fold_batch_norms(published.eval()).to(self.device)
            self.weights["detector"] = _file_hash(name)
            return DetectorNetwork(published, self.device, published=True)
        entry = find_entry("detector", name)
        model = _built(lambda: build_detector(**entry.architecture))
        self._ready(model, entry)
        if self.half and isinstance(model, CraftLight):
            model.to(torch.bfloat16).head.float()
        return DetectorNetwork(model, self.device, published=isinstance(model, CraftVGG))

    def classifier(self, name: Name) -> ClassifierNetwork:
        """A character classifier; raises as ``detector``."""
        entry = find_entry("classifier", name)
        charset = Charset(_symbols(entry, "classifier"))
        model = _built(lambda: GlyphClassifier(len(charset) + 1, **entry.architecture))
        size = entry.input.size[0] if entry.input.size else 40
        ready, temperature = self._ready(model, entry), self._temperature(entry)
        if self.device.type == "cpu":
            sample = torch.zeros(1, 1, size, size, dtype=torch.float32, device=self.device)
            small_maps_as_matrices(ready, sample)
        ready.to(torch.bfloat16 if self.half else torch.float32)
        return ClassifierNetwork(ready, charset, size, temperature, self.device)

    def recognizer(self, name: Name) -> RecognizerNetwork:
        """A CRNN of ours, or a checkpoint of crnn.pytorch; raises as ``detector``."""
        if _is_published(name):
            charset = Charset(PUBLISHED_CRNN_SYMBOLS, blank=True)
            published = _built(lambda: load_published_crnn(str(name), len(charset))).to(self.device)
            self.weights["recognizer"] = _file_hash(name)
            return RecognizerNetwork(published, charset, 1.0, self.device, own_contrast=False)
        entry = find_entry("recognizer", name)
        symbols = _symbols(entry, "recognizer")
        spaces = symbols[-1:] == (SPACE,)
        charset = Charset(symbols[: len(symbols) - spaces], blank=True)
        model = _built(lambda: Crnn(charset.classes + spaces, **entry.architecture))
        ready, temperature = self._ready(model, entry), self._temperature(entry)
        return RecognizerNetwork(ready, charset, temperature, self.device, knows_space=spaces)

    def _temperature(self, entry: ModelEntry) -> float:
        return self.temperatures.get(entry.sha256, entry.temperature)

    def _ready(self, model: torch.nn.Module, entry: ModelEntry) -> torch.nn.Module:
        try:
            model.load_state_dict(load_state(entry))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise WeightsError(f"{entry.path}: does not fit its architecture: {reason}") from error
        self.weights[entry.task] = entry.sha256
        folded = fold_batch_norms(model.eval())
        return folded.to(self.device).to(memory_format=torch.channels_last)


def _built(build: Callable[[], Model]) -> Model:
    """A network of float32 on the CPU, whatever torch's defaults are in the host program."""
    with torch.device("cpu"):
        return build().to(torch.float32)


def _is_published(name: Name) -> bool:
    return name is not None and Path(name).suffix.lower() in {".pth", ".pt"}


def _file_hash(name: Name) -> str:
    return hashlib.sha256(Path(str(name)).read_bytes()).hexdigest()


def _symbols(entry: ModelEntry, task: Task) -> tuple[str, ...]:
    if entry.charset is None:
        raise WeightsError(f"{entry.path}: the manifest gives no charset for this {task}")
    return tuple(entry.charset)
