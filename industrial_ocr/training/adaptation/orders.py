"""What a retraining is asked for, checked before anything is learnt."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from industrial_ocr.errors import ConfigError
from industrial_ocr.inference.manifest import load_manifest
from industrial_ocr.training.adaptation.gate import MARGIN
from industrial_ocr.training.adaptation.learning import Recipe

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        out: the .safetensors file to write.
        parent: name or file of the classifier to start from, None for the shipped one.
        fonts: folders of fonts for more rehearsal; none: the shipped crops alone.
        margin: points that an old class may fall by.
        force: write the file even if the gate says no.
        report: folder of the report, None for one beside ``out``.
        recipe: how it is learnt.
    """

    out: Path
    parent: str | None = None
    fonts: tuple[str, ...] = ()
    margin: float = MARGIN
    force: bool = False
    report: Path | None = None
    recipe: Recipe = field(default_factory=Recipe)

    @property
    def folder(self) -> Path:
        """Where the report goes."""
        return self.report or self.out.with_name(f"{self.out.stem}-report")


def check_order(order: Order) -> None:
    """Tries to write where the result will go.

    Raises:
        ConfigError: the output or report cannot be written, or the output has an impossible name.
        WeightsError: the manifest beside the output is damaged.
    """
    out = order.out
    if out.suffix != ".safetensors" or not _NAME.fullmatch(out.name):
        raise ConfigError(
            f"{out}: the output is a .safetensors file, called by letters, digits and . _ - only"
        )
    if out.is_dir():
        raise ConfigError(f"{out}: is a folder; name the .safetensors file to write")
    for folder in (out.parent, order.folder):
        trial = folder / ".trial"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            trial.write_bytes(b"")
            trial.unlink()
        except OSError as error:
            raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from error
    for model in load_manifest(out.parent).models:
        if model.file == out.name and (model.task, model.name) != ("classifier", out.stem):
            raise ConfigError(f"{out}: is the {model.task} {model.name}; choose another name")
