"""Weights: a manifest a folder, safetensors files, their sha256 checked on every load.

A weights folder holds ``manifest.json`` and the files it names. Two folders ship with the
package, the detectors in ``craft_weights`` and the readers of characters and strings in
``industrial_ocr/data``; the environment variable ``INDUSTRIAL_OCR_WEIGHTS`` adds more.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from industrial_ocr.config import shipped_folder
from industrial_ocr.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST_NAME = "manifest.json"
FOLDERS_VARIABLE = "INDUSTRIAL_OCR_WEIGHTS"

Task = Literal["detector", "classifier", "recognizer"]
_PLAIN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class InputSpec(BaseModel):
    """What a network was trained to see.

    Attributes:
        size: (height, width) in pixels; None for any size (the detector).
        mean: subtracted from 0..1 pixel values, one number a channel.
        std: divided by then, one number a channel.
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
        architecture: keyword arguments of the model class.
        charset: the symbols in class order, None for a detector.
        input: see ``InputSpec``.
        recipe: the training configuration, to repeat it.
        seed: of the training.
        commit: of the source tree that trained it, None where there was none.
        licence: SPDX identifier of the weights.
        metrics: measured numbers by name.
        temperature: logits are divided by it, so that probabilities are calibrated.
        folder: where the manifest lies; not written to it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(pattern=_PLAIN_NAME)
    task: Task
    file: str = Field("", pattern=_PLAIN_NAME + "|^$")
    sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    architecture: dict[str, Any]
    charset: tuple[str, ...] | None = None
    input: InputSpec
    recipe: dict[str, Any] = {}
    seed: int = 0
    commit: str | None = None
    licence: str = "MIT"
    metrics: dict[str, float] = {}
    temperature: PositiveFloat = 1.0
    folder: Path | None = Field(None, exclude=True, repr=False)

    @property
    def path(self) -> Path:
        """The weights file."""
        return (self.folder or Path()) / (self.file or f"{self.name}.safetensors")


class Manifest(BaseModel):
    """The models of one weights folder, the default of each task first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[ModelEntry, ...] = ()

    @model_validator(mode="after")
    def _complete_and_unique(self) -> Manifest:
        keys = [(m.task, m.name) for m in self.models]
        for key, entry in zip(keys, self.models, strict=True):
            if keys.count(key) > 1:
                raise ValueError(f"{entry.task} {entry.name} stands there twice")
            if not entry.file or not entry.sha256:
                raise ValueError(f"{entry.task} {entry.name} lacks its file or its sha256")
        return self


def weights_folders() -> list[Path]:
    """The folders searched: those shipped (checkout or wheel), then those of the environment.

    Raises:
        WeightsError: ``INDUSTRIAL_OCR_WEIGHTS`` names what is no folder.
    """
    shipped = [shipped_folder("craft_weights"), Path(__file__).resolve().parent / "data"]
    more = [Path(p) for p in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if p]
    for folder in more:
        if not folder.is_dir():
            raise WeightsError(f"{folder}: no folder, but {FOLDERS_VARIABLE} names it")
    folders = [folder for folder in shipped if folder.is_dir()] + more
    return list({folder.resolve(): folder for folder in folders}.values())


def load_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """Reads a folder's manifest; a folder without one holds no models.

    Raises:
        WeightsError: the manifest is damaged or incomplete; it names the file and the field.
    """
    path = Path(folder) / MANIFEST_NAME
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
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


def find_entry(task: Task, name: str | os.PathLike[str] | None = None) -> ModelEntry:
    """The model of a task by its name.

    Args:
        task: what the model does.
        name: as in the manifest; or the path of a ``.safetensors`` file with its manifest
            beside it, for weights that lie in no searched folder; None for the default, the
            task's first model in the first folder that has one.

    Raises:
        WeightsError: there is none, or the name stands in several folders; it names the choice.
    """
    if name is not None and str(name).endswith(".safetensors"):
        path = Path(name)
        for entry in load_manifest(path.parent).models:
            if entry.task == task and entry.file == path.name:
                return entry
        raise WeightsError(
            f"{path}: {path.parent / MANIFEST_NAME} describes no {task} in that file; "
            f"weights are used with the manifest written beside them"
        )
    entries = [m for f in weights_folders() for m in load_manifest(f).models if m.task == task]
    if name is None and entries:
        return entries[0]
    matches = [m for m in entries if m.name == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        places = ", ".join(str(m.folder) for m in matches)
        raise WeightsError(f"{task} {name} is ambiguous, it lies in {places}; pass a file's path")
    known = ", ".join(m.name for m in entries) or "none"
    folders = ", ".join(map(str, weights_folders())) or "no folder"
    wanted = f"no {task} called {name}" if name is not None else f"no {task}"
    raise WeightsError(f"{wanted}; there are: {known} (searched {folders})")


def load_state(entry: ModelEntry) -> dict[str, Tensor]:
    """A model's state dict on the CPU, floats as float32; the hash is checked every time.

    Raises:
        WeightsError: the file is missing, damaged or not the one the manifest means.
    """
    import safetensors.torch
    import torch

    data = _checked_bytes(entry)
    try:
        # The very bytes that were hashed, not the file again, which may have changed since.
        state = safetensors.torch.load(data)
    except Exception as error:  # SafetensorError, and whatever a wrong header leads to
        message = f"{entry.path}: no valid safetensors file: {_one_line(error)}"
        raise WeightsError(message) from error
    return {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in state.items()}


def _checked_bytes(entry: ModelEntry) -> bytes:
    try:
        data = entry.path.read_bytes()
    except OSError as error:
        what = "no such file" if isinstance(error, FileNotFoundError) else _one_line(error)
        raise WeightsError(
            f"{entry.path}: {what}, but {MANIFEST_NAME} names it; restore it or install again"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise WeightsError(
            f"{entry.path}: sha256 is {found}, {MANIFEST_NAME} says {entry.sha256 or 'nothing'}; "
            "the file is damaged or was exchanged: restore it or install the package again"
        )
    return data


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The state dict of a ``.pth``, ``.pt`` or ``.safetensors`` file from elsewhere, on the CPU.

    A state dict wrapped as ``state_dict`` or ``model`` is unwrapped, and the ``module.`` that
    DataParallel puts before every key is taken off. Tensors keep their type.

    Raises:
        WeightsError: missing, damaged, without a state dict, or a pickle that needs code to
            load: that is never run.
    """
    import safetensors.torch
    import torch

    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            loaded: object = safetensors.torch.load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load on damaged bytes raises many kinds
        if isinstance(error, pickle.UnpicklingError):
            # Torch's own message recommends weights_only=False, which is not the way out here.
            raise WeightsError(
                f"{path}: a pickle that needs code to load, which is never run here; if you trust "
                "it, load it with torch elsewhere and save its state dict as safetensors"
            ) from error
        raise WeightsError(f"{path}: damaged, or no checkpoint: {_one_line(error)}") from error
    return _state_of(loaded, path)


