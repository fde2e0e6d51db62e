"""Writes the files of a benchmark: tables, the report, and a routing table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from industrial_ocr.errors import ConfigError
from industrial_ocr.evaluation.compare import compare_engines
from industrial_ocr.evaluation.label_matching import Rules
from industrial_ocr.evaluation.records import RecordedRun
from industrial_ocr.evaluation.report import write_report
from industrial_ocr.evaluation.session import BenchmarkPlan
from industrial_ocr.evaluation.summary import (
    DETECTION_HEADERS,
    LOSS_HEADERS,
    RESULT_HEADERS,
    detection_rows,
    loss_rows,
    markdown_table,
    summarize_run,
    table_row,
)
from industrial_ocr.results.engine import PIPELINES
from industrial_ocr.results.files import write_whole


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns an OSError into a ConfigError that names the path."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from error


def write_table(
    file: Path, recorded: RecordedRun, rules: Mapping[str, Rules], thresholds: Mapping[str, float]
) -> None:
    """Writes only the table of a run, as Markdown.

    Raises:
        ConfigError: the file cannot be written.
    """
    rows = map(table_row, summarize_run(recorded.records, rules, thresholds))
    with _writing(file):
        write_whole(file, markdown_table(RESULT_HEADERS, rows) + "\n")


def _header(about: Mapping[str, Any], thresholds: Mapping[str, float]) -> list[str]:
    """Paragraphs about the command, the machine and the thresholds."""
    machine = about.get("machine", {})
    parts = {k: machine.get(k, "?") for k in ("processor", "cores", "accelerator", "date")}
    installed = ", ".join(f"{k} {v}" for k, v in about.get("versions", {}).items())
    refused = ", ".join(f"{k} below {v}" for k, v in thresholds.items()) or "nothing"
    return [
        f"`{about.get('command', '')}`",
        "{processor}, {cores} cores, accelerator {accelerator}, {date}; ".format(**parts)
        + installed,
        f"Refused: {refused}.",
    ]


def write_outputs(
    out: Path, recorded: RecordedRun, plan: BenchmarkPlan, extra: Sequence[str]
) -> None:
    """Writes ``tables.md``, ``summary.json`` and ``report.html`` beside the results.

    Raises:
        ConfigError: a file cannot be written.
    """
    summaries = summarize_run(recorded.records, plan.rules, plan.thresholds)
    rows = [table_row(s) for s in summaries]
    parts = _header(recorded.about, plan.thresholds)
    parts.append(markdown_table(RESULT_HEADERS, rows))
    if detected := detection_rows(summaries):
        parts.append(markdown_table(DETECTION_HEADERS, detected))
    if lost := loss_rows(summaries):
        parts.append("Codes lost, by stage (percent of all codes):")
        parts.append(markdown_table(LOSS_HEADERS, lost))
    differences = [
        (c.dataset, c.engine.replace(" > ", " to "), *c.cells()) for c in compare_engines(summaries)
    ]
    if differences:
        headers = ("dataset", "from one engine to another", "right, change", "95 %")
        parts.append(markdown_table(headers, differences))
    if extra:
        parts.append("\n".join(f"- {line}" for line in extra))
    digest = {"summary": [dict(zip(RESULT_HEADERS, row, strict=True)) for row in rows]}
    sources: dict[tuple[str, str], Path | bytes] = {}
    for dataset in plan.datasets:
        sources |= {(dataset.name, s.name): s.source for s in dataset.samples}
    with _writing(out):
        write_whole(out / "tables.md", "\n\n".join(parts) + "\n")
        write_report(out / "report.html", recorded, summaries, sources)
        write_whole(out / "summary.json", json.dumps(digest, indent=1) + "\n")


def write_routes(file: Path, recorded: RecordedRun, plan: BenchmarkPlan) -> int:
    """Writes a routing table for ``Reader(routes=...)``: accuracy of each engine by pattern.

    Returns:
        The number of patterns in the table.

    Raises:
        ConfigError: nothing was measured under a pattern, or the file cannot be written.
    """
    table: dict[str, list[dict[str, Any]]] = {}
    for s in summarize_run(recorded.records, plan.rules, plan.thresholds):
        if (pattern := s.rules.read_under) is None or s.engine not in PIPELINES:
            continue
        low, high = s.right.interval
        row = {
            "engine": s.engine,
            "n": s.counts.total,
            "accuracy": round(s.right.rate, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "date": str(recorded.about.get("machine", {}).get("date", "")),
        }
        table.setdefault(pattern.name or pattern.text, []).append(row)
    if not table:
        raise ConfigError("--write-routes needs two-stage or crnn and a --pattern")
    with _writing(file):
        write_whole(file, yaml.safe_dump(table, sort_keys=False))
    return len(table)
