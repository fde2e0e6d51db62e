"""The files of a benchmark: tables, the report, and a routing table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from industrial_ocr.errors import ConfigError
from industrial_ocr.evaluation.compare import compare_engines
from industrial_ocr.evaluation.items import Rules
from industrial_ocr.evaluation.records import RecordedRun
from industrial_ocr.evaluation.report import write_report
from industrial_ocr.evaluation.session import Plan
from industrial_ocr.evaluation.summary import (
    DETECTION_HEADERS,
    HEADERS,
    LOSS_HEADERS,
    detection_rows,
    loss_rows,
    markdown_table,
    summarize_run,
    table_row,
)
from industrial_ocr.reader.router import WAYS
from industrial_ocr.results.files import write_whole


def write_table(
    file: Path, recorded: RecordedRun, rules: Mapping[str, Rules], thresholds: Mapping[str, float]
) -> None:
    """The table of a run alone, as Markdown.

    Raises:
        ConfigError: it cannot be written.
    """
    rows = map(table_row, summarize_run(recorded.records, rules, thresholds))
    try:
        write_whole(file, markdown_table(HEADERS, rows) + "\n")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error}") from error


def write_outputs(out: Path, recorded: RecordedRun, plan: Plan, extra: Sequence[str]) -> None:
    """``tables.md`` and ``report.html`` beside the results.

    Raises:
        ConfigError: they cannot be written.
    """
    summaries = summarize_run(recorded.records, plan.rules, plan.thresholds)
    about = recorded.about
    machine = about.get("machine", {})
    refused = ", ".join(f"{k} below {v}" for k, v in plan.thresholds.items()) or "nothing"
    parts = [
        f"`{about.get('command', '')}`",
        f"{machine.get('processor', '?')}, {machine.get('cores', '?')} cores, accelerator "
        f"{machine.get('accelerator', '?')}, {machine.get('date', '?')}; "
        + ", ".join(f"{k} {v}" for k, v in about.get("versions", {}).items()),
        f"Refused: {refused}.",
        markdown_table(HEADERS, map(table_row, summaries)),
    ]
    detected = detection_rows(summaries)
    if detected:
        parts.append(markdown_table(DETECTION_HEADERS, detected))
    lost = loss_rows(summaries)
    if lost:
        parts.append("Codes lost, by stage (percent of all codes):")
        parts.append(markdown_table(LOSS_HEADERS, lost))
    rows = [
        (c.dataset, c.engine.replace(" > ", " to "), f"{100 * c.difference.difference:+.1f}",
         f"{100 * c.difference.low:+.1f} to {100 * c.difference.high:+.1f}")
        for c in compare_engines(summaries)
    ]  # fmt: skip
    if rows:
        parts.append(
            markdown_table(("dataset", "from one engine to another", "right, change", "95 %"), rows)
        )
    parts += ["\n".join(f"- {line}" for line in extra)] if extra else []
    sources = {(d.name, s.name): s.source for d in plan.datasets for s in d.samples}
    try:
        write_whole(out / "tables.md", "\n\n".join(parts) + "\n")
        write_report(out / "report.html", recorded, summaries, sources)
        digest = json.dumps(
            {"summary": [dict(zip(HEADERS, table_row(s), strict=True)) for s in summaries]},
            indent=1,
        )
        write_whole(out / "summary.json", digest + "\n")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error}") from error


def write_routes(file: Path, recorded: RecordedRun, plan: Plan) -> int:
    """A routing table for ``Reader(routes=...)``: what each way read right under each pattern.

    Returns:
        The number of patterns in it.

    Raises:
        ConfigError: nothing was measured under a pattern, or the file cannot be written.
    """
    table: dict[str, list[dict[str, Any]]] = {}
    for s in summarize_run(recorded.records, plan.rules, plan.thresholds):
        if (pattern := s.rules.read_under) is None or s.engine not in WAYS:
            continue
        row = {
            "engine": s.engine, "n": s.counts.total, "accuracy": round(s.accuracy, 4),
            "low": round(s.interval[0], 4), "high": round(s.interval[1], 4),
            "date": str(recorded.about.get("machine", {}).get("date", "")),
        }  # fmt: skip
        table.setdefault(pattern.name or pattern.text, []).append(row)
    if not table:
        raise ConfigError("--write-routes needs two-stage or crnn and a --pattern")
    try:
        write_whole(file, yaml.safe_dump(table, sort_keys=False))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error}") from error
    return len(table)
