"""The command ``industrial-ocr run``."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from industrial_ocr.cli import options, output


def run(
    job: Annotated[
        Path, typer.Argument(metavar="JOB", help="Job file (YAML), see docs/guides/job.md.")
    ],
    json_log: options.JsonLog = False,
) -> None:
    """Runs the job of a line until SIGTERM or Ctrl-C; the current picture is finished."""
    from industrial_ocr.errors import require
    from industrial_ocr.line.job import load_job

    with output.one_line_errors(output.WRONG_USAGE):
        require("line", "prometheus_client", "watchfiles", "scipy")
        from industrial_ocr.line.json_log import show_json_logs
        from industrial_ocr.line.runner import Runner

        if json_log:
            show_json_logs()
        loaded = load_job(job)
        output.note(f"{loaded.name}: loading the networks")
        runner = Runner(loaded, job_file=job)
    page = f"; its page: {runner.page_address}" if runner.page_address else ""
    output.note(f"{loaded.name} runs; Ctrl-C or SIGTERM ends it{page}")

    def stop(number: int, frame: object) -> None:
        runner.stop()
        signal.signal(number, signal.SIG_DFL)  # the second one ends it at once

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with output.one_line_errors():
        runner.run()
    output.note(f"{loaded.name} has ended")
