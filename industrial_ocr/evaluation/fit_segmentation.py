"""Fits the priors of segmentation (``decoding.segmentation``) to rendered strings.

The detector and the classifier look at rendered scenes and at plain lines of print, whose true
character quads are known. Of each string that they find, one path through its lattice is right: the
one whose characters lie on the true ones. The weights are those under which the right paths are
likeliest (conditional likelihood, L-BFGS). Run it again after either network was trained on::

    python -m industrial_ocr.evaluation.fit_segmentation --fonts FOLDER
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.optimize import minimize

from industrial_ocr.charset import Charset
from industrial_ocr.decoding.evidence import Option, StringEvidence, options
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.decoding.segmentation import FEATURES, FITTED
from industrial_ocr.geometry import edge_lengths, rect_quad
from industrial_ocr.pipelines.common import Clock, find_strings
from industrial_ocr.pipelines.two_stage import evidence_of
from industrial_ocr.pipelines.verify import Models
from industrial_ocr.reader import Reader
from industrial_ocr.stages.hypotheses import propose
from industrial_ocr.stages.orientation import orientations
from industrial_ocr.synthesis.faces import FaceLibrary
from industrial_ocr.synthesis.scenes import SceneRenderer
from industrial_ocr.types import BoxString, FloatArray, ImageArray

LETTERS, DIGITS, MARKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", ".-/:+"
HELD_OUT = ("liberation", "dejavu", "roboto", "opensans", "lato", "b612", "dseg")
"""Font families, by what their files' names begin with, that plain lines never use: what is fitted
is measured on them."""
DIRTY = 0.3
"""Share of plain lines with something beside the text that is none."""
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

    options: list[Option]
    right: frozenset[int]
    nodes: int


def plain_text(rng: np.random.Generator) -> str:
    """A code such as are printed: with broad, doubled and narrow characters and marks."""

    def some(symbols: str, count: int) -> str:
        return "".join(rng.choice(list(symbols), count))

    kind = int(rng.integers(9))
    if kind == 0:
        return str(rng.choice(["LOT-", "SN-", "C", ""])) + "0" * int(rng.integers(3, 8))
    if kind == 1:
        return some(LETTERS + DIGITS, 3) + some("WMVN", 2) + some(LETTERS + DIGITS, 3)
    if kind == 2:
        return some("1I", 3) + some(LETTERS + "17", 4) + some("IJL1", 2)
    if kind == 3:
        twice = some(LETTERS + DIGITS, 1)
        return some(LETTERS + DIGITS, 2) + 2 * twice + some(LETTERS + DIGITS, 4)
    if kind == 4:
        return f"{rng.integers(0, 1000)}.{some(DIGITS, int(rng.integers(1, 4)))}"
    if kind == 5:
        return str(rng.choice(["-", "+"])) + some(DIGITS, 3) + str(rng.choice(["", "C", ".5"]))
    if kind == 6:
        mark = some(MARKS, 1)
        return mark.join(some(DIGITS, n) for n in (4, 2, 2))
    if kind == 7:
        return some(LETTERS, 3) + " " + some(LETTERS + DIGITS, int(rng.integers(4, 8)))
    return some(LETTERS + DIGITS, int(rng.integers(5, 12))) + some(MARKS, 1) * int(rng.integers(2))


def plain_line(rng: np.random.Generator, font_file: Path, text: str) -> Truth:
    """A line of dark print on a light ground, or the other way round, with little noise."""
    height = float(rng.uniform(12, 56))
    font = ImageFont.truetype(str(font_file), height)
    left, top, right, bottom = font.getbbox(text)
    dirty = rng.random() < DIRTY
    margin = round(1.5 * height) if dirty else int(rng.integers(6, 50))
    light, dark = int(rng.integers(190, 256)), int(rng.integers(0, 70))
    ground, ink = (light, dark) if rng.random() < 0.8 else (dark, light)
    size = (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin)
    picture = Image.new("L", size, ground)
    draw = ImageDraw.Draw(picture)
    draw.text((margin - left, margin - top), text, fill=ink, font=font)
    if dirty:
        middle = margin + (bottom - top) / 2
        _spot(rng, draw, (rng.uniform(0.4, 0.8) * margin, middle), height, ink)
        _spot(rng, draw, (size[0] - rng.uniform(0.4, 0.8) * margin, middle), height, ink)
    noisy = np.asarray(picture, np.float64) + rng.normal(0, rng.uniform(0, 6), picture.size[::-1])
    image = np.repeat(noisy.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    symbols, quads = [], []
    for i, symbol in enumerate(text):
        if symbol != " ":
            # Where the glyph's ink stands, kerning included; as high as the whole line.
            start = font.getlength(text[: i + 1]) - font.getlength(symbol)
            x0, _, x1, _ = font.getbbox(symbol)
            x = start + margin - left
            quads.append(rect_quad(x + x0, margin, x + x1, margin + bottom - top))
            symbols.append(symbol)
    return Truth(image, tuple(symbols), np.array(quads, np.float32))


def _spot(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: tuple[float, float], height: float,
    ink: int,
) -> None:  # fmt: skip
    """A bolt, a patch or a scratch that is no character, about as large as one."""
    radius = float(rng.uniform(0.2, 0.45)) * height
    x, y = at
    around = (x - radius, y - radius, x + radius, y + radius)
    kind = int(rng.integers(3))
    if kind == 0:
        draw.ellipse(around, fill=ink)
        draw.ellipse([(2 * v + c) / 3 for v, c in zip(around, (x, y, x, y), strict=True)], fill=128)
        return
    points = [(x + float(dx), y + float(dy)) for dx, dy in rng.uniform(-radius, radius, (6, 2))]
    if kind == 1:
        draw.polygon(points, fill=ink)
    else:
        draw.line(points, fill=ink, width=max(1, round(0.1 * height)))


def rendered(fonts: Sequence[str], scenes: int, lines: int, seed: int) -> Iterator[Truth]:
    """Scenes of strings of all kinds, then plain lines."""
    renderer = SceneRenderer(tuple(fonts))
    for k in range(scenes):
        scene = renderer.render((seed, k))
        symbols = tuple(c for s in scene.strings for c in s.symbols)
        if symbols:
            yield Truth(scene.image, symbols, np.concatenate([s.quads for s in scene.strings]))
    faces = FaceLibrary(fonts, families=lambda name: not name.startswith(HELD_OUT)).font_faces()
    rng = np.random.default_rng(seed)
    for _ in range(lines if faces else 0):
        text = plain_text(rng)
        face = faces[int(rng.integers(len(faces)))]
        if all(face.supports(c) for c in text if c != " "):
            yield plain_line(rng, face.path, text)


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
            own, true = box.quad[1] - box.quad[0], truth.quads[k][1] - truth.quads[k][0]
            return float(own @ true) > 0.8 * float(np.linalg.norm(own) * np.linalg.norm(true))
    return False


def _fit(option: Option, quad: FloatArray, vertical: bool) -> float:
    """How well a hypothesis lies on a true character along its string, 1 at best."""
    own = option.box.quad
    axis = own[3] - own[0] if vertical else own[1] - own[0]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
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
        None where no true character stands there, or where a box on that path reads clearly, shows
        nothing and shares its ink with no other: then the true quads do not tell.
    """
    own = options(evidence, charset)
    vertical = evidence.string.direction == "vertical"
    known = np.array([[_fit(o, q, vertical) for q in truth.quads] for o in own])
    for k, option in enumerate(own):
        for t in np.flatnonzero(known[k] >= LEAST_FIT):
            same = [charset.symbols.index(s) for s in same_shape(truth.symbols[t])
                    if s in charset.symbols]  # fmt: skip
            p = float(option.probabilities[same].sum())
            known[k, t] = -1 if option.kind == "gap" and p < 0.5 else known[k, t] + READ_BONUS * p
    beneath = [t for t in np.flatnonzero(known.max(axis=0) >= LEAST_FIT).tolist()]
    if not beneath:
        return None
    nodes = 2 * len(evidence.singles) + 1
    right = _right_path(own, known[:, beneath], nodes)
    overlap = FEATURES["nothing"].index("overlap")
    for k in right:
        option = own[k]
        alone = option.kind == "nothing" and option.features[overlap] < ALONE
        if alone and option.candidates.reject < UNCLEAR:
            return None
    return Lesson(own, right, nodes)


