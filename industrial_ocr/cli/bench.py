"""The commands ``industrial-ocr bench`` and ``industrial-ocr dataset``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from industrial_ocr.cli import output as cli_output
from industrial_ocr.cli.output import (
    FAILED,
    WRONG_USAGE,
    complain,
    note,
    one_line_errors,
    show_table,
)
from industrial_ocr.errors import DatasetError

if TYPE_CHECKING:
    from industrial_ocr.datasets.samples import Dataset
    from industrial_ocr.evaluation.compare import Comparison
    from industrial_ocr.evaluation.label_matching import Rules
    from industrial_ocr.evaluation.records import RecordedRun

SHOWN_CHANGES = 12
DEFAULT_ENGINES = "two-stage,crnn,rapidocr,tesseract"


class RunByDefault(TyperGroup):
    """``bench DATA`` is ``bench run DATA``; ``bench compare`` and the like are commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


bench_app = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    help="Compares engines on labeled images: bench DATA... --engines a,b; bench compare A B.",
)
dataset_app = typer.Typer(
    no_args_is_help=True, help="Checks labeled images and converts between formats."
)

Data = Annotated[list[Path], typer.Argument(help="Folders or label files.")]
Format = Annotated[str | None, typer.Option("--format", help="Of the labels; else detected.")]


