"""Fits the priors of segmentation (``decoding.segmentation``) to rendered strings.

The detector and the classifier see rendered scenes and plain lines of print whose true character
quads are known; leave out the fonts that the fit is to be measured on. One path through the lattice
of each string found is right: the one whose characters lie on the true ones. The weights are those
under which the right paths are likeliest (conditional likelihood, L-BFGS). Run it again after
either network was trained::

    python -m fitting.segmentation --fonts FOLDER
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import minimize

from fitting.pictures import arguments, asked_pictures, map_pictures
from industrial_ocr.decoding.evidence import Hypothesis, StringEvidence, hypotheses
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.decoding.lattice import arc_posteriors
from industrial_ocr.decoding.segmentation import HYPOTHESIS_FEATURES, SEGMENTATION_WEIGHTS
from industrial_ocr.detection.box_hypotheses import propose
from industrial_ocr.detection.orientation import orientations
from industrial_ocr.image.preprocess import to_gray
from industrial_ocr.patterns.charset import Charset
from industrial_ocr.reader.common import Clock, find_strings
from industrial_ocr.reader.models import Models
from industrial_ocr.reader.reader import Reader
from industrial_ocr.reader.two_stage_strings import evidence_of
from industrial_ocr.results.geometry import axis_of, edge_lengths
from industrial_ocr.results.types import BoxString, FloatArray, Floats, ImageArray

MIN_FIT = 0.35
"""A box shows a true character if it fits at least so well, see ``_fit``."""


@dataclass(frozen=True, eq=False)
class LabeledPicture:
    """A picture and its true characters: (N,) symbols with (N, 4, 2) quads in pixels."""

    image: ImageArray
    symbols: tuple[str, ...]
    quads: FloatArray


@dataclass(frozen=True, eq=False)
class LabeledLattice:
    """A string's hypotheses, and which of them are on the right path."""

    options: list[Hypothesis]
    right: frozenset[int]
    nodes: int


def labeled_pictures(asked: argparse.Namespace, numbers: range) -> Iterator[LabeledPicture]:
    """Those of ``pictures.pictures`` that are whole pictures with at least one character."""
    for image, strings, one_string in asked_pictures(asked, numbers):
        symbols = "".join("".join(s.symbols) for s in strings)
        if symbols and not one_string:
            quads = np.concatenate([s.quads for s in strings])
            yield LabeledPicture(image, tuple(symbols), quads)


def read_evidence(truth: LabeledPicture, models: Models) -> Iterator[StringEvidence]:
    """The classifier's evidence for the strings of a picture, in their true orientation."""
    (found,) = find_strings([truth.image], models.detector, models.config, Clock())
    upright: list[BoxString] = []
    for string in found:
        upright += [turned for turned in orientations(string) if _is_upright(turned, truth)]
    gray = to_gray(truth.image)
    cases = [propose(string, gray) for string in upright]
    quads: list[FloatArray] = []
    for case in cases:
        quads += [b.quad for b in case.boxes]
    (named,) = models.classifier.classify([truth.image], [quads], models.config.classification)
    rows = iter(named)
    for case in cases:
        yield evidence_of(case, rows)


def _is_upright(string: BoxString, truth: LabeledPicture) -> bool:
    """Whether the first true character found at a box of a string has the orientation of it."""
    for box in string.boxes:
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
    if high - low < 0.35 * height:  # the boxes of marks are wider than the marks
        return centered
    apart = abs(low + length / 2) + abs(high - length / 2)
    return 1 - apart / max(high - low, 0.5 * height)


def _fits(
    options: list[Hypothesis], truth: LabeledPicture, vertical: bool, charset: Charset
) -> Floats:
    """(N, T) how well each hypothesis fits each true character.

    Of two paths that fit equally, the one whose boxes read as the true characters is right: 0.3
    times the probability of the true symbol is added. A gap that reads otherwise fits nothing.
    """
    fits = np.array([[_fit(o, quad, vertical) for quad in truth.quads] for o in options])
    for k, t in np.argwhere(fits >= MIN_FIT):
        same = [s for s in same_shape(truth.symbols[t]) if s in charset.symbols]
        p = float(options[k].probabilities[[charset.symbols.index(s) for s in same]].sum())
        if options[k].kind == "gap" and p < 0.5:
            fits[k, t] = -1
        else:
            fits[k, t] += 0.3 * p
    return fits


def label_lattice(
    evidence: StringEvidence,
    truth: LabeledPicture,
    charset: Charset,
    alone: float = 0.3,
    unclear: float = 0.5,
) -> LabeledLattice | None:
    """The right path through a string's lattice.

    Args:
        evidence: of the string.
        truth: the picture that it was found in.
        charset: the classifier's.
        alone: largest overlap of a box that shares its ink with no other.
        unclear: least reject probability of a box that may show nothing.

    Returns:
        None if no true character stands there, or if the right path takes a detected box for
        nothing although it reads clearly and shares its ink with no other: then the true quads are
        incomplete.
    """
    own = hypotheses(evidence, charset)
    fits = _fits(own, truth, evidence.string.direction == "vertical", charset)
    beneath = np.flatnonzero(fits.max(axis=0) >= MIN_FIT)
    if not len(beneath):
        return None
    nodes = 2 * len(evidence.singles) + 1
    right = _right_path(own, fits[:, beneath], nodes)
    overlap = HYPOTHESIS_FEATURES["nothing"].index("overlap")
    for k in right:
        option = own[k]
        lone = option.kind == "nothing" and option.features[overlap] < alone
        if lone and option.box.score > 0 and option.candidates.reject < unclear:
            return None
    return LabeledLattice(own, right, nodes)


