"""The parts of a retraining between samples and a measured model: pool, heads, folds, weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from industrial_ocr.datasets.synthesis.crops import REJECT, GlyphRenderer
from industrial_ocr.datasets.synthesis.faces import FaceLibrary
from industrial_ocr.models.classifier import GlyphClassifier
from industrial_ocr.patterns.charset import DEFAULT_SYMBOLS
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.adaptation.learning import (
    Ints,
    Learnt,
    Pool,
    Recipe,
    blend,
    hold_back,
    learn_head,
    settle,
    thaw,
)
from industrial_ocr.training.adaptation.masks import Reprinter, ink_of
from industrial_ocr.training.adaptation.network import Parent, Split, extended, head_of, run
from industrial_ocr.training.adaptation.orders import Order
from industrial_ocr.training.adaptation.rehearsal import Crops, part_of
from industrial_ocr.training.adaptation.samples import FEW, GlyphSample, SampleSet
from industrial_ocr.training.adaptation.views import Views, plain_crop

Told = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and of how much."""
FOLDS = 4
UNMEASURED = "?"
"""Named so where no other picture of the symbol is left to learn from."""
FAINT = 14.0
"""Prints of less contrast, in gray levels of standard deviation, teach nothing."""
ALONG_VIEWS, ALONG_PRINTS = 4, 8
"""Of each picture of a symbol that is only shown along, see ``shown_along``."""
SURE_LOGIT = 10.0
"""Of the right class, where a person's word stands for the parent's answer."""


@dataclass(frozen=True, eq=False)
class Bench:
    """Everything computed once: the frozen features of all crops and the classes' order.

    Attributes:
        parent: the classifier it starts from.
        split: the parent, cut in two.
        names: the classes of the new head, the reject class last.
        samples: the user's.
        plain: (N, S, S) uint8 the samples as the reader cuts them.
        plain_x: activations of those.
        views: (V, S, S) uint8 of the samples, the first rows of the pool.
        groups: (V,) which sample each view shows.
        pool: of all training crops.
        features: (M, F) of the pool, frozen.
    """

    parent: Parent
    split: Split
    names: tuple[str, ...]
    samples: tuple[GlyphSample, ...]
    plain: ImageArray
    plain_x: Tensor
    views: ImageArray
    groups: Ints
    pool: Pool
    features: Tensor

    @property
    def new(self) -> tuple[str, ...]:
        """The symbols that are added."""
        return self.names[len(self.parent.symbols) : -1]


def fresh_crops(fonts: Sequence[str], parent: Parent, recipe: Recipe, told: Told) -> Crops | None:
    """Rehearsal crops rendered now, from the font families of the training part."""
    symbols = tuple(s for s in DEFAULT_SYMBOLS if s in parent.symbols)
    if not fonts or not recipe.fresh or not set(DEFAULT_SYMBOLS) <= set(symbols):
        return None
    made = GlyphRenderer(tuple(fonts), parent.size)
    made.strips.faces = FaceLibrary(fonts, families=lambda name: part_of(name) == "training")
    crops: list[tuple[ImageArray, str]] = []
    for number in range(recipe.fresh):
        # Rejects come from the shipped set, which has what a detector took for characters.
        crops += [c for c in made.render((recipe.seed, 5, number)) if c[1] != REJECT]
        told("rendering old symbols", number + 1, recipe.fresh)
    return Crops(np.stack([c for c, _ in crops]), np.array([s for _, s in crops]))


def shown_along(found: SampleSet, new: Sequence[str]) -> frozenset[str]:
    """The classes whose pictures are not what is to be learnt, but come along with it.

    Every class that is learnt fills as much of each batch, whatever the number of its pictures. A
    hard picture or two of each of forty known symbols, as answers on the review page are, would
    make the classifier forget what these symbols usually look like. So pictures of known symbols
    join the rehearsal crops of their class, as many as they are: where there are new symbols to
    learn, where they were kept because the reader was unsure, and where they are few.
    """
    return frozenset(
        symbol
        for symbol, n in found.counts.items()
        if symbol not in new and (new or found.doubtful or n < FEW)
    )


