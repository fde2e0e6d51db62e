"""The tables of a recorded run: one row a dataset and engine, computed from its records alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from industrial_ocr.evaluation.blame import STAGES, Lost, lost_stage
from industrial_ocr.evaluation.curves import (
    RateCurve,
    expected_calibration_error,
    percentiles,
    rate_curve,
    read_rate_at,
)
from industrial_ocr.evaluation.detection_metrics import DetectionCounts, match_boxes
from industrial_ocr.evaluation.items import Answer, Rules, answers
from industrial_ocr.evaluation.metrics import (
    Outcome,
    OutcomeCounts,
    Pair,
    cer,
    confusion_pairs,
    count_outcomes,
    one_minus_ned,
    outcome,
    pairs_of,
    wilson_interval,
)
from industrial_ocr.evaluation.records import Record
from industrial_ocr.reader.router import WAYS

MISREAD_LIMITS = (0.01, 0.001, 0.0)
WORST_CONFUSIONS = 400


@dataclass(frozen=True)
class Summary:
    """What one engine did on one dataset.

    Attributes:
        dataset: name.
        engine: name.
        answers: one a label that counts.
        rules: how they were judged.
        threshold: below it an answer is refused.
        counts: correct, misread, rejected and missed at that threshold.
        accuracy: share of labels read right, whatever the confidence.
        interval: its Wilson 95 % interval.
        cer: character error rate, nan where nothing is labeled.
        one_minus_ned: mean of 1 - normalized edit distance.
        curve: read and misread rate over the threshold.
        calibration_error: expected calibration error of the readings.
        confusions: (true, read) symbols with their number, most frequent first.
        lost: answers by the stage that lost them.
        words: boxes of strings, IoU 0.5, None where no label has a box.
        characters: boxes of characters, the same.
        seconds: wall time of each image.
        timings: mean seconds by stage.
        failed: images the engine could not read at all.
    """

    dataset: str
    engine: str
    answers: tuple[Answer, ...]
    rules: Rules
    threshold: float
    counts: OutcomeCounts
    accuracy: float
    interval: tuple[float, float]
    cer: float
    one_minus_ned: float
    curve: RateCurve
    calibration_error: float
    confusions: tuple[tuple[Pair, int], ...]
    lost: Mapping[Lost, int]
    words: DetectionCounts | None
    characters: DetectionCounts | None
    seconds: tuple[float, ...]
    timings: Mapping[str, float]
    failed: int

    def read_at(self, misread_rate: float) -> tuple[float, float]:
        """Best read rate whose misread rate is within a limit, and its threshold."""
        return read_rate_at(self.curve, misread_rate)

    @property
    def latency(self) -> tuple[float, ...]:
        """p50, p95, p99 of the wall time in seconds."""
        return percentiles(self.seconds)


def _calibration(given: Sequence[Answer], rules: Rules) -> float:
    known = [
        (a.item.confidence, outcome(a.item, 0.0, rules.matching, rules.folding) is Outcome.CORRECT)
        for a in given
        if a.item.confidence is not None and a.item.reading
    ]
    if not known:
        return math.nan
    return expected_calibration_error([c for c, _ in known], [float(r) for _, r in known])


def string_detection(records: Iterable[Record]) -> DetectionCounts | None:
    """String boxes against labeled ones at IoU 0.5; None where none is labeled or given."""
    total, labeled, given = DetectionCounts(), False, False
    for record in records:
        if record.task != "read":
            continue
        truth = [x.quad for x in record.labels if x.quad is not None and not x.ignore]
        ignored = [x.quad for x in record.labels if x.quad is not None and x.ignore]
        found = [s.quad for s in record.strings if s.quad is not None]
        labeled, given = labeled or bool(truth), given or bool(found)
        total += match_boxes(found, truth, ignored=ignored).counts
    return total if labeled and given else None


def character_detection(records: Iterable[Record]) -> DetectionCounts | None:
    """Character boxes against labeled ones at IoU 0.5; None where none is labeled or given."""
    total, labeled, given = DetectionCounts(), False, False
    for record in records:
        truth = [c.quad for x in record.labels for c in x.characters]
        if not truth:
            continue
        found = [q for s in record.strings for _, _, q in s.characters]
        labeled, given = True, given or bool(found)
        total += match_boxes(found, truth).counts
    return total if labeled and given else None


def _mean_timings(records: Sequence[Record]) -> dict[str, float]:
    names = dict.fromkeys(n for r in records for n in r.timings if n != "total")
    return {n: sum(r.timings.get(n, 0.0) for r in records) / len(records) for n in names}


def summarize(records: Sequence[Record], rules: Rules, threshold: float = 0.0) -> Summary | None:
    """The summary of one engine's records of one dataset; None where no label counts."""
    given = [a for r in records for a in answers(r, rules)]
    if not given:
        return None
    items = [a.item for a in given]
    everything = count_outcomes(items, 0.0, rules.matching, rules.folding)
    pairs = pairs_of(items, rules.folding, rules.matching)
    lost = Counter(stage for a in given if (stage := lost_stage(a, rules)) is not None)
    return Summary(
        dataset=records[0].dataset,
        engine=records[0].engine,
        answers=tuple(given),
        rules=rules,
        threshold=threshold,
        counts=count_outcomes(items, threshold, rules.matching, rules.folding),
        accuracy=everything.correct / everything.total,
        interval=wilson_interval(everything.correct, everything.total),
        cer=cer(pairs),
        one_minus_ned=one_minus_ned(pairs),
        curve=rate_curve(items, rules.matching, rules.folding),
        calibration_error=_calibration(given, rules),
        confusions=tuple(confusion_pairs(pairs).most_common(WORST_CONFUSIONS)),
        lost=lost,
        words=string_detection(records),
        characters=character_detection(records),
        seconds=tuple(r.seconds for r in records if not r.error),
        timings=_mean_timings(records),
        failed=sum(bool(r.error) for r in records),
    )


