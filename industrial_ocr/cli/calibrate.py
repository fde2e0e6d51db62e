"""The command ``industrial-ocr calibrate``."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from industrial_ocr.cli import export
from industrial_ocr.cli import output as cli_output
from industrial_ocr.cli.output import WRONG_USAGE, note, one_line_errors, show_table
from industrial_ocr.errors import ConfigError

if TYPE_CHECKING:
    from industrial_ocr.decoding.calibration import Calibration

SHOWN_RATES = (0.05, 0.01, 0.001)


def calibrate(
    data: Annotated[list[Path], typer.Argument(help="Folders or label files.")],
    out: Annotated[Path, typer.Option(help="The calibration, for Reader(calibration=...).")],
    pattern: Annotated[str | None, typer.Option(help="What the codes look like.")] = None,
    suite: Annotated[
        Path | None, typer.Option(help="YAML of datasets; DATA is the folder they are in.")
    ] = None,
    match: Annotated[str, typer.Option(help="exact, or contains.")] = "exact",
    task: Annotated[str | None, typer.Option(help="read or recognize.")] = None,
    label_format: Annotated[
        str | None, typer.Option("--format", help="Of the labels; else detected.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="First images of each dataset; 0: all.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    config: Annotated[Path | None, typer.Option(help="fast, or a YAML with settings.")] = None,
    detector: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    classifier: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    recognizer: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    bundle: export.BundleOption = None,
) -> None:
    """Fits confidences to your labeled images and measures how often each way misreads."""
    with one_line_errors(WRONG_USAGE):
        from industrial_ocr.evaluation.session import TASKS, plan_run

        if not out.parent.is_dir():
            raise ConfigError(f"{out}: there is no folder {out.parent}")
        judging = {"pattern": pattern, "match": match, "task": task}
        plan = plan_run(data, suite, judging, label_format, limit, [])
        for dataset in plan.datasets:
            note(f"{dataset.name}: {len(dataset.samples)} samples, {TASKS[dataset.task]}")
    with one_line_errors(), cli_output.progress_bar(True) as progress:
        from industrial_ocr.evaluation.calibrate import calibrate as measure

        settings = export.make_reader(bundle, config=config).config
        # Nothing is refused, so that the curve shows every threshold.
        nothing = dict.fromkeys(("min_confidence", "min_code_confidence"), 0.0)
        free = settings.confidence.model_copy(update=nothing)
        settings = settings.model_copy(update={"confidence": free})

        def make_reader(calibration: Calibration) -> Any:
            return export.make_reader(
                bundle,
                unset=("max_misread_rate",),
                device=device,
                config=settings,
                detector=detector,
                classifier=classifier,
                recognizer=recognizer,
                calibration=calibration,
            )

        about = {
            "data": ", ".join(d.name for d in plan.datasets),
            "pattern": pattern or ("by dataset" if suite else "none"),
            "date": datetime.date.today().isoformat(),
        }
        found = measure(
            make_reader, plan.datasets, plan.rules, about,
            lambda jobs, what: progress.track(jobs, description=what),
        )  # fmt: skip
        found.save(out)
    _show(found)
    note(f"calibration in {out}: Reader(calibration={str(out)!r}, max_misread_rate=...)")


def _show(found: Calibration) -> None:
    """The temperatures, and what each way reads at some misread rates."""
    from rich.table import Table

    for task, value in found.temperatures.items():
        typer.echo(f"temperature of the {task}: {value:.2f}")
    table = Table()
    for i, name in enumerate(("way", "texts", *(f"misread <= {r:g}" for r in SHOWN_RATES))):
        table.add_column(name, justify="right" if i else "left")
    for name, curve in found.curves.items():
        cells = []
        for rate in SHOWN_RATES:
            try:
                least = curve.threshold(rate)
            except ConfigError:
                cells.append("-")
                continue
            accepted = int(curve.accepted[list(curve.thresholds).index(least)])
            cells.append(f"{accepted / max(curve.total, 1):.0%} accepted, from {least:.2f}")
        table.add_row(name, str(curve.total), *cells)
    show_table(table)
