"""Trains detector and classifier on the characters of a line, whose labels have no boxes.

The adapted recognizer says where each character stands (forced CTC alignment), and the region map
of the detector says how large it is. This is the weak supervision of the CRAFT paper (Baek et al.
2019, arXiv 1904.01941, section 3.2), with a known text. Both networks are trained on these boxes,
beside rendered scenes and crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from industrial_ocr.datasets.photos import jittered
from industrial_ocr.datasets.synthesis.camera import Camera
from industrial_ocr.datasets.synthesis.chance import log_uniform
from industrial_ocr.datasets.synthesis.crops import REJECT
from industrial_ocr.datasets.synthesis.layout import LabeledString
from industrial_ocr.decoding.ctc import align
from industrial_ocr.detection.detector import network_input
from industrial_ocr.detection.linking import as_one_string
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.inference.manifest import ModelEntry
from industrial_ocr.inference.torch_backend import load_model
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.crnn import frame_borders
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.two_stage_crops import view_config
from industrial_ocr.results.geometry import bounds, edge_lengths, expand_quad, rect_quad, warp_quad
from industrial_ocr.results.types import BoxString, FloatArray, ImageArray
from industrial_ocr.training.config import DetectorTrainConfig
from industrial_ocr.training.detector import DetectorTask, score_targets
from industrial_ocr.training.harvest import TrueCharacters
from industrial_ocr.training.line.config import Recipe
from industrial_ocr.training.line.strings import LineString, frames_of, spelled
from industrial_ocr.training.loop import Batch
from industrial_ocr.training.messages import Progress
from industrial_ocr.training.retraining import config as retraining
from industrial_ocr.training.retraining.feature_cache import build_cache, supplementary_classes
from industrial_ocr.training.retraining.finetuning import Finetuned, finetune
from industrial_ocr.training.retraining.gate import carried_temperature
from industrial_ocr.training.retraining.network import load_parent
from industrial_ocr.training.retraining.replay_buffer import rehearsal_for
from industrial_ocr.training.retraining.samples import GlyphSample, SampleSet, sample_at
from industrial_ocr.training.retraining.sampling import Bools

MIN_ALIGNED_PROBABILITY = 0.3
"""Smallest probability of an aligned character. A string with a smaller one may have a wrong label
and is left out."""
NARROW = frozenset(".,:;'!|")
"""Marks whose box is as high as a letter and narrow, as in rendered scenes."""
NARROW_WIDTH = 0.4
"""Width of their box in widths of the usual character."""
ROOM = 0.35
"""Margin around a string that is cut from a larger picture, as a share of its height."""
SIDES = (48.0, 96.0)
"""Short side of the detector's training views in pixels; a crop is read at 56 to 80."""
MAX_VIEW_ASPECT = 12
"""Wider views are squeezed to this many times their height."""


@dataclass(frozen=True, eq=False)
class BoxedString:
    """A string of the line with a box for each character.

    Attributes:
        name: name of the picture.
        image: (H, W, 3) uint8, the string from left to right.
        symbols: the N symbols of the label, without spaces.
        quads: (N, 4, 2) float32, the boxes in pixels of ``image``.
        found: for each box whether the detector found it.
        wrong: detected boxes that show no character.
        detected: the detected boxes as a string; none if there is no box.
    """

    name: str
    image: ImageArray
    symbols: tuple[str, ...]
    quads: FloatArray
    found: tuple[bool, ...]
    wrong: tuple[FloatArray, ...]
    detected: tuple[BoxString, ...] = ()

    def samples(self) -> list[GlyphSample]:
        """Samples of its detected characters, and of the detected boxes without a character."""
        gray = to_gray(self.image)
        boxes = [(s, q) for s, q, f in zip(self.symbols, self.quads, self.found, strict=True) if f]
        boxes += [(REJECT, q) for q in self.wrong]
        height, width = gray.shape
        inside = [(s, np.clip(q, 0, (width, height))) for s, q in boxes]
        return [
            sample_at(s, gray, q.astype(np.float32), f"{self.name} {i}")
            for i, (s, q) in enumerate(inside)
            if min(edge_lengths(q)) >= 3
        ]