def _right_path(own: Sequence[Option], fits: Floats, nodes: int) -> frozenset[int]:
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


class _Lattices:
    """Forward-backward over many lattices at once, as ``lattice.arc_posteriors`` does over one.

    Args:
        lessons: the lattices; the k-th hypotheses of all of them are looked at together.
    """

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        self._count, self._nodes = len(lessons), max(own.nodes for own in lessons)
        steps: dict[int, list[tuple[int, int, int, int]]] = {}
        at = 0
        for number, own in enumerate(lessons):
            # Aligned at the end, so that every path leads to the last node of the table.
            shift = self._nodes - own.nodes
            spans = [(o.first + shift, o.last + shift) for o in own.options]
            for k, i in enumerate(sorted(range(len(spans)), key=lambda i: spans[i])):
                steps.setdefault(k, []).append((number, *spans[i], at + i))
            at += len(spans)
        self._steps = [np.array(steps[k]).T for k in sorted(steps)]
        self._starts = np.array([self._nodes - own.nodes for own in lessons])

    def posteriors(self, scores: Floats) -> tuple[Floats, float]:
        """(N,) how likely each hypothesis is, and the sum of the lattices' log-sums."""
        every = np.arange(self._count)
        behind = np.full((self._count, self._nodes), -np.inf)
        ahead = behind.copy()
        behind[every, self._starts] = 0.0
        ahead[:, -1] = 0.0
        for own, first, last, k in self._steps:
            behind[own, last] = np.logaddexp(behind[own, last], behind[own, first] + scores[k])
        for own, first, last, k in reversed(self._steps):
            ahead[own, first] = np.logaddexp(ahead[own, first], ahead[own, last] + scores[k])
        totals = behind[:, -1]
        found = np.zeros(len(scores))
        for own, first, last, k in self._steps:
            found[k] = np.exp(behind[own, first] + scores[k] + ahead[own, last] - totals[own])
        return found, float(totals.sum())


