"""Runs networks on OpenVINO, the fastest backend on most CPUs."""

from __future__ import annotations

import sys
import threading
from functools import cache
from typing import Any, Literal

# On import, OpenVINO sends usage data to its maker through this package, from a thread that forks
# this process, which may then wait forever. OpenVINO works without the package, and sends nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

from industrial_ocr.inference.manifest import ModelEntry  # noqa: E402
from industrial_ocr.inference.weights import load_onnx  # noqa: E402
from industrial_ocr.results.types import FloatArray  # noqa: E402


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
        model = _core().read_model(data, b"")
        self._compiled = _core().compile_model(model, "CPU", options)
        self._requests = threading.local()

    def run(self, batch: FloatArray) -> FloatArray:
        """(N, C, H, W) float32 -> the network's output, float32."""
        if not hasattr(self._requests, "own"):  # a request belongs to one thread
            self._requests.own = self._compiled.create_infer_request()
        output: FloatArray = self._requests.own.infer([batch])[0].copy()
        return output


@cache
def _core() -> openvino.Core:
    return openvino.Core()


def has_bf16(device: str) -> bool:
    """Whether this processor computes in bfloat16 faster than in float32."""
    return "BF16" in _core().get_property(device.upper(), "OPTIMIZATION_CAPABILITIES")
