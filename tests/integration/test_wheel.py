"""The wheel alone, outside the checkout, reads an image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "INDUSTRIAL"))
    }
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel; dependencies are borrowed."""
    base = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", base / "dist", ROOT,
        cwd=base,
    )  # fmt: skip
    (wheel,) = (base / "dist").glob("*.whl")
    venv.create(base / "env", with_pip=True)
    binaries = base / "env" / ("Scripts" if os.name == "nt" else "bin")
    run(binaries / "python", "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=base)
    paths = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(run(binaries / "python", "-c", paths, cwd=base).strip())
    # Borrowed packages come after the environment's own, and .pth files there are not followed,
    # so an editable install of the checkout stays out.
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return binaries


def test_the_wheel_reads_an_image_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = run(
        installed / "python", "-c", "import industrial_ocr; print(industrial_ocr.__file__)",
        cwd=tmp_path,
    )  # fmt: skip
    assert Path(where.strip()).is_relative_to(installed.parent)
    canvas = Image.new("RGB", (480, 240), "white")
    ImageDraw.Draw(canvas).text((60, 90), "HK74XR92", fill="black", font=ImageFont.load_default(48))
    canvas.save(tmp_path / "code.png")
    printed = run(installed / "industrial-ocr", "read", "code.png", "--json", cwd=tmp_path)
    (result,) = json.loads(printed)
    assert "HK74XR92" in result["text"].upper().replace(" ", "")
    assert "ok" in run(installed / "industrial-ocr", "weights", cwd=tmp_path)
    page = "from importlib.resources import files; "
    page += "print((files('industrial_ocr.review') / 'page.html').is_file())"
    assert run(installed / "python", "-c", page, cwd=tmp_path).strip() == "True"