def _right_path(own: Sequence[Hypothesis], fits: Floats, nodes: int) -> frozenset[int]:
    """The hypotheses on the path that fits the true characters best, each character used once.

    ``fits`` (N, T) tells how well each of the N hypotheses fits each true character, in any order
    of these; ``nodes`` is the number of nodes of the lattice.
    """
    # True characters in reading order: by the first node of the hypothesis that fits them best.
    order = np.argsort([own[int(k)].first for k in fits.argmax(axis=0)], kind="stable")
    fits = fits[:, order]
    count = fits.shape[1]
    best = np.full((nodes, count + 1), -np.inf)
    best[0] = 0.0
    came_from = np.full((nodes, count + 1, 2), -1)
    for k in sorted(range(len(own)), key=lambda k: (own[k].first, own[k].last)):
        option = own[k]
        none = option.kind in ("nothing", "empty")
        for t in range(count + 1):
            reached, before = best[option.first, t], t
            if not none:
                usable = [s for s in range(t) if fits[k, s] >= MIN_FIT]
                values = [best[option.first, s] + fits[k, s] - MIN_FIT for s in usable]
                if not values:
                    continue
                before = usable[int(np.argmax(values))]
                reached = max(values)
            if reached > best[option.last, t]:
                best[option.last, t] = reached
                came_from[option.last, t] = k, before
    path, node, t = set(), nodes - 1, count
    while node > 0:
        k, t = (int(v) for v in came_from[node, t])
        path.add(k)
        node = own[k].first
    return frozenset(path)


def fit(
    lattices: Sequence[LabeledLattice], prior_variance: float = 25.0
) -> tuple[dict[str, dict[str, float]], float]:
    """The weights by kind and feature, and the mean negative log-likelihood of a right path.

    ``prior_variance`` is that of the weights' Gaussian prior.
    """
    columns: list[tuple[str, str]] = []
    starts: dict[str, int] = {}
    for kind, names in HYPOTHESIS_FEATURES.items():
        starts[kind] = len(columns)
        columns += [(kind, name) for name in names]
    rows, right, spans = [], [], []
    for own in lattices:
        spans.append([(o.first, o.last) for o in own.options])
        for k, option in enumerate(own.options):
            row = np.zeros(len(columns))
            row[starts[option.kind] :][: len(option.features)] = option.features
            rows.append(row)
            right.append(float(k in own.right))
    features, on_path = np.array(rows), np.array(right)
    begin = np.array([float(name in ("log_p", "reject")) for _, name in columns])
    ends = np.cumsum([len(own) for own in spans])[:-1]

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = features @ weights
        sums = [
            arc_posteriors(over, part.tolist(), own.nodes)
            for over, part, own in zip(spans, np.split(scores, ends), lattices, strict=True)
        ]
        posteriors = np.concatenate([p for p, _ in sums])
        total = sum(log_sum for _, log_sum in sums)
        off = weights - begin
        return (
            total - float(scores @ on_path) + float(off @ off) / (2 * prior_variance),
            features.T @ (posteriors - on_path) + off / prior_variance,
        )

    done = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    table: dict[str, dict[str, float]] = {kind: {} for kind in HYPOTHESIS_FEATURES}
    for (kind, name), weight in zip(columns, done.x.tolist(), strict=True):
        table[kind][name] = round(weight, 4)
    return table, float(done.fun) / max(len(lattices), 1)


@cache
def _reader(detector: str | None, classifier: str | None) -> Reader:
    return Reader(threads=1, detector=detector, classifier=classifier)


def labeled_lattices(asked: argparse.Namespace, numbers: range) -> list[LabeledLattice]:
    """The lattices of some pictures whose right path is known."""
    reader = _reader(asked.detector, asked.classifier)
    found = []
    for truth in labeled_pictures(asked, numbers):
        for evidence in read_evidence(truth, reader.models):
            lattice = label_lattice(evidence, truth, reader.classifier_charset)
            if lattice is not None:
                found.append(lattice)
    return found


def main() -> None:
    """Renders, reads, fits, writes."""
    parser = arguments(__doc__, 3000, SEGMENTATION_WEIGHTS)
    parser.add_argument("--detector", help="weights, the shipped ones by default")
    parser.add_argument("--classifier", help="weights, the shipped ones by default")
    asked = parser.parse_args()
    lattices: list[LabeledLattice] = []
    for some in map_pictures(labeled_lattices, asked):
        lattices += some
    weights, loss = fit(lattices)
    networks = _reader(asked.detector, asked.classifier).weights
    about = {
        "fitted_on": f"{asked.pictures} pictures, seed {asked.seed}",
        "strings": len(lattices),
        "mean_negative_log_likelihood": round(loss, 4),
        "networks": {k: v for k, v in networks.items() if k != "recognizer"},
    }
    asked.out.write_text(json.dumps({"about": about, "weights": weights}, indent=1) + "\n", "utf-8")
    print(f"{asked.out}: {len(lattices)} strings, {loss:.3f} nats each")


if __name__ == "__main__":
    main()
