"""Loads and saves weights, whose sha256 is checked on every load."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from industrial_ocr.errors import WeightsError
from industrial_ocr.inference.manifest import (
    MANIFEST_NAME,
    Manifest,
    ModelEntry,
    load_manifest,
    weights_folders,
)
from industrial_ocr.results.files import read_whole, write_whole

if TYPE_CHECKING:
    from torch import Tensor

CACHE_VARIABLE = "INDUSTRIAL_OCR_CACHE"


def load_state(entry: ModelEntry) -> dict[str, Tensor]:
    """A model's state dict on the CPU, floats as float32; the hash is checked every time.

    Raises:
        WeightsError: the file is missing or damaged, or has another hash than in the manifest.
    """
    import safetensors.torch
    import torch

    data = checked_bytes(entry.path, entry.sha256)
    try:
        # The file is not read again, since it may have changed since it was hashed.
        state = safetensors.torch.load(data)
    except Exception as error:  # a wrong header raises errors of many classes
        message = f"{entry.path}: not a valid safetensors file: {_one_line(error)}"
        raise WeightsError(message) from error
    return {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in state.items()}


def cache_folder() -> Path:
    """Folder of converted networks: ``INDUSTRIAL_OCR_CACHE``, else ~/.cache/industrial_ocr.

    Raises:
        RuntimeError: there is no home folder.
    """
    own = os.environ.get(CACHE_VARIABLE)
    return Path(own) if own else Path.home() / ".cache" / "industrial_ocr"


def load_onnx(entry: ModelEntry, int8: bool = False) -> bytes:
    """A model's ONNX file, or the one in 8-bit integers; its hash is checked every time.

    Raises:
        WeightsError: the file is missing or damaged, or has another hash than in the manifest.
    """
    if int8 and not entry.int8:
        raise WeightsError(
            f"{entry.path}: has no int8 file; write it with: "
            f"python -m industrial_ocr.training.quantize {entry.folder} --fonts DIR"
        )
    if not int8 and not entry.onnx:
        raise WeightsError(
            f"{entry.path}: has no ONNX file, and torch is not installed; export it where torch "
            f"is: python -m industrial_ocr.inference.export {entry.folder}"
        )
    if int8:
        return checked_bytes(entry.int8_path, entry.int8_sha256)
    return checked_bytes(entry.onnx_path, entry.onnx_sha256)


def checked_bytes(
    path: Path,
    sha256: str,
    manifest: str = MANIFEST_NAME,
    remedy: str = "restore it or install the package again",
) -> bytes:
    """The content of a file whose hash is that in the manifest.

    Args:
        path: path of the file, which may be inside an archive (see ``read_whole``).
        sha256: hash in the manifest.
        manifest: name of the manifest for messages.
        remedy: advice for messages about a wrong file.

    Raises:
        WeightsError: the file is missing, cannot be read, or has another hash.
    """
    try:
        data = read_whole(path)
    except OSError as error:
        what = "no such file" if isinstance(error, FileNotFoundError) else _one_line(error)
        raise WeightsError(f"{path}: {what}, but {manifest} names it; {remedy}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{path}: sha256 is {found}, {manifest} says {sha256 or 'nothing'}; "
            f"the file is damaged or was replaced: {remedy}"
        )
    return data


def save_entry(
    folder: str | os.PathLike[str],
    entry: ModelEntry,
    state: Mapping[str, Tensor],
    half: bool = True,
) -> ModelEntry:
    """Writes a model's weights and its entry in the folder's manifest, each atomically.

    It replaces an entry with the same task and name. Only one process may write into a folder.

    Args:
        folder: the folder; it is created if it is missing.
        entry: the entry, without ``sha256`` and ``folder``.
        state: the state dict.
        half: whether to store floats as float16; tensors with larger values are float32.

    Returns:
        The entry as written.

    Raises:
        WeightsError: a weight is NaN or infinite, the manifest is damaged, the folder cannot be
            written, or another entry has the same file.
    """
    import safetensors.torch

    folder = Path(folder)
    tensors = {key: _storable(key, value, half) for key, value in state.items()}
    data = safetensors.torch.save(tensors, metadata={"format": "pt"})
    update = {
        "file": entry.file or f"{entry.name}.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "onnx": "",
        "onnx_sha256": "",
        "int8": "",
        "int8_sha256": "",
        "folder": folder,
    }
    saved = entry.model_copy(update=update)
    _write(saved, saved.path, data)
    return saved


def save_onnx(entry: ModelEntry, data: bytes, int8: bool = False) -> ModelEntry:
    """Writes the ONNX file of a saved model, or the one in 8-bit integers, with its hash.

    Returns:
        The entry as written.

    Raises:
        WeightsError: the folder cannot be written.
    """
    kind, suffix = ("int8", "int8.onnx") if int8 else ("onnx", "onnx")
    name, digest = f"{entry.path.stem}.{suffix}", hashlib.sha256(data).hexdigest()
    saved = entry.model_copy(update={kind: name, f"{kind}_sha256": digest})
    _write(saved, saved.int8_path if int8 else saved.onnx_path, data)
    return saved


def _write(entry: ModelEntry, path: Path, data: bytes) -> None:
    """Writes one file of a model, then the manifest with its entry replaced or added."""
    folder = path.parent
    key = entry.task, entry.name
    models = {(m.task, m.name): m for m in load_manifest(folder).models}
    if any(m.file == entry.file and known != key for known, m in models.items()):
        raise WeightsError(f"{entry.path}: another model of the manifest has that file")
    models[key] = entry
    text = Manifest(models=tuple(models.values())).model_dump_json(indent=2) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
        write_whole(folder / MANIFEST_NAME, text)
    except OSError as error:
        raise WeightsError(f"{folder}: cannot be written: {_one_line(error)}") from error


def _storable(key: str, tensor: Tensor, half: bool) -> Tensor:
    """A contiguous copy on the CPU, floats as float16 (where they fit) or float32."""
    import torch

    tensor = tensor.detach().cpu()
    if not tensor.is_floating_point():
        return tensor.contiguous().clone()
    full = tensor.to(torch.float32, copy=True).contiguous()
    if not torch.isfinite(full).all():
        raise WeightsError(f"{key}: has NaN or infinite values; such weights are not saved")
    fits = half and (full.numel() == 0 or float(full.abs().max()) <= torch.finfo(torch.half).max)
    return full.half() if fits else full


def verify_all() -> list[tuple[ModelEntry, bool, str]]:
    """Checks the hashes of all models: the entry, whether its files are intact, and a message.

    Raises:
        WeightsError: a manifest is damaged.
    """
    results = []
    for folder in weights_folders():
        for entry in load_manifest(folder).models:
            try:
                checked_bytes(entry.path, entry.sha256)
                if entry.onnx:
                    load_onnx(entry)
                if entry.int8:
                    load_onnx(entry, int8=True)
            except WeightsError as error:
                results.append((entry, False, str(error)))
            else:
                results.append((entry, True, "sha256 as in the manifest"))
    return results


def commit_id() -> str | None:
    """The commit of the checkout from which this package runs; None if it is installed."""
    root = Path(__file__).resolve().parents[2]
    # In a git hook, variables such as GIT_DIR may name another repository.
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    command = ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.splitlines()
    # A package that is installed inside another repository does not have its commit.
    if done.returncode != 0 or len(lines) != 2 or Path(lines[0]).resolve() != root:
        return None
    return lines[1]


def _one_line(error: BaseException) -> str:
    """The kind of an error and the first sentence of its message."""
    return f"{type(error).__name__}: {' '.join(str(error).split()).split('. ')[0]}"
