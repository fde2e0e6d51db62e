"""The command ``industrial-ocr train``."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from industrial_ocr.cli import options, output
from industrial_ocr.errors import ConfigError

if TYPE_CHECKING:
    from industrial_ocr.training.config import TrainConfig
    from industrial_ocr.training.loop import Trainer


ModelName = Literal["detector", "classifier", "recognizer"]
PHOTO_SHARE = 0.3
"""Share of photographs where the recipe names none."""
PHOTO_TABLES = {"photo_labels": "labels.tsv", "photo_maps": "maps"}
"""Settings of what to learn on photographs, and where it is in their folder."""


def train(
    task: Annotated[ModelName, typer.Argument(help="What to train.")],
    config: Annotated[Path, typer.Option(help="Recipe: a YAML file as in configs/train.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; a stopped run continues there.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Shards (.tar) of strips for a recognizer: a file, a folder or a glob."),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photographs to learn from as well; it has labels.tsv for a recognizer, "
            "maps/ for a detector, unless the recipe names others."
        ),
    ] = None,
    fonts: options.FontFolders = None,
    steps: Annotated[int | None, typer.Option(help="Total number of optimizer steps.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of rendering processes.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Number of threads of PyTorch on the CPU.")
    ] = None,
    max_seconds: Annotated[
        float, typer.Option(min=0, help="Stop after this time, to resume later; 0: never.")
    ] = 0,
) -> None:
    """Trains a model on images rendered on the fly or in shards; run it again to resume."""
    given = dict(
        out=out,
        data=data,
        photos=photos,
        fonts=fonts,
        steps=steps,
        device=device,
        workers=workers,
        threads=threads,
    )
    with output.one_line_errors():
        if data is not None and task != "recognizer":
            raise ConfigError("--data is for train recognizer")
        if photos is not None and task == "classifier":
            raise ConfigError("--photos is for train detector and train recognizer")
        if importlib.util.find_spec("tensorboard") is None:
            raise ConfigError("training logs to TensorBoard: pip install 'industrial-ocr[train]'")
        job = _task(task, config, {k: v for k, v in given.items() if v is not None})
        from industrial_ocr.training.loop import Trainer

        trainer = Trainer(job, max_seconds)
        trainer.resume()
        if trainer.step:
            output.note(f"continues at step {trainer.step} of {job.config.steps}")
        best = _run(trainer)
        if trainer.step < job.config.steps:
            output.note(
                f"stopped at step {trainer.step} of {job.config.steps}; run again to continue"
            )
        score = f"best validation score {best:.4f}" if best > -math.inf else "not validated yet"
        output.note(f"{score}; weights and manifest in {job.config.out}")


def _run(trainer: Trainer) -> float:
    """Trains behind a progress bar; returns the best validation score."""
    from rich.progress import MofNCompleteColumn, Progress, TextColumn

    own = (MofNCompleteColumn(), TextColumn("{task.fields[news]}"))
    columns = (*Progress.get_default_columns(), *own)
    with Progress(*columns, refresh_per_second=1, speed_estimate_period=600) as progress:
        config = trainer.config
        bar = progress.add_task(config.name, total=config.steps, completed=trainer.step, news="")
        return trainer.run(lambda news: progress.update(bar, completed=trainer.step, news=news))


def _task(name: ModelName, config: Path, changes: dict[str, Any]) -> Any:
    """The training task with the settings of the file, replaced by those of the command line."""
    from industrial_ocr.training import config as training_config

    kinds: dict[ModelName, type[TrainConfig]] = {
        "detector": training_config.DetectorTrainConfig,
        "classifier": training_config.ClassifierTrainConfig,
        "recognizer": training_config.RecognizerTrainConfig,
    }
    loaded = _settings(kinds[name], config, changes)
    from industrial_ocr.training.classifier import ClassifierTask
    from industrial_ocr.training.detector import DetectorTask
    from industrial_ocr.training.recognizer import RecognizerTask

    tasks = {"detector": DetectorTask, "classifier": ClassifierTask, "recognizer": RecognizerTask}
    return tasks[name](loaded)


def _settings(kind: type[TrainConfig], config: Path, changes: dict[str, Any]) -> TrainConfig:
    """Settings, checked as far as possible before torch is loaded and workers start."""
    from industrial_ocr.config import parse_config, read_config
    from industrial_ocr.datasets.synthesis.faces import describe_fonts, system_font_folders

    # The file alone may be incomplete: its photo_share needs the photos of the command line.
    recipe = read_config(config)
    merged = recipe | changes
    if photos := changes.get("photos"):
        merged["photo_share"] = recipe.get("photo_share") or PHOTO_SHARE
        for key, name in PHOTO_TABLES.items():
            if key in kind.model_fields:
                merged[key] = recipe.get(key) or photos / name
    merged["fonts"] = list(map(str, merged.get("fonts") or system_font_folders()))
    loaded = parse_config(merged, kind, f"{config} with the options")
    output.note(describe_fonts(loaded.fonts))
    return loaded