def fit(lessons: Sequence[Lesson]) -> tuple[dict[str, dict[str, float]], float]:
    """The weights by kind and feature, and the mean negative log-likelihood of a right path."""
    kinds = list(FEATURES)
    starts = dict(zip(kinds, np.cumsum([0, *(len(FEATURES[k]) for k in kinds)]), strict=False))
    size = sum(len(f) for f in FEATURES.values())
    every = [o for own in lessons for o in own.options]
    rows = np.zeros((len(every), size))
    for row, option in zip(rows, every, strict=True):
        start = int(starts[option.kind])
        row[start : start + len(option.features)] = option.features
    right = np.array([float(k in own.right) for own in lessons for k in range(len(own.options))])
    begin = np.zeros(size)
    for kind in kinds:
        for j, name in enumerate(FEATURES[kind]):
            begin[int(starts[kind]) + j] = float(name in ("log_p", "reject"))

    table_of = _Lattices(lessons)

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = rows @ weights
        posteriors, total = table_of.posteriors(scores)
        off = weights - begin
        return (
            total - float(scores @ right) + float(off @ off) / (2 * PRIOR_VARIANCE),
            rows.T @ (posteriors - right) + off / PRIOR_VARIANCE,
        )

    done = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    table = {
        kind: {
            name: round(float(done.x[int(starts[kind]) + j]), 4)
            for j, name in enumerate(FEATURES[kind])
        }
        for kind in kinds
    }
    return table, float(done.fun) / max(len(lessons), 1)


def main() -> None:
    """Renders, looks, fits, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", action="append", required=True, help="folder with font files")
    parser.add_argument("--detector", help="weights, the shipped ones by default")
    parser.add_argument("--classifier", help="weights, the shipped ones by default")
    parser.add_argument("--scenes", type=int, default=250, help="pictures of many strings")
    parser.add_argument("--lines", type=int, default=2000, help="plain lines of print")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--out", type=Path, default=FITTED)
    asked = parser.parse_args()
    reader = Reader(detector=asked.detector, classifier=asked.classifier)
    lessons = []
    for truth in rendered(asked.fonts, asked.scenes, asked.lines, asked.seed):
        for evidence in observed(truth, reader.models):
            own = lesson(evidence, truth, reader.classifier_charset)
            lessons += [own] if own is not None else []
    weights, loss = fit(lessons)
    about = {
        "fitted_on": f"{asked.scenes} scenes, {asked.lines} plain lines, seed {asked.seed}",
        "strings": len(lessons),
        "mean_negative_log_likelihood": round(loss, 4),
        "networks": {k: v for k, v in reader.weights.items() if k != "recognizer"},
    }
    asked.out.write_text(json.dumps({"about": about, "weights": weights}, indent=1) + "\n", "utf-8")
    print(f"{asked.out}: {len(lessons)} strings, {loss:.3f} nats each")


if __name__ == "__main__":
    main()