def shown_quad(string: LineString) -> FloatArray:
    """(4, 2) what ``level`` shows: the string with a margin of ``ROOM``, or a whole crop."""
    height, width = string.image.shape[:2]
    if np.array_equal(string.quad, rect_quad(0, 0, width, height)):
        return string.quad
    room = ROOM * edge_lengths(string.quad)[1]
    return expand_quad(string.quad, room, room)


def level(string: LineString) -> LineString:
    """The string turned level, with a margin of ``ROOM``; a crop stays as it is."""
    shown = shown_quad(string)
    if shown is string.quad:
        return string
    across, high = edge_lengths(string.quad)
    room = ROOM * high
    size = round(across + 2 * room), round(high + 2 * room)
    image = warp_quad(string.image, shown, *size)
    inner = rect_quad(room, room, size[0] - room, size[1] - room)
    return LineString(string.name, string.text, image, inner)


def boxed_strings(strings: Sequence[LineString], models: Models) -> list[BoxedString]:
    """The strings whose characters could be located, with their boxes."""
    shown = [level(s) for s in strings]
    views = view_config(models.config)
    boxed = []
    for string, frames in zip(shown, frames_of(models, shown), strict=True):
        classes = frames.charset.encode(spelled(string.text))
        if len(frames.log_probs) < 2 * len(classes):
            continue
        symbols = align(frames.log_probs, classes, frames.charset)
        if min(s.probability for s in symbols) < MIN_ALIGNED_PROBABILITY:
            continue
        borders = frame_borders([(s.first_frame, s.last_frame) for s in symbols])
        spans = np.array([bounds(frames.span_quad(*b))[::2] for b in borders], np.float32)
        found = find_strings([string.image], models.detector, views, Clock())[0]
        detected = as_one_string(found)
        own = [bounds(b.quad) for s in detected for b in s.boxes]
        texts = tuple(s.symbol for s in symbols)
        placed = placed_boxes(texts, spans, np.array(own, np.float32).reshape(-1, 4))
        if placed is not None:
            quads, seen = placed
            true = TrueCharacters(texts, quads)
            found_boxes = (rect_quad(*box) for box in own)
            wrong = tuple(quad for quad in found_boxes if true.label(quad) == REJECT)
            boxed.append(
                BoxedString(string.name, string.image, texts, quads, seen, wrong, tuple(detected))
            )
    return boxed


def placed_boxes(
    symbols: Sequence[str], spans: FloatArray, boxes: FloatArray
) -> tuple[FloatArray, tuple[bool, ...]] | None:
    """A box for each character, and whether it was detected.

    A detected box belongs to the character in whose span its center lies. Several boxes of one
    character are joined. A character without a box gets one of the string's usual width and height
    in the middle of its span. A point or another narrow mark has a narrow box; without a detected
    one, it gets one between its neighbors.

    Args:
        symbols: the N characters.
        spans: (N, 2) left and right end of each character in pixels.
        boxes: (M, 4) left, top, right and bottom of each detected box in pixels.

    Returns:
        (N, 4, 2) quads, and N times whether the box was detected; None if less than half of the
        characters, narrow marks not counted, have a detected box.
    """
    narrow = np.array([s in NARROW for s in symbols])
    if narrow.all():
        return None
    own: list[list[FloatArray]] = [[] for _ in symbols]
    for box in boxes:
        at = _owner(box, spans, narrow, float(np.median(boxes[:, 2] - boxes[:, 0])))
        if at is not None:
            own[at].append(box)
    seen = tuple(bool(b) for b in own)
    placed = [np.r_[np.min(b, 0)[:2], np.max(b, 0)[2:]] if b else None for b in own]
    known = [box for box, thin in zip(placed, narrow, strict=True) if box is not None and not thin]
    if 2 * len(known) < (~narrow).sum():
        return None
    _, top, _, bottom = np.median(known, 0)
    half = float(np.median([(b[2] - b[0]) / 2 for b in known]))

    def usual(center: float, half_width: float) -> FloatArray:
        return np.array([center - half_width, top, center + half_width, bottom], np.float32)

    wide = [
        usual(float(span.mean()), half) if box is None else box
        for box, span in zip(placed, spans, strict=True)
    ]
    for i in np.flatnonzero([thin and not here for thin, here in zip(narrow, seen, strict=True)]):
        between = 0 < i < len(wide) - 1 and not narrow[[i - 1, i + 1]].any()
        center = (wide[i - 1][2] + wide[i + 1][0]) / 2 if between else spans[i].mean()
        wide[i] = usual(float(center), NARROW_WIDTH * half)
    return np.stack([rect_quad(*map(float, box)) for box in wide]), seen


