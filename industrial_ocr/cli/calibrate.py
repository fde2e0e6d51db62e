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


@options.grouped
def calibrate(
    data: options.DataFolders,
    out: Annotated[Path, typer.Option(help="File to write (JSON), for Reader(calibration=...).")],
    *,
    judging: options.DataOptions,
    runtime: options.Runtime,
    networks: options.Networks,
) -> None:
    """Fits confidences to your labeled images and measures how often each engine misreads."""
    with output.one_line_errors(output.WRONG_USAGE):
        from industrial_ocr.evaluation.session import TASK_MEANINGS

        if not out.parent.is_dir():
            raise ConfigError(f"{out}: there is no folder {out.parent}")
        plan = judging.plan(data)
        for dataset in plan.datasets:
            meaning = TASK_MEANINGS[dataset.task]
            output.note(f"{dataset.name}: {len(dataset.samples)} samples, {meaning}")
    with output.one_line_errors(), output.progress_bar() as progress:
        from industrial_ocr.evaluation.calibrate import calibrate as measure

        settings = options.make_reader(runtime.bundle, config=networks.config).config
        # Nothing is rejected, so that the curve shows every threshold.
        accept_all = dict.fromkeys(("min_confidence", "min_code_confidence"), 0.0)
        settings = settings.with_values("confidence", **accept_all)

        def make_reader(calibration: Calibration) -> Any:
            return options.make_reader(
                **vars(runtime),
                **vars(networks) | {"config": settings},
                unset=("max_misread_rate",),
                calibration=calibration,
            )

        def track(jobs: Any, what: str) -> Any:
            return progress.track(jobs, description=what)

        about = {
            "data": ", ".join(d.name for d in plan.datasets),
            "pattern": judging.pattern or ("by dataset" if judging.suite else "none"),
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
