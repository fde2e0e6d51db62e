"""The commands ``industrial-ocr bench run|compare|reroute|report``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from industrial_ocr.cli import options, output
from industrial_ocr.errors import DatasetError

if TYPE_CHECKING:
    from industrial_ocr.evaluation.compare import Comparison
    from industrial_ocr.evaluation.label_matching import Rules
    from industrial_ocr.evaluation.records import RecordedRun
    from industrial_ocr.evaluation.session import BenchmarkPlan

Results = Annotated[Path, typer.Argument(help="Folder of a run, or its results.jsonl.")]


class RunByDefault(TyperGroup):
    """``bench DATA`` is ``bench run DATA``; ``bench compare`` and others are subcommands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


bench_app = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    help="Compares engines on labeled images: bench run DATA --engines crnn; bench compare A B.",
)


@bench_app.command("run")
@options.grouped
def run(
    data: options.DataFolders,
    engines: Annotated[
        str, typer.Option(help="Names, separated by commas; auto is what read uses.")
    ] = "auto,two-stage,crnn,rapidocr,tesseract",
    out: Annotated[
        Path, typer.Option(help="Folder of the results; a stopped run continues there.")
    ] = Path("bench"),
    threshold: options.Thresholds = None,
    lexicon: Annotated[
        str | None,
        typer.Option(
            help="Words of crops: a file, a folder with NAME.txt for each image, column (of "
            "labels.tsv), or labels (all labels)."
        ),
    ] = None,
    oracle: Annotated[
        bool,
        typer.Option(
            "--oracle", help="Also read with the labeled boxes instead of the detector's."
        ),
    ] = False,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Also measure memory and starting time in new processes."),
    ] = False,
    write_routes: Annotated[
        Path | None,
        typer.Option(help="YAML file to write, which tells auto the better engine of a pattern."),
    ] = None,
    *,
    judging: options.DataOptions,
    device: options.DeviceName = "auto",
    networks: options.Networks,
) -> None:
    """Runs engines over datasets; writes a table, results.jsonl and report.html to --out.

    A suite has more settings for each dataset: verbatim, labels, decode, engines. With --lexicon,
    the engine crnn+lexicon reads, too: it gives only the words of each image.
    """
    config = None if networks.config is None else str(networks.config)
    reader_options = {"device": device, **vars(networks), "config": config}
    with output.one_line_errors(output.WRONG_USAGE):
        from industrial_ocr.evaluation import outputs, session
        from industrial_ocr.evaluation.runner import prepare_folder

        plan = judging.plan(data, threshold or [], lexicon)
        prepare_folder(out)
        team = session.build_engines(engines.split(","), plan, reader_options)
        _describe(plan, team)
    with output.one_line_errors(), output.progress_bar() as progress:
        track = partial(progress.track, description="reading")
        recorded = session.run(plan, team, out, ["bench", *sys.argv[2:]], track)
    _show(recorded, plan.rules, plan.thresholds)
    with output.one_line_errors():
        extras = session.extras(plan, team, reader_options, oracle, probe)
        for line in extras:
            typer.echo(line)
        outputs.write_outputs(out, recorded, plan, extras)
        output.note(f"results, tables and report in {out}")
        if write_routes is not None:
            known = outputs.write_routes(write_routes, recorded, plan)
            output.note(f"routes of {known} patterns in {write_routes}")


def _describe(plan: BenchmarkPlan, team: Any) -> None:
    """Prints on stderr what will be run."""
    from industrial_ocr.evaluation.label_matching import odd_labels
    from industrial_ocr.evaluation.session import TASK_MEANINGS

    for reason in team.missing.values():
        output.note(f"left out: {reason}")
    for dataset in plan.datasets:
        output.note(f"{dataset.name}: {len(dataset.samples)} images, {TASK_MEANINGS[dataset.task]}")
        others, failing = odd_labels(dataset.labels, plan.rules[dataset.name])
        if others:
            output.note(f"  {len(others)} labels do not match the pattern and are left out")
        if failing:
            output.note(
                f"  fails the check of the pattern: {', '.join(failing)}; is the label right?"
            )
    for name in plan.absent:
        output.note(f"{name} of the suite is missing: left out")
    names = {e.name for e in team.engines}
    limits = (f"{k} below {v:g}" for k, v in plan.thresholds.items() if k in names)
    output.note(f"counted as rejected: {', '.join(limits) or 'nothing'} (--threshold ENGINE=VALUE)")