def _owner(box: FloatArray, spans: FloatArray, narrow: Bools, width: float) -> int | None:
    """The character that a detected box shows; None if none or several.

    Args:
        box: left, top, right and bottom.
        spans: (N, 2) of the characters.
        narrow: (N,) whether each is a narrow mark; not all are.
        width: usual width of a detected box.
    """
    centers, wide = spans.mean(1), np.flatnonzero(~narrow)
    if ((box[0] < centers[wide]) & (centers[wide] < box[2])).sum() > 1:
        return None  # it does not show where one of them ends
    middle = (box[0] + box[2]) / 2
    inside = np.flatnonzero((spans[:, 0] <= middle) & (middle < spans[:, 1]))
    if not len(inside):
        return None
    if narrow[inside[0]] and box[2] - box[0] > 0.5 * width:
        return int(wide[np.abs(centers[wide] - middle).argmin()])
    return int(inside[0])


def labeled(quads: FloatArray) -> LabeledString:
    """A string for ``score_targets``; a gap wider than the usual character is a space."""
    gaps = quads[1:, [0, 3], 0].mean(1) - quads[:-1, [1, 2], 0].mean(1)
    wide = gaps > np.median(quads[:, 1, 0] - quads[:, 0, 0])
    symbols = ("?",) * len(quads)  # the detector's targets do not depend on the symbols
    return LabeledString("", symbols, quads, (*wide.tolist(), False), "horizontal")


