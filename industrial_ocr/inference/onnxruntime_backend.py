"""Runs networks on ONNX Runtime, which is always installed."""

from __future__ import annotations

import onnxruntime

from industrial_ocr.inference.manifest import ModelEntry
from industrial_ocr.inference.weights import load_onnx
from industrial_ocr.results.types import FloatArray


class OnnxRuntimeSession:
    """A network on ONNX Runtime.

    Args:
        entry: the model; one of its ONNX files is used.
        threads: largest number of threads; None leaves it to ONNX Runtime, which takes one per
            core.
        int8: whether to compute in 8-bit integers.

    Raises:
        WeightsError: the ONNX file is missing or damaged.
    """

    survives_fork = False

    def __init__(self, entry: ModelEntry, threads: int | None, int8: bool) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        # Memory patterns are for pictures of one size; ours differ.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        data = load_onnx(entry, int8)
        self._session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: FloatArray) -> FloatArray:
        """(N, C, H, W) float32 -> the network's output, float32."""
        output: FloatArray = self._session.run(None, {self._input: batch})[0]
        return output
