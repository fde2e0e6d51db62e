"""Uses CTC recognizers of other makers, which are ONNX files.

The network takes strips, (N, 1 or 3, rows, W) float32 of brightness -1 to 1, channels BGR. It
returns (N, T, C) or (T, N, C) probabilities or scores; class 0 is the blank. Its symbols, in the
order of its classes, are the lines of ``character`` in the metadata of the file, or of a text file
with the same name in the same folder. If the network has one more class, the last one is the space.
The recognizers of PP-OCR in the package ``rapidocr`` are such files; ``PPOCR`` lists them.

Such a file gets a ``ModelEntry`` like a model of a manifest, so that a bundle can contain it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from industrial_ocr.errors import WeightsError, require
from industrial_ocr.image.preprocess import StripInput
from industrial_ocr.inference.manifest import InputSpec, ModelEntry
from industrial_ocr.inference.network import Network
from industrial_ocr.inference.weights import checked_bytes
from industrial_ocr.patterns.charset import SPACE, Charset
from industrial_ocr.results.types import FloatArray

ARCHITECTURE = "ctc-onnx"
"""Architecture of an entry that is only an ONNX file."""
DEFAULT_ROWS = 48
"""Height of the strips if a network takes any height."""
PROBE_WIDTH = 320
"""Width of the empty strips with which a network is tried, and least width of its strips: PP-OCR's
recognizers were trained with strips that are padded to this width."""


class KnownFile(NamedTuple):
    """A recognizer in another package.

    Attributes:
        file: name of the file in the package's folder of models.
        sha256: sha256 of the file.
        license: SPDX identifier of its license.
    """

    file: str
    sha256: str
    license: str


PPOCR = {
    "pp-ocrv6": KnownFile(
        "PP-OCRv6_rec_small.onnx",
        "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
        "Apache-2.0",
    )
}
"""The recognizers of PP-OCR in the package ``rapidocr``, by name."""


def other_recognizer(name: str | Path | None) -> ModelEntry | None:
    """The entry for a name in ``PPOCR`` or for an ONNX file; None for any other name.

    Raises:
        MissingPackageError: ``rapidocr`` is not installed.
        WeightsError: the file is missing or unknown, or it is not a CTC recognizer.
    """
    if str(name) in PPOCR:
        return _described(known_file(str(name)), str(name), PPOCR[str(name)].license)
    if name is not None and Path(name).suffix.lower() == ".onnx":
        return _described(Path(name), Path(name).stem, "see its source")
    return None


def known_file(name: str) -> Path:
    """The file of a name in ``PPOCR``.

    Raises:
        MissingPackageError: ``rapidocr`` is not installed.
        WeightsError: the file is missing or unknown.
    """
    known = PPOCR[name]
    path = _rapidocr_models() / known.file
    remedy = "this version of rapidocr has another: give the path of its ONNX file instead"
    checked_bytes(path, known.sha256, "industrial_ocr", remedy)
    return path


def is_onnx_only(entry: ModelEntry) -> bool:
    """Whether a model is only an ONNX file."""
    return entry.architecture.get("architecture") == ARCHITECTURE


def _rapidocr_models() -> Path:
    require("ppocr", "rapidocr")
    spec = find_spec("rapidocr")
    assert spec is not None and spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations))) / "models"


def _described(path: Path, name: str, license_id: str) -> ModelEntry:
    """The entry of an ONNX file; raises WeightsError if it is not a CTC recognizer."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: the recognizer cannot be read: {error}") from error
    charset, rows, channels, architecture = _tried(data, path)
    sha256 = hashlib.sha256(data).hexdigest()
    half = (0.5,) * channels
    try:
        return ModelEntry(
            name=name,
            task="recognizer",
            file=path.name,
            sha256=sha256,
            onnx=path.name,
            onnx_sha256=sha256,
            architecture=architecture,
            charset=charset,
            input=InputSpec(size=(rows, PROBE_WIDTH), mean=half, std=half),
            license=license_id,
            folder=path.parent,
        )
    except ValidationError as error:
        raise WeightsError(
            f"{path}: a recognizer's file name has letters, digits, '.', '_' and '-' only"
        ) from error


