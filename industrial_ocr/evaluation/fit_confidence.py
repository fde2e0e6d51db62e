"""Fits what a string's confidence means: the probability that it is read right.

Reads rendered pictures of all difficulties, clean print among them, every way, and fits a logistic
regression to which strings were right (see ``decoding.confidence``).

    python -m industrial_ocr.evaluation.fit_confidence --fonts DIR --plain-fonts DIR/debian
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from industrial_ocr.decoding.confidence import (
    FEATURES,
    FITTED,
    ConfidenceModel,
    Floats,
    features,
)
from industrial_ocr.geometry import inside
from industrial_ocr.reader import Reader
from industrial_ocr.router import WAYS
from industrial_ocr.synthesis.layout import LabelledString
from industrial_ocr.synthesis.plain import PlainPrinter
from industrial_ocr.synthesis.scenes import SceneRenderer
from industrial_ocr.synthesis.strips import StripRenderer
from industrial_ocr.synthesis.text import shipped_words
from industrial_ocr.types import ImageArray, ReadResult, TextString

PENALTY = 1.0
"""Of the squared standardized weights, in nats, beside the log loss of all readings."""
SEED = 7_000_003
SIGNS = {
    **dict.fromkeys(("joint", "sequence", "weakest", "margin", "agreement"), 1),
    **dict.fromkeys(
        ("marks", "tall_marks", "rejected", "reject", "twins", "cases", "twin_doubt", "case_doubt"),
        -1,
    ),
}
"""What speaks for a reading never speaks against it, and the other way round."""

Row = tuple[Floats, bool]
"""Features of a reading, and whether it is right."""


def is_right(string: TextString, printed: Sequence[LabelledString]) -> bool:
    """Whether a reading says all of what stands in its place, and nothing else; spaces aside."""
    own = [p for p in printed if np.mean([inside(string.quad, q.mean(0)) for q in p.quads]) > 0.5]
    own.sort(key=lambda p: float((p.quads[0].mean(0) - string.quad[0]) @ _axis(string)))
    return "".join(string.text.split()) == "".join(s for p in own for s in p.symbols)


def _axis(string: TextString) -> Floats:
    middles = [c.quad.mean(0) for c in string.characters]
    return np.asarray(middles[-1] - middles[0], np.float64)


def pictures(
    fonts: tuple[str, ...], plain_fonts: tuple[str, ...], count: int, seed: int
) -> Iterator[tuple[ImageArray, tuple[LabelledString, ...], bool]]:
    """Rendered pictures, what is printed on them, and whether they are one string each."""
    scenes = SceneRenderer(fonts, (420, 420))
    labels = SceneRenderer(plain_fonts, (420, 420), plain=1.0)
    strips = StripRenderer(fonts, plain=0.4, loose=0.3, heights=(10.0, 64.0))
    printer = PlainPrinter(labels.faces, shipped_words())
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        kind = rng.random()
        if kind < 0.25:
            strip = strips.render((seed, number, 1))
            yield strip.image, (strip.string,), True
        elif kind < 0.75:
            printed = printer.picture(rng, printer.text(rng), (9.0, 64.0), tilt=3.0)
            if printed is not None:
                yield printed[0], (printed[1],), False
        else:
            scene = (labels if kind < 0.87 else scenes).render((seed, number, 2))
            yield scene.image, scene.strings, False


@dataclass
class Readings:
    """Features of each reading, and whether it is right, by way and kind of picture."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def add(
        self,
        results: Sequence[ReadResult],
        printed: Sequence[LabelledString],
        one_string: bool,
    ) -> None:
        """Adds what the ways, in the order of ``WAYS``, read on one picture."""
        for way, result in zip(WAYS, results, strict=True):
            name = f"{way}-crop" if one_string else way
            self.rows[name] += [(features(s), is_right(s, printed)) for s in result.strings]


def collect(
    reader: Reader,
    fonts: tuple[str, ...],
    plain_fonts: tuple[str, ...],
    count: int,
    seed: int = SEED,
) -> Readings:
    """Reads rendered pictures every way."""
    readings = Readings()
    for image, printed, one_string in pictures(fonts, plain_fonts, count, seed):
        if one_string:
            results = [reader.recognize([image], engine=way)[0] for way in WAYS]
        else:
            results = [reader.read(image, engine=way) for way in WAYS]
        readings.add(results, printed, one_string)
    return readings


