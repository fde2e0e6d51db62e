"""Reads the manifests of weights folders and finds models in them.

A weights folder has ``manifest.json`` and the files that it names. The package has two of them:
``craft_weights`` with the detectors, and ``inference/data`` with the classifier and the recognizer.
The environment variable ``INDUSTRIAL_OCR_WEIGHTS`` adds more.
"""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from industrial_ocr.config import shipped_folder
from industrial_ocr.errors import WeightsError
from industrial_ocr.results.files import read_whole

MANIFEST_NAME = "manifest.json"
FOLDERS_VARIABLE = "INDUSTRIAL_OCR_WEIGHTS"

NetworkTask = Literal["detector", "classifier", "recognizer"]
_PLAIN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class InputSpec(BaseModel):
    """The input of a network.

    Attributes:
        size: (height, width) in pixels; None for any size, as of a detector.
        mean: mean per channel, which is subtracted from pixel values of 0 to 1.
        std: standard deviation per channel, by which the difference is divided.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: tuple[int, int] | None
    mean: tuple[float, ...]
    std: tuple[PositiveFloat, ...]

    @model_validator(mode="after")
    def _one_pair_a_channel(self) -> InputSpec:
        if len(self.mean) != len(self.std) or not self.mean:
            raise ValueError(
                f"mean and std are one number a channel, got {len(self.mean)} and {len(self.std)}"
            )
        return self


class ModelEntry(BaseModel):
    """One model of a manifest: all that is needed to build, feed and judge it.

    Attributes:
        name: letters, digits, ``. _ -``; unique for its task.
        task: what it does.
        file: a ``.safetensors`` file beside the manifest; by default called by the name.
        sha256: of the file, 64 lower-case hex digits; empty only before ``save_entry``.
        onnx: the same network as an ONNX file beside the manifest; empty if there is none.
        onnx_sha256: of that file.
        int8: the same network as an ONNX file that computes in 8-bit integers; empty if there is
            none.
        int8_sha256: of that file.
        architecture: keyword arguments of the model class.
        charset: the symbols in class order, None for a detector.
        input: see ``InputSpec``.
        recipe: the training configuration, with which the training can be repeated.
        seed: seed of the training.
        commit: commit of the source tree that trained it; None if there was none.
        license: SPDX identifier of the license of the weights.
        metrics: measured numbers by name.
        temperature: number by which logits are divided to calibrate the probabilities.
        fitted_confidence: whether the shipped confidence (``decoding.confidence``) holds for this
            recognizer; if not, ``industrial-ocr calibrate`` must measure its own.
        settings: values of ``PipelineConfig``, by section, that suit this detector.
        folder: folder of the manifest; it is not written to the manifest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(pattern=_PLAIN_NAME)
    task: NetworkTask
    file: str = Field("", pattern=_PLAIN_NAME + "|^$")
    sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    onnx: str = Field(default="", pattern=_PLAIN_NAME + "|^$")
    onnx_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    int8: str = Field(default="", pattern=_PLAIN_NAME + "|^$")
    int8_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    architecture: dict[str, Any]
    charset: tuple[str, ...] | None = None
    input: InputSpec
    recipe: dict[str, Any] = {}
    seed: int = 0
    commit: str | None = None
    license: str = "MIT"
    metrics: dict[str, float] = {}
    temperature: PositiveFloat = 1.0
    fitted_confidence: bool = True
    settings: dict[str, dict[str, Any]] = {}
    folder: Path | None = Field(None, exclude=True, repr=False)

    @property
    def path(self) -> Path:
        """The weights file."""
        return (self.folder or Path()) / (self.file or f"{self.name}.safetensors")

    @property
    def onnx_path(self) -> Path:
        """The ONNX file."""
        return (self.folder or Path()) / (self.onnx or f"{self.name}.onnx")

    @property
    def int8_path(self) -> Path:
        """The ONNX file in 8-bit integers."""
        return (self.folder or Path()) / (self.int8 or f"{self.name}.int8.onnx")

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols in class order.

        Raises:
            WeightsError: the manifest gives none.
        """
        if self.charset is None:
            raise WeightsError(f"{self.path}: the manifest gives no charset for this {self.task}")
        return self.charset


class Manifest(BaseModel):
    """The models of one weights folder, the default of each task first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[ModelEntry, ...] = ()

    @model_validator(mode="after")
    def _complete_and_unique(self) -> Manifest:
        keys = [(m.task, m.name) for m in self.models]
        for key, entry in zip(keys, self.models, strict=True):
            if keys.count(key) > 1:
                raise ValueError(f"{entry.task} {entry.name} is listed twice")
            if not entry.file or not entry.sha256:
                raise ValueError(f"{entry.task} {entry.name} has no file or no sha256")
        return self