def _listed_beside(path: Path) -> str:
    """The symbols in the text file beside an ONNX file without metadata."""
    text = path.with_suffix(".txt")
    try:
        return text.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise WeightsError(
            f"{path}: its symbols are unknown: it has no metadata 'character'; write them, one "
            f"per line, to {text}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{text}: the symbols cannot be read: {error}") from error


def _tried(data: bytes, source: Path) -> tuple[tuple[str, ...], int, int, dict[str, Any]]:
    """Charset, rows, channels and architecture of a network, found by running it."""
    import onnxruntime  # slow to import, and not needed by the other backends

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        taken = session.get_inputs()[0]
        channels, rows = taken.shape[1:3]
        rows = rows if isinstance(rows, int) else DEFAULT_ROWS
        probe = np.zeros((2, channels, rows, PROBE_WIDTH), np.float32)
        given = np.asarray(session.run(None, {taken.name: probe})[0])
    except Exception as error:  # ONNX Runtime raises errors of many classes
        raise WeightsError(
            f"{source}: not a CTC recognizer: {' '.join(str(error).split())}"
        ) from None
    if channels not in (1, 3) or given.ndim != 3 or 2 not in given.shape[:2]:
        raise WeightsError(
            f"{source}: not a CTC recognizer: it takes {taken.shape} and gives {given.shape} for "
            "two strips; expected (N, 1 or 3, rows, W) and (N, T, classes)"
        )
    batch_first = given.shape[0] == 2
    frames, classes = given.shape[1 if batch_first else 0], given.shape[2]
    listed = session.get_modelmeta().custom_metadata_map.get("character")
    if listed is None:
        listed = _listed_beside(source)
    symbols = listed.splitlines()
    if len(symbols) + 2 == classes:
        symbols.append(SPACE)
    if len(symbols) + 1 != classes:
        raise WeightsError(
            f"{source}: gives {classes} classes, but {len(symbols)} symbols are listed; expected "
            f"{classes - 1}, or {classes - 2} without the space"
        )
    sums = given.sum(axis=-1)
    architecture = {
        "architecture": ARCHITECTURE,
        "stride": PROBE_WIDTH / frames,
        "batch_first": batch_first,
        "probabilities": bool(given.min() >= 0 and np.allclose(sums, 1, atol=1e-3)),
    }
    return tuple(symbols), rows, channels, architecture


@dataclass(frozen=True, eq=False)
class CtcNetwork:
    """The network of an entry, with the output that ``recognition.recognizer`` expects.

    All classes of white space are summed into the last class, if there are any.

    Args:
        entry: entry from ``other_recognizer`` or from a bundle.
        network: the network in its ONNX file.
    """

    entry: ModelEntry
    network: Network

    def __call__(self, batch: FloatArray) -> FloatArray:
        """(N, C, rows, W) float32 -> (T, N, classes) log-probabilities, up to a constant."""
        given = self.network(batch)
        if self.entry.architecture["batch_first"]:
            given = given.transpose(1, 0, 2)
        if self.entry.architecture["probabilities"]:
            given = np.log(np.maximum(given, 1e-30))
        spaces = self._spaces
        if len(spaces) > 1 or spaces[:1] not in ([], [given.shape[-1] - 1]):
            space = np.logaddexp.reduce(given[..., spaces], axis=-1, keepdims=True)
            given = np.concatenate([np.delete(given, spaces, axis=-1), space], axis=-1)
        return given

    @property
    def charset(self) -> Charset:
        """The blank and its symbols without white space.

        Raises:
            WeightsError: a symbol is listed twice.
        """
        symbols = tuple(s for s in self.entry.symbols if s.strip())
        try:
            return Charset(symbols, blank=True)
        except ValueError as error:
            raise WeightsError(f"{self.entry.path}: {error}") from error

    @property
    def knows_space(self) -> bool:
        """Whether it has a class of white space."""
        return bool(self._spaces)

    @property
    def strips(self) -> StripInput:
        """The form of its input strips."""
        stride = float(self.entry.architecture["stride"])
        rows, min_width = self.entry.input.size or (DEFAULT_ROWS, PROBE_WIDTH)
        return StripInput(
            rows=rows,
            channels=len(self.entry.input.mean),
            own_contrast=False,
            zero_padding=True,
            min_width=min_width,
            stride=stride,
            center=stride / 2,
        )

    @property
    def _spaces(self) -> list[int]:
        return [i for i, s in enumerate(self.entry.symbols, 1) if not s.strip()]
