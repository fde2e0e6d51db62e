"""The report of a benchmark run: a single HTML file.

The page has no scripts and makes no requests: figures are inline SVG, pictures are data URIs, and
its content security policy forbids everything else. Texts of datasets and engines are escaped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from industrial_ocr.evaluation import report_figures as figures
from industrial_ocr.evaluation.compare import compare_engines
from industrial_ocr.evaluation.curves import reliability_bins
from industrial_ocr.evaluation.error_attribution import ERROR_STAGES
from industrial_ocr.evaluation.metrics import accuracy_by_kind, per_position_accuracy, text_pairs
from industrial_ocr.evaluation.records import RecordedRun
from industrial_ocr.evaluation.report_gallery import Sources, gallery
from industrial_ocr.evaluation.summary import (
    DETECTION_HEADERS,
    RESULT_HEADERS,
    Summary,
    detection_rows,
    interval,
    known_confidences,
    milliseconds,
    percent,
    table_row,
)
from industrial_ocr.results.files import write_whole

STAGE_NOTE = (
    "Codes that were not read right, whatever the confidence. No string: nothing was read in the "
    "place. No box: a character has no box. Merged or split box: two characters have one box, or "
    "one has two. Wrong link: the characters are right, their order is not. Wrong class: a "
    "character was read as another one. Decoding: the text was read, but the pattern chose another "
    "one. Misread: the text is wrong; the steps in between are known for two-stage alone."
)
"""What the stages of ``error_attribution.ERROR_STAGES`` mean."""


@dataclass(frozen=True)
class ReportTable:
    """A table of the page.

    Attributes:
        engine: column of the engine's name; None if there is none.
        names: number of first columns that are words, not numbers.
        engines_above: whether the headers are engines.
    """

    caption: str
    headers: Sequence[str]
    rows: Sequence[tuple[str, ...]]
    engine: int | None = 0
    names: int = 1
    engines_above: bool = False
    note: str = ""


def _engine_figures(summary: Summary, style: figures.Style) -> dict[str, Any]:
    """The data of one engine in the section of a dataset, for the template."""
    where = f"{summary.engine} on {summary.dataset}"
    diagram = None
    confidences, right = known_confidences(summary.labels, summary.rules)
    if confidences:
        bins = reliability_bins(confidences, right)
        diagram = figures.reliability_figure(bins, style, f"Reliability diagram of {where}")
        n, error = len(confidences), percent(summary.calibration_error)
        about = f"{n} reading{'s' if n > 1 else ''}, calibration error (ECE) {error} %"
    elif any(x.prediction.reading for x in summary.labels):
        about = "gives no confidence"
    else:
        about = "read nothing"
    rows = [(t or "nothing", r or "nothing", str(n)) for (t, r), n in summary.confusions[:20]]
    caption = f"Most frequent confusions of {summary.engine}"
    return {
        "engine": summary.engine,
        "reliability": diagram,
        "about": about,
        "confusion": figures.confusion_figure(summary.confusions, f"Confusion matrix of {where}")
        if rows
        else None,
        "pairs": ReportTable(caption, ("true", "read", "times"), rows, None, names=2),
    }


def _stage_table(own: Sequence[Summary]) -> ReportTable:
    rows = []
    for stage in ERROR_STAGES:
        lost = [(s.lost.get(stage, 0), s.counts.total) for s in own]
        if any(n for n, _ in lost):
            rows.append((stage, *(f"{n} ({percent(n / total)} %)" for n, total in lost)))
    headers = ("stage", *(s.engine for s in own))
    caption = "Codes lost, by stage (share of all codes)"
    return ReportTable(caption, headers, rows, None, engines_above=True, note=STAGE_NOTE)


def _difference_table(own: Sequence[Summary]) -> ReportTable:
    rows = []
    for found in compare_engines(own):
        second, first = found.engine.split(" > ")
        p = found.difference.p_value
        counts = (str(len(found.better)), str(len(found.worse)))
        p_cell = "< 0.001" if p < 0.001 else f"{p:.3f}"
        rows.append((first, second, str(found.labels), *found.cells(), p_cell, *counts))
    headers = [
        "engine",
        "against",
        "codes",
        "difference",
        "95 %",
        "p",
        "only first right",
        "only second",
    ]
    note = (
        "Percentage points, paired bootstrap over the codes of both engines; p is two-sided and "
        "not corrected for the number of comparisons."
    )
    caption = "Paired differences of the share read right"
    return ReportTable(caption, headers, rows, names=2, note=note)


def _position_table(own: Sequence[Summary]) -> ReportTable:
    """Accuracy by position, if all codes of the dataset have the same length."""
    lengths = set()
    for s in own:
        lengths |= {len(s.rules.comparison.pair(x.prediction.truth, "")[0]) for x in s.labels}
    length = max(lengths)
    rows = []
    for s in own if len(lengths) == 1 and length > 1 else ():
        pairs = text_pairs([x.prediction for x in s.labels], s.rules.comparison)
        places = per_position_accuracy(pairs)
        cells = [percent(p.rate) for p in places] or ["-" for _ in range(length)]
        rows.append((s.engine, str(places[0].total if places else 0), *cells))
    caption = "Right characters by position, % (readings of the full length only)"
    return ReportTable(caption, ("engine", "n", *(str(i + 1) for i in range(length))), rows)


def _kind_table(own: Sequence[Summary]) -> ReportTable:
    """Accuracy by the kind of label, if there are several kinds."""
    rows = []
    for s in own:
        groups = accuracy_by_kind([x.prediction for x in s.labels], s.rules.comparison)
        for kind, found in groups.items():
            rows.append((s.engine, kind, str(found.total), percent(found.rate), interval(found)))
    if len({row[1] for row in rows}) < 2:
        rows = []
    headers = ("engine", "kind", "n", "right", "95 %")
    return ReportTable("Right by kind of code, %", headers, rows, names=2)


def _time_tables(own: Sequence[Summary]) -> list[ReportTable]:
    rows, steps = [], []
    stages: dict[str, None] = {}
    for s in own:
        total = sum(s.seconds)
        rate = f"{len(s.seconds) / total:.2f}" if total > 0 else "-"
        latency = (milliseconds(s.latency(q)) for q in (50, 95, 99))
        rows.append((s.engine, str(len(s.seconds)), str(s.failed), *latency, rate))
        stages |= dict.fromkeys(s.timings)
    for s in own:
        if s.timings:
            cells = (milliseconds(s.timings.get(stage, math.nan), 1) for stage in stages)
            steps.append((s.engine, *cells))
    headers = ("engine", "images", "failed", "p50 ms", "p95 ms", "p99 ms", "images/s")
    return [
        ReportTable("Wall time of an image", headers, rows),
        ReportTable("Mean time of an image by stage, ms", ("engine", *stages), steps),
    ]


def _section(
    own: Sequence[Summary],
    number: int,
    about: Mapping[str, Any],
    sources: Sources,
    styles: Mapping[str, figures.Style],
) -> dict[str, Any]:
    """The section of one dataset, for the template."""
    name = own[0].dataset
    points = {s.engine: (s.counts.misread_rate, s.counts.read_rate) for s in own}
    title = f"Read rate over misread rate on {name}, of {', '.join(points)}"
    tables = (
        _stage_table(own),
        _difference_table(own),
        _kind_table(own),
        _position_table(own),
        *_time_tables(own),
    )
    shown, more = gallery(own, sources, styles)
    settings = (_part(about, part).get(name) for part in ("datasets", "judging"))
    return {
        "name": name,
        "anchor": f"dataset-{number}",
        "about": "; ".join(_settings_text(s) for s in settings if s),
        "rates": figures.rate_figure({s.engine: s.curve for s in own}, points, styles, title),
        "engines": [_engine_figures(s, styles[s.engine]) for s in own],
        "tables": [t for t in tables if t.rows],
        "gallery": shown,
        "more": more,
    }


def _part(about: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping in the description of a run; empty if it is missing."""
    part = about.get(name)
    return part if isinstance(part, Mapping) else {}


