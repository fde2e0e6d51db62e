"""Computes the views of all samples and the frozen features of all crops once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from industrial_ocr.datasets.synthesis.crops import REJECT, GlyphRenderer
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.messages import Progress
from industrial_ocr.training.retraining.augmentation import Augmenter, plain_crop
from industrial_ocr.training.retraining.config import FinetuneConfig, FinetuneRecipe
from industrial_ocr.training.retraining.network import DividedClassifier, Parent, run
from industrial_ocr.training.retraining.rehearsal import LabeledCrops, part_of
from industrial_ocr.training.retraining.reprinting import Reprinter, ink_of
from industrial_ocr.training.retraining.samples import MIN_SAMPLES, GlyphSample, SampleSet
from industrial_ocr.training.retraining.sampling import Bools, Indices, Pool

CERTAIN_LOGIT = 10.0
"""Logit of the right class where a person's label replaces the parent's output."""


@dataclass(frozen=True, eq=False)
class FeatureCache:
    """The data that do not change while the last stages of the network are trained.

    Attributes:
        parent: the classifier to start from.
        split: the parent, divided into frozen and trained stages.
        names: the classes of the new head, the reject class last.
        samples: the N samples of the user.
        plain: (N, S, S) uint8, the crops of the samples as in reading.
        plain_x: activations of ``plain``.
        views: (V, S, S) uint8, augmented views of the samples, the first rows of the pool.
        groups: (V,) index of the sample of each view.
        pool: all training crops.
        features: (M, F) of the pool.
    """

    parent: Parent
    split: DividedClassifier
    names: tuple[str, ...]
    samples: tuple[GlyphSample, ...]
    plain: ImageArray
    plain_x: Tensor
    views: ImageArray
    groups: Indices
    pool: Pool
    features: Tensor

    @property
    def new(self) -> tuple[str, ...]:
        """The new symbols."""
        return self.names[len(self.parent.symbols) : -1]

    def rows(self, supplementary: bool) -> Bools:
        """(M,) mask of the pool: all rows, or all but those of supplementary samples."""
        return ~self.pool.old | (self.pool.group < 0) | supplementary


def fresh_crops(
    fonts: Sequence[str], parent: Parent, recipe: FinetuneRecipe, progress: Progress
) -> LabeledCrops | None:
    """More rehearsal crops, rendered from the font families of the training part."""
    if not fonts or not recipe.fresh or not set(DEFAULT_SYMBOLS) <= set(parent.symbols):
        return None
    renderer = GlyphRenderer(tuple(fonts), parent.size)
    renderer.strips.faces = FaceLibrary(fonts, families=lambda name: part_of(name) == "training")
    crops: list[tuple[ImageArray, str]] = []
    for number in range(recipe.fresh):
        # The shipped set has better crops without characters: wrong boxes of a detector.
        crops += [c for c in renderer.render((recipe.seed, 5, number)) if c[1] != REJECT]
        progress("rendering known symbols", number + 1, recipe.fresh)
    return LabeledCrops(np.stack([c for c, _ in crops]), np.array([s for _, s in crops]))


def supplementary_classes(found: SampleSet, new: Sequence[str]) -> frozenset[str]:
    """The known symbols whose samples count as rehearsal crops.

    Every other class fills the same part of a batch, however few its samples are. One or two hard
    samples of a known symbol, as in answers of the review page, would make the classifier forget
    how this symbol usually looks. So samples of known symbols are supplementary if there are also
    new symbols, if they were collected because the reader was uncertain, or if they are few.
    """
    return frozenset(
        symbol
        for symbol, n in found.counts.items()
        if symbol not in new and (new or found.uncertain or n < MIN_SAMPLES)
    )


def sample_views(
    samples: Sequence[GlyphSample],
    augmenter: Augmenter,
    reprinter: Reprinter,
    recipe: FinetuneRecipe,
    progress: Progress,
    supplementary: frozenset[str] = frozenset(),
) -> tuple[ImageArray, Indices]:
    """(N, S, S) views and prints of all samples, and (N,) the index of the sample of each.

    Each symbol has the same number of them; a supplementary one has a few for each sample.
    """
    by_symbol: dict[str, list[int]] = {}
    for i, sample in enumerate(samples):
        by_symbol.setdefault(sample.symbol, []).append(i)
    crops, groups = [], []
    for number, (symbol, own) in enumerate(by_symbol.items()):
        views, prints = recipe.views, recipe.prints
        if symbol == REJECT and recipe.new_reject_share:
            views = max(views, recipe.extra_views * len(own))
        if symbol in supplementary:
            views = min(views, recipe.extra_views * len(own))
            prints = min(prints, recipe.extra_prints * len(own))
        for k in range(views):
            i = own[k % len(own)]
            crops.append(augmenter.draw(np.random.default_rng((recipe.seed, 3, i, k)), samples[i]))
            groups.append(i)
        inks = [(i, None if symbol == REJECT else ink_of(samples[i])) for i in own]
        clear = [(i, ink) for i, ink in inks if ink is not None]
        for k in range(prints if clear else 0):
            i, ink = clear[k % len(clear)]
            crop = reprinter.draw((recipe.seed, 4, i, k), ink)
            if crop is not None and crop.std() >= 14:  # fainter prints are useless
                crops.append(crop)
                groups.append(i)
        progress("augmenting new pictures", number + 1, len(by_symbol))
    return np.stack(crops), np.array(groups, np.int64)


def build_cache(
    parent: Parent,
    samples: Sequence[GlyphSample],
    new: Sequence[str],
    rehearsal: LabeledCrops,
    config: FinetuneConfig,
    progress: Progress,
    supplementary: frozenset[str] = frozenset(),
) -> FeatureCache:
    """Draws the views of all samples and computes all features.

    The samples of symbols in ``supplementary`` count as rehearsal crops.
    """
    names = (*parent.symbols, *new, REJECT)
    split = DividedClassifier(parent.model, parent.size)
    characters = rehearsal.images[rehearsal.symbols != REJECT]
    augmenter, reprinter = Augmenter(parent.size, characters), Reprinter(parent.size, config.fonts)
    crops, groups = sample_views(
        samples, augmenter, reprinter, config.recipe, progress, supplementary
    )
    known = rehearsal.known(names)
    progress("computing features", 0, 2)
    x = run(split.trunk, np.concatenate([crops, known.images]))
    progress("computing features", 1, 2)
    features = run(split.tail, x)
    symbols = [*(samples[i].symbol for i in groups), *known.symbols.tolist()]
    class_of = {s: i for i, s in enumerate(names)}
    old = np.ones(len(symbols), bool)
    old[: len(groups)] = [samples[i].symbol in supplementary for i in groups]
    parent_logits = run(split.head, features).clone()  # an inference tensor cannot be changed
    column = {s: i for i, s in enumerate((*parent.symbols, REJECT))}
    for row in np.flatnonzero(old[: len(groups)]):
        parent_logits[row] = -CERTAIN_LOGIT
        parent_logits[row, column[symbols[row]]] = CERTAIN_LOGIT
    pool = Pool(
        x,
        torch.tensor([class_of[s] for s in symbols]),
        parent_logits,
        old,
        np.concatenate([groups, np.full(len(known), -1)]),
    )
    plain = np.stack([plain_crop(s, parent.size) for s in samples])
    progress("computing features", 2, 2)
    plain_x = run(split.trunk, plain)
    return FeatureCache(
        parent, split, names, tuple(samples), plain, plain_x, crops, groups, pool, features
    )
