"""Writes a Reader as a bundle and loads it again; ``inference.bundle`` has files and hashes."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast, get_args

import cv2
import numpy as np

from industrial_ocr import __version__
from industrial_ocr.config import PipelineConfig, Precision, parse_config
from industrial_ocr.decoding.calibration import Calibration, parse_calibration
from industrial_ocr.errors import ConfigError
from industrial_ocr.inference.bundle import (
    Bundle,
    BundleManifest,
    as_json,
    network_files,
    write_bundle,
)
from industrial_ocr.inference.craft_mlt import craft_mlt, is_craft_mlt
from industrial_ocr.inference.ctc_onnx import is_onnx_only, other_recognizer
from industrial_ocr.inference.loading import Name
from industrial_ocr.inference.manifest import ModelEntry, NetworkTask, find_entry
from industrial_ocr.inference.weights import commit_id
from industrial_ocr.patterns.presets import Preset
from industrial_ocr.reader.router import RouteTable, parse_routes

TASKS: tuple[NetworkTask, ...] = get_args(NetworkTask)
CONFIG, CALIBRATION, ROUTES, PATTERNS = (
    f"{name}.json" for name in ("config", "calibration", "routes", "patterns")
)


def setting_files(
    config: PipelineConfig,
    calibration: Calibration,
    routes: RouteTable,
    patterns: Mapping[str, Preset],
) -> dict[str, bytes]:
    """The files of a Reader's settings; empty settings have no file."""
    values: dict[str, Any] = {CONFIG: config.model_dump(mode="json")}
    if calibration.temperatures or calibration.curves:
        values[CALIBRATION] = calibration.to_dict()
    if routes:
        values[ROUTES] = {name: [asdict(row) for row in rows] for name, rows in routes.items()}
    if patterns:
        values[PATTERNS] = {
            name: preset.model_dump(mode="json", exclude_defaults=True)
            for name, preset in patterns.items()
        }
    return {name: as_json(value) for name, value in values.items()}


def bundled_options(bundle: Bundle) -> dict[str, Any]:
    """The arguments of ``Reader`` that a bundle holds.

    Raises:
        ConfigError: a setting that this version does not know.
        WeightsError: a file was changed.
    """
    manifest, path = bundle.manifest, bundle.path
    options: dict[str, Any] = {task: bundle.network(task) for task in TASKS}
    options |= {"backend": manifest.backend, "precision": manifest.precision}
    options["max_misread_rate"] = manifest.max_misread_rate
    config = bundle.document(CONFIG)
    options["config"] = parse_config(config, PipelineConfig, str(path / CONFIG))
    calibration = bundle.document(CALIBRATION)
    if calibration is not None:
        options["calibration"] = parse_calibration(calibration, str(path / CALIBRATION))
    options["routes"] = parse_routes(bundle.document(ROUTES) or {}, str(path / ROUTES))
    options["patterns"] = bundled_patterns(bundle)
    return options


def bundled_patterns(bundle: Bundle) -> dict[str, Preset]:
    """The named patterns of a bundle; raises as ``bundled_options``."""
    source = bundle.path / PATTERNS
    return {
        name: parse_config(values, Preset, f"{source}: {name}")
        for name, values in (bundle.document(PATTERNS) or {}).items()
    }


def export_files(
    out: str | Path,
    archive: bool,
    settings: Mapping[str, bytes],
    names: Mapping[NetworkTask, Name],
    backend: str,
    precision: Precision,
    max_misread_rate: float | None,
    safetensors: bool,
) -> list[Path]:
    """Writes a bundle of ``settings`` (see ``setting_files``) and of the models of these ``names``.

    Raises:
        ConfigError: the bundle exists already, or a model is a published checkpoint.
        WeightsError: a model has no ONNX file, or the bundle cannot be written.
    """
    entries = [_entry(task, name) for task, name in names.items()]
    without_torch = [e.name for e in entries if is_onnx_only(e)]
    if safetensors and without_torch:
        raise ConfigError(
            f"recognizer {without_torch[0]}: exists only as ONNX, but a bundle for torch needs its "
            "weights; export with backend onnxruntime or openvino, and not for every backend"
        )
    manifest = BundleManifest(
        backend=cast(Any, backend),
        precision=precision,
        max_misread_rate=max_misread_rate,
        models={entry.task: entry.name for entry in entries},
        versions=_versions(backend),
        files={},
    )
    networks = network_files(entries, safetensors)
    return write_bundle(out, manifest, {**settings, **networks}, archive)


def _entry(task: NetworkTask, name: Name) -> ModelEntry:
    if task == "detector" and name is not None and is_craft_mlt(name):
        return craft_mlt(name)
    if name is not None and Path(name).suffix in {".pth", ".pt"}:
        raise ConfigError(f"{task} {name}: a published checkpoint cannot be put into a bundle")
    other = other_recognizer(name) if task == "recognizer" else None
    return other or find_entry(task, name)


def _versions(backend: str) -> dict[str, str]:
    """Versions of the package, of Python, and of the packages that readings depend on."""
    found = {
        "industrial-ocr": __version__,
        "commit": commit_id(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        backend: version(backend),
    }
    return {name: value for name, value in found.items() if value is not None}
