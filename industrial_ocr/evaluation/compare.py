"""Compares two recorded runs image by image: what became better and what became worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from industrial_ocr.evaluation.curves import BootstrapDifference, paired_bootstrap
from industrial_ocr.evaluation.label_matching import Rules
from industrial_ocr.evaluation.metrics import ReadOutcome
from industrial_ocr.evaluation.records import RecordedRun
from industrial_ocr.evaluation.summary import Summary, summarize_run


@dataclass(frozen=True)
class Change:
    """A label that only one of two runs reads right, with both readings."""

    image: str
    truth: str
    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """One dataset and engine in both runs, or two engines of one run.

    Attributes:
        dataset: name of the dataset.
        engine: name of the engine, or ``first > second``.
        labels: number of labels in both runs.
        only_before: number of labels only in the first run.
        only_after: number of labels only in the second run.
        accuracy: shares of the common labels that the two runs read right.
        difference: second share minus first one, with its paired interval.
        better: labels read right only in the second run.
        worse: labels read right only in the first run.
    """

    dataset: str
    engine: str
    labels: int
    only_before: int
    only_after: int
    accuracy: tuple[float, float]
    difference: BootstrapDifference
    better: tuple[Change, ...]
    worse: tuple[Change, ...]

    def cells(self) -> tuple[str, str]:
        """The difference and its interval in percentage points, for tables."""
        d = self.difference
        return f"{100 * d.difference:+.1f}", f"{100 * d.low:+.1f} to {100 * d.high:+.1f}"


def compare_summaries(before: Summary, after: Summary) -> Comparison | None:
    """One dataset in two runs, or two engines of one run; None if they have no common label."""
    old, new, rules = before.by_label(), after.by_label(), after.rules
    was_right, is_right = [], []
    better: list[Change] = []
    worse: list[Change] = []
    for key, first in old.items():
        truth = first.prediction.truth
        second = new.get(key)
        if second is None or second.prediction.truth != truth:
            continue
        was_right.append(first.outcome(rules) is ReadOutcome.CORRECT)
        is_right.append(second.outcome(rules) is ReadOutcome.CORRECT)
        if was_right[-1] != is_right[-1]:
            change = Change(key[0], truth, first.prediction.reading, second.prediction.reading)
            (better if is_right[-1] else worse).append(change)
    n = len(was_right)
    if not n:
        return None
    one_engine = before.engine == after.engine
    return Comparison(
        dataset=after.dataset,
        engine=after.engine if one_engine else f"{before.engine} > {after.engine}",
        labels=n,
        only_before=len(old) - n,
        only_after=len(new) - n,
        accuracy=(sum(was_right) / n, sum(is_right) / n),
        difference=paired_bootstrap(is_right, was_right),
        better=tuple(better),
        worse=tuple(worse),
    )


def compare_runs(
    before: RecordedRun, after: RecordedRun, rules: Mapping[str, Rules]
) -> list[Comparison]:
    """Every dataset and engine that both runs have, in the order of the second."""
    old = {(s.dataset, s.engine): s for s in summarize_run(before.records, rules, {})}
    new = summarize_run(after.records, rules, {})
    known = [s for s in new if (s.dataset, s.engine) in old]
    found = (compare_summaries(old[s.dataset, s.engine], s) for s in known)
    return [c for c in found if c is not None]


def compare_engines(summaries: Sequence[Summary]) -> list[Comparison]:
    """Every pair of engines of one run on each dataset; a difference is first minus second."""
    pairs = [(a, b) for a, b in combinations(summaries, 2) if a.dataset == b.dataset]
    found = (compare_summaries(second, first) for first, second in pairs)
    return [c for c in found if c is not None]
