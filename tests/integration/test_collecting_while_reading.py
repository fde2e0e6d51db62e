"""Uncertain characters of real readings, by every way of the reader and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from industrial_ocr import Collector, Reader
from industrial_ocr.cli import app as cli
from industrial_ocr.config import CollectingConfig
from industrial_ocr.decoding.homoglyphs import same_shape
from industrial_ocr.errors import CollectError

pytestmark = pytest.mark.slow

RULES = CollectingConfig(min_confidence=0.999)
LABEL = Path(__file__).parents[2] / "examples" / "label.png"


@pytest.fixture(scope="module")
def shared() -> Reader:
    return Reader(device="cpu")


def items(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(p.read_text()) for p in sorted((folder / "items").glob("*.json"))]


def blurred() -> np.ndarray:
    """The label so blurred that every way doubts some of its characters."""
    with Image.open(LABEL) as picture:
        return np.asarray(picture.convert("RGB").filter(ImageFilter.GaussianBlur(5)))


@pytest.mark.parametrize("engine", ["crnn", "agree"])
def test_every_engine_collects(shared: Reader, tmp_path: Path, engine: Any) -> None:
    before = vars(shared).copy()
    result = shared.read(blurred(), engine=engine)
    assert vars(shared) == before
    Collector(tmp_path, rules=RULES).add(result)
    found = items(tmp_path)
    assert found
    texts = [s.text for s in result.strings]
    for item in found:
        assert item["text"] in texts
        assert item["text"][item["position"] :].startswith(item["symbol"])
        assert (tmp_path / item["context"]).stat().st_size > 0


def test_a_part_of_a_picture_is_the_same_picture(shared: Reader, tmp_path: Path) -> None:
    with Image.open(LABEL) as picture:
        width, height = picture.size
    collector = Collector(tmp_path, limit_mb=5, rules=RULES)
    (whole,) = shared.read_batch([LABEL])
    collector.add(whole)
    count = len(items(tmp_path))
    collector.add(shared.read(LABEL, roi=(0, 0, width, height)))
    assert len(items(tmp_path)) == count > 0


def test_recognize_collects_too(shared: Reader, tmp_path: Path) -> None:
    result = shared.read(LABEL)
    x0, y0 = result.strings[1].quad.min(axis=0).astype(int) - 4
    x1, y1 = result.strings[1].quad.max(axis=0).astype(int) + 4
    crop = result.image[y0:y1, x0:x1]
    (read,) = shared.recognize([crop], engine="agree")
    one, two = (shared.recognize([crop], engine=e)[0].timings for e in ("two-stage", "crnn"))
    assert read.timings.keys() == one.keys() | two.keys()
    Collector(tmp_path, rules=RULES).add(read)
    found = items(tmp_path)
    assert found and found[0]["source"] is None


def test_the_quad_finds_the_character_in_the_picture(shared: Reader, tmp_path: Path) -> None:
    """A crop cut out of the context reads as that of the source did.

    Which of several symbols alike it is the string decides; its probability is that of all of them.
    """
    Collector(tmp_path, rules=RULES).add(shared.read(LABEL, engine="two-stage"))
    for item in items(tmp_path):
        with Image.open(tmp_path / item["context"]) as picture:
            context = np.asarray(picture)
        (named,) = shared.classify_boxes(context, [item["quad"]])
        best = dict(zip(named.symbols, named.probabilities, strict=True))
        alike = same_shape(item["symbol"])
        margin = 0.1 if len(alike) > 1 else 0.02
        probability = sum(best.get(symbol, 0.0) for symbol in alike)
        if not item["symbol"]:  # it was taken for no character
            probability = named.reject
        assert probability == pytest.approx(item["confidence"], abs=margin)


def test_the_command_line_collects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("collecting: {min_confidence: 0.999}\n")
    run = CliRunner().invoke
    arguments = ["--csv", "--collect", str(tmp_path / "d"), "--config", str(config)]
    done = run(cli.app, ["read", str(LABEL), *arguments])
    assert done.exit_code == 0
    assert {item["source"] for item in items(tmp_path / "d")} == {LABEL.name}
    full = CollectError("the disk is full")
    monkeypatch.setattr(Collector, "add", lambda *_: (_ for _ in ()).throw(full))
    kept = run(cli.app, ["read", str(LABEL), *arguments])
    assert (kept.exit_code, kept.stdout) == (1, done.stdout) and "disk is full" in kept.stderr
    (tmp_path / "file").write_text("")
    for wrong in (
        ["--collect", str(tmp_path / "file")],
        ["--collect-limit-mb", "5"],
        ["--collect", str(tmp_path / "d"), "--collect-limit-mb", "0.5"],
    ):
        assert run(cli.app, ["read", str(LABEL), *wrong]).exit_code == 2
