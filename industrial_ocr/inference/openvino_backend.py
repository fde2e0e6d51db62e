"""Networks on OpenVINO, the fastest backend on most CPUs."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import openvino

from industrial_ocr.inference.manifest import ModelEntry
from industrial_ocr.inference.weights import load_onnx
from industrial_ocr.results.types import FloatArray


class OpenVinoSession:
    """A network on OpenVINO.

    Args:
        entry: the model; its ONNX file is used.
        threads: at most so many; None leaves the choice to OpenVINO, one a core.
        bf16: compute in bfloat16.

    Raises:
        WeightsError: there is no ONNX file, or it is damaged.
    """

    survives_fork = False

    def __init__(self, entry: ModelEntry, threads: int | None, bf16: bool) -> None:
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "NUM_STREAMS": 1,
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        model = _core().read_model(load_onnx(entry), b"")
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
