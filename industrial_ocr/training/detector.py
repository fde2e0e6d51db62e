"""Training of the CRAFT detector: Gaussian maps, squared error, hard negative mining."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from industrial_ocr.config import SegmentationConfig
from industrial_ocr.datasets.photos import PhotoScenes
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.datasets.synthesis.scenes import SceneRenderer
from industrial_ocr.detection.detector import IMAGENET_MEAN, IMAGENET_STD, network_input
from industrial_ocr.detection.segmentation import character_boxes
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.models.craft import build_detector
from industrial_ocr.results.geometry import Rectangle, bounds, box_iou
from industrial_ocr.results.types import FloatArray, ImageArray, ScoreMaps
from industrial_ocr.training.config import DetectorTrainConfig
from industrial_ocr.training.loop import VALIDATION_SEED, Batch


@lru_cache(maxsize=1)
def _gaussian() -> FloatArray:
    """(64, 64), exp(-2) = 0.135 in the middle of its edges, as segmentation assumes."""
    axis = np.linspace(-1, 1, 64, dtype=np.float32)
    return np.exp(-2.0 * (axis[:, None] ** 2 + axis[None] ** 2)).astype(np.float32)


def _draw_gaussian(canvas: FloatArray, quad: FloatArray) -> None:
    """Warps the Gaussian onto a quad in map pixels; where two overlap the higher value stays."""
    low = np.maximum(np.floor(quad.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(quad.max(0)).astype(int) + 1, canvas.shape[::-1])
    if (high <= low).any():
        return
    source = np.array([[0, 0], [63, 0], [63, 63], [0, 63]], np.float32)
    target = (quad - low - 0.5).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    patch = cv2.warpPerspective(_gaussian(), matrix, size, flags=cv2.INTER_LINEAR)
    part = canvas[low[1] : high[1], low[0] : high[0]]
    np.maximum(part, patch, out=part)


def affinity_quad(one: FloatArray, two: FloatArray, along: bool) -> FloatArray:
    """CRAFT's affinity box: the centers of two opposite triangles of each character (figure 3).

    Args:
        one: (4, 2) quad of a character.
        two: quad of the next one.
        along: the string runs along the baseline: the triangles are those at top and bottom. For
            letters stacked below one another they are those at left and right.
    """
    first, second = ((0, 1), (2, 3)) if along else ((3, 0), (1, 2))
    quads = np.stack([one, two])
    middles = quads.mean(1)
    (a, c), (b, d) = ((quads[:, i] + quads[:, j] + middles) / 3 for i, j in (first, second))
    return np.stack([a, c, d, b]).astype(np.float32)


def score_targets(
    strings: tuple[LabeledString, ...], shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Region and affinity maps (H / 2, W / 2), float32, 0 to 1, of a scene (H, W)."""
    size = (shape[0] // 2, shape[1] // 2)
    region, affinity = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for string in strings:
        quads = string.quads / 2
        for quad in quads:
            _draw_gaussian(region, quad)
        along = string.direction != "vertical"
        for i in range(len(quads) - 1):
            if not string.space_after[i]:
                _draw_gaussian(affinity, affinity_quad(quads[i], quads[i + 1], along))
    return region, affinity


def _varied(
    rng: np.random.Generator, gray: ImageArray, target: ImageArray
) -> tuple[ImageArray, ImageArray]:
    """Another view of a scene: turned or mirrored, often as a negative, with other gray levels."""
    turn = int(rng.choice([0, 1, 2, 3], p=[0.4, 0.2, 0.2, 0.2]))
    gray, target = np.rot90(gray, turn), np.rot90(target, turn, axes=(1, 2))
    if turn == 0:
        gray, target = gray[:, ::-1], target[..., ::-1]
    if rng.random() < 0.5:
        gray = 255 - gray
    gamma = float(np.exp(rng.normal(0, 0.3)))
    tones = (255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return np.ascontiguousarray(tones[gray]), np.ascontiguousarray(target)


def _hits(found: list[Rectangle], wanted: list[Rectangle]) -> NDArray[np.float64]:
    """Numbers of right boxes (IoU 0.5), of found boxes, of true ones found, of true boxes."""
    if not found or not wanted:
        return np.array([0, len(found), 0, len(wanted)], np.float64)
    good = box_iou(found, wanted) >= 0.5
    return np.array([good.any(1).sum(), len(found), good.any(0).sum(), len(wanted)], np.float64)


def _map_boxes(maps: Tensor) -> list[list[Rectangle]]:
    """Upright boxes of the characters in the maps (N, 2, H, W) of each image, in map pixels."""
    rules = SegmentationConfig()
    found = []
    for region, affinity in maps.numpy():
        scores = ScoreMaps(region, affinity, (1.0, 1.0))
        boxes = character_boxes(scores, rules.text_threshold, rules.low_text, 2)
        found.append([bounds(box.quad) for box in boxes])
    return found


class DetectorTask:
    """See ``training.loop.TrainingTask``."""

    def __init__(self, config: DetectorTrainConfig) -> None:
        self.config = config
        torch.manual_seed(config.seed)
        self._options: dict[str, Any] = {}
        if config.backbone != "vgg16_bn":
            self._options = {"in_channels": 2, "decoder_channels": list(config.decoder_channels)}
            if config.backbone_options:
                self._options["backbone_options"] = dict(config.backbone_options)
        self.model: nn.Module = build_detector(config.backbone, **self._options)
        self.progress = 0.0

    @cached_property
    def _renderer(self) -> SceneRenderer:
        config = self.config
        size = config.scene_size, config.scene_size
        return SceneRenderer(tuple(config.fonts), size, config.plain, config.magnified)

    @cached_property
    def _photos(self) -> PhotoScenes:
        folder, maps = self.config.photos, self.config.photo_maps
        assert folder is not None and maps is not None
        return PhotoScenes(folder, maps, self.config.scene_size)

    def _scene(self, seed: tuple[int, ...], photo: bool) -> tuple[ImageArray, ImageArray]:
        """(S, S) gray, and its maps as of ``PhotoScenes``."""
        if photo:
            image, target = self._photos.render(seed)
            return to_gray(image), target
        scene = self._renderer.render(seed)
        maps = np.stack(score_targets(scene.strings, scene.image.shape[:2]))
        learned = np.full_like(maps[:1], 255)
        return to_gray(scene.image), np.concatenate([np.round(maps * 255), learned]).astype(
            np.uint8
        )

    def render(self, index: int, seed: int) -> Batch:
        """``image`` (N, C, S, S) float32, ``target`` (N, 2, S/2, S/2) uint8, ``learned`` of it.

        Validation has no photographs: not all of their characters are known.
        """
        share = 0.0 if seed == VALIDATION_SEED else self.config.photo_share
        rng = np.random.default_rng((seed, index))
        images, targets = [], []
        for item in range(self.config.batch_size):
            if item % self.config.copies == 0:
                photo = share > 0 and rng.random() < share
                gray, target = self._scene((seed, index, item), photo)
            else:
                gray, target = _varied(rng, gray, target)
            images.append(network_input(gray, published=not self._options))
            targets.append(target)
        maps = torch.from_numpy(np.stack(targets))
        return {
            "image": torch.from_numpy(np.stack(images)),
            "target": maps[:, :2],
            "learned": maps[:, 2:] > 127,
        }

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Squared error of both maps, later with mining of hard negatives.

        If they are mined from the first step, an untrained network learns to answer faintly
        everywhere: its hardest negatives are the gaps between characters.
        """
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        maps = model(image).float()
        target = batch["target"].float() / 255
        if "learned" in batch:
            maps = torch.where(batch["learned"], maps, target)  # elsewhere, any answer is right
        loss = weighted_loss(maps, target, self.config.positive_weight)
        if self.progress >= self.config.mining_start:
            loss = loss + mined_loss(maps, target, self.config.negative_ratio)
        return loss

    def validate(self, model: nn.Module, batches: Iterator[Batch]) -> dict[str, float]:
        """Compares character boxes from the predicted maps with those from perfect maps.

        The score is their F1 at IoU 0.5, with the thresholds of reading. Dice and squared error of
        the maps are given too; they depend on the maps' brightness more than on their quality.
        """
        hits = np.zeros(4)
        overlap = torch.zeros(2, 2)
        error = total = 0.0
        for batch in batches:
            maps = model(batch["image"]).float().clamp(0, 1).cpu()
            target = batch["target"].cpu().float() / 255
            error += float(((maps - target) ** 2).sum())
            total += target.numel()
            common = torch.minimum(maps, target).sum((0, 2, 3))
            overlap += torch.stack([2 * common, (maps + target).sum((0, 2, 3))])
            for found, wanted in zip(_map_boxes(maps), _map_boxes(target), strict=True):
                hits += _hits(found, wanted)
        right, given, met, labeled = hits.tolist()
        precision, recall = right / max(given, 1), met / max(labeled, 1)
        region, affinity = (overlap[0] / overlap[1].clamp(min=1e-6)).tolist()
        return {
            "score": 2 * precision * recall / max(precision + recall, 1e-9),
            "precision": precision,
            "recall": recall,
            "region_dice": region,
            "affinity_dice": affinity,
            "mse": error / max(total, 1),
        }

    def entry(self) -> dict[str, Any]:
        """The task's fields of the manifest entry."""
        mean, std = [0.5, 0.5], [0.5, 0.5]
        if not self._options:  # its input is normalized as that of the published network
            mean, std = IMAGENET_MEAN.tolist(), IMAGENET_STD.tolist()
        return {
            "task": "detector",
            "architecture": {"architecture": self.config.backbone, **self._options},
            "charset": None,
            "input": {"size": None, "mean": mean, "std": std},
        }


def weighted_loss(maps: Tensor, target: Tensor, weight: float) -> Tensor:
    """Squared error; pixels whose target is above 0.1 count ``weight`` times."""
    importance = 1 + (weight - 1) * (target > 0.1).float()
    return ((maps - target).square() * importance).sum() / importance.sum()


def mined_loss(maps: Tensor, target: Tensor, ratio: float) -> Tensor:
    """CRAFT's loss (Baek et al. 2019, section 3.3) with online hard negative mining per map.

    Args:
        maps: (N, 2, H, W) predicted.
        target: (N, 2, H, W) wanted, 0 to 1; above 0.1 a pixel counts as positive.
        ratio: negatives kept for each positive, 500 at least.
    """
    error = (maps - target).square().flatten(2)
    positive = target.flatten(2) > 0.1
    amount = positive.sum(-1)
    gain = (error * positive).sum(-1) / amount.clamp(min=1)
    negative = error.masked_fill(positive, 0)
    pixels = error.shape[-1]
    wanted = (amount * ratio).clamp(min=500, max=pixels // 2).long()
    hardest = negative.topk(int(wanted.max()), dim=-1).values
    rank = torch.arange(hardest.shape[-1], device=error.device)
    chosen = (hardest * (rank < wanted[..., None])).sum(-1) / wanted
    return (gain + chosen).mean()
