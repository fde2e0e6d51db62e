"""Trains the character classifier on crops; its last class is the reject class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from industrial_ocr.datasets.synthesis.crops import REJECT, GlyphRenderer
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.config import ClassifierTrainConfig
from industrial_ocr.training.harvest import load_harvest
from industrial_ocr.training.loop import Batch, crops_input


class ClassifierTask:
    """See ``training.loop.TrainingTask``."""

    def __init__(self, config: ClassifierTrainConfig) -> None:
        self.config = config
        self.progress = 0.0
        torch.manual_seed(config.seed)
        self.symbols = DEFAULT_SYMBOLS
        self.model: nn.Module = GlyphClassifier(len(self.symbols) + 1, config.backbone)
        self._class = {s: i for i, s in enumerate((*self.symbols, REJECT))}
        self._folded = torch.tensor([self._class.get(s.upper(), i) for s, i in self._class.items()])
        self._renderers: dict[bool, GlyphRenderer] = {}

    def _renderer(self, training: bool) -> GlyphRenderer:
        """The renderer of training or validation; validation has the first 10 % of the harvest."""
        if training not in self._renderers:
            renderer = GlyphRenderer(
                tuple(self.config.fonts),
                self.config.crop_size,
                reject_share=self.config.reject_share,
                counter_share=self.config.counter_share,
                plain=self.config.plain,
            )
            if self.config.harvest is not None:
                harvest = load_harvest(self.config.harvest, self.config.crop_size)
                part = harvest.part(0.1, 1) if training else harvest.part(0, 0.1)
                renderer.rejects, renderer.found = part.rejects, part.characters
                renderer.found_symbols = part.symbols.tolist()
            self._renderers[training] = renderer
        return self._renderers[training]

    def render(self, index: int, seed: int) -> Batch:
        """``image`` (N, S, S) uint8 and ``label`` (N,) int64."""
        renderer = self._renderer(training=seed == self.config.seed)
        crops: list[tuple[ImageArray, str]] = []
        item = 0
        while len(crops) < self.config.batch_size:
            crops += renderer.render((seed, index, item))
            item += 1
        crops = crops[: self.config.batch_size]
        labels = torch.tensor([self._class[symbol] for _, symbol in crops])
        return {"image": torch.from_numpy(np.stack([crop for crop, _ in crops])), "label": labels}

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Cross entropy with label smoothing."""
        logits = model(crops_input(batch)).float()
        return F.cross_entropy(logits, batch["label"], label_smoothing=self.config.label_smoothing)

    def validate(self, model: nn.Module, batches: Iterator[Batch]) -> dict[str, float]:
        """Accuracy, accuracy with case folded, and the share of wrong boxes that are rejected."""
        reject = self._class[REJECT]
        right = folded = characters = rejected = others = 0
        for batch in batches:
            found = model(crops_input(batch)).argmax(-1).cpu()
            label = batch["label"].cpu()
            is_character = label != reject
            right += int(((found == label) & is_character).sum())
            folded += int(((self._folded[found] == self._folded[label]) & is_character).sum())
            characters += int(is_character.sum())
            rejected += int(((found == reject) & ~is_character).sum())
            others += int((~is_character).sum())
        case_folded = folded / max(characters, 1)
        return {
            "score": case_folded,
            "accuracy": right / max(characters, 1),
            "accuracy_case_folded": case_folded,
            "reject_recall": rejected / max(others, 1),
        }

    def entry(self) -> dict[str, Any]:
        """The task's fields of the manifest entry."""
        side = self.config.crop_size
        return {
            "task": "classifier",
            "architecture": {"architecture": self.config.backbone},
            "charset": list(self.symbols),
            "input": {"size": [side, side], "mean": [0.5], "std": [0.5]},
        }
