"""Fits the priors of segmentation (``decoding.segmentation``) to rendered strings.

The detector and the classifier look at rendered scenes and at plain lines of print, whose true
character quads are known; leave out the fonts that the fit is to be measured on. Of each string
that they find, one path through its lattice is right: the one whose characters lie on the true
ones. The weights are those under which the right paths are likeliest (conditional likelihood,
L-BFGS). Run it again after either network was trained on::

    python -m industrial_ocr.evaluation.fit_segmentation --fonts FOLDER
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from industrial_ocr.decoding.evidence import Hypothesis, StringEvidence, hypotheses
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.decoding.lattice import arc_posteriors
from industrial_ocr.decoding.segmentation import HYPOTHESIS_FEATURES, SEGMENTATION_WEIGHTS
from industrial_ocr.detection.hypotheses import propose
from industrial_ocr.detection.orientation import orientations
from industrial_ocr.evaluation.fit_pictures import arguments, looked_at, pictures
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.reader import Reader
from industrial_ocr.reader.two_stage import evidence_of
from industrial_ocr.reader.verify import Models
from industrial_ocr.results.geometry import axis_of, edge_lengths
from industrial_ocr.results.types import BoxString, FloatArray, ImageArray

PRIOR_VARIANCE = 25.0
"""Variance of the weights' Gaussian prior."""
LEAST_FIT = 0.35
"""A box shows a true character if it fits at least so well, see ``_fit``."""
NARROW = 0.35
"""A true character of fewer heights is narrow: its box must have the same middle alone."""
ALONE, UNCLEAR = 0.3, 0.5
"""See ``lesson``: largest overlap of a box that stands alone, least reject probability of one that
may show nothing."""
READ_BONUS = 0.3
"""Of two paths that fit alike, the one whose boxes read as the true characters is right."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Truth:
    """A picture and its true characters: (N,) symbols with (N, 4, 2) quads in pixels."""

    image: ImageArray
    symbols: tuple[str, ...]
    quads: FloatArray


@dataclass(frozen=True, eq=False)
class Lesson:
    """A string's hypotheses, and which of them are on the right path."""

    options: list[Hypothesis]
    right: frozenset[int]
    nodes: int


def rendered(
    fonts: Sequence[str], plain_fonts: Sequence[str], numbers: Iterable[int], seed: int
) -> Iterator[Truth]:
    """Those of ``fit_pictures.pictures`` that are whole pictures with at least one character."""
    for image, strings, one_string in pictures(fonts, plain_fonts, numbers, seed):
        symbols = tuple(c for s in strings for c in s.symbols)
        if symbols and not one_string:
            yield Truth(image, symbols, np.concatenate([s.quads for s in strings]))


def observed(truth: Truth, models: Models) -> Iterator[StringEvidence]:
    """What the classifier says of the strings of a picture, the way up in which they stand."""
    (found,) = find_strings([truth.image], models.detector, models.config, Clock())
    upright = [way for s in found for way in orientations(s) if _stands(way, truth)]
    cases = [propose(way) for way in upright]
    quads = [[b.quad for case in cases for b in case.boxes]]
    (named,) = models.classifier.classify([truth.image], quads, models.config.classification)
    rows = iter(named)
    for case in cases:
        yield evidence_of(case, rows)


def _stands(way: BoxString, truth: Truth) -> bool:
    """Whether the true characters beneath a string stand as this way up has it."""
    for box in way.boxes:
        near = np.linalg.norm(truth.quads.mean(axis=1) - box.center, axis=1)
        k = int(near.argmin())
        if near[k] < 0.5 * max(edge_lengths(box.quad)):
            return float(axis_of(box.quad) @ axis_of(truth.quads[k])) > 0.8
    return False


def _fit(option: Hypothesis, quad: FloatArray, vertical: bool) -> float:
    """How well a hypothesis lies on a true character along its string, 1 at best."""
    own = option.box.quad
    axis = axis_of(own, vertical)
    across = np.array([-axis[1], axis[0]])
    sizes = edge_lengths(own)
    length, height = sizes[int(vertical)], sizes[1 - int(vertical)]
    offset = quad - option.box.center
    if abs(float((offset @ across).mean())) > 0.5 * height:
        return 0.0
    low, high = float((offset @ axis).min()), float((offset @ axis).max())
    centered = 1 - abs(low + high) / height
    if option.kind == "gap":
        return 2 * centered - 1
    if high - low < NARROW * height:
        return centered  # the detector's boxes of marks are wider than those
    apart = abs(low + length / 2) + abs(high - length / 2)
    return 1 - apart / max(high - low, 0.5 * height)


def lesson(evidence: StringEvidence, truth: Truth, charset: Charset) -> Lesson | None:
    """The right path through a string's lattice.

    Returns:
        None where no true character stands there, or where a box on that path that the detector
        found reads clearly, shows nothing and shares its ink with no other: then the true quads do
        not tell.
    """
    own = hypotheses(evidence, charset)
    vertical = evidence.string.direction == "vertical"
    known = np.array([[_fit(o, q, vertical) for q in truth.quads] for o in own])
    for k, option in enumerate(own):
        for t in np.flatnonzero(known[k] >= LEAST_FIT):
            same = [charset.symbols.index(s) for s in same_shape(truth.symbols[t])
                    if s in charset.symbols]  # fmt: skip
            p = float(option.probabilities[same].sum())
            known[k, t] = -1 if option.kind == "gap" and p < 0.5 else known[k, t] + READ_BONUS * p
    beneath = np.flatnonzero(known.max(axis=0) >= LEAST_FIT)
    if not len(beneath):
        return None
    nodes = 2 * len(evidence.singles) + 1
    right = _right_path(own, known[:, beneath], nodes)
    overlap = HYPOTHESIS_FEATURES["nothing"].index("overlap")
    for k in right:
        option = own[k]
        alone = option.kind == "nothing" and option.features[overlap] < ALONE
        if alone and option.box.score > 0 and option.candidates.reject < UNCLEAR:
            return None
    return Lesson(own, right, nodes)


