"""The report of a benchmark run: one HTML file that needs nothing besides itself.

No script, no request: figures are inline SVG, pictures data URIs, and the page's own content
security policy forbids anything else. What comes from datasets and engines is escaped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from industrial_ocr.evaluation.blame import STAGES
from industrial_ocr.evaluation.compare import compare_summaries
from industrial_ocr.evaluation.curves import reliability_bins
from industrial_ocr.evaluation.metrics import (
    Outcome,
    pairs_of,
    per_group_accuracy,
    per_position_accuracy,
)
from industrial_ocr.evaluation.records import RecordedRun
from industrial_ocr.evaluation.report_figures import (
    MOST_SYMBOLS,
    Style,
    confusion_figure,
    engine_styles,
    rate_figure,
    reliability_figure,
    swatch,
)
from industrial_ocr.evaluation.report_gallery import Failure, Sources, gallery, result_of
from industrial_ocr.evaluation.summary import (
    DETECTION_HEADERS,
    HEADERS,
    Summary,
    detection_rows,
    percent,
    table_row,
)
from industrial_ocr.results.files import write_whole

MOST_CONFUSIONS = 20
FEW_DATASETS = 3
"""Up to so many, the galleries are unfolded."""


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        caption: one line.
        headers: of the columns.
        rows: their cells.
        engine: column of the engine's name, None without one.
        names: how many of the first columns are words, not numbers.
        engines_above: the headers are engines.
        note: what to know about it.
    """

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    engine: int | None = 0
    names: int = 1
    engines_above: bool = False
    note: str = ""


@dataclass(frozen=True)
class EngineFigures:
    """What a dataset's section shows of one engine.

    Attributes:
        engine: name.
        reliability: diagram, None without confidences.
        confusion: heat map, None where nothing was confused.
        pairs: table of the most frequent confusions.
        about: line under the reliability diagram.
    """

    engine: str
    reliability: Markup | None
    confusion: Markup | None
    pairs: Table
    about: str


@dataclass(frozen=True)
class Section:
    """Everything on one dataset."""

    name: str
    anchor: str
    about: str
    rates: Markup
    engines: tuple[EngineFigures, ...]
    tables: tuple[Table, ...]
    gallery: tuple[Failure, ...]
    more: int


def _number(cell: str) -> str:
    return "-" if cell in ("nan", "nan-nan") else cell


def _fixed(value: float, digits: int, unit: float = 1.0) -> str:
    return f"{unit * value:.{digits}f}" if math.isfinite(value) else "-"


def _engine_figures(summary: Summary, style: Style) -> EngineFigures:
    known = [
        (a.item.confidence, result_of(a, summary, 0.0) is Outcome.CORRECT)
        for a in summary.answers
        if a.item.confidence is not None and a.item.reading
    ]
    diagram = None
    read = any(a.item.reading for a in summary.answers)
    about = "gives no confidence" if read else "read nothing"
    if known:
        bins = reliability_bins([c for c, _ in known], [right for _, right in known])
        name = f"Reliability diagram of {summary.engine} on {summary.dataset}"
        diagram = reliability_figure(bins, style, name)
        error = percent(summary.calibration_error)
        about = f"{len(known)} reading{'s' * (len(known) > 1)}, calibration error (ECE) {error} %"
    rows = tuple(
        (true or "nothing", read or "nothing", str(n))
        for (true, read), n in summary.confusions[:MOST_CONFUSIONS]
    )
    name = f"Confusion matrix of {summary.engine} on {summary.dataset}"
    confusion = confusion_figure(summary.confusions, name) if rows else None
    caption = f"Most frequent confusions of {summary.engine}"
    table = Table(caption, ("true", "read", "times"), rows, None, names=2)
    return EngineFigures(summary.engine, diagram, confusion, table, about)


