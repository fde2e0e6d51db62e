"""Training of the CRNN with CTC on pictures of single strings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from rapidfuzz.distance import Levenshtein
from torch import Tensor, nn

from industrial_ocr.charset import Charset
from industrial_ocr.decoding.ctc import greedy_decode
from industrial_ocr.models.crnn import Crnn
from industrial_ocr.preprocess import normalise_crops, to_grey
from industrial_ocr.synthesis.crops import StripRenderer
from industrial_ocr.training.config import RecognizerTrainConfig
from industrial_ocr.training.loop import Batch

HEIGHT = 32
FRAME_STRIDE = 4


class RecognizerTask:
    """See ``training.loop.Task``."""

    def __init__(self, config: RecognizerTrainConfig) -> None:
        self.config = config
        self.progress = 0.0
        torch.manual_seed(config.seed)
        self.charset = Charset(blank=True)
        self._options: dict[str, Any] = {
            "width": config.width, "hidden": config.hidden, "variant": config.variant,
        }  # fmt: skip
        self.model: nn.Module = Crnn(self.charset.classes, **self._options)
        self._renderer: StripRenderer | None = None

    def _strip(self, seed: tuple[int, ...], cap: int) -> tuple[np.ndarray, list[int], np.ndarray]:
        """A grey strip of height 32, its classes, and the frame on which each character stands.

        What is wider than ``cap`` is squeezed to it, as the paper squeezes everything to 100.
        """
        assert self._renderer is not None
        for attempt in range(20):
            strip = self._renderer.render((*seed, attempt))
            grey = to_grey(strip.image)
            width = min(round(grey.shape[1] * HEIGHT / grey.shape[0]), cap)
            classes = self.charset.encode(strip.string.text)
            repeats = sum(a == b for a, b in zip(classes, classes[1:], strict=False))
            if 5 * len(classes) + 4 * repeats <= width:
                way = cv2.INTER_AREA if grey.shape[0] > HEIGHT else cv2.INTER_LINEAR
                resized = np.asarray(cv2.resize(grey, (width, HEIGHT), interpolation=way))
                x = strip.string.quads.mean(1)[:, 0] * (width / grey.shape[1])
                frames = np.clip(np.round(x / FRAME_STRIDE), 0, width // FRAME_STRIDE)
                return resized, classes, frames.astype(np.int64)
        raise RuntimeError(f"no strip up to {cap} pixels wide for seed {seed}")

    def render(self, index: int, seed: int) -> Batch:
        """``image`` (N, 32, W) uint8, ``label`` and ``frame`` (in a row), ``length`` (N,).

        Strips are padded on the right to the widest with their own edge, at least to 100.
        """
        if self._renderer is None:
            words = None if self.config.words is None else self.config.load_words()
            self._renderer = StripRenderer(
                tuple(self.config.fonts),
                words,
                word_share=self.config.word_share,
                loose=self.config.loose,
            )
        # Most batches are narrow: the widest strip of a batch is what all of it costs.
        share = np.random.default_rng((seed, index)).choice([0.4, 0.55, 1.0], p=[0.5, 0.35, 0.15])
        cap = max(100, int(self.config.max_width * share))
        strips = [self._strip((seed, index, i), cap) for i in range(self.config.batch_size)]
        width = max(100, *(s.shape[1] for s, _, _ in strips))
        width = -(-width // 4) * 4
        padded = [np.pad(s, ((0, 0), (0, width - s.shape[1])), mode="edge") for s, _, _ in strips]
        return {
            "image": torch.from_numpy(np.stack(padded)),
            "label": torch.tensor([c for _, classes, _ in strips for c in classes]),
            "frame": torch.from_numpy(np.concatenate([f for _, _, f in strips])),
            "length": torch.tensor([len(classes) for _, classes, _ in strips]),
        }

    def _input(self, batch: Batch) -> Tensor:
        crops = normalise_crops(batch["image"].cpu().numpy())
        tensor = torch.from_numpy(crops).unsqueeze(1).to(batch["image"].device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """CTC, averaged over the strings, and a share of frame-wise cross entropy.

        The rendered strings know where their characters stand. Telling the network so, at one
        frame a character and blank elsewhere, spares it the long search for an alignment with
        which CTC training begins, and keeps each spike on its character.
        """
        log_probs = model(self._input(batch)).float()
        frames = torch.full_like(batch["length"], log_probs.shape[0])
        ctc = F.ctc_loss(
            log_probs, batch["label"], frames, batch["length"], blank=0, zero_infinity=True
        )
        if not self.config.alignment:
            return ctc
        target = torch.zeros(log_probs.shape[:2], dtype=torch.long, device=log_probs.device)
        rows = torch.repeat_interleave(
            torch.arange(len(batch["length"]), device=target.device), batch["length"]
        )
        target[batch["frame"], rows] = batch["label"]
        error = -log_probs.gather(-1, target[..., None])[..., 0]
        spikes = target > 0
        aligned = error[spikes].mean() + error[~spikes].mean()
        return ctc + self.config.alignment * aligned

    def validate(self, model: nn.Module, batches: Iterator[Batch]) -> dict[str, float]:
        """Share of strings read exactly, also with case folded, and 1 - edit distance."""
        exact = folded = total = 0
        similarity = 0.0
        for batch in batches:
            log_probs = model(self._input(batch)).float().cpu().numpy()
            labels = torch.split(batch["label"].cpu(), batch["length"].cpu().tolist())
            for n, label in enumerate(labels):
                truth = self.charset.decode(label.tolist())
                found = "".join(s.symbol for s in greedy_decode(log_probs[:, n], self.charset))
                exact += found == truth
                folded += found.lower() == truth.lower()
                similarity += Levenshtein.normalized_similarity(found, truth)
                total += 1
        n = max(total, 1)
        return {
            "score": similarity / n, "exact": exact / n, "exact_case_folded": folded / n,
        }  # fmt: skip

    def entry(self) -> dict[str, Any]:
        """Architecture and input of the manifest entry."""
        return {
            "task": "recognizer",
            "architecture": self._options,
            "charset": list(self.charset.symbols),
            "input": {"size": [HEIGHT, 100], "mean": [0.5], "std": [0.5]},
        }