def weights_folders() -> list[Path]:
    """The folders to search: those of the package, then those of ``INDUSTRIAL_OCR_WEIGHTS``.

    Raises:
        WeightsError: a path in ``INDUSTRIAL_OCR_WEIGHTS`` is not a folder.
    """
    shipped = [shipped_folder("craft_weights"), Path(__file__).resolve().parent / "data"]
    more = [Path(p) for p in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if p]
    for folder in more:
        if not folder.is_dir():
            raise WeightsError(
                f"{folder}: {FOLDERS_VARIABLE} names this path, but it is not a folder"
            )
    folders = [folder for folder in shipped if folder.is_dir()] + more
    return list({folder.resolve(): folder for folder in folders}.values())


def load_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """Reads a folder's manifest; a folder without one has no models.

    Raises:
        WeightsError: the manifest is damaged or incomplete; the message names file and field.
    """
    path = Path(folder) / MANIFEST_NAME
    try:
        manifest = Manifest.model_validate_json(read_whole(path))
    except FileNotFoundError:
        return Manifest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise WeightsError(f"{path}: damaged manifest: {where} {first['msg']}") from error
    located = (m.model_copy(update={"folder": Path(folder)}) for m in manifest.models)
    return Manifest(models=tuple(located))


def load_models(folder: str | os.PathLike[str]) -> tuple[ModelEntry, ...]:
    """The models of a folder, at least one; raises WeightsError as ``load_manifest``."""
    models = load_manifest(folder).models
    if not models:
        raise WeightsError(f"{folder}: there is no {MANIFEST_NAME} with models in this folder")
    return models


def find_entry(task: NetworkTask, name: str | os.PathLike[str] | None = None) -> ModelEntry:
    """The model of a task by its name.

    Args:
        task: task of the model.
        name: name in the manifest, or path of a ``.safetensors`` file with its manifest in the same
            folder. None takes the default: the first model of the task in the first folder that has
            one.

    Raises:
        WeightsError: there is no such model, or several folders have one.
    """
    if name is not None and str(name).endswith(".safetensors"):
        path = Path(name)
        for entry in load_manifest(path.parent).models:
            if entry.task == task and entry.file == path.name:
                return entry
        if not path.exists():
            raise WeightsError(f"{path}: no such weights file")
        raise WeightsError(
            f"{path}: {path.parent / MANIFEST_NAME} describes no {task} in this file; "
            f"weights need the manifest that was written with them"
        )
    models = chain.from_iterable(load_manifest(f).models for f in weights_folders())
    entries = [m for m in models if m.task == task]
    if name is None and entries:
        return entries[0]
    matches = [m for m in entries if m.name == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        places = ", ".join(str(m.folder) for m in matches)
        raise WeightsError(f"{task} {name} is ambiguous, it is in {places}; give a file's path")
    known = ", ".join(m.name for m in entries) or "none"
    folders = ", ".join(map(str, weights_folders())) or "no folder"
    wanted = f"no {task} called {name}" if name is not None else f"no {task}"
    raise WeightsError(f"{wanted}; there are: {known} (searched {folders})")
