"""Options that several commands share; each is written once."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from industrial_ocr.patterns.presets import Preset
    from industrial_ocr.reader.reader import Reader


class MatchName(str, Enum):
    """When a reading counts as right."""

    EXACT = "exact"
    CONTAINS = "contains"


class SplitName(str, Enum):
    """Which part of each dataset is used."""

    ALL = "all"
    DEV = "dev"
    TEST = "test"


class TaskName(str, Enum):
    """What the images of a dataset are for."""

    READ = "read"
    RECOGNIZE = "recognize"
    CLASSIFY = "classify"


class BackendName(str, Enum):
    """What networks run on."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    TORCH = "torch"


class PrecisionName(str, Enum):
    """In which networks compute."""

    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"
    AUTO = "auto"


_model = partial(typer.Option, rich_help_panel="Models")
Device = Annotated[str | None, _model(help="auto, cpu or cuda.", show_default="auto")]
Backend = Annotated[
    BackendName | None, _model(help="What the networks run on.", show_default="the fastest")
]
Precision = Annotated[
    PrecisionName | None, _model(help="In which they compute.", show_default="as configured")
]
Threads = Annotated[
    int | None, _model(min=1, help="Of each network and of OpenCV.", show_default="one a core")
]
Bundle = Annotated[
    Path | None, _model(help="A bundle of export; other options go before what it says.")
]
Config = Annotated[Path | None, _model(help="fast, or a YAML file with settings.")]
Weights = Annotated[str | None, _model(help="Name or weights file.")]

_data = partial(typer.Option, rich_help_panel="Data and how it is judged")
Data = Annotated[list[Path], typer.Argument(help="Folders or label files.")]
OneDataset = Annotated[Path, typer.Argument(help="Folder or label file.")]
LabelFormat = Annotated[str | None, _data("--format", help="Of the labels; else detected.")]
Suite = Annotated[
    Path | None, _data(help="YAML: datasets and how each is judged; DATA is their folder.")
]
CodePattern = Annotated[str | None, _data(help="Of the codes: a preset or a regular expression.")]
Match = Annotated[
    MatchName, _data(help="A reading is right if it equals the label, or if it contains it.")
]
Task = Annotated[
    TaskName | None,
    _data(
        help="Whole images, crops of one string, or crops of one character.",
        show_default="from the labels and image sizes",
    ),
]
Split = Annotated[
    SplitName, _data(help="Part of each dataset: choose on dev, report numbers of test.")
]
Limit = Annotated[int, _data(min=0, help="First images of each dataset; 0: all.")]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold", metavar="ENGINE=VALUE", help="Reject readings below it; repeatable."
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON array.")]
Pictures = Annotated[Path | None, typer.Option("--out", help="Write annotated images there.")]
Roi = Annotated[str | None, typer.Option(help="Look only at x0,y0,x1,y1 (pixels).")]
Fonts = Annotated[
    list[Path] | None,
    typer.Option(help="Font folder; repeatable.", show_default="the system's fonts"),
]


def make_reader(bundle: Path | None = None, unset: Iterable[str] = (), **given: Any) -> Reader:
    """The reader of the model options, with a bundle if there is one.

    Args:
        bundle: a folder or a .zip.
        unset: arguments of ``Reader`` that are None even where the bundle has them.
        **given: arguments of ``Reader``; those that are None were not given.
    """
    from industrial_ocr.reader.reader import Reader

    chosen = {name: value for name, value in given.items() if value is not None}
    chosen |= dict.fromkeys(unset)
    return Reader(**chosen) if bundle is None else Reader.from_bundle(bundle, **chosen)


def known_patterns(bundle: Path | None) -> dict[str, Preset]:
    """The named patterns: those of a bundle before the shipped ones."""
    from industrial_ocr.patterns.presets import load_presets

    if bundle is None:
        return load_presets()
    from industrial_ocr.inference.bundle import open_bundle
    from industrial_ocr.reader.bundled import bundled_patterns

    return load_presets() | bundled_patterns(open_bundle(bundle))


def judging(pattern: str | None, match: MatchName, task: TaskName | None) -> dict[str, str]:
    """The options that say how readings are judged, as a suite writes them."""
    given = {"pattern": pattern, "match": match.value, "task": task and task.value}
    return {name: value for name, value in given.items() if value is not None}
