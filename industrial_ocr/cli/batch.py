"""The command ``industrial-ocr batch``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from industrial_ocr.cli import files as cli_files
from industrial_ocr.cli import options, output
from industrial_ocr.results.engine import Engine

if TYPE_CHECKING:
    from industrial_ocr.results.read_result import ReadResult


@options.grouped
def batch(
    sources: Annotated[
        list[str], typer.Argument(help="Images, folders, globs, Parquet files; s3://... as well.")
    ],
    out: Annotated[
        str, typer.Option(help="Folder of Parquet parts, also if its name ends in .parquet.")
    ],
    engine: options.EngineName = None,
    crops: options.Crops = False,
    roi: options.Region = None,
    pattern: options.CodePatterns = None,
    column: Annotated[
        str, typer.Option(help="Column of the Parquet files that holds the images or their paths.")
    ] = "image",
    actors: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of readers that work at once.", show_default="as many as fit"
        ),
    ] = None,
    cpus: Annotated[
        int, typer.Option(min=1, help="Number of CPUs, and of threads, per reader.")
    ] = 1,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs per reader; 0.5: two share one.")] = 0,
    save_every: Annotated[
        float,
        typer.Option(min=0, help="Seconds between two parts; if it is killed, this work is lost."),
    ] = 60,
    address: Annotated[
        str | None,
        typer.Option(
            help="Address of a Ray cluster; auto: the one that runs on this machine.",
            show_default="no cluster, this machine alone",
        ),
    ] = None,
    *,
    runtime: options.Runtime,
    networks: options.Networks,
) -> None:
    """Reads an archive on all cores or on a cluster; run it again to continue after a stop.

    Exit code 0: all images were read; 1: some were not (column error); 2: wrong usage.
    """
    with output.one_line_errors(output.WRONG_USAGE):
        from industrial_ocr.line.ray_batch import Workers, read_archive

        region = cli_files.region(roi, crops)
        models = {**vars(runtime), **vars(networks), "threads": runtime.threads or cpus}
        if gpus and runtime.device is None:
            models["device"] = "cuda"
        chosen = engine or (Engine.CRNN if crops else Engine.AUTO)
        make_read = _Reading(models, chosen, crops, region, pattern or [])
        settings = make_read.settings()
        with output.progress_bar() as bar:
            task = bar.add_task("reading", total=None)
            workers = Workers(actors, cpus, gpus, address)
            for now in read_archive(
                sources, out, make_read, settings, workers, column=column, save_s=save_every
            ):
                bar.update(task, completed=now.done, total=now.total)
    output.note(f"{now.done} images in {out}, {now.failed} of them with an error")
    if now.failed:
        raise typer.Exit(output.FAILED)


@dataclass(frozen=True)
class _Reading:
    """Makes the function that reads one image, in every actor."""

    models: Mapping[str, Any]
    engine: Engine
    crops: bool
    roi: Sequence[float] | None
    patterns: Sequence[str]

    def settings(self) -> dict[str, Any]:
        """What readings depend on; raises our errors for options that cannot be used."""
        reader, _ = self._opened()
        asked = {name: value for name, value in vars(self).items() if name != "models"}
        return asked | {"weights": reader.weights, "config": reader.config.model_dump(mode="json")}

    def _opened(self) -> tuple[Any, Any]:
        reader = options.make_reader(**self.models)
        return reader, [reader.pattern(text) for text in self.patterns] or None

    def __call__(self) -> Any:
        reader, patterns = self._opened()
        asked = {"engine": self.engine, "pattern": patterns}

        def read(image: Any) -> ReadResult:
            if self.crops:
                return reader.recognize([image], **asked)[0]
            return reader.read(image, roi=self.roi, **asked)

        return read
