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

from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.datasets.synthesis.strips import StripRenderer
from industrial_ocr.decoding.ctc import greedy_decode
from industrial_ocr.decoding.ctc import spaced as ctc_text
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.models.crnn import Crnn
from industrial_ocr.patterns.charset import SPACE, Charset
from industrial_ocr.recognition.recognizer import split_space
from industrial_ocr.results.types import FloatArray
from industrial_ocr.training.config import RecognizerTrainConfig
from industrial_ocr.training.loop import Batch, crops_input

HEIGHT = 32
FRAME_STRIDE = 4
SQUEEZE = 1.7
"""A strip wider than this many widths of its batch is left out, at first."""


class RecognizerTask:
    """See ``training.loop.Task``."""

    def __init__(self, config: RecognizerTrainConfig) -> None:
        self.config = config
        self.progress = 0.0
        torch.manual_seed(config.seed)
        self.charset = Charset(blank=True)
        self._options: dict[str, Any] = {
            "width": config.width,
            "hidden": config.hidden,
            "variant": config.variant,
        }
        if any(config.residual):
            self._options["residual"] = list(config.residual)
        model = Crnn(self.charset.classes + config.spaces, **self._options)
        for i in range(config.frozen):
            for name, module in model.cnn.named_children():
                if name.startswith((f"conv{i}", f"batchnorm{i}", f"residual{i}_")):
                    module.requires_grad_(False)
        self.model: nn.Module = model
        self._renderer: StripRenderer | None = None

    def _strip(self, seed: tuple[int, ...], cap: int) -> tuple[np.ndarray, list[int], np.ndarray]:
        """A gray strip of height 32, its classes, and the frame on which each character stands.

        A strip wider than ``cap`` is squeezed to it, as the paper squeezes all strips to 100; a
        much wider one is left to wider batches.
        """
        assert self._renderer is not None
        for attempt in range(20):
            strip = self._renderer.render((*seed, attempt))
            gray = to_gray(strip.image)
            natural = round(gray.shape[1] * HEIGHT / gray.shape[0])
            if natural > SQUEEZE * cap and attempt < 10:
                continue
            width = min(natural, cap)
            classes, places = self._labels(strip.string)
            repeats = sum(a == b for a, b in zip(classes, classes[1:], strict=False))
            if 5 * len(classes) + 4 * repeats <= width:
                way = cv2.INTER_AREA if gray.shape[0] > HEIGHT else cv2.INTER_LINEAR
                resized = np.asarray(cv2.resize(gray, (width, HEIGHT), interpolation=way))
                x = places * (width / gray.shape[1])
                frames = np.clip(np.round(x / FRAME_STRIDE), 0, width // FRAME_STRIDE)
                return resized, classes, frames.astype(np.int64)
        raise RuntimeError(f"no strip up to {cap} pixels wide for seed {seed}")

    def _labels(self, string: LabeledString) -> tuple[list[int], FloatArray]:
        """Classes of a string, spaces among them if they are learned, and the x of each."""
        symbols = self.charset.encode(string.text)
        middles = string.quads.mean(1)[:, 0]
        if not self.config.spaces:
            return symbols, middles
        classes: list[int] = []
        places: list[float] = []
        for i, symbol in enumerate(symbols):
            classes.append(symbol)
            places.append(float(middles[i]))
            if string.space_after[i] and i + 1 < len(symbols):
                right, left = string.quads[i][1:3, 0].mean(), string.quads[i + 1][[0, 3], 0].mean()
                classes.append(self.charset.classes)
                places.append(float(right + left) / 2)
        return classes, np.array(places, np.float32)

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
                lettering=self.config.lettering,
                plain=self.config.plain,
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
            "label": torch.from_numpy(np.concatenate([classes for _, classes, _ in strips])),
            "frame": torch.from_numpy(np.concatenate([f for _, _, f in strips])),
            "length": torch.tensor([len(classes) for _, classes, _ in strips]),
        }

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """CTC, averaged over the strings, and a share of frame-wise cross entropy.

        The places of rendered characters are known: each has one frame, the others are blank.
        With them training need not search for an alignment first, and spikes stay on characters.
        """
        log_probs = model(crops_input(batch)).float()
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
        exact = folded = spaced = total = 0
        similarity = 0.0
        for batch in batches:
            log_probs = model(crops_input(batch)).float().cpu().numpy()
            space: np.ndarray | None = None
            if self.config.spaces:
                log_probs, space = split_space(log_probs)
            labels = torch.split(batch["label"].cpu(), batch["length"].cpu().tolist())
            for n, label in enumerate(labels):
                whole = self._text(label.tolist())
                truth = whole.replace(SPACE, "")
                symbols = greedy_decode(log_probs[:, n], self.charset)
                found = "".join(s.symbol for s in symbols)
                exact += found == truth
                folded += found.lower() == truth.lower()
                if space is not None:
                    parted = ctc_text(symbols, space[:, n])
                    spaced += found == truth and parted == whole
                similarity += Levenshtein.normalized_similarity(found, truth)
                total += 1
        n = max(total, 1)
        metrics = {
            "score": similarity / n, "exact": exact / n, "exact_case_folded": folded / n,
        }  # fmt: skip
        return {**metrics, "exact_with_spaces": spaced / n} if self.config.spaces else metrics

    def _text(self, classes: list[int]) -> str:
        """What a label says, spaces included where they are classes."""
        return "".join(
            SPACE if c == self.charset.classes else self.charset.symbol(c) for c in classes
        )

    def entry(self) -> dict[str, Any]:
        """The task's fields of the manifest entry."""
        symbols = list(self.charset.symbols)
        return {
            "task": "recognizer",
            "architecture": self._options,
            "charset": [*symbols, SPACE] if self.config.spaces else symbols,
            "input": {"size": [HEIGHT, 100], "mean": [0.5], "std": [0.5]},
        }