def _stages(own: Sequence[Summary]) -> Table:
    rows = tuple(
        (stage, *(f"{s.lost.get(stage, 0)} ({percent(s.lost.get(stage, 0) / s.counts.total)} %)"
                  for s in own))
        for stage in STAGES if any(s.lost.get(stage) for s in own)
    )  # fmt: skip
    return Table("Codes lost, by stage (share of all codes)",
                 ("stage", *(s.engine for s in own)), rows, None, engines_above=True)  # fmt: skip


def _differences(own: Sequence[Summary]) -> Table:
    rows = []
    for first, second in combinations(own, 2):
        found = compare_summaries(second, first)
        if found is None:
            continue
        d = found.difference
        rows.append((
            first.engine, second.engine, str(found.labels), f"{100 * d.difference:+.1f}",
            f"{100 * d.low:+.1f} to {100 * d.high:+.1f}",
            "< 0.001" if d.p_value < 0.001 else f"{d.p_value:.3f}",
            str(len(found.better)), str(len(found.worse)),
        ))  # fmt: skip
    headers = ("engine", "against", "codes", "difference", "95 %", "p",
               "only first right", "only second")  # fmt: skip
    note = (
        "Percentage points, bootstrapped over the codes that both were given; p is two-sided and "
        "not corrected for the number of comparisons."
    )
    caption = "Paired differences of the share read right"
    return Table(caption, headers, tuple(rows), names=2, note=note)


def _positions(own: Sequence[Summary]) -> Table:
    caption = "Right characters by position, % (of the readings of the full length)"
    lengths = {len(s.rules.folding.pair(a.item.truth, "")[0]) for s in own for a in s.answers}
    rows: tuple[tuple[str, ...], ...] = ()
    length = max(lengths)
    if len(lengths) == 1 and length > 1:
        found = [per_position_accuracy(
            pairs_of([a.item for a in s.answers], s.rules.folding, s.rules.matching)
        ) for s in own]  # fmt: skip
        rows = tuple(
            (s.engine, str(places[0].total if places else 0),
             *(percent(p.rate) for p in places), *["-"] * (length - len(places)))
            for s, places in zip(own, found, strict=True)
        )  # fmt: skip
    return Table(caption, ("engine", "n", *(str(i + 1) for i in range(length))), rows)


def _kinds(own: Sequence[Summary]) -> Table:
    """Accuracy by what kind of code it is, as the dataset's labels say."""
    found = [
        per_group_accuracy(
            [a.item for a in s.answers], matching=s.rules.matching, folding=s.rules.folding
        )
        for s in own
    ]
    kinds = sorted({kind for groups in found for kind in groups})
    rows = tuple(
        (s.engine, kind, str(g[kind].total), percent(g[kind].rate),
         "-".join(percent(x) for x in g[kind].interval))
        for s, g in zip(own, found, strict=True)
        for kind in kinds
        if kind in g
    )  # fmt: skip
    headers = ("engine", "kind", "n", "right", "95 %")
    return Table("Right by kind of code, %", headers, rows if len(kinds) > 1 else (), names=2)


def _times(own: Sequence[Summary]) -> Iterator[Table]:
    rows = []
    for s in own:
        total = sum(s.seconds)
        rate = _fixed(len(s.seconds) / total, 2) if total > 0 else "-"
        latency = (_fixed(v, 0, 1000) for v in s.latency)
        rows.append((s.engine, str(len(s.seconds)), str(s.failed), *latency, rate))
    headers = ("engine", "images", "failed", "p50 ms", "p95 ms", "p99 ms", "images/s")
    yield Table("Wall time of an image", headers, tuple(rows))
    stages = tuple(dict.fromkeys(stage for s in own for stage in s.timings))
    steps = tuple(
        (s.engine, *(_fixed(s.timings.get(stage, math.nan), 1, 1000) for stage in stages))
        for s in own if s.timings
    )  # fmt: skip
    yield Table("Mean time of an image by stage, ms", ("engine", *stages), steps)


