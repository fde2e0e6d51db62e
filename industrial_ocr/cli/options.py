"""Options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, is_dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from industrial_ocr.errors import ConfigError
from industrial_ocr.results.engine import Engine

if TYPE_CHECKING:
    from industrial_ocr.evaluation.session import BenchmarkPlan
    from industrial_ocr.patterns.presets import Preset
    from industrial_ocr.reader.reader import Reader

_model = partial(typer.Option, rich_help_panel="Models")
_data = partial(typer.Option, rich_help_panel="Data and how it is judged")

ImagePaths = Annotated[
    list[str], typer.Argument(help="Image files, folders, globs; - is standard input.")
]
DataFolders = Annotated[list[Path], typer.Argument(help="Folders or label files.")]
OneDataset = Annotated[Path, typer.Argument(help="Folder or label file.")]
LabelFormat = Annotated[
    str | None,
    _data(
        "--format",
        help="Format of the labels: tsv, csv, icdar, paddle, label-studio, cvat, lmdb, imagefolder "
        "or webdataset.",
        show_default="detected",
    ),
]
SuiteFile = Annotated[
    Path | None, _data(help="YAML file with datasets and rules for each; DATA is their folder.")
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="ENGINE=VALUE",
        help="Reject readings of the engine below this confidence, 0 to 1; repeatable.",
    ),
]
BackendName = Literal["onnxruntime", "openvino", "torch"]
DeviceName = Annotated[
    str | None, _model(help="Processor: auto, cpu or cuda.", show_default="auto")
]
PrecisionName = Annotated[
    Literal["fp32", "bf16", "int8", "auto"] | None,
    _model(help="Precision of the networks.", show_default="as configured"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON array.")]
OutFolder = Annotated[Path | None, typer.Option("--out", help="Folder for annotated images.")]
EngineName = Annotated[
    Engine | None, typer.Option(help="Engine that reads.", show_default="auto; crnn with --crops")
]
Crops = Annotated[bool, typer.Option("--crops", help="Each image is one string.")]
CodePatterns = Annotated[
    list[str] | None, typer.Option(help="Preset or regular expression of the code; repeatable.")
]
Region = Annotated[str | None, typer.Option(help="Read only the region x0,y0,x1,y1 (pixels).")]
JsonLog = Annotated[
    bool, typer.Option("--json-log", help="Log as JSON, one object per line, on stderr.")
]
FontFolders = Annotated[
    list[Path] | None,
    typer.Option(help="Font folder; repeatable.", show_default="the system's fonts"),
]


@dataclass(frozen=True)
class Runtime:
    """Options for the backend of the networks."""

    bundle: Annotated[
        Path | None, _model(help="A bundle from export; other options replace its settings.")
    ] = None
    device: DeviceName = None
    backend: Annotated[
        BackendName | None,
        _model(help="Library that runs the networks.", show_default="the fastest"),
    ] = None
    precision: PrecisionName = None
    threads: Annotated[
        int | None,
        _model(min=1, help="Threads of each network and of OpenCV.", show_default="one per core"),
    ] = None


@dataclass(frozen=True)
class Networks:
    """Options of the settings and the weights."""

    config: Annotated[
        Path | None,
        _model(help="Settings: fast, accurate, or a YAML file.", show_default="the shipped ones"),
    ] = None
    detector: Annotated[
        str | None, _model(help="Network that finds characters: a name or a weights file.")
    ] = None
    classifier: Annotated[
        str | None, _model(help="Network that two-stage reads characters with: name or file.")
    ] = None
    recognizer: Annotated[
        str | None, _model(help="Network that crnn reads strings with: name or file.")
    ] = None


@dataclass(frozen=True)
class DataOptions:
    """Options for labeled images and for judging their readings."""

    suite: SuiteFile = None
    split: Annotated[
        Literal["all", "dev", "test"],
        _data(help="Half of each dataset: choose settings on dev, report the numbers of test."),
    ] = "all"
    pattern: Annotated[
        str | None, _data(help="Pattern of the codes: a preset or a regular expression.")
    ] = None
    match: Annotated[
        Literal["exact", "contains"],
        _data(help="A reading is right if it equals the label, or if it contains it."),
    ] = "exact"
    task: Annotated[
        Literal["read", "recognize", "classify"] | None,
        _data(
            help="Whole images, crops of one string, or crops of one character.",
            show_default="from the labels and image sizes",
        ),
    ] = None
    label_format: LabelFormat = None
    limit: Annotated[int, _data(min=0, help="Number of images of each dataset; 0: all.")] = 0

    def plan(
        self, data: Sequence[Path], thresholds: Sequence[str] = (), lexicon: str | None = None
    ) -> BenchmarkPlan:
        """Loads the datasets with the rules for judging them; opens no image."""
        from industrial_ocr.evaluation.session import plan_run

        judged = {"pattern": self.pattern, "match": self.match, "task": self.task}
        judged["lexicon"] = lexicon
        return plan_run(
            data, self.suite, judged, self.label_format, self.limit, thresholds, self.split
        )


def font_folders(fonts: Sequence[Path] | None) -> tuple[str, ...]:
    """The given font folders, else those of the system.

    Raises:
        ConfigError: one of them does not exist.
    """
    from industrial_ocr.datasets.synthesis.faces import system_font_folders

    folders = tuple(map(str, fonts or system_font_folders()))
    if missing := [f for f in folders if not Path(f).is_dir()]:
        raise ConfigError(f"--fonts: {missing[0]}: no such folder")
    return folders


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Replaces the groups among a command's parameters by single options, for typer.

    A group is a parameter whose type is a dataclass of options, such as ``Networks``.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[Callable[..., Any], list[str]]] = {}
    for name, parameter in signature.parameters.items():
        own, group = [parameter], parameter.annotation
        if isinstance(group, type) and is_dataclass(group):
            own = list(inspect.signature(group, eval_str=True).parameters.values())
            groups[name] = group, [option.name for option in own]
        parameters += [option.replace(kind=option.KEYWORD_ONLY) for option in own]

    @wraps(command)
    def call(**given: Any) -> None:
        for name, (group, names) in groups.items():
            given[name] = group(**{option: given.pop(option) for option in names})
        command(**given)

    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call


def make_reader(bundle: Path | None = None, unset: Iterable[str] = (), **given: Any) -> Reader:
    """The reader that the options of a command describe.

    Args:
        bundle: a folder or a .zip.
        unset: arguments of ``Reader`` that are None even if the bundle sets them.
        **given: other arguments of ``Reader``; None means that the option was not given.
    """
    from industrial_ocr.reader.reader import Reader

    chosen = {name: value for name, value in given.items() if value is not None}
    chosen |= dict.fromkeys(unset)
    return Reader(**chosen) if bundle is None else Reader.from_bundle(bundle, **chosen)


def known_patterns(bundle: Path | None) -> dict[str, Preset]:
    """The shipped named patterns, replaced and extended by those of the bundle."""
    from industrial_ocr.patterns.presets import load_presets

    if bundle is None:
        return load_presets()
    from industrial_ocr.inference.bundle import open_bundle
    from industrial_ocr.reader.bundled import bundled_patterns

    return load_presets() | bundled_patterns(open_bundle(bundle))
