"""Trains the character classifier on crops; its last class is the reject class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from industrial_ocr.datasets.photos import PhotoCrops
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
        self._photos: dict[bool, PhotoCrops] = {}

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

    def _photo_crops(self, held_out: bool) -> PhotoCrops:
        if held_out not in self._photos:
            assert self.config.photo_crops is not None
            size = self.config.crop_size
            self._photos[held_out] = PhotoCrops(self.config.photo_crops, size, held_out)
        return self._photos[held_out]

    def render(self, index: int, seed: int) -> Batch:
        """``image`` (N, S, S) uint8, ``label`` (N,) int64 and ``photo`` (N,), of photographs."""
        training = seed == self.config.seed
        renderer = self._renderer(training)
        of_photos = int(self.config.photo_share * self.config.batch_size)
        crops: list[tuple[ImageArray, str]] = []
        if of_photos:
            crops += self._photo_crops(not training).draw((seed, index), of_photos)
        item = 0
        while len(crops) < self.config.batch_size:
            crops += renderer.render((seed, index, item))
            item += 1
        crops = crops[: self.config.batch_size]
        labels = torch.tensor([self._class[symbol] for _, symbol in crops])
        return {
            "image": torch.from_numpy(np.stack([crop for crop, _ in crops])),
            "label": labels,
            "photo": torch.arange(len(crops)) < of_photos,
        }

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Cross entropy with label smoothing."""
        logits = model(crops_input(batch)).float()
        return F.cross_entropy(logits, batch["label"], label_smoothing=self.config.label_smoothing)

    def validate(self, model: nn.Module, batches: Iterator[Batch]) -> dict[str, float]:
        """Shares of rendered and of photographed crops that are classified rightly.

        ``score`` is the share of all characters that are right apart from their case.
        """
        reject = self._class[REJECT]
        parts = [
            (model(crops_input(b)).argmax(-1).cpu(), b["label"].cpu(), b["photo"].cpu())
            for b in batches
        ]
        found, label, photo = (torch.cat(column) for column in zip(*parts, strict=True))
        right, folded = found == label, self._folded[found] == self._folded[label]
        character = label != reject

        def share(hits: Tensor, among: Tensor) -> float:
            return float(hits[among].sum()) / max(int(among.sum()), 1)

        metrics = {
            "score": share(folded, character),
            "accuracy": share(right, character & ~photo),
            "accuracy_case_folded": share(folded, character & ~photo),
            "reject_recall": share(right, ~character & ~photo),
        }
        if photo.any():
            metrics["accuracy_of_photos"] = share(right, character & photo)
            metrics["accuracy_of_photos_case_folded"] = share(folded, character & photo)
            metrics["reject_recall_of_photos"] = share(right, ~character & photo)
        return metrics

    def entry(self) -> dict[str, Any]:
        """The task's fields of the manifest entry."""
        side = self.config.crop_size
        return {
            "task": "classifier",
            "architecture": {"architecture": self.config.backbone},
            "charset": list(self.symbols),
            "input": {"size": [side, side], "mean": [0.5], "std": [0.5]},
        }
