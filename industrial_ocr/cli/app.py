"""The command ``industrial-ocr``.

Results go to stdout, everything else to stderr. Whatever needs torch is imported inside the
command that needs it.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from industrial_ocr import __version__
from industrial_ocr.cli import bench, calibrate, export, patterns, retrain, review, verify
from industrial_ocr.cli import input as cli_input
from industrial_ocr.cli import output as cli_output
from industrial_ocr.cli.output import FAILED, WRONG_USAGE, note, one_line_errors
from industrial_ocr.errors import ConfigError, IndustrialOcrError

if TYPE_CHECKING:
    from industrial_ocr.patterns.pattern import Pattern
    from industrial_ocr.reader.reader import Engine
    from industrial_ocr.results.read_result import ReadResult
    from industrial_ocr.training.config import TrainConfig

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reads serial codes from pictures, trains the models, renders training data.",
)
app.add_typer(bench.bench_app, name="bench")
app.add_typer(bench.dataset_app, name="dataset")
app.add_typer(patterns.patterns_app, name="patterns")
app.command("calibrate")(calibrate.calibrate)
app.command()(export.export)
app.command()(review.review)
app.command()(retrain.retrain)
app.add_typer(retrain.glyphs_app, name="glyphs")
app.command()(verify.verify)
MANY = 4
"""From so many files on, a progress bar is shown."""

SHEET_WIDTH = 2400
"""About how wide contact sheets are, in pixels."""


class EngineName(str, Enum):
    """Ways to read."""

    TWO_STAGE = "two-stage"
    CRNN = "crnn"
    AGREE = "agree"
    AUTO = "auto"


class TaskName(str, Enum):
    """Models to train."""

    DETECTOR = "detector"
    CLASSIFIER = "classifier"
    RECOGNIZER = "recognizer"


class KindName(str, Enum):
    """Kinds of synthetic pictures."""

    SCENES = "scenes"
    CROPS = "crops"
    STRINGS = "strings"
    CODES = "codes"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"industrial-ocr {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def read(
    paths: Annotated[
        list[str], typer.Argument(help="Image files, folders, globs; - is standard input.")
    ],
    engine: Annotated[
        EngineName | None,
        typer.Option(help="How to read.", show_default="auto; crnn with --crops"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line a string.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write annotated pictures there.")] = None,
    crops: Annotated[bool, typer.Option("--crops", help="Each image is one string.")] = False,
    roi: Annotated[str | None, typer.Option(help="Read only x0,y0,x1,y1 (pixels).")] = None,
    pattern: Annotated[
        list[str] | None,
        typer.Option(help="Preset or regular expression of the code, repeatable."),
    ] = None,
    collect: Annotated[
        Path | None, typer.Option(help="Keep doubtful characters there, for review.")
    ] = None,
    collect_limit_mb: Annotated[
        float | None,
        typer.Option(min=1, help="Size of that folder; the oldest go.", show_default="200"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    config: Annotated[Path | None, typer.Option(help="fast, or a YAML with settings.")] = None,
    detector: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    classifier: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    recognizer: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    bundle: export.BundleOption = None,
) -> None:
    """Reads images. Exit code 0: all were read; 1: some were not; 2: wrong usage."""
    with one_line_errors(WRONG_USAGE):
        if as_json and as_csv:
            raise ConfigError("--json and --csv exclude each other")
        if crops and roi is not None:
            raise ConfigError("--crops and --roi exclude each other")
        region = None if roi is None else cli_input.region(roi)
        patterns = _compiled(pattern or [], bundle)
        keep = _kept(collect, collect_limit_mb)
        files, problems = cli_input.find_files(paths)
        pictures = None if out is None else cli_output.PictureFolder(out, files)
        if files:
            reader = export.make_reader(
                bundle,
                device=device,
                config=config,
                detector=detector,
                classifier=classifier,
                recognizer=recognizer,
            )
        sources = cli_input.image_sources(files)
    chosen = engine or (EngineName.CRNN if crops else EngineName.AUTO)
    way: Engine = chosen.value

    def read_one(file: Path) -> ReadResult:
        if crops:
            return reader.recognize([sources[file]], engine=way, pattern=patterns, **keep)[0]
        return reader.read(sources[file], engine=way, roi=region, pattern=patterns, **keep)

    show: Callable[[Iterable[cli_output.Reading]], None] = cli_output.print_table
    if as_json:
        show = cli_output.print_json
    elif as_csv:
        show = partial(cli_output.print_csv, with_codes=patterns is not None)
    many = len(files) >= MANY and not ((as_json or as_csv) and sys.stdout.isatty())
    with cli_output.progress_bar(many) as progress:
        watched = progress.track(files, description="reading")
        show(_readings(watched, read_one, pictures, problems))
    if problems:
        raise typer.Exit(FAILED)


def _compiled(given: list[str], bundle: Path | None) -> list[Pattern] | None:
    """The patterns of the command line, compiled before anything is loaded."""
    if not given:
        return None
    from industrial_ocr.patterns.pattern import Pattern

    presets = export.known_patterns(bundle)
    return [Pattern.parse(text, presets) for text in given]


def _kept(collect: Path | None, limit_mb: float | None) -> dict[str, Any]:
    """The options for collecting; the folder is tried before anything is loaded."""
    if collect is None:
        if limit_mb is not None:
            raise ConfigError("--collect-limit-mb is for --collect DIR")
        return {}
    from industrial_ocr.config import CollectingConfig
    from industrial_ocr.review.collecting import Collector

    Collector(collect, CollectingConfig(), limit_mb)
    return {"collect": collect, "collect_limit_mb": limit_mb}


def _readings(
    files: Iterable[Path],
    read_one: Callable[[Path], ReadResult],
    pictures: cli_output.PictureFolder | None,
    problems: list[str],
) -> Iterator[cli_output.Reading]:
    """Reads file after file; what cannot be read or drawn is a line on stderr and a problem."""
    for file in files:
        try:
            result = read_one(file)
        except IndustrialOcrError as error:
            cli_output.add_problem(problems, file, error)
            continue
        if pictures is not None:
            pictures.try_to_save(file, result, problems)
        yield {"file": str(file), **result.to_dict()}


@app.command()
def train(
    task: Annotated[TaskName, typer.Argument(help="What to train.")],
    config: Annotated[Path, typer.Option(help="A file of configs/train.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; resumes there.")] = None,
    fonts: Annotated[
        list[Path] | None, typer.Option(help="Font folder, repeatable; else the system's.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps in all.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda.")] = None,
    workers: Annotated[int | None, typer.Option(help="Rendering processes.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of torch on the CPU.")] = None,
    max_seconds: Annotated[
        float, typer.Option(min=0, help="Stop in order, to resume; 0: never.")
    ] = 0,
) -> None:
    """Trains a model on pictures rendered on the fly; run it again to resume."""
    changes = {
        "out": out, "fonts": fonts, "steps": steps, "device": device, "workers": workers,
        "threads": threads,
    }  # fmt: skip
    with one_line_errors():
        if importlib.util.find_spec("tensorboard") is None:
            raise ConfigError("training logs to TensorBoard: pip install 'industrial-ocr[train]'")
        job = _training(task, config, {k: v for k, v in changes.items() if v is not None})
        from industrial_ocr.training.loop import Trainer

        trainer = Trainer(job, max_seconds)
        trainer.resume()
        if trainer.step:
            note(f"goes on at step {trainer.step} of {job.config.steps}")
        best = trainer.run()
        if trainer.step < job.config.steps:
            note(f"stopped at step {trainer.step} of {job.config.steps}; run again to go on")
        score = f"best validation score {best:.4f}" if best > -math.inf else "not validated yet"
        note(f"{score}; weights and manifest in {job.config.out}")


def _training(task: TaskName, config: Path, changes: dict[str, Any]) -> Any:
    """The task with the settings of a file and of the command line, which goes first."""
    from industrial_ocr.training import config as settings

    loaded: Any
    if task is TaskName.DETECTOR:
        loaded = _settings(settings.DetectorTrainConfig, config, changes)
        from industrial_ocr.training.detector import DetectorTask

        return DetectorTask(loaded)
    if task is TaskName.CLASSIFIER:
        loaded = _settings(settings.ClassifierTrainConfig, config, changes)
        from industrial_ocr.training.classifier import ClassifierTask

        return ClassifierTask(loaded)
    loaded = _settings(settings.RecognizerTrainConfig, config, changes)
    from industrial_ocr.training.recognizer import RecognizerTask

    return RecognizerTask(loaded)


def _settings(kind: type[TrainConfig], config: Path, changes: dict[str, Any]) -> TrainConfig:
    """Settings checked as far as they can be before torch is loaded and workers start."""
    from industrial_ocr.config import load_config, parse_config
    from industrial_ocr.datasets.synthesis.faces import describe_fonts, system_font_folders

    merged = load_config(config, kind).model_dump(mode="json") | changes
    merged["fonts"] = list(map(str, merged["fonts"] or system_font_folders()))
    loaded = parse_config(merged, kind, f"{config} with the options")
    note(describe_fonts(loaded.fonts))
    if loaded.words is not None:
        loaded.load_words()
    return loaded


@app.command()
def synth(
    kind: Annotated[KindName, typer.Argument(help="What to render.")],
    out: Annotated[Path, typer.Argument(help="Folder for images, labels.jsonl, contact sheet.")],
    count: Annotated[int, typer.Option(min=1, help="Pictures.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pictures.")] = 0,
    size: Annotated[
        int, typer.Option(min=0, help="Side of pictures in pixels; 0: 384, of codes 448.")
    ] = 0,
    fonts: Annotated[
        list[Path] | None, typer.Option(help="Font folder, repeatable; else the system's.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help="Of codes: one code a picture, in labels.tsv.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes.")] = 2,
) -> None:
    """Renders labeled synthetic pictures to disk, with a contact sheet to look at."""
    from itertools import islice

    from PIL import Image

    from industrial_ocr.datasets.synthesis.faces import describe_fonts, system_font_folders
    from industrial_ocr.datasets.synthesis.writer import (
        SHEET_PICTURES,
        labeled_picture,
        write_dataset,
    )
    from industrial_ocr.results.viz import contact_sheet

    with one_line_errors():
        folders = tuple(map(str, fonts or system_font_folders()))
        note(describe_fonts(folders))
        if (pattern is None) == (kind is KindName.CODES):
            raise ConfigError("synth codes needs --pattern, which is for codes only")
        if size and size < 64:
            raise ConfigError(f"--size {size}: a picture has 64 pixels a side at least")
        # Codes are large enough to be taken for whole pictures when they are read again.
        size = size or (448 if kind is KindName.CODES else 384)
        written = write_dataset(out, kind.value, count, seed, folders, size, workers, pattern)
        with cli_output.progress_bar(True) as progress:
            labels = progress.track(written, total=count, description="rendering")
            first = islice(labels, SHEET_PICTURES[kind.value])
            shown = [labeled_picture(out, label) for label in first]
            for _ in labels:
                pass
        columns = max(1, SHEET_WIDTH // (max(p.shape[1] for p in shown) + 4))
        Image.fromarray(contact_sheet(shown, columns)).save(out / "contact_sheet.png")
    typer.echo(f"{count} {kind.value} in {out}; contact_sheet.png shows {len(shown)}")


@app.command()
def weights() -> None:
    """Lists the installed weights and verifies every hash; exit code 1 when one is damaged."""
    from industrial_ocr.errors import WeightsError
    from industrial_ocr.inference.weights import verify_all

    with one_line_errors():
        found = verify_all()
        if not found:
            raise WeightsError("no weights are installed: nothing can be read")
    cli_output.print_weights(found)
    if not all(good for _, good, _ in found):
        raise typer.Exit(FAILED)


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        # A name or reading that the terminal's encoding lacks is no reason to stop.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    cli_output.run_app(app)