def _state_of(loaded: object, path: Path) -> dict[str, Tensor]:
    """The state dict within what a checkpoint holds, without ``module.`` prefixes."""
    import torch

    wrapped = [loaded.get("state_dict"), loaded.get("model")] if isinstance(loaded, dict) else []
    for state in [loaded, *wrapped]:
        if not isinstance(state, Mapping) or not state:
            continue
        if all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items()):
            prefix = "module." if all(k.startswith("module.") for k in state) else ""
            return {k.removeprefix(prefix): v for k, v in state.items()}
    raise WeightsError(f"{path}: holds no state dict (names with tensors)")


def save_entry(
    folder: str | os.PathLike[str],
    entry: ModelEntry,
    state: Mapping[str, Tensor],
    half: bool = True,
) -> ModelEntry:
    """Writes a model's weights and its place in the folder's manifest, each atomically.

    An entry of the same task and name is replaced in its place, a new one goes last. One writer
    a folder at a time.

    Args:
        folder: made if missing.
        entry: its ``sha256`` and ``folder`` are filled in here.
        state: the state dict.
        half: floats are stored as float16, but tensors with values beyond its range as float32.

    Returns:
        The entry as written.

    Raises:
        WeightsError: NaN or infinite weights, a damaged manifest, a folder that cannot be
            written, or a file name that another entry has.
    """
    import safetensors.torch

    folder = Path(folder)
    tensors = {key: _storable(key, value, half) for key, value in state.items()}
    data = safetensors.torch.save(tensors, metadata={"format": "pt"})
    update = {
        "file": entry.file or f"{entry.name}.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "folder": folder,
    }
    saved = entry.model_copy(update=update)
    models = list(load_manifest(folder).models)
    key = (saved.task, saved.name)
    places = [i for i, m in enumerate(models) if (m.task, m.name) == key]
    if any(m.file == saved.file and (m.task, m.name) != key for m in models):
        raise WeightsError(f"{saved.path}: another model of the manifest has that file")
    if places:
        models[places[0]] = saved
    else:
        models.append(saved)
    text = Manifest(models=tuple(models)).model_dump_json(indent=2) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_atomically(saved.path, data)
        _write_atomically(folder / MANIFEST_NAME, text.encode())
    except OSError as error:
        raise WeightsError(f"{folder}: cannot be written: {_one_line(error)}") from error
    return saved


def _storable(key: str, tensor: Tensor, half: bool) -> Tensor:
    """A contiguous copy on the CPU, floats as float16 (where they fit) or float32."""
    import torch

    tensor = tensor.detach().cpu()
    if not tensor.is_floating_point():
        return tensor.contiguous().clone()
    full = tensor.to(torch.float32, copy=True).contiguous()
    if not torch.isfinite(full).all():
        raise WeightsError(f"{key}: holds NaN or infinite values; such weights are not saved")
    fits = half and (full.numel() == 0 or float(full.abs().max()) <= torch.finfo(torch.half).max)
    return full.half() if fits else full


def _write_atomically(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp's 0600 would reach the wheel
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def verify_all() -> list[tuple[ModelEntry, bool, str]]:
    """Loads every installed model's file: the entry, whether it is sound, and a line about it.

    Raises:
        WeightsError: a manifest itself is damaged.
    """
    results = []
    for entry in (m for folder in weights_folders() for m in load_manifest(folder).models):
        try:
            state = load_state(entry)
        except WeightsError as error:
            results.append((entry, False, str(error)))
        else:
            count = sum(t.numel() for t in state.values())
            results.append((entry, True, f"sha256 as in the manifest, {count:,} numbers"))
    return results


def commit_id() -> str | None:
    """The commit of the checkout this package runs from; None for an installed package."""
    root = Path(__file__).resolve().parent.parent
    # Inside a git hook GIT_DIR and its like point at some repository, perhaps another one.
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    command = ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.splitlines()
    # A package installed below somebody else's repository does not have that one's commit.
    if done.returncode != 0 or len(lines) != 2 or Path(lines[0]).resolve() != root:
        return None
    return lines[1]


def _one_line(error: BaseException) -> str:
    """The kind of an error and the first sentence of its message."""
    return f"{type(error).__name__}: {' '.join(str(error).split()).split('. ')[0]}"