def _section(
    own: Sequence[Summary], number: int, about: Mapping[str, Any], sources: Sources,
    styles: Mapping[str, Style],
) -> Section:  # fmt: skip
    name = own[0].dataset
    points = {s.engine: (s.counts.misread_rate, s.counts.read_rate) for s in own}
    title = f"Read rate over misread rate on {name}, of {', '.join(points)}"
    tables = (_stages(own), _differences(own), _kinds(own), _positions(own), *_times(own))
    shown, more = gallery(own, sources, styles)
    told = [
        _settings_text(part[name])
        for part in (_part(about, "datasets"), _part(about, "judging"))
        if part.get(name)
    ]
    return Section(
        name=name,
        anchor=f"dataset-{number}",
        about="; ".join(told),
        rates=rate_figure({s.engine: s.curve for s in own}, points, styles, title),
        engines=tuple(_engine_figures(s, styles[s.engine]) for s in own),
        tables=tuple(t for t in tables if t.rows),
        gallery=shown,
        more=more,
    )


def _part(about: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of what the run says of itself; nothing where it does not say it."""
    part = about.get(name)
    return part if isinstance(part, Mapping) else {}


def _settings_text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_settings_text(v)}" for k, v in value.items())
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _settings(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the run says of itself, besides what stands in sections of its own."""
    elsewhere = ("command", "machine", "datasets", "judging")
    told = [(k, _settings_text(v)) for k, v in about.items() if k not in elsewhere]
    return [*((k, _settings_text(v)) for k, v in _part(about, "machine").items()), *told]


def _machine(about: Mapping[str, Any]) -> str:
    machine = _part(about, "machine")
    named = ((machine.get("cores"), "{} cores"), (machine.get("accelerator"), "accelerator {}"))
    told = [machine.get("date"), machine.get("processor")]
    told += [form.format(value) for value, form in named if value is not None]
    return ", ".join(_settings_text(each) for each in told if each)


def _main_tables(summaries: Sequence[Summary]) -> tuple[Table, ...]:
    rows = tuple(tuple(_number(c) if i > 1 else c for i, c in enumerate(table_row(s)))
                 for s in summaries)  # fmt: skip
    found = tuple(detection_rows(summaries))
    tables = (
        Table("Results; rates in percent", HEADERS, rows, engine=1, names=2),
        Table("Boxes found at IoU 0.5; rates in percent", DETECTION_HEADERS, found, 1, 3),
    )
    return tuple(t for t in tables if t.rows)


def _grouped(summaries: Iterable[Summary]) -> list[list[Summary]]:
    groups: dict[str, list[Summary]] = {}
    for summary in summaries:
        groups.setdefault(summary.dataset, []).append(summary)
    return list(groups.values())


def write_report(
    path: Path,
    run: RecordedRun,
    summaries: Sequence[Summary],
    sources: Sources,
    title: str = "Benchmark report",
) -> None:
    """Writes the report of a run.

    Args:
        path: the HTML file; it is replaced as a whole.
        run: for its settings, versions and machine.
        summaries: of ``summary.summarize_run``.
        sources: by dataset and image name, what ``image.load.load_image`` takes; an image without
            one, or whose source cannot be loaded, is told of without a picture.
        title: of the page.

    Raises:
        OSError: the file cannot be written.
    """
    styles = engine_styles([s.engine for s in summaries])
    sections = [
        _section(own, i + 1, run.about, sources, styles)
        for i, own in enumerate(_grouped(summaries))
    ]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        title=title,
        command=_settings_text(run.about.get("command", "")),
        machine=_machine(run.about),
        settings=_settings(run.about),
        tables=_main_tables(summaries),
        thresholds={s.engine: f"{s.threshold:g}" for s in summaries},
        sections=sections,
        swatches={engine: swatch(style) for engine, style in styles.items()},
        unfolded=len(sections) <= FEW_DATASETS,
        most_symbols=MOST_SYMBOLS,
    )
    # File names need not be Unicode: a lone surrogate becomes a character reference.
    write_whole(path, page.encode("utf-8", "xmlcharrefreplace"))
