"""Two recorded runs side by side: what got better, what got worse, image by image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from industrial_ocr.evaluation.curves import BootstrapDifference, paired_bootstrap
from industrial_ocr.evaluation.items import Answer, Rules
from industrial_ocr.evaluation.metrics import Outcome, outcome
from industrial_ocr.evaluation.records import RecordedRun
from industrial_ocr.evaluation.summary import Summary, summarize_run

Label = tuple[str, int]
"""Image, and which of its labels."""


@dataclass(frozen=True)
class Change:
    """A label that one run reads right and the other does not.

    Attributes:
        image: its image.
        truth: what is written.
        before: what the first run read.
        after: what the second run read.
    """

    image: str
    truth: str
    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """One dataset and engine in both runs.

    Attributes:
        dataset: name.
        engine: name.
        labels: in both runs.
        only_before: labels that only the first run has.
        only_after: labels that only the second run has.
        accuracy: of both, on the labels they share.
        difference: second minus first, with its paired interval.
        better: read right only in the second.
        worse: read right only in the first.
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


def _by_label(summary: Summary) -> dict[Label, Answer]:
    found: dict[Label, Answer] = {}
    for answer in summary.answers:
        number = 0
        while (answer.item.image, number) in found:
            number += 1
        found[answer.item.image, number] = answer
    return found


def compare_summaries(before: Summary, after: Summary) -> Comparison | None:
    """The same dataset in two runs, or two engines of one run; None if they share no label."""
    one, two = _by_label(before), _by_label(after)
    shared = [k for k in one if k in two and one[k].item.truth == two[k].item.truth]
    if not shared:
        return None
    rules = after.rules

    def right(answer: Answer) -> bool:
        return outcome(answer.item, 0.0, rules.matching, rules.folding) is Outcome.CORRECT

    hits = [(right(one[k]), right(two[k])) for k in shared]
    changes = [
        (b, Change(k[0], one[k].item.truth, one[k].item.reading, two[k].item.reading))
        for k, (a, b) in zip(shared, hits, strict=True)
        if a != b
    ]
    first, second = [float(a) for a, _ in hits], [float(b) for _, b in hits]
    return Comparison(
        dataset=after.dataset,
        engine=after.engine
        if before.engine == after.engine
        else f"{before.engine} > {after.engine}",
        labels=len(shared),
        only_before=len(one) - len(shared),
        only_after=len(two) - len(shared),
        accuracy=(sum(first) / len(first), sum(second) / len(second)),
        difference=paired_bootstrap(second, first),
        better=tuple(c for good, c in changes if good),
        worse=tuple(c for good, c in changes if not good),
    )


def compare_runs(
    before: RecordedRun, after: RecordedRun, rules: Mapping[str, Rules]
) -> list[Comparison]:
    """Every dataset and engine that both runs have, in the order of the second."""
    old = {(s.dataset, s.engine): s for s in summarize_run(before.records, rules, {})}
    found = (
        compare_summaries(old[s.dataset, s.engine], s)
        for s in summarize_run(after.records, rules, {})
        if (s.dataset, s.engine) in old
    )
    return [c for c in found if c is not None]


def compare_engines(summaries: list[Summary]) -> list[Comparison]:
    """Every pair of engines of one run on each dataset, the first named against each other."""
    found = []
    for i, first in enumerate(summaries):
        for second in summaries[i + 1 :]:
            if first.dataset == second.dataset:
                comparison = compare_summaries(second, first)
                if comparison is not None:
                    found.append(comparison)
    return found
