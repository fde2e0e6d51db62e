"""The command ``industrial-ocr export``, and the option ``--bundle`` of those that read."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from industrial_ocr.cli.output import WRONG_USAGE, one_line_errors

if TYPE_CHECKING:
    from industrial_ocr.patterns.presets import Preset
    from industrial_ocr.reader.reader import Reader

BundleOption = Annotated[
    Path | None,
    typer.Option(help="Read with a bundle of export; other options go before what it says."),
]


class BackendName(str, Enum):
    """What a bundle is for."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    TORCH = "torch"


class PrecisionName(str, Enum):
    """In which networks compute."""

    FP32 = "fp32"
    BF16 = "bf16"
    AUTO = "auto"


def export(
    out: Annotated[Path, typer.Argument(help="The folder to write; or a .zip.")],
    backend: Annotated[BackendName, typer.Option(help="What the networks will run on.")],
    precision: Annotated[
        PrecisionName | None,
        typer.Option(help="In which they compute.", show_default="as configured"),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="fast, or a YAML with settings.")] = None,
    detector: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    classifier: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    recognizer: Annotated[str | None, typer.Option(help="Name or weights file.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="Of calibrate --out.")] = None,
    max_misread_rate: Annotated[
        float | None, typer.Option(help="Of accepted readings, as a share.")
    ] = None,
    routes: Annotated[Path | None, typer.Option(help="Of bench --write-routes.")] = None,
    patterns: Annotated[
        Path | None, typer.Option(help="YAML with named patterns of your own.")
    ] = None,
    archive: Annotated[bool, typer.Option("--zip", help="Also write OUT.zip.")] = False,
) -> None:
    """Writes a bundle: one folder with all that is needed to read, and a hash of every file."""
    with one_line_errors(WRONG_USAGE):
        reader = make_reader(
            None,
            backend=backend.value,
            precision=precision and precision.value,
            config=config,
            detector=detector,
            classifier=classifier,
            recognizer=recognizer,
            calibration=calibration,
            max_misread_rate=max_misread_rate,
            routes=routes,
            patterns=patterns,
        )
        written = reader.export(out, archive)
    for path in written:
        typer.echo(path)


def make_reader(bundle: Path | None, unset: Iterable[str] = (), **options: Any) -> Reader:
    """A Reader, of a bundle if there is one.

    Args:
        bundle: the folder or the .zip.
        unset: options that are None even where the bundle has them.
        **options: of ``Reader``; those that are None were not given.
    """
    from industrial_ocr.reader.reader import Reader

    given = {name: value for name, value in options.items() if value is not None}
    given |= dict.fromkeys(unset)
    return Reader(**given) if bundle is None else Reader.from_bundle(bundle, **given)


def known_patterns(bundle: Path | None) -> dict[str, Preset]:
    """The named patterns: those of a bundle before the shipped ones."""
    from industrial_ocr.patterns.presets import load_presets

    if bundle is None:
        return load_presets()
    from industrial_ocr.inference.bundle import open_bundle
    from industrial_ocr.reader.bundled import bundled_patterns

    return load_presets() | bundled_patterns(open_bundle(bundle))
