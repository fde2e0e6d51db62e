"""Runs networks on OpenVINO, the fastest backend on most CPUs."""

from __future__ import annotations

import hashlib
import sys
import threading
from contextlib import suppress
from functools import cache
from typing import Any, Literal

# On import, OpenVINO sends usage data to its maker through this package, from a thread that forks
# this process, which may then wait forever. OpenVINO works without the package, and sends nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

from industrial_ocr.inference.manifest import ModelEntry  # noqa: E402
from industrial_ocr.inference.weights import cache_folder, load_onnx  # noqa: E402
from industrial_ocr.results.files import write_whole  # noqa: E402
from industrial_ocr.results.types import FloatArray  # noqa: E402

KEPT = 16
"""Compiled networks to keep in the cache folder; the oldest are deleted."""


class OpenVinoSession:
    """A network on OpenVINO.

    Args:
        entry: the model; one of its ONNX files is used.
        threads: largest number of threads; None leaves it to OpenVINO, which takes one per core.
        precision: precision of its computations.

    Raises:
        WeightsError: the ONNX file is missing or damaged.
    """

    survives_fork = False

    def __init__(
        self, entry: ModelEntry, threads: int | None, precision: Literal["fp32", "bf16", "int8"]
    ) -> None:
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "NUM_STREAMS": 1,
            # With pinning, the threads of all processes would share the same first cores.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        data = load_onnx(entry, int8=precision == "int8")
        self._compiled = _compiled(data, options)
        self._requests = threading.local()

    def run(self, batch: FloatArray) -> FloatArray:
        """(N, C, H, W) float32 -> the network's output, float32."""
        if not hasattr(self._requests, "own"):  # a request belongs to one thread
            self._requests.own = self._compiled.create_infer_request()
        output: FloatArray = self._requests.own.infer([batch])[0].copy()
        return output


def _compiled(data: bytes, options: dict[str, Any]) -> openvino.CompiledModel:
    """An ONNX file compiled for this processor, which is kept for the next process.

    A kept network begins with its SHA-256. One that is missing, damaged or refused by OpenVINO is
    compiled again. Where it cannot be written, each process compiles it.
    """
    kept = None
    with suppress(RuntimeError, OSError):  # no home folder, no such file, refused
        kept = cache_folder() / "openvino" / f"{_key(data, options)}.blob"
        content = kept.read_bytes()
        blob = content[32:]
        if hashlib.sha256(blob).digest() == content[:32]:
            return _core().import_model(blob, "CPU", options)
    compiled = _core().compile_model(_core().read_model(data, b""), "CPU", options)
    if kept is not None:
        with suppress(RuntimeError, OSError):
            blob = compiled.export_model().getvalue()
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, hashlib.sha256(blob).digest() + blob)
            blobs = sorted(kept.parent.glob("*.blob"), key=lambda path: path.stat().st_mtime)
            for old in blobs[:-KEPT]:
                old.unlink(missing_ok=True)
    return compiled


def _key(data: bytes, options: dict[str, Any]) -> str:
    """A name for a compiled network: of the network, the options, OpenVINO and the processor."""
    names = ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
    processor = [_core().get_property("CPU", name) for name in names]
    about = repr([sorted(options.items()), openvino.get_version(), processor])
    return hashlib.sha256(hashlib.sha256(data).digest() + about.encode()).hexdigest()[:32]


@cache
def _core() -> openvino.Core:
    return openvino.Core()


def has_bf16(device: str) -> bool:
    """Whether this processor computes in bfloat16 faster than in float32."""
    return "BF16" in _core().get_property(device.upper(), "OPTIMIZATION_CAPABILITIES")