class LineDetectorTask(DetectorTask):
    """Training of an existing detector on the boxes of a line; see ``training.loop.TrainingTask``.

    Args:
        entry: the detector to start from.
        strings: the strings of the line.
        recipe: hyperparameters of the training.
        fonts: folders of fonts for the rendered scenes.
        workers: number of processes that render.
    """

    def __init__(
        self,
        entry: ModelEntry,
        strings: Sequence[BoxedString],
        recipe: Recipe,
        fonts: Sequence[str] = (),
        workers: int = 0,
    ) -> None:
        architecture = dict(entry.architecture)
        super().__init__(
            DetectorTrainConfig(
                seed=recipe.seed,
                backbone=architecture["architecture"],
                decoder_channels=tuple(architecture.get("decoder_channels", (16, 40, 64, 96))),
                backbone_options=architecture.get("backbone_options", {}),
                plain=entry.recipe.get("plain", 0.0),
                batch_size=recipe.scenes,
                scene_size=recipe.scene_size,
                mining_start=0.0,
                lr=recipe.detector_lr,
                warmup_steps=recipe.warmup_steps,
                steps=recipe.detector_steps,
                ema_decay=recipe.average,
                fonts=tuple(Path(f) for f in fonts),
                workers=workers,
            )
        )
        self.model = load_model(entry)
        self._strings, self._camera, self._count = strings, Camera(0.4), recipe.views

    def render(self, index: int, seed: int) -> Batch:
        """A batch of ``DetectorTask`` with views of the line and their maps added.

        They are ``line``, (N, 3, H, W) or (N, C, H, W) as the network's input, and ``line_target``,
        (N, 2, H / 2, W / 2) uint8.
        """
        rng = np.random.default_rng((seed, index, 1))
        picked = rng.integers(len(self._strings), size=self._count)
        views = [self._view(rng, self._strings[int(i)]) for i in picked]
        high = -(-max(v.shape[0] for v, _ in views) // 32) * 32
        wide = -(-max(v.shape[1] for v, _ in views) // 32) * 32
        images, targets = [], []
        for view, quads in views:
            down, right = high - view.shape[0], wide - view.shape[1]
            padded = cv2.copyMakeBorder(view, 0, down, 0, right, cv2.BORDER_REPLICATE)
            pixels = np.asarray(padded, np.uint8)
            images.append(network_input(pixels, published=not self._options))
            targets.append(np.stack(score_targets((labeled(quads),), (high, wide))))
        target = np.round(np.stack(targets) * 255).astype(np.uint8)
        line = torch.from_numpy(np.stack(images))
        own = {"line": line, "line_target": torch.from_numpy(target)}
        return {**super().render(index, seed), **own}

    def _view(self, rng: np.random.Generator, string: BoxedString) -> tuple[ImageArray, FloatArray]:
        """An augmented gray picture of the string, (H, W), and the (N, 4, 2) boxes in it."""
        height, width = string.image.shape[:2]
        quad = jittered(rng, rect_quad(0, 0, width, height))
        side = round(log_uniform(rng, *SIDES))
        across, high = edge_lengths(quad)
        wide = round(
            min(across / high, MAX_VIEW_ASPECT) * side * float(np.exp(rng.normal(0, 0.07)))
        )
        wide = max(wide, side)
        matrix = cv2.getPerspectiveTransform(quad, rect_quad(0, 0, wide, side))
        view = cv2.warpPerspective(
            string.image, matrix, (wide, side), borderMode=cv2.BORDER_REPLICATE
        )
        view = self._camera.shoot(rng, np.asarray(view, np.uint8), float(side))
        quads = cv2.perspectiveTransform(string.quads.reshape(-1, 1, 2), matrix)
        gray = to_gray(view)
        shown = 255 - gray if rng.random() < 0.1 else gray
        return shown, np.asarray(quads.reshape(-1, 4, 2), np.float32)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss of the line's views plus that of the rendered scenes."""
        line = {"image": batch["line"], "target": batch["line_target"]}
        return super().loss(model, line) + super().loss(model, batch)


def learn_characters(
    entry: ModelEntry,
    strings: Sequence[BoxedString],
    recipe: Recipe,
    deadline: float,
    progress: Progress,
) -> tuple[Finetuned, float]:
    """Trains the classifier on the characters of a line, and measures its temperature.

    The training ends at ``deadline``, a time of ``time.monotonic``.

    The training is that on pictures of single characters (``retraining.finetuning``): a part of
    each batch is rehearsal crops, and the change of the weights is reduced until rehearsal crops
    are read well enough.
    """
    parent = load_parent(str(entry.path))
    rehearsal, _ = rehearsal_for(parent)
    known = {*parent.symbols, REJECT}
    samples = chain.from_iterable(s.samples() for s in strings)
    found = SampleSet(tuple(s for s in samples if s.symbol in known))
    config = retraining.FinetuneConfig(
        Path("classifier.safetensors"),
        recipe=retraining.FinetuneRecipe(
            seed=recipe.seed,
            views=recipe.crops,
            prints=0,
            fresh=0,
            new_reject_share=0.3,
            neighbor_share=0.3,
            # With those of retraining, a fifth of the change was kept on seven-segment displays.
            known_loss=0.01,
            class_loss=0.3,
            head_steps=recipe.classifier_steps,
            steps=recipe.classifier_steps,
        ),
    )
    few = supplementary_classes(found, ())
    cache = build_cache(parent, found.samples, (), rehearsal.training, config, progress, few)
    rows = cache.rows(supplementary=True)
    tuned = finetune(cache, rows, rehearsal.validation, config.recipe, progress, deadline)
    return tuned, carried_temperature(parent, tuned.model, cache.names, rehearsal.validation)
