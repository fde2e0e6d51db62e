"""From a model's name or file to a network ready to run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch

from industrial_ocr.calibration import Calibration
from industrial_ocr.charset import SPACE, Charset
from industrial_ocr.errors import WeightsError
from industrial_ocr.manifest import ModelEntry, Task, find_entry
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.models.craft import CraftLight, build_detector, load_published_craft
from industrial_ocr.models.crnn import Crnn, load_published_crnn
from industrial_ocr.models.fusing import fold_batch_norms, small_maps_as_matrices
from industrial_ocr.stages.classification import Classifier
from industrial_ocr.stages.detection import Detector
from industrial_ocr.stages.recognition import Recognizer
from industrial_ocr.weights import load_state

SHIPPED_CALIBRATION = Path(__file__).parent / "data" / "calibration.json"
PUBLISHED_CRNN_SYMBOLS = tuple("0123456789abcdefghijklmnopqrstuvwxyz")
Name = str | Path | None
Model = TypeVar("Model", bound=torch.nn.Module)


@dataclass
class Loader:
    """Loads models onto a device and notes what it loaded.

    Attributes:
        device: where they run.
        calibration: its temperatures go before those of the manifest, for the very weights they
            were fitted to.
        half: detector and classifier compute in bfloat16.
        weights: sha256 by task of what was loaded.
    """

    device: torch.device
    calibration: Calibration
    half: bool = False
    weights: dict[str, str] = field(default_factory=dict)

    def detector(self, name: Name) -> Detector:
        """A detector of ours, or a published CRAFT checkpoint.

        Raises:
            WeightsError: it is missing, damaged or of another architecture.
        """
        if _is_published(name):
            published = _built(lambda: load_published_craft(str(name)))
            fold_batch_norms(published.eval()).to(self.device)
            self.weights["detector"] = _file_hash(name)
            return Detector(published, self.device)
        entry = find_entry("detector", name)
        model = _built(lambda: build_detector(**entry.architecture))
        self._ready(model, entry)
        if self.half and isinstance(model, CraftLight):
            model.to(torch.bfloat16).head.float()
        return Detector(model, self.device)

    def classifier(self, name: Name) -> Classifier:
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
        return Classifier(ready, charset, size, temperature, self.device)

    def recognizer(self, name: Name) -> Recognizer:
        """A CRNN of ours, or a checkpoint of crnn.pytorch; raises as ``detector``."""
        if _is_published(name):
            charset = Charset(PUBLISHED_CRNN_SYMBOLS, blank=True)
            published = _built(lambda: load_published_crnn(str(name), len(charset))).to(self.device)
            self.weights["recognizer"] = _file_hash(name)
            return Recognizer(published, charset, 1.0, self.device, own_contrast=False)
        entry = find_entry("recognizer", name)
        symbols = _symbols(entry, "recognizer")
        spaces = symbols[-1:] == (SPACE,)
        charset = Charset(symbols[: len(symbols) - spaces], blank=True)
        model = _built(lambda: Crnn(charset.classes + spaces, **entry.architecture))
        ready, temperature = self._ready(model, entry), self._temperature(entry)
        return Recognizer(ready, charset, temperature, self.device, knows_space=spaces)

    def _temperature(self, entry: ModelEntry) -> float:
        own = self.calibration.temperatures.get(entry.task)
        measured = self.calibration.weights.get(entry.task)
        return entry.temperature if own is None or measured != entry.sha256 else own

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
