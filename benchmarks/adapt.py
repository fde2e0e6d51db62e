"""Adapts to real lines; measures on other pictures of these lines and on unrelated sets.

    python benchmarks/adapt.py REAL --fonts DIR --work DIR [--only NAME ...] [--minutes 15]

REAL holds folders of labeled photographs; nothing learned from them may be shipped. Prints for each
line what was learned from, the minutes (CPU minutes in brackets), how many strings kept back each
engine reads right before and after, and the result of the gate; then for each set the percentage of
labels read right before and after, comparing A-Z and 0-9 only. These are the rows of
``benchmarks/results/adapt.md``. With ``--wrong 0.5``, half of the pictures to learn from get the
labels of others; it prints how many of these labels the report shows as suspects.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from industrial_ocr import Reader
from industrial_ocr.datasets.load import load_dataset
from industrial_ocr.datasets.samples import Dataset, Sample
from industrial_ocr.datasets.splits import part_of
from industrial_ocr.errors import DatasetError
from industrial_ocr.evaluation.metrics import CODE_TEXT
from industrial_ocr.training.line.adapter import Adapter
from industrial_ocr.training.line.config import AdaptConfig, Recipe


@dataclass(frozen=True)
class Part:
    """``count`` random pictures (0: all) of a set, or of its dev or test half (``split``)."""

    name: str
    split: str = ""
    count: int = 0

    def load(self, root: Path) -> Dataset:
        """The pictures."""
        data = load_dataset(root / self.name)
        if self.split:
            data = part_of(data, "dev" if self.split == "dev" else "test")
        samples = [s for s in data.samples if any(label.text.strip() for label in s.labels)]
        order = np.random.default_rng(0).permutation(len(samples))[: self.count or None]
        return replace(data, samples=tuple(samples[i] for i in sorted(order)))


@dataclass(frozen=True)
class Line:
    """What is learned, what is measured, and what must not change."""

    learn: Part
    test: Part
    others: tuple[Part, ...]
    contains: bool = False


US, WORDS = Part("plate_crops_us"), Part("words_iiit5k_train", "test", 150)
METERS = Part("lcd_meters_test")
LINES = {
    **{
        f"meters-{n}": Line(Part("lcd_meters_learn", count=n), METERS, (US, WORDS))
        for n in (20, 50, 91)
    },
    "plates-es": Line(
        Part("plate_crops_es", "dev", 150), Part("plate_crops_es", "test"), (US, WORDS)
    ),
    "plates-us": Line(
        Part("plate_crops_us", "dev", 60), Part("plate_crops_us", "test"), (METERS, WORDS)
    ),
    "plates-cn": Line(
        Part("plate_crops_cn", "dev", 80), Part("plate_crops_cn", "test"), (US, WORDS)
    ),
    "chips": Line(Part("chips", "dev", 30), Part("chips", "test"), (US, WORDS), contains=True),
    "containers": Line(Part("containers", "dev"), Part("containers", "test"), (US, WORDS)),
}


def exchanged(data: Dataset, share: float) -> Dataset:
    """The dataset in which a share of the pictures has the labels of the next one of them."""
    chosen = np.random.default_rng(1).permutation(len(data.samples))
    chosen = chosen[: round(share * len(chosen))]
    samples = list(data.samples)
    for i, j in zip(chosen, np.roll(chosen, 1), strict=True):
        samples[i] = replace(samples[i], labels=data.samples[j].labels)
    return replace(data, samples=tuple(samples))


def different(one: Dataset, two: Dataset) -> set[str]:
    """The names of the pictures whose labels differ."""
    pairs = zip(one.samples, two.samples, strict=True)
    return {a.name for a, b in pairs if [x.text for x in a.labels] != [x.text for x in b.labels]}


def share_right(reader: Reader, data: Dataset, engine: str) -> float:
    """Percentage of labels read right; on a whole picture, of those that a string contains."""
    right = [hit for s in data.samples for hit in _hits(reader, s, data.task, engine)]
    return 100 * float(np.mean(right))


def _hits(reader: Reader, sample: Sample, task: str, engine: str) -> Sequence[bool]:
    texts = [CODE_TEXT.normalize(label.text) for label in sample.labels if not label.ignore]
    if task == "recognize":
        (result,) = reader.recognize([sample.source], engine=engine)
        return [CODE_TEXT.normalize("".join(s.text for s in result.strings)) == texts[0]]
    read = [CODE_TEXT.normalize(s.text) for s in reader.read(sample.source, engine=engine).strings]
    return [any(t in s for s in read) for t in texts if t]


def main() -> None:
    """Prints a row for each line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--fonts", action="append", default=[])
    parser.add_argument("--only", nargs="*", default=list(LINES))
    parser.add_argument("--engines", nargs="*", default=["crnn", "two-stage"])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong", type=float, default=0.0)
    parser.add_argument("--gate-only", action="store_true", help="do not measure on other sets")
    asked = parser.parse_args()
    before = cache(lambda part, engine: share_right(Reader(), part.load(asked.real), engine))
    for name in asked.only:
        line = LINES[name]
        out = asked.work / name
        shutil.rmtree(out, ignore_errors=True)
        start = time.perf_counter(), sum(os.times()[:4])
        config = AdaptConfig(
            out,
            minutes=asked.minutes,
            fonts=tuple(asked.fonts),
            force=True,
            contains=line.contains,
            recipe=Recipe(seed=asked.seed, steps=asked.steps),
        )
        own = line.learn.load(asked.real)
        given = exchanged(own, asked.wrong)
        try:
            done = Adapter(config).adapt(given)
        except DatasetError as error:
            print(f"| {name} | refused: {error} |", flush=True)
            continue
        minutes = (time.perf_counter() - start[0]) / 60
        cpu = (sum(os.times()[:4]) - start[1]) / 60
        gate = "; ".join(done.reasons) or "passed"
        held = ", ".join(
            f"{way.value} {own.before.right} to {own.after.right} of {len(own.after.readings)}"
            for way, own in done.gates.items()
        )
        print(
            f"| {name} | {done.facts['training']} | {minutes:.1f} ({cpu:.1f}) | {held} | {gate} |",
            flush=True,
        )
        if asked.wrong:
            shown, wrong = {r.name for r in done.suspects}, different(own, given)
            right = len(own.samples) - len(wrong)
            print(
                f"| {name}: labels shown as suspects | {len(shown & wrong)} of {len(wrong)} wrong "
                f"ones, {len(shown - wrong)} of {right} right ones |",
                flush=True,
            )
        reader = Reader.from_bundle(out)
        for part in () if asked.gate_only else (line.test, *line.others):
            data = part.load(asked.real)
            shares = [
                f"{engine} {before(part, engine):.1f} to {share_right(reader, data, engine):.1f}"
                for engine in (asked.engines[:1] if part is WORDS else asked.engines)
            ]
            print(
                f"| {name} on {part.name} | {len(data.samples)} | {' | '.join(shares)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