def _right_path(own: Sequence[Hypothesis], fits: Floats, nodes: int) -> frozenset[int]:
    """The hypotheses on the path that fits the true characters best, each of them used once.

    Args:
        own: of a string, N of them.
        fits: (N, T) how well each fits each true character, those in any order.
        nodes: of the lattice.
    """
    # True characters in reading order: by the node at which what fits them best begins.
    order = np.argsort([own[int(k)].first for k in fits.argmax(axis=0)], kind="stable")
    fits = fits[:, order]
    count = fits.shape[1]
    best = np.full((nodes, count + 1), -np.inf)
    best[0] = 0.0
    way = np.full((nodes, count + 1, 2), -1)
    for k in sorted(range(len(own)), key=lambda k: (own[k].first, own[k].last)):
        option = own[k]
        none = option.kind in ("nothing", "empty")
        for t in range(count + 1):
            reached, before = best[option.first, t], t
            if not none:
                usable = [s for s in range(t) if fits[k, s] >= LEAST_FIT]
                values = [best[option.first, s] + fits[k, s] - LEAST_FIT for s in usable]
                if not values:
                    continue
                before = usable[int(np.argmax(values))]
                reached = max(values)
            if reached > best[option.last, t]:
                best[option.last, t] = reached
                way[option.last, t] = k, before
    path, node, t = set(), nodes - 1, count
    while node > 0:
        k, t = (int(v) for v in way[node, t])
        path.add(k)
        node = own[k].first
    return frozenset(path)


def fit(lessons: Sequence[Lesson]) -> tuple[dict[str, dict[str, float]], float]:
    """The weights by kind and feature, and the mean negative log-likelihood of a right path."""
    columns = [(kind, name) for kind, names in HYPOTHESIS_FEATURES.items() for name in names]
    starts = {kind: columns.index((kind, names[0])) for kind, names in HYPOTHESIS_FEATURES.items()}
    every = [o for own in lessons for o in own.options]
    rows = np.zeros((len(every), len(columns)))
    for row, option in zip(rows, every, strict=True):
        start = starts[option.kind]
        row[start : start + len(option.features)] = option.features
    right = np.array([float(k in own.right) for own in lessons for k in range(len(own.options))])
    begin = np.array([float(name in ("log_p", "reject")) for _, name in columns])
    spans = [[(o.first, o.last) for o in own.options] for own in lessons]
    ends = np.cumsum([len(own) for own in spans])[:-1]

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = rows @ weights
        looked_at = [
            arc_posteriors(over, part.tolist(), own.nodes)
            for over, part, own in zip(spans, np.split(scores, ends), lessons, strict=True)
        ]
        posteriors = np.concatenate([p for p, _ in looked_at])
        total = sum(log_sum for _, log_sum in looked_at)
        off = weights - begin
        return (
            total - float(scores @ right) + float(off @ off) / (2 * PRIOR_VARIANCE),
            rows.T @ (posteriors - right) + off / PRIOR_VARIANCE,
        )

    done = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    table: dict[str, dict[str, float]] = {kind: {} for kind in HYPOTHESIS_FEATURES}
    for (kind, name), weight in zip(columns, done.x.tolist(), strict=True):
        table[kind][name] = round(weight, 4)
    return table, float(done.fun) / max(len(lessons), 1)


@cache
def _reader(detector: str | None, classifier: str | None) -> Reader:
    return Reader(detector=detector, classifier=classifier)


def lessons_of(asked: argparse.Namespace, numbers: range) -> list[Lesson]:
    """What there is to learn from some pictures."""
    reader = _reader(asked.detector, asked.classifier)
    seen = (
        lesson(evidence, truth, reader.classifier_charset)
        for truth in rendered(asked.fonts, asked.plain_fonts or asked.fonts, numbers, asked.seed)
        for evidence in observed(truth, reader.models)
    )
    return [own for own in seen if own is not None]


def main() -> None:
    """Renders, looks, fits, writes."""
    parser = arguments(__doc__, 3000, SEGMENTATION_WEIGHTS)
    parser.add_argument("--detector", help="weights, the shipped ones by default")
    parser.add_argument("--classifier", help="weights, the shipped ones by default")
    asked = parser.parse_args()
    lessons = [own for some in looked_at(lessons_of, asked) for own in some]
    weights, loss = fit(lessons)
    networks = _reader(asked.detector, asked.classifier).weights
    about = {
        "fitted_on": f"{asked.pictures} pictures, seed {asked.seed}",
        "strings": len(lessons),
        "mean_negative_log_likelihood": round(loss, 4),
        "networks": {k: v for k, v in networks.items() if k != "recognizer"},
    }
    asked.out.write_text(json.dumps({"about": about, "weights": weights}, indent=1) + "\n", "utf-8")
    print(f"{asked.out}: {len(lessons)} strings, {loss:.3f} nats each")


if __name__ == "__main__":
    main()