@bench_app.command("run")
def run(
    data: Data,
    engines: Annotated[str, typer.Option(help="Comma-separated names.")] = DEFAULT_ENGINES,
    out: Annotated[Path, typer.Option(help="Results; run again to continue.")] = Path("bench"),
    suite: Annotated[
        Path | None, typer.Option(help="YAML of datasets; DATA is the folder they are in.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help="Of the codes: a preset, or a regular expression.")
    ] = None,
    match: Annotated[str, typer.Option(help="exact, or contains.")] = "exact",
    verbatim: Annotated[
        bool, typer.Option("--verbatim", help="Compare as written, not A-Z0-9 in upper case.")
    ] = False,
    task: Annotated[str | None, typer.Option(help="read, recognize or classify.")] = None,
    label_format: Format = None,
    threshold: Annotated[
        list[str] | None, typer.Option(help="ENGINE=VALUE: refuse below it; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="First images of each dataset; 0: all.")] = 0,
    lexicon: Annotated[
        str | None, typer.Option(help="FILE, or 'labels': adds crnn under it as an engine.")
    ] = None,
    oracle: Annotated[
        bool, typer.Option("--oracle", help="Also read with the labeled boxes given.")
    ] = False,
    write_routes: Annotated[
        Path | None, typer.Option(help="Write what was measured for --engine auto there (YAML).")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also measure memory and start in fresh processes.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    config: Annotated[Path | None, typer.Option(help="fast, or a YAML with settings.")] = None,
    detector: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    classifier: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    recognizer: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
) -> None:
    """Runs engines over datasets: a table, results.jsonl and report.html in --out."""
    options = {
        "device": device, "config": None if config is None else str(config), "detector": detector,
        "classifier": classifier, "recognizer": recognizer,
    }  # fmt: skip
    judging = {
        "pattern": pattern, "match": match, "verbatim": verbatim, "task": task, "lexicon": lexicon,
    }  # fmt: skip
    with one_line_errors(WRONG_USAGE):
        from industrial_ocr.evaluation import outputs, session

        plan = session.plan_run(data, suite, judging, label_format, limit, threshold or [])
        session.prepare_folder(out)
        team = session.build_engines(engines.split(","), plan, lexicon, options)
        for line in team.missing.values():
            note(f"left out: {line}")
        for dataset in plan.datasets:
            what = session.TASKS[dataset.task]
            note(f"{dataset.name}: {len(dataset.samples)} images, {what}")
        for name in plan.absent:
            note(f"{name} of the suite is not there: left out")
        asked = {e.name for e in team.engines}
        limits = (f"{k} below {v:g}" for k, v in plan.thresholds.items() if k in asked)
        note(f"counted as rejected: {', '.join(limits) or 'nothing'} (--threshold ENGINE=VALUE)")
    with one_line_errors(), cli_output.progress_bar(True) as progress:
        track = partial(progress.track, description="reading")
        recorded = session.run(plan, team, out, ["bench", *sys.argv[2:]], track)
    _show(recorded, plan.rules, plan.thresholds)
    with one_line_errors():
        extras = session.extras(plan, team, options, oracle, probe)
        for line in extras:
            typer.echo(line)
        outputs.write_outputs(out, recorded, plan, extras)
        note(f"results, tables and report in {out}")
        if write_routes is not None:
            known = outputs.write_routes(write_routes, recorded, plan)
            note(f"routes of {known} patterns in {write_routes}")


def _show(
    recorded: RecordedRun, rules: Mapping[str, Rules], thresholds: Mapping[str, float]
) -> None:
    from industrial_ocr.evaluation import summary

    summaries = summary.summarize_run(recorded.records, rules, thresholds)
    _print(summary.RESULT_HEADERS, map(summary.table_row, summaries))
    detected = summary.detection_rows(summaries)
    if detected:
        _print(summary.DETECTION_HEADERS, detected)
    failed = sum(s.failed for s in summaries)
    if failed:
        note(f"{failed} readings failed; results.jsonl holds the reasons")


def _print(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table()
    for i, name in enumerate(headers):
        table.add_column(name, justify="left" if i < 2 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    # Piped, the table keeps its full width instead of folding at 80 columns.
    show_table(table)


@bench_app.command("compare")
def compare(
    before: Annotated[Path, typer.Argument(help="results.jsonl of the first run.")],
    after: Annotated[Path, typer.Argument(help="results.jsonl of the second run.")],
    suite: Annotated[Path | None, typer.Option(help="YAML that says how labels count.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What got better and what got worse between two runs, image by image."""
    with one_line_errors(WRONG_USAGE):
        from industrial_ocr.evaluation import session
        from industrial_ocr.evaluation.compare import compare_runs
        from industrial_ocr.evaluation.records import load_run

        runs = [load_run(p / "results.jsonl" if p.is_dir() else p) for p in (before, after)]
        found = compare_runs(runs[0], runs[1], session.recorded_rules(runs[1], suite))
        if not found:
            raise DatasetError("the two runs have no dataset and engine in common")
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(c) for c in found], indent=1))
        return
    headers = ("dataset", "engine", "n", "before", "after", "difference", "95 %", "p", "+", "-")
    _print(headers, map(_compared, found))
    for comparison in found:
        for sign, changes in (("+", comparison.better), ("-", comparison.worse)):
            for change in changes[:SHOWN_CHANGES]:
                typer.echo(
                    f"{sign} {comparison.dataset} {comparison.engine} {change.image}: "
                    f"{change.truth!r} was {change.before!r}, is {change.after!r}"
                )
            if len(changes) > SHOWN_CHANGES:
                typer.echo(f"{sign} ... {len(changes) - SHOWN_CHANGES} more (--json has all)")


def _compared(comparison: Comparison) -> tuple[str, ...]:
    d = comparison.difference
    return (
        comparison.dataset, comparison.engine, str(comparison.labels),
        *(f"{100 * a:.1f}" for a in comparison.accuracy), f"{100 * d.difference:+.1f}",
        f"{100 * d.low:+.1f} to {100 * d.high:+.1f}", f"{d.p_value:.3f}",
        str(len(comparison.better)), str(len(comparison.worse)),
    )  # fmt: skip


@bench_app.command("reroute")
def reroute(
    results: Annotated[Path, typer.Argument(help="Folder of a run, or its results.jsonl.")],
    suite: Annotated[Path | None, typer.Option(help="YAML that says how labels count.")] = None,
    routes: Annotated[
        Path | None, typer.Option(help="Of --write-routes: what was measured.")
    ] = None,
    threshold: Annotated[list[str] | None, typer.Option(help="ENGINE=VALUE.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table there (Markdown).")] = None,
) -> None:
    """What agree and auto would have made of a run of two-stage and crnn; reads no image."""
    with one_line_errors(WRONG_USAGE):
        from industrial_ocr.evaluation import outputs, session
        from industrial_ocr.evaluation.records import load_run
        from industrial_ocr.evaluation.reroute import reroute as routed
        from industrial_ocr.reader.router import load_routes

        recorded = load_run(results / "results.jsonl" if results.is_dir() else results)
        rules = session.recorded_rules(recorded, suite)
        limits = session.thresholds_of(threshold or [])
        table = {} if routes is None else load_routes(routes)
        recorded = routed(recorded, rules, table, limits["agree"])
    _show(recorded, rules, limits)
    if out is not None:
        with one_line_errors():
            outputs.write_table(out, recorded, rules, limits)
            note(f"the table is in {out}")


@bench_app.command("report")
def report(
    results: Annotated[Path, typer.Argument(help="Folder of a run, or its results.jsonl.")],
    data: Annotated[list[Path], typer.Argument(help="The datasets, for the pictures.")],
    suite: Annotated[Path | None, typer.Option(help="YAML that says how labels count.")] = None,
    threshold: Annotated[list[str] | None, typer.Option(help="ENGINE=VALUE.")] = None,
) -> None:
    """Scores a recorded run again, without reading any image again, and writes its report."""
    with one_line_errors(WRONG_USAGE):
        from industrial_ocr.evaluation import outputs, session
        from industrial_ocr.evaluation.records import load_run

        file = results / "results.jsonl" if results.is_dir() else results
        recorded = load_run(file)
        plan = session.plan_run(data, suite, {}, None, 0, threshold or [])
        rules = session.recorded_rules(recorded, suite)
        plan = replace(plan, rules=rules)
    _show(recorded, plan.rules, plan.thresholds)
    with one_line_errors():
        outputs.write_outputs(file.parent, recorded, plan, [])


@dataset_app.command("check")
def check(
    data: Data,
    label_format: Format = None,
    any_text: Annotated[
        bool, typer.Option("--any-text", help="Labels may hold characters the models lack.")
    ] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet (PNG) there.")] = None,
) -> None:
    """Lists every bad row and image. Exit code 1 when there is one."""
    from industrial_ocr.datasets.check import check_dataset, contact_sheet
    from industrial_ocr.datasets.datasets import read_dataset

    bad = False
    with one_line_errors(WRONG_USAGE):
        for path in data:
            dataset, problems = read_dataset(path, label_format)
            bad = _check_one(dataset, problems, any_text, check_dataset) or bad
            if sheet is not None and dataset.samples:
                from PIL import Image

                name = sheet if len(data) == 1 else sheet.with_stem(f"{sheet.stem}-{dataset.name}")
                Image.fromarray(contact_sheet(dataset)).save(name)
                note(f"contact sheet of {dataset.name} in {name}")
    if bad:
        raise typer.Exit(FAILED)


def _check_one(dataset: Dataset, problems: Any, any_text: bool, checker: Any) -> bool:
    from industrial_ocr.patterns.charset import Charset

    with cli_output.progress_bar(True) as progress:
        job = progress.add_task(f"checking {dataset.name}", total=len(dataset.samples))

        def step(done: int, total: int) -> None:
            progress.update(job, completed=done, total=total)

        found = checker(dataset, None if any_text else Charset(), step, problems)
    for problem in found.problems:
        typer.echo(str(problem))
    typer.echo(
        f"{dataset.name} ({dataset.format}, {dataset.task}): {found.images} images, "
        f"{found.labels} labels, {found.boxes} boxes, {len(found.problems)} problems"
    )
    return bool(found.problems)


@dataset_app.command("convert")
def convert(
    data: Annotated[Path, typer.Argument(help="Folder or label file.")],
    to: Annotated[str, typer.Argument(help="Format to write.")],
    out: Annotated[Path, typer.Argument(help="New or empty folder.")],
    label_format: Format = None,
    lossy: Annotated[
        bool, typer.Option("--lossy", help="Drop what the format cannot hold.")
    ] = False,
) -> None:
    """Writes a dataset in another format, images copied."""
    with one_line_errors(WRONG_USAGE):
        from industrial_ocr.datasets.convert import convert_dataset
        from industrial_ocr.datasets.datasets import load_dataset

        written = convert_dataset(load_dataset(data, label_format), to, out, lossy=lossy)
    typer.echo(f"{written} images in {out}")


@dataset_app.command("manifest")
def manifest(
    data: Annotated[Path, typer.Argument(help="Folder or label file.")],
    file: Annotated[Path, typer.Argument(help="Names and sha256 of the images, tab-separated.")],
    label_format: Format = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare with FILE instead of writing it.")
    ] = False,
) -> None:
    """Writes which images a dataset holds, or checks that they are the same."""
    with one_line_errors(WRONG_USAGE):
        from industrial_ocr.datasets.datasets import load_dataset
        from industrial_ocr.datasets.digests import read_manifest, sample_digests, write_manifest

        found = sample_digests(load_dataset(data, label_format))
        if not verify:
            write_manifest(file, found)
            typer.echo(f"{len(found)} images in {file}")
            return
        wanted = read_manifest(file)
    different = [name for name in wanted if found.get(name) != wanted[name]]
    different += [name for name in found if name not in wanted]
    for name in different:
        state = "missing" if name not in found else "new" if name not in wanted else "different"
        complain(f"{name}: {state}")
    typer.echo(f"{len(wanted) - len(different)} of {len(wanted)} images are the same")
    if different:
        raise typer.Exit(FAILED)