def summarize_run(
    records: Iterable[Record],
    rules: Mapping[str, Rules],
    thresholds: Mapping[str, float],
) -> list[Summary]:
    """One summary a dataset and engine, in the order of the records.

    Args:
        records: of one run.
        rules: by dataset; ``""`` holds those of all others.
        thresholds: by engine; 0 where an engine is not named.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.dataset, record.engine), []).append(record)
    made = (
        summarize(own, rules.get(dataset, rules[""]), thresholds.get(engine, 0.0))
        for (dataset, engine), own in groups.items()
    )
    return [s for s in made if s is not None]


HEADERS = ("dataset", "engine", "n", "right", "95 %", "correct", "misread", "rejected", "missed",
           "CER", "read at 1 %", "0.1 %", "0 misread", "ECE", "p50 ms", "p95 ms")  # fmt: skip


def percent(value: float) -> str:
    """A rate for a table."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def milliseconds(seconds: float) -> str:
    """A time for a table."""
    return "-" if math.isnan(seconds) else f"{1000 * seconds:.0f}"


def table_row(summary: Summary) -> tuple[str, ...]:
    """The cells of ``HEADERS``: rates in percent, ``right`` whatever the confidence."""
    low, high = summary.interval
    n = summary.counts.total
    counts = summary.counts
    at = [percent(summary.read_at(limit)[0]) for limit in MISREAD_LIMITS]
    p50, p95, _ = summary.latency
    shares = [percent(x / n) for x in
              (counts.correct, counts.misread, counts.rejected, counts.missed)]  # fmt: skip
    return (
        summary.dataset, summary.engine, str(n), percent(summary.accuracy),
        f"{percent(low)}-{percent(high)}", *shares, percent(summary.cer), *at,
        percent(summary.calibration_error), milliseconds(p50), milliseconds(p95),
    )  # fmt: skip


DETECTION_HEADERS = ("dataset", "engine", "boxes", "n", "precision", "recall", "hmean")


def detection_rows(summaries: Iterable[Summary]) -> list[tuple[str, ...]]:
    """Rows of boxes found at IoU 0.5, strings and characters."""
    rows = []
    for summary in summaries:
        for kind, counts in (("strings", summary.words), ("characters", summary.characters)):
            if counts is not None:
                cells = map(percent, (counts.precision, counts.recall, counts.hmean))
                rows.append((summary.dataset, summary.engine, kind, str(counts.truth), *cells))
    return rows


LOSS_HEADERS = ("dataset", "engine", "n", *STAGES)


def loss_rows(summaries: Iterable[Summary]) -> list[tuple[str, ...]]:
    """Rows of the share of all codes, in percent, that each stage lost; of our own engines."""
    return [
        (s.dataset, s.engine, str(s.counts.total),
         *(percent(s.lost.get(stage, 0) / s.counts.total) for stage in STAGES))
        for s in summaries if s.engine in WAYS and s.counts.total
    ]  # fmt: skip


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for a README."""
    lines = ["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
