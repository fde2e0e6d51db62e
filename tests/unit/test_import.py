"""What importing the package loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import industrial_ocr
from industrial_ocr import errors


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


def test_the_package_itself_loads_no_room() -> None:
    code = (
        "import sys, industrial_ocr; "
        "heavy = {'numpy', 'torch', 'cv2', 'onnxruntime', 'pydantic'} & set(sys.modules); "
        "print(*heavy, *(m for m in sys.modules if m.startswith('industrial_ocr.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", industrial_ocr.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert name in dir(industrial_ocr)
    assert getattr(industrial_ocr, name) is not None


def test_every_error_is_a_public_name() -> None:
    known = vars(errors).values()
    classes = {c.__name__ for c in known if isinstance(c, type)}
    assert classes <= set(industrial_ocr.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Raeder"):
        industrial_ocr.Raeder  # noqa: B018