def _show(
    recorded: RecordedRun, rules: Mapping[str, Rules], thresholds: Mapping[str, float]
) -> None:
    """Prints the tables of a run."""
    from industrial_ocr.evaluation import summary

    summaries = summary.summarize_run(recorded.records, rules, thresholds)
    _print(summary.RESULT_HEADERS, map(summary.table_row, summaries))
    detected = summary.detection_rows(summaries)
    if detected:
        _print(summary.DETECTION_HEADERS, detected)
    failed = sum(s.failed for s in summaries)
    if failed:
        output.note(f"{failed} readings failed; results.jsonl holds the reasons")


def _print(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = output.new_table(*headers, right=headers[2:])
    for row in rows:
        table.add_row(*map(escape, row))
    output.show_table(table)


def _recorded(results: Path) -> RecordedRun:
    from industrial_ocr.evaluation.records import load_run

    return load_run(results / "results.jsonl" if results.is_dir() else results)


@bench_app.command("compare")
def compare(
    before: Annotated[Path, typer.Argument(help="Folder of the first run, or its results.jsonl.")],
    after: Annotated[Path, typer.Argument(help="Folder of the second run, or its results.jsonl.")],
    suite: options.SuiteFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Compares two runs image by image: what got better and what got worse."""
    with output.one_line_errors(output.WRONG_USAGE):
        from industrial_ocr.evaluation import session
        from industrial_ocr.evaluation.compare import compare_runs

        first, second = _recorded(before), _recorded(after)
        found = compare_runs(first, second, session.recorded_rules(second, suite))
        if not found:
            raise DatasetError("the two runs have no dataset and engine in common")
    if as_json:
        typer.echo(json.dumps([asdict(c) for c in found], indent=1))
        return
    headers = ("dataset", "engine", "n", "before", "after", "difference", "95 %", "p", "+", "-")
    _print(headers, map(_comparison_row, found))
    for comparison in found:
        _show_changes(comparison)


def _comparison_row(comparison: Comparison) -> tuple[str, ...]:
    before, after = comparison.accuracy
    return (
        comparison.dataset,
        comparison.engine,
        str(comparison.labels),
        f"{100 * before:.1f}",
        f"{100 * after:.1f}",
        *comparison.cells(),
        f"{comparison.difference.p_value:.3f}",
        str(len(comparison.better)),
        str(len(comparison.worse)),
    )


def _show_changes(comparison: Comparison, most: int = 12) -> None:
    for sign, changes in (("+", comparison.better), ("-", comparison.worse)):
        for change in changes[:most]:
            typer.echo(
                f"{sign} {comparison.dataset} {comparison.engine} {change.image}: "
                f"{change.truth!r} was {change.before!r}, is {change.after!r}"
            )
        if len(changes) > most:
            typer.echo(f"{sign} ... {len(changes) - most} more (--json prints all)")


@bench_app.command("reroute")
def reroute(
    results: Results,
    suite: options.SuiteFile = None,
    routes: Annotated[
        Path | None, typer.Option(help="YAML file from bench run --write-routes.")
    ] = None,
    threshold: options.Thresholds = None,
    out: Annotated[Path | None, typer.Option(help="Markdown file for the table.")] = None,
) -> None:
    """Computes agree and auto from a recorded run of two-stage and crnn; reads no image."""
    with output.one_line_errors(output.WRONG_USAGE):
        from industrial_ocr.evaluation import outputs, session
        from industrial_ocr.evaluation.reroute import reroute as routed
        from industrial_ocr.reader.router import load_routes

        recorded = _recorded(results)
        rules = session.recorded_rules(recorded, suite)
        limits = session.thresholds_of(threshold or [])
        table = {} if routes is None else load_routes(routes)
        recorded = routed(recorded, rules, table, limits["agree"])
    _show(recorded, rules, limits)
    if out is not None:
        with output.one_line_errors():
            outputs.write_table(out, recorded, rules, limits)
            output.note(f"the table is in {out}")


@bench_app.command("report")
def report(
    results: Results,
    data: options.DataFolders,
    suite: options.SuiteFile = None,
    threshold: options.Thresholds = None,
) -> None:
    """Scores a recorded run again, without reading images, and writes its report."""
    with output.one_line_errors(output.WRONG_USAGE):
        from industrial_ocr.evaluation import outputs, session

        recorded = _recorded(results)
        plan = options.DataOptions(suite).plan(data, threshold or [])
        plan = replace(plan, rules=session.recorded_rules(recorded, suite))
    _show(recorded, plan.rules, plan.thresholds)
    with output.one_line_errors():
        folder = results if results.is_dir() else results.parent
        outputs.write_outputs(folder, recorded, plan, [])
