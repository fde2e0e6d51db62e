"""Every recipe of configs/train can be loaded and takes some steps."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFont

from industrial_ocr.cli.train import _task
from industrial_ocr.inference.manifest import find_entry
from industrial_ocr.training.loop import Trainer

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "configs" / "train").glob("*.yaml"))
SMALL: dict[str, Any] = {
    "steps": 2, "validate_every": 2, "batch_size": 2, "validation_samples": 2, "workers": 0,
    "device": "cpu", "precision": "fp32",
}  # fmt: skip


@pytest.fixture
def fonts(tmp_path: Path) -> Path:
    """A folder with the font that comes with Pillow."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    (folder / "Aileron-Regular.otf").write_bytes(ImageFont.load_default(20).font_bytes)  # type: ignore[union-attr]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_takes_some_steps(
    recipe: Path, fonts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("industrial_ocr.training.loop.add_onnx", lambda entry: entry)
    task, _, _ = recipe.stem.partition("-")
    changes = {**SMALL, "out": str(tmp_path / "run"), "fonts": [str(fonts)]}
    if task == "detector":
        changes["scene_size"] = 128
    if "corpus:" in recipe.read_text(encoding="utf-8"):
        (tmp_path / "words.txt").write_text("plan 7\nlines 3\nof 90\n", encoding="utf-8")
        changes["corpus"] = str(tmp_path / "words.txt")
    if find_spec("rapidocr") is None:
        changes["start_from"] = None
    trainer = Trainer(_task(task, recipe, changes))
    trainer.run()
    assert trainer.step == 2
    weights = tmp_path / "run" / f"{trainer.config.name}.safetensors"
    assert find_entry(task, weights).recipe["step"] == 2
