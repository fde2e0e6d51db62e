"""Converts ONNX files to 8-bit integers (static quantization after training).

    python -m industrial_ocr.training.quantize MANIFEST_FOLDER --fonts DIR

writes ``NAME.int8.onnx`` beside every detector and classifier of a folder. The ranges of the values
between the layers are measured on rendered pictures. ONNX Runtime and OpenVINO read the same file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain, count, islice
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from industrial_ocr.datasets.synthesis.crops import GlyphRenderer
from industrial_ocr.datasets.synthesis.scenes import SceneRenderer
from industrial_ocr.detection.detector import network_input
from industrial_ocr.errors import WeightsError
from industrial_ocr.image.preprocess import normalize_crops
from industrial_ocr.inference.manifest import ModelEntry, load_models
from industrial_ocr.inference.weights import load_onnx, save_onnx
from industrial_ocr.results.types import FloatArray


def add_int8(entry: ModelEntry, batches: Sequence[FloatArray]) -> ModelEntry:
    """Quantizes a model of a manifest and adds the file to the manifest.

    Args:
        entry: a model with an ONNX file.
        batches: inputs of the network, each (N, C, H, W) float32, on which ranges are measured.

    Returns:
        The entry with the name and the hash of the int8 file.

    Raises:
        WeightsError: there is no ONNX file, it is damaged, or the folder cannot be written.
    """
    return save_onnx(entry, int8_bytes(load_onnx(entry), batches), int8=True)


def int8_bytes(data: bytes, batches: Sequence[FloatArray]) -> bytes:
    """An ONNX file with 8-bit weights (a scale for each channel) and 8-bit values between layers.

    The first and the last layer stay float32, which costs no measurable time: the first one sees
    small contrasts beside large ones, and quantized outputs of the last one would flatten the peaks
    in a detector's maps. Weights have 7 bits, so that the sums of two products do not overflow 16
    bits on processors without VNNI: the result is the same on every processor.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, out = (Path(folder) / f"{name}.onnx" for name in ("a", "b", "c"))
        source.write_bytes(data)
        # The symbolic shape inference needs sympy, and the sizes of the layers are not needed.
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        nodes = onnx.load(prepared).graph.node
        layers = [node.name for node in nodes if node.op_type in ("Conv", "Gemm")]
        quantize_static(
            prepared,
            out,
            _CalibrationBatches(batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[layers[0], layers[-1]],
        )
        return out.read_bytes()


def rendered_batches(entry: ModelEntry, fonts: Sequence[str | Path]) -> list[FloatArray]:
    """Rendered inputs of a detector or a classifier, as in reading.

    The share of plain print is about that of the training.
    """
    seed, plain = 7001, 0.5
    if entry.task == "detector":
        scenes = SceneRenderer(tuple(fonts), plain=plain)
        published = entry.architecture.get("architecture") == "vgg16_bn"
        images = (scenes.render((seed, i)).image for i in range(64))
        return [network_input(image, published)[None] for image in images]
    side = entry.input.size[0] if entry.input.size else 40
    glyphs = GlyphRenderer(tuple(fonts), side, plain=plain)
    crops = chain.from_iterable(glyphs.render((seed, i)) for i in count())
    pixels = np.stack([crop for crop, _ in islice(crops, 1024)])
    return list(normalize_crops(pixels)[:, None, None])


class _CalibrationBatches(CalibrationDataReader):  # type: ignore[misc]
    """Gives ``quantize_static`` one batch after the other, then None."""

    def __init__(self, batches: Sequence[FloatArray]) -> None:
        self._rest: Iterator[FloatArray] = iter(batches)

    def get_next(self) -> dict[str, FloatArray] | None:
        batch = next(self._rest, None)
        return None if batch is None else {"input": batch}


def main() -> None:
    """Quantizes the detectors and classifiers of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fonts", action="append", default=[])
    args = parser.parse_args()
    try:
        for entry in load_models(args.folder):
            if entry.task != "recognizer":
                saved = add_int8(entry, rendered_batches(entry, args.fonts))
                print(f"{saved.task} {saved.name}: {saved.int8_path}")
    except WeightsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
