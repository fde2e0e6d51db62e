"""The tables of a recorded run, one row per dataset and engine, computed from its records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from industrial_ocr.evaluation.curves import (
    RateCurve,
    expected_calibration_error,
    rate_curve,
    read_rate_at,
)
from industrial_ocr.evaluation.detection_metrics import DetectionCounts, match_boxes
from industrial_ocr.evaluation.error_attribution import ERROR_STAGES, ErrorStage, attribute_error
from industrial_ocr.evaluation.label_matching import MatchedLabel, Rules, match_labels, rules_of
from industrial_ocr.evaluation.metrics import (
    OutcomeCounts,
    Proportion,
    ReadOutcome,
    TextPair,
    cer,
    confusion_pairs,
    count_outcomes,
    text_pairs,
)
from industrial_ocr.evaluation.records import Record
from industrial_ocr.results.engine import PIPELINES

LabelKey = tuple[str, int]
"""Name of the image, and number of the label in it."""


@dataclass(frozen=True)
class Summary:
    """The results of one engine on one dataset.

    Attributes:
        labels: the labels that count, with the engine's answers.
        threshold: confidence below which a reading is rejected.
        counts: correct, misread, rejected and missed at that threshold.
        right: labels read right, at any confidence.
        cer: character error rate; nan if nothing is labeled.
        confusions: (true, read) symbols with their number, most frequent first.
        lost: number of labels by the stage that lost them.
        strings: boxes of strings at IoU 0.5; None if no label has a box.
        characters: boxes of characters at IoU 0.5; None if no label has them.
        seconds: wall time of each image in seconds.
        timings: mean seconds by stage.
        failed: number of images that the engine could not read.
    """

    dataset: str
    engine: str
    labels: tuple[MatchedLabel, ...]
    rules: Rules
    threshold: float
    counts: OutcomeCounts
    right: Proportion
    cer: float
    curve: RateCurve
    calibration_error: float
    confusions: tuple[tuple[TextPair, int], ...]
    lost: Mapping[ErrorStage, int]
    strings: DetectionCounts | None
    characters: DetectionCounts | None
    seconds: tuple[float, ...]
    timings: Mapping[str, float]
    failed: int

    def latency(self, percentile: float) -> float:
        """A percentile (0 to 100) of the wall time in seconds; nan if there are no times."""
        return float(np.percentile(self.seconds, percentile)) if self.seconds else math.nan

    def by_label(self) -> dict[LabelKey, MatchedLabel]:
        """The labels by image and number."""
        seen: Counter[str] = Counter()
        found = {}
        for label in self.labels:
            image = label.prediction.image
            found[image, seen[image]] = label
            seen[image] += 1
        return found


def known_confidences(
    labels: Iterable[MatchedLabel], rules: Rules
) -> tuple[list[float], list[bool]]:
    """Confidences of the readings that have one, and whether each is right."""
    confidences, right = [], []
    for label in labels:
        confidence = label.prediction.confidence
        if confidence is not None and label.prediction.reading:
            confidences.append(confidence)
            right.append(label.outcome(rules) is ReadOutcome.CORRECT)
    return confidences, right


def string_detection(records: Iterable[Record]) -> DetectionCounts | None:
    """String boxes against labeled ones at IoU 0.5; None if there are none of either."""
    total, labeled, given = DetectionCounts(), False, False
    for record in records:
        if record.task != "read":
            continue
        truth = [x.quad for x in record.labels if x.quad is not None and not x.ignore]
        ignored = [x.quad for x in record.labels if x.quad is not None and x.ignore]
        found = [s.quad for s in record.strings if s.quad is not None]
        labeled, given = labeled or bool(truth), given or bool(found)
        total += match_boxes(found, truth, ignored=ignored)
    return total if labeled and given else None


def character_detection(records: Iterable[Record]) -> DetectionCounts | None:
    """Character boxes against labeled ones at IoU 0.5; None if there are none of either."""
    total, given = DetectionCounts(), False
    for record in records:
        truth, found = [], []
        for label in record.labels:
            truth += [c.quad for c in label.characters]
        for string in record.strings:
            found += [quad for _, _, quad in string.characters]
        if truth:
            given = given or bool(found)
            total += match_boxes(found, truth)
    return total if given else None


def _mean_timings(records: Sequence[Record]) -> dict[str, float]:
    total: dict[str, float] = {}
    for record in records:
        for name, seconds in record.timings.items():
            if name != "total":
                total[name] = total.get(name, 0.0) + seconds
    return {name: seconds / len(records) for name, seconds in total.items()}


def summarize(records: Sequence[Record], rules: Rules, threshold: float = 0.0) -> Summary | None:
    """The summary of the records of one engine and dataset; None if no label counts."""
    labels: list[MatchedLabel] = []
    for record in records:
        labels += match_labels(record, rules)
    if not labels:
        return None
    predictions = [x.prediction for x in labels]
    pairs = text_pairs(predictions, rules.comparison)
    lost = [stage for x in labels if (stage := attribute_error(x, rules)) is not None]
    return Summary(
        dataset=records[0].dataset,
        engine=records[0].engine,
        labels=tuple(labels),
        rules=rules,
        threshold=threshold,
        counts=count_outcomes(predictions, threshold, rules.comparison),
        right=Proportion(
            count_outcomes(predictions, 0.0, rules.comparison).correct, len(predictions)
        ),
        cer=cer(pairs),
        curve=rate_curve(predictions, rules.comparison),
        calibration_error=expected_calibration_error(*known_confidences(labels, rules)),
        confusions=tuple(confusion_pairs(pairs).most_common(400)),
        lost=Counter(lost),
        strings=string_detection(records),
        characters=character_detection(records),
        seconds=tuple(r.seconds for r in records if not r.error),
        timings=_mean_timings(records),
        failed=sum(bool(r.error) for r in records),
    )


def summarize_run(
    records: Iterable[Record], rules: Mapping[str, Rules], thresholds: Mapping[str, float]
) -> list[Summary]:
    """One summary for each dataset and engine, in the order of the records.

    Args:
        records: the records of one run.
        rules: rules by dataset; ``""`` has those of all others.
        thresholds: thresholds by engine; 0 for engines that are not named.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.dataset, record.engine), []).append(record)
    made = (
        summarize(own, rules_of(rules, dataset), thresholds.get(engine, 0.0))
        for (dataset, engine), own in groups.items()
    )
    return [s for s in made if s is not None]


