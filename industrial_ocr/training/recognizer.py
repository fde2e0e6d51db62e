"""Trains the CRNN with CTC on pictures of single strings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from torch import Tensor, nn

from industrial_ocr.datasets.photos import PhotoStrips
from industrial_ocr.datasets.shards import ShardedStrings, find_shards
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.decoding.ctc import greedy_decode
from industrial_ocr.decoding.ctc import spaced as ctc_text
from industrial_ocr.errors import DatasetError
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.models.crnn import FIRST_FRAMES, FRAME_STRIDE, STRIP_HEIGHTS, Crnn
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS, SPACE, Charset
from industrial_ocr.recognition.recognizer import split_space
from industrial_ocr.results.types import FloatArray, ImageArray
from industrial_ocr.training.config import RecognizerTrainConfig
from industrial_ocr.training.loop import VALIDATION_SEED, Batch, crops_input
from industrial_ocr.training.rendering import Renderer, strip_renderer, training_charset

log = logging.getLogger(__name__)

UNPLACED = -1
"""Frame of a character whose position is unknown."""
LearningStrip = tuple[ImageArray, list[int], NDArray[np.int64]]
"""(H, W) uint8 gray, its classes, and the frame of each."""


class StripSource(Protocol):
    """Renders pictures of strings whose characters have unknown positions."""

    def render(self, seed: tuple[int, ...]) -> tuple[ImageArray, str]:
        """The strip of this seed, (H, W, 3) uint8, and its text without spaces."""


def without_spaces(log_probs: Tensor) -> Tensor:
    """(..., C) log-probabilities from (..., C + 1): the space, the last class, counts as blank."""
    blank = torch.logaddexp(log_probs[..., :1], log_probs[..., -1:])
    impossible = torch.full_like(blank, -1e4)
    return torch.cat([blank, log_probs[..., 1:-1], impossible], -1)


def collated(strips: Sequence[LearningStrip], of_photos: int) -> Batch:
    """A batch of strips, see ``RecognizerTask.render``; the first ``of_photos`` are photographs."""
    width = max(100, *(s.shape[1] for s, _, _ in strips))
    width = -(-width // 4) * 4
    padded = [np.pad(s, ((0, 0), (0, width - s.shape[1])), mode="edge") for s, _, _ in strips]
    return {
        "image": torch.from_numpy(np.stack(padded)),
        "label": torch.from_numpy(np.concatenate([classes for _, classes, _ in strips])),
        "frame": torch.from_numpy(np.concatenate([f for _, _, f in strips])),
        "length": torch.tensor([len(classes) for _, classes, _ in strips]),
        "photo": torch.arange(len(strips)) < of_photos,
    }


class RecognizerTask:
    """See ``training.loop.TrainingTask``.

    Args:
        config: settings of the training.
        renderer: renderer of the strips; None takes that of the configuration.
        charset: charset with the blank; None takes that of the configuration.
    """

    def __init__(
        self,
        config: RecognizerTrainConfig,
        renderer: Renderer | None = None,
        charset: Charset | None = None,
    ) -> None:
        self.config = config
        self.progress = 0.0
        torch.manual_seed(config.seed)
        self.charset = charset or training_charset(config)
        if renderer is not None:
            self.renderer = renderer
        self._first_frame = FIRST_FRAMES[config.variant]
        self._height = STRIP_HEIGHTS[config.variant]
        self._options: dict[str, Any] = {"hidden": config.hidden, "variant": config.variant}
        if config.variant != "lcnet":
            self._options["width"] = config.width
        if config.bottleneck:
            self._options["bottleneck"] = config.bottleneck
        model = Crnn(self.charset.classes + config.spaces, **self._options)
        model.freeze(config.frozen)
        self.model: nn.Module = model
        self._photos: dict[bool, StripSource] = {}
        self._sharded: dict[bool, ShardedStrings] = {}
        if config.data is not None:
            shards = find_shards(config.data)
            size = max(1, round(config.data_share * config.batch_size))
            for held_out in (False, True):
                self._sharded[held_out] = ShardedStrings(shards, size, config.data_buffer, held_out)
            log.info("%d strips in %d shards", self._sharded[False].count, len(shards))

    @cached_property
    def renderer(self) -> Renderer:
        """The renderer of the strips that are not photographs."""
        return strip_renderer(self.config, self.charset)

    def _drawn(
        self, seed: tuple[int, ...], photo: StripSource | None
    ) -> tuple[ImageArray, list[int], FloatArray]:
        """A picture, its classes, and the x of each, which is unknown for photographs."""
        if photo is not None:
            image, text = photo.render(seed)
            classes = self.charset.encode(text)
            return to_gray(image), classes, np.full(len(classes), np.nan, np.float32)
        strip = self.renderer.render(seed)
        return to_gray(strip.image), *self._labels(strip.string)

    def _strip(self, seed: tuple[int, ...], cap: int, photo: StripSource | None) -> LearningStrip:
        """A gray strip of the network's height, its classes, and the frame of each character.

        A strip wider than ``cap`` pixels is squeezed to it, as the paper squeezes all strips to 100
        pixels; a much wider one is skipped in favor of another.
        """
        for attempt in range(20):
            gray, classes, places = self._drawn((*seed, attempt), photo)
            natural = round(gray.shape[1] * self._height / gray.shape[0])
            if natural > 1.7 * cap and attempt < 10:
                continue
            fitted = self._fitted(gray, classes, places, min(natural, cap))
            if fitted is not None:
                return fitted
        raise RuntimeError(f"no strip up to {cap} pixels wide for seed {seed}")

    def _fitted(
        self, gray: ImageArray, classes: list[int], places: FloatArray, width: int
    ) -> LearningStrip | None:
        """A strip resized for the network; None if it is too narrow for its characters."""
        repeats = sum(a == b for a, b in zip(classes, classes[1:], strict=False))
        if 5 * len(classes) + 4 * repeats > width:
            return None
        way = cv2.INTER_AREA if gray.shape[0] > self._height else cv2.INTER_LINEAR
        resized = cv2.resize(gray, (width, self._height), interpolation=way)
        x = places * (width / gray.shape[1])
        frames = np.clip(
            np.round(x / FRAME_STRIDE) - self._first_frame,
            0,
            (width - 1) // FRAME_STRIDE - self._first_frame,
        )
        known = np.nan_to_num(frames, nan=UNPLACED)
        return resized.astype(np.uint8), classes, known.astype(np.int64)

    def _labeled(self, image: ImageArray, text: str) -> LearningStrip | None:
        """A strip of a shard; None if its text is empty, too long or has unknown symbols."""
        classes: list[int] = []
        for word in text.split():
            if not self.charset.supports(word):
                return None
            if classes and self.config.spaces:
                classes.append(self.charset.classes)
            classes += self.charset.encode(word)
        if not classes:
            return None
        gray = to_gray(image)
        natural = round(gray.shape[1] * self._height / gray.shape[0])
        width = min(max(natural, 1), self.config.max_width)
        return self._fitted(gray, classes, np.full(len(classes), np.nan, np.float32), width)

    def _labels(self, string: LabeledString) -> tuple[list[int], FloatArray]:
        """Classes of a string, with spaces if the network has them, and the x of each in pixels."""
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
        """``image`` (N, H, W) uint8, ``label`` and ``frame`` joined, ``length`` and ``photo`` (N,).

        Strips are padded on the right with their last column to the width of the widest one, at
        least to 100. Those with ``photo`` are of photographs: their labels have no spaces and no
        positions. Those of shards have spaces but no positions; unusable ones are left out.
        """
        # Most batches are narrow, because the widest strip determines the time of a batch.
        share = np.random.default_rng((seed, index)).choice([0.4, 0.55, 1.0], p=[0.5, 0.35, 0.15])
        cap = max(100, int(self.config.max_width * share))
        size = self.config.batch_size
        of_photos = int(self.config.photo_share * size)
        photos = self._photo_strips(held_out=seed == VALIDATION_SEED) if of_photos else None
        labeled = []
        if self._sharded:
            source = self._sharded[seed == VALIDATION_SEED]
            size -= source.size
            found = (self._labeled(*pair) for pair in source.batch(seed, index))
            labeled = [strip for strip in found if strip is not None]
        strips = [
            self._strip((seed, index, i), cap, photos if i < of_photos else None)
            for i in range(size)
        ]
        if not strips and not labeled:
            raise DatasetError(
                f"{self.config.data}: the texts have only symbols that are not in the charset"
            )
        return collated([*strips, *labeled], of_photos)

    def _photo_strips(self, held_out: bool) -> StripSource:
        if held_out not in self._photos:
            folder, labels = self.config.photos, self.config.photo_labels
            assert folder is not None and labels is not None
            self._photos[held_out] = PhotoStrips(folder, labels, held_out)
        return self._photos[held_out]

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """CTC loss, averaged over the strings, plus a share of frame-wise cross entropy.

        The positions of rendered characters are known: each has one frame, the others are blank.
        With them training finds the alignment sooner, and the peaks stay on the characters. Strips
        of photographs have neither positions nor spaces: for them a space counts as blank.
        """
        log_probs = model(crops_input(batch)).float()
        photo = batch["photo"]
        said = log_probs
        if self.config.spaces and photo.any():
            said = torch.where(photo[None, :, None], without_spaces(log_probs), log_probs)
        frames = torch.full_like(batch["length"], log_probs.shape[0])
        ctc = F.ctc_loss(said, batch["label"], frames, batch["length"], blank=0, zero_infinity=True)
        if not self.config.alignment:
            return ctc
        target = torch.zeros(log_probs.shape[:2], dtype=torch.long, device=log_probs.device)
        rows = torch.repeat_interleave(
            torch.arange(len(batch["length"]), device=target.device), batch["length"]
        )
        placed = batch["frame"] != UNPLACED
        target[batch["frame"][placed], rows[placed]] = batch["label"][placed]
        known = torch.zeros_like(photo).index_fill(0, rows[placed], True)
        if not known.any():
            return ctc
        error = -log_probs.gather(-1, target[..., None])[..., 0][:, known]
        spikes = target[:, known] > 0
        aligned = error[spikes].mean() + error[~spikes].mean()
        return ctc + self.config.alignment * aligned

    def validate(self, model: nn.Module, batches: Iterator[Batch]) -> dict[str, float]:
        """Shares of strings read exactly, with case folded, and of photographed ones.

        ``score`` is 1 - edit distance / length over all strings.
        """
        exact = folded = spaced = total = photos = photos_exact = 0
        similarity = 0.0
        for batch in batches:
            log_probs = model(crops_input(batch)).float().cpu().numpy()
            space: np.ndarray | None = None
            if self.config.spaces:
                log_probs, space = split_space(log_probs)
            labels = torch.split(batch["label"].cpu(), batch["length"].cpu().tolist())
            of_photo = batch["photo"].cpu().tolist()
            for n, label in enumerate(labels):
                whole = self._text(label.tolist())
                truth = whole.replace(SPACE, "")
                symbols = greedy_decode(log_probs[:, n], self.charset)
                found = "".join(s.symbol for s in symbols)
                similarity += Levenshtein.normalized_similarity(found, truth)
                if of_photo[n]:
                    photos += 1
                    photos_exact += found == truth
                    continue
                total += 1
                exact += found == truth
                folded += found.lower() == truth.lower()
                if space is not None:
                    parted = ctc_text(symbols, space[:, n])
                    spaced += found == truth and parted == whole
        n = max(total, 1)
        metrics = {
            "score": similarity / max(total + photos, 1),
            "exact": exact / n,
            "exact_case_folded": folded / n,
        }
        if self.config.spaces:
            metrics["exact_with_spaces"] = spaced / n
        return {**metrics, "exact_of_photos": photos_exact / photos} if photos else metrics

    def _text(self, classes: list[int]) -> str:
        """The text of a label, with spaces if they are classes."""
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
            "input": {"size": [self._height, 100], "mean": [0.5], "std": [0.5]},
            # The shipped confidence was fitted to readings of these symbols.
            "fitted_confidence": self.charset.symbols == DEFAULT_SYMBOLS,
        }
