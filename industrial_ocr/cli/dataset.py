"""The commands ``industrial-ocr dataset check|convert|manifest``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from industrial_ocr.cli import options, output

if TYPE_CHECKING:
    from industrial_ocr.datasets.formats import Problem
    from industrial_ocr.datasets.samples import Dataset

dataset_app = typer.Typer(
    no_args_is_help=True, help="Checks labeled images and converts between formats."
)


@dataset_app.command("check")
def check(
    data: options.DataFolders,
    label_format: options.LabelFormat = None,
    any_text: Annotated[
        bool, typer.Option("--any-text", help="Allow characters that the networks do not know.")
    ] = False,
) -> None:
    """Lists every bad row and image; the exit code is 1 if there is one."""
    from industrial_ocr.datasets.load import read_dataset

    bad = False
    with output.one_line_errors(output.WRONG_USAGE):
        for path in data:
            dataset, problems = read_dataset(path, label_format)
            bad = _check(dataset, problems, any_text) or bad
    if bad:
        raise typer.Exit(output.FAILED)


def _check(dataset: Dataset, problems: Sequence[Problem], any_text: bool) -> bool:
    """Prints the problems of a dataset; returns whether there are any."""
    from industrial_ocr.datasets.check import check_dataset
    from industrial_ocr.patterns.charset import Charset

    with output.progress_bar() as progress:
        job = progress.add_task(f"checking {dataset.name}", total=len(dataset.samples))

        def step(done: int, total: int) -> None:
            progress.update(job, completed=done, total=total)

        found = check_dataset(dataset, None if any_text else Charset(), step, problems)
    for problem in found:
        typer.echo(str(problem))
    labels = dataset.labels
    boxes = sum(label.quad is not None for label in labels)
    typer.echo(
        f"{dataset.name} ({dataset.format}, {dataset.task}): {len(dataset.samples)} images, "
        f"{sum(not label.ignore for label in labels)} labels, {boxes} boxes, {len(found)} problems"
    )
    return bool(found)


@dataset_app.command("convert")
def convert(
    data: options.OneDataset,
    to: Annotated[str, typer.Argument(help="Format to write: one of --format.")],
    out: Annotated[Path, typer.Argument(help="New or empty folder.")],
    label_format: options.LabelFormat = None,
    lossy: Annotated[
        bool, typer.Option("--lossy", help="Drop data that the format cannot hold.")
    ] = False,
) -> None:
    """Writes a dataset in another format; images are copied."""
    with output.one_line_errors(output.WRONG_USAGE):
        from industrial_ocr.datasets.convert import convert_dataset
        from industrial_ocr.datasets.load import load_dataset

        written = convert_dataset(load_dataset(data, label_format), to, out, lossy=lossy)
    typer.echo(f"{written} images in {out}")


@dataset_app.command("manifest")
def manifest(
    data: options.OneDataset,
    file: Annotated[
        Path, typer.Argument(help="File of names and SHA-256 hashes, separated by tabs.")
    ],
    label_format: options.LabelFormat = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare with FILE instead of writing it.")
    ] = False,
) -> None:
    """Writes the names and hashes of a dataset's images, or checks them."""
    with output.one_line_errors(output.WRONG_USAGE):
        from industrial_ocr.datasets.load import load_dataset
        from industrial_ocr.datasets.manifests import read_manifest, sample_digests, write_manifest

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
        output.complain(f"{name}: {state}")
    typer.echo(f"{len(wanted) - len(different)} of {len(wanted)} images are the same")
    if different:
        raise typer.Exit(output.FAILED)
