"""A bundle: networks and settings of a Reader in one folder or .zip, with the hash of each file.

    bundle.json      backend, precision, versions, and the sha256 of every other file and of itself
    config.json      all settings
    calibration.json, routes.json, patterns.json    if the Reader had them
    networks/        manifest.json and the networks: ONNX, for torch also safetensors

A bundle needs no other files. This module reads and writes its files and hashes; ``reader.bundled``
interprets the settings.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from industrial_ocr.config import Precision
from industrial_ocr.errors import ConfigError, WeightsError
from industrial_ocr.inference.manifest import MANIFEST_NAME, Manifest, ModelEntry, NetworkTask
from industrial_ocr.inference.weights import checked_bytes, load_onnx
from industrial_ocr.results.files import read_whole, write_whole

BUNDLE_NAME = "bundle.json"
NETWORKS = "networks"
FORMAT: Literal[1] = 1
REMEDY = "copy the bundle again, or export it again"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^([a-z]+/)?[a-z][a-z0-9.]*$")]
"""Path of a file in a bundle; it cannot point outside the bundle."""


class BundleManifest(BaseModel):
    """The content of ``bundle.json``.

    Attributes:
        format: format of the bundle; 1.
        backend: backend of the networks.
        precision: precision of the networks.
        max_misread_rate: see ``Reader``.
        models: names of the networks by task, for information.
        versions: versions of the packages that wrote the bundle, for information.
        files: sha256 of every other file.
        sha256: sha256 of this file without this line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    backend: Literal["torch", "onnxruntime", "openvino"]
    precision: Precision
    max_misread_rate: float | None = None
    models: dict[NetworkTask, str]
    versions: dict[str, str]
    files: dict[FileName, Sha256]
    sha256: str = ""

    def sealed(self, files: Mapping[str, bytes]) -> BundleManifest:
        """A copy with the hashes of the files and of itself."""
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
        whole = self.model_copy(update={"files": hashes, "sha256": ""})
        return whole.model_copy(update={"sha256": hashlib.sha256(whole.to_bytes()).hexdigest()})

    def is_sealed(self, data: bytes) -> bool:
        """Whether a file has exactly this content, and the content its own hash."""
        bare = self.model_copy(update={"sha256": ""})
        own = hashlib.sha256(bare.to_bytes()).hexdigest()
        return own == self.sha256 and self.to_bytes() == data

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return as_json(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest was read.

    Attributes:
        path: the folder or the .zip.
        manifest: content of its ``bundle.json``.
    """

    path: Path
    manifest: BundleManifest

    @property
    def holds_safetensors(self) -> bool:
        """Whether it has networks for torch."""
        return any(name.endswith(".safetensors") for name in self.manifest.files)

    def read(self, name: str) -> bytes:
        """A file of the bundle.

        Raises:
            WeightsError: it is missing or was changed.
        """
        return checked_bytes(self.path / name, self.manifest.files[name], BUNDLE_NAME, REMEDY)

    def document(self, name: str) -> Any:
        """The values of a JSON file; None if the bundle has no such file. Raises as ``read``."""
        return json.loads(self.read(name)) if name in self.manifest.files else None

    def network(self, task: NetworkTask) -> Path:
        """The safetensors file of a network, for ``find_entry``; the file may be missing."""
        return self.path / NETWORKS / f"{task}.safetensors"

    def check(self) -> None:
        """Hashes every file; raises as ``read``."""
        for name in self.manifest.files:
            self.read(name)


def open_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Reads the manifest of a bundle; other files are checked when they are read.

    Args:
        path: a folder or a .zip.

    Raises:
        WeightsError: it is not a bundle, or its manifest was changed.
    """
    file = Path(path) / BUNDLE_NAME
    try:
        data = read_whole(file)
    except OSError as error:
        raise WeightsError(
            f"{path}: not a bundle: {BUNDLE_NAME} cannot be read: {error}; "
            "industrial-ocr export writes bundles"
        ) from error
    manifest = _parsed(data, file)
    if not manifest.is_sealed(data):
        raise WeightsError(f"{file}: this file was changed; {REMEDY}")
    return Bundle(Path(path), manifest)


def _parsed(data: bytes, file: Path) -> BundleManifest:
    try:
        values = json.loads(data)
        if values["format"] != FORMAT:
            version = values["versions"]["industrial-ocr"]
            raise WeightsError(
                f"{file}: the bundle has format {values['format']}, expected {FORMAT}; "
                f"it was written by industrial-ocr {version}"
            )
        return BundleManifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise WeightsError(f"{file}: damaged: {where}: {first['msg']}; {REMEDY}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{file}: damaged: {error}; {REMEDY}") from error


def network_files(entries: Iterable[ModelEntry], safetensors: bool) -> dict[str, bytes]:
    """The files of networks in a bundle, named by their task, and their manifest.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    files, renamed = {}, []
    for entry in entries:
        names = {"file": f"{entry.task}.safetensors", "onnx": f"{entry.task}.onnx"}
        if not entry.onnx:
            raise WeightsError(
                f"{entry.path}: has no ONNX file; write it with: "
                f"python -m industrial_ocr.inference.export {entry.folder}"
            )
        files[f"{NETWORKS}/{names['onnx']}"] = load_onnx(entry)
        if entry.int8:
            names["int8"] = f"{entry.task}.int8.onnx"
            files[f"{NETWORKS}/{names['int8']}"] = load_onnx(entry, int8=True)
        if safetensors:
            files[f"{NETWORKS}/{names['file']}"] = checked_bytes(entry.path, entry.sha256)
        renamed.append(entry.model_copy(update=names))
    manifest = Manifest(models=tuple(renamed))
    files[f"{NETWORKS}/{MANIFEST_NAME}"] = as_json(manifest.model_dump(mode="json"))
    return files


def write_bundle(
    out: str | os.PathLike[str],
    manifest: BundleManifest,
    files: Mapping[str, bytes],
    archive: bool = False,
) -> list[Path]:
    """Writes a bundle atomically; equal contents give equal bytes.

    Args:
        out: the folder; if it ends in .zip, only an archive of that name is written.
        manifest: the manifest, without hashes.
        files: contents of the files by name.
        archive: whether to write ``out``.zip as well.

    Returns:
        The paths written.

    Raises:
        ConfigError: it exists already; bundles are not overwritten.
        WeightsError: it cannot be written.
    """
    folder = Path(out)
    contents = {BUNDLE_NAME: manifest.sealed(files).to_bytes(), **files}
    zipped = partial(write_whole, data=_zipped(contents))
    unpacked = partial(_write_folder, contents=contents)
    jobs = {folder: zipped if folder.suffix == ".zip" else unpacked}
    if archive:
        jobs.setdefault(folder.with_name(f"{folder.name}.zip"), zipped)
    for path in jobs:
        if path.exists():
            raise ConfigError(f"{path}: this bundle exists already and is not overwritten")
    try:
        for path, write in jobs.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
    except OSError as error:
        raise WeightsError(f"{out}: the bundle cannot be written: {error}") from error
    return list(jobs)


def _write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        for name, data in contents.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(part / name, data)
        os.replace(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _zipped(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(contents):
            info = zipfile.ZipInfo(name)  # dated 1980, so that equal bundles have equal bytes
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, contents[name])
    return buffer.getvalue()


def as_json(values: Any) -> bytes:
    """JSON in UTF-8 with one value per line, in the given order."""
    return (json.dumps(values, indent=1, ensure_ascii=False, default=str) + "\n").encode()
