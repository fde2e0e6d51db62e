"""The command ``industrial-ocr synth``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from industrial_ocr.cli import options, output
from industrial_ocr.errors import ConfigError

if TYPE_CHECKING:
    from industrial_ocr.datasets.synthesis.writer import Kind, LabelLine


def synth(
    kind: Annotated[
        Literal["scenes", "crops", "strings", "codes", "strips"],
        typer.Argument(help="What to render; strips: training data of the recognizer."),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for images, labels and contact sheet.")],
    count: Annotated[int, typer.Option(min=1, help="Number of images.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
    size: Annotated[
        int, typer.Option(min=0, help="Side of the images in pixels; 0: 384, for codes 448.")
    ] = 0,
    fonts: options.FontFolders = None,
    pattern: Annotated[
        str | None, typer.Option(help="Pattern of codes; each image has one, in labels.tsv.")
    ] = None,
    shards: Annotated[
        int | None, typer.Option(min=1, help="Number of tar files of strips, for train --data.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Recipe of strips: a YAML file as in configs/train.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Number of processes.")] = 2,
) -> None:
    """Renders labeled images to disk, with a contact sheet; strips to shards without one."""
    from industrial_ocr.datasets.synthesis.faces import describe_fonts, system_font_folders
    from industrial_ocr.datasets.synthesis.writer import write_dataset

    with output.one_line_errors():
        if kind == "strips":
            if shards is None:
                raise ConfigError("synth strips needs --shards: how many tar files to write")
            _write_strips(out, count, shards, seed, config, fonts, workers)
            return
        if shards is not None or config is not None:
            raise ConfigError("--shards and --config are for synth strips")
        folders = tuple(map(str, fonts or system_font_folders()))
        output.note(describe_fonts(folders))
        if (pattern is None) == (kind == "codes"):
            raise ConfigError("synth codes needs --pattern, which is for codes only")
        if size and size < 64:
            raise ConfigError(f"--size {size}: a side has at least 64 pixels")
        # At 448 pixels, images of codes are detected as whole images when the folder is read again.
        size = size or (448 if kind == "codes" else 384)
        written = write_dataset(out, kind, count, seed, folders, size, workers, pattern)
        shown = _with_sheet(written, out, kind, count)
    typer.echo(f"{count} {kind} in {out}; contact_sheet.png shows {shown}")


def _with_sheet(written: Iterator[LabelLine], out: Path, kind: Kind, count: int) -> int:
    """Writes all images, then the contact sheet; returns how many images the sheet shows."""
    from PIL import Image

    from industrial_ocr.datasets.synthesis.writer import SHEET_PICTURES, labeled_picture
    from industrial_ocr.results.viz import contact_sheet

    with output.progress_bar() as progress:
        labels = list(progress.track(written, total=count, description="rendering"))
    shown = [labeled_picture(out, label) for label in labels[: SHEET_PICTURES[kind]]]
    widest = max(picture.shape[1] for picture in shown)
    columns = max(1, 2400 // (widest + 4))  # sheets of about 2400 pixels
    Image.fromarray(contact_sheet(shown, columns)).save(out / "contact_sheet.png")
    return len(shown)


def _write_strips(
    out: Path,
    count: int,
    shards: int,
    seed: int,
    config: Path | None,
    fonts: list[Path] | None,
    workers: int,
) -> None:
    """Writes shards; continues if some are there."""
    from industrial_ocr.config import config_path, load_config
    from industrial_ocr.datasets.synthesis.faces import describe_fonts, system_font_folders
    from industrial_ocr.training.config import RecognizerTrainConfig
    from industrial_ocr.training.rendering import write_strips

    recipe = load_config(config or config_path("train/recognizer"), RecognizerTrainConfig)
    folders = tuple(fonts or recipe.fonts or system_font_folders())
    output.note(describe_fonts(tuple(map(str, folders))))
    recipe = recipe.model_copy(update={"fonts": folders, "seed": seed})
    with output.progress_bar() as progress:
        bar = progress.add_task("rendering", total=count)
        for done in write_strips(recipe, out, count, shards, workers):
            progress.update(bar, completed=done)
    typer.echo(f"{count} strips in {shards} shards in {out}")
