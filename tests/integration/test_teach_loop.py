"""The loop of a factory with a symbol outside the charset: read, collect, review, retrain, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

from industrial_ocr import Collector, Reader
from industrial_ocr.cli import app as cli
from industrial_ocr.config import CollectingConfig
from industrial_ocr.results.types import ImageArray
from industrial_ocr.training.retraining import replay_buffer, retrain
from industrial_ocr.training.retraining.config import FinetuneRecipe
from industrial_ocr.training.retraining.rehearsal import LabeledCrops, Rehearsal, load_rehearsal

pytestmark = pytest.mark.slow

pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")

CODE = "R4{}<-71{}2"
"""The shipped classifier does not know the <, and takes it for a k without being sure."""
UNCERTAIN = CollectingConfig(min_confidence=0.9)
"""A station that must not miss a new symbol looks at more characters than usual."""
PATTERN = "R4[0-9]<-71[0-9]2"
QUICK = FinetuneRecipe(views=30, prints=10, fresh=0, head_steps=80, steps=4, batch_size=64)
KEPT = 3
"""Rehearsal crops of each class and part."""


def printed(number: int) -> tuple[str, ImageArray]:
    """A code and its print, (110, 360) uint8, in a size and contrast of its own."""
    rng = np.random.default_rng(number)
    code = CODE.format(*rng.integers(0, 10, 2))
    canvas = Image.new("L", (360, 110), int(rng.integers(170, 240)))
    font = ImageFont.load_default(int(rng.integers(38, 52)))
    ImageDraw.Draw(canvas).text((30, 25), code, fill=int(rng.integers(10, 60)), font=font)
    noisy = np.asarray(canvas) + rng.normal(0, 4, (110, 360))
    return code, np.clip(noisy, 0, 255).astype(np.uint8)


def some(crops: LabeledCrops) -> LabeledCrops:
    chosen = [np.flatnonzero(crops.symbols == s)[:KEPT] for s in dict.fromkeys(crops.symbols)]
    return crops.of(np.concatenate(chosen))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Learning of seconds from a small rehearsal set, on one thread."""
    whole = load_rehearsal()
    small = Rehearsal(
        some(whole.training), some(whole.validation), some(whole.held_out), whole.sha256
    )
    monkeypatch.setattr(replay_buffer, "load_rehearsal", lambda *path: small)
    monkeypatch.setattr(retrain, "fresh_crops", lambda *_: None)
    monkeypatch.setattr("industrial_ocr.training.retraining.config.FinetuneRecipe", lambda: QUICK)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def review(folder: Path, codes: dict[str, str]) -> list[str]:
    """Answers every item over HTTP as the page does; the symbols that were given."""
    from industrial_ocr.review.app import create_app

    page = testclient.TestClient(create_app(folder), base_url="http://127.0.0.1:8765")
    given = []
    while (item := page.get("/api/state?show=open&order=uncertain").json()["item"]) is not None:
        code = codes[item["source"]]
        told = {"id": item["id"], "action": "skip", "symbol": ""}
        if item["symbol"] and len(item["text"]) == len(code):
            told |= {"action": "label", "symbol": code[item["position"]]}
            given.append(told["symbol"])
        origin = {"Origin": "http://127.0.0.1:8765"}
        assert page.post("/api/answers", json=told, headers=origin).status_code == 200
    return given


def test_a_symbol_is_taught_by_answers_on_the_page(tmp_path: Path, quick: None) -> None:
    reader, codes = Reader(device="cpu"), {}
    collector = Collector(tmp_path / "doubtful", rules=UNCERTAIN)
    for number in range(14):
        code, image = printed(number)
        path = tmp_path / f"{number}.png"
        Image.fromarray(image).save(path)
        codes[path.name] = code
        result = reader.read(path, engine="two-stage")
        collector.add(result, path)
        assert code not in result.text
    given = review(tmp_path / "doubtful", codes)
    assert given.count("<") >= 5
    corrections = tmp_path / "doubtful" / "corrections.jsonl"
    answers = [json.loads(line) for line in corrections.read_text().splitlines()]
    assert sum(a["action"] == "label" for a in answers) == len(given)

    out = tmp_path / "mine.safetensors"
    arguments = ["retrain", corrections, "--out", out, "--force", "--margin", 100]
    done = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output

    taught = Reader(device="cpu", classifier=out)
    found = []
    for number in range(100, 106):
        code, image = printed(number)
        result = taught.read(image, pattern=PATTERN)
        found.append((code, None if result.code is None else result.code.text))
    assert sum(code == text for code, text in found) >= 5, found