RESULT_HEADERS = (
    *("dataset", "engine", "n", "right", "95 %", "correct", "misread", "rejected", "missed"),
    *("CER", "read at 1 %", "0.1 %", "0 misread", "ECE", "p50 ms", "p95 ms"),
)


def percent(value: float) -> str:
    """A rate as text in percent."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def milliseconds(seconds: float, digits: int = 0) -> str:
    """A time as text in milliseconds."""
    return "-" if math.isnan(seconds) else f"{1000 * seconds:.{digits}f}"


def interval(proportion: Proportion) -> str:
    """A 95 % interval as text in percent."""
    return "-".join(percent(end) for end in proportion.interval)


def table_row(summary: Summary) -> tuple[str, ...]:
    """The cells of ``RESULT_HEADERS``; rates in percent, ``right`` at any confidence."""
    counts = summary.counts
    outcomes = (counts.correct, counts.misread, counts.rejected, counts.missed)
    return (
        summary.dataset,
        summary.engine,
        str(counts.total),
        percent(summary.right.rate),
        interval(summary.right),
        *(percent(n / counts.total) for n in outcomes),
        percent(summary.cer),
        *(percent(read_rate_at(summary.curve, misread)[0]) for misread in (0.01, 0.001, 0.0)),
        percent(summary.calibration_error),
        milliseconds(summary.latency(50)),
        milliseconds(summary.latency(95)),
    )


DETECTION_HEADERS = ("dataset", "engine", "boxes", "n", "precision", "recall", "hmean")


def detection_rows(summaries: Iterable[Summary]) -> list[tuple[str, ...]]:
    """The cells of ``DETECTION_HEADERS`` for strings and for characters, at IoU 0.5."""
    rows = []
    for summary in summaries:
        for kind, counts in (("strings", summary.strings), ("characters", summary.characters)):
            if counts is not None:
                cells = map(percent, (counts.precision, counts.recall, counts.hmean))
                rows.append((summary.dataset, summary.engine, kind, str(counts.truth), *cells))
    return rows


LOSS_HEADERS = ("dataset", "engine", "n", *ERROR_STAGES)


def loss_rows(summaries: Iterable[Summary]) -> list[tuple[str, ...]]:
    """The cells of ``LOSS_HEADERS`` for our own engines; shares of all codes in percent."""
    rows = []
    for s in summaries:
        total = s.counts.total
        if s.engine in PIPELINES and total:
            shares = (percent(s.lost.get(stage, 0) / total) for stage in ERROR_STAGES)
            rows.append((s.dataset, s.engine, str(total), *shares))
    return rows


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as Markdown."""
    lines = [f"| {' | '.join(headers)} |", "|" + "---|" * len(headers)]
    for row in rows:
        cells = (cell.replace("|", "\\|") for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