def sample_views(
    samples: Sequence[GlyphSample],
    views: Views,
    prints: Reprinter,
    recipe: Recipe,
    told: Told,
    along: frozenset[str] = frozenset(),
) -> tuple[ImageArray, Ints]:
    """Views and prints of all samples (N, S, S), and whose each is.

    Every symbol has as many, but those in ``along`` have some for each of their pictures.
    """
    by_symbol: dict[str, list[int]] = {}
    for i, sample in enumerate(samples):
        by_symbol.setdefault(sample.symbol, []).append(i)
    masks = [None if s.symbol == REJECT else ink_of(s) for s in samples]
    crops, groups = [], []
    for number, (symbol, own) in enumerate(by_symbol.items()):
        most = len(own) if symbol in along else recipe.views + recipe.prints
        for k in range(min(recipe.views, ALONG_VIEWS * most)):
            i = own[k % len(own)]
            crops.append(views.draw(np.random.default_rng((recipe.seed, 3, i, k)), samples[i]))
            groups.append(i)
        clear = [(i, m) for i in own if (m := masks[i]) is not None]
        for k in range(min(recipe.prints, ALONG_PRINTS * most) if clear else 0):
            i, mask = clear[k % len(clear)]
            crop = prints.draw((recipe.seed, 4, i, k), mask)
            if crop is not None and crop.std() >= FAINT:
                crops.append(crop)
                groups.append(i)
        told("degrading new pictures", number + 1, len(by_symbol))
    return np.stack(crops), np.array(groups, np.int64)


def set_up(
    parent: Parent,
    samples: Sequence[GlyphSample],
    new: Sequence[str],
    rehearsal: Crops,
    order: Order,
    told: Told,
    along: frozenset[str] = frozenset(),
) -> Bench:
    """Computes whatever does not change while the last stage is learnt.

    Pictures of the symbols in ``along`` count as rehearsal crops, see ``shown_along``.
    """
    recipe = order.recipe
    names = (*parent.symbols, *new, REJECT)
    place = {s: i for i, s in enumerate(names)}
    split = Split(parent.model, parent.size)
    characters = rehearsal.images[rehearsal.symbols != REJECT]
    views, prints = Views(parent.size, characters), Reprinter(parent.size, order.fonts)
    crops, groups = sample_views(samples, views, prints, recipe, told, along)
    known = rehearsal.known(names)
    told("looking at all crops", 0, 2)
    x = run(split.trunk, np.concatenate([crops, known.images]))
    told("looking at all crops", 1, 2)
    features = run(split.tail, x)
    labels = [place[samples[i].symbol] for i in groups] + [place[s] for s in known.symbols]
    old = np.array([samples[i].symbol in along for i in groups] + [True] * len(known))
    group = np.concatenate([groups, np.full(len(known), -1)])
    answers = run(split.head, features).clone()  # one made in inference mode cannot be changed
    column = {s: i for i, s in enumerate((*parent.symbols, REJECT))}
    corrected = np.flatnonzero(old[: len(crops)])
    answers[corrected] = -SURE_LOGIT
    answers[corrected, [column[samples[groups[i]].symbol] for i in corrected]] = SURE_LOGIT
    pool = Pool(x, torch.tensor(labels), answers, old, group)
    plain = np.stack([plain_crop(s, parent.size) for s in samples])
    told("looking at all crops", 2, 2)
    plain_x = run(split.trunk, plain)
    return Bench(
        parent, split, names, tuple(samples), plain, plain_x, crops, groups, pool, features
    )


def without_along(bench: Bench) -> Bench:
    """The same without the user's pictures of symbols that were only shown along."""
    pool = bench.pool
    rows = np.flatnonzero(~pool.old | (pool.group < 0))
    views = rows[: int((rows < len(bench.groups)).sum())]
    kept = Pool(
        pool.x[rows], pool.labels[rows], pool.parent[rows], pool.old[rows], pool.group[rows]
    )
    return replace(
        bench, views=bench.views[views], groups=bench.groups[views], pool=kept,
        features=bench.features[rows],
    )  # fmt: skip


