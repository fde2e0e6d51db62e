"""Finds the model for a name or a file, and prepares its network on the chosen backend."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple, cast, get_args

import cv2

from industrial_ocr.config import Precision
from industrial_ocr.errors import ConfigError, MissingPackageError
from industrial_ocr.image.preprocess import StripInput
from industrial_ocr.inference.craft_mlt import craft_mlt, is_craft_mlt
from industrial_ocr.inference.ctc_onnx import CtcNetwork, is_onnx_only, other_recognizer
from industrial_ocr.inference.manifest import ModelEntry, NetworkTask, find_entry
from industrial_ocr.inference.network import Network, Session
from industrial_ocr.inference.weights import load_onnx
from industrial_ocr.patterns.charset import SPACE, Charset
from industrial_ocr.results.engine import ConfidenceBasis
from industrial_ocr.results.files import sha256_of
from industrial_ocr.results.types import FloatArray

Backend = Literal["auto", "torch", "onnxruntime", "openvino"]
Name = str | Path | None

PUBLISHED_CRNN_SYMBOLS = tuple("0123456789abcdefghijklmnopqrstuvwxyz")


class DetectorNetwork(NamedTuple):
    """The arguments of ``Detector``."""

    network: Network
    published: bool
    settings: Mapping[str, Mapping[str, Any]] = {}


class ClassifierNetwork(NamedTuple):
    """The arguments of ``Classifier``."""

    network: Network
    charset: Charset
    size: int
    temperature: float


class RecognizerNetwork(NamedTuple):
    """The arguments of ``Recognizer``."""

    network: Callable[[FloatArray], FloatArray]
    charset: Charset
    temperature: float
    strips: StripInput = StripInput()
    knows_space: bool = False
    basis: ConfidenceBasis = "fitted"


class Loader:
    """Finds models and prepares their networks, which are loaded at their first use.

    Args:
        device: ``auto``, ``cpu``, or a device of torch such as ``cuda``.
        backend: ``auto`` takes torch if it is installed and there is a GPU, else OpenVINO if it is
            installed, else ONNX Runtime.
        threads: largest number of threads of each network and of OpenCV; None leaves it to the
            libraries.
        precision: precision of the networks: ``fp32``, ``bf16`` or ``int8``. ``auto`` takes int8 on
            a CPU if the model has it, else bf16 if it is faster on this device. The recognizer
            never has int8; it has bf16 on OpenVINO alone.
        temperatures: temperatures by sha256 of the weights; they replace those of the manifest.

    Attributes:
        backend: the backend in use.
        device: the device on which networks run.
        weights: sha256 of the requested weights, by task.
        networks: the requested networks.

    Raises:
        ConfigError: a backend or device is unknown or not available.
        MissingPackageError: the backend is not installed.
    """

    def __init__(
        self,
        device: str = "auto",
        backend: Backend = "auto",
        threads: int | None = None,
        precision: Precision = "fp32",
        temperatures: Mapping[str, float] | None = None,
    ) -> None:
        self.backend = _backend(backend, device)
        self.device = "cpu"
        if self.backend == "torch":
            self.device = str(_import_backend("torch").resolve_device(device))
        self.weights: dict[str, str] = {}
        self.networks: list[Network] = []
        self._threads = threads
        self._temperatures = temperatures or {}
        self._precision = _available(precision, self.backend)
        _limit_threads(threads, self.backend)

    def detector(self, name: Name, role: str = "detector") -> DetectorNetwork:
        """A detector of a manifest, ``craft-mlt-25k``, or another published CRAFT checkpoint.

        Args:
            name: name or file; None for the default.
            role: its name in ``weights``; ``finder`` for that of ``DetectionConfig.finder``.

        Raises:
            WeightsError: the model is missing, or its manifest is damaged.
            MissingPackageError: the model must be converted first, which needs torch.
        """
        if is_craft_mlt(name):
            entry = craft_mlt(cast(str, name))
        elif _is_published(name):
            return DetectorNetwork(self._published("detector", name, role), published=True)
        else:
            entry = find_entry("detector", name)
        self.weights[role] = entry.sha256
        vgg = entry.architecture.get("architecture") == "vgg16_bn"
        return DetectorNetwork(self._network(entry), vgg, entry.settings)

    def classifier(self, name: Name) -> ClassifierNetwork:
        """A character classifier; raises as ``detector``."""
        entry = find_entry("classifier", name)
        self.weights["classifier"] = entry.sha256
        charset, size = Charset(entry.symbols), entry.input.size
        side = size[0] if size else 40
        return ClassifierNetwork(self._network(entry), charset, side, self._temperature(entry))

    def recognizer(self, name: Name) -> RecognizerNetwork:
        """A recognizer: a CRNN of a manifest, a checkpoint of crnn.pytorch, or an ONNX file.

        Raises:
            WeightsError: as in ``detector``, or an ONNX file is not a CTC recognizer.
            MissingPackageError: the package ``rapidocr`` of a PP-OCR recognizer is not installed.
        """
        if _is_published(name):
            charset = Charset(PUBLISHED_CRNN_SYMBOLS, blank=True)
            network = self._published("recognizer", name, "recognizer")
            return RecognizerNetwork(network, charset, 1.0, StripInput(own_contrast=False))
        entry = other_recognizer(name) or find_entry("recognizer", name)
        self.weights["recognizer"] = entry.sha256
        if is_onnx_only(entry):
            other = CtcNetwork(entry, self._network(entry))
            return RecognizerNetwork(
                other,
                other.charset,
                self._temperature(entry),
                other.strips,
                other.knows_space,
                self._own_basis(entry),
            )
        knows_space = entry.symbols[-1:] == (SPACE,)
        symbols = entry.symbols[:-1] if knows_space else entry.symbols
        charset = Charset(symbols, blank=True)
        return RecognizerNetwork(
            self._network(entry),
            charset,
            self._temperature(entry),
            StripInput(rows=entry.input.size[0] if entry.input.size else 32),
            knows_space,
            "fitted" if entry.fitted_confidence else self._own_basis(entry),
        )

    def _own_basis(self, entry: ModelEntry) -> ConfidenceBasis:
        """The basis for a recognizer to which no confidence was fitted."""
        return "calibrated" if entry.sha256 in self._temperatures else "raw"

    def _temperature(self, entry: ModelEntry) -> float:
        return self._temperatures.get(entry.sha256, entry.temperature)

    def _network(self, entry: ModelEntry) -> Network:
        load = partial(_session, entry, self.backend, self.device, self._threads)
        return self._noted(Network(partial(load, self._precision_of(entry))))

    def _noted(self, network: Network) -> Network:
        self.networks.append(network)
        return network

    def _published(self, task: NetworkTask, path: Name, role: str) -> Network:
        backend = _import_backend("torch")
        session = backend.load_published(task, path, backend.resolve_device(self.device))
        self.weights[role] = sha256_of(Path(str(path)))
        return self._noted(Network(lambda: cast(Session, session)))

    def _precision_of(self, entry: ModelEntry) -> Literal["fp32", "bf16", "int8"]:
        """The precision of a model.

        Raises:
            WeightsError: int8 was requested, but the model has no int8 file.
        """
        if entry.task == "recognizer" and (
            # int8 and other combinations: benchmarks/results/tried.md
            self._precision == "int8" or self.backend != "openvino" or is_onnx_only(entry)
        ):
            return "fp32"
        if self._precision == "int8":
            load_onnx(entry, int8=True)
        if self._precision != "auto":
            return self._precision
        if entry.int8 and self.backend != "torch":
            return "int8"
        if self.backend == "onnxruntime":
            return "fp32"
        return "bf16" if _import_backend(self.backend).has_bf16(self.device) else "fp32"


def _session(
    entry: ModelEntry,
    backend: str,
    device: str,
    threads: int | None,
    precision: Literal["fp32", "bf16", "int8"],
) -> Session:
    """A loaded network. No method of ``Loader``: that circle would keep unused networks alive."""
    # Older versions have written weights without an ONNX file.
    without_onnx = not entry.onnx and find_spec("torch") is not None
    if (backend == "torch" or without_onnx) and not is_onnx_only(entry):
        torch = _import_backend("torch")
        session = torch.load_session(entry, torch.resolve_device(device), precision == "bf16")
    elif backend == "openvino":
        session = _import_backend("openvino").OpenVinoSession(entry, threads, precision)
    else:
        onnxruntime = _import_backend("onnxruntime")
        session = onnxruntime.OnnxRuntimeSession(entry, threads, precision == "int8")
    return cast(Session, session)


def _available(precision: Precision, backend: str) -> Precision:
    """The precision, if the backend has it."""
    if (backend, precision) == ("onnxruntime", "bf16"):
        raise ConfigError("ONNX Runtime has no precision bf16; use backend 'openvino'")
    if (backend, precision) == ("torch", "int8"):
        raise ConfigError("torch has no precision int8; use backend 'openvino' or 'onnxruntime'")
    return precision


def _backend(backend: Backend, device: str) -> Literal["torch", "onnxruntime", "openvino"]:
    """The backend to use."""
    if backend not in get_args(Backend):
        raise ConfigError(f"backend must be one of {list(get_args(Backend))}, got {backend!r}")
    on_cpu = device == "cpu"
    if backend in ("onnxruntime", "openvino") and device not in ("auto", "cpu"):
        raise ConfigError(f"backend {backend} runs on the CPU; device {device!r} needs 'torch'")
    if backend != "auto":
        _import_backend(backend)
        return backend
    if not on_cpu and (device != "auto" or _has_usable_gpu()):
        _import_backend("torch")
        return "torch"
    return "openvino" if find_spec("openvino") is not None else "onnxruntime"


def _import_backend(name: str) -> ModuleType:
    """The module of a backend.

    Raises:
        MissingPackageError: what it needs is not installed.
    """
    try:
        return import_module(f"industrial_ocr.inference.{name}_backend")
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"backend {name} needs {error.name}: pip install 'industrial-ocr[{name}]'"
        ) from error


def _has_usable_gpu() -> bool:
    """Whether torch can use a GPU; torch is slow to import, so the driver is looked for first."""
    if find_spec("torch") is None:
        return False
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return bool(import_module("torch").cuda.is_available())


def _limit_threads(threads: int | None, backend: str) -> None:
    if threads is None:
        return
    if threads < 1:
        raise ConfigError(f"threads must be at least 1, got {threads}")
    cv2.setNumThreads(threads)
    if backend == "torch":
        import_module("torch").set_num_threads(threads)


def _is_published(name: Name) -> bool:
    return name is not None and Path(name).suffix.lower() in {".pth", ".pt"}
