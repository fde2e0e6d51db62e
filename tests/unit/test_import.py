"""What importing the package loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import industrial_ocr


def test_light_imports_do_not_load_torch() -> None:
    # Not synthesis.camera and what builds on it: albumentations itself loads torch.
    modules = "results.read_result results.geometry image.load config results.viz cli "
    modules += "datasets.synthesis.faces"
    imports = "; ".join(f"import industrial_ocr.{m}" for m in modules.split())
    code = (
        f"import sys; {imports}; from industrial_ocr import ReadResult, __version__; "
        "print(*({'torch', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_names_are_listed_before_they_are_loaded() -> None:
    assert {"Reader", "Pattern", "ReadResult"} <= set(dir(industrial_ocr))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Raeder"):
        industrial_ocr.Raeder  # noqa: B018