def imprinted(bench: Bench, rows: NDArray[np.bool_]) -> GlyphClassifier:
    """The extended network, its new rows made of the mean features of some rows of the pool."""
    labels, first = bench.pool.labels.numpy(), len(bench.parent.symbols)
    overall = bench.features[bench.pool.old].mean(0)
    means = []
    for label in range(first, first + len(bench.new)):
        own = rows & (labels == label)
        means.append(bench.features[own].mean(0) if own.any() else overall)
    return extended(bench.parent, bench.new, torch.stack([*means, overall]))


def folds_of(samples: Sequence[GlyphSample], alike: Sequence[tuple[int, int]]) -> Ints:
    """A fold for each sample, every symbol spread over all of them, near-duplicates together."""
    fold = np.zeros(len(samples), np.int64)
    pairs = dict(alike)
    seen: dict[str, int] = {}
    for i, sample in enumerate(samples):
        if i in pairs and pairs[i] < i:
            fold[i] = fold[pairs[i]]
            continue
        fold[i] = seen.get(sample.symbol, 0) % FOLDS
        seen[sample.symbol] = seen.get(sample.symbol, 0) + 1
    return fold


def cross_validated(
    bench: Bench, alike: Sequence[tuple[int, int]], recipe: Recipe, told: Told
) -> NDArray[np.str_]:
    """(N,) what each sample is read as by a head that was learnt without it, or ``UNMEASURED``."""
    fold = folds_of(bench.samples, alike)
    symbols = np.array([s.symbol for s in bench.samples])
    names = np.array(bench.names)
    named = np.full(len(fold), UNMEASURED, dtype=f"U{max(map(len, bench.names))}")
    features = run(bench.split.tail, bench.plain_x)
    short = replace(recipe, head_steps=max(1, recipe.head_steps // 2))
    for number in range(FOLDS):
        out = np.flatnonzero(fold == number)
        left = set(symbols[fold != number].tolist())
        out = np.array([i for i in out if symbols[i] in left], np.int64)
        if len(out):
            rows = bench.pool.without(np.flatnonzero(fold == number))
            head = head_of(imprinted(bench, rows))
            learn_head(bench.features, head, bench.pool, rows, short)
            named[out] = names[run(head, features[out]).argmax(1).numpy()]
        told("cross-validating", number + 1, FOLDS)
    return named


def learn(bench: Bench, validation: Crops, recipe: Recipe, told: Told) -> Learnt:
    """Learns head, then last stages; an interruption leaves the weights until then."""
    rows = np.ones(len(bench.pool.old), bool)
    model = imprinted(bench, rows)
    split = Split(model, bench.parent.size)
    start = [p.detach().clone() for p in split.thawed()]
    steps, interrupted = 0, False

    def counted(done: int, total: int) -> None:
        nonlocal steps
        steps = done
        told("learning, last stage thawed", done, total)

    try:
        told("learning the head", 0, recipe.head_steps)
        learn_head(
            bench.features, split.head, bench.pool, rows, recipe,
            lambda done, total: told("learning the head", done, total),
        )  # fmt: skip
        before = [p.detach().clone() for p in split.thawed()]
        thaw(split, bench.pool, rows, recipe, counted)
        if steps:
            blend(split, before)
    except KeyboardInterrupt:
        interrupted = True
    _settled(bench, split, start, validation, recipe)
    return Learnt(model.eval(), steps, interrupted)


def _settled(
    bench: Bench, split: Split, start: Sequence[Tensor], validation: Crops, recipe: Recipe
) -> None:
    """Weighs new against old by validation crops of the old symbols.

    New symbols are seen as readily as those allow; of a new look of known ones as much is kept.
    """
    old = validation.known(bench.parent.symbols)
    x = run(split.trunk, old.images)
    place = {s: i for i, s in enumerate(bench.names)}
    first = len(bench.parent.symbols)
    named = run(bench.split, x).argmax(1).numpy()
    named[named == first] = len(bench.names) - 1
    labels = np.array([place[s] for s in old.symbols])
    if bench.new:
        settle(split.head, run(split.tail, x), labels, named, slice(first, -1), recipe.allowed)
    else:
        hold_back(split, start, x, labels, named)