def logistic(
    table: Floats, right: NDArray[np.bool_], signs: Sequence[int] | None = None
) -> tuple[Floats, float]:
    """Weights (K,) and bias of a logistic regression with a small quadratic penalty.

    Args:
        table: (N, K) features.
        right: (N,) booleans.
        signs: that each weight may have, 0 for any.
    """
    limits = {1: (0.0, None), -1: (None, 0.0), 0: (None, None)}
    bounds = [limits[s] for s in signs or [0] * table.shape[1]] + [limits[0]]
    sign = np.where(right, 1.0, -1.0)

    def loss(theta: Floats) -> tuple[float, Floats]:
        odds = sign * (table @ theta[:-1] + theta[-1])
        wrong = -sign / (1 + np.exp(np.clip(odds, -50, 50)))
        gradient = np.append(table.T @ wrong + 2 * PENALTY * theta[:-1], wrong.sum())
        value = np.logaddexp(0, -odds).sum() + PENALTY * float(theta[:-1] @ theta[:-1])
        return float(value), gradient

    found = minimize(loss, np.zeros(table.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[:-1], float(found.x[-1])


def fit(rows: Sequence[tuple[Floats, bool]]) -> ConfidenceModel:
    """The model of a way of reading."""
    table, right = np.stack([r for r, _ in rows]), np.array([good for _, good in rows])
    mean, scale = table.mean(0), np.maximum(table.std(0), 1e-3)
    weights, bias = logistic((table - mean) / scale, right, [SIGNS.get(f, 0) for f in FEATURES])
    return ConfidenceModel(mean, scale, weights, bias)


def report(name: str, sure: Floats, right: NDArray[np.bool_]) -> Iterator[str]:
    """Lines: how often readings are right by their confidence, and what passes from where."""
    yield f"{name}: {len(right)} readings, {100 * right.mean():.1f} % right"
    edges = (0.0, 0.5, 0.8, 0.9, 0.97, 0.99, 1.01)
    for low, high in zip(edges, edges[1:], strict=False):
        part = (sure >= low) & (sure < high)
        if part.any():
            share = 100 * right[part].mean()
            yield f"  {low:.2f} to {min(high, 1):.2f}: {part.sum()} readings, {share:.1f} % right"
    for least in (0.8, 0.85, 0.9, 0.95, 0.97):
        passed = sure >= least
        good, bad = 100 * (passed & right).mean(), 100 * (passed & ~right).mean()
        yield f"  from {least}: {good:.1f} % pass right, {bad:.2f} % wrong"


def arguments(about: str | None, count: int, out: Path) -> argparse.ArgumentParser:
    """What every fit asks for.

    Args:
        about: what the fit does.
        count: how many pictures are rendered if nobody says.
        out: where it is written.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--fonts", action="append", default=[], help="folder with font files")
    parser.add_argument("--pictures", type=int, default=count)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=out)
    return parser


def main() -> None:
    """Fits and writes the models that reading uses."""
    parser = arguments(__doc__, 1500, FITTED)
    parser.add_argument("--plain-fonts", action="append", help="ordinary ones, for plain print")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    plain_fonts = tuple(args.plain_fonts or args.fonts)
    readings = collect(Reader(), tuple(args.fonts), plain_fonts, args.pictures, args.seed)
    models, table = {}, {}
    for name, own in sorted(readings.rows.items()):
        half = len(own) // 2
        table_of = np.stack([row for row, _ in own[half:]])
        sure = fit(own[:half]).probability(table_of)
        right = np.array([good for _, good in own[half:]])
        print("\n".join(report(f"{name}, half not fitted", sure, right)))
        models[name] = fit(own)
        table[name] = {
            part: dict(
                zip(FEATURES, np.round(getattr(models[name], part), 5).tolist(), strict=True)
            )
            for part in ("mean", "scale", "weights")
        } | {"bias": round(models[name].bias, 5), "readings": len(own)}
    fitted_on = {"pictures": args.pictures, "seed": args.seed}
    content = {"fitted_on": fitted_on, "models": table}
    args.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
