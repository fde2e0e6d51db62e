"""The command ``industrial-ocr calibrate``."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from industrial_ocr.cli import options, output
from industrial_ocr.errors import ConfigError

if TYPE_CHECKING:
    from industrial_ocr.decoding.calibration import Calibration


def calibrate(
    data: options.Data,
    out: Annotated[Path, typer.Option(help="The calibration, for Reader(calibration=...).")],
    suite: options.Suite = None,
    split: options.Split = options.SplitName.ALL,
    pattern: options.CodePattern = None,
    match: options.Match = options.MatchName.EXACT,
    task: options.Task = None,
    label_format: options.LabelFormat = None,
    limit: options.Limit = 0,
    bundle: options.Bundle = None,
    device: options.Device = None,
    backend: options.Backend = None,
    precision: options.Precision = None,
    threads: options.Threads = None,
    config: options.Config = None,
    detector: options.Weights = None,
    classifier: options.Weights = None,
    recognizer: options.Weights = None,
) -> None:
    """Fits confidences to your labeled images and measures how often each engine misreads."""
    with output.one_line_errors(output.WRONG_USAGE):
        from industrial_ocr.evaluation.session import TASKS, plan_run

        if not out.parent.is_dir():
            raise ConfigError(f"{out}: there is no folder {out.parent}")
        judged = options.judging(pattern, match, task)
        plan = plan_run(data, suite, judged, label_format, limit, [], split.value)
        for dataset in plan.datasets:
            output.note(f"{dataset.name}: {len(dataset.samples)} samples, {TASKS[dataset.task]}")
    with output.one_line_errors(), output.progress_bar() as progress:
        from industrial_ocr.evaluation.calibrate import calibrate as measure

        settings = options.make_reader(bundle, config=config).config
        # Nothing is rejected, so that the curve shows every threshold.
        accept_all = dict.fromkeys(("min_confidence", "min_code_confidence"), 0.0)
        confidence = settings.confidence.model_copy(update=accept_all)
        settings = settings.model_copy(update={"confidence": confidence})

        def make_reader(calibration: Calibration) -> Any:
            return options.make_reader(
                bundle,
                unset=("max_misread_rate",),
                device=device,
                backend=backend and backend.value,
                precision=precision and precision.value,
                threads=threads,
                config=settings,
                detector=detector,
                classifier=classifier,
                recognizer=recognizer,
                calibration=calibration,
            )

        def track(jobs: Any, what: str) -> Any:
            return progress.track(jobs, description=what)

        about = {
            "data": ", ".join(d.name for d in plan.datasets),
            "pattern": pattern or ("by dataset" if suite else "none"),
            "date": datetime.date.today().isoformat(),
        }
        found = measure(make_reader, plan.datasets, plan.rules, about, track)
        found.save(out)
    _show(found)
    output.note(f"calibration in {out}: Reader(calibration={str(out)!r}, max_misread_rate=...)")


def _show(found: Calibration, rates: Sequence[float] = (0.05, 0.01, 0.001)) -> None:
    """Prints the temperatures, and what each engine accepts at some misread rates."""
    for task, value in found.temperatures.items():
        typer.echo(f"temperature of the {task}: {value:.2f}")
    headers = ["texts", *(f"misread <= {rate:g}" for rate in rates)]
    table = output.new_table("way", *headers, right=headers)
    for name, curve in found.curves.items():
        table.add_row(name, str(curve.total), *(_accepted(curve, rate) for rate in rates))
    output.show_table(table)


def _accepted(curve: Any, rate: float) -> str:
    """The share accepted at a misread rate and the threshold for it."""
    try:
        least = curve.threshold(rate)
    except ConfigError:
        return "-"
    accepted = int(curve.accepted[list(curve.thresholds).index(least)])
    return f"{accepted / max(curve.total, 1):.0%} accepted, from {least:.2f}"
