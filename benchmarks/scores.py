"""Which score of a string separates misreads from right readings best.

    python benchmarks/scores.py DATA --out benchmarks/results/scores.md

DATA is the folder of labeled photographs (``benchmarks/suite.yaml``). Reads the dev halves of its
sets of single strings, and compares the scores of ``decoding.scoring`` with the confidence.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from risk_coverage import risk_coverage

from industrial_ocr import Engine, Reader
from industrial_ocr.datasets.load import load_dataset
from industrial_ocr.datasets.splits import part_of
from industrial_ocr.decoding.scoring import position_weights
from industrial_ocr.evaluation.metrics import CODE_TEXT, TextComparison
from industrial_ocr.image.load import load_image
from industrial_ocr.results.types import TextString

SETS = (
    *("plate_crops_us", "plate_crops_es", "plate_crops_cn"),
    *("words_ic13", "words_svt", "words_iiit5k_train"),
    *("lcd_meters_test", "digits_meter", "digits_seg7", "expdate_crops"),
)
CONTAINED = ("plate_crops_cn",)
"""Sets whose labels leave a character out."""
RISING = tuple(float(n) for n in range(1, 13))
"""An example of custom weights: later characters count more."""
SCORES = (
    *("mean", "weighted, exponential", "weighted, rising", "weakest character"),
    *("joint, per character", "joint", "whole sequence", "confidence"),
)
PREFACE = """\
`python benchmarks/scores.py DATA --out FILE`: area under the risk-coverage curve (AURC) of each
score, in percent: the share of misreads among the accepted readings, averaged over all shares that
may be accepted, best score first; less is better. In brackets its excess over a perfect score,
which puts every right reading before every misread. Dev halves, at most {limit} images a set;
images without a reading are left out, a label counts as for `industrial-ocr bench`. Single digits
(`digits_*`) have one character, so that all scores but the confidence say the same there.

`whole sequence` is the probability of the text over all alignments of the CTC frames; for two-stage
it is the joint one. `weighted, rising` has the weights 1, 2, 3 ... as an example of one's own.
"""


@dataclass(frozen=True)
class Reading:
    """The scores of one reading in the order of ``SCORES``, and whether it is right."""

    scores: tuple[float, ...]
    right: bool


def scores_of(string: TextString) -> tuple[float, ...]:
    """The scores of a string in the order of ``SCORES``; higher is surer."""
    own, p = string.scores, np.array([c.confidence for c in string.characters])
    weighted = (p @ position_weights(len(p), kind) for kind in ("exponential", RISING))
    joint = (own.joint_normalized, own.joint_log, own.sequence_log)
    return (own.mean, *map(float, weighted), float(p.min()), *joint, string.confidence)


def readings(reader: Reader, engine: Engine, folder: Path, limit: int) -> Iterator[Reading]:
    """The readings of the dev half of a set, without images in which nothing was read."""
    comparison = TextComparison(contains=True) if folder.name in CONTAINED else CODE_TEXT
    for sample in part_of(load_dataset(folder), "dev").samples[:limit]:
        (result,) = reader.recognize([load_image(sample.source)], engine=engine)
        strings = (*result.strings, *result.left_out)
        if len(strings) != 1:
            continue
        truth, text = comparison.pair(" ".join(x.text for x in sample.labels), strings[0].text)
        right = truth == text or (comparison.contains and truth != "" and truth in text)
        yield Reading(scores_of(strings[0]), right)


def cells(found: Sequence[Reading]) -> list[str]:
    """AURC and its excess for every score; the best in bold."""
    right = [reading.right for reading in found]
    table = np.array([reading.scores for reading in found])
    curves = [risk_coverage(column, right) for column in table.T]
    texts = [f"{100 * c.area:.1f} ({100 * c.excess:.1f})" for c in curves]
    least = min(round(c.excess, 3) for c in curves)
    return [
        f"**{text}**" if round(curve.excess, 3) == least else text
        for text, curve in zip(texts, curves, strict=True)
    ]


def worse_by(found: Sequence[Reading], score: int, samples: int = 2000) -> tuple[float, float]:
    """95 % interval of a score's AURC less that of the confidence, percent (paired bootstrap)."""
    right = np.array([reading.right for reading in found])
    table = np.array([reading.scores for reading in found])
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(samples):
        drawn = rng.integers(0, len(right), len(right))
        one, own = (risk_coverage(table[drawn, k], right[drawn]).area for k in (score, -1))
        differences.append(100 * (one - own))
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Writes a table for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=120)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    reader = Reader(threads=args.threads)
    lines = [PREFACE.format(limit=args.limit)]
    for engine in (Engine.CRNN, Engine.TWO_STAGE):
        together: list[Reading] = []
        head = " | ".join(("set", "readings", "right %", *SCORES))
        lines += [f"## {engine.value}", "", f"| {head} |", "|---" * (3 + len(SCORES)) + "|"]
        for name in SETS:
            found = list(readings(reader, engine, args.data / name, args.limit))
            share = 100 * sum(reading.right for reading in found) / len(found)
            start = f"| {name} | {len(found)} | {share:.0f} "
            lines.append(f"{start}| {' | '.join(cells(found))} |")
            print(lines[-1], flush=True)
            together += found
        share = 100 * sum(reading.right for reading in together) / len(together)
        lines.append(f"| all | {len(together)} | {share:.0f} | {' | '.join(cells(together))} |")
        above = [worse_by(together, k) for k in range(len(SCORES) - 1)]
        intervals = " | ".join(f"{low:+.1f} to {high:+.1f}" for low, high in above)
        lines += [f"| above the confidence (95 %) | | | {intervals} | |", ""]
        print(lines[-3], lines[-2], sep="\n", flush=True)
    args.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