def _settings_text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_settings_text(v)}" for k, v in value.items())
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _settings(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The description of a run, without the parts that have sections of their own."""
    elsewhere = ("command", "machine", "datasets", "judging")
    told = {k: v for k, v in about.items() if k not in elsewhere}
    parts = [*_part(about, "machine").items(), *told.items()]
    return [(k, _settings_text(v)) for k, v in parts]


def _machine(about: Mapping[str, Any]) -> str:
    machine = {k: v for k, v in _part(about, "machine").items() if v is not None}
    told = [machine.get("date"), machine.get("processor")]
    if "cores" in machine:
        told.append(f"{machine['cores']} cores")
    if "accelerator" in machine:
        told.append(f"accelerator {machine['accelerator']}")
    return ", ".join(_settings_text(each) for each in told if each)


def _main_tables(summaries: Sequence[Summary]) -> list[ReportTable]:
    rows = [table_row(s) for s in summaries]
    found = detection_rows(summaries)
    tables = (
        ReportTable("Results; rates in percent", RESULT_HEADERS, rows, 1, 2),
        ReportTable("Boxes found at IoU 0.5; rates in percent", DETECTION_HEADERS, found, 1, 3),
    )
    return [t for t in tables if t.rows]


def _by_dataset(summaries: Iterable[Summary]) -> list[list[Summary]]:
    groups: dict[str, list[Summary]] = {}
    for summary in summaries:
        groups.setdefault(summary.dataset, []).append(summary)
    return list(groups.values())


def write_report(
    path: Path, run: RecordedRun, summaries: Sequence[Summary], sources: Sources
) -> None:
    """Writes the report of a run; an existing file is replaced atomically.

    Args:
        path: the HTML file.
        run: the run, with its settings, versions and machine.
        summaries: summaries from ``summary.summarize_run``.
        sources: files of the images; an image without one is listed without a picture.

    Raises:
        OSError: the file cannot be written.
    """
    styles = figures.engine_styles([s.engine for s in summaries])
    sections = [
        _section(own, i + 1, run.about, sources, styles)
        for i, own in enumerate(_by_dataset(summaries))
    ]
    page = figures.PAGE_TEMPLATES.get_template("report.html.j2").render(
        command=_settings_text(run.about.get("command", "")),
        machine=_machine(run.about),
        settings=_settings(run.about),
        tables=_main_tables(summaries),
        thresholds={s.engine: f"{s.threshold:g}" for s in summaries},
        sections=sections,
        swatches={engine: figures.swatch(style) for engine, style in styles.items()},
        unfolded=len(sections) <= 3,  # more galleries would hide the figures
        most_symbols=figures.MOST_SYMBOLS,
    )
    # File names may have lone surrogates, which become character references.
    write_whole(path, page.encode("utf-8", "xmlcharrefreplace"))
