"""Options that several commands share; each is written once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

_DATA_PANEL = "Data and how it is judged"
_MODEL_PANEL = "Models"


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


Device = Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=_MODEL_PANEL)]
Config = Annotated[
    Path | None,
    typer.Option(help="fast, or a YAML file with settings.", rich_help_panel=_MODEL_PANEL),
]
Weights = Annotated[
    str | None, typer.Option(help="Name or weights file.", rich_help_panel=_MODEL_PANEL)
]

Data = Annotated[list[Path], typer.Argument(help="Folders or label files.")]
OneDataset = Annotated[Path, typer.Argument(help="Folder or label file.")]
LabelFormat = Annotated[
    str | None,
    typer.Option(
        "--format", help="Format of the labels; detected if not given.", rich_help_panel=_DATA_PANEL
    ),
]
Suite = Annotated[
    Path | None,
    typer.Option(
        help="YAML file that lists datasets and how each is judged; DATA is their folder.",
        rich_help_panel=_DATA_PANEL,
    ),
]
CodePattern = Annotated[
    str | None,
    typer.Option(
        help="Pattern of the codes: a preset or a regular expression.",
        rich_help_panel=_DATA_PANEL,
    ),
]
Match = Annotated[
    MatchName,
    typer.Option(
        help="A reading is right if it equals the label, or if it contains it.",
        rich_help_panel=_DATA_PANEL,
    ),
]
Task = Annotated[
    TaskName | None,
    typer.Option(
        help="Whole images, crops of one string, or crops of one character.",
        show_default="from the labels and image sizes",
        rich_help_panel=_DATA_PANEL,
    ),
]
Split = Annotated[
    SplitName,
    typer.Option(
        help="Part of each dataset: choose settings on dev, report numbers of test.",
        rich_help_panel=_DATA_PANEL,
    ),
]
Limit = Annotated[
    int,
    typer.Option(
        min=0, help="Use the first N images of each dataset; 0: all.", rich_help_panel=_DATA_PANEL
    ),
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="ENGINE=VALUE",
        help="Reject readings of this engine below this confidence; repeatable.",
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON array.")]
Pictures = Annotated[Path | None, typer.Option("--out", help="Write annotated images there.")]
Roi = Annotated[str | None, typer.Option(help="Look only at x0,y0,x1,y1 (pixels).")]
Fonts = Annotated[
    list[Path] | None,
    typer.Option(help="Font folder; repeatable.", show_default="the system's fonts"),
]


def judging(pattern: str | None, match: MatchName, task: TaskName | None) -> dict[str, str]:
    """The options that say how readings are judged, as a suite writes them."""
    given = {"pattern": pattern, "match": match.value, "task": task and task.value}
    return {name: value for name, value in given.items() if value is not None}
